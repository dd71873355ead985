"""Typed reading of JSON objects at the door: a getter returns a value of the type asked for or raises a `JanusError` with its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, overload

from boringsdp.errors import JanusError

MISSING_ELEMENT = 456
INVALID_ELEMENT = 467

MAX_ID = 2**64 - 1

T = TypeVar("T")


class Elements:
    """
    The members of one JSON object. An absent member and a null are the same: not given.

    `missing` and `invalid` are the codes of the errors raised: 456 and 467 in the core, a plugin's own codes in a plugin
    (`Elements(body, missing=443, invalid=444)`).
    """

    __slots__ = ("_invalid", "_members", "_missing")

    def __init__(self, members: Mapping[str, Any], *, missing: int = MISSING_ELEMENT, invalid: int = INVALID_ELEMENT) -> None:
        self._members = members
        self._missing = missing
        self._invalid = invalid

    def __contains__(self, name: str) -> bool:
        return self._members.get(name) is not None

    def refuse(self, name: str, wanted: str) -> JanusError:
        """The error for a member whose value cannot be used: `wanted` says what would do. For the caller to raise."""
        return JanusError(self._invalid, f"Invalid element type ({name} should be {wanted})", name)

    def require(self, name: str) -> Any:
        """The member, whatever its type. Raises `JanusError` (missing) when it is not given."""
        value = self._members.get(name)
        if value is None:
            raise JanusError(self._missing, f"Missing mandatory element ({name})", name)
        return value

    @overload
    def text(self, name: str) -> str | None: ...
    @overload
    def text(self, name: str, default: str) -> str: ...
    def text(self, name: str, default: str | None = None) -> str | None:
        """A string, or `default` when not given."""
        return self._typed(name, str, "a string", default)

    def required_text(self, name: str) -> str:
        """A string that must be there."""
        self.require(name)
        return self.text(name, "")

    @overload
    def flag(self, name: str) -> bool | None: ...
    @overload
    def flag(self, name: str, default: bool) -> bool: ...
    def flag(self, name: str, default: bool | None = None) -> bool | None:
        """A boolean, or `default` when not given."""
        return self._typed(name, bool, "a boolean", default)

    def integer(self, name: str, *, least: int = 0, most: int = MAX_ID) -> int | None:
        """An integer within `least` and `most`, or None when not given."""
        value = self._members.get(name)
        if value is None:
            return None
        # JSON true is no integer, though Python's bool is an int.
        if type(value) is not int or not least <= value <= most:
            raise self.refuse(name, f"an integer, {least} to {most}" if most != MAX_ID else f"an integer, at least {least}")
        return value

    def identifier(self, name: str) -> int | None:
        """A session or handle id: a positive integer, or None when not given."""
        return self.integer(name, least=1)

    def choice(self, name: str, *allowed: str) -> str | None:
        """A string that is one of `allowed`, or None when not given."""
        value = self.text(name)
        if value is not None and value not in allowed:
            raise self.refuse(name, " or ".join(allowed))
        return value

    def members(self, name: str) -> Mapping[str, Any] | None:
        """A JSON object, or None when not given."""
        return self._typed(name, dict, "an object", None)

    def required_members(self, name: str) -> Mapping[str, Any]:
        """A JSON object that must be there."""
        self.require(name)
        return self.members(name) or {}

    def items(self, name: str) -> tuple[Any, ...] | None:
        """A JSON array, or None when not given."""
        value: list[Any] | None = self._typed(name, list, "an array", None)
        return None if value is None else tuple(value)

    def _typed(self, name: str, kind: type[T], wanted: str, default: T | None) -> T | None:
        value = self._members.get(name)
        if value is None:
            return default
        if type(value) is not kind:
            raise self.refuse(name, wanted)
        return value
