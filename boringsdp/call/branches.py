"""The far legs of a call by name, and which of them is in force. Decides nothing and moves no media."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from boringsdp.call.events import Party
from boringsdp.call.exchange import Branch
from boringsdp.errors import Exhausted


class Branches:
    """Iterates over the branches in the order in which they came; at most `most` fit in."""

    __slots__ = ("_by_name", "_most", "current")

    def __init__(self, most: int) -> None:
        self._by_name: dict[str, Branch] = {}
        self._most = most
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
