"""The line model: an SDP as sections of raw lines. Order and unknown lines are kept byte for byte; an edit touches only its lines."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class Section:
    """The session part or one m-line with what follows it: raw lines without line ends."""

    lines: tuple[str, ...]
    first_number: int = 1


@dataclass(slots=True, frozen=True)
class SessionDescription:
    """An SDP as text. `str()` gives back what was parsed, byte for byte, edits apart."""

    session: Section
    medias: tuple[Section, ...] = ()

    @classmethod
    def parse(cls, text: str | bytes) -> SessionDescription:
        """Return the sections. Raises `SdpError` when it is no SDP or exceeds a limit (64 KB, 64 m-lines, 1024 lines a section, 8 KB a line)."""
        raise NotImplementedError
