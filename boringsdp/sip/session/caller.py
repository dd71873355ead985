"""
The INVITE of an outgoing call and all that answers it (RFC 3261 §13.2, §9.1): provisional responses of several forks, each an early
dialog by its To tag, and 2xx, of which the first makes the call and every other is acknowledged and ended.
"""

from __future__ import annotations

from boringsdp.errors import SipError
from boringsdp.sip import build, headers
from boringsdp.sip.actions import Cancel, Sequence
from boringsdp.sip.dialog import Dialog, contact_of
from boringsdp.sip.message import Request, Response
from boringsdp.sip.offer_answer import Meaning
from boringsdp.sip.session.asked import Asked
from boringsdp.sip.session.bodies import SDP, sdp_of
from boringsdp.sip.session.core import Core, HeaderPairs
from boringsdp.sip.session.events import (
    Answered,
    By,
    DialogEnded,
    DialogMade,
    EarlyMedia,
    Ended,
    Failed,
    OfferReceived,
    Proceeding,
    Ringing,
)
from boringsdp.sip.session.peer import Peer
from boringsdp.sip.session.settings import Prack
from boringsdp.sip.session.states import OUR_INVITE_OPEN, State

MAX_INTERVAL_TRIES = 3
"""How often an INVITE goes out again because of 422: each proxy on the way may want a longer interval."""


class Caller:
    def __init__(
        self, core: Core, uri: str, *, local: str, remote: str, routes: tuple[str, ...], sdp: bytes | None, lines: HeaderPairs
    ) -> None:
        self._core = core
        self._sdp = sdp
        self._lines = tuple(lines)
        self._routes = routes
        self._from = f"{local};tag={core.local_tag}"
        self._to = remote
        self._uri = uri
        self._sequence = Sequence()
        self._exchange = 0
        self._tries = 0
        self.peers: dict[str, Peer] = {}
        """Early dialogs by the peer's tag; after a 2xx that of the call alone."""
        self.main: Peer | None = None
        """That of the first 2xx; before that of the last provisional response with a tag."""
        self._dropped: dict[str, Dialog] = {}
        """Early dialogs that ended: what ends a late 2xx of one goes on with its numbers."""
        self._acks: dict[str, Request] = {}
        """By tag, for 2xx that come again."""
        self._ending: Ended | None = None
        """What to tell when the INVITE that we cancelled is over."""
        self.invite = self._build()

    # --- the INVITE -----------------------------------------------------------------------------------------------------------------

    def _build(self) -> Request:
        core = self._core
        lines = [("Route", route) for route in self._routes]
        lines += [*core.contact_lines(), *core.capabilities(), *core.session_timer.of_request()]
        if core.settings.prack is Prack.REQUIRED:
            lines.append(("Require", "100rel"))
        return build.request(
            "INVITE",
            self._uri,
            from_=self._from,
            to=self._to,
            call_id=core.call_id,
            cseq=self._sequence.next(),
            headers=[*lines, *self._lines],
            content_type=SDP if self._sdp is not None else "",
            body=self._sdp or b"",
        )

    def start(self, now: float) -> None:
        self._core.become(State.CALLING)
        if self._core.settings.ring_limit:
            self._core.timers.set("ring limit", now + self._core.settings.ring_limit, self._rang_too_long)
        self._send()

    def _send(self) -> None:
        self._exchange = self._core.ask(self.invite, self._sequence, self.receive)

    def hang_up(self, lines: HeaderPairs, now: float) -> None:
        """CANCEL; or, with a 2xx that waits for our answer, its ACK without one and BYE."""
        if self._core.state is State.ANSWERED and self.main is not None:
            self._give_up_answer(Ended(By.LOCAL, 200, ""), now, lines)
        else:
            self._cancel(Ended(By.LOCAL, 487, build.reason_of(487)), lines, now)

    def _rang_too_long(self, now: float) -> None:
        self._cancel(Ended(By.TIMER, 408, build.reason_of(408)), (), now)

    def _cancel(self, ending: Ended, lines: HeaderPairs, now: float) -> None:
        if self._core.state is State.PROCEEDING:
            self._limit_cancel(now)
        self._core.become(State.CANCELLING)
        self._core.timers.clear("ring limit")
        self._ending = ending
        self._core.act(Cancel(self._exchange, tuple(lines)))

    def _limit_cancel(self, now: float) -> None:
        """A peer of RFC 2543 may never answer a cancelled INVITE (RFC 3261 §9.1)."""
        self._core.timers.set("cancelled", now + self._core.t1x64, self._never_answered)

    def _never_answered(self, now: float) -> None:
        self._core.forget(self._exchange)
        self._close(self._ending or Ended(By.LOCAL, 487, ""), now)

    # --- what comes -----------------------------------------------------------------------------------------------------------------

    def receive(self, response: Response, now: float) -> None:
        """Handle a response to the INVITE; anything but a 2xx is too late once there was a final one."""
        if 200 <= response.code < 300:
            self._success(response, now)
        elif self._core.state not in OUR_INVITE_OPEN:
            return
        elif response.code < 200:
            self._provisional(response, now)
        else:
            self._failure(response, now)

    def _provisional(self, response: Response, now: float) -> None:
        core = self._core
        if core.state is State.CALLING:
            core.become(State.PROCEEDING)
        elif core.state is State.CANCELLING and core.timers.get("cancelled") is None:
            self._limit_cancel(now)
        peer = self._peer_of(response) if response.code > 100 else None
        if peer is None:
            core.tell(Proceeding(response.code, response.reason, response))
            return
        if not peer.is_new(response):
            return
        peer.learn(response)
        if response.code == 199:
            self._drop(peer, now, By.REMOTE)
            return
        if core.state is State.PROCEEDING:
            self.main = peer
        before = peer.talk.preview or peer.talk.remote
        if response.code == 180:
            core.tell(Ringing(response, peer.tag))
        elif sdp_of(response) is None:
            core.tell(Proceeding(response.code, response.reason, response, peer.tag))
        match peer.read_provisional(response, now):
            case Meaning.PREVIEW if peer.talk.preview != before:
                core.tell(EarlyMedia(peer.talk.preview or b"", response, peer.tag))
            case Meaning.ANSWER:
                core.tell(EarlyMedia(peer.talk.remote or b"", response, peer.tag, final=True))

    def _peer_of(self, response: Response) -> Peer | None:
        """Return the dialog of a response, a new one if need be; None without a tag, or beyond the limit."""
        try:
            tag = headers.to(response).tag
            if (known := self.peers.get(tag)) is not None:
                self._refresh(known, response)
                return known
            if (not tag and response.code < 200) or len(self.peers) >= self._core.settings.max_early_dialogs:
                return None
            peer = Peer(self._core, Dialog.of_response(self.invite, response), self._sdp)
        except SipError:
            return None
        self.peers[tag] = peer
        self._core.tell(DialogMade(tag, response))
        return peer

    def _refresh(self, peer: Peer, response: Response) -> None:
        """A 2xx says the route set anew (RFC 3261 §13.2.2.4), and every response the target."""
        if response.code >= 200:
            peer.dialog.routes = Dialog.of_response(self.invite, response).routes
        if contact_of(response) is not None:
            peer.dialog.refresh_target(response)

    def _drop(self, peer: Peer, now: float, by: By = By.FORK) -> None:
        peer.stop(now)
        del self.peers[peer.tag]
        if len(self._dropped) < self._core.settings.max_early_dialogs:
            self._dropped[peer.tag] = peer.dialog
        if self.main is peer:
            self.main = next(reversed(self.peers.values()), None)
        self._core.tell(DialogEnded(peer.tag, by))

    def early_bye(self, peer: Peer, now: float) -> None:
        """A BYE in an early dialog: that one is over."""
        self._drop(peer, now, By.REMOTE)

    # --- 2xx ------------------------------------------------------------------------------------------------------------------------

    def _success(self, response: Response, now: float) -> None:
        tag = _tag_of(response)
        if self._core.state in OUR_INVITE_OPEN:
            self._core.lingers_until = now + self._core.t1x64
            self._first(response, tag, now)
        elif (ack := self._acks.get(tag)) is not None:
            self._core.acknowledge(self._exchange, ack)
        elif self.main is None or self.main.tag != tag:
            self._stray(response, tag)

    def _first(self, response: Response, tag: str, now: float) -> None:
        core = self._core
        core.timers.clear("ring limit", "cancelled")
        if tag not in self.peers and len(self.peers) >= core.settings.max_early_dialogs:
            self._drop(next(iter(self.peers.values())), now)
        peer = self._peer_of(response)
        if peer is None:
            self._close(Failed(502, "a 2xx that makes no dialog", response), now)
            return
        for other in [other for other in self.peers.values() if other is not peer]:
            self._drop(other, now)
        self.main = peer
        peer.learn(response)
        if core.state is State.CANCELLING:
            self._acknowledge(peer, response)
            peer.bye(self._ending or Ended(By.LOCAL, 487, ""), now)
            return
        sdp = sdp_of(response)
        meaning = peer.talk.read_response(sdp, binding=True)
        core.session_timer.answered(response, now)
        if meaning is Meaning.OFFER:
            core.become(State.ANSWERED)
            core.tell(Answered(None, response, tag))
            self._ask_answer(peer, response, now)
            return
        self._acknowledge(peer, response)
        if peer.talk.awaits_invite_answer and peer.talk.settle_by_preview() is None:
            peer.bye(Failed(488, "no answer in the 2xx", response), now)
            return
        core.become(State.CONFIRMED)
        core.watch_session_timer()
        core.tell(Answered(peer.talk.remote, response, tag))

    def _ask_answer(self, peer: Peer, response: Response, now: float) -> None:
        """The 2xx has an offer: the ACK waits for our answer."""
        core = self._core

        def answer(sdp: bytes, lines: HeaderPairs, now: float) -> None:
            core.timers.clear("answer")
            peer.talk.answer(sdp)
            self._acknowledge(peer, response, sdp, lines)
            core.become(State.CONFIRMED)
            core.watch_session_timer()

        def refuse(code: int, reason: str, lines: HeaderPairs, now: float) -> None:
            self._give_up_answer(Ended(By.LOCAL, code, reason, response), now, lines)

        core.timers.set("answer", now + core.t1x64, lambda at: self._give_up_answer(Ended(By.TIMER, 408, "no answer of ours"), at))
        peer.asked = Asked(response, None, answer, refuse)
        core.tell(OfferReceived(sdp_of(response), response, peer.tag))

    def _give_up_answer(self, event: Ended, now: float, lines: HeaderPairs = ()) -> None:
        peer = self.main
        if peer is None:
            return
        asked = peer.asked
        self._core.timers.clear("answer")
        message = asked.message if asked is not None else event.message
        if isinstance(message, Response):
            self._acknowledge(peer, message)
        peer.bye(event, now, lines)

    def _acknowledge(self, peer: Peer, response: Response, sdp: bytes = b"", lines: HeaderPairs = ()) -> None:
        ack = peer.dialog.ack(headers.cseq(response).number, sdp, lines)
        self._acks[peer.tag] = ack
        self._core.acknowledge(self._exchange, ack)

    def _stray(self, response: Response, tag: str) -> None:
        """Another fork's 2xx: acknowledged, and ended by a BYE of its own (RFC 3261 §13.2.2.4)."""
        if len(self._acks) > self._core.settings.max_early_dialogs:
            return
        try:
            dialog = Dialog.of_response(self.invite, response)
        except SipError:
            return
        if (early := self._dropped.get(tag)) is not None:
            dialog.sequence = early.sequence
        self._acks[tag] = dialog.ack(headers.cseq(response).number)
        self._core.acknowledge(self._exchange, self._acks[tag])
        self._core.ask(dialog.request("BYE"), dialog.sequence, lambda response, now: None)

    # --- refusals -------------------------------------------------------------------------------------------------------------------

    def _failure(self, response: Response, now: float) -> None:
        core = self._core
        if response.code == 422 and core.state is not State.CANCELLING and self._again(response, now):
            return
        if self._ending is not None:
            self._close(Ended(self._ending.by, self._ending.code, self._ending.reason, response), now)
        else:
            self._close(Failed(response.code, response.reason, response), now)

    def _again(self, response: Response, now: float) -> bool:
        """Ask again with the interval that a 422 wants (RFC 4028 §7.3)."""
        self._tries += 1
        if self._tries > MAX_INTERVAL_TRIES or not self._core.session_timer.too_brief(response):
            return False
        for peer in list(self.peers.values()):
            self._drop(peer, now)
        self._core.forget(self._exchange)
        if self._core.state is State.PROCEEDING:
            self._core.become(State.CALLING)
        self.invite = self._build()
        self._send()
        return True

    def _close(self, event: Ended | Failed, now: float) -> None:
        for peer in list(self.peers.values()):
            self._drop(peer, now)
        self._core.end(event, now)


def _tag_of(response: Response) -> str:
    try:
        return headers.to(response).tag
    except SipError:
        return ""
