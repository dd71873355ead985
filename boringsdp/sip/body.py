"""Bodies: which part of one is of a type (RFC 5621, RFC 2046 §5.1), and bodies of several parts."""

from __future__ import annotations

from collections.abc import Iterable

from boringsdp.errors import SipError
from boringsdp.sip import headers as views
from boringsdp.sip.limits import MAX_PARTS
from boringsdp.sip.message import Headers, Message
from boringsdp.sip.params import unquote
from boringsdp.values import Value


class Part(Value, frozen=True):
    """One part: its type in lower case ("application/sdp"), its headers, and its octets."""

    type: str
    headers: Headers
    body: bytes

    @property
    def optional(self) -> bool:
        """Whether it may be passed over when it is not understood (RFC 3261 §20.11)."""
        value = self.headers.get("Content-Disposition") or ""
        return "handling=optional" in value.replace(" ", "").lower()


def body_of(message: Message, media_type: str) -> bytes | None:
    """
    Return the body, or the first part of a multipart one, that is of this type (in lower case); None without one, and for an empty body.

    Raises SipError for a Content-Type, or a multipart body, that cannot be read.
    """
    return next((part.body for part in parts(message) if part.type == media_type), None)


def parts(message: Message) -> list[Part]:
    """Return what the body is made of, multiparts within multiparts taken apart: one part for a plain body, none for an empty one."""
    if not message.body:
        return []
    kind = views.content_type(message)
    if kind is None:
        raise SipError("missing", "Content-Type")
    if not kind.type.startswith("multipart/"):
        return [Part(kind.type, message.headers, message.body)]
    found: list[Part] = []
    _take_apart(kind, message.body, found)
    return found


def _take_apart(kind: views.MediaType, body: bytes, found: list[Part]) -> None:
    """What is nested waits in a list. Multiparts count as parts too: each level reads its body again, and there are few."""
    waiting = [(kind, body)]
    count = 0
    while waiting:
        kind, body = waiting.pop(0)
        for headers, content in _split(kind, body):
            if (count := count + 1) > MAX_PARTS:
                raise SipError(f"more than {MAX_PARTS} parts", "Content-Type")
            inner = _type_of(headers)
            if inner.type.startswith("multipart/"):
                waiting.append((inner, content))
            else:
                found.append(Part(inner.type, headers, content))


def _type_of(headers: Headers) -> views.MediaType:
    text = headers.get("Content-Type")
    try:
        return views.parse_media_type(text) if text else views.MediaType("text/plain", {})
    except SipError as problem:
        raise SipError(problem.reason, "Content-Type") from None


def _split(kind: views.MediaType, body: bytes) -> list[tuple[Headers, bytes]]:
    boundary = unquote(kind.params.get("boundary") or "").encode("utf-8", "surrogateescape")
    if not boundary or len(boundary) > 70:
        raise SipError("multipart without a boundary", "Content-Type")
    # The CRLF before a delimiter belongs to it; the first delimiter may open the body.
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary, MAX_PARTS + 2)
    if len(pieces) < 2:
        raise SipError("multipart without its boundary", "Content-Type")
    contents: list[list[bytes]] = []
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            break
        line, newline, content = piece.partition(b"\r\n")
        if newline and not line.strip(b" \t"):
            contents.append([content])
        elif contents:
            # Another boundary that begins like this one: that of a multipart within.
            contents[-1].append(piece)
        else:
            raise SipError("multipart with a broken boundary", "Content-Type")
    return [_part((b"\r\n--" + boundary).join(pieces)) for pieces in contents]


def _part(content: bytes) -> tuple[Headers, bytes]:
    if content.startswith(b"\r\n"):
        return Headers(), content[2:]
    head, empty, body = content.partition(b"\r\n\r\n")
    if not empty:
        raise SipError("a part without an empty line", "Content-Type")
    text = head.decode("utf-8", "surrogateescape").replace("\r\n ", " ").replace("\r\n\t", " ")
    lines = [line.partition(":") for line in text.split("\r\n")]
    return Headers((name.strip(" \t"), value.strip(" \t")) for name, _, value in lines), body


def multipart(parts: Iterable[tuple[str, bytes]], boundary: str) -> tuple[str, bytes]:
    """Return Content-Type and body of multipart/mixed from (Content-Type, octets) pairs. `boundary` must not occur in them."""
    mark = boundary.encode()
    pieces = [b"--%b\r\nContent-Type: %b\r\n\r\n%b\r\n" % (mark, kind.encode(), content) for kind, content in parts]
    return f'multipart/mixed;boundary="{boundary}"', b"".join(pieces) + b"--%b--\r\n" % mark
