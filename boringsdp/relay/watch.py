"""Notices that a transport's media has stopped. A core."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from boringsdp.relay.engine import StreamId, StreamStatistics


@dataclass(slots=True, frozen=True)
class Silent:
    """No packet of any expected stream, and no RTCP, for `after` seconds."""

    stream: StreamId
    after: float


class Watch:
    """
    Watches the streams of one transport.

    `timeout` is how long all of them may be silent; 0 switches it off.
    RTCP counts as a sign of life: who holds a call without music, or sends no silence, still reports.
    Silence is told once, and again only after something came.
    """

    __slots__ = ("_check", "_expected", "_reported", "_since", "_statistics", "_timeout", "_told")

    def __init__(self, timeout: float, statistics: Callable[[StreamId], StreamStatistics]) -> None:
        self._timeout = timeout
        self._statistics = statistics
        self._expected: dict[StreamId, bool] = {}
        self._since: float | None = None
        self._reported = 0.0
        self._told = False
        self._check: float | None = None

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

    def remove(self, stream: StreamId) -> None:
        self._expected.pop(stream, None)

    def deadline(self) -> float | None:
        return self._check

    def tick(self, now: float) -> list[Silent]:
        if self._check is None or now < self._check:
            return []
        self._check = None
        actions = self._silence(now)
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

    def _silence(self, now: float) -> list[Silent]:
        # Timers are floats: a hair too early is not early.
        if self._told or not any(self._expected.values()) or now - self._last_heard() < self._timeout - 1e-6:
            return []
        self._told = True
        return [Silent(next(stream for stream, expected in self._expected.items() if expected), self._timeout)]
