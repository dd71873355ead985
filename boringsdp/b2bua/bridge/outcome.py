"""What an attempt came to, and which of several failures the caller is told. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from boringsdp.sip.message import Response

if TYPE_CHECKING:
    from boringsdp.b2bua.plan import Attempt

NO_ANSWER = 480
CHALLENGES = (401, 407)


@dataclass(slots=True, frozen=True)
class Outcome:
    """A failure. `response` is None for what was found out here; `attempt` for what concerns none."""

    code: int
    reason: str
    attempt: Attempt | None
    response: Response | None = None
    rang: bool = False
    unreached: bool = False
    """There was no response at all: `reason` says why, and where."""


def is_unreachable(outcome: Outcome) -> bool:
    """Whether nobody has been reached at the address of an attempt, so that another address of the same may do (RFC 3263 §4.3)."""
    return outcome.code == 503 or (outcome.code in (408, 502, 504) and not outcome.rang)


def is_final(outcome: Outcome) -> bool:
    """Whether nobody else is to be tried: declined everywhere (RFC 3261 §21.6), or who calls has to say more first."""
    return outcome.code >= 600 or (outcome.code in CHALLENGES and outcome.response is not None)


def better(one: Outcome | None, other: Outcome) -> Outcome:
    """Return the one that the caller is told (RFC 3261 §16.7): a 6xx, a challenge, else the lowest class, else the first."""
    return other if one is None or _rank(other) < _rank(one) else one


def _rank(outcome: Outcome) -> int:
    if is_final(outcome):
        return 0 if outcome.code >= 600 else 1
    if outcome.code < 400:
        return 2
    if outcome.code in (480, 408, 487, 404):
        return 4  # that somebody is away says less than that he is busy
    return 3 if outcome.code < 500 else 5
