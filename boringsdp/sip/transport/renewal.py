"""Whether files have been replaced, as certificates are every few months."""

from __future__ import annotations

from pathlib import Path

State = tuple[int, int, int] | None


class Renewal:
    """`due` is asked now and then; what is there at first is known."""

    def __init__(self, *files: Path | None) -> None:
        self._files = tuple(file for file in files if file is not None)
        self._known = self._states()

    def due(self) -> bool:
        """Whether a file is another than when this was asked last, and all are there."""
        states = self._states()
        if states == self._known or None in states:
            return False
        self._known = states
        return True

    def _states(self) -> tuple[State, ...]:
        return tuple(map(_state, self._files))


def _state(file: Path) -> State:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
