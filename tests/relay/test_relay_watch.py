"""relay/watch.py: silence is told once and at the right time."""

from __future__ import annotations

from boringsdp.relay.engine import ReceiveStatistics, SendStatistics, StreamId, StreamStatistics
from boringsdp.relay.watch import Silent, Watch

ONE, TWO = StreamId(1), StreamId(2)


class Bench:
    def __init__(self, timeout: float = 10.0) -> None:
        self.arrived: dict[StreamId, float] = {}
        self.core = Watch(timeout, self.figures)

    def figures(self, stream: StreamId) -> StreamStatistics:
        received = ReceiveStatistics(last_arrival=self.arrived.get(stream, 0.0))
        return StreamStatistics(received=received, sent=SendStatistics(), route=None)

    def run(self, until: float) -> list[tuple[float, object]]:
        out: list[tuple[float, object]] = []
        while (due := self.core.deadline()) is not None and due <= until:
            out += [(due, action) for action in self.core.tick(due)]
        return out


def test_a_peer_that_never_speaks() -> None:
    bench = Bench()
    bench.core.expect(ONE, True, 90.0)
    assert bench.core.deadline() is None
    bench.core.start(100.0)
    assert bench.run(200.0) == [(110.0, Silent(ONE, 10.0))]


def test_silence_after_speech_and_again_after_more() -> None:
    bench = Bench()
    bench.core.expect(ONE, True, 100.0)
    bench.core.start(100.0)
    bench.arrived[ONE] = 107.0
    assert bench.run(150.0) == [(117.0, Silent(ONE, 10.0))]
    bench.arrived[ONE] = 151.0
    assert bench.run(200.0) == [(161.0, Silent(ONE, 10.0))]


def test_a_peer_that_holds_without_music_still_reports() -> None:
    bench = Bench()
    bench.core.expect(ONE, True, 100.0)
    bench.core.start(100.0)
    for report in (105.0, 112.0, 119.0):
        assert bench.run(report) == []
        bench.core.hear(report)
    assert bench.run(200.0) == [(129.0, Silent(ONE, 10.0))]


def test_any_stream_that_speaks_keeps_the_transport_alive() -> None:
    bench = Bench()
    bench.core.expect(ONE, True, 100.0)
    bench.core.expect(TWO, True, 100.0)
    bench.core.start(100.0)
    bench.arrived[TWO] = 140.0
    assert bench.run(149.0) == []


def test_on_hold_nobody_is_expected() -> None:
    bench = Bench()
    bench.core.expect(ONE, True, 100.0)
    bench.core.start(100.0)
    bench.core.expect(ONE, False, 105.0)
    assert bench.core.deadline() is None
    bench.core.expect(ONE, True, 300.0)
    assert bench.run(400.0) == [(310.0, Silent(ONE, 10.0))]


def test_switched_off() -> None:
    bench = Bench(timeout=0.0)
    bench.core.expect(ONE, True, 100.0)
    bench.core.start(100.0)
    assert bench.core.deadline() is None
