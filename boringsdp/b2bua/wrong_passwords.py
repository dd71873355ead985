"""How many wrong passwords come from where: guessing costs, and nobody's memory. A core."""

from __future__ import annotations

from collections import OrderedDict

WINDOW_S = 60.0
MAX_SOURCES = 10_000


class WrongPasswords:
    """Allows each source `limit` in a minute; 0: any number."""

    def __init__(self, limit: int, *, sources: int = MAX_SOURCES) -> None:
        self._limit = limit
        self._sources = sources
        self._seen: OrderedDict[str, tuple[float, int]] = OrderedDict()
        """By source: when its minute is over, and how many there were."""

    def note(self, source: str, now: float) -> None:
        """Take note of one more."""
        until, count = self._seen.get(source, (now + WINDOW_S, 0))
        if until <= now:
            until, count = now + WINDOW_S, 0
        self._seen[source] = until, count + 1
        self._seen.move_to_end(source)
        while len(self._seen) > self._sources:
            self._seen.popitem(last=False)

    def wait(self, source: str, now: float) -> float:
        """Return for how many seconds nothing of a source is looked at; 0: it is."""
        until, count = self._seen.get(source, (0.0, 0))
        return until - now if self._limit and count >= self._limit and until > now else 0.0

    def __len__(self) -> int:
        return len(self._seen)
