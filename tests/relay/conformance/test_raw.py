"""Raw transports: datagrams of any protocol over UDP, copied as they are."""

from __future__ import annotations

import os

import pytest

from boringsdp.errors import WrongState
from boringsdp.relay.engine import Latch, PathSelected, StreamId, StreamSpec, TransportId, TransportSpec, Way
from tests.relay.conformance.world import Leg, World
from tests.support.asserts import assert_not_happened
from tests.support.media_peer import fresh_keys, ice_check

DATAGRAMS = [
    b"\x00\x01\x06udptl", b"x", b"\x16dtls", bytes(12), b"\x80" + bytes(20), b"\x80\xc8" + bytes(30), ice_check("u" * 8, "p" * 24),
    os.urandom(1400),
]  # fmt: skip


def pair(world: World, latch: Latch = Latch.ONCE) -> tuple[Leg, Leg]:
    left, right = world.raw(latch), world.raw(latch)
    world.engine.forward(left.transport, right.transport)
    world.engine.forward(right.transport, left.transport)
    return left, right


@pytest.mark.parametrize("latch", list(Latch))
async def test_copies_whatever_comes(world: World, latch: Latch) -> None:
    left, right = pair(world, latch)
    for data in DATAGRAMS:
        left.peer.send(data)
        assert await right.peer.hear_raw() == (data, right.peer.to)
        right.peer.send(data)
        assert await left.peer.hear_raw() == (data, left.peer.to)
    octets = sum(map(len, DATAGRAMS))
    statistics = left.transport_statistics
    assert (statistics.packets_received, statistics.packets_sent) == (len(DATAGRAMS),) * 2
    assert (statistics.rtp.bytes_received, statistics.rtp.bytes_sent) == (octets,) * 2
    assert statistics.rtp.last_arrival > 0
    assert statistics.rtcp.packets_received == 0
    assert left.drops == right.drops == {}


async def test_ipv6_and_ipv4_meet(world: World) -> None:
    left, right = world.raw(host="::1"), world.raw()
    world.engine.forward(left.transport, right.transport)
    left.peer.send(b"over")
    assert (await right.peer.hear_raw())[0] == b"over"


async def test_latches_on_the_first_source(world: World) -> None:
    left, right = pair(world)
    real, late = world.peer(), world.peer()
    real.send(b"first", left.peer.to)
    assert (await right.peer.hear_raw())[0] == b"first"
    assert (await world.event(PathSelected, transport=left.transport)).remote == real.address
    late.send(b"late", left.peer.to)
    await right.peer.hears_nothing()
    assert left.drops == {"unknown_source": 1}
    right.peer.send(b"back")
    assert (await real.hear_raw())[0] == b"back"


async def test_follows_when_told_to(world: World) -> None:
    left, right = pair(world, Latch.FOLLOW)
    for number in range(1, 4):
        peer = world.peer()
        peer.send(b"here", left.peer.to)
        await right.peer.hear_raw()
        assert (await world.event(PathSelected, number, transport=left.transport)).remote == peer.address


async def test_strict_hears_the_announced_address_only(world: World) -> None:
    left, right = pair(world, Latch.STRICT)
    world.peer().send(b"?", left.peer.to)
    await right.peer.hears_nothing()
    assert left.drops == {"unknown_source": 1}


async def test_what_goes_nowhere_is_counted(world: World) -> None:
    left, right = world.raw(), world.raw()
    left.peer.send(b"1")
    await world.until(lambda: left.drops == {"not_forwarded": 1})
    world.engine.forward(left.transport, right.transport)
    world.engine.set_remote(right.transport, None, None, Latch.ONCE)
    left.peer.send(b"2")
    await world.until(lambda: right.drops == {"no_address": 1})
    world.engine.forward(left.transport, None)
    left.peer.send(b"3")
    await world.until(lambda: left.drops == {"not_forwarded": 2})
    left.peer.send(bytes(4000))
    await world.until(lambda: left.drops == {"not_forwarded": 2, "too_long": 1})
    assert left.transport_statistics.packets_received == 3


async def test_echo(world: World) -> None:
    leg = world.raw()
    world.engine.forward(leg.transport, leg.transport)
    leg.peer.send(b"hello")
    assert (await leg.peer.hear_raw())[0] == b"hello"
    world.engine.remove_transport(leg.transport)


async def test_a_removed_target_is_forwarded_to_no_more(world: World) -> None:
    left, right = pair(world)
    world.engine.remove_transport(right.transport)
    left.peer.send(b"1")
    await world.until(lambda: left.drops == {"not_forwarded": 1})
    world.engine.remove_transport(left.transport)


async def test_knows_no_rtp(world: World) -> None:
    leg, plain, engine = world.raw(), world.plain(), world.engine
    number, _ = world.port()
    for command in (
        lambda: engine.add_stream(StreamSpec(id=StreamId(99), transport=leg.transport, kind="audio", send_ssrc=1, clock_rates={})),
        lambda: engine.set_keys(leg.transport, Way.SEND, fresh_keys()),
        lambda: engine.set_rtcp_keys(leg.transport, Way.SEND, fresh_keys()),
        lambda: engine.send_rtcp(leg.transport, b"\x80\xc9\x00\x01" + bytes(4)),
        lambda: engine.forward(leg.transport, plain.transport),
        lambda: engine.forward(plain.transport, leg.transport),
        lambda: engine.forward(leg.transport, TransportId(99)),
        lambda: engine.add_transport(TransportSpec(id=TransportId(99), ports=(number,), raw=True, secured=True)),
    ):
        with pytest.raises(WrongState):
            command()
    assert_not_happened(world.events, PathSelected)
