"""relay/losses.py: loss is told when it exceeds the threshold, each stream is looked at once a second, and no look takes many."""

from __future__ import annotations

import random
from collections.abc import Sequence

from boringsdp.relay.engine import StreamId
from boringsdp.relay.losses import Losing, LossWatch

ONE, TWO = StreamId(1), StreamId(2)


class Bench:
    def __init__(self, slow: int = 4) -> None:
        self.lost: dict[StreamId, int] = {}
        self.looks: list[list[StreamId]] = []
        self.core = LossWatch(slow, self.losses)

    def losses(self, streams: Sequence[StreamId]) -> list[int]:
        self.looks.append(list(streams))
        return [self.lost.get(stream, 0) for stream in streams]

    def run(self, until: float) -> list[tuple[float, object]]:
        out: list[tuple[float, object]] = []
        while (due := self.core.deadline()) is not None and due <= until:
            out += [(due, action) for action in self.core.tick(due)]
        return out


def test_loss() -> None:
    bench = Bench()
    assert bench.core.deadline() is None
    bench.core.receiving(ONE, True, 100.0)
    assert bench.run(101.0) == []
    bench.lost[ONE] = 3
    assert bench.run(102.0) == []
    bench.lost[ONE] = 8
    assert bench.run(103.0) == [(103.0, Losing(ONE, 5))]
    assert bench.run(105.0) == []
    bench.lost[ONE] = 12
    bench.core.receiving(ONE, False, 105.5)
    assert bench.run(110.0) == [(106.0, Losing(ONE, 4))]
    assert bench.core.deadline() is None
    bench.lost[ONE] = 16
    bench.core.receiving(ONE, True, 110.0)
    assert bench.run(111.0) == [(111.0, Losing(ONE, 4))]
    bench.core.remove(ONE)
    assert bench.run(115.0) == []
    assert bench.core.deadline() is None


def test_switched_off() -> None:
    bench = Bench(slow=0)
    bench.core.receiving(ONE, True, 100.0)
    assert bench.core.deadline() is None


def test_media_that_stops_and_comes_back_in_a_second_is_looked_at_once() -> None:
    bench = Bench()
    bench.core.receiving(ONE, True, 100.0)
    bench.core.receiving(ONE, False, 100.2)
    bench.core.receiving(ONE, True, 100.4)
    bench.run(103.0)
    assert bench.looks == [[ONE]] * 3


def test_each_is_looked_at_once_a_second_and_few_at_a_time() -> None:
    bench, rng = Bench(), random.Random(7)
    began = {StreamId(number): 50.0 + rng.random() * 20 for number in range(1, 401)}
    first: dict[StreamId, float] = {}
    last: dict[StreamId, float] = {}
    for stream, at in sorted(began.items(), key=lambda pair: pair[1]):
        look(bench, at, first, last)
        bench.core.receiving(stream, True, at)
    look(bench, 100.0, first, last)
    assert all(0.874 < first[stream] - at < 1.001 for stream, at in began.items())
    assert max(map(len, bench.looks)) < 100
    for stream in began:
        bench.core.remove(stream)
    assert bench.core.deadline() is None


def look(bench: Bench, until: float, first: dict[StreamId, float], last: dict[StreamId, float]) -> None:
    while (due := bench.core.deadline()) is not None and due <= until:
        bench.looks.clear()
        bench.core.tick(due)
        for stream in bench.looks[-1]:
            first.setdefault(stream, due)
            assert abs(due - last.get(stream, due - 1.0) - 1.0) < 1e-6
            last[stream] = due


def test_a_late_tick_looks_at_all_that_is_due() -> None:
    bench = Bench()
    bench.core.receiving(ONE, True, 100.0)
    bench.core.receiving(TWO, True, 100.5)
    bench.core.tick(100.9)
    assert not bench.looks
    bench.core.tick(101.6)
    assert bench.looks == [[ONE], [TWO]]
    bench.lost = {ONE: 9, TWO: 3}
    assert bench.core.tick(105.0)[0] == Losing(ONE, 9)
