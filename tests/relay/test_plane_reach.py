"""How a peer is reached on own ports, in virtual time: consent, windows, learning, and what strangers may cost."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from boringsdp.errors import WrongState
from boringsdp.relay.engine import (
    ConsentLost,
    DtlsReceived,
    IceCredentials,
    Latch,
    PathSelected,
    PortId,
    RtcpPathSelected,
    TransportId,
    TransportSpec,
)
from boringsdp.relay.plane.latching import Latching
from tests.support.asserts import assert_not_happened, matching
from tests.support.media_peer import ice_check
from tests.support.network import Address
from tests.support.plane_world import OWN, OWN_RTCP, OwnWorld, Station

PHONE: Address = ("203.0.113.9", 40000)
PHONE_RTCP: Address = ("203.0.113.9", 40001)
MOVED: Address = ("198.51.100.1", 1234)
REPORT = bytes.fromhex("80c9000100001234")


def test_consent_goes_on_with_checks_and_ends_without() -> None:
    world = OwnWorld()
    phone, control = world.station(PHONE), world.station(PHONE_RTCP, OWN_RTCP)
    for when in range(0, 100, 15):
        world.network.at(world.network.now + when, lambda: phone.send(world.check()))
    control.send(world.check())
    world.network.run(10.5)
    control.send(world.check())
    world.network.run(29.0)
    assert world.statistics.rtcp_remote == PHONE_RTCP
    world.network.run(2.0)
    assert world.statistics.rtcp_remote is None  # its own last check is 30 s ago
    world.network.run(60.0)
    assert_not_happened(world.events, ConsentLost)
    world.network.run(20.0)
    assert len(matching(world.events, ConsentLost)) == 1
    assert world.statistics.remote is None


@pytest.mark.parametrize("restarted", [False, True])
def test_a_peer_that_stops_checking_when_it_is_done_keeps_its_path(restarted: bool) -> None:
    world = OwnWorld()
    phone = world.station(PHONE)
    for when in (0.0, 0.5, 3.0, 9.0):
        world.network.at(world.network.now + when, lambda: phone.send(world.check()))
    world.network.run(300.0)
    if restarted:
        world.credentials = IceCredentials("newufrag", "n" * 24)
        world.plane.restart_ice(world.number, world.credentials)
        for _ in range(3):
            phone.send(world.check())
            world.network.run(1.0)
        world.network.run(300.0)
    assert_not_happened(world.events, ConsentLost)
    assert world.statistics.remote == PHONE


def test_an_address_that_is_not_selected_is_forgotten() -> None:
    world = OwnWorld()
    phone, other = world.station(PHONE), world.station(MOVED)
    for when in range(0, 40, 5):
        world.network.at(world.network.now + when, lambda: phone.send(world.check()))
    world.network.run(0.1)
    other.send(world.check())
    world.network.run(9.0)
    other.send(other.rtp())
    world.network.run(9.0)
    other.send(other.rtp())
    world.network.run(1.0)
    assert world.received.packets == 1
    assert world.statistics.drops == {"unknown_source": 1}


@pytest.mark.parametrize(("latch", "end"), [(Latch.ONCE, 10.0), (Latch.DELAYED, 13.0), (Latch.HEURISTIC, 13.0)])
def test_the_window_opens_after_learning(latch: Latch, end: float) -> None:
    for after, moves in ((end - 0.01, True), (end + 0.01, False)):
        world = OwnWorld()
        world.plane.set_remote(world.number, PHONE, None, latch, world.network.now)
        world.network.run(after)
        moved = world.station(MOVED)
        moved.send(moved.rtp())
        world.network.run(0.001)
        assert (world.statistics.remote == MOVED) is moves


def test_learning_lasts_as_long_as_it_says() -> None:
    world = OwnWorld()
    world.plane.set_remote(world.number, PHONE, None, Latch.DELAYED, world.network.now)
    phone, moved = world.station(PHONE, ssrc=1), world.station(MOVED, ssrc=2)
    for pause in (1.0, 1.9, 0.2, 1.0):
        world.network.run(pause)
        phone.send(phone.rtp())
        world.network.run(0.01)
        moved.send(moved.rtp())
        world.network.run(0.01)
    # Both moved it while learning; the phone was the first at 3.1 s.
    assert world.statistics.remote == PHONE
    assert [event.remote for event in matching(world.events, PathSelected)] == [PHONE, MOVED, PHONE, MOVED, PHONE]
    assert world.statistics.drops == {"unknown_source": 2}


def test_a_new_announcement_begins_anew() -> None:
    world = OwnWorld()
    world.plane.set_remote(world.number, PHONE, None, Latch.HEURISTIC, world.network.now)
    phone, moved = world.station(PHONE, ssrc=1), world.station(MOVED, ssrc=2)
    phone.send(phone.rtp())
    world.network.run(4.0)
    phone.send(phone.rtp())
    world.network.run(1.0)
    world.plane.set_remote(world.number, MOVED, None, Latch.HEURISTIC, world.network.now)
    assert world.statistics.remote == MOVED
    phone.send(phone.rtp())  # a straggler from the former place
    world.network.run(0.1)
    moved.send(moved.rtp())
    world.network.run(0.1)
    assert world.statistics.remote == MOVED
    phone.send(phone.rtp())
    world.network.run(4.0)
    moved.send(moved.rtp())
    world.network.run(0.1)
    assert world.statistics.remote == MOVED
    assert world.statistics.rtp.learned


def test_strangers_fill_no_list() -> None:
    world = OwnWorld()
    world.plane.set_remote(world.number, PHONE, None, Latch.ASYMMETRIC, world.network.now)
    phone = Station(world.network, PHONE, OWN)
    for number in range(1000):
        world.plane.receive(PortId(1), (f"10.0.{number >> 8}.{number & 255}", 4000), phone.rtp(), world.network.now)
    assert world.received.packets == 1000
    assert len(world.plane.ports[PortId(1)].by_remote) == 1
    assert world.statistics.remote == PHONE


def test_dtls_from_anywhere_is_bounded() -> None:
    world = OwnWorld()
    world.plane.set_remote(world.number, None, None, Latch.FOLLOW, world.network.now)
    for number in range(10_000):
        world.plane.receive(PortId(1 + number % 2), ("10.0.0.1", 1 + number), b"\x16" + bytes(20), world.network.now)
    events = world.plane.take_events()
    assert len(matching(events, DtlsReceived)) <= 4096
    assert_not_happened(events, PathSelected)
    assert_not_happened(events, RtcpPathSelected)
    assert world.statistics.remote is None


def test_a_second_restart_before_the_first_was_used() -> None:
    world = OwnWorld()
    world.plane.set_remote(world.number, PHONE, None, Latch.STRICT, world.network.now)
    for name in ("one", "two"):
        world.plane.restart_ice(world.number, IceCredentials(name * 3, name * 8))
    world.plane.receive(PortId(1), MOVED, ice_check("oneoneone", "one" * 8), world.network.now)
    assert world.plane.drops == {"stun_unknown_ufrag": 1}
    assert world.statistics.remote == PHONE
    world.plane.receive(PortId(1), MOVED, ice_check("twotwotwo", "two" * 8), world.network.now)
    assert world.statistics.remote == MOVED


def test_ice_does_not_come_back_by_itself() -> None:
    world = OwnWorld()
    world.plane.receive(PortId(1), MOVED, world.check(), world.network.now)
    world.plane.set_remote(world.number, PHONE, PHONE_RTCP, Latch.STRICT, world.network.now)
    for port in (PortId(1), PortId(2)):
        world.plane.receive(port, MOVED, world.check(), world.network.now)
    assert (world.statistics.remote, world.statistics.rtcp_remote) == (PHONE, PHONE_RTCP)
    world.network.run(120.0)
    assert_not_happened(world.events, ConsentLost)


@pytest.mark.parametrize("plain", [False, True])
def test_whatever_comes_to_own_ports_nothing_is_raised(plain: bool) -> None:
    world, rng = OwnWorld(), random.Random(7)
    if plain:
        world.plane.set_remote(world.number, PHONE, PHONE_RTCP, Latch.HEURISTIC, world.network.now)
    else:
        world.plane.receive(PortId(1), PHONE, world.check(), world.network.now)
        world.plane.receive(PortId(2), PHONE_RTCP, world.check(), world.network.now)
    phone = Station(world.network, PHONE, OWN)
    makers: tuple[Callable[[], bytes], ...] = (
        phone.rtp, world.check, lambda: REPORT, lambda: b"\x16" + rng.randbytes(30), lambda: rng.randbytes(rng.randrange(80)),
    )  # fmt: skip
    for number in range(20_000):
        data = bytearray(rng.choice(makers)())
        if data and rng.random() < 0.5:
            data[rng.randrange(len(data))] = rng.randrange(256)
        source = rng.choice((PHONE, PHONE_RTCP, MOVED, ("10.0.0.1", rng.randrange(1, 65536))))
        world.plane.receive(rng.choice((PortId(1), PortId(2))), source, bytes(data), world.network.now)
        if number % 500 == 0:
            world.network.run(0.26)
            world.plane.take_events()
            assert world.plane.statistics().transports[world.number].packets_received <= number + 1
    ice = world.plane.transports[world.number].ice
    assert ice is not None
    assert len(ice.addresses) <= 8


def test_nothing_is_left_of_a_transport_that_is_removed() -> None:
    world = OwnWorld()
    world.plane.receive(PortId(1), PHONE, world.check(), world.network.now)
    world.plane.restart_ice(world.number, IceCredentials("another", "p" * 24))
    world.plane.remove_transport(world.number)
    assert not any(port.in_use or port.by_remote for port in world.plane.ports.values())
    world.plane.add_transport(TransportSpec(id=TransportId(9), ports=(PortId(1),), ice=world.credentials, own=True), 0.0)
    world.plane.remove_transport(TransportId(9))
    world.plane.close_port(PortId(1))
    with pytest.raises(WrongState):
        world.plane.mux_rtcp(world.number, True)


def test_latching_is_written_down_whole() -> None:
    rng = random.Random(3)
    sources: list[Address] = [PHONE, PHONE_RTCP, MOVED]
    for _ in range(300):
        one, other, now = Latching(), Latching(), 100.0
        one.announce(rng.choice([None, *sources]), rng.choice(list(Latch)), now, 3.0, 10.0)
        for _ in range(rng.randrange(4)):
            now += rng.random() * 3
            tell(one, rng.choice(sources), now)
        other.restore(one.record(now), 5000.0)
        for _ in range(12):
            step, source = rng.random() * 2, rng.choice(sources)
            assert tell(one, source, now + step) == tell(other, source, 5000.0 + step)
            assert (one.remote, one.announced, one.settled) == (other.remote, other.announced, other.settled)


def tell(latching: Latching, source: Address, now: float) -> tuple[bool, bool]:
    """A valid packet comes from `source`."""
    hears = latching.hears(source, now)
    return hears, hears and latching.heard(source, now)
