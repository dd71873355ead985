"""Reading an SDP into its typed view. Total: every text is read or raises `SdpError`; one pass over the lines."""

from __future__ import annotations

import functools
from collections.abc import Callable

from boringsdp.errors import SdpError
from boringsdp.sdp.candidate import Fingerprint, parse_fingerprint
from boringsdp.sdp.codec import STATIC, Codec, Format, parse_encoding
from boringsdp.sdp.crypto import Crypto, parse_crypto
from boringsdp.sdp.description import NOWHERE, Description, Media, Origin
from boringsdp.sdp.direction import Direction
from boringsdp.sdp.lines import check_lines, decode, split
from boringsdp.sdp.style import Protocol

ReadFormats = Callable[[tuple[str, ...], tuple[str, ...]], tuple[Format, ...]]
"""Payload types as they stand in the m-line, and the lines about them, to formats."""
_PROTOCOLS = {protocol.value: protocol for protocol in Protocol}
_DIRECTIONS = {f"a={direction.value}": direction for direction in Direction}


class _Reader:
    """What one section said so far; a media section begins with the session's defaults."""

    __slots__ = (
        "bundle", "candidates", "cname", "crypto_lines", "cryptos", "direction", "extensions", "fingerprints", "flags", "formats",
        "host", "maxptime", "mid", "others", "password", "ptime", "rtcp", "setup", "ssrcs", "tls_id", "trickle", "ufrag",
    )  # fmt: skip

    def __init__(self, session: _Reader | None = None) -> None:
        self.host: str = session.host if session else ""
        self.direction: Direction = session.direction if session else Direction.SENDRECV
        self.ufrag: str = session.ufrag if session else ""
        self.password: str = session.password if session else ""
        self.setup: str = session.setup if session else ""
        self.tls_id: str = session.tls_id if session else ""
        self.fingerprints: list[Fingerprint] = []
        self.extensions: list[tuple[str, int]] = list(session.extensions) if session else []
        self.candidates: list[str] = []
        self.cryptos: list[Crypto] = []
        self.crypto_lines = 0
        self.formats: list[str] = []
        """The lines about payload types, for `_read_formats`."""
        self.ssrcs: dict[int, None] = {}
        self.cname = ""
        self.mid = ""
        self.rtcp: tuple[int, str] | None = None
        self.ptime = 0
        self.maxptime = 0
        self.flags: set[str] = set()
        self.bundle: list[tuple[str, ...]] = []
        self.trickle = False
        self.others: list[str] = []

    def read(self, lines: list[str], first_number: int) -> None:
        """Read the section's lines after its first; an attribute that cannot be read is ignored, as RFC 8866 §5.13 asks."""
        host_said = False
        for position in range(1, len(lines)):
            line = lines[position]
            name, _, value = line.partition(":")
            handler = _HANDLERS.get(name)
            if handler is not None:
                handler(self, value)
            elif name in _OF_FORMATS:
                self.formats.append(line)
            elif name in _FLAGS:
                self.flags.add(name[2:])
            elif name in _DIRECTIONS:
                self.direction = _DIRECTIONS[name]
            elif line.startswith("a="):
                self.others.append(line)
            elif line.startswith("c=") and not host_said:
                self.host, host_said = _host(line, first_number + position), True


_OF_FORMATS = frozenset({"a=rtpmap", "a=fmtp", "a=rtcp-fb"})
_FLAGS = frozenset({"a=rtcp-mux", "a=rtcp-mux-only", "a=rtcp-rsize", "a=bundle-only", "a=end-of-candidates", "a=ice-lite"})


def _extmap(reader: _Reader, value: str) -> None:
    extension = _read_extmap(value)
    if extension is not None:
        reader.extensions.append(extension)


@functools.lru_cache(maxsize=256)
def _read_extmap(value: str) -> tuple[str, int] | None:
    """Return (URI, id), None for what cannot be read or is inactive. Remembered: every browser of a kind says the same."""
    parts = value.split(None, 2)
    if len(parts) < 2:
        return None
    number, _, direction = parts[0].partition("/")
    usable = is_number(number, 5) and 0 < int(number) < 65536 and direction != "inactive"
    return (parts[1], int(number)) if usable else None


def _ssrc(reader: _Reader, value: str) -> None:
    number, _, attribute = value.partition(" ")
    if is_number(number, 10) and int(number) < 1 << 32:
        reader.ssrcs[int(number)] = None
        if attribute.startswith("cname:") and not reader.cname:
            reader.cname = attribute[6:]


def _rtcp(reader: _Reader, value: str) -> None:
    parts = value.split()
    if parts and is_number(parts[0], 5) and int(parts[0]) < 65536:
        reader.rtcp = (int(parts[0]), parts[3] if len(parts) == 4 else "")


def _crypto(reader: _Reader, value: str) -> None:
    reader.crypto_lines += 1
    crypto = parse_crypto(value)
    if crypto is not None:
        reader.cryptos.append(crypto)


def _fingerprint(reader: _Reader, value: str) -> None:
    fingerprint = parse_fingerprint(value)
    if fingerprint is not None:
        reader.fingerprints.append(fingerprint)


def _group(reader: _Reader, value: str) -> None:
    semantics, *mids = value.split()[:65] or [""]
    if semantics == "BUNDLE":
        reader.bundle.append(tuple(mids))


def _set_ufrag(reader: _Reader, value: str) -> None:
    reader.ufrag = value.strip()


def _set_password(reader: _Reader, value: str) -> None:
    reader.password = value.strip()


def _set_setup(reader: _Reader, value: str) -> None:
    reader.setup = value.strip().lower()


def _set_tls_id(reader: _Reader, value: str) -> None:
    reader.tls_id = value.strip()


def _set_mid(reader: _Reader, value: str) -> None:
    reader.mid = value.strip()


def _set_options(reader: _Reader, value: str) -> None:
    reader.trickle = reader.trickle or "trickle" in value.split()


def _set_ptime(reader: _Reader, value: str) -> None:
    reader.ptime = _whole(value)


def _set_maxptime(reader: _Reader, value: str) -> None:
    reader.maxptime = _whole(value)


def _candidate(reader: _Reader, value: str) -> None:
    reader.candidates.append(value)


_HANDLERS: dict[str, Callable[[_Reader, str], None]] = {
    "a=extmap": _extmap,
    "a=ssrc": _ssrc,
    "a=rtcp": _rtcp,
    "a=crypto": _crypto,
    "a=fingerprint": _fingerprint,
    "a=group": _group,
    "a=ice-ufrag": _set_ufrag,
    "a=ice-pwd": _set_password,
    "a=ice-options": _set_options,
    "a=setup": _set_setup,
    "a=tls-id": _set_tls_id,
    "a=mid": _set_mid,
    "a=ptime": _set_ptime,
    "a=maxptime": _set_maxptime,
    "a=candidate": _candidate,
}


def is_number(text: str, digits: int) -> bool:
    """True for 1 to `digits` ASCII digits and nothing else (str.isdigit alone takes ² and ٣ too)."""
    return 0 < len(text) <= digits and text.isascii() and text.isdigit()


def _whole(value: str) -> int:
    """Return the whole part of `20` or `20.0`, 0 when there is none or it is absurd."""
    text = value.strip().partition(".")[0]
    return int(text) if is_number(text, 4) else 0


def describe(source: str | bytes) -> Description:
    """
    Return the typed view of an SDP.

    Total and linear: every text either parses or raises `SdpError` that names the line, its number and what is wrong with it. What an RFC
    says to ignore (unknown attributes, crypto lines, candidates) is ignored, what cannot be served is left for the answer to reject.
    """
    text = decode(source)
    plain = text.replace("\r\n", "\n")
    if "\r" in plain and "\r\n" in plain:  # looking for one character takes a tenth of the time
        check_lines(text.split("\n"))  # raises: it was \r\r\n, and a bare \r would go on into what we write
    (_, head), *sections = split(plain)
    session = _Reader()
    session.read(head, 1)
    origin, name = Origin("-", "0", "0", ""), "-"
    for number, line in enumerate(head, 1):
        if line.startswith("o="):
            origin = _origin(line, number)
        elif line.startswith("s="):
            name = line[2:]
    medias = []
    mids: set[str] = set()
    read = _remembered_formats if len(text) <= _REMEMBERED else _read_formats
    for index, (first_number, lines) in enumerate(sections):
        media = _media(index, lines, first_number, session, read)
        if media.mid:
            if media.mid in mids:
                raise SdpError(f"a=mid:{media.mid} stands in two m-lines", media.line, media.line_number)
            mids.add(media.mid)
        medias.append(media)
    return Description(
        text=text,
        origin=origin,
        ice_lite="ice-lite" in session.flags,
        trickle=session.trickle,
        bundle=tuple(session.bundle),
        medias=tuple(medias),
        name=name,
        others=tuple(session.others),
    )


def _origin(line: str, number: int) -> Origin:
    parts = line[2:].rsplit(None, 5)
    if len(parts) != 6:
        raise SdpError("o= needs user name, session id, version, network, address type and address", line, number)
    return Origin(parts[0], parts[1], parts[2], parts[5])


def _host(line: str, number: int) -> str:
    parts = line[2:].split()
    if len(parts) != 3 or parts[0] != "IN" or parts[1] not in ("IP4", "IP6"):
        raise SdpError("c= needs IN, IP4 or IP6, and an address", line, number)
    host = parts[2].partition("/")[0]
    if not host or len(host) > 255:
        raise SdpError("c= names no address", line, number)
    return host


def _media(index: int, lines: list[str], first_number: int, session: _Reader, read: ReadFormats) -> Media:
    reader = _Reader(session)
    line = lines[0]
    kind, port, protocol_text, payload_types = _media_line(line, first_number)
    reader.read(lines, first_number)
    protocol = _PROTOCOLS.get(protocol_text.upper())
    direction = reader.direction
    if reader.host in NOWHERE[1:] and port and not reader.ufrag:
        direction = direction.intersect(Direction.SENDONLY)  # hold of RFC 2543: who names no address wants nothing sent to it
    rtcp = None
    if port and reader.host not in NOWHERE:
        rtcp = (reader.rtcp[1] or reader.host, reader.rtcp[0]) if reader.rtcp else (reader.host, port + 1)
    flags = reader.flags
    return Media(
        index=index,
        kind=kind,
        port=port,
        protocol_text=protocol_text,
        protocol=protocol,
        formats=_formats(read, payload_types, reader.formats, line, first_number) if protocol else (),
        host=reader.host,
        rtcp=rtcp,
        rtcp_mux="rtcp-mux" in flags,
        rtcp_mux_only="rtcp-mux-only" in flags,
        rtcp_reduced_size="rtcp-rsize" in flags,
        direction=direction,
        stated=reader.direction,
        mid=reader.mid,
        bundle_only="bundle-only" in flags,
        ufrag=reader.ufrag,
        password=reader.password,
        candidate_values=tuple(reader.candidates),
        end_of_candidates="end-of-candidates" in flags or "end-of-candidates" in session.flags,
        fingerprints=tuple(reader.fingerprints or session.fingerprints),
        setup=reader.setup,
        tls_id=reader.tls_id,
        cryptos=tuple(reader.cryptos),
        crypto_lines=reader.crypto_lines,
        extensions=tuple(reader.extensions),
        ssrcs=tuple(reader.ssrcs),
        cname=reader.cname,
        ptime_ms=reader.ptime,
        maxptime_ms=reader.maxptime,
        others=tuple(reader.others),
        line=line,
        line_number=first_number,
    )


def _media_line(line: str, number: int) -> tuple[str, int, str, list[str]]:
    """Split `m=audio 4000/2 RTP/AVP 0 8`."""
    parts = line[2:].split()
    if len(parts) < 3:
        raise SdpError("m= needs a kind, a port and a protocol", line, number)
    port, _, count = parts[1].partition("/")
    if not is_number(port, 5) or int(port) > 65535 or (count and not is_number(count, 5)):
        raise SdpError("m= has no port number from 0 to 65535", line, number)
    return parts[0].lower(), int(port), parts[2], parts[3:]


_PAYLOAD_TYPES = {str(number): number for number in range(128)}


def _formats(read: ReadFormats, payload_types: list[str], lines: list[str], line: str, number: int) -> tuple[Format, ...]:
    """Read the payload types of an RTP m-line and what is said about them."""
    try:
        return read(tuple(payload_types), tuple(lines))
    except SdpError as error:
        raise SdpError(error.reason, line, number) from None


def _read_formats(payload_types: tuple[str, ...], lines: tuple[str, ...]) -> tuple[Format, ...]:
    """Return the formats; a dynamic one without a usable rtpmap is left out, nobody could tell what it is. Raises `SdpError`."""
    formats: dict[int, Format] = {}
    codecs, fmtp, feedback = _explained(lines)
    for_all = tuple(feedback.get("*", ()))
    for text in payload_types:
        payload_type = _PAYLOAD_TYPES.get(text)
        if payload_type is None and is_number(text, 3):
            payload_type = _PAYLOAD_TYPES.get(str(int(text)))  # 00 is 0
        if payload_type is None:
            raise SdpError(f"payload type {text[:20]} is no number from 0 to 127")
        codec = codecs.get(text) or STATIC.get(payload_type)
        if codec is not None and payload_type not in formats:
            said = (*feedback[text], *for_all) if text in feedback else for_all
            formats[payload_type] = Format(payload_type, codec, fmtp.get(text, ""), said)
    return tuple(formats.values())


_remembered_formats = functools.lru_cache(maxsize=128)(_read_formats)
"""Every browser of a kind says the same of its codecs, and so do we: calls share what was read of it."""
_REMEMBERED = 16 * 1024
"""Longer SDPs are read anew each time: peers choose what fills memory here."""


def _explained(lines: tuple[str, ...]) -> tuple[dict[str, Codec], dict[str, str], dict[str, list[str]]]:
    """Return codecs, parameters and feedback by payload type as written, out of the lines `a=rtpmap`, `a=fmtp`, `a=rtcp-fb`."""
    codecs: dict[str, Codec] = {}
    fmtp: dict[str, str] = {}
    feedback: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(":")
        payload_type, _, rest = value.partition(" ")
        if name == "a=rtpmap":
            codec = parse_encoding(rest)
            if codec is not None:
                codecs[payload_type] = codec
        elif name == "a=fmtp":
            earlier = fmtp.get(payload_type)
            fmtp[payload_type] = f"{earlier};{rest.strip()}" if earlier else rest.strip()
        else:
            feedback.setdefault(payload_type, []).append(" ".join(rest.split()))
    return codecs, fmtp, feedback
