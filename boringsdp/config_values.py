"""Values of the configuration: from a flag's or variable's text, from TOML, and back to TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any


class Lists(dict[str, tuple[str, ...]]):
    """The type of a table whose values are lists of texts."""


_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def from_text(kind: type, text: str) -> Any:
    """
    Return what a flag's or variable's text says; ValueError when it says nothing of this kind.

    Lists are separated by commas, maps are `from=to` pairs separated by commas, and lists in a map are separated by slashes, `a=x/y,b=z`;
    or all as in TOML.
    """
    text = text.strip()
    if kind is bool:
        if text.lower() not in _WORDS:
            raise ValueError(f"wanted true or false, not {text!r}")
        return _WORDS[text.lower()]
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            raise ValueError(f"wanted a {'whole ' if kind is int else ''}number, not {text!r}") from None
    if (kind is tuple and text.startswith("[")) or (kind in (dict, Lists) and text.startswith("{")):
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            raise ValueError(f"wanted {_ARTICLES[kind]} as in TOML or separated by commas, not {text!r}") from None
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if kind is tuple:
        return parts
    if kind in (dict, Lists):
        pairs = [part.partition("=") for part in parts]
        if any(not sign for _, sign, _ in pairs):
            raise ValueError(f"wanted from=to pairs separated by commas, not {text!r}")
        found = {left.strip(): right.strip() for left, _, right in pairs}
        return found if kind is dict else {name: [value.strip() for value in text.split("/")] for name, text in found.items()}
    return text


_ARTICLES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    tuple: "a list of texts",
    dict: "a table of texts",
    Lists: "a table of lists of texts",
}


def typed(kind: type, value: Any) -> Any:
    """Return `value` as the frozen type of its key; ValueError when TOML gave another type."""
    wrong = ValueError(f"wanted {_ARTICLES[kind]}, not {value!r}")
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is tuple:
        if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
            raise wrong
        return tuple(value)
    if kind is dict:
        if not isinstance(value, dict) or not all(isinstance(part, str) for part in value.values()):
            raise wrong
        return MappingProxyType(dict(value))
    if kind is Lists:
        if not isinstance(value, dict):
            raise wrong
        lists = {name: [part] if isinstance(part, str) else part for name, part in value.items()}
        if not all(isinstance(part, list) and all(isinstance(text, str) for text in part) for part in lists.values()):
            raise wrong
        return MappingProxyType({name: tuple(part) for name, part in lists.items()})
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        raise wrong
    return value


def to_toml(value: Any) -> str:
    """Return a value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, tuple):
        return "[" + ", ".join(to_toml(part) for part in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{to_toml(name)} = {to_toml(part)}" for name, part in value.items()) + "}"
    return str(value)
