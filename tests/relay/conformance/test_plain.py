"""Transports with ports of their own: latching, RTCP ports, rtcp-mux, ICMP."""

from __future__ import annotations

import pytest

from boringsdp.relay.engine import DtlsReceived, Latch, MediaReceiving, PathSelected, RtcpReceived, SsrcSeen
from tests.relay.conformance.world import World
from tests.support.asserts import assert_not_happened

RECEIVER_REPORT = bytes.fromhex("80c9000100001234")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("latch", list(Latch))
async def test_relays_between_announced_addresses(world: World, host: str, latch: Latch) -> None:
    left, right = world.plain(latch, host=host), world.plain(Latch.STRICT)
    world.route(left, right)
    world.route(right, left)
    left.peer.speak(payload=b"to the right")
    right.peer.speak(payload=b"to the left")
    assert (await right.peer.hear()).payload == b"to the right"
    assert (await left.peer.hear()).payload == b"to the left"
    await world.event(SsrcSeen, stream=left.stream, ssrc=left.peer.ssrc, payload_type=0)
    await world.event(MediaReceiving, stream=left.stream, receiving=True)


async def test_strict_hears_only_the_announced_address(world: World) -> None:
    leg, stranger = world.plain(Latch.STRICT), world.peer()
    stranger.send(stranger.rtp(), leg.peer.to)
    await stranger.hears_nothing()
    assert leg.received.packets == 0
    assert leg.drops == {"unknown_source": 1}
    leg.peer.speak()
    await world.until(lambda: leg.received.packets == 1)


async def test_once_follows_the_first_valid_source_and_then_nobody(world: World) -> None:
    leg, real, late = world.plain(Latch.ONCE), world.peer(ssrc=77), world.peer(ssrc=78)
    real.to = late.to = leg.peer.to
    late.send(b"\x80\x7f" + bytes(30))  # a payload type that no stream takes: not valid
    late.send(b"\x16\xfe\xfd" + bytes(30))
    await late.hears_nothing()
    assert_not_happened(world.events, PathSelected)
    real.speak()
    assert (await world.event(PathSelected)).remote == real.address
    late.speak()
    leg.peer.speak()
    world.engine.inject(leg.stream, 0, b"hello")
    assert (await real.hear()).payload == b"hello"
    await world.until(lambda: leg.drops.get("unknown_source") == 2)
    assert leg.received.packets == 1


async def test_announcing_again_opens_the_window_without_losing_the_peer(world: World) -> None:
    leg, real, moved = world.plain(Latch.ONCE), world.peer(), world.peer()
    real.to = moved.to = leg.peer.to
    real.speak()
    await world.event(PathSelected)
    world.engine.set_remote(leg.transport, leg.peer.address, None, Latch.ONCE)
    world.engine.inject(leg.stream, 0, b"still there")
    assert (await real.hear()).payload == b"still there"
    moved.speak(ssrc=99)
    assert (await world.event(PathSelected, 2)).remote == moved.address


async def test_once_is_over_with_its_window(world: World) -> None:
    leg, late = world.plain(Latch.ONCE, latch_window_s=0.0), world.peer()
    late.send(late.rtp(), leg.peer.to)
    await late.hears_nothing()
    assert leg.received.packets == 0
    leg.peer.speak()
    await world.until(lambda: leg.received.packets == 1)


async def test_follow_moves_with_the_peer(world: World) -> None:
    leg = world.plain(Latch.FOLLOW)
    for ssrc in range(1, 4):
        peer = world.peer(ssrc=ssrc)
        peer.send(peer.rtp(), leg.peer.to)
        assert (await world.event(PathSelected, ssrc)).remote == peer.address


async def test_without_an_address_nothing_is_sent_until_latched(world: World) -> None:
    leg = world.plain(Latch.ONCE)
    world.engine.set_remote(leg.transport, None, None, Latch.ONCE)
    world.engine.inject(leg.stream, 0, b"lost")
    await leg.peer.hears_nothing()
    assert leg.drops == {"no_address": 1}
    leg.peer.speak()
    await world.event(PathSelected)
    world.engine.inject(leg.stream, 0, b"heard")
    assert (await leg.peer.hear()).payload == b"heard"


async def test_secured_latches_only_on_what_verifies(world: World) -> None:
    leg, liar = world.plain(Latch.ONCE, secured=True), world.peer()
    world.secure(leg)
    liar.send(liar.rtp(), leg.peer.to)
    await liar.hears_nothing()
    assert_not_happened(world.events, PathSelected)
    leg.peer.speak()
    assert (await world.event(PathSelected)).remote == leg.peer.address


async def test_rtcp_has_its_own_port(world: World) -> None:
    leg = world.plain(Latch.STRICT, rtcp=True)
    assert leg.rtcp_peer
    leg.rtcp_peer.send(RECEIVER_REPORT)
    assert (await world.event(RtcpReceived)).data == RECEIVER_REPORT
    world.engine.send_rtcp(leg.transport, RECEIVER_REPORT)
    data, source = await leg.rtcp_peer.hear_raw()
    assert (data, source) == (RECEIVER_REPORT, leg.rtcp_address)
    stranger = world.peer()
    stranger.send(RECEIVER_REPORT, leg.rtcp_address)
    await stranger.hears_nothing()
    assert leg.drops == {"unknown_source": 1}


async def test_rtcp_latches_too(world: World) -> None:
    leg, real = world.plain(Latch.ONCE, rtcp=True), world.peer()
    real.send(RECEIVER_REPORT, leg.rtcp_address)
    await world.event(RtcpReceived)
    world.engine.send_rtcp(leg.transport, RECEIVER_REPORT)
    assert (await real.hear_raw())[0] == RECEIVER_REPORT


async def test_rtcp_shares_the_port_when_muxed(world: World) -> None:
    leg = world.plain(Latch.STRICT)
    leg.peer.send(RECEIVER_REPORT)
    await world.event(RtcpReceived)
    world.engine.send_rtcp(leg.transport, RECEIVER_REPORT)
    assert (await leg.peer.hear_raw())[0] == RECEIVER_REPORT


async def test_the_same_address_for_both_means_mux(world: World) -> None:
    leg = world.plain(Latch.STRICT, rtcp=True)
    world.engine.set_remote(leg.transport, leg.peer.address, leg.peer.address, Latch.STRICT)
    world.engine.send_rtcp(leg.transport, RECEIVER_REPORT)
    data, source = await leg.peer.hear_raw()
    assert (data, source) == (RECEIVER_REPORT, leg.peer.to)
    leg.peer.send(RECEIVER_REPORT)
    await world.event(RtcpReceived)


async def test_dtls_is_heard_from_the_announced_address(world: World) -> None:
    leg = world.plain(Latch.STRICT)
    leg.peer.send(b"\x16client hello")
    assert (await world.event(DtlsReceived)).data == b"\x16client hello"


async def test_icmp_errors_end_nothing(world: World) -> None:
    leg = world.plain(Latch.FOLLOW)
    leg.peer.socket.close()
    for _ in range(5):
        world.engine.inject(leg.stream, 0, b"to a closed port")
    back = world.peer()
    back.send(back.rtp(), leg.peer.to)
    await world.event(PathSelected)
    world.engine.inject(leg.stream, 0, b"hello again")
    assert (await back.hear()).payload == b"hello again"


async def test_silence_is_reported(world: World) -> None:
    leg = world.plain()
    world.stream(leg.transport, leg.stream, silence_s=0.2)
    leg.peer.speak()
    await world.event(MediaReceiving, stream=leg.stream, receiving=True)
    await world.event(MediaReceiving, stream=leg.stream, receiving=False)
    leg.peer.speak()
    await world.event(MediaReceiving, 2, stream=leg.stream, receiving=True)
