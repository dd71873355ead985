"""Warnings of replies, for the log: most proxies drop them, so that nobody would ever see what a request asked for in vain. A core."""

from __future__ import annotations

from boringsdp.net.limit import RateLimit

REMEMBERED = 2000
"""Pairs of call and text; what is older may be told again."""
PER_SECOND = 5.0
AT_ONCE = 50


class Remarks:
    """Each text once per call."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], None] = {}
        self._limit = RateLimit(PER_SECOND, AT_ONCE)

    def new(self, call_id: str, text: str, now: float) -> int | None:
        """Return None when there is nothing to tell, else how many were left out before because too many came at once."""
        if (call_id, text) in self._told:
            return None
        untold = self._limit.allow(now)
        if untold is not None:
            self._told[call_id, text] = None
            if len(self._told) > REMEMBERED:
                del self._told[next(iter(self._told))]
        return untold
