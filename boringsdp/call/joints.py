"""Which legs send to which within the gateway, where SDPs name its own ports: so that no packet comes back to where it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol
from weakref import WeakSet, WeakValueDictionary

Address = tuple[str, int]

FARTHEST = 64
"""Legs in a row; media that passes through more calls of one gateway is as good as lost."""


class Joint(Protocol):
    """What is asked of a leg."""

    mates: Callable[[], Iterable[Joint]]
    """The legs of its call, itself among them: media passes from each to each."""
    ports: set[Address]
    """Where its peer is told that it is."""
    aims: frozenset[Address]
    """Addresses of the gateway's own that its peer has named as its own."""


class Joints:
    """
    One for all calls of a gateway. `told`, then `loops` before an agreement of a leg comes into force; `forget` at its end.

    Legs and what joins them make a graph: the legs of a call, and two legs of which one sends to the other; that one latches, so that media
    passes both ways. As long as it has no ring every packet leaves it.
    """

    def __init__(self) -> None:
        self._at: dict[int, WeakValueDictionary[str, Joint]] = {}
        self._aimed: dict[int, WeakSet[Joint]] = {}

    def told(self, leg: Joint, address: Address) -> None:
        """A leg has taken a port of the gateway's own."""
        leg.ports.add(address)
        self._at.setdefault(address[1], WeakValueDictionary())[address[0]] = leg

    def loops(self, leg: Joint, aims: frozenset[Address]) -> bool:
        """Whether a leg that sends to these addresses of ours would close a ring. If not they are what it aims at from now on."""
        others = {id(each): each for aim in aims for each in self._legs_at(aim)}
        others |= {id(each): each for each in self._aiming(leg)}
        if any(self._leads_back(leg, other) for other in others.values()):
            return True
        self._unaim(leg)
        leg.aims = aims
        for _, port in aims:
            self._aimed.setdefault(port, WeakSet()).add(leg)
        return False

    def forget(self, leg: Joint) -> None:
        """A leg is closed."""
        for host, port in leg.ports:
            there = self._at.get(port)
            if there is not None and there.get(host) is leg:
                del there[host]
            if there is not None and not there:
                del self._at[port]
        leg.ports = set()
        self._unaim(leg)

    def _leads_back(self, leg: Joint, other: Joint) -> bool:
        """Whether the call of a leg is reached from another leg by another way than between the two."""
        home = {id(each) for each in (leg, *leg.mates())}
        seen, waiting = {id(other)}, [other]
        while waiting:
            each = waiting.pop()
            if id(each) in home or len(seen) > FARTHEST:
                return True
            further = [*each.mates(), *(found for aim in each.aims for found in self._legs_at(aim)), *self._aiming(each)]
            if each is other:
                further = [found for found in further if found is not leg]
            for found in further:
                if id(found) not in seen:
                    seen.add(id(found))
                    waiting.append(found)
        return False

    def _legs_at(self, address: Address) -> list[Joint]:
        """Who has a port: at that address, or at any where nobody was told of that one (behind NAT a port has several)."""
        there = self._at.get(address[1])
        if there is None:
            return []
        exact = there.get(address[0])
        return [exact] if exact is not None else [*there.values()]

    def _aiming(self, leg: Joint) -> list[Joint]:
        """Who sends to a leg."""
        found = (each for _, port in leg.ports for each in self._aimed.get(port, ()))
        return [each for each in found if any(leg in self._legs_at(aim) for aim in each.aims)]

    def _unaim(self, leg: Joint) -> None:
        for _, port in leg.aims:
            there = self._aimed.get(port)
            if there is not None:
                there.discard(leg)
                if not there:
                    del self._aimed[port]
        leg.aims = frozenset()
