"""ICMP errors under uvloop: they are heard, they leave a UDP socket hearing, and they cost nothing."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from boringsdp.sip.session.events import Failed
from tests.support.sip_endpoints import OFFER, Ear, at, endpoint, settings_of


@pytest.fixture
def dead() -> int:
    """A port where nobody listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(scenario: Coroutine[Any, Any, None]) -> None:
    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario)


def test_a_dead_peer_does_not_deafen_the_endpoint(dead: int):
    async def calls() -> None:
        async with endpoint() as here, endpoint() as there:
            account = here.account(settings_of(at(here, "alice")), Ear())
            there.account(settings_of(at(there, "bob")), Ear(lambda event: event.session.reject(486)))
            for _ in range(3):
                account.request("OPTIONS", f"sip:nobody@127.0.0.1:{dead}")
                await asyncio.sleep(0.05)  # the error comes back
                ear = Ear()
                account.invite(at(there, "bob"), OFFER, hear=ear)
                assert (await ear.hears(Failed)).code == 486

    run(calls())


def test_a_call_to_a_dead_peer_fails_at_once_and_says_why(dead: int):
    async def calls() -> None:
        async with endpoint() as here:
            ear = Ear()
            here.account(settings_of(at(here, "alice")), Ear()).invite(f"sip:bob@127.0.0.1:{dead}", OFFER, hear=ear)
            failed = await ear.hears(Failed)
            assert failed.code == 503
            assert failed.response is not None
            assert "refused" in (failed.response.headers.get("Warning") or "")

    run(calls())


def test_errors_that_nobody_reads_do_not_keep_the_loop_busy(dead: int):
    async def calls() -> None:
        async with endpoint() as here:
            account = here.account(settings_of(at(here, "alice")), Ear())
            for _ in range(5):
                account.request("OPTIONS", f"sip:nobody@127.0.0.1:{dead}")
            await asyncio.sleep(0.1)
            before = time.process_time()
            await asyncio.sleep(0.3)
            assert time.process_time() - before < 0.1

    run(calls())
