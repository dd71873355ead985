"""What a policy has returned, made sure of: it is somebody else's code."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from boringsdp.b2bua.policy import Decision, Refusal, Route, ToEcho, ToPbx, ToUser

TARGETS = (ToPbx, ToUser, ToEcho)


def decision_of(returned: object) -> Decision:
    """Return the decision, a target by itself as a route to it. Raises TypeError for what is none, ValueError for a code that is none."""
    match returned:
        case ToPbx() | ToUser() | ToEcho():
            return Route(groups=((returned,),))
        case Route():
            return replace(returned, groups=tuple(map(_group, _all(returned.groups, "groups"))), headers=_pairs(returned.headers))
        case Refusal():
            if not isinstance(returned.code, int) or not 300 <= returned.code <= 699:
                raise ValueError(f"a Refusal has a code from 300 to 699, not {returned.code!r}")
            return replace(returned, headers=_pairs(returned.headers))
    raise TypeError(f"a decision is a Route, a Refusal, ToUser, ToPbx or ToEcho, not {_named(returned)}")


def name_of(method: Callable[..., Any]) -> str:
    """Return what is decided by, for a log: `my_routing.Office.from_browser`."""
    return f"{getattr(method, '__module__', '?')}.{getattr(method, '__qualname__', type(method).__name__)}"


def _group(group: object) -> tuple[ToPbx | ToUser | ToEcho, ...]:
    found = _all(group, "a group of a Route")
    wrong = [to for to in found if not isinstance(to, TARGETS)]
    if wrong:
        raise TypeError(f"a group of a Route holds ToUser, ToPbx and ToEcho, not {_named(wrong[0])}")
    return found


def _pairs(headers: object) -> tuple[tuple[str, str], ...]:
    found = _all(headers, "headers")
    if not all(isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(each, str) for each in pair) for pair in found):
        raise TypeError("headers are pairs of texts, name and value")
    return found


def _all(values: object, what: str) -> tuple[Any, ...]:
    if not isinstance(values, Iterable) or isinstance(values, str):
        raise TypeError(f"{what}: wanted a tuple, not {_named(values)}")
    return tuple(values)


def _named(value: object) -> str:
    return "None" if value is None else f"{type(value).__name__} ({value!r:.80})"
