"""rtp/dtmf.py: trains of all kinds become one digit each, and digits become proper trains."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boringsdp.rtp.dtmf import DIGITS, Collector, Held, Inject, Pressed, Released, Sender, events_of


@dataclass
class Sent:
    at: float
    event: int
    end: bool
    volume: int
    duration: int
    marker: bool
    same: bool


def run(sender: Sender, until: float = 60.0) -> list[Sent]:
    out = []
    while (now := sender.deadline()) is not None and now <= until:
        for action in sender.tick(now):
            assert isinstance(action, Inject)
            event, flags, duration = struct.unpack("!BBH", action.payload)
            out.append(Sent(round(now, 4), event, bool(flags & 0x80), flags & 0x3F, duration, action.marker, action.same_timestamp))
    return out


def test_digits_have_their_event_codes() -> None:
    assert events_of("0129*#AbcD x!") == [0, 1, 2, 9, 10, 11, 12, 13, 14, 15]


def test_one_whole_digit() -> None:
    sender = Sender()
    assert sender.enqueue(events_of("5"), 1.0, duration_ms=100) == 1
    out = run(sender)
    assert [packet.duration for packet in out] == [160, 320, 480, 640, 800, 800, 800]
    assert [packet.end for packet in out] == [False] * 4 + [True] * 3
    assert [packet.marker for packet in out] == [True] + [False] * 6
    assert [packet.same for packet in out] == [False] + [True] * 6
    assert [packet.at for packet in out] == pytest.approx([1.0 + 0.02 * n for n in range(7)])
    assert sender.deadline() is None


def test_digits_keep_a_gap_and_a_minimum_length() -> None:
    sender = Sender()
    sender.enqueue(events_of("12"), 0.0, duration_ms=40, gap_ms=0)
    sender.enqueue(events_of("3"), 0.0, duration_ms=250, gap_ms=70)
    out = run(sender)
    starts = [packet.at for packet in out if packet.marker]
    assert starts == pytest.approx([0.0, 0.15, 0.3])
    assert [packet.duration for packet in out if packet.end] == [800] * 6 + [2000] * 3


@pytest.mark.parametrize(
    ("duration_ms", "gap_ms", "volume", "lasts", "next_at", "told"),
    [(0, 0, 99, 100, 0.15, 63), (99_999, 99_999, -3, 5000, 10.0, 0), (300, 200, 7, 300, 0.5, 7)],
)
def test_length_gap_and_volume_are_bounded(duration_ms: int, gap_ms: int, volume: int, lasts: int, next_at: float, told: int) -> None:
    sender = Sender()
    sender.enqueue(events_of("12"), 0.0, duration_ms=duration_ms, gap_ms=gap_ms, volume=volume)
    out = run(sender)
    assert [packet.at for packet in out if packet.marker] == pytest.approx([0.0, next_at])
    assert {packet.duration for packet in out if packet.end} == {lasts * 8}
    assert {packet.volume for packet in out} == {told}


def test_a_collected_digit_keeps_its_volume() -> None:
    collector = Collector()
    out = collector.receive(9, 1, 5, end=True, volume=23, duration=960, clock_rate=8000, now=0.0)
    assert (out[0], out[-1]) == (Pressed(5, 23), Released(5, 120, 23))


def test_the_queue_is_bounded() -> None:
    sender = Sender()
    assert sender.enqueue([1] * 100, 0.0) == 64
    assert sender.press(1, 10, 0.0) is None
    assert len({packet.at for packet in run(sender, 1000)}) == 64 * 7


def test_a_long_event_is_cut_into_segments() -> None:
    sender = Sender()
    sender.clock_rate = 48000
    sender.enqueue([7], 0.0, duration_ms=3000)
    out = run(sender)
    assert max(packet.duration for packet in out) <= 0xFFFF
    segments = [n for n, packet in enumerate(out) if not packet.same]
    assert len(segments) == 3
    assert [packet.marker for packet in out].count(True) == 1
    lengths = [out[n - 1].duration for n in [*segments[1:], len(out)]]
    assert sum(lengths) == 3 * 48000
    collector, actions, timestamp = Collector(), [], 0
    for packet in out:
        timestamp = timestamp if packet.same else int(packet.at * 48000)
        actions += collector.receive(
            9, timestamp, packet.event, end=packet.end, volume=10, duration=packet.duration, clock_rate=48000, now=packet.at
        )
    assert [action for action in actions if not isinstance(action, Held)] == [Pressed(7, 10), Released(7, 3000)]


def feed(collector: Collector, trains: list[tuple[float, int, int, bool, int]], clock_rate: int = 8000) -> list[object]:
    actions: list[object] = []
    for at, timestamp, event, end, duration in trains:
        actions += collector.tick(at)
        actions += collector.receive(1, timestamp, event, end=end, volume=10, duration=duration, clock_rate=clock_rate, now=at)
    return [action for action in actions if not isinstance(action, Held)]


NORMAL = [(0.02 * n, 1000, 5, n >= 5, min(160 * n, 800)) for n in range(1, 8)]


def test_a_normal_train() -> None:
    assert feed(Collector(), NORMAL) == [Pressed(5, 10), Released(5, 100)]


@pytest.mark.parametrize("clock_rate", [8000, 48000])
def test_browsers_trains_of_end_packets_only(clock_rate: int) -> None:
    collector = Collector()
    out = []
    for digit in range(3):
        out += feed(collector, [(digit * 0.17 + 0.001 * n, 48 * 170 * digit, digit, True, 960) for n in range(3)], clock_rate)
    lengths = [action.duration_ms for action in out if isinstance(action, Released)]
    assert [action.event for action in out if isinstance(action, Released)] == [0, 1, 2]
    assert all(100 <= length <= 140 for length in lengths)
    assert len(out) == 6


def test_lost_ends_time_out() -> None:
    collector = Collector()
    assert feed(collector, NORMAL[:3]) == [Pressed(5, 10)]
    due = collector.deadline()
    assert due == pytest.approx(0.36)
    assert due is not None
    assert collector.tick(due) == [Released(5, 100)]
    assert collector.deadline() is None
    assert feed(collector, NORMAL[4:]) == []


def test_the_next_digit_ends_one_whose_ends_were_lost() -> None:
    out = feed(Collector(), [*NORMAL[:3], (0.15, 2400, 5, False, 160), (0.17, 2400, 5, True, 960)])
    assert out == [Pressed(5, 10), Released(5, 100), Pressed(5, 10), Released(5, 120)]


def test_duplicates_and_late_packets_are_nothing() -> None:
    twice = [packet for packet in NORMAL for _ in range(2)]
    later = [(0.3 + at, 2360, 6, end, duration) for at, _, _, end, duration in NORMAL]
    out = feed(Collector(), [*twice, later[0], NORMAL[1], NORMAL[6], *later[1:]])
    assert out == [Pressed(5, 10), Released(5, 100), Pressed(6, 10), Released(6, 100)]


def test_events_that_are_no_digits_are_nothing() -> None:
    assert feed(Collector(), [(0.0, 1, 16, True, 800), (0.0, 2, 255, True, 800)]) == []


def test_a_lie_about_the_length_is_bounded_by_the_clock() -> None:
    out = feed(Collector(), [(0.0, 1, 1, False, 8), (0.1, 1, 1, True, 0xFFFF)])
    assert out == [Pressed(1, 10), Released(1, 1100)]


@given(st.randoms(use_true_random=False), st.integers(0, 3))
def test_any_order_and_loss_gives_each_digit_once(order: random.Random, lose: int) -> None:
    packets = []
    for digit in range(4):
        train = [(at, 1000 + digit * 1440, digit, end, duration) for at, _, _, end, duration in NORMAL]
        kept = order.sample(train, len(train) - lose)
        packets += [(digit * 0.18 + at + order.choice([0, 0.03]), *rest) for at, *rest in kept]
    packets.sort(key=lambda packet: packet[0])
    collector = Collector()
    out = feed(collector, packets) + list(collector.stop(9.0))
    assert [action.event for action in out if isinstance(action, Released)] == [0, 1, 2, 3]
    assert sum(isinstance(action, Pressed) for action in out) == 4


def relay(delays: list[float], lose: frozenset[int] = frozenset()) -> list[Sent]:
    """Send a normal 100 ms digit through a collector into a live tone, with these delays of its seven packets."""
    collector, sender, tone, out = Collector(), Sender(), None, []
    packets = sorted((at + delay, n) for n, ((at, *_), delay) in enumerate(zip(NORMAL, delays, strict=True)) if n not in lose)
    now = 0.0
    while True:
        times = [at for at in (packets[0][0] if packets else None, collector.deadline(), sender.deadline()) if at is not None]
        if not times:
            return out
        now = max(now, min(times))
        actions = list(collector.tick(now))
        while packets and packets[0][0] <= now:
            _, timestamp, event, end, duration = NORMAL[packets.pop(0)[1]]
            actions += collector.receive(1, timestamp, event, end=end, volume=7, duration=duration, clock_rate=8000, now=now)
        for action in actions:
            match action:
                case Pressed(event, volume):
                    tone = sender.press(event, volume, now)
                case Held(duration_ms) if tone:
                    sender.hold(tone, duration_ms, now)
                case Released(_, duration_ms) if tone:
                    sender.release(tone, duration_ms, now)
        out += run(sender, now)


@pytest.mark.parametrize("seed", range(20))
def test_a_live_digit_keeps_its_length_through_jitter_and_loss(seed: int) -> None:
    rng = random.Random(seed)
    lose = frozenset(rng.sample(range(7), rng.choice([0, 0, 1, 3])))
    out = relay([rng.choice([0.0, 0.0, 0.05, 0.2]) for _ in range(7)], lose)
    ends = [packet for packet in out if packet.end]
    assert len(ends) == 3
    assert len({packet.duration for packet in ends}) == 1
    assert 800 <= ends[0].duration <= 1120
    assert [packet.duration for packet in out] == sorted(packet.duration for packet in out)
    assert [packet.marker for packet in out] == [True] + [False] * (len(out) - 1)
    assert all(packet.volume == 7 for packet in out)


def test_a_live_digit_starts_at_once() -> None:
    out = relay([0.0] * 7)
    assert out[0].at == pytest.approx(0.02)
    assert out[-1].at == pytest.approx(0.14)


def test_a_live_digit_whose_source_vanished_ends_itself() -> None:
    sender = Sender()
    sender.press(3, 10, 0.0)
    out = run(sender, 10.0)
    assert [packet.duration for packet in out if packet.end] == [800] * 3
    assert sender.deadline() is None


def test_all_digits_survive_a_round() -> None:
    sender = Sender()
    sender.enqueue(events_of(DIGITS), 0.0)
    packets, timestamp = [], 0
    for packet in run(sender):
        timestamp = timestamp if packet.same else int(packet.at * 8000)
        packets.append((packet.at, timestamp, packet.event, packet.end, packet.duration))
    released = [action for action in feed(Collector(), packets) if isinstance(action, Released)]
    assert [(DIGITS[action.event], action.duration_ms) for action in released] == [(digit, 100) for digit in DIGITS]
