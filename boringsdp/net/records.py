"""What is asked of DNS, what it answers, and how long that is remembered. A core."""

from __future__ import annotations

from collections import OrderedDict

from boringsdp.values import Value

A, AAAA, SRV, NAPTR = "A", "AAAA", "SRV", "NAPTR"


class Question(Value, frozen=True):
    """A name, in lower case and without its last dot, and a type of record."""

    name: str
    kind: str


class Srv(Value, frozen=True):
    """RFC 2782. `target` as in `Question`; empty: there is decidedly no such service."""

    priority: int
    weight: int
    port: int
    target: str


class Naptr(Value, frozen=True):
    """RFC 3403, of which SIP uses flag `s` only. `replacement` as in `Question`."""

    order: int
    preference: int
    flags: str
    service: str
    replacement: str


Record = str | Srv | Naptr
"""Addresses are text."""
Records = tuple[Record, ...]

LONGEST_S = 3600.0
"""However long an answer may be remembered."""
SHORTEST_S = 1.0
STALE_S = 3600.0
"""For so long after its time, or after it was last used instead of a new one, an old answer is better than none."""


class Answers:
    """A bounded memory of answers; the one not asked for longest is forgotten."""

    def __init__(self, most: int = 4096) -> None:
        self._most = most
        self._known: OrderedDict[Question, tuple[float, Records]] = OrderedDict()

    def get(self, question: Question, now: float) -> Records | None:
        """Return a fresh answer (an empty one: there is no such record), None without one."""
        found = self._known.get(question)
        if found is None or found[0] <= now:
            return None
        self._known.move_to_end(question)
        return found[1]

    def stale(self, question: Question, now: float) -> Records | None:
        """Return an answer even if it is old."""
        found = self._known.get(question)
        return None if found is None or found[0] + STALE_S <= now else found[1]

    def put(self, question: Question, records: Records, seconds: float, now: float) -> None:
        """Remember an answer, which may be for so many seconds."""
        self._known[question] = (now + min(max(seconds, SHORTEST_S), LONGEST_S), records)
        self._known.move_to_end(question)
        if len(self._known) > self._most:
            self._known.popitem(last=False)
