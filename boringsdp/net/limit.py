"""How often something may happen: a bounded burst, refilled at a steady rate. A core."""

from __future__ import annotations


class RateLimit:
    """At most `burst` at once and `per_second` in a second on average."""

    __slots__ = ("_at", "_burst", "_left", "_per_second", "_refused")

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = burst
        self._refused = 0
        self._left = float(burst)
        self._at = 0.0

    def allow(self, now: float) -> int | None:
        """Return how many were refused since the last one that was allowed, or None when this one is refused too."""
        self._left = min(float(self._burst), self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1.0:
            self._refused += 1
            return None
        self._left -= 1.0
        skipped, self._refused = self._refused, 0
        return skipped
