"""The legs of a call: party A's, the far ones by name, and which of those is in force. Decides nothing and moves no media."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from boringsdp.call.events import Party
from boringsdp.call.exchange import Branch
from boringsdp.call.leg import Leg
from boringsdp.errors import Exhausted


class Legs:
    """Iterates over the branches in the order in which they came; at most `most` fit in."""

    __slots__ = ("_by_name", "_most", "current", "near")

    def __init__(self, most: int) -> None:
        self._by_name: dict[str, Branch] = {}
        self._most = most
        self.near: Leg | None = None
        """Party A's; None before its first offer, and when it has been handed over."""
        self.current: Branch | None = None
        """Whose media is in force; None before the first answer."""

    def __iter__(self) -> Iterator[Branch]:
        return iter(self._by_name.values())

    @property
    def by_name(self) -> Mapping[str, Branch]:
        return self._by_name

    @property
    def pending(self) -> Party | None:
        """Whose offer waits for an answer, on the branch that an empty name means before all others."""
        branch = self.find("")
        if branch is not None and branch.pending is not None:
            return branch.pending
        return next((each.pending for each in self if each.pending is not None), None)

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that have answered the last offer of the branch that an empty name means, in order."""
        branch = self.find("")
        return () if branch is None or branch.exchange is None else tuple(branch.exchange.answers)

    def find(self, name: str) -> Branch | None:
        """The branch of that name; for an empty name the current one, or the one offered last."""
        if not name:
            return self.current or next(reversed(self._by_name.values()), None)
        return self._by_name.get(name)

    def leg(self, party: Party, branch: str = "") -> Leg | None:
        """The leg of a party; an empty name means what `find` makes of it."""
        if party is Party.A:
            return self.near
        known = self.find(branch)
        return None if known is None else known.leg

    def all(self) -> list[Leg]:
        return [*([] if self.near is None else [self.near]), *[branch.leg for branch in self]]

    def flowing(self) -> list[Leg]:
        """Those between whom media flows."""
        return [leg for leg in (self.near, None if self.current is None else self.current.leg) if leg is not None]

    def in_force(self, party: Party, branch: str) -> bool:
        """Whether the call stands and falls with this leg."""
        turn = self.find("")
        return party is Party.A or (turn is not None and turn.name == branch)

    def check_room(self) -> None:
        """Raise `Exhausted` when there is no room for one more."""
        if len(self._by_name) >= self._most:
            raise Exhausted("branches")

    def add(self, branch: Branch) -> None:
        """Take a branch in; one that is known stays where it is."""
        self._by_name[branch.name] = branch

    def remove(self, branch: Branch) -> None:
        """Forget a branch; `fall_back` when it was the current one."""
        del self._by_name[branch.name]

    def fall_back(self) -> Branch | None:
        """Make the one that answered last the current one, and return it; None when none has answered."""
        self.current = max((branch for branch in self if branch.near is not None), key=lambda branch: branch.rank, default=None)
        return self.current
