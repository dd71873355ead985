"""A gateway for SIPp, and a stage on it for each test."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.interop.kamailio.phone import free_ports
from tests.interop.sip.scripts import stage as stages
from tests.interop.sip.scripts.inside import stage_inside
from tests.interop.sip.scripts.stage import Stage
from tests.support.gateway import Gateway, running_gateway
from tests.support.janus_client import JanusClient

FLAGS = ("--sip.sources=127.0.0.0/8", "--webrtc.ice_timeout=120", "--sip.session_expires=1800")


@pytest.fixture(scope="session")
def scripted() -> Iterator[Gateway]:
    """A gateway with the usual timers; SIPp may call its accounts by their identity."""
    if problem := stages.missing():
        pytest.skip(problem)
    with running_gateway(*listeners(), *FLAGS) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def hasty() -> Iterator[Gateway]:
    """The same with T1 of 60 ms: what is given up after 64 of it is given up soon."""
    if problem := stages.missing():
        pytest.skip(problem)
    with running_gateway(*listeners(), "--sip.t1=0.06", *FLAGS) as gateway:
        yield gateway


@pytest_asyncio.fixture
async def stage(scripted: Gateway) -> AsyncIterator[Stage]:
    async with JanusClient(scripted.websocket) as janus:
        yield Stage(scripted, sip_of(scripted), janus)


@pytest_asyncio.fixture
async def hasty_stage(hasty: Gateway) -> AsyncIterator[Stage]:
    async with JanusClient(hasty.websocket) as janus:
        yield Stage(hasty, sip_of(hasty), janus)


@pytest_asyncio.fixture
async def strict_stage() -> AsyncIterator[Stage]:
    """A gateway that wants 100rel of everybody."""
    async with stage_inside(sip_prack="required") as made:
        yield made


def listeners() -> tuple[str, ...]:
    """UDP and TCP on one port."""
    port, _ = free_ports()
    return (f"--sip.listen=udp:127.0.0.1:{port},tcp:127.0.0.1:{port}",)


def sip_of(gateway: Gateway) -> str:
    """Host and port where a gateway listens for SIP."""
    found = re.search(r"SIP +udp (\S+:\d+)", gateway.log)
    assert found is not None, gateway.log
    return found[1]
