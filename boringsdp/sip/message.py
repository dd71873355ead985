"""SIP messages as values: a start line, the header lines in wire order, a body. `parse.py` reads them, `to_bytes` writes them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

VERSION = "SIP/2.0"

COMPACT = {
    "a": "accept-contact", "b": "referred-by", "c": "content-type", "d": "request-disposition", "e": "content-encoding",
    "f": "from", "i": "call-id", "j": "reject-contact", "k": "supported", "l": "content-length", "m": "contact", "o": "event",
    "r": "refer-to", "s": "subject", "t": "to", "u": "allow-events", "v": "via", "x": "session-expires", "y": "identity",
}  # fmt: skip
"""Compact forms (RFC 3261 §7.3.3 and the IANA list) to the key of the full name."""


_NAMES = """
Accept Accept-Contact Accept-Encoding Accept-Language Alert-Info Allow Allow-Events Authorization Call-ID Call-Info Contact
Content-Disposition Content-Encoding Content-Length Content-Type CSeq Date Diversion Event Expires From Max-Forwards Min-Expires
Min-SE P-Asserted-Identity P-Preferred-Identity Path Privacy Proxy-Authenticate Proxy-Authorization Proxy-Require RAck Reason
Record-Route Refer-To Referred-By Replaces Require Retry-After Route RSeq Server Service-Route Session-Expires Session-ID Subject
Subscription-State Supported Timestamp To Unsupported User-Agent Via Warning WWW-Authenticate X-Asterisk-HangupCause
"""
KEYS = {name: name.lower() for name in _NAMES.split()}
KEYS |= {key: key for key in KEYS.values()} | COMPACT | {form.upper(): key for form, key in COMPACT.items()}
"""Names as they are usually written to their keys: the quick way of `key_of`."""


def key_of(name: str) -> str:
    """Return what a header is found by: its full name in lower case."""
    key = KEYS.get(name)
    if key is None:
        lower = name.lower()
        key = COMPACT.get(lower, lower)
    return key


Line = tuple[str, str, str]
"""Key, name as written, value."""


class Headers:
    """
    Header lines in wire order; names as they were written, found in any case and form.

    One entry is one line: a value may hold a comma-separated list. Text is UTF-8 with what is not kept by `surrogateescape`, so that a line
    nobody touches goes out octet for octet as it came, but for folding and the white space around its value. `views` is what `headers.py`
    has read from the lines; every change empties it.
    """

    __slots__ = ("_index", "_lines", "views")

    def __init__(self, lines: Iterable[tuple[str, str]] = ()) -> None:
        self._lines: list[Line] = [(key_of(name), name, value) for name, value in lines]
        self._index: dict[str, list[str]] | None = None
        self.views: dict[str, Any] = {}

    @classmethod
    def of_lines(cls, lines: list[Line], index: dict[str, list[str]]) -> Headers:
        """Headers from lines whose keys are known, and the values by key. Takes both over."""
        made = cls()
        made._lines, made._index = lines, index
        return made

    def get(self, name: str) -> str | None:
        """The value of the first line of that name, None without one."""
        values = self.index.get(key_of(name))
        return values[0] if values else None

    def all(self, name: str) -> list[str]:
        """The values of all lines of that name, in order."""
        return list(self.index.get(key_of(name), ()))

    def add(self, name: str, value: str) -> None:
        """Append a line."""
        self._changed().append((key_of(name), name, value))

    def prepend(self, name: str, value: str) -> None:
        """Put a line before all others."""
        self._changed().insert(0, (key_of(name), name, value))

    def set(self, name: str, *values: str) -> None:
        """Replace all lines of that name, where the first one stood, or append."""
        key = key_of(name)
        lines = self._changed()
        at = next((index for index, line in enumerate(lines) if line[0] == key), len(lines))
        self._lines = [line for line in lines if line[0] != key]
        self._lines[at:at] = [(key, name, value) for value in values]

    def remove(self, name: str) -> None:
        """Drop all lines of that name."""
        key = key_of(name)
        self._lines = [line for line in self._changed() if line[0] != key]

    def copy(self) -> Headers:
        twin = Headers()
        twin._lines = list(self._lines)
        return twin

    def names(self) -> frozenset[str]:
        """The names that are there: full, in lower case."""
        return frozenset(self.index)

    def __contains__(self, name: str) -> bool:
        return key_of(name) in self.index

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return ((name, value) for _, name, value in self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    def __eq__(self, other: object) -> bool:
        return self._lines == other._lines if isinstance(other, Headers) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Headers({list(self)!r})"

    def _changed(self) -> list[Line]:
        self._index = None
        if self.views:
            self.views = {}
        return self._lines

    @property
    def index(self) -> dict[str, list[str]]:
        """The values of each line by key, in order. Read only."""
        if self._index is not None:
            return self._index
        index: dict[str, list[str]] = {}
        for key, _, value in self._lines:
            if key in index:
                index[key].append(value)
            else:
                index[key] = [value]
        self._index = index
        return index


class Message(ABC):
    """
    What requests and responses share. Changed only by who builds it: once given away a message stays as it is (`copy` first).

    `views` remembers what `headers.py` has read.
    """

    __slots__ = ("body", "headers")

    def __init__(self, headers: Headers | None = None, body: bytes = b"") -> None:
        self.headers = Headers() if headers is None else headers
        self.body = body

    @property
    def views(self) -> dict[str, Any]:
        return self.headers.views

    @property
    @abstractmethod
    def start_line(self) -> str:
        """The first line, without its end."""

    def to_bytes(self) -> bytes:
        """
        Return the message as it goes over the wire. Content-Length is ours: that of the body.

        A CR or LF inside a line goes out as a space: no text, wherever it came from, makes lines of its own.
        """
        lines = [self.start_line]
        lines += [f"{name}: {value}" for key, name, value in self.headers._lines if key != "content-length"]
        lines.append(f"Content-Length: {len(self.body)}")
        head = "\r\n".join(lines)
        if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1:
            head = "\r\n".join(line.replace("\r", " ").replace("\n", " ") for line in lines)
        return head.encode("utf-8", "surrogateescape") + b"\r\n\r\n" + self.body


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
