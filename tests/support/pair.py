"""Two cores joined back to back: what one sends, the other receives; `step` goes to the next wake-up."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Protocol


class Core(Protocol):
    def tick(self, now: float) -> Iterable[Any]: ...

    def deadline(self) -> float | None: ...


class Pair:
    """
    `sent(action)` returns the bytes of an action that sends, or None; `receive` hands bytes to a core and returns its actions.

    Every other action is kept in `left_actions` and `right_actions`. `lose(data)` may drop what is under way.
    """

    def __init__(
        self, left: Core, right: Core, *, sent: Callable[[Any], bytes | None],
        receive: Callable[[Any, bytes, float], Iterable[Any]], lose: Callable[[bytes], bool] = lambda data: False, now: float = 0.0,
    ) -> None:  # fmt: skip
        self.cores: tuple[Core, Core] = (left, right)
        self.left_actions: list[Any] = []
        self.right_actions: list[Any] = []
        self.now = now
        self._sent, self._receive, self._lose = sent, receive, lose
        self._wire: deque[tuple[int, bytes]] = deque()

    def run(self, side: int, actions: Iterable[Any]) -> None:
        """Take the actions of core 0 (left) or 1 (right), and all that follows from them without time passing."""
        self._collect(side, actions)
        while self._wire:
            target, data = self._wire.popleft()
            self._collect(target, self._receive(self.cores[target], data, self.now))

    def step(self) -> bool:
        """Let time pass to the next deadline; False when neither core waits for anything."""
        due = [(at, side) for side, core in enumerate(self.cores) if (at := core.deadline()) is not None]
        if not due:
            return False
        at, side = min(due)
        self.now = max(self.now, at)
        self.run(side, self.cores[side].tick(self.now))
        return True

    def _collect(self, side: int, actions: Iterable[Any]) -> None:
        for action in actions:
            data = self._sent(action)
            if data is None:
                (self.left_actions, self.right_actions)[side].append(action)
            elif not self._lose(data):
                self._wire.append((1 - side, data))
