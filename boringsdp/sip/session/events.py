"""
What a session tells its owner.

Every session ends with exactly one of `Failed`, `Cancelled` and `Ended`; nothing but late `RequestAnswered` follows. `tag` is the peer's
tag: it names the dialog, which matters while an outgoing call rings in several places.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from boringsdp.sip.message import Message, Request, Response


class By(Enum):
    """Who ended a session."""

    LOCAL = "local"
    """Our own command."""
    REMOTE = "remote"
    """The peer's BYE, or its 481 or 408 to a request in the dialog."""
    TIMER = "timer"
    """Session timer, no ACK, no PRACK, no answer to a request in the dialog."""
    FORK = "fork"
    """Of an early dialog: another one was answered."""


# --- an outgoing call, until it is answered ------------------------------------------------------------------------------------------


@dataclass(slots=True, frozen=True)
class Proceeding:
    """A provisional response that is neither ringing nor early media: 100, 181, 182, 183 without SDP, 199."""

    code: int
    reason: str
    response: Response
    tag: str = ""


@dataclass(slots=True, frozen=True)
class Ringing:
    """180, with or without SDP; with one, `EarlyMedia` follows."""

    response: Response
    tag: str = ""


@dataclass(slots=True, frozen=True)
class EarlyMedia:
    """An answer before the call is answered. `final`: it came reliably, so that the 2xx of this dialog repeats it or has none."""

    sdp: bytes
    response: Response
    tag: str = ""
    final: bool = False


@dataclass(slots=True, frozen=True)
class DialogMade:
    """An early dialog, or the dialog of a 2xx without one: media of this tag may come."""

    tag: str
    message: Message


@dataclass(slots=True, frozen=True)
class DialogEnded:
    """An early dialog that did not become the call, or did and is over."""

    tag: str
    by: By = By.FORK


@dataclass(slots=True, frozen=True)
class Answered:
    """
    A 2xx came. `sdp` is the answer that holds from now on: of the 2xx, or of the reliable provisional response of the same dialog.

    None after an INVITE without offer: then `OfferReceived` follows, and `answer` sends the ACK (unless PRACK had the answer before).
    """

    sdp: bytes | None
    response: Response
    tag: str = ""


@dataclass(slots=True, frozen=True)
class Failed:
    """The outgoing call was refused, or never answered (408, 503 of our own making). `response` has the Contacts of a 3xx."""

    code: int
    reason: str
    response: Response | None = None


# --- an incoming call ----------------------------------------------------------------------------------------------------------------


@dataclass(slots=True, frozen=True)
class Cancelled:
    """The incoming call was taken back before it was accepted. `reason` is the Reason header (RFC 3326), may be empty."""

    request: Request | None
    reason: str = ""


@dataclass(slots=True, frozen=True)
class Confirmed:
    """The ACK of our 2xx to the first INVITE. `sdp` is the answer to the offer that our 2xx made, else None."""

    sdp: bytes | None
    request: Request


# --- offers and answers --------------------------------------------------------------------------------------------------------------


@dataclass(slots=True, frozen=True)
class OfferReceived:
    """
    An offer of the peer, to be answered by `answer` or `refuse`; its `tag` goes with those.

    `sdp` None: a re-INVITE without offer; `answer` then makes the offer, and `AnswerReceived` follows. `message` is the INVITE, UPDATE or
    PRACK, or the response to our INVITE without offer (a reliable provisional one or 2xx).
    """

    sdp: bytes | None
    message: Message
    tag: str = ""


@dataclass(slots=True, frozen=True)
class AnswerReceived:
    """The answer to our offer: in a response to re-INVITE, UPDATE or PRACK, in a PRACK, in the ACK of a re-INVITE."""

    sdp: bytes
    message: Message
    tag: str = ""


@dataclass(slots=True, frozen=True)
class OfferRefused:
    """Our offer was refused; what was agreed before holds (RFC 6337 §3.4). 491 is not told: the offer is made again by itself."""

    code: int
    reason: str
    response: Response | None
    tag: str = ""


@dataclass(slots=True, frozen=True)
class OfferWithdrawn:
    """The peer cancelled its re-INVITE before we answered it: what was agreed before holds."""

    message: Message
    tag: str = ""


@dataclass(slots=True, frozen=True)
class Refreshed:
    """
    A re-INVITE or UPDATE that changed no SDP has been answered: of the session timer (RFC 4028), or a new Contact of the peer.

    `message` is the peer's request, or the response to ours.
    """

    by: By
    message: Message


# --- the dialog ----------------------------------------------------------------------------------------------------------------------


@dataclass(slots=True, frozen=True)
class RequestReceived:
    """INFO, MESSAGE, REFER, NOTIFY or any other request in the dialog that the session has no opinion on; to be answered by the hearer."""

    request: Request
    transaction: int
    tag: str = ""


@dataclass(slots=True, frozen=True)
class RequestAnswered:
    """The final response to what `request` sent."""

    number: int
    response: Response


@dataclass(slots=True, frozen=True)
class Ended:
    """
    The session is over.

    `code` is that of the response that ended it (200 for BYE), `reason` its text or that of the Reason header, `message` the BYE or
    the response.
    """

    by: By
    code: int
    reason: str
    message: Message | None = None


SessionEvent = (
    Proceeding | Ringing | EarlyMedia | DialogMade | DialogEnded | Answered | Failed | Cancelled | Confirmed
    | OfferReceived | AnswerReceived | OfferRefused | OfferWithdrawn | Refreshed | RequestReceived | RequestAnswered | Ended
)  # fmt: skip
