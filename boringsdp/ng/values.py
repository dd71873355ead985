"""What a value of an NG dictionary means, whatever type the sender gave it. All functions are total."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

MAX_WORDS = 1024
"""Members of one list that are looked at."""
_MAX_NUMBER = 1 << 63


def spelled(name: str) -> str:
    """Return a key, flag or command as we compare it: spaces and underscores are hyphens."""
    return name.strip().replace(" ", "-").replace("_", "-")


def text_of(value: Any) -> str:
    """Return a single value as text; the first of a list; empty for what cannot be text."""
    if isinstance(value, str):
        return value
    while isinstance(value, list | tuple):
        value = value[0] if value else None
    match value:
        case str():
            return value
        case bool():
            return "yes" if value else "no"
        case int():
            return str(value) if -_MAX_NUMBER < value < _MAX_NUMBER else ""
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < _MAX_NUMBER else str(value)
        case _:
            return ""


def number_of(value: Any) -> int | None:
    """Return a single value as a whole number, None when it is not one."""
    text = text_of(value).strip()
    digits = text[1:] if text[:1] in {"-", "+"} else text
    return int(text) if digits.isascii() and digits.isdecimal() and len(digits) <= 18 else None


def words_of(value: Any) -> list[str]:
    """
    Return a value as a list of words: a list's members as they are, a string's parts between white space.

    A dictionary's words are its keys, so that `{"trust-address": 1}` means what it looks like.
    """
    if isinstance(value, str):
        return value.split()[:MAX_WORDS]
    if isinstance(value, Mapping):
        return [key for key in list(value)[:MAX_WORDS] if isinstance(key, str)]
    if isinstance(value, list | tuple):
        return [text for each in value[:MAX_WORDS] if (text := text_of(each))]
    text = text_of(value)
    return [text] if text else []


def members_of(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield a dictionary's entries with text keys; nothing for another type."""
    if isinstance(value, Mapping):
        for key, each in list(value.items())[:MAX_WORDS]:
            if isinstance(key, str):
                yield key, each


def host_of(value: Any) -> str:
    """Return the first numeric IP address among a value's words (`IP4 192.0.2.1`, `["IP6", "2001:db8::1"]`), empty when there is none."""
    for word in words_of(value):
        for candidate in (word, word.strip("[]"), word.partition(":")[2]):
            if len(candidate) > 45 or "%" in candidate:
                continue
            try:
                return str(ipaddress.ip_address(candidate))
            except ValueError:
                continue
    return ""


def endpoint_of(value: Any) -> tuple[str, int] | None:
    """Return `192.0.2.1:9090` or `[2001:db8::1]:9090` as (address, port), None when it is neither."""
    host, _, port = text_of(value).strip().rpartition(":")
    number = number_of(port)
    address = host_of([host]) if host else ""
    return (address, number) if address and number is not None and 0 < number < 65536 else None
