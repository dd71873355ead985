"""Calls set up and torn down leave no object of ours behind, in a gateway of this process."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections import Counter
from collections.abc import Iterator

import pytest

from bench.call_setup import call
from boringsdp import config
from boringsdp.app import Gateway
from boringsdp.dtls import Identity
from tests.support.engines import engine_flags
from tests.support.gateway import free_port
from tests.support.janus_client import JanusClient

CALLS = 20
SETTINGS = {
    "webrtc.addresses": "127.0.0.1",
    "rtp.address": "127.0.0.1",
    "rtp.allow": "127.0.0.0/8",
    "rtp.port_min": "20000",
    "rtp.port_max": "31999",
    "rtp.port_rest": "0",
    "janus.websocket_host": "127.0.0.1",
    "janus.websocket_port": "0",
    "janus.http_host": "127.0.0.1",
    "janus.http_port": "0",
    "ng.listen": "127.0.0.1:0",
} | engine_flags()


def live_objects() -> Counter[str]:
    """Our own classes' instances that the collector knows, by class; it has had no turn if it is switched off."""
    if gc.isenabled():
        gc.collect()
    names = (f"{type(thing).__module__}.{type(thing).__qualname__}" for thing in gc.get_objects())
    return Counter(name for name in names if name.startswith("boringsdp."))


async def round_of_calls(url: str, identity: Identity, ways_out: tuple[str, ...] = ("detach", "destroy", "socket")) -> None:
    """Set calls up and end a third of them in each way that a client can."""
    for way in ways_out:
        async with JanusClient(url) as janus:
            kept = [await call(janus, identity) for _ in range(CALLS)]
            if way == "destroy":
                await janus.request("destroy")
            for handle, peer in kept:
                if way == "detach":
                    await janus.request("detach", handle_id=handle)
                peer.close()
    await asyncio.sleep(0.2)


@pytest.fixture(params=[True, False], ids=["collected", "uncollected"])
def collector(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Whether the garbage collector runs: a call that has ended must not wait for it, since its full pass stops all media."""
    gc.collect()
    if not request.param:
        gc.disable()
    yield request.param
    gc.enable()


@pytest.mark.load
@pytest.mark.usefixtures("collector")
async def test_no_object_is_left_behind():
    loaded = config.load(None, {}, SETTINGS | {"webrtc.port": str(free_port(socket.SOCK_DGRAM))})
    gateway = Gateway(loaded.config)
    await gateway.start()
    try:
        host, port = gateway.janus.websocket_addresses[0]
        identity, url = Identity(), f"ws://{host}:{port}/"
        await round_of_calls(url, identity)
        before, tasks = live_objects(), len(asyncio.all_tasks())
        await round_of_calls(url, identity)
        after = live_objects()
        assert after - before == Counter()
        assert len(asyncio.all_tasks()) <= tasks
        assert len(gateway.calls) == 0
    finally:
        await gateway.close()
