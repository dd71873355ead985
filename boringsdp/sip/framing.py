"""Where one message ends and the next begins on a stream (RFC 3261 §18.3, keep-alives of RFC 5626 §4.4.1). A core."""

from __future__ import annotations

import re

LONGEST = 65_536
"""Octets of a message, head and body."""
LONGEST_LINE = 8_192 + 256
"""Octets of a start line: a URI and what is around it."""
LINE_END = b"\r\n"
PING = b"\r\n\r\n"

_LENGTH = re.compile(rb"\r\n(?:content-length|l)[ \t]*:((?:[^\r\n]|\r\n[ \t])*)", re.IGNORECASE)
_DIGITS = re.compile(rb"[ \t\r\n]*([0-9]{1,9})[ \t\r\n]*")
_FIRST = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.!%*_+`'~")
"""What a start line begins with: a token."""
_CR, _LF = LINE_END


class Broken(Exception):
    """
    The stream cannot be followed any further: its connection is of no more use.

    `cause` is a word for counters. `message` is what there is of the message when its head could be read, so that it can be refused.
    """

    def __init__(self, cause: str, message: bytes = b"") -> None:
        super().__init__(cause)
        self.cause = cause
        self.message = message


class StreamFramer:
    """
    Cuts a stream into messages: `feed`, then `next` until it returns None.

    The result does not depend on how the stream was cut into pieces. Every octet is looked at a bounded number of times; what is kept is at
    most one message and the last piece. A message without Content-Length is taken to have no body: its reader says what is wrong with it.
    """

    __slots__ = ("_buffer", "_length", "_longest", "_looked", "_started")

    def __init__(self, *, longest: int = LONGEST) -> None:
        self._longest = longest
        self._buffer = bytearray()
        self._looked = 0
        """Octets in which there is no end of the head."""
        self._started = False
        """The start line is whole, and one."""
        self._length: int | None = None
        """Octets of the message, known when its head is whole."""

    def __len__(self) -> int:
        """Octets that wait for the rest of their message."""
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Take in the next piece."""
        self._buffer += data

    def next(self) -> bytes | None:
        """
        Return the next whole message, or a `LINE_END` that stood between two; None when more is needed.

        Raises Broken when what comes is not SIP, is too long, or has two lengths.
        """
        if self._length is None:
            if not self._started and self._between():
                return LINE_END
            if not self._read_head():
                return None
        assert self._length is not None
        if len(self._buffer) < self._length:
            return None
        message = bytes(self._buffer[: self._length])
        del self._buffer[: self._length]
        self._looked, self._started, self._length = 0, False, None
        return message

    def _between(self) -> bool:
        """Take a line end from where a message begins."""
        if not self._buffer.startswith(LINE_END):
            return False
        del self._buffer[:2]
        return True

    def _read_head(self) -> bool:
        """Look for the end of the head; True when the length of the message is known."""
        if not self._started and not self._read_start():
            return False
        end = self._buffer.find(PING, self._looked, self._longest)
        if end < 0:
            if len(self._buffer) >= self._longest:
                raise Broken("head too long")
            self._looked = max(self._looked, len(self._buffer) - 3)
            return False
        head = bytes(self._buffer[: end + 4])
        self._length = len(head) + _body_length(head)
        if self._length > self._longest:
            raise Broken("message too long", head)
        return True

    def _read_start(self) -> bool:
        """Whether the start line is whole. What does not speak SIP is found out by its first line."""
        buffer = self._buffer
        if not buffer:
            return False
        if buffer[0] not in _FIRST and not (buffer[0] == _CR and (len(buffer) == 1 or buffer[1] == _LF)):
            raise Broken("not SIP")
        end = buffer.find(LINE_END, self._looked, LONGEST_LINE)
        if end < 0:
            if len(buffer) >= LONGEST_LINE:
                raise Broken("start line too long")
            self._looked = max(0, len(buffer) - 1)
            return False
        if b"SIP/" not in buffer[:end].upper():
            raise Broken("not SIP")
        self._started, self._looked = True, end
        return True


def _body_length(head: bytes) -> int:
    """Return what Content-Length says; 0 without one. Raises Broken for one that is no number, and for two that differ."""
    lengths = set()
    for text in _LENGTH.findall(head):
        digits = _DIGITS.fullmatch(text)
        if digits is None:
            raise Broken("bad length", head)
        lengths.add(int(digits[1]))
    if len(lengths) > 1:
        raise Broken("bad length", head)
    return lengths.pop() if lengths else 0
