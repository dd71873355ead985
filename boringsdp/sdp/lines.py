"""The line model: an SDP as sections of raw lines. Order and unknown lines are kept byte for byte; an edit touches only its lines."""

from __future__ import annotations

import re
from collections.abc import Iterator

from boringsdp.errors import SdpError
from boringsdp.values import Value, replace

MAX_BYTES = 64 * 1024
MAX_MEDIAS = 64
MAX_SECTION_LINES = 1024
MAX_LINE_BYTES = 8 * 1024


class Section(Value, frozen=True):
    """
    The session part, or one m-line with what follows it.

    `lines` are raw: without the line feed, but with the carriage return of those that have one. Views and edits take and give lines
    without.
    """

    lines: tuple[str, ...]
    first_number: int = 1
    """Line number of the first line in the text it was parsed from."""

    def __iter__(self) -> Iterator[str]:
        """The lines without line ends."""
        return (line.removesuffix("\r") for line in self.lines)

    def attribute(self, name: str) -> str | None:
        """Return the value of the first `a=name:value` (empty for a flag), or None when there is none."""
        return next(iter(self.attributes(name)), None)

    def attributes(self, name: str) -> tuple[str, ...]:
        """Return the values of every `a=name` line, in order."""
        flag, prefix = f"a={name}", f"a={name}:"
        return tuple(line[len(prefix) :] for line in self if line == flag or line.startswith(prefix))

    def without(self, *prefixes: str) -> Section:
        """Return the section without the lines that begin with one of `prefixes` (`"a=candidate:"`); the first line always stays."""
        kept = (line for line in self.lines[1:] if not line.startswith(prefixes))
        return replace(self, lines=(self.lines[0], *kept))

    def replaced(self, prefix: str, line: str) -> Section:
        """Return the section with its first line that begins with `prefix` exchanged for `line`; unchanged when there is none."""
        for position, old in enumerate(self.lines):
            if old.startswith(prefix):
                end = "\r" if old.endswith("\r") else ""
                return replace(self, lines=(*self.lines[:position], line + end, *self.lines[position + 1 :]))
        return self

    def appended(self, *lines: str) -> Section:
        """Return the section with `lines` after its last one, in the line ends of its first."""
        end = "\r" if self.lines[0].endswith("\r") else ""
        filled = len(self.lines)
        while filled > 1 and not self.lines[filled - 1].strip("\r"):
            filled -= 1
        return replace(self, lines=(*self.lines[:filled], *(line + end for line in lines), *self.lines[filled:]))


class SessionDescription(Value, frozen=True):
    """An SDP as text. `str()` gives back what was parsed, byte for byte, edits apart."""

    session: Section
    medias: tuple[Section, ...] = ()

    @classmethod
    def parse(cls, text: str | bytes) -> SessionDescription:
        """
        Return the sections. Lines may end in CRLF or LF, the last end may be missing, unknown line types are kept.

        Raises `SdpError` when it is no SDP or exceeds a limit: 64 KB, 64 m-lines, 1024 lines a section, 8 KB a line.
        """
        sections = split(decode(text))
        model = [Section(tuple(lines), number) for number, lines in sections]
        return cls(model[0], tuple(model[1:]))

    def __str__(self) -> str:
        return "\n".join([line for section in (self.session, *self.medias) for line in section.lines])


def split(text: str) -> list[tuple[int, list[str]]]:
    """Return (number of the first line, lines) for the session part and each m-line. Raises `SdpError` as `SessionDescription.parse`."""
    sound = _SOUND if "\r" in text or "\0" in text else _PLAIN
    if not sound.match(text):
        check_lines(text.split("\n"))
    head, *rest = text.split("\nm=")
    sections, number = [], 1
    for lines in [head.split("\n"), *[f"m={section}".split("\n") for section in rest]]:
        sections.append((number, lines))
        number += len(lines)
    if len(text) > MAX_LINE_BYTES // 4 and any(max(map(len, lines)) > MAX_LINE_BYTES // 4 for _, lines in sections):
        check_lines(text.split("\n"))
    if len(rest) > MAX_MEDIAS:
        number, lines = sections[MAX_MEDIAS + 1]
        raise SdpError(f"more than {MAX_MEDIAS} m-lines", lines[0].rstrip("\r"), number)
    for number, lines in sections:
        if len(lines) > MAX_SECTION_LINES:
            raise SdpError(f"more than {MAX_SECTION_LINES} lines in a section", lines[0].rstrip("\r"), number)
    return sections


# Lines that need no closer look, nothing else up to the end; possessive, so that it is linear.
_SOUND = re.compile(r"v=0[^\r\n\0]*+\r?+\n(?:[A-Za-z]=[^\r\n\0]*+\r?+\n)*+\Z")
_PLAIN = re.compile(r"v=0.*+\n(?:[A-Za-z]=.*+\n)*+\Z")
"""The same where there is neither carriage return nor NUL, in half the time."""


def decode(text: str | bytes) -> str:
    """Return the text, read as UTF-8 or, when it is none, Latin-1. Raises `SdpError` when it is too long or holds what no SDP may hold."""
    if not isinstance(text, str):
        data = bytes(text[: MAX_BYTES + 1])
        size = len(data)
        try:
            text = data.decode()
        except UnicodeDecodeError:
            text = data.decode("latin-1")
    elif text.isascii():
        size = len(text)
    else:
        try:
            size = len(text[: MAX_BYTES + 1].encode())
        except UnicodeEncodeError:
            raise SdpError("characters that no encoding has (lone surrogates)") from None
    if size > MAX_BYTES:
        raise SdpError(f"longer than {MAX_BYTES} bytes")
    return text


def check_lines(lines: list[str]) -> None:
    """Raise `SdpError` for the first line that is none: not `x=…`, too long, or with a NUL or a carriage return inside."""
    if not lines[0].startswith("v=0"):
        raise SdpError("an SDP begins with v=0", lines[0].rstrip("\r")[:200], 1)
    for number, raw in enumerate(lines, 1):
        if len(raw) < 3 and not raw.strip("\r"):
            continue
        if raw[1:2] != "=" or not (raw[0].isalpha() and raw[0].isascii()):
            raise SdpError("not a line of the form x=value", raw.rstrip("\r"), number)
        if len(raw) > MAX_LINE_BYTES // 4 and len(raw.encode()) > MAX_LINE_BYTES:
            raise SdpError(f"line longer than {MAX_LINE_BYTES} bytes", raw[:80], number)
        if "\0" in raw or "\r" in raw[:-1]:
            raise SdpError("control character inside the line", raw.rstrip("\r"), number)
