"""ICE-lite on a transport's own ports: each port is a component, and a peer without ICE is heard too once we are told."""

from __future__ import annotations

import asyncio
import os

import pytest

from boringsdp.errors import WrongState
from boringsdp.ice.stun import Attribute, Kind, parse_stun, parse_xor_address, write_stun
from boringsdp.relay.engine import (
    ConsentLost,
    DtlsReceived,
    IceCredentials,
    IceRestarted,
    Latch,
    PathSelected,
    RtcpPathSelected,
    RtcpReceived,
    TransportId,
    TransportSpec,
)
from tests.relay.conformance.world import World, error_code
from tests.support.asserts import assert_not_happened
from tests.support.media_peer import ice_check

REPORT = bytes.fromhex("80c9000100001234")
NEW = IceCredentials("newufrag", "n" * 24)


async def test_a_port_that_was_shared_answers_its_owner_s_checks(world: World) -> None:
    leg = world.own_ice(rtcp=False)
    world.engine.remove_transport(leg.transport)
    guest = world.spec(ports=leg.ports, shared=True)
    world.engine.add_transport(guest)
    world.engine.remove_transport(guest.id)
    world.engine.add_transport(world.spec(ports=leg.ports, ice=leg.credentials, own=True))
    assert (await leg.check()).kind is Kind.SUCCESS


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_each_port_is_a_component_with_its_own_path(world: World, host: str) -> None:
    leg = world.own_ice(host=host)
    assert leg.rtcp_peer
    assert leg.credentials
    for peer, kind in ((leg.peer, PathSelected), (leg.rtcp_peer, RtcpPathSelected)):
        peer.send(ice_check(leg.credentials.ufrag, leg.credentials.password))
        data, source = await peer.hear_raw()
        reply = parse_stun(data)
        assert reply.kind is Kind.SUCCESS
        assert source == peer.to
        assert parse_xor_address(reply.attributes[Attribute.XOR_MAPPED_ADDRESS], reply.transaction) == peer.address
        selected = await world.event(kind, transport=leg.transport)
        assert selected.remote == peer.address  # type: ignore[attr-defined]
    statistics = leg.transport_statistics
    assert (statistics.rtp.remote, statistics.rtcp.remote) == (leg.peer.address, leg.rtcp_peer.address)
    assert statistics.rtp.learned
    assert statistics.rtp.announced is None


async def test_media_and_reports_take_their_own_paths(world: World) -> None:
    leg, other = await world.own_ice_connected(), world.plain()
    assert leg.rtcp_peer
    world.route(leg, other)
    world.route(other, leg)
    leg.peer.speak(payload=b"in")
    assert (await other.peer.hear()).payload == b"in"
    other.peer.speak(payload=b"out")
    assert (await leg.peer.hear()).payload == b"out"
    leg.rtcp_peer.send(REPORT)
    assert (await world.event(RtcpReceived)).data == REPORT
    world.engine.send_rtcp(leg.transport, REPORT)
    assert (await leg.rtcp_peer.hear_raw()) == (REPORT, leg.rtcp_address)


async def test_rtp_does_not_pass_through_the_rtcp_port(world: World) -> None:
    leg = await world.own_ice_connected()
    assert leg.rtcp_peer
    leg.rtcp_peer.speak()
    await leg.rtcp_peer.hears_nothing()
    assert leg.received.packets == 0
    assert leg.drops == {"malformed": 1}


async def test_nothing_counts_that_no_check_has_proved(world: World) -> None:
    leg, stranger = world.own_ice(), world.peer()
    assert leg.rtcp_peer
    for peer, to in ((leg.peer, leg.peer.to), (stranger, leg.peer.to)):
        peer.send(peer.rtp(), to)
        peer.send(b"\x16hello", to)
    leg.rtcp_peer.send(REPORT)
    world.engine.inject(leg.stream, 0, b"to nobody")
    world.engine.send(leg.transport, b"\x16", to=leg.peer.address)
    await leg.peer.hears_nothing()
    assert leg.received.packets == 0
    assert leg.drops == {"unknown_source": 5, "no_address": 2}
    assert_not_happened(world.events, PathSelected)
    assert_not_happened(world.events, DtlsReceived)


async def test_a_refused_check_proves_nothing(world: World) -> None:
    leg = world.own_ice()
    assert leg.credentials
    assert error_code(await leg.check(controlled=True)) == 487  # the peer is to take the other role
    leg.peer.send(ice_check(leg.credentials.ufrag, "wrong"))
    assert error_code(parse_stun((await leg.peer.hear_raw())[0])) == 401
    leg.peer.send(write_stun(Kind.REQUEST, os.urandom(12), [], password=b"x"))
    assert error_code(parse_stun((await leg.peer.hear_raw())[0])) == 400
    leg.peer.speak()
    await leg.peer.hears_nothing()
    assert leg.received.packets == 0
    assert_not_happened(world.events, PathSelected)


async def test_a_user_fragment_is_good_on_its_own_ports_only(world: World) -> None:
    one, other, shared = world.own_ice(), world.own_ice(), world.port()
    assert one.credentials
    for address in (other.peer.to, shared[1]):
        one.peer.send(ice_check(one.credentials.ufrag, one.credentials.password), address)
    await one.peer.hears_nothing()
    assert world.engine.statistics().drops["stun_unknown_ufrag"] == 2


async def test_nomination_moves_one_component_alone(world: World) -> None:
    leg, moved = await world.own_ice_connected(), world.peer()
    assert leg.rtcp_peer
    await leg.check(moved, leg.peer.to, use_candidate=True)
    assert (await world.event(PathSelected, 2)).remote == moved.address
    assert leg.transport_statistics.rtcp_remote == leg.rtcp_peer.address


async def test_restart(world: World) -> None:
    leg = await world.own_ice_connected()
    old = leg.credentials
    world.engine.restart_ice(leg.transport, NEW)
    await leg.check()
    assert_not_happened(world.events, IceRestarted)
    await leg.check(credentials=NEW)
    await world.event(IceRestarted, transport=leg.transport)
    assert old
    leg.peer.send(ice_check(old.ufrag, old.password))
    await leg.peer.hears_nothing()


async def test_consent_is_lost_for_each_component(world: World) -> None:
    leg = await world.own_ice_connected(consent_timeout_s=0.9)
    await asyncio.sleep(0.35)
    await leg.check(leg.rtcp_peer)  # both go on checking, and then only one
    while leg.transport_statistics.rtcp_remote is not None:
        await leg.check()
        await asyncio.sleep(0.2)
    assert leg.transport_statistics.remote == leg.peer.address
    assert_not_happened(world.events, ConsentLost)
    await world.event(ConsentLost, transport=leg.transport)
    world.engine.inject(leg.stream, 0, b"nobody agreed")
    await leg.peer.hears_nothing()
    await leg.check()
    await world.event(PathSelected, 2)


async def test_a_peer_that_checks_no_more_once_it_is_done_is_not_given_up(world: World) -> None:
    leg = await world.own_ice_connected(consent_timeout_s=0.3)
    await leg.check(use_candidate=True)
    await asyncio.sleep(0.8)
    assert_not_happened(world.events, ConsentLost)
    world.engine.inject(leg.stream, 0, b"after hold")
    assert (await leg.peer.hear()).payload == b"after hold"


async def test_agreed_mux_takes_rtcp_to_the_rtp_port(world: World) -> None:
    leg = world.own_ice()
    await leg.check()
    world.engine.send_rtcp(leg.transport, REPORT)
    assert leg.drops == {"no_address": 1}
    world.engine.mux_rtcp(leg.transport, True)
    world.engine.send_rtcp(leg.transport, REPORT)
    assert (await leg.peer.hear_raw()) == (REPORT, leg.peer.to)
    leg.peer.send(REPORT)
    await world.event(RtcpReceived)
    assert leg.transport_statistics.rtcp.remote == leg.peer.address
    world.engine.mux_rtcp(leg.transport, False)
    assert leg.transport_statistics.rtcp_remote is None


async def test_one_port_is_mux(world: World) -> None:
    leg = await world.own_ice_connected(rtcp=False)
    world.engine.send_rtcp(leg.transport, REPORT)
    assert (await leg.peer.hear_raw())[0] == REPORT
    world.engine.mux_rtcp(leg.transport, True)
    with pytest.raises(WrongState):
        world.engine.mux_rtcp(leg.transport, False)


@pytest.mark.parametrize("latch", list(Latch))
async def test_a_peer_without_ice_is_heard_and_sent_to(world: World, latch: Latch) -> None:
    leg, other = world.own_ice(), world.plain()
    assert leg.rtcp_peer
    world.route(leg, other)
    world.route(other, leg)
    world.engine.set_remote(leg.transport, leg.peer.address, leg.rtcp_peer.address, latch)
    other.peer.speak(payload=b"out")
    assert (await leg.peer.hear()).payload == b"out"
    leg.peer.speak(payload=b"in")
    assert (await other.peer.hear()).payload == b"in"
    leg.rtcp_peer.send(REPORT)
    await world.event(RtcpReceived)
    world.engine.send_rtcp(leg.transport, REPORT)
    assert (await leg.rtcp_peer.hear_raw())[0] == REPORT
    assert leg.transport_statistics.rtp.announced == leg.peer.address


async def test_what_checks_proved_is_forgotten_when_the_peer_speaks_no_ice(world: World) -> None:
    leg, announced, late = await world.own_ice_connected(consent_timeout_s=0.3), world.peer(), world.peer()
    assert leg.rtcp_peer
    announced.to = late.to = leg.peer.to
    world.engine.set_remote(leg.transport, announced.address, None, Latch.STRICT)
    assert (await leg.check(late, use_candidate=True)).kind is Kind.SUCCESS
    assert (await leg.check(leg.rtcp_peer, use_candidate=True)).kind is Kind.SUCCESS
    assert leg.transport_statistics.remote == announced.address
    assert leg.transport_statistics.rtcp_remote is None
    leg.peer.speak()
    late.speak()
    await late.hears_nothing()
    assert leg.received.packets == 0
    announced.speak()
    await world.until(lambda: leg.received.packets == 1)
    await asyncio.sleep(0.6)  # no checks, no consent to lose
    assert_not_happened(world.events, ConsentLost)
    assert leg.transport_statistics.remote == announced.address


async def test_a_re_offer_brings_ice_back_without_a_gap(world: World) -> None:
    leg, phone, browser = world.own_ice(), world.peer(), world.peer()
    phone.to = browser.to = leg.peer.to
    world.engine.set_remote(leg.transport, phone.address, None, Latch.ONCE)
    phone.speak()
    await world.event(PathSelected)
    world.engine.restart_ice(leg.transport, NEW)
    world.engine.inject(leg.stream, 0, b"still to the phone")
    assert (await phone.hear()).payload == b"still to the phone"
    assert (await leg.check(browser, credentials=NEW)).kind is Kind.SUCCESS
    await world.event(IceRestarted)
    assert (await world.event(PathSelected, 2)).remote == browser.address
    world.engine.inject(leg.stream, 0, b"to the browser")
    assert (await browser.hear()).payload == b"to the browser"
    phone.speak()
    await phone.hears_nothing()
    assert leg.received.packets == 1


async def test_the_peer_may_refuse_ice_again(world: World) -> None:
    leg = world.own_ice()
    world.engine.set_remote(leg.transport, leg.peer.address, None, Latch.STRICT)
    world.engine.restart_ice(leg.transport, NEW)
    world.engine.set_remote(leg.transport, leg.peer.address, None, Latch.STRICT)
    other = world.peer()
    await leg.check(other, leg.peer.to, credentials=NEW)
    assert_not_happened(world.events, PathSelected)
    assert leg.transport_statistics.remote == leg.peer.address


async def test_own_ports_are_not_shared(world: World) -> None:
    leg = world.own_ice()
    number, _ = world.port()
    assert leg.credentials
    for spec in (
        TransportSpec(id=TransportId(90), ports=(number,), ice=leg.credentials, own=True),  # the user fragment is taken
        TransportSpec(id=TransportId(90), ports=leg.ports[:1], ice=NEW, own=True),
        TransportSpec(id=TransportId(90), ports=leg.ports[:1], ice=NEW),
        TransportSpec(id=TransportId(90), ports=(number,), ice=NEW, own=True, raw=True),
        TransportSpec(id=TransportId(90), ports=(number,), ice=NEW, rtcp_port=number, own=True),
        TransportSpec(id=TransportId(90), ports=(number,), tos=256),
    ):
        with pytest.raises(WrongState):
            world.engine.add_transport(spec)
    world.engine.add_transport(TransportSpec(id=TransportId(90), ports=(number,), ice=NEW, own=True))


async def test_a_removed_transport_gives_ports_and_fragment_back(world: World) -> None:
    leg = await world.own_ice_connected()
    assert leg.rtcp_peer
    world.engine.remove_transport(leg.transport)
    assert leg.credentials
    leg.peer.send(ice_check(leg.credentials.ufrag, leg.credentials.password))
    leg.peer.speak()
    leg.rtcp_peer.send(REPORT)
    await leg.peer.hears_nothing()
    for port in leg.ports:
        world.engine.close_port(port)
    number, _ = world.port()
    world.engine.add_transport(TransportSpec(id=TransportId(90), ports=(number,), ice=leg.credentials, own=True))


# --- peers that are ICE-lite too, on a shared port


async def test_a_lite_peer_on_a_shared_port_is_where_it_says(world: World) -> None:
    leg = world.webrtc(secured=True, consent_timeout_s=0.1)
    leg.peer.send(b"\x16too early")
    await leg.peer.hears_nothing()
    world.engine.set_remote(leg.transport, leg.peer.address, None, Latch.STRICT)
    assert (await world.event(PathSelected)).remote == leg.peer.address
    world.engine.send(leg.transport, b"\x16hello")
    assert (await leg.peer.hear_raw())[0] == b"\x16hello"
    stranger = world.peer()
    stranger.send(b"\x16stranger", leg.peer.to)
    leg.peer.send(b"\x16hello back")
    assert (await world.event(DtlsReceived)).data == b"\x16hello back"
    await asyncio.sleep(0.6)  # no check came for longer than consent lasts, and none will
    world.engine.send(leg.transport, b"\x17still")
    assert (await leg.peer.hear_raw())[0] == b"\x17still"
    world.engine.set_remote(leg.transport, None, None, Latch.STRICT)
    leg.peer.send(b"\x17over")
    await leg.peer.hears_nothing()
    assert len([event for event in world.events if isinstance(event, DtlsReceived)]) == 1


async def test_a_check_counts_more_than_what_a_lite_peer_said(world: World) -> None:
    leg = world.webrtc()
    other = world.peer()
    other.to = leg.peer.to
    world.engine.set_remote(leg.transport, other.address, None, Latch.STRICT)
    await leg.check(use_candidate=True)
    world.engine.send(leg.transport, b"\x17there")
    assert (await leg.peer.hear_raw())[0] == b"\x17there"


async def test_nobody_gets_the_packets_of_another_call_by_naming_its_peer(world: World) -> None:
    port = world.port()
    victim = await world.connected(port)
    thief = world.webrtc(port)
    world.engine.set_remote(thief.transport, victim.peer.address, None, Latch.STRICT)
    victim.peer.send(b"\x17mine")
    assert (await world.event(DtlsReceived)).transport == victim.transport
    assert thief.drops == {"address_taken": 1}
    assert thief.transport_statistics.remote is None


async def test_a_check_takes_an_address_from_a_call_that_only_named_it(world: World) -> None:
    port = world.port()
    thief = world.webrtc(port)
    owner = world.webrtc(port)
    world.engine.set_remote(thief.transport, owner.peer.address, None, Latch.STRICT)
    await owner.check()
    owner.peer.send(b"\x17mine")
    assert (await world.event(DtlsReceived)).transport == owner.transport
    assert thief.transport_statistics.remote is None


async def test_dtls_on_both_components(world: World) -> None:
    leg = await world.own_ice_connected(secured=True)
    assert leg.rtcp_peer
    leg.peer.send(b"\x16rtp")
    leg.rtcp_peer.send(b"\x16rtcp")
    heard = await world.event(DtlsReceived, rtcp=False)
    assert (heard.data, heard.source) == (b"\x16rtp", leg.peer.address)
    heard = await world.event(DtlsReceived, rtcp=True)
    assert (heard.data, heard.source) == (b"\x16rtcp", leg.rtcp_peer.address)
    world.engine.send(leg.transport, b"\x16one")
    world.engine.send(leg.transport, b"\x16two", rtcp=True)
    world.engine.send(leg.transport, b"\x16three", rtcp=True, to=leg.rtcp_peer.address)
    assert (await leg.peer.hear_raw()) == (b"\x16one", leg.peer.to)
    assert (await leg.rtcp_peer.hear_raw()) == (b"\x16two", leg.rtcp_address)
    assert (await leg.rtcp_peer.hear_raw())[0] == b"\x16three"
