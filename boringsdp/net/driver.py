"""One driver for every core: performs its actions, and arms the one timer it asks for."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

Action = TypeVar("Action")
Action_co = TypeVar("Action_co", covariant=True)


class Core(Protocol[Action_co]):
    """What the driver needs of a core."""

    def tick(self, now: float) -> Iterable[Action_co]: ...

    def deadline(self) -> float | None: ...


GRID = 1 / 16
"""Seconds. What may wait as long is done together: waking up costs more than most of what is then done."""


class Driver(Generic[Action]):
    """
    Runs a core on an event loop: `driver.run(core.receive(data, now=loop.time()))`.

    All actions of one call are performed before those of the next: what an action leads back to (`run` called from `perform`) is queued.
    With `grid` the timer fires up to so many seconds late, at a multiple of it, and so together with those of others.
    `close` stops the timer and lets go of `perform`, so that its owner needs no garbage collector; nothing is performed afterwards.
    """

    __slots__ = ("_armed", "_closed", "_core", "_grid", "_loop", "_perform", "_queue", "_running", "_timer")

    def __init__(self, core: Core[Action], perform: Callable[[Action], None], loop: asyncio.AbstractEventLoop, grid: float = 0.0) -> None:
        self._core = core
        self._perform = perform
        self._loop = loop
        self._grid = grid
        self._timer: asyncio.TimerHandle | None = None
        self._armed: float | None = None
        """What the timer is set to."""
        self._queue: deque[Action] | None = None  # an empty one is 700 bytes, and there are five drivers to a call
        self._running = False
        self._closed = False

    def run(self, actions: Iterable[Action]) -> None:
        """Perform `actions`, then arm the timer for the core's next deadline."""
        if self._closed:
            return
        if self._queue is None:
            self._queue = deque(actions)
        else:
            self._queue.extend(actions)
        if self._running:
            return
        self._running = True
        try:
            while self._queue and not self._closed:
                self._perform(self._queue.popleft())
        finally:
            self._running = False
        self._queue = None
        self._arm()

    def close(self) -> None:
        self._closed = True
        self._queue = None
        self._perform = _nothing
        self._arm()

    def _arm(self) -> None:
        at = None if self._closed else self._core.deadline()
        if at is not None and self._grid:
            at = math.ceil(at / self._grid) * self._grid
        if at == self._armed:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._armed = at
        self._timer = None if at is None else self._loop.call_at(at, self._wake, at)

    def _wake(self, at: float) -> None:
        self._timer = self._armed = None
        actions = self._core.tick(max(at, self._loop.time()))  # loops may fire a hair early
        if actions or self._running:
            self.run(actions)
        else:
            self._arm()


def _nothing(_action: object) -> None:
    """What a closed driver performs."""
