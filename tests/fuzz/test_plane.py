"""The media plane under attack: a call goes on as if nothing were, and another call does not even notice."""

from __future__ import annotations

import random

import pytest

from boringsdp.relay.engine import Address, PortId
from boringsdp.relay.plane.plane import MAX_EVENTS, REFUSALS_PER_TICK
from tests.fuzz import corpus
from tests.fuzz.campaign import Case, cases, check_count, told
from tests.fuzz.mutations import mutate_octets
from tests.fuzz.plane_calls import SHARED, World

pytestmark = pytest.mark.load

STEPS, EACH = 20, 25


def _address(rng: random.Random, world: World) -> Address:
    """A stranger; sometimes one who shares a host or a port with a party of the call."""
    a, b = world.a, world.b
    hosts = (a.browser.address[0], a.phone.address[0], b.browser.address[0], "10.66.0.1", "2001:db8::66", "192.0.2.1")
    ports = (a.browser.address[1], a.phone.address[1], a.phone.address[1] + 1, rng.randrange(1, 65536))
    while True:
        address = (rng.choice(hosts), rng.choice(ports))
        if address not in known_addresses(world):
            return address


def known_addresses(world: World) -> set[Address]:
    peers = (world.a.browser, world.a.phone, world.b.browser, world.b.phone)
    return {peer.address for peer in peers} | {(peer.address[0], peer.address[1] + 1) for peer in peers}


def _stun(rng: random.Random, world: World) -> bytes:
    """A check that names the call but cannot prove itself; or nobody; or is no check."""
    ufrag = rng.choice((world.a.credentials.ufrag, world.a.credentials.ufrag, "nobody", "", world.a.credentials.ufrag[:-1], "é"))
    data = corpus.check(
        f"{ufrag}:{rng.choice(('x', '', 'y' * 200))}", rng.choice(("wrong", "", "password")), nominate=rng.random() < 0.5,
        controlled=rng.random() < 0.3, fingerprint=rng.random() < 0.5, transaction=rng.randbytes(12),
    )  # fmt: skip
    if rng.random() < 0.6:
        return data
    data = mutate_octets(rng, data, corpus.stun_messages(), limit=1500)
    return corpus.repaired(data) if len(data) >= 20 and rng.random() < 0.5 else data


def _datagram(rng: random.Random, world: World, genuine: list[bytes]) -> bytes:
    kind = rng.random()
    if kind < 0.25:
        return _stun(rng, world)
    if kind < 0.45:
        return mutate_octets(rng, rng.choice(genuine), genuine)
    if kind < 0.55:
        return rng.choice(genuine)
    seeds = rng.choice((corpus.rtp_packets(), corpus.rtcp_compounds(), corpus.stun_messages(), sum(corpus.dtls_flights(), ())))
    return mutate_octets(rng, rng.choice(seeds), seeds)


def _aim(rng: random.Random, world: World) -> tuple[PortId, Address, bytes]:
    """
    A hostile datagram, and where from and to.

    From the very address of a party of A it is aimed only where media is authenticated: plain RTP from the right address is the peer by
    definition.
    """
    a = world.a
    choice = rng.random()
    if choice < 0.35:
        return SHARED, _address(rng, world), _datagram(rng, world, a.browser.sent)
    if choice < 0.6:
        return SHARED, a.browser.address, _datagram(rng, world, a.browser.sent)
    if choice < 0.8 or not world.sdes:
        return rng.choice((a.phone.port, a.rtcp_port)), _address(rng, world), _datagram(rng, world, a.phone.sent)
    if choice < 0.9:
        return a.rtcp_port, (a.phone.address[0], a.phone.address[1] + 1), _datagram(rng, world, a.phone.sent)
    return a.phone.port, a.phone.address, _datagram(rng, world, a.phone.sent)


def _attack(case: Case) -> int:
    world = World(case.rng)
    untouched = world.b.figures()
    passed = 0
    for _ in range(STEPS):
        for _ in range(EACH):
            aimed = _aim(case.rng, world)
            case.input = aimed
            passed += world.throw(*aimed)
        case.input = "the call's own packets"
        world.a.talk()
        if case.rng.random() < 0.2:
            world.a.check()
        world.step(case.rng.choice((0.02, 0.02, 0.02, 0.3)))
    assert world.b.figures() == untouched
    world.check_bounds()
    world.b.talk()
    world.a.talk()
    return passed


def test_a_call_under_attack_goes_on_and_the_other_does_not_notice() -> None:
    for case in cases("plane", inputs_each=STEPS * EACH):
        passed = 0
        with told(case):
            passed = _attack(case)
        case.count(STEPS * EACH, took=passed)
    check_count("plane", least_taken=0.02, most_taken=0.6)


def test_a_flood_of_what_is_reported_fills_nothing() -> None:
    """From the right address: DTLS is for those above to judge, and it waits for them within a bound."""
    world = World(random.Random(1))
    for _ in range(MAX_EVENTS + 1000):
        world.receive(SHARED, world.a.browser.address, b"\x16" * 50)
    assert len(world.plane.take_events()) == MAX_EVENTS // 2  # the rest is for others
    assert world.plane.drops["events_full"] >= 1000


def test_a_flood_of_forged_checks_is_answered_sparingly() -> None:
    world = World(random.Random(1))
    forged = corpus.check(f"{world.a.credentials.ufrag}:x", "wrong")
    answers = sum(len(world.receive(SHARED, ("10.66.0.1", port), forged)) for port in range(1, 5001))
    assert answers <= REFUSALS_PER_TICK
    assert world.plane.drops["stun_unanswered"] + world.plane.drops["stun_refused"] == 5000
    world.a.talk()
    world.check_bounds()
