"""
What fronts hold in their hands: accounts, sessions, subscriptions, transfers, requests to answer.

All methods are synchronous and never block; what comes of them is told to `hear`. A command out of turn raises WrongState, one that policy
forbids raises Forbidden; nothing has happened then.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from boringsdp.sip.account import AccountSettings, AccountState, HeaderLines, Hear
from boringsdp.sip.message import Request
from boringsdp.sip.session import SessionFacts, State

if TYPE_CHECKING:
    from boringsdp.sip.digest import Credentials
    from boringsdp.sip.endpoint import Endpoint
    from boringsdp.sip.uri import SipUri

Lines = Iterable[tuple[str, str]]


class Account:
    """A line: `Endpoint.account` makes it, `close` ends it and everything of it."""

    def __init__(self, endpoint: Endpoint, number: int, settings: AccountSettings, hear: Hear) -> None:
        self.hear = hear
        self.settings = settings
        self.number = number
        self._endpoint = endpoint

    @property
    def state(self) -> AccountState:
        raise NotImplementedError

    @property
    def contact_user(self) -> str:
        """The user part of its Contact, like no other's."""
        raise NotImplementedError

    @property
    def sessions(self) -> list[Session]:
        raise NotImplementedError

    def register(self) -> None:
        """Register now, or refresh now; kept up until `unregister`. News: Registered, RegistrationFailed."""
        raise NotImplementedError

    def unregister(self, headers: Lines = ()) -> None:
        """Take our Contact back; calls go on. News: Unregistered. WrongState when there is no registration."""
        raise NotImplementedError

    def change(self, settings: AccountSettings) -> None:
        """Replace all settings; sessions go on under the old ones. `register` afterwards tells the registrar."""
        raise NotImplementedError

    def close(self) -> None:
        """Hang up, unsubscribe and unregister without telling anybody of it here. Nothing is heard afterwards."""
        raise NotImplementedError

    def invite(
        self,
        uri: SipUri | str,
        sdp: bytes | None,
        *,
        hear: Hear,
        headers: Lines = (),
        call_id: str | None = None,
        credentials: tuple[Credentials, ...] | None = None,
        identity: SipUri | None = None,
        display_name: str | None = None,
        replaces: Session | None = None,
        refer: Refer | None = None,
    ) -> Session:
        """
        Call somebody; without `sdp` the offer is the callee's. `identity` is for trunks: another From.

        `replaces` asks the callee to take this for the dialog of that session (RFC 3891). `refer` is the transfer that this call comes
        from: its Replaces and Referred-By go along, and its sender is told how the call fares.
        """
        raise NotImplementedError

    def request(
        self,
        method: str,
        uri: SipUri | str,
        *,
        headers: Lines = (),
        content_type: str = "",
        body: bytes = b"",
        call_id: str | None = None,
        identity: SipUri | None = None,
        credentials: tuple[Credentials, ...] | None = None,
        hear: Hear | None = None,
    ) -> int:
        """Send a request outside of dialogs (MESSAGE, OPTIONS …). `RequestAnswered` with this number is told to `hear`, or ours."""
        raise NotImplementedError

    def subscribe(
        self,
        uri: SipUri | str,
        package: str,
        *,
        hear: Hear,
        expires: int = 3600,
        accept: str = "",
        headers: Lines = (),
        content_type: str = "",
        body: bytes = b"",
        call_id: str | None = None,
    ) -> Subscription:
        """Subscribe to an event package and keep it up. News to `hear`: SubscriptionActive, NotifyReceived, SubscriptionFailed, …Ended."""
        raise NotImplementedError

    def claim(self, identities: str, hear: Hear) -> Claim:
        """Take what comes in for user parts like `+49301234*` (trunks): told to `hear` instead of ours. The longest that fits wins."""
        raise NotImplementedError


class Claim:
    """A rule of a trunk; `close` drops it."""

    def close(self) -> None:
        raise NotImplementedError


class Session:
    """
    A call. Who gets one sets `hear`: it is told the events of `boringsdp.sip.session.events`, and of `account` those for sessions.

    After `Failed`, `Cancelled` or `Ended` it is over: commands raise WrongState.
    """

    def __init__(self, endpoint: Endpoint, number: int, account: Account, hear: Hear | None = None) -> None:
        self.hear = hear
        self.account = account
        self.number = number
        self._endpoint = endpoint

    @property
    def incoming(self) -> bool:
        """Whether the peer has called."""
        raise NotImplementedError

    @property
    def request(self) -> Request:
        """The INVITE that began it."""
        raise NotImplementedError

    @property
    def call_id(self) -> str:
        raise NotImplementedError

    @property
    def local_uri(self) -> str:
        """Our From or To, as a URI."""
        raise NotImplementedError

    @property
    def remote_uri(self) -> str:
        """The peer's."""
        raise NotImplementedError

    @property
    def remote_target(self) -> str:
        """The peer's Contact, empty before there is a dialog."""
        raise NotImplementedError

    @property
    def state(self) -> State:
        raise NotImplementedError

    @property
    def facts(self) -> SessionFacts:
        """All of that at once, and what the peer allows and supports."""
        raise NotImplementedError

    @property
    def dialog(self) -> tuple[str, str, str] | None:
        """Call-ID, local tag, remote tag of the (latest) dialog."""
        raise NotImplementedError

    @property
    def over(self) -> bool:
        raise NotImplementedError

    def ring(self, headers: Lines = ()) -> None:
        """Send 180."""
        raise NotImplementedError

    def progress(self, sdp: bytes | None, code: int = 183, headers: Lines = (), *, reliable: bool | None = None) -> None:
        """Send a provisional response with an SDP; `reliable` None: as the caller supports and settings say."""
        raise NotImplementedError

    def accept(self, sdp: bytes | None, headers: Lines = ()) -> None:
        """Send the 200, with our answer (or None when `progress` sent it reliably), or with our offer to an offerless INVITE."""
        raise NotImplementedError

    def reject(self, code: int, reason: str = "", headers: Lines = ()) -> None:
        """Refuse the call: 3xx (Contact in `headers`) to 6xx."""
        raise NotImplementedError

    def offer(self, sdp: bytes | None, headers: Lines = (), *, by: str | None = None, tag: str = "") -> None:
        """Offer anew: by INVITE, UPDATE, or as it fits (None). None: a re-INVITE without an SDP, the offer is the peer's."""
        raise NotImplementedError

    def answer(self, sdp: bytes, headers: Lines = (), *, tag: str = "") -> None:
        """Answer an `OfferReceived`, or a late offer; `tag` is the event's."""
        raise NotImplementedError

    def refuse(self, code: int = 488, reason: str = "", headers: Lines = (), *, tag: str = "") -> None:
        """Refuse an `OfferReceived`; the session stays as it was."""
        raise NotImplementedError

    def hang_up(self, headers: Lines = (), *, code: int = 603) -> None:
        """End it: BYE, CANCEL, or a refusal with `code`, as the state says. `Ended` or `Failed` follows. Nothing when it is over."""
        raise NotImplementedError

    def send(self, method: str, headers: Lines = (), *, content_type: str = "", body: bytes = b"") -> int:
        """Send a request within the dialog (INFO, MESSAGE, NOTIFY …). News: RequestAnswered."""
        raise NotImplementedError

    def refer(self, uri: SipUri | str, *, hear: Hear, replaces: Session | None = None, headers: Lines = ()) -> Subscription:
        """
        Transfer the peer to `uri`; with `replaces` it shall take over that call.

        News to `hear`: ReferAccepted, ReferFailed, ReferProgress, ReferEnded.
        """
        raise NotImplementedError


class Subscription:
    """A subscription of ours (events of `subscription.py`), or the implicit one of a REFER (events of `refer.py`)."""

    @property
    def call_id(self) -> str:
        raise NotImplementedError

    @property
    def over(self) -> bool:
        raise NotImplementedError

    def refresh(self) -> None:
        raise NotImplementedError

    def unsubscribe(self) -> None:
        """End it. `SubscriptionEnded` follows after the final NOTIFY or the response."""
        raise NotImplementedError


class Incoming:
    """A request that its owner may answer."""

    @property
    def request(self) -> Request:
        raise NotImplementedError

    @property
    def answered(self) -> bool:
        raise NotImplementedError

    def later(self) -> None:
        """Keep it: it is not answered by itself when `hear` returns. Answer within 30 s."""
        raise NotImplementedError

    def answer(self, code: int = 200, reason: str = "", headers: Lines = (), *, content_type: str = "", body: bytes = b"") -> None:
        """Send the final response. WrongState when there was one."""
        raise NotImplementedError


class Refer:
    """A REFER that came in, and the subscription to its progress that its sender has."""

    @property
    def request(self) -> Request:
        raise NotImplementedError

    @property
    def target(self) -> str:
        """The URI to call, without its embedded headers."""
        raise NotImplementedError

    @property
    def refer_to(self) -> str:
        """The Refer-To header's URI as it came."""
        raise NotImplementedError

    @property
    def referred_by(self) -> str:
        """The Referred-By header, empty without."""
        raise NotImplementedError

    @property
    def replaces(self) -> str:
        """The Replaces header that the call must carry (unescaped), empty without."""
        raise NotImplementedError

    @property
    def headers(self) -> HeaderLines:
        """What the call must carry: Replaces and the like from Refer-To, Referred-By."""
        raise NotImplementedError

    @property
    def over(self) -> bool:
        raise NotImplementedError

    def accept(self, headers: Lines = ()) -> None:
        """Answer 202 and tell 100 Trying. May follow by itself, see ReferReceived; further calls do nothing."""
        raise NotImplementedError

    def reject(self, code: int = 603, reason: str = "") -> None:
        """Refuse: the response itself, or after `accept` a final NOTIFY."""
        raise NotImplementedError

    def notify(self, code: int, reason: str = "") -> None:
        """Tell how the call fares; a final code ends the subscription. `Account.invite(refer=…)` does that by itself."""
        raise NotImplementedError

    def later(self) -> None:
        """Keep it: it is not answered by itself when `hear` returns."""
        raise NotImplementedError


__all__ = ["Account", "Claim", "Incoming", "Refer", "Session", "Subscription"]
