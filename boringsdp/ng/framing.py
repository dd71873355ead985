"""Where one message ends and the next begins on a stream: NG over TCP has no lengths, so the dictionary itself is followed. A core."""

from __future__ import annotations

import enum
import re

_COLON, _MINUS = b":-"
_D, _L, _I, _E = b"dlie"
_QUOTE, _OPEN, _OPEN_LIST = b'"{['
_JSON_MARK = re.compile(rb'["{}\[\]]')
_STRING_MARK = re.compile(rb'["\\]')
_DIGITS = frozenset(b"0123456789")
_BETWEEN = frozenset(b"\r\n")
MOST_STEPS = 60_000
"""Of one message; a real one has a few hundred. It bounds what 256 KiB of brackets can cost."""


class Broken(Exception):
    """The stream cannot be followed any further; `message` is what there is of the last message, empty when it has no cookie."""

    def __init__(self, message: bytes) -> None:
        super().__init__(len(message))
        self.message = message


class _State(enum.Enum):
    COOKIE, BODY, BENCODE, LENGTH, INTEGER, JSON, JSON_STRING = range(7)


class StreamFramer:
    """
    Cuts a stream into messages of cookie, space and dictionary: `feed`, then `next` until it returns None.

    Line ends between messages are skipped. The result does not depend on how the stream was cut into pieces. Every octet is looked at
    once, strings in bencode not at all; of a message at most `longest` octets and the last piece are kept.
    """

    def __init__(self, *, longest: int = 256 * 1024, longest_cookie: int = 512) -> None:
        self._longest = longest
        self._longest_cookie = longest_cookie
        self._buffer = bytearray()
        self._restart()

    def __len__(self) -> int:
        """Octets that wait for the rest of their message."""
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Take in the next piece."""
        self._buffer += data

    def next(self) -> bytes | None:
        """
        Return the next whole message, None when more is needed.

        Raises Broken when the end of the message cannot be found: it is too long, has no cookie, or its dictionary is none. The connection
        is then of no more use.
        """
        while self._at < len(self._buffer):
            if self._at >= self._longest or self._steps > MOST_STEPS:
                raise Broken(self._part(self._body + 1))
            if self._step():
                message = self._part(self._at)
                del self._buffer[: self._at]
                self._restart()
                return message
        return None

    def _restart(self) -> None:
        self._state = _State.COOKIE
        self._at = self._body = self._depth = self._length = self._steps = 0

    def _part(self, end: int) -> bytes:
        return bytes(self._buffer[:end])

    def _step(self) -> bool:
        """Move over the next octet, or string; True when the message is whole."""
        octet = self._buffer[self._at]
        self._steps += self._state not in (_State.JSON, _State.JSON_STRING)  # those count what they find, however often they look
        match self._state:
            case _State.COOKIE:
                self._read_cookie(octet)
            case _State.BODY:
                self._read_first(octet)
            case _State.BENCODE:
                self._read_bencode(octet)
            case _State.LENGTH:
                self._read_length(octet)
            case _State.INTEGER:
                self._read_integer(octet)
            case _State.JSON:
                self._read_json(octet)
            case _State.JSON_STRING:
                self._read_json_string(octet)
        return self._depth == 0 and self._state in (_State.BENCODE, _State.JSON)

    def _read_cookie(self, octet: int) -> None:
        if self._at == 0 and octet in _BETWEEN:
            del self._buffer[0]
            return
        if octet == 0x20:
            if self._at == 0:
                raise Broken(b"")
            self._state, self._body = _State.BODY, self._at + 1
        elif self._at >= self._longest_cookie:
            raise Broken(b"")
        self._at += 1

    def _read_first(self, octet: int) -> None:
        self._at += 1
        if octet not in (_D, _OPEN):
            raise Broken(self._part(self._at))
        self._state, self._depth = (_State.BENCODE if octet == _D else _State.JSON), 1

    def _read_bencode(self, octet: int) -> None:
        self._at += 1
        if octet in _DIGITS:
            self._state, self._length = _State.LENGTH, octet - 0x30
        elif octet in (_D, _L):
            self._depth += 1
        elif octet == _E:
            self._depth -= 1
        elif octet == _I:
            self._state = _State.INTEGER
        else:
            raise Broken(self._part(self._at))

    def _read_length(self, octet: int) -> None:
        if octet in _DIGITS:
            self._length = self._length * 10 + octet - 0x30
        if (octet not in _DIGITS and octet != _COLON) or self._at + self._length >= self._longest:
            raise Broken(self._part(self._at + 1))
        self._at += 1
        if octet == _COLON:
            self._state = _State.BENCODE
            self._at += self._length  # may be beyond what has come: the next octet looked at is the one after the string

    def _read_integer(self, octet: int) -> None:
        self._at += 1
        if octet == _E:
            self._state = _State.BENCODE
        elif octet not in _DIGITS and octet != _MINUS:
            raise Broken(self._part(self._at))

    def _read_json(self, _octet: int) -> None:
        found = self._search(_JSON_MARK)
        match found and found[0][0]:
            case None:
                pass
            case octet if octet == _QUOTE:
                self._state = _State.JSON_STRING
            case octet if octet in (_OPEN, _OPEN_LIST):
                self._depth += 1
            case _:
                self._depth -= 1

    def _read_json_string(self, _octet: int) -> None:
        found = self._search(_STRING_MARK)
        if found and found[0][0] == _QUOTE:
            self._state = _State.JSON
        elif found:
            self._at += 1  # the escaped octet too, come or not

    def _search(self, mark: re.Pattern[bytes]) -> re.Match[bytes] | None:
        """Move behind the next mark, or to the end of what has come."""
        end = min(len(self._buffer), self._longest)
        found = mark.search(self._buffer, self._at, end)
        self._at = found.end() if found else end
        self._steps += found is not None
        return found
