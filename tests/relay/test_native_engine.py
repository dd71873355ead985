"""What only the native engine has: threads, descriptors, wake-ups. What it does is in `conformance`."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from boringsdp.errors import WrongState
from boringsdp.relay.engine import Event, Latch, PathSelected, SsrcSeen
from tests.relay.conformance.engines import native
from tests.relay.conformance.world import World

Make = Callable[..., World]
REPORT = bytes.fromhex("80c9000100001234")


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    """Worlds with the native engine, made with any options; all are closed."""
    worlds: list[World] = []

    def made(**options: Any) -> World:
        worlds.append(World(partial(native, **{"sockets": "per-call", **options})))
        return worlds[-1]

    yield made
    for world in worlds:
        await world.close()


def threads() -> dict[str, Path]:
    """This process's engine threads by name."""
    found = {}
    for task in Path("/proc/self/task").iterdir():
        name = (task / "comm").read_text().strip()
        if name.startswith("boringsdp-w"):
            found[name] = task
    return found


def descriptors() -> set[str]:
    """The open ones; those of engines that nobody has any more are not."""
    gc.collect()
    return set(os.listdir("/proc/self/fd"))


def wake_ups(task: Path) -> int:
    """How often a thread has gone to sleep."""
    status = (task / "status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("voluntary_ctxt_switches")).split()[1])


# --- threads and descriptors


async def test_says_what_it_is(make: Make) -> None:
    facts = make(workers=2, hold_us=300).engine.facts
    assert (facts.name, facts.workers, facts.sockets, facts.hold_us) == ("native", 2, "per-call", 300)


async def test_has_a_thread_for_each_worker_and_none_after(make: Make) -> None:
    world = make(workers=3)
    await world.until(lambda: set(threads()) == {"boringsdp-w0", "boringsdp-w1", "boringsdp-w2"})  # each names itself
    await world.close()
    assert threads() == {}
    await world.close()


async def test_leaves_no_descriptor() -> None:
    async def use() -> None:
        world = World(partial(native, sockets="per-call", workers=2))
        legs = [world.plain(rtcp=True) for _ in range(10)] + [await world.connected() for _ in range(3)]
        for leg in legs:
            leg.peer.speak(2)
        await world.until(lambda: all(leg.received.packets == 2 for leg in legs))
        await world.close()

    before = descriptors()
    await use()
    assert descriptors() == before


async def test_a_closed_port_gives_its_descriptor_back(make: Make) -> None:
    world = make()
    before = len(descriptors())
    for _ in range(300):
        number, _ = world.engine.open_port(("127.0.0.1", 0))
        world.engine.close_port(number)
    await world.until(lambda: len(descriptors()) == before)


async def test_stops_when_it_is_forgotten() -> None:
    loop = asyncio.get_running_loop()
    before = descriptors()
    engine = native(lambda events: None, sockets="per-call")
    engine.open_port(("127.0.0.1", 0))
    loop.remove_reader(engine._native.fileno())  # type: ignore[attr-defined]
    del engine
    assert descriptors() == before
    assert threads() == {}


FORK = """
import asyncio, os
from boringsdp.relay.native_engine import NativeEngine

async def main():
    engine = NativeEngine(lambda events: None, sockets="per-call", workers=2)
    engine.open_port(("127.0.0.1", 0))
    child = os.fork()
    if not child:
        engine._native.close()
        os._exit(7)
    assert os.waitpid(child, 0)[1] >> 8 == 7
    engine.open_port(("127.0.0.1", 0))
    await engine.close()

asyncio.run(main())
"""


def test_a_forked_process_stops_nothing() -> None:
    pytest.importorskip("boringsdp_native")
    subprocess.run([sys.executable, "-c", FORK], check=True, timeout=20, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})


async def test_workers_are_numbered_from_0(make: Make) -> None:
    world = make(workers=2)
    world.engine.open_port(("127.0.0.1", 0), 1)
    with pytest.raises(WrongState):
        world.engine.open_port(("127.0.0.1", 0), 2)


async def test_a_transport_has_one_worker(make: Make) -> None:
    world = make(workers=2)
    ports = [world.engine.open_port(("127.0.0.1", 0), worker)[0] for worker in (0, 1)]
    with pytest.raises(WrongState):
        world.engine.add_transport(world.spec(ports=(ports[0],), rtcp_port=ports[1]))


async def test_what_is_closed_takes_no_commands(make: Make) -> None:
    world = make()
    leg = world.plain()
    await world.engine.close()
    with pytest.raises(WrongState):
        world.engine.open_port(("127.0.0.1", 0))
    with pytest.raises(WrongState):
        world.engine.add_transport(world.spec(ports=leg.ports))


async def test_a_port_of_another_program_is_refused(make: Make) -> None:
    world, peer = make(), make().peer()
    with pytest.raises(OSError, match="in use"):
        world.engine.open_port(peer.address)
    with pytest.raises(OSError):
        world.engine.open_port(("localhost", 0))


# --- waiting


async def test_sleeps_while_nothing_comes(make: Make) -> None:
    world = make()
    leg = world.plain()
    leg.peer.speak()
    await world.until(lambda: leg.received.packets == 1)
    task = threads()["boringsdp-w0"]
    before = wake_ups(task)
    await asyncio.sleep(0.6)
    assert wake_ups(task) - before <= 4  # only to look after timeouts


async def test_held_wake_ups_end_when_there_is_no_more_traffic(make: Make) -> None:
    world = make(hold_us=500, hold_above=0)
    leg = world.plain()

    def speak_on() -> bool:
        leg.peer.speak()
        return wake_ups(task) - before > 50 and leg.received.packets < 50  # it looks every half millisecond, though little comes

    leg.peer.speak()
    await world.until(lambda: leg.received.packets == 1)
    task = threads()["boringsdp-w0"]
    before = wake_ups(task)
    await world.until(speak_on)
    await asyncio.sleep(0.3)
    before = wake_ups(task)
    await asyncio.sleep(0.5)
    assert wake_ups(task) - before <= 4


async def test_never_holds_unless_asked_to(make: Make) -> None:
    world = make(hold_us=0, hold_above=0)
    leg = world.plain()
    leg.peer.speak()
    await world.until(lambda: leg.received.packets == 1)
    task = threads()["boringsdp-w0"]
    before = wake_ups(task)
    await asyncio.sleep(0.1)
    assert wake_ups(task) - before <= 2


async def test_a_picture_is_taken_at_once(make: Make) -> None:
    world = make(hold_us=50_000, hold_above=0)
    source, target = world.plain(), world.plain()
    world.route(source, target)
    source.peer.speak(2)
    await target.peer.hear_many(2)
    start = time.monotonic()
    source.peer.speak(40, payload=bytes(1000))
    await target.peer.hear_many(40)
    assert time.monotonic() - start < 0.5  # and not 50 ms for each packet


async def test_a_flood_of_one_port_is_taken_while_wake_ups_are_held(make: Make) -> None:
    world = make(hold_us=20_000, hold_above=0)
    leg, stranger = world.plain(), world.peer()
    leg.peer.speak()
    await world.until(lambda: leg.received.packets == 1)
    start = time.monotonic()
    for _ in range(300):
        stranger.send(b"flood", leg.peer.to)
    leg.peer.speak(payload=b"still heard")
    await world.until(lambda: leg.received.packets == 2)
    assert time.monotonic() - start < 2.0  # and not 20 ms for each
    assert leg.drops == {"unknown_source": 300}


# --- events


async def test_what_the_sink_causes_follows_in_a_batch_of_its_own() -> None:
    batches: list[list[Event]] = []
    inside = False

    def sink(events: Sequence[Event]) -> None:
        nonlocal inside
        assert not inside
        inside = True
        batches.append(list(events))
        for event in events:
            if isinstance(event, SsrcSeen):
                world.engine.resend(event.stream, (1, 2))
        inside = False

    world = World(partial(native, sockets="per-call"))
    await world.engine.close()
    world.engine = native(sink, sockets="per-call")
    leg = world.plain()
    leg.peer.speak()
    await world.until(lambda: len(batches) > 1)
    assert any(isinstance(event, SsrcSeen) for event in batches[0])
    await world.close()


async def test_a_sink_without_end_does_not_stop_the_loop() -> None:
    calls = 0

    def sink(events: Sequence[Event]) -> None:
        nonlocal calls
        calls += 1
        world.engine.resend(leg.stream, (1,))

    world = World(partial(native, sockets="per-call"))
    await world.engine.close()
    world.engine = native(sink, sockets="per-call")
    leg = world.plain()
    world.engine.resend(leg.stream, (1,))
    for _ in range(5):
        await asyncio.sleep(0)
    assert calls < 1000
    await world.close()


async def test_events_come_together_while_wake_ups_are_held() -> None:
    batches: list[int] = []
    world = World(partial(native, sockets="per-call", hold_us=200, hold_above=0))
    await world.engine.close()
    world.engine = native(lambda events: batches.append(len(events)), sockets="per-call", hold_us=200, hold_above=0)
    leg = world.plain()
    for _ in range(200):
        leg.peer.send(REPORT)
        await asyncio.sleep(0.001)
    await world.until(lambda: sum(batches) >= 200)
    assert len(batches) < 150
    await world.close()


async def test_a_flood_of_events_leaves_the_loop_its_turns() -> None:
    batches: list[int] = []
    turns = 0

    def turn() -> None:
        nonlocal turns
        turns += 1
        asyncio.get_running_loop().call_soon(turn)

    world = World(partial(native, sockets="per-call"))
    await world.engine.close()
    world.engine = native(lambda events: batches.append(len(events)), sockets="per-call")
    leg = world.plain()
    for number in range(1, 1001):  # nobody reports meanwhile
        leg.peer.send(REPORT)
        while number % 50 == 0 and leg.transport_statistics.packets_received < number:
            os.sched_yield()
    turn()
    await world.until(lambda: sum(batches) == 1000)
    assert max(batches) <= 256
    assert turns >= 3
    await world.close()


async def test_the_sink_may_close_the_engine() -> None:
    world = World(partial(native, sockets="per-call"))
    await world.engine.close()
    closing: list[asyncio.Task[None]] = []

    def sink(events: Sequence[Event]) -> None:
        closing.append(asyncio.ensure_future(world.engine.close()))

    world.engine = native(sink, sockets="per-call")
    leg = world.plain()
    leg.peer.speak()
    await world.until(lambda: closing and closing[0].done())
    await world.close()


# --- under load and from other threads


async def test_commands_beside_traffic(make: Make) -> None:
    """Ports, transports and routes come and go while other calls' packets are relayed."""
    world = make(workers=2, hold_us=200, hold_above=100)
    left, right = world.plain(), world.plain()
    world.route(left, right)
    world.route(right, left)
    for _ in range(30):
        left.peer.speak(20)
        right.peer.speak(20)
        passing, other = world.plain(rtcp=True), world.plain(Latch.ONCE)
        world.route(passing, other)
        passing.peer.speak(3)
        other.peer.speak(1)
        assert len(await other.peer.hear_many(3)) == 3
        for leg in (passing, other):
            world.engine.remove_transport(leg.transport)
            for port in leg.ports:
                world.engine.close_port(port)
            leg.peer.socket.close()
            world.peers.remove(leg.peer)
        await left.peer.hear_many(20)
        await right.peer.hear_many(20)
    assert left.drops == right.drops == {}
    assert left.sent.packets == right.sent.packets == 600


async def test_statistics_may_be_read_in_another_thread(make: Make) -> None:
    world = make()
    left, right = world.plain(), world.plain()
    world.route(left, right)
    seen: list[int] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            seen.append(left.received.packets)

    thread = threading.Thread(target=watch)
    thread.start()
    for _ in range(20):
        left.peer.speak(10)
        await right.peer.hear_many(10)
    stop.set()
    thread.join()
    assert seen == sorted(seen)


async def test_a_port_that_becomes_shared_is_drained(make: Make) -> None:
    world = make()
    shared = world.port()
    legs = [await world.connected(shared) for _ in range(20)]
    for leg in legs:
        leg.peer.speak(20)
    await world.until(lambda: all(leg.received.packets == 20 for leg in legs))
    assert len([event for event in world.events if isinstance(event, PathSelected)]) == 20


async def test_longer_than_the_path_allows_is_counted_and_not_sent(make: Make) -> None:
    leg = make().plain()
    leg.world.engine.send(leg.transport, b"\x16" * 65_600)
    assert leg.drops == {"send_failed": 1}
    assert leg.transport_statistics.packets_sent == 0
