"""
Whose turn it is: the offer/answer state between party A and one branch (RFC 3264 §4, RFC 6337) as a core. It knows no SDP, only who has
offered.

The states and what moves them (`TRANSITIONS` is the whole truth; the docs draw their diagram from it):

    IDLE ──offer──▶ OFFERED ──answer──▶ STABLE ──offer──▶ REOFFERED ──answer──▶ STABLE
                       │ offer by the same party: replaces the pending one
                       │ reject: back to IDLE or STABLE
    any ──close──▶ CLOSED

An offer by the other party while one is pending is glare (RFC 3261 §14.1): it raises `WrongState` and changes nothing. Answers may come
several times while forked branches ring: each answer after the first is accepted in STABLE as long as no new offer was made.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from boringsdp.call.events import Party
from boringsdp.errors import WrongState


class Shape(enum.Enum):
    """How the legs of a call are joined; decided by its first offer."""

    UNDECIDED = "undecided"
    PAIR = "pair"
    ECHO = "echo"


class State(enum.Enum):
    IDLE = "idle"
    """Nothing offered yet."""
    OFFERED = "offered"
    """The first offer waits for its answer."""
    STABLE = "stable"
    """An answer is in force."""
    REOFFERED = "reoffered"
    """An answer is in force and a new offer waits."""
    CLOSED = "closed"


class Move(enum.Enum):
    OFFER = "offer"
    ANSWER = "answer"
    REJECT = "reject"
    CLOSE = "close"


TRANSITIONS: dict[tuple[State, Move], State] = {
    (State.IDLE, Move.OFFER): State.OFFERED,
    (State.OFFERED, Move.OFFER): State.OFFERED,
    (State.OFFERED, Move.ANSWER): State.STABLE,
    (State.OFFERED, Move.REJECT): State.IDLE,
    (State.STABLE, Move.OFFER): State.REOFFERED,
    (State.STABLE, Move.ANSWER): State.STABLE,
    (State.REOFFERED, Move.OFFER): State.REOFFERED,
    (State.REOFFERED, Move.ANSWER): State.STABLE,
    (State.REOFFERED, Move.REJECT): State.STABLE,
    **{(state, Move.CLOSE): State.CLOSED for state in State},
}


@dataclass(slots=True, frozen=True)
class NoAnswer:
    """The pending offer was not answered in time; it is dropped, the state is what it was before the offer."""

    offerer: Party
    after: float


class Negotiation:
    """The machine. `now` is monotonic seconds; `answer_timeout_s` bounds how long an offer may wait, 0 does not."""

    def __init__(self, answer_timeout_s: float) -> None:
        self.state = State.IDLE
        self.offerer: Party | None = None
        self._answer_timeout_s = answer_timeout_s
        self._deadline: float | None = None

    @classmethod
    def agreed(cls, answer_timeout_s: float) -> Negotiation:
        """One between two that have agreed elsewhere, each by itself."""
        made = cls(answer_timeout_s)
        made.state, made.offerer = State.STABLE, Party.A
        return made

    @property
    def pending(self) -> Party | None:
        """Who waits for an answer now."""
        return self.offerer if self.state in (State.OFFERED, State.REOFFERED) else None

    def check_offer(self, by: Party) -> None:
        """Raise `WrongState` when `by` may not offer now: the call is closed, or the other party's offer is pending (glare)."""
        if self.state is State.CLOSED:
            raise WrongState(self.state.value, "an open call")
        if self.pending is by.other:
            raise WrongState(f"{self.state.value} by the other party", "its answer first (glare)")

    def offer(self, by: Party, now: float) -> None:
        """Note that `by` has offered. Raises `WrongState` as `check_offer`."""
        self.check_offer(by)
        self.offerer = by
        self._move(Move.OFFER, now)

    def check_answer(self, by: Party) -> None:
        """Raise `WrongState` when there is no offer that `by` could answer."""
        if (self.state, Move.ANSWER) not in TRANSITIONS or self.offerer is not by.other:
            raise WrongState(self.state.value, "an offer to answer")

    def answer(self, by: Party, now: float) -> None:
        """Note that `by` has answered. Raises `WrongState` when there is no offer of the other party."""
        self.check_answer(by)
        self._move(Move.ANSWER, now)

    def reject(self, now: float) -> None:
        """Drop the pending offer; what was in force before stays in force."""
        if self.pending is None:
            raise WrongState(self.state.value, "a pending offer")
        self._move(Move.REJECT, now)

    def close(self, now: float) -> None:
        """End the negotiation for good."""
        self._move(Move.CLOSE, now)

    def tick(self, now: float) -> list[NoAnswer]:
        if self._deadline is None or now < self._deadline or self.offerer is None:
            return []
        offerer = self.offerer
        self.reject(now)
        return [NoAnswer(offerer, self._answer_timeout_s)]

    def deadline(self) -> float | None:
        return self._deadline

    def _move(self, move: Move, now: float) -> None:
        self.state = TRANSITIONS[self.state, move]
        waits = self._answer_timeout_s and self.state in (State.OFFERED, State.REOFFERED)
        self._deadline = now + self._answer_timeout_s if waits else None
