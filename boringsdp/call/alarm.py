"""One timer of a call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Alarm:
    """Wakes somebody up at a time of the loop. It knows whom only while it is set."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None

    def set(self, at: float | None, wake: Callable[[float], None]) -> None:
        """Call `wake` with `at` then; None: not at all. One that is set and comes sooner stays: who is woken too early sets the next."""
        if self._timer is not None:
            if at is not None and self._timer.when() <= at:
                return
            self._timer.cancel()
        self._timer = None if at is None else self._loop.call_at(at, self._ring, at, wake)

    def _ring(self, at: float, wake: Callable[[float], None]) -> None:
        self._timer = None
        wake(at)
