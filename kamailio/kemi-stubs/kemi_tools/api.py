"""What a Kamailio exports to KEMI, as its RPC command `app_python.api_list` prints it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

TYPES = {"str": "str", "int": "int"}
RETURNS = {"int": "int", "bool": "bool", "none": "None", "xval": "Value"}
"""KEMI's return types: `xval` is a string, a number or null; `int` is above 0 for true and below for false."""

_FIELD = re.compile(r"(ret|module|name|params):[ \t]*(.*)")


@dataclass(slots=True, frozen=True, order=True)
class Function:
    """One exported function: `module` is empty for those of KSR itself; `parameters` are `str` or `int`; `returns` is KEMI's word."""

    module: str
    name: str
    parameters: tuple[str, ...]
    returns: str


def parse_api_list(text: str) -> Iterator[Function]:
    """Yield the functions of what `kamcmd app_python.api_list` printed. Raises ValueError for a type it does not know."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        match = _FIELD.fullmatch(line.strip())
        if match is None:
            continue
        fields[match[1]] = match[2].strip()
        if match[1] == "params":  # the last of each
            yield _function(fields)
            fields = {}


def _function(fields: dict[str, str]) -> Function:
    words = fields["params"]
    parameters = () if words in ("", "none") else tuple(word.strip() for word in words.split(","))
    if unknown := {*parameters} - TYPES.keys():
        raise ValueError(f"KSR.{fields['module']}.{fields['name']}: unknown parameter types {sorted(unknown)}")
    if fields["ret"] not in RETURNS:
        raise ValueError(f"KSR.{fields['module']}.{fields['name']}: unknown return type {fields['ret']}")
    return Function(fields["module"], fields["name"], parameters, fields["ret"])


def by_module(functions: Iterable[Function]) -> dict[str, list[Function]]:
    """Return the functions of each module, sorted; KSR's own under the empty name."""
    modules: dict[str, list[Function]] = {}
    for function in sorted(set(functions)):
        modules.setdefault(function.module, []).append(function)
    return modules
