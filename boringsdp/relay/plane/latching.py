"""
Which sources one port hears, and where it sends: the rules of `Latch` (symmetric RTP, RFC 4961). A core of one port.

A source is first asked for by `hears`; when its packet proved valid (authenticated, where there are keys), `heard` takes it up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from boringsdp.relay.engine import Address, Latch

ELSEWHERE, SAME_HOST, EXACT = 0, 1, 2


class Latching:
    """
    `remote` is where to send, None while there is nowhere. `learned`: a packet came from there. `latched`: it is settled, and only that
    source is heard. `announced` is what the peer said.
    """

    __slots__ = ("announced", "best", "latch", "latched", "learned", "learns_until", "remote", "told", "window_ends")

    def __init__(self) -> None:
        self.announced: Address | None = None
        self.remote: Address | None = None
        self.latch = Latch.STRICT
        self.learned = self.latched = self.told = False
        self.learns_until = self.window_ends = 0.0
        self.best = ELSEWHERE
        """How close to the announced address the best source was that was heard while learning heuristically."""

    def announce(self, address: Address | None, latch: Latch, now: float, learn_s: float, window_s: float) -> None:
        """
        Where the peer says it is. An address that is announced again does not undo what was learned, since a peer behind NAT repeats its
        private address; it opens the window for a new one.
        """
        if address != self.announced or latch in (Latch.STRICT, Latch.ASYMMETRIC) or not self.learned:
            self.remote, self.learned = address, False
        self.announced, self.latch = address, latch
        self.latched = self.told = False
        self.best = ELSEWHERE
        self.learns_until = now + learn_s if latch in (Latch.DELAYED, Latch.HEURISTIC) else now
        self.window_ends = self.learns_until + window_s

    def hears(self, source: Address, now: float) -> bool:
        """Whether a packet of `source` may be looked at now."""
        if source == self.remote:
            return True
        match self.latch:
            case Latch.STRICT:
                return False
            case Latch.FOLLOW | Latch.ASYMMETRIC:
                return True
            case Latch.ONCE | Latch.DELAYED | Latch.HEURISTIC:
                return not self.latched and now < self.window_ends and self._closeness(source) >= self.best

    def heard(self, source: Address, now: float) -> bool:
        """A valid packet came from `source`, which `hears` allowed: True when that is news of where the peer is."""
        if self.latch in (Latch.STRICT, Latch.ASYMMETRIC):
            return False
        news = source != self.remote or not self.told
        self.remote, self.learned, self.told = source, True, True
        if now < self.learns_until:
            self.best = max(self.best, self._closeness(source))
        else:
            self.latched = True
        return news

    def expect(self, address: Address) -> None:
        """The peer is guessed to be there, until a packet shows where it is."""
        self.remote = address

    def record(self, now: float) -> list[object]:
        """All of it as plain values."""
        times = [max(0.0, self.learns_until - now), max(0.0, self.window_ends - now)]
        return [self.announced, self.remote, self.latch.value, self.learned, self.latched, self.told, *times, self.best]

    def restore(self, record: Sequence[Any], now: float) -> None:
        """Take up what `record` wrote down."""
        announced, remote, latch, self.learned, self.latched, self.told, learns_left, window_left, self.best = record
        self.announced = None if announced is None else (announced[0], announced[1])
        self.remote = None if remote is None else (remote[0], remote[1])
        self.latch = Latch(latch)
        self.learns_until, self.window_ends = now + learns_left, now + window_left

    @property
    def unannounced(self) -> bool:
        """
        Whether nothing was ever said of where the peer is. Its answer may be late: a ClientHello is heard from anywhere until then
        (RFC 5763 §5), since a lost one comes again only after a second.
        """
        return self.window_ends == 0.0

    @property
    def settled(self) -> Address | None:
        """The one address whose packets need no further question."""
        return self.remote if self.latched or self.latch is Latch.STRICT else None

    def _closeness(self, source: Address) -> int:
        if self.latch is not Latch.HEURISTIC or self.announced is None or source[0] != self.announced[0]:
            return ELSEWHERE
        return EXACT if source == self.announced else SAME_HOST
