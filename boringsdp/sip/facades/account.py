"""An account, as a front has it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from boringsdp.errors import WrongState
from boringsdp.sip.account import AccountSettings, AccountState, Hear
from boringsdp.sip.facades.session import Session
from boringsdp.sip.line import Line
from boringsdp.sip.uri import SipUri, parse_sip_uri

if TYPE_CHECKING:
    from boringsdp.sip.digest import Credentials
    from boringsdp.sip.endpoint import Endpoint
    from boringsdp.sip.facades.incoming import Refer
    from boringsdp.sip.facades.subscription import Subscription
    from boringsdp.sip.flow import Flow

Lines = Iterable[tuple[str, str]]


class Account:
    """A line: `Endpoint.account` makes it, `close` ends it and everything of it."""

    def __init__(self, endpoint: Endpoint, line: Line, hear: Hear) -> None:
        self.hear: Hear | None = hear
        self.line = line
        self.claims: dict[int, Claim] = {}
        self._endpoint = endpoint

    @property
    def settings(self) -> AccountSettings:
        return self.line.settings

    @property
    def state(self) -> AccountState:
        return self.line.state

    @property
    def contact_user(self) -> str:
        """The user part of its Contact, like no other's."""
        return self.line.token

    def family(self, uri: SipUri | str) -> str:
        """`IP4` or `IP6`, by which a call to there will go; empty where only DNS knows."""
        return self.line.family(parse_sip_uri(uri) if isinstance(uri, str) else uri)

    @property
    def sessions(self) -> list[Session]:
        """Those that are not over."""
        return self._endpoint.sessions_of(self.line)

    def register(self) -> None:
        """Register now, or refresh now; kept up until `unregister`. News: Registered, RegistrationFailed."""
        self._endpoint.register(self)

    def unregister(self, headers: Lines = ()) -> None:
        """Take our Contact back; calls go on. News: Unregistered. WrongState when there is no registration."""
        self._endpoint.unregister(self, headers)

    def change(self, settings: AccountSettings) -> None:
        """Replace all settings; sessions go on under the old ones. `register` afterwards tells the registrar."""
        self._endpoint.change(self, settings)

    def close(self) -> None:
        """Hang up, unsubscribe and unregister without telling anybody of it here. Nothing is heard afterwards."""
        self.hear = None
        self._endpoint.close_account(self)

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
        flow: Flow | None = None,
        to: str = "",
        route: str = "",
    ) -> Session:
        """
        Call somebody; without `sdp` the offer is the callee's. `identity` is for trunks: another From. `to` is the value of To, by default
        the URI.

        With `flow` the call and all that belongs to it goes by that connection: `uri` is only the Request-URI (a browser's Contact, whose
        host nobody looks for), and neither proxies nor Service-Route nor redirects matter. `route` is the value of Route
        instead of the account's.

        `replaces` asks the callee to take this for the dialog of that session (RFC 3891). `refer` is the transfer that this call comes
        from: its Replaces and Referred-By go along, and its sender is told how the call fares.
        """
        return self._endpoint.commands.invite(
            self,
            uri,
            sdp,
            hear=hear,
            headers=headers,
            call_id=call_id,
            credentials=credentials,
            identity=identity,
            display_name=display_name,
            replaces=replaces,
            refer=refer,
            flow=flow,
            to=to,
            route=route,
        )

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
        flow: Flow | None = None,
        to: str = "",
        from_: str = "",
        cseq: int = 1,
        contact: str | None = None,
        route: str = "",
    ) -> int:
        """
        Send a request outside of dialogs (MESSAGE, OPTIONS …). `RequestAnswered` with this number is told to `hear`, or ours.

        `flow`, `to` and `route` as with `invite`; `from_` is a whole value of From, with a tag or without. REGISTER of an application's own
        making keeps its `call_id` and counts `cseq` up; a response that was challenged and answered here has a higher one in its CSeq.
        `contact` puts our Contact there with these parameters, such as `;expires=300`.
        """
        return self._endpoint.commands.request(
            self,
            method,
            uri,
            headers=headers,
            content_type=content_type,
            body=body,
            call_id=call_id,
            identity=identity,
            credentials=credentials,
            hear=hear,
            flow=flow,
            to=to,
            from_=from_,
            cseq=cseq,
            contact=contact,
            route=route,
        )

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
        flow: Flow | None = None,
        to: str = "",
        from_: str = "",
        route: str = "",
    ) -> Subscription:
        """
        Subscribe to an event package and keep it up. News to `hear`: SubscriptionActive, NotifyReceived, SubscriptionFailed, …Ended.

        `flow`, `to`, `from_` and `route` as with `request`, but `from_` has no tag.
        """
        return self._endpoint.commands.subscribe(
            self,
            uri,
            package,
            hear=hear,
            expires=expires,
            accept=accept,
            headers=headers,
            content_type=content_type,
            body=body,
            call_id=call_id,
            flow=flow,
            to=to,
            from_=from_,
            route=route,
        )

    def claim(self, identities: str, hear: Hear) -> Claim:
        """
        Take what comes in for user parts like `+49301234*` (trunks): told to `hear` instead of ours. The longest that fits wins.

        WrongState when somebody has claimed just that.
        """
        if identities in self.line.claims:
            raise WrongState("claimed", "identities that nobody has claimed")
        claim = Claim(self, self._endpoint.number(), identities, hear)
        self.line.claims[identities] = claim.number
        self.claims[claim.number] = claim
        return claim


class Claim:
    """A rule of a trunk; `close` drops it."""

    def __init__(self, account: Account, number: int, identities: str, hear: Hear) -> None:
        self.account = account
        self.number = number
        self.identities = identities
        self.hear = hear

    def close(self) -> None:
        if self.account.claims.pop(self.number, None) is not None:
            self.account.line.claims.pop(self.identities, None)
