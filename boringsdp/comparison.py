"""What became of an SDP: two descriptions of the same media beside each other, line by line with reasons. For people, not protocols."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


class Change(enum.Enum):
    """What happened to a line."""

    KEPT = "kept"
    CHANGED = "changed"
    REMOVED = "removed"
    ADDED = "added"


@dataclass(slots=True, frozen=True)
class Row:
    """One line on either side, or on both; `reason` may be empty. `section` is 0 for the session, n for the nth m-line."""

    change: Change
    before: str
    after: str
    reason: str
    section: int

    def to_record(self) -> dict[str, object]:
        """Return plain values, for JSON."""
        return {
            "change": self.change.value,
            "before": self.before,
            "after": self.after,
            "reason": self.reason,
            "section": self.section,
        }


def compare(before: str, after: str) -> tuple[Row, ...]:
    """
    Return the lines of both descriptions in rows.

    Lines are matched within the same m-line: first equal ones, then those that say the same thing differently (same attribute, for codecs
    also the same codec whatever its number). The rows follow the order of `before`; what is new stands where `after` has it.
    """
    left, right = _sections(before), _sections(after)
    rows: list[Row] = []
    for index in range(max(len(left), len(right))):
        rows += _compare_section(index, left[index] if index < len(left) else [], right[index] if index < len(right) else [])
    return tuple(rows)


def _sections(text: str) -> list[list[str]]:
    sections: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.startswith("m="):
            sections.append([])
        if line.strip():
            sections[-1].append(line.rstrip())
    return sections


def _compare_section(index: int, before: Sequence[str], after: Sequence[str]) -> list[Row]:
    pairs = _pairs(before, after)
    taken = set(pairs.values())
    rows: list[Row] = []
    following: dict[int, list[int]] = {}  # new lines, by the matched line of `after` that they follow
    last = -1
    for position in range(len(after)):
        if position in taken:
            last = position
        else:
            following.setdefault(last, []).append(position)

    def add_new(anchor: int) -> None:
        new = (after[position] for position in following.pop(anchor, []))
        rows.extend(Row(Change.ADDED, "", line, _reason(line, Change.ADDED), index) for line in new)

    add_new(-1)
    for position, line in enumerate(before):
        partner = pairs.get(position)
        if partner is None:
            rows.append(Row(Change.REMOVED, line, "", _reason(line, Change.REMOVED), index))
            continue
        change = Change.KEPT if line == after[partner] else Change.CHANGED
        rows.append(Row(change, line, after[partner], _reason(line, change, after[partner]), index))
        add_new(partner)
    return rows


def _pairs(before: Sequence[str], after: Sequence[str]) -> dict[int, int]:
    """Match positions of `before` to positions of `after`: equal lines, then lines of the same meaning."""
    pairs: dict[int, int] = {}
    free = list(range(len(after)))
    for position, line in enumerate(before):
        partner = next((other for other in free if after[other] == line), None)
        if partner is not None:
            pairs[position] = partner
            free.remove(partner)
    meaning_before, meaning_after = list(_meanings(before)), list(_meanings(after))
    for position in range(len(before)):
        if position in pairs:
            continue
        partner = next((other for other in free if meaning_after[other] == meaning_before[position]), None)
        if partner is not None:
            pairs[position] = partner
            free.remove(partner)
    return pairs


_DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
_UNIQUE = ("candidate", "crypto", "ssrc", "ssrc-group", "extmap")


def _meanings(lines: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield for each line what it is about; lines about the same thing are versions of each other."""
    codecs = {}
    for line in lines:
        if line.startswith("a=rtpmap:"):
            number, _, codec = line[9:].partition(" ")
            codecs[number] = codec.lower().removesuffix("/1")
    for position, line in enumerate(lines):
        if not line.startswith("a="):
            yield (line[:2],)
            continue
        name, _, value = line[2:].partition(":")
        first, _, rest = value.partition(" ")
        if name in _DIRECTIONS:
            yield ("a=direction",)
        elif name in ("rtpmap", "fmtp"):
            yield (name, codecs.get(first, first))
        elif name == "rtcp-fb":
            yield (name, codecs.get(first, first), rest)
        elif name in _UNIQUE:
            yield (name, value, str(position))
        else:
            yield (name,)


_WEBRTC_ONLY = {
    "group": "BUNDLE: a plain peer has one port for each m-line",
    "mid": "names an m-line in a bundle",
    "ice-ufrag": "ICE ends at the gateway",
    "ice-pwd": "ICE ends at the gateway",
    "ice-options": "ICE ends at the gateway",
    "ice-lite": "the gateway answers checks and sends none",
    "candidate": "ICE ends at the gateway",
    "end-of-candidates": "ICE ends at the gateway",
    "fingerprint": "DTLS ends at the gateway",
    "setup": "DTLS ends at the gateway",
    "tls-id": "DTLS ends at the gateway",
    "msid": "names a browser's media stream",
    "msid-semantic": "names a browser's media stream",
    "ssrc": "the gateway sends with its own SSRC",
    "ssrc-group": "the gateway sends with its own SSRC",
    "extmap": "header extensions are not for plain RTP",
    "extmap-allow-mixed": "header extensions are not for plain RTP",
    "rtcp-fb": "feedback needs AVPF; the gateway translates it",
    "rtcp-mux": "RTP and RTCP on one port",
    "rtcp-mux-only": "RTP and RTCP on one port",
    "rtcp-rsize": "reduced-size RTCP needs AVPF",
    "rid": "simulcast is not for plain RTP",
    "simulcast": "simulcast is not for plain RTP",
    "sctp-port": "data channels are refused",
    "max-message-size": "data channels are refused",
    "bundle-only": "BUNDLE: a plain peer has one port for each m-line",
}
_WEBRTC_ADDED = {
    "group": "BUNDLE: one transport for all m-lines",
    "ice-ufrag": "ICE between browser and gateway",
    "ice-pwd": "ICE between browser and gateway",
    "ice-options": "ICE between browser and gateway",
    "candidate": "where the gateway can be reached",
    "end-of-candidates": "the gateway has no more of them",
    "fingerprint": "DTLS between browser and gateway",
    "setup": "DTLS between browser and gateway: who begins",
    "ssrc": "the SSRC that the gateway sends with",
    "extmap": "header extensions between browser and gateway",
    "rtcp-fb": "feedback between browser and gateway",
    "rtcp-rsize": "reduced-size RTCP, as WebRTC has it",
}
_ANY = {
    "crypto": "SRTP keys in the SDP (SDES)",
    "rtcp": "where RTCP goes",
    "rtpmap": "a codec, or its number",
    "fmtp": "a codec's parameters",
    "ptime": "packet length",
    "maxptime": "packet length",
    "direction": "who sends",
}
_TYPES = {
    "o=": "the gateway is the origin, with its own version",
    "c=": "media goes to the gateway",
    "m=": "port, profile and codecs of this side",
    "b=": "bandwidth is counted on each side",
    "s=": "session name",
    "t=": "session times",
}
_CODEC_GONE = "a codec the other side has no use for"


def _reason(line: str, change: Change, after: str = "") -> str:
    if change is Change.KEPT:
        return ""
    if not line.startswith("a="):
        return _TYPES.get(line[:2], "")
    name = line[2:].partition(":")[0]
    if name in _DIRECTIONS:
        return _ANY["direction"]
    if name in ("rtpmap", "fmtp"):
        if change is Change.CHANGED:
            return "the same codec under this side's number" if name == "rtpmap" else "the same codec's parameters on this side"
        return _CODEC_GONE if change is Change.REMOVED else "stated for this side"
    if change is Change.CHANGED and name in ("ice-ufrag", "ice-pwd", "fingerprint", "setup"):
        return "the gateway's own"
    if change is Change.ADDED and name in _WEBRTC_ADDED:
        return _WEBRTC_ADDED[name]
    return _WEBRTC_ONLY.get(name) or _ANY.get(name, "")
