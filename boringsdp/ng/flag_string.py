"""The key `rtpp-flags`: a proxy's whole flag string, left to us to read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

FlagValue = str | Sequence["FlagValue"] | Mapping[str, "FlagValue"]
"""A word, a list `[a b]`, or a dictionary `[a=b c=d]`."""

MAX_DEPTH = 8
"""Brackets within brackets; deeper ones are read as if they were not there."""

_TOKEN = re.compile(r"\s*(\]|(?:([^\s=\[\]]+)=)?(\[(?![0-9A-Fa-f:.]+\]:\d)|[^\s\]\[]*(?:\[[0-9A-Fa-f:.]+\]:\d+)?[^\s\]]*))")
"""One step: a closing bracket, or an optional `key=` and then an opening bracket or a word (which may be `[IPv6]:port`)."""

_Entry = tuple[str, FlagValue | None]


def parse_flag_string(text: str) -> list[_Entry]:
    """
    Return the entries of a flag string in their order: (`key`, value) for `key=value`, (`word`, None) for a bare word.

    Brackets may be nested; what a bracket holds is a dictionary when its first entry has a key. Total: missing or surplus brackets are
    forgiven. Linear in the text.
    """
    stack: list[tuple[str, list[_Entry]]] = [("", [])]
    too_deep = 0
    position = 0
    while (match := _TOKEN.match(text, position)) is not None:
        token, key, value = match.group(1), match.group(2) or "", match.group(3)
        if match.end() == position or not token:
            if match.end() >= len(text):
                break
            position = match.end() + 1  # a character that fits nowhere
            continue
        position = match.end()
        if token == "]":
            if too_deep:
                too_deep -= 1
            elif len(stack) > 1:
                _close(stack)
        elif value == "[":
            if len(stack) > MAX_DEPTH:
                too_deep += 1
            else:
                stack.append((key, []))
        else:
            stack[-1][1].append((key, value) if key else (value, None))
    while len(stack) > 1:
        _close(stack)
    return stack[0][1]


def _close(stack: list[tuple[str, list[_Entry]]]) -> None:
    """Make what the innermost bracket holds the value of its key, in the bracket around it."""
    key, entries = stack.pop()
    value: FlagValue
    if entries and entries[0][0] and entries[0][1] is not None:
        value = {name: "" if each is None else each for name, each in entries}
    else:
        value = [name if each is None else each for name, each in entries]
    stack[-1][1].append((key, value))
