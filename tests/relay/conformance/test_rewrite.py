"""What a route changes: SSRC, sequence, timestamp, payload type, extensions; and what it leaves out."""

from __future__ import annotations

import asyncio
import time

import pytest

from boringsdp.relay.engine import NotKept, StreamId, TelephoneEventReceived
from boringsdp.rtp.packet import RtpPacket
from tests.relay.conformance.world import Leg, World
from tests.support.asserts import matching


def pair(world: World, **rules: object) -> tuple[Leg, Leg]:
    left, right = world.plain(), world.plain()
    world.route(left, right, **rules)
    return left, right


def steps(packets: list[RtpPacket]) -> list[int]:
    return [(packet.sequence - packets[0].sequence) & 0xFFFF for packet in packets]


async def test_ssrc_sequence_and_timestamp_are_the_targets_own(world: World) -> None:
    left, right = pair(world)
    left.peer.speak(3, marker=False)
    heard = await right.peer.hear_many(3)
    assert {packet.ssrc for packet in heard} == {right.sent.ssrc}
    assert heard[0].sequence < 0x8000
    assert steps(heard) == [0, 1, 2]
    assert [(packet.timestamp - heard[0].timestamp) & 0xFFFFFFFF for packet in heard] == [0, 160, 320]
    assert heard[0].timestamp != 5000


async def test_loss_and_order_pass_through(world: World) -> None:
    left, right = pair(world)
    packets = [left.peer.rtp() for _ in range(8)]
    order = [0, 1, 4, 3, 6, 7]
    for index in order:
        left.peer.send(packets[index])
    assert steps(await right.peer.hear_many(6)) == order


async def test_duplicates_do_not_pass(world: World) -> None:
    left, right = pair(world)
    packet = left.peer.rtp()
    left.peer.send(packet)
    left.peer.send(packet)
    left.peer.speak()
    assert steps(await right.peer.hear_many(2)) == [0, 1]
    await right.peer.hears_nothing()
    assert left.received.duplicates == 1


async def test_marker_and_payload_types_are_mapped(world: World) -> None:
    left, right = pair(world, payload_types={0: 96, 8: 8})
    left.peer.speak(payload_type=0, marker=True)
    left.peer.speak(payload_type=8)
    first, second = await right.peer.hear_many(2)
    assert (first.payload_type, first.marker) == (96, True)
    assert (second.payload_type, second.marker) == (8, False)


async def test_unmapped_payload_types_leave_no_hole(world: World) -> None:
    left, right = pair(world, payload_types={0: 0})
    for payload_type in (0, 8, 0, 8, 8, 0):
        left.peer.speak(payload_type=payload_type)
    heard = await right.peer.hear_many(3)
    assert steps(heard) == [0, 1, 2]
    assert [(packet.timestamp - heard[0].timestamp) & 0xFFFFFFFF for packet in heard] == [0, 320, 800]
    assert left.drops == {"payload_type": 3}


async def test_a_late_packet_from_before_a_closed_hole_keeps_its_number(world: World) -> None:
    left, right = pair(world, payload_types={0: 0})
    first, late, skipped, last = left.peer.rtp(), left.peer.rtp(), left.peer.rtp(payload_type=8), left.peer.rtp()
    for packet in (first, skipped, last, late):
        left.peer.send(packet)
    assert steps(await right.peer.hear_many(3)) == [0, 2, 1]


async def test_telephone_events_are_reported_not_forwarded(world: World) -> None:
    left, right = pair(world, payload_types={0: 0, 101: 101}, telephone_events=frozenset({101}))
    left.peer.speak()
    for duration, end in ((80, 0), (160, 0), (240, 0x80)):
        left.peer.speak(payload_type=101, timestamp=7777, payload=bytes((5, end | 10, 0, duration & 0xFF)), marker=duration == 80)
    left.peer.speak()
    assert steps(await right.peer.hear_many(2)) == [0, 1]
    await right.peer.hears_nothing()
    events = matching(world.events, TelephoneEventReceived, stream=left.stream, event=5, timestamp=7777, volume=10, payload_type=101)
    assert [(event.duration, event.end) for event in events] == [(80, False), (160, False), (240, True)]
    assert left.received.packets == 5


async def test_padding_is_removed_and_padding_only_dropped(world: World) -> None:
    left, right = pair(world)
    left.peer.speak(payload=b"padded", padding=7)
    left.peer.speak(payload=b"", padding=200)
    left.peer.speak(payload=b"after")
    heard = await right.peer.hear_many(2)
    assert [(packet.payload, packet.padding) for packet in heard] == [(b"padded", 0), (b"after", 0)]
    assert steps(heard) == [0, 1]
    assert left.drops == {"padding_only": 1}


async def test_contributing_sources_are_hidden(world: World) -> None:
    left, right = pair(world)
    left.peer.speak(csrcs=(1, 2, 3), payload=b"mixed")
    heard = await right.peer.hear()
    assert (heard.csrcs, heard.payload) == ((), b"mixed")


async def test_extensions_are_stripped_mapped_and_added(world: World) -> None:
    left, right = pair(world)
    left.peer.speak(extensions={1: b"\x80", 3: b"abc"})
    assert (await right.peer.hear()).extensions == {}
    world.route(left, right, extensions={1: 5}, constant_extensions={4: b"audio"})
    left.peer.speak(extensions={1: b"\x80", 3: b"abc"}, payload=b"x")
    heard = await right.peer.hear()
    assert (heard.extensions, heard.payload) == ({4: b"audio", 5: b"\x80"}, b"x")
    left.peer.speak()
    assert (await right.peer.hear()).extensions == {4: b"audio"}
    left.peer.speak(extensions={1: b"\x80", 20: b"two-byte form"})
    assert (await right.peer.hear()).extensions == {4: b"audio", 5: b"\x80"}


async def test_extensions_that_no_packet_can_have(world: World) -> None:
    """An offer may number them so, to let the answer choose (RFC 8285 §5)."""
    left, right = world.plain(), world.plain()
    world.stream(left.transport, left.stream, mid="audio", mid_extension=4096, audio_level_extension=4097)
    world.route(left, right, extensions={4098: 2, 1: 5})
    left.peer.speak(extensions={1: b"\x80", 2: b"b"}, payload=b"\xff" * 80)
    assert (await right.peer.hear()).extensions == {5: b"\x80"}
    assert left.received.level_dbov == -127


async def test_streams_are_found_by_mid_then_ssrc_then_payload_type(world: World) -> None:
    leg = world.plain()
    video, third = StreamId(501), StreamId(502)
    world.stream(leg.transport, leg.stream, mid="0", mid_extension=3, clock_rates={0: 8000, 96: 90000})
    world.stream(leg.transport, video, kind="video", mid="1", mid_extension=3, clock_rates={96: 90000, 97: 90000})
    world.stream(leg.transport, third, kind="video", mid="2", mid_extension=3, ssrcs=frozenset({33}), clock_rates={96: 90000})
    leg.peer.speak(ssrc=31, extensions={3: b"1"}, payload_type=96)
    leg.peer.speak(ssrc=33, payload_type=96)
    leg.peer.speak(ssrc=34, payload_type=0)
    leg.peer.speak(ssrc=35, payload_type=96)  # three streams could take it
    leg.peer.speak(ssrc=36, extensions={3: b"9"}, payload_type=0)
    await world.until(lambda: leg.drops.get("unknown_ssrc") == 2)
    engine = world.engine
    assert engine.stream_statistics(video).received.ssrc == 31
    assert engine.stream_statistics(third).received.ssrc == 33
    assert leg.received.ssrc == 34


async def test_a_new_ssrc_continues_the_stream(world: World) -> None:
    left, right = pair(world)
    left.peer.speak(2)
    before = await right.peer.hear_many(2)
    left.peer.sequence, left.peer.timestamp = 40000, 900000
    left.peer.speak(2, ssrc=0x9999)
    after = await right.peer.hear_many(2)
    assert steps([*before, *after]) == [0, 1, 2, 3]
    gap = (after[0].timestamp - before[1].timestamp) & 0xFFFFFFFF
    assert 0 < gap < 8000  # by the time that passed
    assert after[0].marker
    left.peer.send(left.peer.rtp(sequence=102, timestamp=5320))  # a straggler of the old SSRC
    await right.peer.hears_nothing()
    assert left.drops == {"former_ssrc": 1}


async def test_hold_leaves_no_hole_and_time_goes_on(world: World) -> None:
    left, right = pair(world)
    left.peer.speak(2)
    before = await right.peer.hear_many(2)
    world.route(left, right, enabled=False)
    left.peer.speak(5)
    await right.peer.hears_nothing()
    assert left.received.packets == 7
    world.route(left, right)
    left.peer.speak(2)
    after = await right.peer.hear_many(2)
    assert steps([*before, *after]) == [0, 1, 2, 3]
    assert (after[0].timestamp - before[0].timestamp) & 0xFFFFFFFF == 7 * 160
    late = left.peer.rtp(sequence=104)
    left.peer.send(late)  # from during the hold: already seen
    await right.peer.hears_nothing()


async def test_another_source_takes_over_the_target(world: World) -> None:
    left, right = pair(world)
    third = world.plain()
    third.peer.sequence = 60000
    left.peer.speak(2)
    before = await right.peer.hear_many(2)
    world.route(third, right)
    left.peer.speak()
    third.peer.speak(2)
    after = await right.peer.hear_many(2)
    await right.peer.hears_nothing()
    assert steps([*before, *after]) == [0, 1, 2, 3]
    assert {packet.ssrc for packet in (*before, *after)} == {right.sent.ssrc}


async def test_one_source_feeds_several_targets_and_an_echo(world: World) -> None:
    left, right = pair(world)
    third = world.plain()
    world.route(left, third, payload_types={0: 7})
    world.route(left, left)
    left.peer.speak(payload=b"hello")
    for leg, payload_type in ((left, 0), (right, 0), (third, 7)):
        heard = await leg.peer.hear()
        assert (heard.payload, heard.payload_type) == (b"hello", payload_type)
    world.engine.unroute(left.stream, right.stream)
    left.peer.speak()
    await left.peer.hear()
    await third.peer.hear()
    await right.peer.hears_nothing()


async def test_injected_packets_are_in_sequence(world: World) -> None:
    left, right = pair(world)
    left.peer.speak(2)
    media = await right.peer.hear_many(2)
    for number in range(3):
        world.engine.inject(right.stream, 101, bytes((number,)) * 4, marker=number == 0, same_timestamp=number > 0)
    events = await right.peer.hear_many(3)
    left.peer.speak(2)
    heard = [*media, *events, *(await right.peer.hear_many(2))]
    assert steps(heard) == list(range(7))
    assert {packet.ssrc for packet in heard} == {right.sent.ssrc}
    assert len({packet.timestamp for packet in events}) == 1
    assert [packet.marker for packet in events] == [True, False, False]
    assert 0 <= (events[0].timestamp - media[1].timestamp) & 0xFFFFFFFF < 8000
    assert (heard[-1].timestamp - media[0].timestamp) & 0xFFFFFFFF == 480


async def test_injected_time_follows_the_clock(world: World) -> None:
    leg = world.plain()
    world.engine.inject(leg.stream, 0, b"one")
    started = time.monotonic()
    first = await leg.peer.hear()
    await leg.peer.hears_nothing()
    world.engine.inject(leg.stream, 0, b"two")
    elapsed = time.monotonic() - started
    second = await leg.peer.hear()
    assert (second.timestamp - first.timestamp) & 0xFFFFFFFF == pytest.approx(elapsed * 8000, abs=120)


async def test_a_restarted_sequence_is_believed_after_two_packets(world: World) -> None:
    left, right = pair(world)
    left.peer.speak(2)
    before = await right.peer.hear_many(2)
    left.peer.sequence, left.peer.timestamp = 30000, 7_000_000
    left.peer.speak(3)
    after = await right.peer.hear_many(2)
    assert steps([*before, *after]) == [0, 1, 2, 3]
    assert left.drops == {"jumped": 1}
    assert left.received.lost == 0


async def test_what_was_sent_is_sent_again_on_request(world: World) -> None:
    """A packet that was lost behind us is not asked of its source, whose copy would be a duplicate to us."""
    left, right = await world.connected(), await world.connected(secured=True)
    world.stream(right.transport, right.stream, kind="video", keep=4)
    world.secure(right)
    world.route(left, right)
    left.peer.speak(6)
    sent = [(await right.peer.hear_raw())[0] for _ in range(6)]
    numbers = [int.from_bytes(data[2:4], "big") for data in sent]
    world.engine.resend(right.stream, (numbers[0], numbers[3], numbers[5]))
    assert [(await right.peer.hear_raw())[0] for _ in range(2)] == [sent[3], sent[5]]
    assert await world.event(NotKept) == NotKept(right.stream, (numbers[0],))
    for _ in range(3):
        await asyncio.sleep(0.05)
        world.engine.resend(right.stream, (numbers[3], numbers[3]))
    assert [(await right.peer.hear_raw())[0] for _ in range(2)] == [sent[3]] * 2
    await right.peer.hears_nothing()


async def test_nothing_is_kept_unless_it_is_asked_for(world: World) -> None:
    left, right = pair(world)
    left.peer.speak()
    number = (await right.peer.hear()).sequence
    world.engine.resend(right.stream, (number,))
    assert await world.event(NotKept) == NotKept(right.stream, (number,))
    await right.peer.hears_nothing()
