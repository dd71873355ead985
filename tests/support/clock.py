"""An event loop whose time jumps to the next timer. Nothing sleeps for real, and a test that would hang fails at once."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class NothingScheduled(AssertionError):
    """Everybody waits, and no timer is armed: on a real loop the test would hang here."""


class _JumpingSelector(selectors.DefaultSelector):
    loop: VirtualTimeLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)  # the loop's own wake-up pipe
        if not ready:
            if timeout is None:
                raise NothingScheduled("every task waits and nothing is scheduled")
            self.loop.advance(timeout)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """`time()` starts at `start` and moves only from timer to timer. No threads, no real sockets."""

    def __init__(self, start: float = 1000.0) -> None:
        self._virtual_now = start
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self._virtual_now

    def advance(self, by: float) -> None:
        self._virtual_now += max(0.0, by)


def run_in_virtual_time(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end in virtual time."""
    loop = VirtualTimeLoop()
    try:
        return loop.run_until_complete(main)
    finally:
        loop.close()
