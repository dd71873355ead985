"""Which requests were answered already, and which are being executed: the retransmission cache. A core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

Waiter = TypeVar("Waiter")

GENERATION_S = 30.0


@dataclass(slots=True, frozen=True)
class New:
    """Seen for the first time: execute it, then call `finish`, or `abandon`."""


@dataclass(slots=True, frozen=True)
class Pending:
    """The first copy is not answered yet; `finish` returns this waiter too, unless there were too many (`heard` is False)."""

    heard: bool = True


@dataclass(slots=True, frozen=True)
class Reply:
    """Answered before: send this again, octet for octet."""

    data: bytes


class CookieCache(Generic[Waiter]):
    """
    Maps a cookie to its one execution and its one reply, whichever transport, address or body it comes with.

    Replies are kept for 30 to 60 s, in two generations of which the older is thrown away every 30 s; or for a shorter time when a
    generation is full: `entries` replies or `size` octets, cookies included. Executions under way are not bounded here but by whoever runs
    them.
    """

    def __init__(self, *, entries: int = 20_000, size: int = 32 * 1024 * 1024, waiters: int = 8) -> None:
        self._entries = entries
        self._size = size
        self._most_waiters = waiters
        self._young: dict[bytes, bytes] = {}
        self._old: dict[bytes, bytes] = {}
        self._young_size = self._old_size = 0
        self._pending: dict[bytes, list[Waiter]] = {}
        self._swap_at: float | None = None

    def __len__(self) -> int:
        """How many replies are kept."""
        return len(self._young) + len(self._old)

    @property
    def size(self) -> int:
        """Octets kept, cookies included."""
        return self._young_size + self._old_size

    @property
    def pending(self) -> int:
        """Executions under way."""
        return len(self._pending)

    def begin(self, cookie: bytes, waiter: Waiter, now: float) -> New | Pending | Reply:
        """Take note of a request; `waiter` is who wants its reply."""
        self.tick(now)
        reply = self._young.get(cookie)
        if reply is None:
            reply = self._old.get(cookie)
        if reply is not None:
            return Reply(reply)
        waiters = self._pending.get(cookie)
        if waiters is None:
            self._pending[cookie] = [waiter]
            return New()
        if len(waiters) >= self._most_waiters:
            return Pending(heard=False)
        waiters.append(waiter)
        return Pending()

    def finish(self, cookie: bytes, reply: bytes, now: float) -> list[Waiter]:
        """Keep the reply and return everyone who waits for it, the first first."""
        self.tick(now)
        cost = len(cookie) + len(reply)
        if len(self._young) >= self._entries or self._young_size + cost > self._size:
            self._swap()
        if cost <= self._size:
            self._young[cookie] = reply
            self._young_size += cost
            if self._swap_at is None:
                self._swap_at = now + GENERATION_S
        return self._pending.pop(cookie, [])

    def abandon(self, cookie: bytes) -> list[Waiter]:
        """There will be no reply: the next copy is executed. Returns who waited."""
        return self._pending.pop(cookie, [])

    def tick(self, now: float) -> None:
        """Throw away what is old."""
        while self._swap_at is not None and now >= self._swap_at:
            self._swap()
            self._swap_at = self._swap_at + GENERATION_S if self._old else None

    def deadline(self) -> float | None:
        """When something will be old; None while nothing is kept."""
        return self._swap_at

    def _swap(self) -> None:
        self._old, self._young = self._young, {}
        self._old_size, self._young_size = self._young_size, 0
