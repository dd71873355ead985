"""ICE-lite on a shared port (RFC 8445, RFC 8489)."""

from __future__ import annotations

import asyncio
import os

import pytest

from boringsdp.errors import WrongState
from boringsdp.ice.stun import Attribute, Kind, parse_stun, parse_xor_address, write_stun
from boringsdp.relay.engine import ConsentLost, DtlsReceived, IceCredentials, IceRestarted, PathSelected, TransportId, TransportSpec
from tests.relay.conformance.world import World, error_code
from tests.support.asserts import assert_not_happened, matching
from tests.support.media_peer import ice_check


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_answers_a_check_from_where_it_came(world: World, host: str) -> None:
    port = world.port(host)
    leg = world.webrtc(port)
    leg.peer.send(ice_check(leg.credentials.ufrag, leg.credentials.password, transaction=b"abcdefghijkl"))
    data, source = await leg.peer.hear_raw()
    reply = parse_stun(data)
    assert source == port[1]
    assert (reply.kind, reply.transaction) == (Kind.SUCCESS, b"abcdefghijkl")
    assert parse_xor_address(reply.attributes[Attribute.XOR_MAPPED_ADDRESS], reply.transaction) == leg.peer.address
    assert reply.verify(leg.credentials.password.encode())
    assert Attribute.FINGERPRINT in reply.attributes
    selected = await world.event(PathSelected)
    assert (selected.transport, selected.remote) == (leg.transport, leg.peer.address)


async def test_first_check_makes_the_path_usable_without_nomination(world: World) -> None:
    leg = await world.connected()
    world.engine.send(leg.transport, b"\x16hello")
    assert (await leg.peer.hear_raw())[0] == b"\x16hello"
    leg.peer.send(b"\x16client hello")
    assert (await world.event(DtlsReceived)).data == b"\x16client hello"


async def test_use_candidate_moves_the_path_and_the_old_address_is_still_heard(world: World) -> None:
    leg = await world.connected()
    other = world.peer()
    other.to = leg.peer.to
    await leg.check(other)
    assert leg.transport_statistics.remote == leg.peer.address
    await leg.check(other, use_candidate=True)
    assert (await world.event(PathSelected, 2)).remote == other.address
    world.engine.send(leg.transport, b"\x17data")
    assert (await other.hear_raw())[0] == b"\x17data"
    leg.peer.speak()
    await world.until(lambda: leg.received.packets == 1)


@pytest.mark.parametrize(
    ("attributes", "password", "code"),
    [
        ([], b"password-of-leg-00000001", 400),
        ([(Attribute.USERNAME, b"ufrag001:x")], None, 400),
        ([(Attribute.USERNAME, b"ufrag001:x")], b"wrong", 401),
        ([(Attribute.USERNAME, b"ufrag001:x"), (0x7777, b"?")], b"password-of-leg-00000001", 420),
        ([(Attribute.USERNAME, b"ufrag001:x"), (Attribute.ICE_CONTROLLED, bytes(8))], b"password-of-leg-00000001", 487),
    ],
)
async def test_refuses_with_the_right_code_and_learns_nothing(
    world: World, attributes: list[tuple[int, bytes]], password: bytes | None, code: int
) -> None:
    leg = world.webrtc()
    request = write_stun(Kind.REQUEST, os.urandom(12), attributes, password=password)
    leg.peer.send(request)
    data, _ = await leg.peer.hear_raw()
    reply = parse_stun(data)
    assert (reply.kind, error_code(reply)) == (Kind.ERROR, code)
    if code == 420:
        assert reply.attributes[Attribute.UNKNOWN_ATTRIBUTES] == b"\x77\x77"
    assert len(data) <= len(request) + 16
    assert_not_happened(world.events, PathSelected)
    leg.peer.speak()
    leg.peer.send(b"\x16hello")
    await leg.peer.hears_nothing()
    assert leg.received.packets == 0
    assert_not_happened(world.events, DtlsReceived)


async def test_unknown_ufrags_get_no_answer(world: World) -> None:
    leg = world.webrtc()
    leg.peer.send(ice_check("somebody", "x" * 24))
    await leg.peer.hears_nothing()
    assert world.engine.statistics().drops["stun_unknown_ufrag"] == 1


async def test_refusals_are_limited(world: World) -> None:
    leg = world.webrtc()
    for _ in range(200):
        leg.peer.send(ice_check(leg.credentials.ufrag, "wrong"))
    await asyncio.sleep(0.1)
    answers = 0
    while True:
        try:
            leg.peer.socket.recv(2048)
        except BlockingIOError:
            break
        answers += 1
    assert 0 < answers <= 60
    await leg.check()  # the real peer is not shut out
    await world.event(PathSelected)


async def test_an_indication_is_not_answered(world: World) -> None:
    leg = world.webrtc()
    leg.peer.send(write_stun(Kind.INDICATION, os.urandom(12), [(Attribute.USERNAME, b"ufrag001:x")], password=b"x"))
    await leg.peer.hears_nothing()


async def test_one_port_serves_many_transports_and_many_ports_one(world: World) -> None:
    shared, second, third = world.port(), world.port(), world.port("::1")
    legs = [await world.connected(shared) for _ in range(3)]
    for leg in legs:
        leg.peer.speak(2)
    await world.until(lambda: all(leg.received.packets == 2 for leg in legs))
    credentials = IceCredentials("manyports", "w" * 24)
    world.engine.add_transport(TransportSpec(id=TransportId(90), ports=(shared[0], second[0], third[0]), ice=credentials))
    for address in (shared[1], second[1], third[1]):
        peer = world.peer(address[0])
        peer.send(ice_check("manyports", "w" * 24, use_candidate=True), address)
        data, source = await peer.hear_raw()
        assert parse_stun(data).kind is Kind.SUCCESS
        assert source == address
        world.engine.send(TransportId(90), b"\x16")
        assert (await peer.hear_raw())[1] == address


async def test_an_address_goes_to_the_call_that_checks_it_last(world: World) -> None:
    """A NAT may give the address of an old call to a new one: the user fragment decides."""
    shared = world.port()
    first = await world.connected(shared)
    second = world.webrtc(shared, peer=first.peer)
    await second.check()
    await world.event(PathSelected, transport=second.transport)
    first.peer.speak()
    await world.until(lambda: second.received.packets == 1)
    assert first.received.packets == 0
    assert first.transport_statistics.remote is None


async def test_restart_keeps_the_old_credentials_until_the_new_are_used(world: World) -> None:
    leg = await world.connected()
    old, new = leg.credentials, IceCredentials("restarted", "n" * 24)
    world.engine.restart_ice(leg.transport, new)
    moved = world.peer()
    assert (await leg.check(moved, leg.peer.to, use_candidate=True)).kind is Kind.SUCCESS  # a browser nominates with the old ufrag
    assert (await world.event(PathSelected, 2)).remote == moved.address
    assert_not_happened(world.events, IceRestarted)
    assert (await leg.check(moved, leg.peer.to, credentials=new)).kind is Kind.SUCCESS
    await world.event(IceRestarted, transport=leg.transport)
    moved.send(ice_check(old.ufrag, old.password), leg.peer.to)
    await moved.hears_nothing()


async def test_a_second_restart_replaces_one_that_is_pending(world: World) -> None:
    leg = await world.connected()
    world.engine.restart_ice(leg.transport, IceCredentials("first-one", "n" * 24))
    world.engine.restart_ice(leg.transport, IceCredentials("second-one", "m" * 24))
    leg.peer.send(ice_check("first-one", "n" * 24))
    await leg.peer.hears_nothing()
    await leg.check()
    await leg.check(credentials=IceCredentials("second-one", "m" * 24))
    await world.event(IceRestarted)


async def test_user_fragments_are_unique(world: World) -> None:
    leg = world.webrtc()
    with pytest.raises(WrongState):
        world.engine.restart_ice(leg.transport, leg.credentials)


async def test_addresses_are_capped_and_the_selected_one_stays(world: World) -> None:
    leg = world.webrtc(max_addresses=3)
    await leg.check(use_candidate=True)
    others = [world.peer() for _ in range(4)]
    for other in others:
        await leg.check(other, leg.peer.to)
    for speaker in (leg.peer, *others):
        speaker.to = leg.peer.to
        speaker.speak(ssrc=speaker.address[1])
    await world.until(lambda: leg.received.packets == 3)
    await leg.peer.hears_nothing()
    assert leg.received.packets == 3
    assert leg.received.ssrc in (leg.peer.address[1], others[2].address[1], others[3].address[1])


async def test_strangers_are_not_heard(world: World) -> None:
    leg = await world.connected()
    stranger = world.peer()
    stranger.to = leg.peer.to
    stranger.speak(3)
    stranger.send(b"\x16hello")
    await stranger.hears_nothing()
    assert leg.received.packets == 0
    assert_not_happened(world.events, DtlsReceived)
    assert world.engine.statistics().drops["unknown_source"] == 4


async def test_consent_is_lost_without_checks_and_comes_back(world: World) -> None:
    leg = await world.connected(consent_timeout_s=0.4)
    for _ in range(4):
        await asyncio.sleep(0.15)
        await leg.check()
    assert_not_happened(world.events, ConsentLost)
    leg.peer.speak(3)  # media is not consent (RFC 7675)
    await world.event(ConsentLost, transport=leg.transport)
    world.engine.send(leg.transport, b"\x16")
    await leg.peer.hears_nothing()
    await leg.check()
    await world.event(PathSelected, 2)
    world.engine.send(leg.transport, b"\x16")
    await leg.peer.hear_raw()
    assert len(matching(world.events, ConsentLost)) == 1
