"""When to send packets that only open the way for the peer's (RFC 6263). A core."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

PAUSE = 0.5
LONGEST = 10.0
"""Seconds after which it is given up: whoever says nothing by then is waited for by the media timeout."""


@dataclass(slots=True, frozen=True)
class Pierce:
    """Send one such packet."""


class Piercer:
    """`arrived` tells whether anything came from the peer."""

    def __init__(self, arrived: Callable[[], bool]) -> None:
        self._arrived = arrived
        self._next: float | None = None
        self._until = 0.0

    def start(self, now: float) -> list[Pierce]:
        self._next, self._until = now, now + LONGEST
        return self.tick(now)

    def tick(self, now: float) -> list[Pierce]:
        if self._next is None or now < self._next:
            return []
        if self._arrived() or now >= self._until:
            self._next = None
            return []
        self._next = now + PAUSE
        return [Pierce()]

    def deadline(self) -> float | None:
        return self._next
