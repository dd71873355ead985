"""Assertions in our words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

Event = TypeVar("Event")


def matching(events: Iterable[object], kind: type[Event], **facts: Any) -> list[Event]:
    """The events of a kind whose named fields have these values, in order."""
    return [event for event in events if isinstance(event, kind) and all(getattr(event, name) == value for name, value in facts.items())]


def assert_happened(events: Sequence[object], kind: type[Event], **facts: Any) -> Event:
    """Exactly one such event is there; it is returned."""
    found = matching(events, kind, **facts)
    assert len(found) == 1, f"{len(found)} times {kind.__name__} {facts} in {list(events)}"
    return found[0]


def assert_not_happened(events: Sequence[object], kind: type[Event], **facts: Any) -> None:
    found = matching(events, kind, **facts)
    assert not found, f"unexpected {found}"


def assert_sent(actions: Sequence[object], what: str) -> object:
    """Exactly one action's text or type name contains `what`; it is returned."""
    found = [action for action in actions if what in type(action).__name__ or what in str(action)]
    assert len(found) == 1, f"{len(found)} times {what!r} in {list(actions)}"
    return found[0]
