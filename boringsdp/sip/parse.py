"""
Octets to messages: one pass over the head, and a list of what is wrong with it instead of an exception.

What a receiver does with defects: a request is answered with the code of the first one (ACK is dropped), a response is dropped. The
headers that every message has are read here, so that their views are there without a second look; others when they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from boringsdp.errors import SipError
from boringsdp.sip import headers as views
from boringsdp.sip.limits import MAX_HEADERS, MAX_MESSAGE, MAX_URI, MAX_VIAS
from boringsdp.sip.message import KEYS, VERSION, Headers, Line, Message, Request, Response, key_of
from boringsdp.sip.name_address import parse_name_address
from boringsdp.sip.params import is_token
from boringsdp.sip.uri import SipUri

SCHEMES = frozenset(("sip", "sips", "tel"))
"""Of a Request-URI; others are answered with 416."""

_WHITE = (" ", "\t")
_SINGLE = frozenset(
    (
        "from", "to", "call-id", "cseq", "max-forwards", "content-type", "expires", "event", "replaces", "session-expires", "refer-to",
        "referred-by", "subscription-state", "rack",
    )
)  # fmt: skip
_NEEDED = frozenset(("via", "from", "to", "call-id", "cseq", "content-length"))
_EVERY: tuple[tuple[str, str, Callable[[Message], object]], ...] = (
    ("via", "Via", views.via),
    ("from", "From", views.from_),
    ("to", "To", views.to),
    ("call-id", "Call-ID", views.call_id),
    ("cseq", "CSeq", views.cseq),
)
_WHEN_THERE: tuple[tuple[str, Callable[[Message], object]], ...] = (
    ("max-forwards", views.max_forwards),
    ("contact", views.contacts),
    ("content-type", views.content_type),
)


class Defect(NamedTuple):
    """Something wrong with a message: the code that answers it, the header it is about (may be empty), and what it is."""

    code: int
    header: str
    text: str


class Parsed(NamedTuple):
    """
    `message` is None when there is nothing to answer or to take up: no SIP, no Via, or (stream) not all of it has come.

    `consumed` octets belong to it, with empty lines before it. 0 with defects on a stream: its end cannot be found, nothing more can be
    read from it.
    """

    message: Request | Response | None
    defects: tuple[Defect, ...]
    consumed: int


def parse(octets: bytes, stream: bool = False) -> Parsed:
    """
    Return the message that `octets` begin with. Never raises.

    A datagram holds one message: what follows Content-Length octets of body is not part of it, and without that header all is body. On a
    stream the header must be there; a message that has not come in full yet is Parsed(None, (), octets of empty lines before it).
    """
    start = _empty_lines(octets)
    end = octets.find(b"\r\n\r\n", start)
    if end < 0:
        return _headless(octets, start, stream)
    if end - start > MAX_MESSAGE:
        return Parsed(None, (Defect(513, "", "head too long"),), 0 if stream else len(octets))
    defects: list[Defect] = []
    start_line, headers = _read_head(octets[start:end], defects)
    body_start = end + 4
    length = _content_length(headers, defects)
    if stream and length is None:
        if not defects:
            defects.append(Defect(400, "Content-Length", "missing"))
        return Parsed(_message(start_line, headers, b"", defects), tuple(defects), 0)
    body_end = len(octets) if length is None else body_start + length
    if body_end - start > MAX_MESSAGE:
        defects.insert(0, Defect(513, "Content-Length", "message too long"))
        return Parsed(_message(start_line, headers, b"", defects), tuple(defects), 0 if stream else len(octets))
    if body_end > len(octets):
        if stream:
            return Parsed(None, (), start)
        defects.append(Defect(400, "Content-Length", "more than there is"))
    message = _message(start_line, headers, octets[body_start:body_end], defects)
    return Parsed(message, tuple(defects), body_end if stream else len(octets))


def _empty_lines(octets: bytes) -> int:
    """CRLFs before the start line are passed over (RFC 3261 §7.5)."""
    start = 0
    while octets.startswith(b"\r\n", start):
        start += 2
    return start


def _headless(octets: bytes, start: int, stream: bool) -> Parsed:
    rest = len(octets) - start
    if stream and rest <= MAX_MESSAGE:
        return Parsed(None, (), start)
    if not stream and not rest:
        return Parsed(None, (), len(octets))
    # A datagram cut short before its empty line may still be answered.
    defects = [Defect(400, "", "no end of the head") if rest <= MAX_MESSAGE else Defect(513, "", "head too long")]
    if stream or rest > MAX_MESSAGE:
        return Parsed(None, tuple(defects), 0 if stream else len(octets))
    start_line, headers = _read_head(octets[start:].removesuffix(b"\r\n"), defects)
    return Parsed(_message(start_line, headers, b"", defects), tuple(defects), len(octets))


def _read_head(octets: bytes, defects: list[Defect]) -> tuple[str, Headers]:
    head = octets.decode("utf-8", "surrogateescape")
    start_line, *rest = head.split("\r\n")
    if octets.count(b"\n") != len(rest) or octets.count(b"\r") != len(rest):
        defects.append(Defect(400, "", "CR or LF within a line"))
    if len(rest) > MAX_HEADERS:
        rest = _unfolded(rest)
        if len(rest) > MAX_HEADERS:
            defects.append(Defect(400, "", f"more than {MAX_HEADERS} header lines"))
            del rest[MAX_HEADERS:]
    before = len(defects)
    lines: list[Line] = []
    index: dict[str, list[str]] = {}
    for line in rest:
        name, _, value = line.partition(": ")
        key = KEYS.get(name)
        if key is None:
            # Folding, no space behind the colon, an unknown name or none: rare, and not quick.
            del defects[before:]
            return start_line, _read_lines(_unfolded(rest), defects)
        value = value.strip(" \t")
        lines.append((key, name, value))
        if key in index:
            index[key].append(value)
            if key in _SINGLE:
                defects.append(Defect(400, name, "more than one"))
        else:
            index[key] = [value]
    return start_line, Headers.of_lines(lines, index)


def _unfolded(lines: list[str]) -> list[str]:
    """Lines that begin with white space continue the one before (RFC 3261 §7.3.1): they become one, joined by a space."""
    if not any(line[:1] in _WHITE for line in lines):
        return lines
    whole: list[list[str]] = []
    for line in lines:
        if line[:1] in _WHITE and whole:
            whole[-1].append(line.strip(" \t"))
        else:
            whole.append([line])
    return [" ".join(pieces) for pieces in whole]


def _read_lines(lines: list[str], defects: list[Defect]) -> Headers:
    found: list[Line] = []
    index: dict[str, list[str]] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        name = name.rstrip(" \t")
        if not colon or not is_token(name):
            defects.append(Defect(400, "", "a line that is no header"))
            continue
        key, value = key_of(name), value.strip(" \t")
        found.append((key, name, value))
        index.setdefault(key, []).append(value)
        if key in _SINGLE and len(index[key]) > 1:
            defects.append(Defect(400, name, "more than one"))
    return Headers.of_lines(found, index)


def _content_length(headers: Headers, defects: list[Defect]) -> int | None:
    values = headers.index.get("content-length")
    if values is None:
        return None
    text = values[0]
    if len(values) > 1 and any(other != text for other in values):
        defects.append(Defect(400, "Content-Length", "several that differ"))
        return None
    if not (text.isascii() and text.isdigit()):
        defects.append(Defect(400, "Content-Length", "no number"))
        return None
    return int(text) if len(text) < 10 else MAX_MESSAGE + 1


def _message(start_line: str, headers: Headers, body: bytes, defects: list[Defect]) -> Request | Response | None:
    """The message, and into `defects` what is wrong with its start line and the headers that all have."""
    first = len(defects)
    message = _response(start_line, headers, body) if start_line[:4].upper() == "SIP/" else _request(start_line, headers, body, defects)
    if message is None:
        defects.insert(0, Defect(400, "", "no start line of SIP"))
        return None
    if "via" not in headers:
        defects.append(Defect(400, "Via", "missing"))
        return None
    _check(message, defects)
    if isinstance(message, Response):
        # A response is dropped for a defect: only for one in what leads it to its request.
        defects[:] = [defect for defect in defects if not defect.header or key_of(defect.header) in _NEEDED]
    # The version and the Request-URI come before what is missing: 505 and 416 say more than 400.
    if len(defects) - first > 1:
        defects.sort(key=lambda defect: defect.code == 400)
    return message


def _response(start_line: str, headers: Headers, body: bytes) -> Response | None:
    version, _, rest = start_line.partition(" ")
    digits, _, reason = rest.partition(" ")
    if version.upper() != VERSION or len(digits) != 3 or not (digits.isascii() and digits.isdigit()) or not "1" <= digits[0] <= "6":
        return None
    return Response(int(digits), reason, headers, body)


def _request(start_line: str, headers: Headers, body: bytes, defects: list[Defect]) -> Request | None:
    words = start_line.split(" ")
    if len(words) == 3 and words[2] == VERSION and is_token(words[0]):
        method, uri, _ = words
    else:
        repaired = _repaired(start_line, defects)
        if repaired is None:
            return None
        method, uri = repaired
    request = Request(method, uri, headers, body)
    _check_uri(request, defects)
    return request


def _repaired(start_line: str, defects: list[Defect]) -> tuple[str, str] | None:
    """Method and URI of a start line that is out of order; None when it is not one of SIP."""
    words = start_line.split()
    if len(words) < 3 or words[-1][:4].upper() != "SIP/" or not is_token(words[0]):
        return None
    method, uri = words[0], " ".join(words[1:-1])
    if f"{method} {uri} {words[-1]}" != start_line or " " in uri:
        defects.append(Defect(400, "", "white space in the start line"))
    if words[-1].upper() != VERSION:
        defects.append(Defect(505, "", "not SIP/2.0"))
    return method, uri


def _check_uri(request: Request, defects: list[Defect]) -> None:
    if len(request.uri) > MAX_URI:
        defects.append(Defect(414, "", "Request-URI too long"))
        return
    try:
        uri = views.request_uri(request)
    except SipError as problem:
        defects.append(Defect(400, "", f"Request-URI: {problem.reason}"))
        return
    if uri.scheme not in SCHEMES:
        defects.append(Defect(416, "", f"{uri.scheme[:20]}: is not served"))
    elif isinstance(uri, SipUri) and uri.headers:
        defects.append(Defect(400, "", "Request-URI with headers"))


def _check(message: Request | Response, defects: list[Defect]) -> None:
    if not _is_sound(message):
        _find_faults(message, defects)


def _is_sound(message: Request | Response) -> bool:
    """Read what every message has, in the quick way for one without faults; False: `_find_faults` is to look, and say which."""
    headers = message.headers
    index, remembered = headers.index, headers.views
    try:
        top, *others = index["via"]
        if others or "," in top:
            if sum(line.count(",") + 1 for line in index["via"]) > MAX_VIAS:
                return False
            views.via(message)
        else:
            remembered["via"] = views.parse_via(top)
        remembered["from"] = parse_name_address(index["from"][0])
        remembered["to"] = parse_name_address(index["to"][0])
        remembered["cseq"] = cseq = views.parse_cseq(index["cseq"][0])
        views.call_id(message)
        if isinstance(message, Response):
            return True
        for key, view in _WHEN_THERE:
            if key in index and (message.body or key != "content-type"):
                view(message)
    except (KeyError, SipError):
        return False
    return cseq.method == message.method


def _find_faults(message: Request | Response, defects: list[Defect]) -> None:
    headers = message.headers
    for key, name, view in _EVERY:
        if key not in headers:
            defects.append(Defect(400, name, "missing"))
            continue
        _try(view, message, defects)
    for key, view in _WHEN_THERE:
        if key in headers and isinstance(message, Request) and (message.body or key != "content-type"):
            _try(view, message, defects)
    if sum(line.count(",") + 1 for line in headers.all("via")) > MAX_VIAS:
        _try(views.vias, message, defects)
    cseq = message.views.get("cseq")
    if cseq is not None and isinstance(message, Request) and cseq.method != message.method:
        defects.append(Defect(400, "CSeq", "another method"))


def _try(view: Callable[[Message], object], message: Message, defects: list[Defect]) -> None:
    try:
        view(message)
    except SipError as problem:
        defects.append(Defect(400, problem.header, problem.reason))
