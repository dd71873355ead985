"""Trickled candidates as SIP carries them: application/trickle-ice-sdpfrag (RFC 8840 §9)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from boringsdp.errors import SdpError
from boringsdp.sdp.candidate import Candidate, parse_candidate
from boringsdp.sdp.describe import is_number
from boringsdp.sdp.lines import MAX_LINE_BYTES, MAX_MEDIAS, decode

MAX_CANDIDATES = 256
"""Of one fragment."""


@dataclass(slots=True, frozen=True, kw_only=True)
class FragmentMedia:
    """What a fragment says of one m-line. ICE credentials may be those of the session part."""

    mid: str = ""
    index: int | None = None
    """Position of the m-line among the fragment's, for peers that write no a=mid; None in what stands before the first m-line."""
    line: str = ""
    """The m-line, a mere separator in a fragment; empty before the first."""
    ufrag: str = ""
    password: str = field(default="", repr=False)
    candidates: tuple[Candidate, ...] = ()
    end_of_candidates: bool = False


@dataclass(slots=True, frozen=True, kw_only=True)
class Fragment:
    """
    A trickle fragment. Candidates before the first m-line or a=mid belong to `session`, as does an end of all candidates.

    Which generation of ICE the candidates belong to is told by the credentials: those of another one are to be ignored.
    """

    session: FragmentMedia = FragmentMedia()
    medias: tuple[FragmentMedia, ...] = ()
    ice_lite: bool = False
    trickle: bool = False

    @property
    def ended(self) -> bool:
        """True when nothing more will come, for all m-lines."""
        return self.session.end_of_candidates or (bool(self.medias) and all(media.end_of_candidates for media in self.medias))


class _Part:
    """A section under construction."""

    def __init__(self, index: int | None, line: str, session: _Part | None) -> None:
        self.index = index
        self.line = line
        self.mid = ""
        self.ufrag: str = session.ufrag if session else ""
        self.password: str = session.password if session else ""
        self.candidates: list[Candidate] = []
        self.ended = False

    def done(self) -> FragmentMedia:
        return FragmentMedia(
            mid=self.mid,
            index=self.index,
            line=self.line,
            ufrag=self.ufrag,
            password=self.password,
            candidates=tuple(self.candidates),
            end_of_candidates=self.ended,
        )


def parse_fragment(source: str | bytes) -> Fragment:
    """
    Return what a fragment says. Total and linear; unknown attributes and candidates that are none are ignored (RFC 8839 §5.1).

    A new section begins with an m-line, and with a=mid where there is none (some peers leave the m-lines out). A whole SDP will do too.
    Raises `SdpError` for lines that are none of the form `x=value` and beyond the limits of an SDP.
    """
    session = _Part(None, "", None)
    parts = [session]
    count = lite = trickle = 0
    for number, raw in enumerate(decode(source).split("\n"), 1):
        line = raw.removesuffix("\r")
        if not line.strip():
            continue
        _check(line, number)
        name, _, value = line.partition(":")
        value = value.strip()
        match name:
            case _ if line.startswith("m="):
                parts.append(_Part(len(parts) - 1, line, session))
            case "a=mid":
                if parts[-1] is session or parts[-1].mid:
                    parts.append(_Part(len(parts) - 1, "", session))
                parts[-1].mid = value
            case "a=candidate" if (candidate := parse_candidate(value)) is not None:
                parts[-1].candidates.append(candidate)
                count += 1
            case "a=ice-ufrag":
                parts[-1].ufrag = value
            case "a=ice-pwd":
                parts[-1].password = value
            case "a=end-of-candidates":
                parts[-1].ended = True
            case "a=ice-lite":
                lite = 1
            case "a=ice-options":
                trickle |= "trickle" in value.split()
        if len(parts) > MAX_MEDIAS + 1 or count > MAX_CANDIDATES:
            raise SdpError(f"more than {MAX_MEDIAS} m-lines or {MAX_CANDIDATES} candidates in a fragment", line, number)
    medias = tuple(part.done() for part in parts[1:])
    return Fragment(session=session.done(), medias=medias, ice_lite=bool(lite), trickle=bool(trickle))


def _check(line: str, number: int) -> None:
    if line[1:2] != "=" or not (line[0].isascii() and line[0].isalpha()):
        raise SdpError("not a line of the form x=value", line[:200], number)
    if len(line) > MAX_LINE_BYTES // 4 and len(line.encode()) > MAX_LINE_BYTES:
        raise SdpError(f"line longer than {MAX_LINE_BYTES} bytes", line[:80], number)
    if "\0" in line or "\r" in line:
        raise SdpError("control character inside the line", line[:200], number)


def write_fragment(medias: Iterable[FragmentMedia], *, ice_lite: bool = True) -> str:
    """
    Return a fragment of ours with these m-lines' credentials and candidates.

    Credentials that all share stand once, before the first m-line (RFC 8840 §4.4).
    """
    sections = list(medias)
    credentials = {(media.ufrag, media.password) for media in sections}
    common = credentials.pop() if len(credentials) == 1 else None
    lines = ["a=ice-lite"] if ice_lite else []
    lines.append("a=ice-options:trickle")
    if common is not None:
        lines += _credentials(*common)
    for media in sections:
        kind, _, protocol, *formats = media.line[2:].split() if _is_media_line(media.line) else ("audio", "9", "RTP/AVP", "0")
        lines.append(" ".join([f"m={kind}", "9", protocol, *formats]))
        if media.mid:
            lines.append(f"a=mid:{media.mid}")
        if common is None:
            lines += _credentials(media.ufrag, media.password)
        lines += [f"a=candidate:{candidate}" for candidate in media.candidates]
        lines += ["a=end-of-candidates"] if media.end_of_candidates else []
    lines.append("")
    return "\r\n".join(lines)


def _credentials(ufrag: str, password: str) -> list[str]:
    return [f"a=ice-ufrag:{ufrag}", f"a=ice-pwd:{password}"] if ufrag else []


def _is_media_line(line: str) -> bool:
    parts = line[2:].split()
    return line.startswith("m=") and len(parts) > 3 and is_number(parts[1].partition("/")[0], 5)
