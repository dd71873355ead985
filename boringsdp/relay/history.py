"""How a stream's quality went over its life: regular samples in bounded memory. A core without a clock of its own."""

from __future__ import annotations

from array import array
from dataclasses import replace

from boringsdp.relay.figures import QualitySample

INTERVAL = 5.0
"""Seconds between samples of a young stream."""
MAX_SAMPLES = 60
WIDTH = 5


class QualityHistory:
    """
    Keeps samples and their extremes.

    When `MAX_SAMPLES` are kept, neighbours are merged and the interval doubles, so that the samples always span the whole life. Numbers are
    packed: a full history takes 2 kB.
    """

    __slots__ = ("_at", "_merging", "_sums", "_values", "count", "highest", "interval_s", "lowest")

    def __init__(self) -> None:
        self.interval_s = INTERVAL
        self.count = 0
        """Samples taken, however many are still kept."""
        self.lowest: QualitySample | None = None
        """The sample with the worst MOS."""
        self.highest: QualitySample | None = None
        self._at = array("d")
        self._values = array("d")
        self._sums = [0.0] * WIDTH
        self._merging: list[QualitySample] = []

    def add(self, sample: QualitySample) -> None:
        """Take the next sample; they come `INTERVAL` apart while media flows."""
        self.count += 1
        for number, value in enumerate(_row(sample)):
            self._sums[number] += value
        if self.lowest is None or sample.mos < self.lowest.mos:
            self.lowest = sample
        if self.highest is None or sample.mos > self.highest.mos:
            self.highest = sample
        self._merging.append(sample)
        if len(self._merging) * INTERVAL >= self.interval_s:
            self._keep(_mean(self._merging))
            self._merging = []

    @property
    def average(self) -> QualitySample | None:
        """Means over the life, at the time of the last sample; None before the first."""
        latest = self._merging[-1].at if self._merging else self._at[-1] if self._at else None
        return None if latest is None else _sample(latest, [total / self.count for total in self._sums])

    @property
    def samples(self) -> tuple[QualitySample, ...]:
        """What is kept, oldest first; each stands at the end of its interval."""
        return tuple(_sample(at, self._values[n * WIDTH : n * WIDTH + WIDTH]) for n, at in enumerate(self._at))

    def _keep(self, sample: QualitySample) -> None:
        self._at.append(sample.at)
        self._values.extend(_row(sample))
        if len(self._at) >= MAX_SAMPLES:
            kept = self.samples
            self._at, self._values = array("d"), array("d")
            for first, second in zip(kept[::2], kept[1::2], strict=True):
                merged = _mean([first, second])
                self._at.append(merged.at)
                self._values.extend(_row(merged))
            self.interval_s *= 2


def _row(sample: QualitySample) -> tuple[float, ...]:
    return sample.mos, sample.jitter_ms, sample.loss_percent, sample.round_trip_us, sample.leg_round_trip_us


def _sample(at: float, row: array[float] | list[float]) -> QualitySample:
    mos, jitter_ms, loss, round_trip, leg = row
    return QualitySample(
        at=at,
        mos=round(mos, 2),
        jitter_ms=round(jitter_ms, 2),
        loss_percent=round(loss, 3),
        round_trip_us=round(round_trip),
        leg_round_trip_us=round(leg),
    )


def _mean(samples: list[QualitySample]) -> QualitySample:
    if len(samples) == 1:
        return replace(samples[0])
    rows = [_row(sample) for sample in samples]
    return _sample(samples[-1].at, [sum(column) / len(samples) for column in zip(*rows, strict=True)])
