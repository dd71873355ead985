"""Which lines of a log are written, of those that somebody else can bring about as often as he likes. A core."""

from __future__ import annotations

from collections import OrderedDict

WINDOW_S = 60.0
MAX_KEYS = 1000


class Seldom:
    """Allows `most` lines a minute about each thing."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: OrderedDict[str, tuple[float, int, int]] = OrderedDict()
        """By thing: when its minute is over, how many lines it has had, how many were left out."""

    def allows(self, key: str, now: float) -> int | None:
        """Return how many lines were left out before this one; None: it is left out too."""
        until, written, left_out = self._seen.pop(key, (now + WINDOW_S, 0, 0))
        if until <= now:
            until, written = now + WINDOW_S, 0
        silent = written >= self._most
        self._seen[key] = (until, written, left_out + 1) if silent else (until, written + 1, 0)
        while len(self._seen) > MAX_KEYS:
            self._seen.popitem(last=False)
        return None if silent else left_out
