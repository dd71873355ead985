"""Notices that streams are losing packets: one look a second at each, many together. A core."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from boringsdp.relay.engine import StreamId

SAMPLE = 1.0
TURNS = 8
"""Parts in which streams are looked at within a second, so that no look takes long."""


@dataclass(slots=True, frozen=True)
class Losing:
    """`lost` packets of this stream did not arrive in the last second."""

    stream: StreamId
    lost: int


class LossWatch:
    """
    Watches the streams of all transports on which media arrives: a silent one shows no loss.

    `slow` is how many packets may be lost in a second, 0 watches nothing; `losses` reads what each stream has lost so far.
    """

    def __init__(self, slow: int, losses: Callable[[Sequence[StreamId]], Sequence[int]]) -> None:
        self._slow = slow
        self._losses = losses
        self._lost: dict[StreamId, int] = {}
        """What was lost at the last look, which begins with the first."""
        self._receiving: set[StreamId] = set()
        self._turns: list[set[StreamId]] = [set() for _ in range(TURNS)]
        self._turn_of: dict[StreamId, int] = {}
        self._began = 0.0
        self._done = 0
        """Turns since `_began`."""

    def receiving(self, stream: StreamId, receiving: bool, now: float) -> None:
        """Media of a stream began to arrive, or stopped: then it is looked at once more."""
        if not receiving:
            self._receiving.discard(stream)
        elif self._slow:
            self._receiving.add(stream)
            if stream not in self._turn_of:
                self._take(stream, now)

    def remove(self, stream: StreamId) -> None:
        """Forget a stream."""
        self._receiving.discard(stream)
        self._lost.pop(stream, None)
        self._leave(stream)

    def deadline(self) -> float | None:
        if not self._turn_of:
            return None
        ahead = next(ahead for ahead in range(1, TURNS + 1) if self._turns[(self._done + ahead) % TURNS])
        return self._time_of(self._done + ahead)

    def tick(self, now: float) -> list[Losing]:
        actions: list[Losing] = []
        while (due := self.deadline()) is not None and now >= due:
            self._done = next(n for n in range(self._done + 1, self._done + TURNS + 1) if self._turns[n % TURNS])
            actions += self._look(list(self._turns[self._done % TURNS]))
        return actions

    def _look(self, streams: list[StreamId]) -> list[Losing]:
        actions: list[Losing] = []
        for stream, lost in zip(streams, self._losses(streams), strict=True):
            newly = lost - self._lost.get(stream, lost)
            self._lost[stream] = lost
            if newly >= self._slow:
                actions.append(Losing(stream, newly))
            if stream not in self._receiving:
                self._leave(stream)
        return actions

    def _take(self, stream: StreamId, now: float) -> None:
        """Let a stream be looked at a second from now, or up to an eighth of one sooner."""
        due = self.deadline()
        if due is None:
            self._began, self._done = now, 0
        passed = int((now - self._began) * TURNS / SAMPLE)
        if due is None or due > now:
            self._done = passed  # the turns since were empty
        self._turn_of[stream] = passed % TURNS
        self._turns[passed % TURNS].add(stream)

    def _leave(self, stream: StreamId) -> None:
        turn = self._turn_of.pop(stream, None)
        if turn is not None:
            self._turns[turn].discard(stream)

    def _time_of(self, turn: int) -> float:
        return self._began + turn * SAMPLE / TURNS
