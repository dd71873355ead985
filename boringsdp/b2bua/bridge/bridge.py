"""One call: its two sides, what ties them, and how it ends."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from boringsdp.b2bua.bridge.side import Side

if TYPE_CHECKING:
    from boringsdp.b2bua.plan import Plan
    from boringsdp.sip.facades import Session

Lines = Iterable[tuple[str, str]]


class State(enum.Enum):
    """How far a call is."""

    DIALING = "dialing"
    """Somebody is being called."""
    ANSWERING = "answering"
    """The callee has answered with an offer; the caller's answer is awaited."""
    TALKING = "talking"
    OVER = "over"


class Bridge:
    """
    `caller` and `callee` (None before an answer) may be replaced by `put`: another dialog takes the place of one, the call goes on.

    What their sessions tell comes to `hear(side, event)`.
    """

    caller: Side
    callee: Side | None
    state: State

    def start(self, plan: Plan) -> None:
        """Call whom the plan names."""
        raise NotImplementedError

    def side_of(self, session: Session) -> Side | None:
        """The side that a session is of."""
        raise NotImplementedError

    def other(self, side: Side) -> Side | None:
        """The side across."""
        raise NotImplementedError

    def put(self, side: Side, old: Side) -> None:
        """Let a side take the place of `old`, whose session is to be ended by who does this and is not heard any more."""
        raise NotImplementedError

    def hear(self, side: Side, event: Any) -> None:
        """Take news of a side's session."""
        raise NotImplementedError

    def hang_up(self, reason: str, *, code: int = 487, headers: Lines = ()) -> None:
        """End the call on both sides; `reason` is for the record, `headers` (Reason) for both peers."""
        raise NotImplementedError

    def let_go(self) -> None:
        """Forget both sides without a word to them: they are somebody else's now. The record is told."""
        raise NotImplementedError
