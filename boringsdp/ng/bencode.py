"""Bencoding: bytes to strings, integers, lists and dictionaries, and back. Total and linear; nothing is executed on the way."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from boringsdp.errors import NgError

UNREADABLE = "Could not decode bencode dictionary"

_INTEGER = re.compile(rb"-?(?:0|[1-9][0-9]*)")
_I, _D, _L, _E, _ZERO, _NINE = b"idle09"
# As in `b"idle"`: i, d, l, e.


@dataclass(slots=True, frozen=True)
class BencodeLimits:
    """What a message may hold: levels of lists and dictionaries, values in all, digits of one integer."""

    depth: int = 32
    values: int = 20_000
    digits: int = 64


LIMITS = BencodeLimits()
INT64 = 1 << 63
_LENGTH_DIGITS = 9


def parse_bencode(data: bytes, limits: BencodeLimits = LIMITS) -> Any:
    """
    Return the first value in `data`: str, int, list or dict with str keys; what follows it is not looked at, as rtpengine does.

    Octets that are not UTF-8 become lone surrogates and `write_bencode` makes them again. Of a key that stands twice the first counts.
    Integers beyond 64 bits become the nearest that fits. Raises NgError.
    """
    value, _ = _Parser(data, limits).value(0, limits.depth)
    return value


class _Parser:
    def __init__(self, data: bytes, limits: BencodeLimits) -> None:
        self._data = data
        self._limits = limits
        self._left = limits.values

    def value(self, at: int, depth: int) -> tuple[Any, int]:
        """Return the value at `at` and where it ends."""
        data = self._data
        self._left -= 1
        if at >= len(data) or self._left < 0:
            raise NgError(UNREADABLE)
        first = data[at]
        if _ZERO <= first <= _NINE:
            return self._string(at)
        if first == _I:
            return self._integer(at)
        if depth == 0:
            raise NgError(UNREADABLE)
        if first == _D:
            return self._dictionary(at + 1, depth - 1)
        if first == _L:
            return self._list(at + 1, depth - 1)
        raise NgError(UNREADABLE)

    def _string(self, at: int) -> tuple[str, int]:
        data = self._data
        colon = data.find(b":", at, at + _LENGTH_DIGITS + 1)
        digits = data[at:colon]
        if colon < 0 or not digits.isdigit() or (len(digits) > 1 and digits[0] == _ZERO):
            raise NgError(UNREADABLE)
        end = colon + 1 + int(digits)
        if end > len(data):
            raise NgError(UNREADABLE)
        return data[colon + 1 : end].decode("utf-8", "surrogateescape"), end

    def _integer(self, at: int) -> tuple[int, int]:
        end = self._data.find(b"e", at + 1, at + self._limits.digits + 3)
        if end < 0 or not _INTEGER.fullmatch(self._data, at + 1, end):
            raise NgError(UNREADABLE)
        return max(-INT64, min(INT64 - 1, int(self._data[at + 1 : end]))), end + 1

    def _list(self, at: int, depth: int) -> tuple[list[Any], int]:
        found = []
        while self._data[at : at + 1] != b"e":
            value, at = self.value(at, depth)
            found.append(value)
        return found, at + 1

    def _dictionary(self, at: int, depth: int) -> tuple[dict[str, Any], int]:
        data, size = self._data, len(self._data)
        found: dict[str, Any] = {}
        while at < size and _ZERO <= data[at] <= _NINE:
            key, at = self._string(at)
            value, at = self.value(at, depth)
            found.setdefault(key, value)
        if at >= size or data[at] != _E:
            raise NgError(UNREADABLE)
        return found, at + 1


def write_bencode(value: Any) -> bytes:
    """
    Return a value of str, bytes, int, bool, None, float, sequences and mappings as bencode; keys in the order they stand.

    There are no others in bencode, so True is 1, None an empty string, and a float its text unless it is whole.
    """
    parts: list[bytes] = []
    _write(value, parts)
    return b"".join(parts)


def _write(value: Any, parts: list[bytes]) -> None:
    """By exact type first: nearly all values are of these four."""
    kind = type(value)
    if kind is str:
        parts.append(_written(value))
    elif kind is int:
        parts.append(b"i%de" % value)
    elif kind is dict:
        parts.append(b"d")
        for key, part in value.items():
            parts.append(_known(key) if type(key) is str else _written(str(key)))
            _write(part, parts)
        parts.append(b"e")
    elif kind is list:
        parts.append(b"l")
        for part in value:
            _write(part, parts)
        parts.append(b"e")
    else:
        _write_other(value, parts)


def _write_other(value: Any, parts: list[bytes]) -> None:
    if isinstance(value, str):
        parts.append(_written(value))
    elif isinstance(value, bytes):
        parts.append(b"%d:%b" % (len(value), value))
    elif isinstance(value, float) and not value.is_integer():
        parts.append(_written(repr(value)))
    elif isinstance(value, (int, float)):
        parts.append(b"i%de" % int(value))
    elif value is None:
        parts.append(b"0:")
    elif isinstance(value, Mapping):
        _write(dict(value), parts)
    else:
        _write(list(value), parts)


def _written(text: str) -> bytes:
    data = text.encode() if text.isascii() else octets(text)
    return b"%d:%b" % (len(data), data)


_known = functools.lru_cache(maxsize=256)(_written)
"""For keys: replies have the same few dozen."""


def octets(text: str) -> bytes:
    """Return the octets that `text` was read from; a surrogate that stands for none becomes a question mark."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
