"""Telephone events (RFC 4733): a collector makes one digit of a train of packets, a sender a proper train of a digit. Cores."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

DIGITS = "0123456789*#ABCD"
"""Event codes 0..15 in order (RFC 4733 §3.2)."""
VOLUME = 10
"""-10 dBm0, when nobody says otherwise."""


def events_of(digits: str) -> list[int]:
    """Return the event codes of `digits`; what is no digit is left out."""
    return [DIGITS.index(digit) for digit in digits.upper() if digit in DIGITS]


# --- collecting --------------------------------------------------------------------------------------------------------------------------


@dataclass(slots=True, frozen=True)
class Pressed:
    """A digit begins."""

    event: int
    volume: int


@dataclass(slots=True, frozen=True)
class Held:
    """The digit has lasted so long by now."""

    duration_ms: int


@dataclass(slots=True, frozen=True)
class Released:
    """The digit is over; once for every `Pressed`. `duration_ms` is what the packets say, at least `minimum_ms`."""

    event: int
    duration_ms: int
    volume: int = VOLUME


CollectorAction = Pressed | Held | Released


@dataclass(slots=True)
class _Train:
    ssrc: int
    timestamp: int
    event: int
    clock_rate: int
    volume: int
    started: float
    heard: float
    before_ms: float = 0.0
    """Length of the segments before this one, of an event longer than 0xFFFF ticks."""
    duration: int = 0

    @property
    def key(self) -> tuple[int, int, int]:
        return self.ssrc, self.timestamp, self.event

    @property
    def duration_ms(self) -> float:
        return self.before_ms + self.duration * 1000 / self.clock_rate


class Collector:
    """
    Collects the packets of one stream into digits, one for each (SSRC, timestamp, event).

    Deviation: a train may be nothing but end packets (RFC 4733 §2.5.1.4 wants updates first). Chromium and Firefox send such trains
    for Opus with telephone-event/8000, with lengths in a mixed clock: 960 ticks for 100 ms.
    """

    PATIENCE = 0.3
    """Seconds without a packet after which a digit whose end was lost is over: more than 200 ms of jitter."""
    SLACK_MS = 1000.0
    """A train that claims to have lasted so much longer than we have heard it counts in another clock."""

    def __init__(self, minimum_ms: int = 100) -> None:
        self._minimum_ms = minimum_ms
        self._train: _Train | None = None
        self._finished: deque[tuple[int, int, int]] = deque(maxlen=16)

    def receive(
        self, ssrc: int, timestamp: int, event: int, *, end: bool, volume: int, duration: int, clock_rate: int, now: float
    ) -> list[CollectorAction]:
        """Take one packet; `duration` is in ticks of `clock_rate`."""
        key = ssrc, timestamp, event
        if event >= len(DIGITS) or key in self._finished:
            return []
        actions: list[CollectorAction] = []
        train = self._train
        if train is not None and train.key != key:
            if train.ssrc == ssrc and (train.timestamp - timestamp) & 0xFFFFFFFF < 0x80000000:
                return []  # late, of a train before this one
            if self._continues(train, key):
                self._finished.append(train.key)
                train.before_ms, train.timestamp, train.duration = train.duration_ms, timestamp, 0
            else:
                actions += self._release(now)
                train = None
        if train is None:
            train = self._train = _Train(ssrc, timestamp, event, max(1, clock_rate), volume, now, now)
            actions.append(Pressed(event, volume))
        train.heard = now
        if duration > train.duration:
            train.duration = duration
            actions.append(Held(self._length(train, now)))
        return actions + self._release(now) if end else actions

    def tick(self, now: float) -> list[CollectorAction]:
        """The end packets were lost."""
        due = self.deadline()
        return self._release(now) if due is not None and now >= due else []

    def deadline(self) -> float | None:
        return None if self._train is None else self._train.heard + self.PATIENCE

    def stop(self, now: float) -> list[CollectorAction]:
        """The stream ends; so does a digit that is being pressed."""
        return self._release(now)

    @staticmethod
    def _continues(train: _Train, key: tuple[int, int, int]) -> bool:
        """Whether a new timestamp is the next segment of a long event (RFC 4733 §2.5.1.3): it begins about where the last update ended."""
        if (train.ssrc, train.event) != (key[0], key[2]):
            return False
        gap = (key[1] - train.timestamp - train.duration + 0x80000000 & 0xFFFFFFFF) - 0x80000000
        return abs(gap) * 1000 <= 45 * train.clock_rate

    def _length(self, train: _Train, now: float) -> int:
        heard_ms = (now - train.started) * 1000
        return round(min(train.duration_ms, heard_ms + self.SLACK_MS))

    def _release(self, now: float) -> list[CollectorAction]:
        train, self._train = self._train, None
        if train is None:
            return []
        self._finished.append(train.key)
        return [Released(train.event, max(self._minimum_ms, self._length(train, now)), train.volume)]


# --- sending -----------------------------------------------------------------------------------------------------------------------------


@dataclass(slots=True, frozen=True)
class Inject:
    """Send this payload now; `same_timestamp` as the packet before it."""

    payload: bytes
    marker: bool
    same_timestamp: bool


@dataclass(slots=True)
class Tone:
    """A digit to be sent: whole (`over`), or live, which lasts as long as its source holds it."""

    event: int
    volume: int
    known_ms: int
    over: bool
    gap_ms: int
    news: float = field(default=0.0)
    """When its source was last heard of."""


class Sender:
    """
    Sends digits one after the other as RFC 4733 wants them.

    Marker on the first packet, one timestamp, an update every 20 ms by our own clock, three end packets, a gap before the next.
    A live digit runs at most `LEAD_MS` ahead of what its source has told, so that jitter of the source does not lengthen it.
    """

    UPDATE_MS = 20
    ENDS = 3
    LEAD_MS = 40
    LONGEST_MS = 5000
    GAP_MS = (50, 5000)
    MAX_QUEUE = 64
    STALE = 2.0
    """Seconds without news after which a live digit ends itself."""

    def __init__(self, minimum_ms: int = 100) -> None:
        self.clock_rate = 8000
        self._minimum_ms = minimum_ms
        self._queue: deque[Tone] = deque()
        self._next: float | None = None
        self._sent_ms = 0
        """Length that the last packet of the first tone claimed; 0 before its first packet."""
        self._segment_ms = 0
        self._ends = 0
        self._ended = 0.0

    def enqueue(self, events: Iterable[int], now: float, *, duration_ms: int = 100, gap_ms: int = 50, volume: int = VOLUME) -> int:
        """
        Queue whole digits; returns how many there was room for. `tick` is due at once.

        `duration_ms` is bounded to `minimum_ms`..5000, `gap_ms` to 50..5000, `volume` (in -dBm0) to 0..63.
        """
        duration_ms = max(self._minimum_ms, min(duration_ms, self.LONGEST_MS))
        gap_ms = max(self.GAP_MS[0], min(gap_ms, self.GAP_MS[1]))
        volume = max(0, min(volume, 63))
        count = 0
        for event in events:
            if len(self._queue) >= self.MAX_QUEUE:
                break
            self._queue.append(Tone(event, volume, duration_ms, True, gap_ms, now))
            count += 1
        self._wake(now)
        return count

    def press(self, event: int, volume: int, now: float) -> Tone | None:
        """Begin a live digit, to be held and released; None when the queue is full."""
        if len(self._queue) >= self.MAX_QUEUE:
            return None
        tone = Tone(event, volume, 0, False, 50, now)
        self._queue.append(tone)
        self._wake(now)
        return tone

    def hold(self, tone: Tone, duration_ms: int, now: float) -> None:
        """The live digit has lasted so long at its source."""
        if not tone.over:
            tone.known_ms, tone.news = max(tone.known_ms, duration_ms), now

    def release(self, tone: Tone, duration_ms: int, now: float) -> None:
        """The live digit lasted so long and is over."""
        tone.known_ms, tone.over, tone.news = max(self._minimum_ms, duration_ms), True, now
        self._wake(now)

    def stop(self) -> None:
        """Forget everything."""
        self._queue.clear()
        self._next = None

    def deadline(self) -> float | None:
        return self._next

    def tick(self, now: float) -> list[Inject]:
        """Return the packet that is due."""
        if self._next is None or now < self._next:
            return []
        if not self._queue:
            self._next = None
            return []
        due, tone = self._next, self._queue[0]
        # Own clock, without drift; but a clock that stood still for long is not caught up with a burst.
        self._next = due + self.UPDATE_MS / 1000 if now - due < 0.1 else now + self.UPDATE_MS / 1000
        if not tone.over and now - tone.news > self.STALE:
            tone.over = True
        if self._ends:
            return [self._end(tone, due)]
        target = max(self._minimum_ms, tone.known_ms + (0 if tone.over else self.LEAD_MS))
        length = min(self._sent_ms + self.UPDATE_MS, target)
        if tone.over and length >= target:
            self._sent_ms, first = max(self._sent_ms, length), self._sent_ms == 0
            self._ends = self.ENDS
            self._ended = due + self.UPDATE_MS / 1000
            return [self._end(tone, due, first=first)]
        if length <= self._sent_ms:
            return []  # ahead of the source: wait for its news
        return [self._update(tone, length)]

    def _update(self, tone: Tone, length: int) -> Inject:
        first = self._sent_ms == 0
        fresh = first
        if (length - self._segment_ms) * self.clock_rate // 1000 > 0xFFFF:
            self._segment_ms, fresh = self._sent_ms, True  # RFC 4733 §2.5.1.3: a new segment, no marker
        self._sent_ms = length
        return self._packet(tone, end=False, marker=first, same_timestamp=not fresh)

    def _end(self, tone: Tone, due: float, *, first: bool = False) -> Inject:
        packet = self._packet(tone, end=True, marker=first, same_timestamp=not first)
        self._ends -= 1
        if not self._ends:
            self._queue.popleft()
            self._sent_ms = self._segment_ms = 0
            self._next = max(due + self.UPDATE_MS / 1000, self._ended + tone.gap_ms / 1000)
        return packet

    def _packet(self, tone: Tone, *, end: bool, marker: bool, same_timestamp: bool) -> Inject:
        """
        Return one event packet (RFC 4733 §2.3).

             0               8   9   10              16                               31
            +---------------+---+---+---------------+---------------------------------+
            |     event     | E | R |    volume     |            duration             |
            +---------------+---+---+---------------+---------------------------------+
        """
        ticks = min(0xFFFF, (self._sent_ms - self._segment_ms) * self.clock_rate // 1000)
        payload = struct.pack("!BBH", tone.event, end << 7 | tone.volume & 0x3F, ticks)
        return Inject(payload, marker, same_timestamp)

    def _wake(self, now: float) -> None:
        if self._queue and self._next is None:
            self._next = max(now, self._ended and self._ended + 0.05)
