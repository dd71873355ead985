"""When a connection is pinged, and when it is given up. A core."""

from __future__ import annotations

import enum

from boringsdp.sip.transport.settings import Limits

LINGER_S = 5.0
"""A connection that we close may take so long to write what waits."""


class Verdict(enum.Enum):
    """What is to be done with a connection; all but `PING` end it. The value is the reason, for people."""

    PING = "ping"
    SILENT = "has sent nothing"
    HALF = "half a message"
    IDLE = "idle"
    DEAD = "no answer to keep-alive"
    LINGERING = "not closed in time"


class Liveness:
    """What is told of a connection, and `tick` from time to time: once a second is enough."""

    __slots__ = (
        "_accepted",
        "_answers",
        "_closing",
        "_half_since",
        "_heard",
        "_keepalive_s",
        "_keepers",
        "_limits",
        "_opened",
        "_ping",
        "_pinged",
        "_used",
        "watched",
    )

    def __init__(self, limits: Limits, keepalive_s: float, accepted: bool, now: float) -> None:
        self._limits = limits
        self._keepalive_s = keepalive_s
        self._accepted = accepted
        self._heard = False
        self._opened = self._used = self._ping = now
        self.watched = False
        """Something else sees to it that the peer is there: it is never idle."""
        self._half_since: float | None = None
        self._pinged: float | None = None
        self._closing: float | None = None
        self._answers = False
        self._keepers = 0

    @property
    def awaits_pong(self) -> bool:
        """A ping of ours has not been answered."""
        return self._pinged is not None

    def received(self, now: float, half: bool) -> None:
        """Something came; `half`: the end of what there is is the beginning of a message."""
        if not half:
            self._half_since = None
        elif self._half_since is None:
            self._half_since = now

    def message(self, now: float) -> None:
        """A whole message came, or was sent."""
        self._used = now
        self._half_since = None

    def ping(self, now: float) -> None:
        """The peer keeps the connection open."""
        self._used = now

    def heard(self) -> None:
        """The peer has sent a message, and so is more than somebody who connects."""
        self._heard = True

    def pong(self) -> None:
        """The peer has answered a ping: from now on it is expected to."""
        self._answers, self._pinged = True, None

    def closing(self, now: float) -> None:
        self._closing = now

    def keep(self, on: bool, now: float) -> None:
        """Ping it as long as anybody wants that."""
        self._keepers = max(0, self._keepers + (1 if on else -1))
        if on:
            self._ping = now

    def tick(self, now: float) -> Verdict | None:
        """Return what is to be done."""
        limits = self._limits
        if self._closing is not None:
            return Verdict.LINGERING if now - self._closing >= LINGER_S else None
        if self._half_since is not None and now - self._half_since >= limits.half_message_s:
            return Verdict.HALF
        if self._pinged is not None and self._answers and now - self._pinged >= limits.pong_s:
            return Verdict.DEAD
        if self._accepted and not self._heard and now - self._opened >= limits.first_message_s:
            return Verdict.SILENT
        if self._keepers:
            if now - max(self._ping, self._used) >= self._keepalive_s:
                self._ping = now
                if self._pinged is None:
                    self._pinged = now
                return Verdict.PING
        elif not self.watched and now - self._used >= limits.idle_s:
            return Verdict.IDLE
        return None
