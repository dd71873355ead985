"""A session: one call as SIP sees it (RFC 3261 §13 to §15), from INVITE to BYE, a usage as `actions.py` describes it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import NamedTuple

from boringsdp.errors import WrongState
from boringsdp.sip import headers as views
from boringsdp.sip.actions import UsageAction
from boringsdp.sip.dialog import Dialog
from boringsdp.sip.flow import Flow
from boringsdp.sip.message import Request, Response
from boringsdp.sip.session.bodies import reason_of
from boringsdp.sip.session.callee import NOT_ACCEPTED, Callee
from boringsdp.sip.session.caller import Caller
from boringsdp.sip.session.core import Core
from boringsdp.sip.session.events import By, Ended, RequestAnswered, RequestReceived
from boringsdp.sip.session.peer import Peer
from boringsdp.sip.session.settings import SessionSettings
from boringsdp.sip.session.states import OVER, State, check_command
from boringsdp.sip.session_timer import Due

HeaderLines = Sequence[tuple[str, str]]


class SessionFacts(NamedTuple):
    """What a front shows of a session. The peer's side is empty before a dialog exists."""

    call_id: str
    local_uri: str
    remote_uri: str
    local_tag: str
    remote_tag: str
    remote_target: str
    state: State
    peer_allows: frozenset[str]
    peer_supports: frozenset[str]


class Session:
    """
    Commands return actions and raise `WrongState`. Make one by `outgoing` or `incoming`, then `start` it.

    Requests belong to it whose Call-ID and To tag are `call_id` and `local_tag`; one with a From tag it does not know it answers by 481.
    """

    @classmethod
    def outgoing(
        cls,
        uri: str,
        *,
        local: str,
        remote: str = "",
        contact: str = "",
        sdp: bytes | None,
        headers: HeaderLines = (),
        routes: Sequence[str] = (),
        call_id: str | None = None,
        flow: Flow | None = None,
        settings: SessionSettings | None = None,
        token: Callable[[int], str] = secrets.token_hex,
    ) -> Session:
        """
        Return a call to `uri` that `start` sends.

        `local` is the value of From without a tag, `remote` that of To (default: `<uri>`), `contact` the value of Contact; empty: the
        user agent adds one. `routes` are values of Route. `sdp` None: an INVITE without offer.
        """
        settings = settings or SessionSettings()
        core = Core(settings, token, call_id=call_id or token(16), local_tag=token(8), contact=contact, flow=flow, caller=True)
        caller = Caller(core, uri, local=local, remote=remote or f"<{uri}>", routes=tuple(routes), sdp=sdp, lines=headers)
        return cls(core, caller)

    @classmethod
    def incoming(
        cls,
        request: Request,
        transaction: int,
        *,
        contact: str = "",
        flow: Flow | None = None,
        settings: SessionSettings | None = None,
        token: Callable[[int], str] = secrets.token_hex,
    ) -> Session:
        """
        Return the call that an INVITE without To tag asks for.

        `start` may refuse it at once (422), its state is then ENDED; else it is for the owner to tell whoever is called. `sdp` is its
        offer. Require, Accept and Replaces have been seen to before. Raises SipError for an INVITE without Contact: answer it by 400.
        """
        settings = settings or SessionSettings()
        core = Core(settings, token, call_id=views.call_id(request), local_tag=token(8), contact=contact, flow=flow, caller=False)
        return cls(core, Callee(core, request, transaction))

    def __init__(self, core: Core, role: Caller | Callee) -> None:
        """Use `outgoing` and `incoming`."""
        self._core = core
        self._role = role
        core.session_timer_due = self._session_timer_due

    @property
    def call_id(self) -> str:
        return self._core.call_id

    @property
    def local_tag(self) -> str:
        return self._core.local_tag

    @property
    def state(self) -> State:
        return self._core.state

    @property
    def contact(self) -> str:
        """The value of our Contact in what is sent from now on; empty: the user agent adds one."""
        return self._core.contact

    @contact.setter
    def contact(self, value: str) -> None:
        self._core.contact = value

    @property
    def invite(self) -> Request:
        """The INVITE that began it."""
        return self._role.invite

    @property
    def sdp(self) -> bytes | None:
        """Of an incoming call: the offer of its INVITE."""
        return self._role.sdp if isinstance(self._role, Callee) else None

    @property
    def local_sdp(self) -> bytes | None:
        """Our SDP that is agreed."""
        return None if self._role.main is None else self._role.main.talk.local

    @property
    def remote_sdp(self) -> bytes | None:
        """The peer's SDP that is agreed."""
        return None if self._role.main is None else self._role.main.talk.remote

    @property
    def dialog(self) -> Dialog | None:
        """That of the call; while an outgoing one rings, of the last response."""
        return None if self._role.main is None else self._role.main.dialog

    @property
    def facts(self) -> SessionFacts:
        main, invite = self._role.main, self._role.invite
        caller = isinstance(self._role, Caller)
        mine, theirs = (views.from_, views.to) if caller else (views.to, views.from_)
        return SessionFacts(
            self.call_id,
            mine(invite).uri_text,
            theirs(invite).uri_text,
            self.local_tag,
            "" if main is None else main.tag,
            "" if main is None else main.dialog.remote_target,
            self.state,
            frozenset() if main is None else main.allows,
            frozenset() if main is None else main.supports,
        )

    @property
    def remote_tags(self) -> tuple[str, ...]:
        """The peer's tags of all dialogs that there are: one once the call is up, several while forks ring."""
        return tuple(self._role.peers) if isinstance(self._role, Caller) else (self._role.main.tag,)

    # --- commands -----------------------------------------------------------------------------------------------------------------

    def start(self, *, now: float) -> list[UsageAction]:
        """Send the INVITE; or take an incoming one, or refuse it."""
        self._command("start", now)
        self._role.start(now)
        return self._core.flush()

    def ring(self, headers: HeaderLines = (), *, now: float) -> list[UsageAction]:
        """Send 180 without SDP."""
        self._callee("ring", now).progress(None, 180, headers, None, now)
        return self._core.flush()

    def progress(
        self, sdp: bytes | None = None, code: int = 183, headers: HeaderLines = (), *, reliable: bool | None = None, now: float
    ) -> list[UsageAction]:
        """
        Send a provisional response with early media.

        `reliable` None: when the peer requires it, or supports it and there is an SDP. With an INVITE without offer, `sdp` is an offer
        and can only go reliably: WrongState if the peer cannot.
        """
        self._callee("progress", now).progress(sdp, code, headers, reliable, now)
        return self._core.flush()

    def accept(self, sdp: bytes | None = None, headers: HeaderLines = (), *, now: float) -> list[UsageAction]:
        """Send 200. `sdp` may be None when a provisional response had it; it is an offer when the INVITE had none."""
        self._callee("accept", now).accept(sdp, headers, now)
        return self._core.flush()

    def reject(self, code: int, reason: str = "", headers: HeaderLines = (), *, now: float) -> list[UsageAction]:
        """Refuse the incoming call, 300..699; `Ended` is told."""
        self._callee("reject", now).reject(code, reason, headers, now)
        return self._core.flush()

    def offer(self, sdp: bytes | None, headers: HeaderLines = (), *, by: str | None = None, tag: str = "", now: float) -> list[UsageAction]:
        """
        Offer a new SDP by "INVITE", "UPDATE" or "PRACK"; None: re-INVITE when the call is up, UPDATE before that. `sdp` None: re-INVITE
        without offer. PRACK: in that of the next reliable provisional response.

        One at a time: WrongState while another offer of either side is open, except that one waiting for its retry after 491 is replaced.
        """
        self._command("offer", now)
        peer = self._peer(tag)
        method = by or ("INVITE" if self.state is State.CONFIRMED else "UPDATE")
        if method == "INVITE" and self.state is not State.CONFIRMED:
            raise WrongState(self.state.value, State.CONFIRMED.value)
        if method == "UPDATE" and peer.allows and "UPDATE" not in peer.allows:
            raise WrongState("the peer does not allow UPDATE", "INVITE")
        if method != "INVITE" and (peer.talk.local is None or sdp is None):
            raise WrongState(peer.talk.phase.value, "a first offer and its answer")
        if method == "PRACK":
            peer.offer_by_prack(sdp or b"", headers)
        else:
            peer.changes.offer(method, sdp, headers, now)
        return self._core.flush()

    def refresh(self, *, now: float) -> list[UsageAction]:
        """
        Ask whether the peer still has the call, as the session timer does: by UPDATE, or by re-INVITE with what we said last. Its 481 ends
        the session. Nothing unless the call is up, or while something is asked anyway.
        """
        self._core.now = now
        if self.state is State.CONFIRMED and self._role.main is not None:
            self._role.main.changes.refresh(now)
            self._core.watch_session_timer()
        return self._core.flush()

    def answer(self, sdp: bytes, headers: HeaderLines = (), *, tag: str = "", now: float) -> list[UsageAction]:
        """Answer the `OfferReceived` that is open: in a 200, an ACK or a PRACK, as that offer asks for."""
        self._command("answer", now)
        self._asked_peer(tag).answer(sdp, headers, now)
        return self._core.flush()

    def refuse(self, code: int = 488, reason: str = "", headers: HeaderLines = (), *, tag: str = "", now: float) -> list[UsageAction]:
        """
        Refuse the `OfferReceived` that is open; what was agreed before holds.

        One that came in a 2xx cannot be refused: the call is ended then. That of a provisional response is left without answer.
        """
        self._command("refuse", now)
        self._asked_peer(tag).refuse(code, reason, headers, now)
        return self._core.flush()

    def request(
        self, method: str, headers: HeaderLines = (), content_type: str = "", body: bytes = b"", *, tag: str = "", now: float
    ) -> tuple[int, list[UsageAction]]:
        """
        Send INFO, MESSAGE, REFER, NOTIFY or the like in the dialog; `RequestAnswered` will name the number.

        Raises Exhausted when too many wait for their response.
        """
        self._command("request", now)
        core, peer = self._core, self._peer(tag)
        core.check_room()
        made = peer.dialog.request(
            method, headers, content_type, body, contact=core.contact if method in ("REFER", "NOTIFY", "SUBSCRIBE") else ""
        )
        number = 0

        def answered(response: Response, at: float) -> None:
            if response.code >= 200:
                core.tell(RequestAnswered(number, response))
                peer.lost(response, at)

        number = core.ask(made, peer.dialog.sequence, answered)
        return number, core.flush()

    def hang_up(self, headers: HeaderLines = (), *, code: int = 603, now: float) -> list[UsageAction]:
        """BYE, CANCEL or, for an incoming call that is not accepted, a refusal with `code`. Never WrongState; nothing when it is over."""
        self._core.now = now
        match self.state:
            case State.IDLE:
                self._core.end(Ended(By.LOCAL, 487, ""), now)
            case State.CONFIRMED if self._role.main is not None:
                self._role.main.bye(Ended(By.LOCAL, 200, ""), now, headers)
            case State.CALLING | State.PROCEEDING | State.ANSWERED if isinstance(self._role, Caller):
                self._role.hang_up(headers, now)
            case State.INCOMING | State.EARLY | State.ACCEPTING | State.ACCEPTED if isinstance(self._role, Callee):
                self._role.hang_up(code, headers, now)
        return self._core.flush()

    # --- as a usage ---------------------------------------------------------------------------------------------------------------

    def receive_request(self, request: Request, transaction: int | None, now: float) -> list[UsageAction]:
        """A request with our tag; ACK has no transaction."""
        self._core.now = now
        peer = self._find(views.from_(request).tag)
        if request.method == "ACK" or transaction is None:
            if peer is not None:
                self._receive_ack(peer, request, now)
        elif peer is None or (self.state in OVER and request.method != "BYE"):
            self._core.refuse(transaction, 481)
        elif not peer.dialog.in_order(request):
            self._core.refuse(transaction, 500, "CSeq Out Of Order")
        else:
            self._dispatch(peer, request, transaction, now)
        return self._core.flush()

    def receive_response(self, exchange: int, response: Response, now: float) -> list[UsageAction]:
        """Any response, a 2xx to the INVITE after the first one too."""
        self._core.now = now
        self._core.received(exchange, response, now)
        return self._core.flush()

    def receive_cancel(self, transaction: int, cancel: Request, now: float) -> list[UsageAction]:
        """The peer's CANCEL of its INVITE; the CANCEL has been answered."""
        self._core.now = now
        if isinstance(self._role, Callee) and self._role.transaction == transaction:
            self._role.cancelled(cancel, now)
        elif self._role.main is not None:
            self._role.main.changes.receive_cancel(transaction, now)
        return self._core.flush()

    def tick(self, now: float) -> list[UsageAction]:
        self._core.now = now
        for wake in self._core.timers.due(now):
            wake(now)
        return self._core.flush()

    def deadline(self) -> float | None:
        return self._core.timers.deadline()

    # --- within -------------------------------------------------------------------------------------------------------------------

    def _dispatch(self, peer: Peer, request: Request, transaction: int, now: float) -> None:
        peer.learn(request)
        match request.method:
            case "BYE":
                self._receive_bye(peer, request, transaction, now)
            case "INVITE":
                if self.state is State.ACCEPTED and isinstance(self._role, Callee) and not peer.talk.open:
                    self._role.receive_ack(request, now)  # it has our 2xx: its ACK was lost or is late (RFC 5407 §3.1.4)
                peer.changes.receive_invite(request, transaction, now)
            case "UPDATE":
                peer.changes.receive_update(request, transaction, now)
            case "PRACK":
                if isinstance(self._role, Callee):
                    self._role.receive_prack(request, transaction, now)
                else:
                    self._core.refuse(transaction, 481)
            case method:
                if method in ("REFER", "NOTIFY", "SUBSCRIBE"):
                    peer.dialog.refresh_target(request)
                self._core.tell(RequestReceived(request, transaction, peer.tag))

    def _receive_ack(self, peer: Peer, request: Request, now: float) -> None:
        if isinstance(self._role, Callee) and self._role.acknowledges(request):
            self._role.receive_ack(request, now)
        elif self.state not in OVER:
            peer.changes.receive_ack(request, now)

    def _receive_bye(self, peer: Peer, request: Request, transaction: int, now: float) -> None:
        self._core.refuse(transaction, 200)
        if self.state in OVER:
            return
        if isinstance(self._role, Callee):
            if self.state in NOT_ACCEPTED:
                self._role.cancelled(request, now)
                return
            self._role.ended()
        elif self.state is not State.CONFIRMED and self.state is not State.ANSWERED:
            self._role.early_bye(peer, now)
            return
        peer.stop(now)
        self._core.end(Ended(By.REMOTE, 200, reason_of(request), request), now)

    def _session_timer_due(self, now: float) -> None:
        peer = self._role.main
        due = self._core.session_timer.tick(now)
        if peer is None or self.state is not State.CONFIRMED:
            return
        if due is Due.EXPIRED:
            peer.bye(Ended(By.TIMER, 408, "session timer"), now, [("Reason", 'SIP;cause=408;text="session timer"')])
            return
        if due is Due.REFRESH:
            peer.changes.refresh(now)
        self._core.watch_session_timer()

    def _command(self, name: str, now: float) -> None:
        self._core.now = now
        check_command(self.state, name)

    def _callee(self, command: str, now: float) -> Callee:
        self._command(command, now)
        if not isinstance(self._role, Callee):
            raise WrongState(self.state.value, "an incoming call")
        return self._role

    def _find(self, tag: str) -> Peer | None:
        if isinstance(self._role, Caller):
            return self._role.peers.get(tag)
        return self._role.main if self._role.main.tag == tag else None

    def _peer(self, tag: str) -> Peer:
        peer = self._find(tag) if tag else self._role.main
        if peer is None:
            raise WrongState(self.state.value, "a dialog")
        return peer

    def _asked_peer(self, tag: str) -> Peer:
        """Whose offer is open: that of a tag, else the only one."""
        peers = [self._peer(tag)] if tag else list(self._role.peers.values()) if isinstance(self._role, Caller) else [self._role.main]
        asked = [peer for peer in peers if peer.asked is not None]
        if len(asked) != 1:
            raise WrongState(self.state.value, "an open offer of the peer" if not asked else "a tag")
        return asked[0]
