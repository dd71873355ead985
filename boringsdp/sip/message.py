"""SIP messages as values: a start line, the header lines in wire order, a body. `parse.py` reads them, `to_bytes` writes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

VERSION = "SIP/2.0"

COMPACT = {
    "a": "accept-contact", "b": "referred-by", "c": "content-type", "d": "request-disposition", "e": "content-encoding",
    "f": "from", "i": "call-id", "j": "reject-contact", "k": "supported", "l": "content-length", "m": "contact", "o": "event",
    "r": "refer-to", "s": "subject", "t": "to", "u": "allow-events", "v": "via", "x": "session-expires", "y": "identity",
}  # fmt: skip
"""Compact forms (RFC 3261 §7.3.3 and the IANA list) to the key of the full name."""


def key_of(name: str) -> str:
    """Return what a header is found by: its full name in lower case."""
    lower = name.lower()
    return COMPACT.get(lower, lower)


class Headers:
    """
    Header lines in wire order; names as they were written, found in any case and form.

    One entry is one line: a value may hold a comma-separated list. Text is UTF-8 with what is not kept by `surrogateescape`, so that a line
    nobody touches goes out octet for octet as it came.
    """

    __slots__ = ("_lines",)

    def __init__(self, lines: Iterable[tuple[str, str]] = ()) -> None:
        self._lines: list[tuple[str, str, str]] = [(key_of(name), name, value) for name, value in lines]

    def get(self, name: str) -> str | None:
        """The value of the first line of that name, None without one."""
        key = key_of(name)
        return next((value for known, _, value in self._lines if known == key), None)

    def all(self, name: str) -> list[str]:
        """The values of all lines of that name, in order."""
        key = key_of(name)
        return [value for known, _, value in self._lines if known == key]

    def add(self, name: str, value: str) -> None:
        """Append a line."""
        self._lines.append((key_of(name), name, value))

    def prepend(self, name: str, value: str) -> None:
        """Put a line before all others."""
        self._lines.insert(0, (key_of(name), name, value))

    def set(self, name: str, *values: str) -> None:
        """Replace all lines of that name, where the first one stood, or append."""
        key = key_of(name)
        at = next((index for index, line in enumerate(self._lines) if line[0] == key), len(self._lines))
        self._lines = [line for line in self._lines if line[0] != key]
        self._lines[at:at] = [(key, name, value) for value in values]

    def remove(self, name: str) -> None:
        """Drop all lines of that name."""
        key = key_of(name)
        self._lines = [line for line in self._lines if line[0] != key]

    def copy(self) -> Headers:
        twin = Headers()
        twin._lines = list(self._lines)
        return twin

    def __contains__(self, name: str) -> bool:
        key = key_of(name)
        return any(line[0] == key for line in self._lines)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return ((name, value) for _, name, value in self._lines)

    def __len__(self) -> int:
        return len(self._lines)


class Message:
    """
    What requests and responses share. Changed only by who builds it: once given away a message stays as it is (`copy` first).

    `views` remembers what `headers.py` has read.
    """

    __slots__ = ("body", "headers", "views")

    def __init__(self, headers: Headers | None = None, body: bytes = b"") -> None:
        self.headers = Headers() if headers is None else headers
        self.body = body
        self.views: dict[str, Any] = {}

    @property
    def start_line(self) -> str:
        raise NotImplementedError

    def to_bytes(self) -> bytes:
        """Return the message as it goes over the wire. Content-Length is ours: that of the body."""
        lines = [self.start_line]
        lines += [f"{name}: {value}" for key, name, value in self.headers._lines if key != "content-length"]
        head = "\r\n".join([*lines, f"Content-Length: {len(self.body)}", "", ""])
        return head.encode("utf-8", "surrogateescape") + self.body


class Request(Message):
    """A request; `uri` is the Request-URI as text."""

    __slots__ = ("method", "uri")

    def __init__(self, method: str, uri: str, headers: Headers | None = None, body: bytes = b"") -> None:
        super().__init__(headers, body)
        self.method = method
        self.uri = uri

    @property
    def start_line(self) -> str:
        return f"{self.method} {self.uri} {VERSION}"

    def copy(self) -> Request:
        return Request(self.method, self.uri, self.headers.copy(), self.body)


class Response(Message):
    """A response; `code` is 100..699."""

    __slots__ = ("code", "local", "reason")

    def __init__(self, code: int, reason: str, headers: Headers | None = None, body: bytes = b"", *, local: bool = False) -> None:
        super().__init__(headers, body)
        self.code = code
        self.reason = reason
        self.local = local
        """Made by ourselves in place of one that never came: 408 (timed out), 503 (could not be sent; RFC 3261 §8.1.3.1)."""

    @property
    def start_line(self) -> str:
        return f"{VERSION} {self.code} {self.reason}"

    def copy(self) -> Response:
        return Response(self.code, self.reason, self.headers.copy(), self.body, local=self.local)
