"""Adding, removing and replacing attribute lines of a finished text, by section."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from boringsdp.errors import SdpError
from boringsdp.sdp.describe import describe
from boringsdp.sdp.lines import Section, SessionDescription

SESSION = "none"
"""The name of the session level; other sections are named by the kind of their m-line (`audio`, `video`, `image`, …)."""

MAX_EDITS = 256
"""Of one section, all three sorts together."""


class Edits(Protocol):
    """What is done to one sort of section; attributes are written without `a=` (with it will do)."""

    @property
    def add(self) -> Sequence[str]:
        """Written after the section's last line, in this order."""

    @property
    def remove(self) -> Sequence[str]:
        """Whole attributes (`rtpmap:8 PCMA/8000`) or names (`rtpmap`: all of them)."""

    @property
    def substitute(self) -> Sequence[tuple[str, str]]:
        """(whole attribute or name, what is written in its place)."""


@dataclass(slots=True, frozen=True)
class AttributeEdits:
    """Plain `Edits`."""

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    substitute: tuple[tuple[str, str], ...] = ()


def edit(text: str, edits: Mapping[str, Edits]) -> str:
    """
    Return the SDP `text` with the edits for each of its sections: substitutions first, then removals, then additions.

    A line is substituted once. What the edits name and the text lacks is no error. Raises `SdpError` when the text cannot be read, an
    attribute holds a line end or NUL or is none, there are more than `MAX_EDITS`, or what comes out could not be read any more.
    """
    model = SessionDescription.parse(text)
    if not edits:
        return text
    tables = {name.lower(): _Table(each) for name, each in edits.items()}
    session = tables.get(SESSION)
    edited = SessionDescription(
        model.session if session is None else session.apply(model.session),
        tuple(_media(section, tables) for section in model.medias),
    )
    result = str(edited)
    try:
        describe(result)
    except SdpError as error:
        raise SdpError(f"an edit of attributes makes it unreadable: {error.reason}", error.line, error.number) from None
    return result


def _media(section: Section, tables: Mapping[str, _Table]) -> Section:
    kind = section.lines[0][2:].split(" ", 1)[0].strip().lower()
    table = tables.get(kind) if kind != SESSION else None
    return section if table is None else table.apply(section)


class _Table:
    """The edits of one sort of section, checked and ready to look up: the cost is one look-up a line."""

    def __init__(self, edits: Edits) -> None:
        if len(edits.add) + len(edits.remove) + len(edits.substitute) > MAX_EDITS:
            raise SdpError(f"more than {MAX_EDITS} edits of attributes")
        self._add = [f"a={_checked(attribute)}" for attribute in edits.add]
        self._remove = {_checked(attribute) for attribute in edits.remove}
        self._substitute: dict[str, str] = {}
        for old, new in edits.substitute:
            self._substitute.setdefault(_checked(old), f"a={_checked(new)}")

    def apply(self, section: Section) -> Section:
        """Return the section edited; its first line and lines that are no attributes stay."""
        lines = [section.lines[0]]
        for raw in section.lines[1:]:
            line = raw.removesuffix("\r")
            if line.startswith("a="):
                end = raw[len(line) :]
                line = self._exchanged(line)
                attribute = line[2:]
                if attribute in self._remove or attribute.partition(":")[0] in self._remove:
                    continue
                raw = line + end
            lines.append(raw)
        return Section(tuple(lines), section.first_number).appended(*self._add)

    def _exchanged(self, line: str) -> str:
        attribute = line[2:]
        found = self._substitute.get(attribute)
        return found or self._substitute.get(attribute.partition(":")[0], line)


def _checked(attribute: str) -> str:
    """Return the attribute without `a=`. Raises `SdpError` for one that would be more, or less, than one line."""
    text = attribute.removeprefix("a=")
    if not text or any(character in text for character in "\r\n\0"):
        raise SdpError("an attribute to be edited is empty or holds a line end", text.splitlines()[0][:80] if text.strip() else "")
    return text
