"""One heap for the deadlines of thousands of machines, and the times that SIP's timers are made of."""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

from boringsdp.values import Value

Key = TypeVar("Key", bound=Hashable)

SLACK = 64
"""Stale entries that the heap may hold beside as many as live ones, before it is built anew."""


class TimerSettings(Value, frozen=True):
    """The base values of RFC 3261 table 4, in seconds; every timer of the transactions follows from them."""

    t1: float = 0.5
    """Estimated round-trip time."""

    t2: float = 4.0
    """The longest interval between retransmissions of non-INVITE requests and INVITE responses."""

    t4: float = 5.0
    """How long a message may stay in the network."""

    trying: float = 0.2
    """After so long without a response of the user agent an INVITE is answered by 100 (§17.2.1)."""

    c: float | None = None
    """Timer C: an INVITE that hears nothing new (101 to 199) for so long is cancelled. It is the proxies'; None: they may ring for ever."""

    def __post_init__(self) -> None:
        if not (self.t1 > 0 and self.t2 > 0 and self.t4 >= 0 and self.trying >= 0 and (self.c is None or self.c > 0)):
            raise ValueError("T1, T2 and C are above 0, nothing is negative")

    @property
    def timeout(self) -> float:
        """64*T1: timers B, D, F, H, J, L and M. D is at least 32 s (`d`)."""
        return 64 * self.t1

    @property
    def d(self) -> float:
        return max(32.0, 64 * self.t1)

    @property
    def late_trying(self) -> float:
        """How long timer E takes to reach T2: before that no 100 answers a non-INVITE request over UDP (RFC 4320 §4.1)."""
        interval, total = self.t1, 0.0
        while interval < self.t2:
            total, interval = total + interval, interval * 2
        return total


DEFAULT_TIMERS = TimerSettings()

LAPSE_S = 35.0
"""Before the end of a binding or subscription its refresh is to be answered, or known to have failed (64*T1)."""


def refresh_after(granted: float, dice: float) -> float:
    """Return after how many seconds to refresh what was granted for so many; `dice` between 0 and 1 keeps thousands apart."""
    lead = max(granted * 0.1, min(LAPSE_S, granted / 2))
    return (granted - lead) * (0.9 + 0.1 * dice)


def back_off(failures: int, dice: float, base: float, most: float) -> float:
    """Return after how many seconds to try again: between half of it and all of a time that doubles from `base` on (RFC 5626 §4.5)."""
    return min(most, base * 2.0 ** min(failures, 30)) * (0.5 + 0.5 * dice)


class Timers(Generic[Key]):
    """At most one deadline per key; setting, clearing and finding the next one cost O(log n)."""

    __slots__ = ("_at", "_heap", "_order")

    def __init__(self) -> None:
        self._at: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._order = 0

    def set(self, key: Key, at: float | None) -> None:
        """Move the deadline of a key; None takes it away."""
        if at is None:
            self._at.pop(key, None)
        elif self._at.get(key) != at:
            self._at[key] = at
            self._order += 1
            heapq.heappush(self._heap, (at, self._order, key))
        if len(self._heap) > 2 * len(self._at) + SLACK:
            self._heap = [entry for entry in self._heap if self._at.get(entry[2]) == entry[0]]
            heapq.heapify(self._heap)

    def next_due(self, now: float) -> Key | None:
        """Take away the earliest deadline that has come, in order of time, then of setting, and return its key; None without one."""
        if not self._settle() or self._heap[0][0] > now:
            return None
        key = heapq.heappop(self._heap)[2]
        del self._at[key]
        return key

    def deadline(self) -> float | None:
        return self._heap[0][0] if self._settle() else None

    def __len__(self) -> int:
        return len(self._at)

    def _settle(self) -> bool:
        """Drop what is stale from the top; False when nothing is left."""
        heap = self._heap
        while heap and self._at.get(heap[0][2]) != heap[0][0]:
            heapq.heappop(heap)
        return bool(heap)
