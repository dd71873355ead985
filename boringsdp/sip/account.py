"""An account: under which name and through whom requests go out, what comes in for it, and what its owner is told."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from boringsdp.sip.flow import Flow, Protocol
from boringsdp.sip.message import Request
from boringsdp.sip.notifier import NotifierEnded, NotifierRefreshed
from boringsdp.sip.refer import ReferAccepted, ReferEnded, ReferFailed, ReferProgress
from boringsdp.sip.register import Registered, RegistrationFailed, Unregistered
from boringsdp.sip.session.events import RequestAnswered
from boringsdp.sip.subscription import NotifyReceived, SubscriptionActive, SubscriptionEnded, SubscriptionFailed

if TYPE_CHECKING:
    from boringsdp.sip.digest import Credentials
    from boringsdp.sip.facades import Incoming, NotifierHandle, Refer, Session
    from boringsdp.sip.uri import SipUri

HeaderLines = tuple[tuple[str, str], ...]
Hear = Callable[[Any], None]
"""Takes events: those below, or those of a session, a subscription. Called in the event loop; may give commands at once."""


@dataclass(slots=True, frozen=True, kw_only=True)
class TrunkSettings:
    """What makes an account a trunk: it has many identities, and calls come from the carrier's networks without a Contact of ours."""

    sources: tuple[str, ...] = ()
    """Networks whose requests belong to this trunk, registered or not."""
    identities: tuple[str, ...] = ("*",)
    """User parts that are its own, `+4930*` for all that begin so; calls to others get 404."""


@dataclass(slots=True, frozen=True, kw_only=True)
class AccountSettings:
    """Who an account is. `Account.change` replaces all of it."""

    identity: SipUri
    """The address of record: From, and To of REGISTER."""
    display_name: str = ""
    credentials: tuple[Credentials, ...] = ()
    registrar: SipUri | None = None
    """Where REGISTER goes (Request-URI: its host); by default the host of `identity`."""
    outbound_proxy: SipUri | None = None
    """Every request goes through it (a preloaded Route; `lr` is added)."""
    user_agent: str = ""
    headers: HeaderLines = ()
    """In every REGISTER."""
    contact_params: HeaderLines = ()
    """Parameters of the Contact URI, such as push tokens (RFC 8599)."""
    contact_features: HeaderLines = ()
    """Parameters of the Contact header, such as feature tags (RFC 3840)."""
    protocol: Protocol | None = None
    """The only transport that requests may take (`force_udp`, `force_tcp`, `sips` with TLS); None: as the URI and DNS say."""
    register_ttl: int = 3600
    instance: str = ""
    """RFC 5626 `+sip.instance`, a URN such as `urn:uuid:…`; empty: no outbound."""
    reg_id: int = 1
    follow_redirects: bool = True
    """Whether a 3xx is followed, where policy lets it at all; else it is told as a failure."""
    learn_contact: bool = False
    """Behind a NAT that nobody has described (`advertised`): the Contact is where the registrar has seen us."""
    rfc2543_cancel: bool = False
    """CANCEL at once, without waiting for a provisional response."""
    own_headers: tuple[str, ...] = ()
    """
    Names of headers that this account's owner may write although they are the stack's, or not among those allowed: `Authorization`,
    `Path`, `Contact`, `Max-Forwards` …; a final `*` stands for any ending. Those that make a message what it is (Via, From, CSeq …) are not
    to be had.
    """
    passes_replaces: bool = False
    """Calls that come in may name any session here by Replaces, and dialogs that are elsewhere: who passes calls on passes that on too."""
    trunk: TrunkSettings | None = None


class AccountState(enum.Enum):
    """How an account stands with its registrar."""

    UNREGISTERED = "unregistered"
    REGISTERING = "registering"
    REGISTERED = "registered"
    RETRYING = "retrying"
    """Registration has failed for now (`RegistrationFailed.retry_in`) and is tried again."""
    UNREGISTERING = "unregistering"
    FAILED = "failed"
    CLOSED = "closed"


# --- what an account's owner hears, besides Registered, RegistrationFailed, Unregistered and RequestAnswered ---------------------------


@dataclass(slots=True, frozen=True)
class IncomingCall:
    """An INVITE outside of a dialog, 100 has been sent. Set `session.hear` at once, then `ring`, `progress`, `accept` or `reject`."""

    session: Session
    request: Request
    sdp: bytes | None
    replaces: Session | None
    """The call that this one takes the place of (Replaces, RFC 3891): accept this, then hang up that."""


@dataclass(slots=True, frozen=True)
class IncomingMessage:
    """A MESSAGE outside of a dialog. Answered with 200 when `hear` returns, unless `incoming` was answered or kept by `later`."""

    incoming: Incoming
    request: Request


@dataclass(slots=True, frozen=True)
class IncomingNotify:
    """A NOTIFY without a subscription, as PBXs send for waiting messages. Answered like a MESSAGE."""

    incoming: Incoming
    request: Request
    event: str


@dataclass(slots=True, frozen=True)
class IncomingSubscribe:
    """A SUBSCRIBE for something new, outside of a dialog or in that of a session. 489 when `hear` returns, unless accepted or answered."""

    incoming: Incoming
    request: Request
    event: str

    def accept(self, expires: int = 3600, hear: Hear | None = None) -> NotifierHandle:
        """
        Take the subscription, for at most so many seconds; a `notify` is owed at once. News to `hear`: NotifierRefreshed, NotifierEnded.

        Now or, after `incoming.later()`, within 30 s. Raises WrongState when it is answered already, SipError and Exhausted after having
        refused it.
        """
        return self.incoming.accept_subscription(expires, hear)


@dataclass(slots=True, frozen=True)
class IncomingRequest:
    """
    REGISTER, OPTIONS or PUBLISH outside of a dialog, by a connection that a browser has made (`Endpoint.serve_browsers`).

    When `hear` returns, unless it was answered or kept by `later`: OPTIONS gets 200 with what we can, the others 405.
    """

    incoming: Incoming
    request: Request


# --- what the account that serves browsers hears of their connections ------------------------------------------------------------------


@dataclass(slots=True, frozen=True)
class FlowLost:
    """A connection that a browser has made is gone. What is kept of it (`Endpoint.keep`) waits from now on."""

    flow: Flow
    reason: str


@dataclass(slots=True, frozen=True)
class FlowAbandoned:
    """Nothing has succeeded a lost connection in time: what waited has failed."""

    flow: Flow


@dataclass(slots=True, frozen=True)
class FlowSucceeded:
    """A request in a dialog of a lost connection came by another one, which has taken its place (`Endpoint.succeed`)."""

    old: Flow
    new: Flow


@dataclass(slots=True, frozen=True)
class IncomingRefer:
    """A REFER outside of a dialog. 603 when `hear` returns, unless `refer` was answered or kept by `later`."""

    refer: Refer
    request: Request


# --- what a session's owner hears besides session.events ---------------------------------------------------------------------------------


@dataclass(slots=True, frozen=True)
class InfoReceived:
    """An INFO within the dialog; answered with 200 when `hear` returns, unless answered through `incoming`."""

    incoming: Incoming
    request: Request


@dataclass(slots=True, frozen=True)
class MessageReceived:
    """A MESSAGE within the dialog; answered like INFO."""

    incoming: Incoming
    request: Request


@dataclass(slots=True, frozen=True)
class ReferReceived:
    """The peer wants us to call somebody: `refer.accept()` or `refer.reject(code)`, now or later; 202 when `hear` returns otherwise."""

    refer: Refer
    request: Request


@dataclass(slots=True, frozen=True)
class NotifyReceivedInDialog:
    """A NOTIFY within the dialog that belongs to no subscription of ours; answered with 200 when `hear` returns, unless answered."""

    incoming: Incoming
    request: Request
    event: str


__all__ = [
    "AccountSettings",
    "AccountState",
    "FlowAbandoned",
    "FlowLost",
    "FlowSucceeded",
    "HeaderLines",
    "Hear",
    "IncomingCall",
    "IncomingMessage",
    "IncomingNotify",
    "IncomingRefer",
    "IncomingRequest",
    "IncomingSubscribe",
    "InfoReceived",
    "MessageReceived",
    "NotifierEnded",
    "NotifierRefreshed",
    "NotifyReceived",
    "NotifyReceivedInDialog",
    "ReferAccepted",
    "ReferEnded",
    "ReferFailed",
    "ReferProgress",
    "ReferReceived",
    "Registered",
    "RegistrationFailed",
    "RequestAnswered",
    "SubscriptionActive",
    "SubscriptionEnded",
    "SubscriptionFailed",
    "TrunkSettings",
    "Unregistered",
]
