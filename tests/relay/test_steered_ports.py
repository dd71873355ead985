"""Ports that the native engine steers into one socket: what other programs see of them, and what is said where that is not permitted."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable

import pytest

from boringsdp.errors import ConfigError
from boringsdp.relay.engine import Address
from tests.relay.conformance.world import World

pytest.importorskip("boringsdp_native", reason="make native (the native engine)", exc_type=ImportError)

from boringsdp.relay.native_engine import NativeEngine

LOW = 23_456
"""No kernel hands this number out unless it is told to."""


@pytest.fixture
async def world() -> AsyncIterator[Callable[[], World]]:
    worlds: list[World] = []

    def make(plain_ports: tuple[int, int] | None = None, sockets: str = "steered") -> World:
        worlds.append(World(lambda sink: NativeEngine(sink, sockets=sockets, plain_ports=plain_ports)))
        return worlds[-1]

    try:
        make()
    except ConfigError as error:
        pytest.skip(str(error))
    yield make
    for each in worlds:
        await each.close()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def bindable(address: Address) -> bool:
    """Whether another program can bind it."""
    with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind(address)
        except OSError:
            return False
        return True


async def test_a_port_that_is_reserved_takes_no_descriptor(world: Callable[[], World]) -> None:
    engine = world().engine
    engine.open_port(("127.0.0.1", LOW - 1))
    before = descriptors()
    for host in ("127.0.0.1", "127.0.0.2"):
        for number in range(LOW, LOW + 50):
            engine.open_port((host, number))
    assert descriptors() == before + 1  # the raw socket of the second host


async def test_a_port_that_may_be_handed_out_is_kept(world: Callable[[], World]) -> None:
    engine = world().engine
    for host in ("127.0.0.1", "::1"):
        port, address = engine.open_port((host, 0))
        assert not bindable(address)
        engine.close_port(port)
        assert bindable(address)


@pytest.mark.parametrize("number", [0, LOW])
async def test_of_two_engines_one_has_a_port(world: Callable[[], World], number: int) -> None:
    one, other = world().engine, world().engine
    port, address = one.open_port(("127.0.0.1", number))
    for engine in (one, other):
        with pytest.raises(OSError) as caught:
            engine.open_port(address)
        assert caught.value.errno == errno.EADDRINUSE
    one.close_port(port)
    other.open_port(address)
    with pytest.raises(OSError):
        one.open_port(address)
    await other.close()
    one.open_port(address)


async def test_a_socket_is_not_bound_where_a_port_is_steered(world: Callable[..., World]) -> None:
    engine = world((LOW, LOW)).engine
    engine.open_port(("127.0.0.1", LOW))
    with pytest.raises(OSError):
        engine.open_port(("0.0.0.0", LOW))
    engine.open_port(("::", LOW))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_two_engines_carry_calls_beside_each_other(world: Callable[[], World], host: str) -> None:
    for each in (world(), world()):
        left, right = each.plain(host=host), each.plain(host=host)
        each.route(left, right)
        each.route(right, left)
        left.peer.speak(payload=b"there")
        assert (await right.peer.hear()).payload == b"there"
        right.peer.speak(payload=b"and back")
        assert (await left.peer.hear()).payload == b"and back"


async def test_only_the_plain_range_is_steered(world: Callable[..., World]) -> None:
    each = world((LOW, LOW + 1))
    assert each.engine.facts.sockets == "steered"
    before = descriptors()
    _, outside = each.engine.open_port(("127.0.0.1", 0))
    assert descriptors() == before + 1
    assert not bindable(outside)


async def test_a_port_hears_what_is_sent_right_after_it_was_opened(world: Callable[[], World]) -> None:
    each = world()
    busy = each.plain()
    for _ in range(50):
        busy.peer.speak()
        leg = each.plain()
        leg.peer.speak()
        await each.until(lambda leg=leg: leg.received.packets == 1)
    assert "unknown_port" not in each.engine.statistics().drops


WITHOUT = """
import asyncio, sys
from boringsdp.errors import ConfigError
from boringsdp.relay.native_engine import NativeEngine
async def main():
    engine = NativeEngine(lambda events: None)
    print(engine.facts.sockets, engine.facts.reason)
    await engine.close()
    try:
        NativeEngine(lambda events: None, sockets="steered")
    except ConfigError as error:
        print(error)
asyncio.run(main())
"""


@pytest.mark.parametrize("capability", ["bpf", "net_admin", "net_raw"])
async def test_says_which_capability_is_missing(world: Callable[[], World], capability: str) -> None:
    if shutil.which("setpriv") is None or os.geteuid() != 0:
        pytest.skip("setpriv as root (util-linux)")
    command = ["setpriv", "--inh-caps=-all", f"--bounding-set=-sys_admin,-{capability}", sys.executable, "-c", WITHOUT]
    program = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    written = (await program.communicate())[0].decode().splitlines()
    assert written[0].startswith("per-call cannot ")
    for line in written:
        assert f"needs CAP_{capability.upper()} (EPERM)" in line
    assert len(written) == 2


NARROW = """
import asyncio, subprocess, sys
from boringsdp.relay.native_engine import NativeEngine
from tests.relay.conformance.world import World
async def main():
    for command in ("link set lo up", "link set lo mtu 1300"):
        subprocess.run(["ip", *command.split()], check=True)
    world = World(lambda sink: NativeEngine(sink, sockets=sys.argv[1]))
    for host in ("127.0.0.1", "::1"):
        leg = world.plain(host=host)
        for size in (20, 1300, 1310, 20):
            world.engine.inject(leg.stream, 0, bytes(size))
            assert len((await leg.peer.hear()).payload) == size
        assert not leg.drops and leg.transport_statistics.packets_sent == 4
    await world.close()
    print("arrived")
asyncio.run(main())
"""


@pytest.mark.parametrize("sockets", ["steered", "per-call"])
async def test_what_is_too_long_for_its_path_goes_in_fragments(world: Callable[[], World], sockets: str) -> None:
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("unshare (util-linux) and ip (iproute2)")
    command = ["unshare", "--net", sys.executable, "-c", NARROW, sockets]
    program = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    written, errors = await program.communicate()
    if b"unshare failed" in errors:
        pytest.skip(errors.decode())
    assert written == b"arrived\n", errors.decode()
