"""How a transport without ICE learns where its peer is, beyond STRICT, ONCE and FOLLOW: what learns for a while, and what never moves."""

from __future__ import annotations

import asyncio

import pytest

from boringsdp.errors import WrongState
from boringsdp.relay.engine import DtlsReceived, Keys, Latch, PathSelected, Profile, RtcpPathSelected, RtcpReceived, Way
from tests.relay.conformance.world import Leg, Peer, World
from tests.support.asserts import assert_not_happened
from tests.support.media_peer import fresh_keys

REPORT = bytes.fromhex("80c9000100001234")
LEARNING = (Latch.DELAYED, Latch.HEURISTIC)


def caller(world: World, leg: Leg, ssrc: int, host: str = "127.0.0.1") -> Peer:
    peer = world.peer(host, ssrc=ssrc)
    peer.to = leg.peer.to
    return peer


@pytest.mark.parametrize("latch", LEARNING)
async def test_follows_while_it_learns_and_then_stays(world: World, latch: Latch) -> None:
    leg = world.plain(latch, learn_s=0.7)
    former, real, late = (caller(world, leg, ssrc, "127.0.0.2") for ssrc in (1, 2, 3))
    former.speak()
    assert (await world.event(PathSelected)).remote == former.address
    real.speak()
    assert (await world.event(PathSelected, 2)).remote == real.address
    assert leg.transport_statistics.rtp.learned
    await asyncio.sleep(0.75)
    real.speak()
    await world.until(lambda: leg.received.packets == 3)
    late.speak()
    former.speak()
    await late.hears_nothing()
    assert leg.received.packets == 3
    assert leg.drops == {"unknown_source": 2}
    world.engine.inject(leg.stream, 0, b"to the real one")
    assert (await real.hear()).payload == b"to the real one"


async def test_the_first_after_learning_wins(world: World) -> None:
    """A straggler of the former path was the last while learning: it settles nothing."""
    leg = world.plain(Latch.DELAYED, learn_s=0.7)
    former, real = caller(world, leg, 1), caller(world, leg, 2)
    former.speak()
    await world.event(PathSelected)
    await asyncio.sleep(0.75)
    real.speak()
    assert (await world.event(PathSelected, 2)).remote == real.address
    former.speak()
    await former.hears_nothing()
    assert leg.received.packets == 2


@pytest.mark.parametrize("latch", LEARNING)
async def test_the_window_ends(world: World, latch: Latch) -> None:
    leg = world.plain(latch, learn_s=0.0, latch_window_s=0.0)
    stranger = caller(world, leg, 1)
    stranger.speak()
    await stranger.hears_nothing()
    leg.peer.speak()
    await world.until(lambda: leg.received.packets == 1)


async def test_heuristic_prefers_the_announced_port_then_its_host(world: World) -> None:
    leg = world.plain(Latch.HEURISTIC, learn_s=5.0)
    other, same_host = caller(world, leg, 1, "127.0.0.2"), caller(world, leg, 2)
    other.speak()
    assert (await world.event(PathSelected)).remote == other.address
    same_host.speak()
    assert (await world.event(PathSelected, 2)).remote == same_host.address
    other.speak()
    leg.peer.ssrc = 3
    leg.peer.speak()
    assert (await world.event(PathSelected, 3)).remote == leg.peer.address
    same_host.speak()
    other.speak()
    await other.hears_nothing()
    assert leg.transport_statistics.remote == leg.peer.address
    assert leg.received.packets == 3
    assert leg.drops == {"unknown_source": 3}


async def test_heuristic_keeps_its_choice_after_learning(world: World) -> None:
    leg = world.plain(Latch.HEURISTIC, learn_s=0.7)
    other = caller(world, leg, 1, "127.0.0.2")
    leg.peer.speak()
    await world.event(PathSelected)
    await asyncio.sleep(0.75)
    other.speak()
    await other.hears_nothing()
    assert leg.received.packets == 1
    leg.peer.speak()
    await world.until(lambda: leg.received.packets == 2)


async def test_asymmetric_hears_everybody_and_sends_to_the_announced(world: World) -> None:
    leg, target = world.plain(Latch.ASYMMETRIC, rtcp=True), world.plain()
    assert leg.rtcp_peer
    world.route(leg, target)
    mouth, other = caller(world, leg, 1), caller(world, leg, 2)
    for _ in range(3):
        mouth.speak(payload=b"from elsewhere")
        assert (await target.peer.hear()).payload == b"from elsewhere"
    other.speak()
    await world.until(lambda: leg.received.packets == 4)
    mouth.send(REPORT, leg.rtcp_address)
    await world.event(RtcpReceived)
    world.engine.inject(leg.stream, 0, b"to the announced")
    assert (await leg.peer.hear()).payload == b"to the announced"
    world.engine.send_rtcp(leg.transport, REPORT)
    assert (await leg.rtcp_peer.hear_raw())[0] == REPORT
    assert_not_happened(world.events, PathSelected)
    assert not leg.transport_statistics.rtp.learned


@pytest.mark.parametrize("latch", [latch for latch in Latch if latch is not Latch.STRICT])
async def test_secured_learns_only_from_what_verifies(world: World, latch: Latch) -> None:
    leg, liar = world.plain(latch, secured=True), world.peer()
    world.secure(leg)
    liar.send(liar.rtp(), leg.peer.to)
    liar.send(REPORT, leg.peer.to)
    liar.send(b"\x16hello", leg.peer.to)
    await liar.hears_nothing()
    assert_not_happened(world.events, PathSelected)
    assert leg.transport_statistics.remote == leg.peer.address
    moved = world.peer()
    moved.sender, moved.to = leg.peer.sender, leg.peer.to
    moved.speak()
    await world.until(lambda: leg.received.packets == 1)
    assert leg.transport_statistics.remote == (leg.peer if latch is Latch.ASYMMETRIC else moved).address


async def test_announcing_twice_keeps_what_was_learned(world: World) -> None:
    leg = world.plain(Latch.DELAYED)
    real = caller(world, leg, 7)
    real.speak()
    await world.event(PathSelected)
    for _ in range(2):
        world.engine.set_remote(leg.transport, leg.peer.address, None, Latch.DELAYED)
    assert leg.transport_statistics.remote == real.address
    world.engine.set_remote(leg.transport, leg.peer.address, None, Latch.STRICT)
    assert leg.transport_statistics.remote == leg.peer.address


@pytest.mark.parametrize("latch", [Latch.ONCE, Latch.FOLLOW, *LEARNING])
async def test_the_rtcp_port_latches_by_the_same_rules(world: World, latch: Latch) -> None:
    leg, real = world.plain(latch, rtcp=True), world.peer()
    real.send(REPORT, leg.rtcp_address)
    assert (await world.event(RtcpPathSelected)).remote == real.address
    world.engine.send_rtcp(leg.transport, REPORT)
    assert (await real.hear_raw())[0] == REPORT
    statistics = leg.transport_statistics.rtcp
    assert leg.rtcp_peer
    assert (statistics.announced, statistics.remote, statistics.learned) == (leg.rtcp_peer.address, real.address, True)


# --- DTLS on own ports


@pytest.mark.parametrize("latch", list(Latch))
async def test_dtls_is_heard_from_where_media_would_be(world: World, latch: Latch) -> None:
    leg, elsewhere = world.plain(latch, rtcp=True, secured=True), world.peer()
    elsewhere.send(b"\x16client hello", leg.peer.to)
    elsewhere.send(b"\x16client hello", leg.rtcp_address)
    if latch is Latch.STRICT:
        await elsewhere.hears_nothing()
        assert_not_happened(world.events, DtlsReceived)
        assert leg.drops == {"unknown_source": 2}
        return
    for rtcp, address in ((False, leg.peer.to), (True, leg.rtcp_address)):
        heard = await world.event(DtlsReceived, rtcp=rtcp)
        assert (heard.data, heard.source) == (b"\x16client hello", elsewhere.address)
        world.engine.send(leg.transport, b"\x16server hello", rtcp=rtcp, to=heard.source)
        assert (await elsewhere.hear_raw()) == (b"\x16server hello", address)
    assert_not_happened(world.events, PathSelected)
    assert_not_happened(world.events, RtcpPathSelected)
    assert leg.transport_statistics.remote == leg.peer.address


async def test_dtls_is_heard_before_the_peer_is_announced(world: World) -> None:
    """Its ClientHello overtakes its answer, which goes another way (RFC 5763 §5). Nothing else is heard until then."""
    leg = world.plain(Latch.STRICT, rtcp=True, secured=True, announced=False)
    assert leg.rtcp_peer
    for rtcp, peer, address in ((False, leg.peer, leg.peer.to), (True, leg.rtcp_peer, leg.rtcp_address)):
        peer.send(b"\x16client hello")
        heard = await world.event(DtlsReceived, rtcp=rtcp)
        assert (heard.data, heard.source) == (b"\x16client hello", peer.address)
        world.engine.send(leg.transport, b"\x16server hello", rtcp=rtcp, to=heard.source)
        assert (await peer.hear_raw()) == (b"\x16server hello", address)
        peer.send(b"\x80" + bytes(19))
    await world.until(lambda: leg.drops == {"unknown_source": 2})
    world.engine.set_remote(leg.transport, leg.peer.address, leg.rtcp_peer.address, Latch.STRICT)
    stranger = world.peer()
    for address in (leg.peer.to, leg.rtcp_address):
        stranger.send(b"\x16client hello", address)
    await world.until(lambda: leg.drops == {"unknown_source": 4})


async def test_dtls_from_a_stranger_is_not_heard_after_latching(world: World) -> None:
    leg, stranger = world.plain(Latch.ONCE), world.peer()
    leg.peer.speak()
    await world.event(PathSelected)
    stranger.send(b"\x16client hello", leg.peer.to)
    await stranger.hears_nothing()
    assert_not_happened(world.events, DtlsReceived)


async def test_media_latches_after_the_handshake_moved_nothing(world: World) -> None:
    leg, real, target = world.plain(Latch.ONCE, secured=True), world.peer(), world.plain()
    real.to = leg.peer.to
    world.route(leg, target)
    real.send(b"\x16client hello")
    await world.event(DtlsReceived)
    world.secure(leg)
    real.sender, real.receiver = leg.peer.sender, leg.peer.receiver
    real.speak(payload=b"proved by its keys")
    assert (await target.peer.hear()).payload == b"proved by its keys"
    assert (await world.event(PathSelected)).remote == real.address


# --- RTCP with keys of its own


async def test_rtcp_has_its_own_keys(world: World) -> None:
    leg = world.plain(rtcp=True, secured=True)
    rtcp_peer = leg.rtcp_peer
    assert rtcp_peer
    engine, number = world.engine, leg.transport
    for way in Way:
        engine.set_rtcp_keys(number, way, None)
    world.secure(leg)
    rtcp_peer.send(leg.peer.rtcp(REPORT))  # under RTP's keys
    engine.send_rtcp(number, REPORT)
    await rtcp_peer.hears_nothing()
    assert leg.drops == {"no_keys": 2}
    theirs, ours = fresh_keys(), fresh_keys()
    engine.set_rtcp_keys(number, Way.RECEIVE, theirs)
    engine.set_rtcp_keys(number, Way.SEND, ours)
    rtcp_peer.secure(theirs, ours)
    rtcp_peer.send(leg.peer.rtcp(REPORT))
    await rtcp_peer.hears_nothing()
    assert leg.drops == {"no_keys": 2, "unverified": 1}
    rtcp_peer.send(rtcp_peer.rtcp(REPORT))
    assert (await world.event(RtcpReceived)).data == REPORT
    engine.send_rtcp(number, REPORT)
    assert rtcp_peer.read_rtcp((await rtcp_peer.hear_raw())[0]) == REPORT
    leg.peer.speak()
    await world.until(lambda: leg.received.packets == 1)
    engine.mux_rtcp(number, True)  # RTCP belongs to RTP's association now
    leg.peer.send(leg.peer.rtcp(REPORT))
    await world.event(RtcpReceived, 2)
    engine.send_rtcp(number, REPORT)
    assert leg.peer.read_rtcp((await leg.peer.hear_raw())[0]) == REPORT


async def test_rtcp_keys_end_with_those_of_rtp(world: World) -> None:
    leg = world.plain(rtcp=True, secured=True)
    rtcp_peer = leg.rtcp_peer
    assert rtcp_peer
    for way in Way:
        world.engine.set_rtcp_keys(leg.transport, way, fresh_keys())
        world.engine.set_keys(leg.transport, way, None)
    world.secure(leg)
    rtcp_peer.send(leg.peer.rtcp(REPORT))
    await world.event(RtcpReceived)
    world.engine.send_rtcp(leg.transport, REPORT)
    assert leg.peer.read_rtcp((await rtcp_peer.hear_raw())[0]) == REPORT


async def test_rtcp_keys_need_an_rtcp_port(world: World) -> None:

    leg = world.plain()
    with pytest.raises(WrongState):
        world.engine.set_rtcp_keys(leg.transport, Way.SEND, fresh_keys())
    pair = world.plain(rtcp=True)
    with pytest.raises(WrongState):
        world.engine.set_rtcp_keys(pair.transport, Way.SEND, Keys(Profile.AEAD_AES_128_GCM, b"short", b"salt"))
