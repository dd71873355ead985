"""
What the cores ask for, one layer of the next.

A **usage** (a session, a registration, a subscription, a single request) returns the actions of the first group to the user agent, which
turns them into transactions; transactions return those of the second.

A usage answers to

    receive_request(request, transaction, now) -> list[Action]       a request within its dialog; ACK too (transaction None)
    receive_response(exchange, response, now) -> list[Action]        any response, provisional too; failures as local 408 and 503
    tick(now) -> list[Action]        deadline() -> float | None

and never sees Via, challenges, redirects followed, or locations: those are the exchange's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from boringsdp.sip.flow import Destination, Flow
from boringsdp.sip.message import Message, Request, Response


class Sequence:
    """The CSeq numbers of one side of a dialog, or of a registration: a challenged request is sent again under the next one."""

    __slots__ = ("number",)

    def __init__(self, number: int = 0) -> None:
        self.number = number

    def next(self) -> int:
        self.number += 1
        return self.number


# --- of a usage, to the user agent ---------------------------------------------------------------------------------------------------


@dataclass(slots=True, frozen=True)
class Ask:
    """
    Send a request and tell what comes back under `exchange`, a number that the usage chooses and has not used before.

    The request is whole but for Via, Max-Forwards, User-Agent and credentials. Its CSeq is `sequence.number` at the time of asking.
    """

    exchange: int
    request: Request
    sequence: Sequence
    flow: Flow | None = None
    """The way to take instead of one that Route and Request-URI lead to."""
    contact: str | None = None
    """Our Contact is to be there, with these parameters, also where the request's method wants none."""


@dataclass(slots=True, frozen=True)
class Cancel:
    """Take back the INVITE of an exchange: CANCEL goes out once a provisional response has come. Its final response is told as ever."""

    exchange: int
    headers: tuple[tuple[str, str], ...] = ()
    at_once: bool = False
    """Without waiting for a provisional response, as before RFC 3261."""


@dataclass(slots=True, frozen=True)
class Acknowledge:
    """Send the ACK of a 2xx, with the credentials that the exchange's INVITE had. Not answered and not repeated by itself."""

    exchange: int
    request: Request


@dataclass(slots=True, frozen=True)
class Reply:
    """Answer a request. Via, From, To, Call-ID and CSeq are put there from the request; a To with our tag in it stays."""

    transaction: int
    response: Response


@dataclass(slots=True, frozen=True)
class Tell:
    """News for whoever owns the usage."""

    event: Any


@dataclass(slots=True, frozen=True)
class Done:
    """The usage is over: forget it. Always its last action."""


UsageAction = Ask | Cancel | Acknowledge | Reply | Tell | Done


# --- of the transactions, to the user agent and its shell ----------------------------------------------------------------------------


@dataclass(slots=True, frozen=True)
class Transmit:
    """Put a message on the wire. `transaction` is told when that fails (`Transactions.failed`); None: nobody is."""

    message: Message
    data: bytes = field(repr=False)
    to: Destination
    transaction: int | None = None


class RequestReceived(NamedTuple):
    """A request that is no retransmission. `transaction` is what replies name; None for ACK. CANCEL of one is `Cancelled` as well."""

    request: Request
    flow: Flow
    transaction: int | None


class ResponseReceived(NamedTuple):
    """A response to our request, provisional or final; `local` ones (408, 503) stand for failures."""

    transaction: int
    response: Response


class AgainReceived(NamedTuple):
    """A 2xx to an INVITE after the first: a retransmission, or another fork's (RFC 6026 §7.2). `transaction` as before, or None if gone."""

    transaction: int | None
    response: Response


class Cancelled(NamedTuple):
    """The peer has cancelled this INVITE (server) transaction before its final response; the CANCEL has been answered."""

    transaction: int
    cancel: Request


class ReplyFailed(NamedTuple):
    """Our final response to an INVITE was never acknowledged (timer H) or could not be sent."""

    transaction: int


TransactionAction = Transmit | RequestReceived | ResponseReceived | AgainReceived | Cancelled | ReplyFailed
