"""The states of a session: what follows what, and which command is for when."""

from __future__ import annotations

from enum import Enum

from boringsdp.errors import WrongState


class State(Enum):
    IDLE = "idle"
    """Not started."""

    CALLING = "calling"
    """Outgoing: the INVITE is out, nothing came."""
    PROCEEDING = "proceeding"
    """Outgoing: a provisional response came, perhaps with early dialogs."""
    ANSWERED = "answered"
    """Outgoing: the 2xx made an offer; our answer, in the ACK, is awaited from our owner."""
    CANCELLING = "cancelling"
    """Outgoing: taken back, its final response is awaited."""

    INCOMING = "incoming"
    """Incoming: nothing but 100 was sent."""
    EARLY = "early"
    """Incoming: a provisional response with our tag was sent."""
    ACCEPTING = "accepting"
    """Incoming: accepted, but a provisional response with SDP has first to be acknowledged (RFC 3262 §3)."""
    ACCEPTED = "accepted"
    """Incoming: the 2xx is out, the ACK is awaited."""
    LEAVING = "leaving"
    """Incoming: hung up while the ACK is awaited; BYE follows that or its time limit (RFC 3261 §15.1.1)."""

    CONFIRMED = "confirmed"
    """Both sides know that the call is up."""
    ENDING = "ending"
    """Our BYE is out."""
    ENDED = "ended"
    """Over. An outgoing one lingers for 2xx that come again or from other forks."""


_S = State

TRANSITIONS: dict[State, frozenset[State]] = {
    # from            to: as caller                                                as callee           over
    _S.IDLE:       frozenset({_S.CALLING,                                          _S.INCOMING,                    _S.ENDED}),
    _S.CALLING:    frozenset({_S.PROCEEDING, _S.ANSWERED, _S.CONFIRMED, _S.CANCELLING,          _S.ENDING, _S.ENDED}),
    _S.PROCEEDING: frozenset({_S.CALLING,    _S.ANSWERED, _S.CONFIRMED, _S.CANCELLING,          _S.ENDING, _S.ENDED}),
    _S.ANSWERED:   frozenset({_S.CONFIRMED,                                                     _S.ENDING, _S.ENDED}),
    _S.CANCELLING: frozenset({                                                                  _S.ENDING, _S.ENDED}),
    _S.INCOMING:   frozenset({_S.EARLY,                   _S.ACCEPTED,                                     _S.ENDED}),
    _S.EARLY:      frozenset({_S.ACCEPTING,               _S.ACCEPTED,                                     _S.ENDED}),
    _S.ACCEPTING:  frozenset({                            _S.ACCEPTED,                                     _S.ENDED}),
    _S.ACCEPTED:   frozenset({_S.CONFIRMED,  _S.LEAVING,                                        _S.ENDING, _S.ENDED}),
    _S.LEAVING:    frozenset({                                                                  _S.ENDING, _S.ENDED}),
    _S.CONFIRMED:  frozenset({                                                                  _S.ENDING, _S.ENDED}),
    _S.ENDING:     frozenset({                                                                             _S.ENDED}),
    _S.ENDED:      frozenset(),
}  # fmt: skip
"""CALLING again after PROCEEDING: a 422 made us ask with a longer interval."""

WITH_DIALOG = frozenset({_S.PROCEEDING, _S.ANSWERED, _S.EARLY, _S.ACCEPTING, _S.ACCEPTED, _S.CONFIRMED})
RINGS_HERE = frozenset({_S.INCOMING, _S.EARLY})
OUR_INVITE_OPEN = frozenset({_S.CALLING, _S.PROCEEDING, _S.CANCELLING})
OVER = frozenset({_S.ENDING, _S.ENDED})

COMMANDS: dict[str, frozenset[State]] = {
    "start": frozenset({_S.IDLE}),
    "ring": RINGS_HERE,
    "progress": RINGS_HERE,
    "accept": RINGS_HERE,
    "reject": RINGS_HERE | {_S.ACCEPTING},
    "offer": WITH_DIALOG,
    "answer": WITH_DIALOG,
    "refuse": WITH_DIALOG,
    "request": WITH_DIALOG,
}
"""`hang_up` is for any state."""


def check_command(state: State, command: str) -> None:
    """Raise WrongState unless the command is for that state."""
    if state not in COMMANDS[command]:
        raise WrongState(state.value, " or ".join(sorted(allowed.value for allowed in COMMANDS[command])))
