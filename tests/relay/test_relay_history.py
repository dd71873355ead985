"""relay/history.py: regular samples, bounded and merged; one account for each source."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boringsdp.relay.engine import ReceiveStatistics, SendStatistics, StreamId, StreamStatistics
from boringsdp.relay.figures import QualitySample
from boringsdp.relay.history import INTERVAL, MAX_SAMPLES, MAX_SOURCES, QualityHistory, Sampler

ONE, TWO = StreamId(1), StreamId(2)
START = ReceiveStatistics(ssrc=7, payload_type=0, clock_rate=8000)


def sample(at: float, mos: float = 4.0, loss: float = 0.0) -> QualitySample:
    return QualitySample(at=at, mos=mos, jitter_ms=2.0, loss_percent=loss, round_trip_us=5000, leg_round_trip_us=3000)


def test_nothing_yet() -> None:
    history = QualityHistory()
    assert (history.average, history.lowest, history.highest, history.samples, history.count) == (None, None, None, (), 0)


def test_extremes_and_average_over_the_life() -> None:
    history = QualityHistory()
    for at, mos, loss in ((5.0, 4.0, 0.0), (10.0, 3.0, 6.0), (15.0, 4.4, 0.0)):
        history.add(sample(at, mos, loss))
    assert history.lowest == sample(10.0, 3.0, 6.0)
    assert history.highest == sample(15.0, 4.4)
    assert history.average == sample(15.0, 3.8, 2.0)
    assert history.samples == (sample(5.0), sample(10.0, 3.0, 6.0), sample(15.0, 4.4))
    assert history.interval_s == INTERVAL


def test_a_long_life_is_merged_pairwise() -> None:
    history = QualityHistory()
    for n in range(1, MAX_SAMPLES + 1):
        history.add(sample(n * 5.0, 4.0 if n % 2 else 3.0))
    assert len(history.samples) == MAX_SAMPLES // 2
    assert history.interval_s == 2 * INTERVAL
    assert [each.at for each in history.samples[:3]] == [10.0, 20.0, 30.0]
    assert {each.mos for each in history.samples} == {3.5}
    assert history.lowest == sample(10.0, 3.0)
    history.add(sample(305.0, 2.0))
    assert len(history.samples) == MAX_SAMPLES // 2  # its neighbour is to come
    history.add(sample(310.0, 4.0))
    assert history.samples[-1] == sample(310.0, 3.0)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(1.0, 4.5), min_size=1, max_size=1000))
def test_whatever_comes_it_stays_bounded_and_spans_the_life(scores: list[float]) -> None:
    history = QualityHistory()
    for n, mos in enumerate(scores, 1):
        history.add(sample(n * 5.0, mos))
    kept = history.samples
    assert len(kept) < MAX_SAMPLES
    assert history.count == len(scores)
    gaps = {round(later.at - earlier.at, 6) for earlier, later in itertools.pairwise(kept)}
    assert gaps <= {history.interval_s}
    assert len(scores) * INTERVAL - (kept[-1].at if kept else 0.0) < history.interval_s
    assert history.average is not None
    assert history.average.mos == pytest.approx(sum(scores) / len(scores), abs=0.01)
    assert history.lowest is not None
    assert history.lowest.mos == min(scores)


class Bench:
    def __init__(self) -> None:
        self.received = {ONE: START, TWO: ReceiveStatistics()}
        self.core = Sampler(self.figures, lambda stream, payload_type: "PCMU", lambda stream: (30.0, 10.0), epoch=1_000_000.0)

    def figures(self, stream: StreamId) -> StreamStatistics:
        return StreamStatistics(received=self.received[stream], sent=SendStatistics(), route=None)

    def arrive(self, packets: int, lost: int = 0, stream: StreamId = ONE) -> None:
        before = self.received[stream]
        self.received[stream] = before._replace(
            packets=before.packets + packets,
            ssrc_packets=before.ssrc_packets + packets,
            bytes=before.bytes + 160 * packets,
            lost=before.lost + lost,
            jitter=80,
            highest_sequence=before.highest_sequence + packets + lost,
        )

    def run(self, until: float) -> list[float]:
        ticks = []
        while (due := self.core.deadline()) is not None and due <= until:
            ticks.append(due)
            self.core.tick(due)
        return ticks


def test_samples_every_five_seconds_while_media_flows() -> None:
    bench = Bench()
    assert bench.core.deadline() is None
    bench.core.begin(ONE, 100.0)
    bench.arrive(250)
    assert bench.run(105.0) == [105.0]
    bench.arrive(240, lost=10)
    bench.core.begin(ONE, 107.0)
    assert bench.run(110.0) == [110.0]
    first, second = bench.core.history(ONE).samples
    assert (first.at, first.loss_percent, first.jitter_ms, first.round_trip_us, first.leg_round_trip_us) == (
        1_000_105.0,
        0,
        10.0,
        30000,
        10000,
    )
    assert (second.at, second.loss_percent) == (1_000_110.0, 4.0)
    assert 4.0 < first.mos <= 4.5
    assert second.mos < first.mos
    assert bench.run(200.0) == [115.0]  # nothing came: it stops
    assert bench.core.history(ONE).count == 2
    bench.core.begin(ONE, 200.0)
    bench.arrive(100)
    assert bench.run(206.0) == [205.0]
    assert bench.core.history(ONE).count == 3


def test_a_clock_that_stood_still_is_not_caught_up_with() -> None:
    bench = Bench()
    bench.core.begin(ONE, 0.0)
    bench.arrive(5)
    bench.core.tick(60.0)
    bench.arrive(5)
    assert bench.run(60.0) == [60.0]


def test_each_source_has_its_account() -> None:
    bench = Bench()
    bench.core.begin(ONE, 0.0)
    bench.arrive(250, lost=5)
    bench.run(5.0)
    bench.arrive(50)
    before = bench.received[ONE]
    bench.received[ONE] = before._replace(
        ssrc=8, ssrc_packets=1, packets=before.packets + 1, bytes=before.bytes + 160, highest_sequence=9000, last_timestamp=500
    )
    bench.core.seen(ONE, 8)
    bench.core.seen(ONE, 8)
    bench.arrive(99, lost=1)
    bench.run(10.0)
    first, second = bench.core.sources(ONE)
    assert (first.ssrc, first.packets, first.bytes, first.lost, first.sample_count) == (7, 300, 48000, 5, 1)
    assert (second.ssrc, second.packets, second.bytes, second.lost, second.sample_count) == (8, 100, 16000, 1, 1)
    assert second.last_sequence == 9100 & 0xFFFF
    assert (first.last_timestamp, second.last_timestamp) == (0, 500)
    assert second.average == second.lowest == second.highest == second.samples[0]
    assert bench.core.history(ONE).count == 1
    bench.arrive(10)
    assert bench.core.sources(ONE)[-1].packets == 110


def test_a_short_call_is_rated_too() -> None:
    bench = Bench()
    bench.core.begin(ONE, 100.0)
    bench.arrive(30)
    assert bench.core.sources(ONE)[0].samples == ()
    bench.arrive(65, lost=5)
    bench.received[ONE] = bench.received[ONE]._replace(last_arrival=102.0)
    for _ in range(2):
        [figures] = bench.core.sources(ONE)
        [rated] = figures.samples
        assert (rated.at, rated.loss_percent, figures.sample_count) == (1_000_102.0, 5.0, 1)
        assert figures.average == figures.lowest == figures.highest == rated
    assert bench.core.history(ONE).count == 0
    bench.run(105.0)
    assert bench.core.sources(ONE)[0].samples[0].at == 1_000_105.0


def test_only_what_began_is_sampled() -> None:
    bench = Bench()
    bench.core.begin(ONE, 0.0)
    bench.core.seen(TWO, 3)
    bench.arrive(10)
    bench.received[TWO] = START._replace(ssrc=3, packets=10, ssrc_packets=10)
    bench.run(5.0)
    assert [each.sample_count for each in (*bench.core.sources(ONE), *bench.core.sources(TWO))] == [1, 0]


def test_an_unnoticed_change_of_source_is_found() -> None:
    bench = Bench()
    bench.core.begin(ONE, 0.0)
    bench.arrive(10)
    bench.received[ONE] = bench.received[ONE]._replace(ssrc=9, ssrc_packets=2)
    bench.run(5.0)
    assert [each.ssrc for each in bench.core.sources(ONE)] == [7, 9]


def test_sources_are_bounded_and_streams_forgotten() -> None:
    bench = Bench()
    for ssrc in range(1, 100):
        bench.received[ONE] = START._replace(ssrc=ssrc)
        bench.core.seen(ONE, ssrc)
    assert [each.ssrc for each in bench.core.sources(ONE)] == list(range(100 - MAX_SOURCES, 100))
    bench.received[ONE] = ReceiveStatistics()
    bench.core.remove(ONE)
    assert bench.core.sources(ONE) == ()
    assert bench.core.sources(TWO) == ()
    assert bench.core.history(TWO).samples == ()
