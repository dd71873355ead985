"""How well what a peer sends was received over its life: regular samples in bounded memory. Cores."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import replace

from boringsdp.relay.engine import ReceiveStatistics, StreamId, StreamStatistics
from boringsdp.relay.figures import QualitySample, SsrcFigures
from boringsdp.rtp.quality import estimate_mos

INTERVAL = 5.0
"""Seconds between samples of a young stream."""
MAX_SAMPLES = 60
MAX_SOURCES = 8
"""Sources of one stream that are remembered: calls are transferred, and change their SSRC then."""
ENOUGH = 50
"""Packets, a second or so, that tell something."""
WIDTH = 5
"""Numbers of a sample besides its time."""


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
        self._sums = [total + value for total, value in zip(self._sums, _row(sample), strict=True)]
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


class _Source:
    """One SSRC, and what the stream had counted before it."""

    __slots__ = ("bytes_before", "history", "last", "lost_before", "packets_before", "ssrc")

    def __init__(self, ssrc: int, last: ReceiveStatistics) -> None:
        self.ssrc = ssrc
        self.history = QualityHistory()
        self.last = last
        """The figures at the last sample."""
        mine = last.ssrc_packets if last.ssrc == ssrc else 0
        self.packets_before = last.packets - mine
        self.bytes_before = last.bytes - last.bytes * mine // max(1, last.packets)
        self.lost_before = last.lost

    def figures(self) -> SsrcFigures:
        history = self.history
        return SsrcFigures(
            ssrc=self.ssrc,
            packets=max(0, self.last.packets - self.packets_before),
            bytes=max(0, self.last.bytes - self.bytes_before),
            last_timestamp=self.last.last_timestamp,
            last_sequence=self.last.highest_sequence & 0xFFFF,
            lost=max(0, self.last.lost - self.lost_before),
            average=history.average,
            lowest=history.lowest,
            highest=history.highest,
            sample_count=history.count,
            interval_s=history.interval_s,
            samples=history.samples,
        )


class Sampler:
    """
    Takes the samples of one transport's streams, `INTERVAL` apart while media arrives.

    `codec_of` names the encoding of a stream's payload type; `round_trips` gives milliseconds end to end and with the peer itself, 0 when
    unknown; `epoch` is wall clock minus monotonic seconds.
    """

    __slots__ = ("_codec_of", "_epoch", "_next", "_round_trips", "_sampled", "_sources", "_statistics")

    def __init__(
        self,
        statistics: Callable[[StreamId], StreamStatistics],
        codec_of: Callable[[StreamId, int], str],
        round_trips: Callable[[StreamId], tuple[float, float]],
        epoch: float,
    ) -> None:
        self._statistics = statistics
        self._codec_of = codec_of
        self._round_trips = round_trips
        self._epoch = epoch
        self._sources: dict[StreamId, list[_Source]] = {}
        self._sampled: tuple[StreamId, ...] = ()
        self._next: float | None = None

    def begin(self, stream: StreamId, now: float) -> list[None]:
        """Media of a stream that is to be sampled began to arrive, or does so again."""
        if stream not in self._sampled:
            self._sampled += (stream,)
        self._present(stream)
        if self._next is None:
            self._next = now + INTERVAL
        return []

    def seen(self, stream: StreamId, ssrc: int) -> None:
        """A first packet of a new source came."""
        sources = self._sources.setdefault(stream, [])
        if sources and sources[-1].ssrc == ssrc:
            return
        received = self._statistics(stream).received
        if sources:
            self._close_account(sources[-1], received, ssrc)
        sources.append(_Source(ssrc, received))
        del sources[:-MAX_SOURCES]

    def remove(self, stream: StreamId) -> None:
        self._sources.pop(stream, None)
        self._sampled = tuple(known for known in self._sampled if known != stream)

    def close(self) -> None:
        """Forget everything, whom to ask included, so that the owner needs no garbage collector."""
        self._sources.clear()
        self._sampled, self._next = (), None
        self._codec_of, self._round_trips = _no_codec, _no_round_trips

    def history(self, stream: StreamId) -> QualityHistory:
        """The history of the present source; an empty one before the first."""
        source = self._present(stream)
        return QualityHistory() if source is None else source.history

    def sources(self, stream: StreamId) -> tuple[SsrcFigures, ...]:
        """
        All that are remembered, the present one last and up to date.

        One that has not lived for `INTERVAL` yet is given a first sample of what it has lived, so that a short call is rated too.
        """
        source = self._present(stream)
        if source is None:
            return ()
        before, received = source.last, self._statistics(stream).received
        source.last = received
        figures = [each.figures() for each in self._sources[stream]]
        source.last = before
        if stream in self._sampled and not source.history.count and received.packets - before.packets >= ENOUGH:
            sample = self._measure(stream, before, received, received.last_arrival)
            figures[-1] = replace(figures[-1], average=sample, lowest=sample, highest=sample, sample_count=1, samples=(sample,))
        return tuple(figures)

    def tick(self, now: float) -> list[None]:
        if self._next is None or now < self._next:
            return []
        flowing = [self._sample(stream, now) for stream in self._sampled]
        self._next = max(self._next + INTERVAL, now) if any(flowing) else None
        return []

    def deadline(self) -> float | None:
        return self._next

    def _present(self, stream: StreamId) -> _Source | None:
        """The source that the engine hears now."""
        ssrc = self._statistics(stream).received.ssrc
        if ssrc:
            self.seen(stream, ssrc)
        sources = self._sources.get(stream)
        return sources[-1] if sources else None

    def _sample(self, stream: StreamId, now: float) -> bool:
        """Take one sample; False when nothing arrived since the last."""
        received = self._statistics(stream).received
        if received.ssrc:
            self.seen(stream, received.ssrc)
        sources = self._sources.get(stream)
        if not sources:
            return False
        source = sources[-1]
        before, source.last = source.last, received
        if received.packets <= before.packets:
            return False
        source.history.add(self._measure(stream, before, received, now))
        return True

    def _measure(self, stream: StreamId, before: ReceiveStatistics, received: ReceiveStatistics, now: float) -> QualitySample:
        """Return how well was received what came between two looks at the figures."""
        arrived, lost = received.packets - before.packets, max(0, received.lost - before.lost)
        jitter_ms = received.jitter * 1000 / max(1, received.clock_rate)
        round_trip_ms, leg_ms = self._round_trips(stream)
        loss = lost / (lost + arrived)
        return QualitySample(
            at=self._epoch + now,
            mos=estimate_mos(self._codec_of(stream, received.payload_type), loss, jitter_ms, round_trip_ms),
            jitter_ms=jitter_ms,
            loss_percent=100 * loss,
            round_trip_us=round(round_trip_ms * 1000),
            leg_round_trip_us=round(leg_ms * 1000),
        )

    def _close_account(self, source: _Source, received: ReceiveStatistics, successor: int) -> None:
        """Count for a source all that came before its successor; where its numbering ended was seen at the last sample."""
        mine = received.ssrc_packets if received.ssrc == successor else 0
        octets = received.bytes * mine // max(1, received.packets)
        end = source.last if received.ssrc == successor else received
        source.last = received._replace(
            packets=received.packets - mine,
            bytes=received.bytes - octets,
            highest_sequence=end.highest_sequence,
            last_timestamp=end.last_timestamp,
        )


def _no_codec(_stream: StreamId, _payload_type: int) -> str:
    """What a closed sampler asks."""
    return ""


def _no_round_trips(_stream: StreamId) -> tuple[float, float]:
    """What a closed sampler asks."""
    return 0.0, 0.0


def _row(sample: QualitySample) -> tuple[float, ...]:
    return sample[1:]


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
        return samples[0]
    rows = [_row(sample) for sample in samples]
    return _sample(samples[-1].at, [sum(column) / len(samples) for column in zip(*rows, strict=True)])
