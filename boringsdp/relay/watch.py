"""Notices that a transport's media has stopped or is losing packets. A core."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from boringsdp.relay.engine import StreamId, StreamStatistics

SAMPLE = 1.0


@dataclass(slots=True, frozen=True)
class Silent:
    """No packet of any expected stream, and no RTCP, for `after` seconds."""

    stream: StreamId
    after: float


@dataclass(slots=True, frozen=True)
class Losing:
    """`lost` packets of this stream did not arrive in the last second."""

    stream: StreamId
    lost: int


Action = Silent | Losing


class Watch:
    """
    Watches the streams of one transport.

    `timeout` is how long all of them may be silent, `slow` how many packets may be lost in a second; 0 switches either off.
    RTCP counts as a sign of life: who holds a call without music, or sends no silence, still reports.
    Silence is told once, and again only after something came. Losses are counted while media arrives: a silent stream shows none.
    """

    def __init__(self, timeout: float, slow: int, statistics: Callable[[StreamId], StreamStatistics]) -> None:
        self._timeout = timeout
        self._slow = slow
        self._statistics = statistics
        self._expected: dict[StreamId, bool] = {}
        self._receiving: set[StreamId] = set()
        self._lost: dict[StreamId, int] = {}
        self._since: float | None = None
        self._reported = 0.0
        self._told = False
        self._check: float | None = None
        self._sample: float | None = None

    def start(self, now: float) -> None:
        """The peer can be reached: media may be expected from now on."""
        if self._since is None:
            self._since = now
        self._arm(now)

    def expect(self, stream: StreamId, expected: bool, now: float) -> None:
        """A stream of the transport, and whether its peer should be sending (not held)."""
        began = expected and not any(self._expected.values())
        self._expected[stream] = expected
        if began and self._since is not None:
            self._since = now
        self._arm(now)

    def hear(self, now: float) -> None:
        """RTCP of the peer arrived."""
        self._reported = now

    def receiving(self, stream: StreamId, receiving: bool, now: float) -> None:
        """Media of a stream began to arrive, or stopped."""
        if not receiving:
            self._receiving.discard(stream)
        elif self._slow:
            self._receiving.add(stream)
            if self._sample is None:
                self._sample = now + SAMPLE

    def remove(self, stream: StreamId) -> None:
        self._expected.pop(stream, None)
        self._receiving.discard(stream)
        self._lost.pop(stream, None)

    def deadline(self) -> float | None:
        return min((at for at in (self._check, self._sample) if at is not None), default=None)

    def tick(self, now: float) -> list[Action]:
        actions: list[Action] = []
        if self._sample is not None and now >= self._sample:
            self._sample = now + SAMPLE if self._receiving else None
            actions += self._losses()
        if self._check is not None and now >= self._check:
            self._check = None
            actions += self._silence(now)
            self._arm(now)
        return actions

    def _arm(self, now: float) -> None:
        """Check again when the last packet known will be too long ago; after silence was told, now and then, for media to come back."""
        if not self._timeout or self._since is None or not any(self._expected.values()):
            self._check = None
            return
        last = self._last_heard()
        if self._told and now - last < self._timeout:
            self._told = False
        self._check = now + self._timeout / 2 if self._told else max(now + 0.01, last + self._timeout)

    def _last_heard(self) -> float:
        heard = [self._statistics(stream).received.last_arrival for stream, expected in self._expected.items() if expected]
        return max(*heard, self._since or 0.0, self._reported)

    def _silence(self, now: float) -> list[Action]:
        # Timers are floats: a hair too early is not early.
        if self._told or not any(self._expected.values()) or now - self._last_heard() < self._timeout - 1e-6:
            return []
        self._told = True
        return [Silent(next(stream for stream, expected in self._expected.items() if expected), self._timeout)]

    def _losses(self) -> list[Action]:
        actions: list[Action] = []
        for stream in self._expected:
            lost = self._statistics(stream).received.lost
            newly = lost - self._lost.get(stream, lost)
            self._lost[stream] = lost
            if newly >= self._slow:
                actions.append(Losing(stream, newly))
        return actions
