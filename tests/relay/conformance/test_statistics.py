"""Counters (RFC 3550 §A.3, §A.8) and bounds."""

from __future__ import annotations

import asyncio
import time

import pytest

from boringsdp.relay.engine import DtlsReceived, RtcpReceived, StreamId
from tests.relay.conformance.world import World

REPORT = bytes.fromhex("80c9000100001234")


async def test_loss_reordering_and_duplicates_are_exact(world: World) -> None:
    leg = world.plain()
    packets = [leg.peer.rtp() for _ in range(30)]
    for index in (0, 1, 3, 2, 2, 5, 6, 9, 9, 12, 11, 29):
        leg.peer.send(packets[index])
    await world.until(lambda: leg.received.packets == 10)
    received = leg.received
    assert (received.lost, received.duplicates, received.reordered) == (20, 2, 2)
    assert (received.base_sequence, received.highest_sequence) == (100, 129)
    assert received.last_timestamp == 5000 + 29 * 160
    assert received.bytes == 10 * 160
    assert received.ssrc_packets == 10


async def test_the_sequence_is_extended_over_its_wrap(world: World) -> None:
    leg = world.plain()
    leg.peer.sequence = 65533
    leg.peer.speak(6)
    await world.until(lambda: leg.received.packets == 6)
    assert leg.received.highest_sequence == 65536 + 2
    assert leg.received.lost == 0


async def test_counters_go_on_over_ssrcs_and_rules(world: World) -> None:
    leg = world.plain()
    leg.peer.speak(3)
    leg.peer.sequence = 40000
    leg.peer.speak(2, ssrc=5)
    await world.until(lambda: leg.received.packets == 5)
    world.stream(leg.transport, leg.stream, clock_rates={0: 8000})
    assert (leg.received.packets, leg.received.ssrc_packets, leg.received.ssrc) == (5, 2, 5)


async def test_what_was_sent_is_counted(world: World) -> None:
    left, right = world.plain(), world.plain()
    world.route(left, right)
    left.peer.speak(3, payload=bytes(100))
    heard = await right.peer.hear_many(3)
    sent = right.sent
    assert (sent.packets, sent.bytes, sent.clock_rate) == (3, 300, 8000)
    assert (sent.last_sequence, sent.last_timestamp) == (heard[2].sequence, heard[2].timestamp)
    assert right.transport_statistics.bytes_sent == 3 * 112
    state = world.engine.stream_statistics(right.stream).route
    assert state is not None
    assert (state.source, state.source_ssrc) == (left.stream, left.peer.ssrc)
    assert (102 + state.sequence_offset) & 0xFFFF == heard[2].sequence
    assert (5320 + state.timestamp_offset) & 0xFFFFFFFF == heard[2].timestamp


async def test_jitter_is_in_clock_ticks(world: World) -> None:
    leg = world.plain()
    for gap in (0.0, 0.05, 0.0, 0.05, 0.0, 0.05, 0.0):
        await asyncio.sleep(gap)
        leg.peer.speak()
    await world.until(lambda: leg.received.packets == 7)
    assert 20 < leg.received.jitter < 200  # about 160 to 240 ticks of change each, a sixteenth counted every time


async def test_level_comes_from_the_extension_or_the_samples(world: World) -> None:
    leg = world.plain()
    world.stream(leg.transport, leg.stream, audio_level_extension=1)
    assert leg.received.level_dbov is None
    leg.peer.speak(payload=b"\xff" * 160)  # u-law silence
    await world.until(lambda: leg.received.packets == 1)
    assert leg.received.level_dbov == -127
    leg.peer.speak(payload=b"\x80\x00" * 80)  # full scale
    await world.until(lambda: leg.received.packets == 2)
    assert leg.received.level_dbov in (0, -1)
    leg.peer.speak(extensions={1: b"\xaa"})
    await world.until(lambda: leg.received.packets == 3)
    assert leg.received.level_dbov == -42


async def test_sources_are_capped(world: World) -> None:
    leg = world.plain(max_ssrcs=4)
    for ssrc in range(10):
        leg.peer.speak(ssrc=ssrc)
    leg.peer.speak(ssrc=0)
    await world.until(lambda: leg.transport_statistics.packets_received == 11)
    assert leg.received.packets == 5
    assert leg.drops == {"too_many_ssrcs": 6}


async def test_garbage_is_counted_and_harms_nobody(world: World) -> None:
    leg, other = await world.connected(), world.plain()
    for data in (b"\x00", b"\x80", b"\x80\xc8\x00", b"\x50" * 40, b"\xff" * 40, b"\x9f\x00" + bytes(10), b"\xb0\x00" + bytes(10)):
        leg.peer.send(data)
        other.peer.send(data)
    leg.peer.speak()
    other.peer.speak()
    await world.until(lambda: leg.received.packets == 1 and other.received.packets == 1)
    assert leg.drops["malformed"] >= 5
    assert other.drops["malformed"] >= 5


@pytest.mark.parametrize("muxed", [False, True])
@pytest.mark.parametrize("secured", [False, True])
async def test_rtp_and_rtcp_are_counted_apart(world: World, muxed: bool, secured: bool) -> None:
    leg, other = world.plain(rtcp=not muxed, secured=secured), world.plain()
    control = leg.peer if leg.rtcp_peer is None else leg.rtcp_peer
    if secured:
        world.secure(leg)
    world.route(leg, other)
    world.route(other, leg)
    before = leg.transport_statistics
    assert (before.rtp.last_arrival, before.rtcp.last_arrival) == (0.0, 0.0)
    packets = [leg.peer.rtp() for _ in range(3)]
    report = leg.peer.rtcp(REPORT * 2)
    for packet in packets:
        leg.peer.send(packet)
    for _ in range(1 + (not secured)):
        control.send(report)
    await other.peer.hear_many(3)
    await world.event(RtcpReceived)
    other.peer.speak(2)
    sent = [(await leg.peer.hear_raw())[0] for _ in range(2)]
    world.engine.send_rtcp(leg.transport, REPORT)
    sent_report, _ = await control.hear_raw()
    leg.peer.send(b"\x16client hello")
    await world.event(DtlsReceived)
    world.engine.send(leg.transport, b"\x16server hello")
    statistics = leg.transport_statistics
    rtp, rtcp = statistics.rtp, statistics.rtcp
    assert (rtp.packets_received, rtp.bytes_received) == (3, sum(map(len, packets)))
    assert (rtp.packets_sent, rtp.bytes_sent) == (2, sum(map(len, sent)))
    assert rtcp.packets_received == 1 + (not secured)
    assert rtcp.bytes_received == len(report) * rtcp.packets_received
    assert (rtcp.packets_sent, rtcp.bytes_sent) == (1, len(sent_report))
    assert statistics.packets_received == rtp.packets_received + rtcp.packets_received + 1
    assert statistics.packets_sent == rtp.packets_sent + rtcp.packets_sent + 1
    now = time.monotonic()
    assert now - 3 < rtp.last_arrival <= now
    assert now - 3 < rtcp.last_arrival <= now
    assert (rtp.remote, rtcp.remote) == (leg.peer.address, control.address)
    if not muxed:
        assert (rtp.announced, rtcp.announced) == (leg.peer.address, control.address)


async def test_what_is_sent_again_is_rtp(world: World) -> None:
    source, target = world.plain(), world.plain()
    world.stream(target.transport, target.stream, keep=8)
    world.route(source, target)
    source.peer.speak()
    sequence = (await target.peer.hear()).sequence
    world.engine.resend(target.stream, (sequence,))
    await target.peer.hear()
    statistics = target.transport_statistics
    assert (statistics.rtp.packets_sent, statistics.rtcp.packets_sent) == (2, 0)


async def test_the_last_arrival_outlives_its_source(world: World) -> None:
    leg = world.plain()
    leg.peer.speak()
    await world.until(lambda: leg.received.packets == 1)
    last = leg.transport_statistics.rtp.last_arrival
    world.engine.remove_stream(leg.stream)
    assert leg.transport_statistics.rtp.last_arrival == last > 0


async def test_what_does_not_verify_is_no_arrival(world: World) -> None:
    leg = world.plain(rtcp=True, secured=True)
    assert leg.rtcp_peer
    world.secure(leg)
    leg.peer.send(bytes((0x80, 0)) + bytes(40))
    leg.rtcp_peer.send(REPORT * 3)
    await leg.peer.hears_nothing()
    statistics = leg.transport_statistics
    assert (statistics.rtp.packets_received, statistics.rtcp.packets_received) == (1, 1)
    assert (statistics.rtp.last_arrival, statistics.rtcp.last_arrival) == (0.0, 0.0)


async def test_losses_of_many_streams_are_read_at_once(world: World) -> None:
    left, right = world.plain(), world.plain()
    left.peer.speak()
    left.peer.sequence += 3
    left.peer.speak(2)
    right.peer.speak(2)
    await world.until(lambda: (left.received.packets, right.received.packets) == (3, 2))
    assert left.received.lost == 3
    assert world.engine.losses([right.stream, left.stream, StreamId(999), left.stream]) == [0, 3, 0, 3]
    assert world.engine.losses([]) == []
