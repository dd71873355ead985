"""A call, as a front has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from boringsdp.sip.account import Hear
from boringsdp.sip.actions import UsageAction
from boringsdp.sip.entries import Entry
from boringsdp.sip.flow import Flow
from boringsdp.sip.message import Request
from boringsdp.sip.session import Session as Core
from boringsdp.sip.session import SessionFacts, State
from boringsdp.sip.uri import SipUri

if TYPE_CHECKING:
    from boringsdp.sip.endpoint import Endpoint
    from boringsdp.sip.facades.account import Account
    from boringsdp.sip.facades.subscription import Subscription

Lines = Iterable[tuple[str, str]]
MAX_HELD = 32
"""News that wait for somebody to hear them."""


class Session:
    """
    A call. Who gets one sets `hear`: it is told the events of `boringsdp.sip.session.events`, and of `account` those for sessions.

    After `Failed`, `Cancelled` or `Ended` it is over: commands but `hang_up` raise WrongState.
    """

    def __init__(self, endpoint: Endpoint, account: Account, core: Core, entry: Entry, hear: Hear | None = None, *, incoming: bool) -> None:
        self._hear = hear
        self._held: list[Any] = []
        self.ended = False
        self.account = account
        self.number = entry.number
        self.incoming = incoming
        """Whether the peer has called."""
        self._endpoint = endpoint
        self.core = core
        self.entry = entry

    @property
    def hear(self) -> Hear | None:
        """Who is told. What came while there was nobody is told at once to who is set."""
        return self._hear

    @hear.setter
    def hear(self, hear: Hear | None) -> None:
        self._hear = hear
        held, self._held = self._held, []
        if hear is not None:
            for event in held:
                hear(event)

    def hold(self, event: Any) -> None:
        """Keep news for who will be set as `hear`."""
        if len(self._held) < MAX_HELD:
            self._held.append(event)

    @property
    def request(self) -> Request:
        """The INVITE that began it."""
        return self.core.invite

    @property
    def call_id(self) -> str:
        return self.core.call_id

    @property
    def local_uri(self) -> str:
        """Our From or To, as a URI."""
        return self.core.facts.local_uri

    @property
    def remote_uri(self) -> str:
        """The peer's."""
        return self.core.facts.remote_uri

    @property
    def remote_target(self) -> str:
        """The peer's Contact, empty before there is a dialog."""
        return self.core.facts.remote_target

    @property
    def flow(self) -> Flow | None:
        """The browser's connection that it goes by; else what the INVITE came by; None for a call of ours that is led by DNS."""
        return self._endpoint.way_of(self.entry)

    @property
    def state(self) -> State:
        return self.core.state

    @property
    def facts(self) -> SessionFacts:
        """All of that at once, and what the peer allows and supports."""
        return self.core.facts

    @property
    def dialog(self) -> tuple[str, str, str] | None:
        """Call-ID, local tag, remote tag of the (latest) dialog."""
        facts = self.core.facts
        return (facts.call_id, facts.local_tag, facts.remote_tag) if facts.remote_tag else None

    @property
    def replaces_text(self) -> str:
        """The Replaces value by which the peer's side names this dialog (RFC 3891 §6.1), empty before there is one."""
        dialog = self.dialog
        return f"{dialog[0]};to-tag={dialog[2]};from-tag={dialog[1]}" if dialog else ""

    @property
    def over(self) -> bool:
        """Whether its end has been told; a BYE may still be on its way."""
        return self.ended or self.core.state is State.ENDED

    def ring(self, headers: Lines = ()) -> None:
        """Send 180."""
        lines = self._endpoint.check_headers(headers, self.entry.line)
        self._run(lambda now: self.core.ring(lines, now=now))

    def progress(self, sdp: bytes | None, code: int = 183, headers: Lines = (), *, reliable: bool | None = None) -> None:
        """Send a provisional response with an SDP; `reliable` None: as the caller supports and settings say."""
        lines = self._endpoint.check_headers(headers, self.entry.line)
        self._run(lambda now: self.core.progress(sdp, code, lines, reliable=reliable, now=now))

    def accept(self, sdp: bytes | None, headers: Lines = ()) -> None:
        """Send the 200, with our answer (or None when `progress` sent it reliably), or with our offer to an offerless INVITE."""
        lines = self._endpoint.check_headers(headers, self.entry.line)
        self._run(lambda now: self.core.accept(sdp, lines, now=now))

    def reject(self, code: int, reason: str = "", headers: Lines = ()) -> None:
        """Refuse the call: 3xx (Contact in `headers`) to 6xx."""
        lines = self._endpoint.check_headers(headers, self.entry.line)
        self._run(lambda now: self.core.reject(code, reason, lines, now=now))

    def offer(self, sdp: bytes | None, headers: Lines = (), *, by: str | None = None, tag: str = "") -> None:
        """Offer anew: by INVITE, UPDATE, or as it fits (None). None: a re-INVITE without an SDP, the offer is the peer's."""
        lines = self._endpoint.check_headers(headers, self.entry.line)
        self._run(lambda now: self.core.offer(sdp, lines, by=by, tag=tag, now=now))

    def refresh(self) -> None:
        """Ask whether the peer still has the call; without it `Ended` follows (481), else `Refreshed`. Nothing before the call is up."""
        self._run(lambda now: self.core.refresh(now=now))

    def answer(self, sdp: bytes, headers: Lines = (), *, tag: str = "") -> None:
        """Answer an `OfferReceived`, or a late offer; `tag` is the event's."""
        lines = self._endpoint.check_headers(headers, self.entry.line)
        self._run(lambda now: self.core.answer(sdp, lines, tag=tag, now=now))

    def refuse(self, code: int = 488, reason: str = "", headers: Lines = (), *, tag: str = "") -> None:
        """Refuse an `OfferReceived`; the session stays as it was."""
        lines = self._endpoint.check_headers(headers, self.entry.line)
        self._run(lambda now: self.core.refuse(code, reason, lines, tag=tag, now=now))

    def hang_up(self, headers: Lines = (), *, code: int = 603) -> None:
        """End it: BYE, CANCEL, or a refusal with `code`, as the state says. `Ended` or `Failed` follows. Nothing when it is over."""
        lines = self._endpoint.check_headers(headers, self.entry.line)
        self._run(lambda now: self.core.hang_up(lines, code=code, now=now))

    def send(self, method: str, headers: Lines = (), *, content_type: str = "", body: bytes = b"") -> int:
        """Send a request within the dialog (INFO, MESSAGE, NOTIFY …). News: RequestAnswered."""
        now = self._endpoint.now()
        lines = self._endpoint.check_headers(headers, self.entry.line)
        number, actions = self.core.request(method, lines, content_type, body, now=now)
        self._endpoint.run(self.entry, actions)
        return number

    def refer(self, uri: SipUri | str, *, hear: Hear, replaces: Session | None = None, headers: Lines = ()) -> Subscription:
        """
        Transfer the peer to `uri`; with `replaces` it shall take over that call.

        News to `hear`: ReferAccepted, ReferFailed, ReferProgress, ReferEnded.
        """
        return self._endpoint.commands.refer(self, uri, hear=hear, replaces=replaces, headers=headers)

    def _run(self, command: Callable[[float], list[UsageAction]]) -> None:
        self._endpoint.run(self.entry, command(self._endpoint.now()))
