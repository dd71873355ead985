"""Many calls: none is lost at 200 a second or on a bad line, and none leaves anything behind."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.interop.sip.scripts import stage as stages
from tests.interop.sip.scripts.conftest import listeners, sip_of
from tests.interop.sip.scripts.crowds import FLAGS, calls_in, calls_out, many_callees
from tests.interop.sip.scripts.relay import Relay, running_relay
from tests.interop.sip.scripts.robots import Robots, robots
from tests.support.gateway import Gateway, running_gateway

pytestmark = [pytest.mark.interop, pytest.mark.load]

ROBOTS = 300
HALF = 1250
T1 = 0.2
# Whatever a call leaves behind is at least one object. Four calls may share one: caches may still be filling.
BLOCKS_PER_CALL = 0.25
# And what is not Python's, or what an allocator cannot reuse. A call that stayed would keep 40 KiB and more, its descriptions alone 2 KiB.
BYTES_PER_CALL = 2048


@contextlib.asynccontextmanager
async def gathered(t1: float) -> AsyncIterator[tuple[Gateway, Robots]]:
    if problem := stages.missing():
        pytest.skip(problem)
    with running_gateway(*listeners(), f"--sip.t1={t1}", *FLAGS) as gateway:
        async with robots(gateway.websocket, sip_of(gateway)) as people:
            await people.recruit(ROBOTS)
            yield gateway, people


@pytest_asyncio.fixture
async def crowd() -> AsyncIterator[tuple[Gateway, Robots]]:
    """A gateway and its robots. T1 is short, so that what transactions keep for 64 of it is gone soon; a busy machine needs as much."""
    async with gathered(T1) as both:
        yield both


@pytest_asyncio.fixture
async def quick_crowd() -> AsyncIterator[tuple[Gateway, Robots]]:
    """The same with half of T1: a lost ACK is asked for some times while SIPp talks."""
    async with gathered(T1 / 2) as both:
        yield both


async def test_five_thousand_calls_at_200_a_second(crowd: tuple[Gateway, Robots]) -> None:
    """
    1,250 each way, twice: none is lost, and the second half leaves nothing behind.

    A half is about as long as ended transactions are kept, so that the first has had as many at a time as there ever are.
    """
    gateway, people = crowd
    seen = []
    for _ in range(2):
        await calls_in(people, sip_of(gateway), HALF)
        await calls_out(people, HALF)
        await asyncio.sleep(64 * T1 + 1)
        seen.append((gateway.figure("boringsdp_process_memory_blocks"), gateway.memory(), gateway.open_files()))
    assert people.reasons == {"200 Session Terminated": 2 * HALF, "200 to BYE": 2 * HALF}
    blocks, memory, files = ((after - before) / (2 * HALF) for before, after in zip(*seen, strict=True))
    assert files <= 0
    assert blocks < BLOCKS_PER_CALL, seen
    assert memory < BYTES_PER_CALL, seen


@contextlib.asynccontextmanager
async def bad_line(server: str, seed: int) -> AsyncIterator[Relay]:
    """Loses one in ten datagrams each way."""
    dice = random.Random(seed)
    fate = lambda data, before: int(dice.random() >= 0.1)  # noqa: E731
    async with running_relay(server, to_server=fate, to_client=fate) as relay:
        yield relay


async def test_two_hundred_calls_in_with_ten_per_cent_lost(quick_crowd: tuple[Gateway, Robots]) -> None:
    gateway, people = quick_crowd
    async with bad_line(sip_of(gateway), 7) as relay:
        await calls_in(people, f"127.0.0.1:{relay.port}", 200, rate=50, talk_s=1.0)
    assert people.told["accepted"] == 200
    assert people.reasons == {"200 Session Terminated": 200}


async def test_two_hundred_calls_out_with_ten_per_cent_lost(quick_crowd: tuple[Gateway, Robots]) -> None:
    _, people = quick_crowd
    async with many_callees(200, patient=True) as phone, bad_line(phone.uri.partition("@")[2], 8) as relay:
        await people.place(f"sip:callee@127.0.0.1:{relay.port}", 200, 50)
    assert people.told["accepted"] == 200
    assert people.reasons == {"200 to BYE": 200}
