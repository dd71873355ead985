"""One NG message: a cookie, a space, and a dictionary in bencode or JSON."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

import msgspec

from boringsdp.errors import NgError
from boringsdp.ng.bencode import LIMITS, octets, parse_bencode, write_bencode

NO_PAYLOAD = "Invalid data (no payload)"
BAD_FORMAT = "Invalid NG data format"
BAD_JSON = "Failed to parse JSON document"
NOT_A_DICTIONARY = "Could not decode JSON dictionary"


class Format(enum.Enum):
    """How the dictionary is written; the reply is written like the request."""

    BENCODE = "bencode"
    JSON = "json"


def split_cookie(data: bytes, longest: int = 512) -> tuple[bytes, bytes] | None:
    """Return cookie and body, None when there is no cookie: no space, a space in front, or more than `longest` octets before it."""
    at = data.find(b" ", 0, longest + 1)
    return None if at <= 0 else (data[:at], data[at + 1 :])


def format_of(body: bytes) -> Format:
    """Return how a body is written, by its first octet; bencode when it is neither, for that is how the refusal is then written."""
    return Format.JSON if body[:1] == b"{" else Format.BENCODE


def parse_body(body: bytes) -> dict[str, Any]:
    """
    Return the dictionary of a request: str keys, and values of str, int, list and dict.

    In JSON, true and false are 1 and 0 and a number with a fraction is its text; of a key that stands twice the last counts, in bencode the
    first. Raises NgError with the reason word for word as callers know it.
    """
    match body[:1]:
        case b"":
            raise NgError(NO_PAYLOAD)
        case b"d":
            value = parse_bencode(body)
            assert isinstance(value, dict)
            return value
        case b"{":
            return _parse_json(body)
    raise NgError(BAD_FORMAT)


def _parse_json(body: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(body)
    except (ValueError, RecursionError) as error:
        raise NgError(BAD_JSON) from error
    left = LIMITS.values

    def plain(value: Any, depth: int) -> Any:
        nonlocal left
        left -= 1
        if left < 0 or depth < 0 or value is None:
            raise NgError(NOT_A_DICTIONARY)
        match value:
            case dict():
                return {_text(key): plain(part, depth - 1) for key, part in value.items()}
            case list():
                return [plain(part, depth - 1) for part in value]
            case str():
                return _text(value)
            case float():
                return int(value) if value.is_integer() and abs(value) < 1e18 else repr(value)
        return int(value)

    found = plain(value, LIMITS.depth)
    if not isinstance(found, dict):
        raise NgError(NOT_A_DICTIONARY)
    return found


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise NgError(BAD_JSON) from error  # half of a surrogate pair
    return text


def write_body(reply: Mapping[str, Any], form: Format) -> bytes:
    """Return a reply's dictionary; never fails on text that a client brought."""
    if form is Format.BENCODE:
        return write_bencode(reply)
    try:
        return msgspec.json.encode(reply)
    except UnicodeEncodeError:
        return msgspec.json.encode(_printable(reply))


def _printable(value: Any) -> Any:
    """JSON is UTF-8: octets of a bencode client that are not are replaced."""
    match value:
        case str():
            return octets(value).decode("utf-8", "replace")
        case dict():
            return {_printable(key): _printable(part) for key, part in value.items()}
        case list() | tuple():
            return [_printable(part) for part in value]
    return value


def refusal(reason: str) -> dict[str, Any]:
    """Return the reply to a request that cannot be served."""
    return {"result": "error", "error-reason": reason}
