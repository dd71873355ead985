"""Counters (RFC 3550 §A.3, §A.8) and bounds."""

from __future__ import annotations

import asyncio

from tests.relay.conformance.world import World


async def test_loss_reordering_and_duplicates_are_exact(world: World) -> None:
    leg = world.plain()
    packets = [leg.peer.rtp() for _ in range(30)]
    for index in (0, 1, 3, 2, 2, 5, 6, 9, 9, 12, 11, 29):
        leg.peer.send(packets[index])
    await world.until(lambda: leg.received.packets == 10)
    received = leg.received
    assert (received.lost, received.duplicates, received.reordered) == (20, 2, 2)
    assert (received.base_sequence, received.highest_sequence) == (100, 129)
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
    assert 20 < leg.received.jitter < 200                   # about 160 to 240 ticks of change each, a sixteenth counted every time


async def test_level_comes_from_the_extension_or_the_samples(world: World) -> None:
    leg = world.plain()
    world.stream(leg.transport, leg.stream, audio_level_extension=1)
    assert leg.received.level_dbov is None
    leg.peer.speak(payload=b"\xff" * 160)                   # u-law silence
    await world.until(lambda: leg.received.packets == 1)
    assert leg.received.level_dbov == -127
    leg.peer.speak(payload=b"\x80\x00" * 80)                # full scale
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
