"""One driver for every core: performs its actions, and arms the one timer it asks for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

Action = TypeVar("Action")
Action_co = TypeVar("Action_co", covariant=True)


class Core(Protocol[Action_co]):
    """What the driver needs of a core."""

    def tick(self, now: float) -> Iterable[Action_co]: ...

    def deadline(self) -> float | None: ...


class Driver(Generic[Action]):
    """
    Runs a core on an event loop: `driver.run(core.receive(data, now=loop.time()))`.

    All actions of one call are performed before those of the next: what an action leads back to (`run` called from `perform`) is queued.
    `close` stops the timer; nothing is performed afterwards.
    """

    def __init__(self, core: Core[Action], perform: Callable[[Action], None], loop: asyncio.AbstractEventLoop) -> None:
        self._core = core
        self._perform = perform
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._queue: deque[Action] = deque()
        self._running = False
        self._closed = False

    def run(self, actions: Iterable[Action]) -> None:
        """Perform `actions`, then arm the timer for the core's next deadline."""
        self._queue.extend(actions)
        if self._running or self._closed:
            return
        self._running = True
        try:
            while self._queue and not self._closed:
                self._perform(self._queue.popleft())
        finally:
            self._running = False
        self._arm()

    def close(self) -> None:
        self._closed = True
        self._queue.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at = self._core.deadline()
        if at is not None and not self._closed:
            self._timer = self._loop.call_at(at, self._wake, at)

    def _wake(self, at: float) -> None:
        self._timer = None
        self.run(self._core.tick(max(at, self._loop.time())))           # loops may fire a hair early
