"""Writing a text of ours from the other leg's, line by line: what a proxy's media relay does (`Passing.mirror`)."""

from __future__ import annotations

from collections.abc import Mapping

from boringsdp.sdp.attributes import NUMBERED, mirrored
from boringsdp.sdp.codec import Format
from boringsdp.sdp.description import Description, Media
from boringsdp.sdp.direction import Direction
from boringsdp.sdp.lines import split
from boringsdp.sdp.local import LocalMedia
from boringsdp.sdp.loop import LOOP_ATTRIBUTE
from boringsdp.sdp.outline import Outline, Sheet, local_of
from boringsdp.sdp.transport_lines import write_address, write_ssrc, write_transport

_DIRECTIONS = frozenset(direction.value for direction in Direction)
_OURS_IN_RAW = frozenset({"candidate", "end-of-candidates", "mid", "rtcp", "rtcp-mux", "source-filter", "key-mgmt", "crypto"})
"""What does not pass with media that is copied unread. All else does, fingerprints too: they are those of the far ends."""


def mirrored_text(sheet: Sheet, source: Description, locals: Mapping[int, LocalMedia], origin: str, host: str) -> str:
    """
    Return the text with every line of `source` that may pass, in its order; `origin` is the o= line, `host` our address in it.

    Session-level defaults (direction, fingerprint, header extensions, …) are written at each m-line: the sheet's outlines hold them.
    """
    sections = split(source.text.replace("\r\n", "\n"))
    hosts = {o.slot: _host(sheet, o, local_of(o, locals).transport.host) for o in sheet.outlines if o.accepted}
    at_session = any(line.startswith("c=") for line in sections[0][1])
    session_host = next(iter(hosts.values()), host) if at_session and not sheet.webrtc else ""
    names = _Filter(sheet, source)
    lines = _session(sheet, source, locals, sections[0][1], origin, session_host, names)
    for outline in sheet.outlines:
        theirs = sections[outline.source.index + 1][1] if outline.source is not None else []
        if not outline.accepted:
            _write_refused(lines, sheet, outline, theirs, session_host, names)
            continue
        section = _Section(sheet, outline, local_of(outline, locals), hosts[outline.slot], session_host, names)
        lines += section.text(theirs)
    lines.append("")
    return "\r\n".join(lines)


def _host(sheet: Sheet, outline: Outline, host: str) -> str:
    """Our address, or the zero address of a hold that is passed on as it is."""
    held = outline.source is not None and outline.source.zero and not sheet.passing.zero_address and not outline.ice
    if not held:
        return host
    return "::" if ":" in host else "0.0.0.0"


def _session(
    sheet: Sheet,
    source: Description,
    locals: Mapping[int, LocalMedia],
    theirs: list[str],
    origin: str,
    session_host: str,
    names: _Filter,
) -> list[str]:
    """The session part: o=, s=, c= in their places, our attributes before those that pass."""
    passing = sheet.passing
    name = "s=-" if passing.session_name else next((line for line in theirs if line.startswith("s=")), "s=-")
    head = ["v=0", origin, name]
    attributes: list[str] = []
    timed = False
    for line in theirs:
        letter = line[:1]
        if letter == "c" and session_host:
            head.append(f"c=IN {write_address(session_host)}")
            session_host = ""
        elif letter == "t" and not timed:
            timed = True
            head.append(line if passing.session_lines else "t=0 0")
        elif letter == "a":
            ours = line == f"a={LOOP_ATTRIBUTE}:{passing.loop_mark}"
            attributes += [line] if (names.passes(_name(line)) and not ours) or _is_kept_group(line, sheet) else []
        elif letter in "iuepbtrz" and letter and passing.session_lines:
            head.append(line)
    if not timed:
        head.append("t=0 0")
    if sheet.ice:
        accepted = [o for o in sheet.outlines if o.accepted]
        lite = all(local_of(o, locals).transport.ice_lite and o.guest is None for o in accepted)
        head += [f"a=group:BUNDLE {' '.join(mids)}" for mids in sheet.groups]
        head += ["a=ice-lite"] if lite else []
        passed_on = any(o.guest is not None for o in accepted)
        head += ["a=ice-options:trickle"] if sheet.trickle and (source.trickle or not passed_on) else []
        if sheet.webrtc and not any(line.startswith("a=msid-semantic") for line in attributes):
            head.append("a=msid-semantic: WMS *")
    else:
        head += [f"a=group:BUNDLE {' '.join(mids)}" for mids in sheet.groups]
    head += attributes
    head += [f"a={LOOP_ATTRIBUTE}:{passing.loop_mark}"] if passing.loop_mark else []
    return head


def _is_kept_group(line: str, sheet: Sheet) -> bool:
    """True for a group other than BUNDLE (lip synchronisation and the like, RFC 5888) whose members all keep their names here."""
    semantics, *mids = line[8:].split()[:65] if line.startswith("a=group:") and sheet.passing.attributes else [""]
    kept = {o.mid for o in sheet.outlines if o.accepted and o.source is not None and o.source.mid == o.mid} if mids else set()
    return semantics != "BUNDLE" and bool(mids) and kept.issuperset(mids)


class _Filter:
    """Says which attribute lines pass; asks the table once for each name."""

    def __init__(self, sheet: Sheet, source: Description) -> None:
        self._between_plain = not sheet.webrtc and not source.webrtc
        self._attributes = sheet.passing.attributes
        self._to_webrtc = sheet.webrtc
        self._known = dict.fromkeys(_DIRECTIONS, False)

    def passes(self, name: str) -> bool:
        """Return whether lines of the attribute `name` (in lower case) pass as they are."""
        known = self._known.get(name)
        if known is None:
            between, attributes, to_webrtc = self._between_plain, self._attributes, self._to_webrtc
            known = self._known[name] = mirrored(name, between_plain=between, attributes=attributes, to_webrtc=to_webrtc)
        return known


def _name(line: str) -> str:
    return line[2:].partition(":")[0].strip().lower()


def _write_refused(lines: list[str], sheet: Sheet, outline: Outline, theirs: list[str], session_host: str, names: _Filter) -> None:
    """An m-line with port 0. What the source had disabled keeps its lines, as they are harmless; of others nobody needs them."""
    lines.append(outline.refused_line)
    disabled = outline.source is not None and outline.source.rejected and outline.source.kind == outline.kind
    stays = [line for line in theirs[1:] if disabled and _stays(line, sheet, names)]
    lines += [line for line in stays if line[0] in "ib"]
    if not session_host or (disabled and any(line.startswith("c=") for line in theirs[1:])):
        lines.append("c=IN IP4 0.0.0.0")
    if outline.mid:
        lines.append(f"a=mid:{outline.mid}")
    lines += [line for line in stays if line[0] == "a"]
    if not any(line[2:] in _DIRECTIONS for line in stays):
        lines.append("a=inactive")


def _stays(line: str, sheet: Sheet, names: _Filter) -> bool:
    if line[:1] in ("i", "b"):
        return sheet.passing.session_lines
    name = _name(line)
    return line[:1] == "a" and (name in _DIRECTIONS or name in ("rtpmap", "fmtp") or names.passes(name))


class _Section:
    """One accepted m-line about to be written from the source's; `text` is called once."""

    def __init__(self, sheet: Sheet, outline: Outline, local: LocalMedia, host: str, session_host: str, names: _Filter) -> None:
        self._sheet = sheet
        self._names = names
        self._outline = outline
        self._local = local
        self._host = host
        self._session_host = session_host
        self._attributes: list[str] = []
        self._codecs = _Codecs(outline) if not outline.raw else None
        self._direction_said = False
        self._mid_said = False
        self._extensions = dict(outline.extensions)

    def text(self, theirs: list[str]) -> list[str]:
        """Return the section's lines; `theirs` are those of the source's section."""
        outline, sheet = self._outline, self._sheet
        for line in theirs[1:]:
            if line.startswith("a="):
                self._attribute(line)
        numbers = [str(f.payload_type) for f in outline.formats]
        if outline.raw and outline.source is not None:
            numbers = outline.source.format_texts
        head = [f"m={outline.kind} {self._local.transport.port} {outline.protocol_text} {' '.join(numbers)}".rstrip()]
        described = sheet.passing.session_lines
        head += [line for line in theirs[1:] if line.startswith("i=") and described]
        if self._host != self._session_host or any(line.startswith("c=") for line in theirs[1:]):
            head.append(f"c=IN {write_address(self._host)}")
        head += [line for line in theirs[1:] if line.startswith("b=") and described]
        head += [f"a=mid:{outline.mid}"] if outline.mid and not self._mid_said else []
        tail: list[str] = []
        if self._codecs is not None:
            self._codecs.complete(self._attributes)
            tail += [f"a=extmap:{number} {uri}" for uri, number in self._extensions.items()]
            tail += [] if self._direction_said else [f"a={outline.direction.value}"]
            write_transport(tail, sheet, outline, self._local.transport)
            named = any(line.startswith("a=msid:") for line in self._attributes)
            write_ssrc(tail, outline, self._local, msid=not named)
        elif outline.direction is not Direction.SENDRECV and not self._direction_said:
            tail.append(f"a={outline.direction.value}")
        return [*head, *self._attributes, *tail]

    def _attribute(self, line: str) -> None:
        """Take over one attribute line of the source, in our numbers and words."""
        name, _, value = line[2:].partition(":")
        name = name.strip().lower()
        outline = self._outline
        if name in _DIRECTIONS:
            if not self._direction_said:
                self._attributes.append(f"a={outline.direction.value}")
            self._direction_said = True
        elif name == "mid":
            if outline.mid and not self._mid_said:
                self._attributes.append(f"a=mid:{outline.mid}")
                self._mid_said = True
        elif self._codecs is None:
            self._attributes += [line] if name not in _OURS_IN_RAW and not name.startswith("ice-") else []
        elif name == "extmap":
            uri = next(iter(value.split()[1:2]), "")
            if uri in self._extensions:
                self._attributes.append(f"a=extmap:{self._extensions.pop(uri)} {uri}")
        elif name in _CODEC_ATTRIBUTES or name in NUMBERED:
            self._codecs.take(name, value, self._attributes)
        elif self._names.passes(name):
            self._attributes.append(line)


_CODEC_ATTRIBUTES = frozenset({"rtpmap", "fmtp", "rtcp-fb"})


class _Codecs:
    """
    Moves the lines that begin with a payload type to our numbers, in their places, and adds those that the source did without.

    A line stays word for word but for its number where it says what we say.
    """

    def __init__(self, outline: Outline) -> None:
        source = outline.source
        self._formats = outline.formats
        self._theirs = {str(f.payload_type): f for f in source.formats} if source is not None else {}
        self._ours = self._matches(source)
        self._said: set[tuple[str, int, str]] = set()
        self._first: int | None = None
        self._last = 0

    def _matches(self, source: Media | None) -> dict[str, Format]:
        """Return which of our formats each payload type of the source has become."""
        by_identity = {f.identity: f for f in self._formats}
        matches: dict[str, Format] = {}
        taken: set[int] = set()
        for f in source.formats if source is not None else ():
            found = by_identity.get(f.identity) or (f.best_of(self._formats) if f.codec.key[0] == "h264" else None)
            if found is not None and found.payload_type not in taken:
                taken.add(found.payload_type)
                matches[str(f.payload_type)] = found
        return matches

    def take(self, name: str, value: str, lines: list[str]) -> None:
        """Append what becomes of the source's line `a=name:value`."""
        text, _, rest = value.partition(" ")
        added: list[str] = []
        if text == "*":
            added = self._for_all(name, rest)
        elif (ours := self._ours.get(text)) is not None:
            added = self._for_one(name, rest, ours, self._theirs[text])
        if added:
            self._first = len(lines) if self._first is None else self._first
            lines += added
            self._last = len(lines)

    def _for_one(self, name: str, rest: str, ours: Format, theirs: Format) -> list[str]:
        number = ours.payload_type
        match name:
            case "rtpmap":
                return self._once(name, number, "", rest if ours.codec.key == theirs.codec.key else str(ours.codec))
            case "fmtp" if ours.fmtp == theirs.fmtp:
                self._said.add((name, number, ""))
                return [f"a=fmtp:{number} {rest}"]
            case "fmtp":
                return self._once(name, number, "", ours.fmtp) if ours.fmtp else []
            case "rtcp-fb":
                wanted = " ".join(rest.split())
                return self._once(name, number, wanted, wanted) if wanted in ours.feedback else []
            case _:
                return [f"a={name}:{number} {rest}"]

    def _for_all(self, name: str, rest: str) -> list[str]:
        wanted = " ".join(rest.split())
        if name == "imageattr":
            return [f"a={name}:* {rest}"]
        media = [f for f in self._formats if f.codec.carries_media]
        if name != "rtcp-fb" or not media or any(wanted not in f.feedback for f in media):
            return []
        self._said.update((name, f.payload_type, wanted) for f in media)
        return [f"a=rtcp-fb:* {wanted}"]

    def _once(self, name: str, number: int, key: str, rest: str) -> list[str]:
        if (name, number, key) in self._said:
            return []
        self._said.add((name, number, key))
        return [f"a={name}:{number} {rest}"]

    def complete(self, lines: list[str]) -> None:
        """Insert into `lines` what the source did not say: rtpmap of static payload types, formats and feedback of ours."""
        theirs = {f.payload_type for f in self._ours.values()}
        before: list[str] = []
        after: list[str] = []
        for f in self._formats:
            place = before if f.payload_type in theirs else after
            unexplained = self._once("rtpmap", f.payload_type, "", str(f.codec))
            place += unexplained
            place = place if unexplained else after  # never before its rtpmap
            place += self._once("fmtp", f.payload_type, "", f.fmtp) if f.fmtp else []
            for value in f.feedback:
                after += self._once("rtcp-fb", f.payload_type, value, value)
        first = len(lines) if self._first is None else self._first
        last = len(lines) if self._first is None else self._last
        lines[last:last] = after
        lines[first:first] = before
