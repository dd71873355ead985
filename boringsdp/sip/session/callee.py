"""
The INVITE of an incoming call and how it is answered (RFC 3261 §13.3, RFC 3262 §3): provisional responses, a 2xx repeated until its ACK, or
a refusal.
"""

from __future__ import annotations

from contextlib import suppress

from boringsdp.errors import Exhausted, SipError, WrongState
from boringsdp.sip import build, headers
from boringsdp.sip.dialog import Dialog
from boringsdp.sip.message import Request, Response
from boringsdp.sip.offer_answer import Phase
from boringsdp.sip.reliable import FIRST_RSEQ_BITS, Reliability
from boringsdp.sip.session.bodies import SDP, reason_of, sdp_of, words_of
from boringsdp.sip.session.changes import Turn
from boringsdp.sip.session.core import Core, HeaderPairs
from boringsdp.sip.session.events import By, Cancelled, Confirmed, Ended
from boringsdp.sip.session.peer import Peer
from boringsdp.sip.session.repeated_ok import RepeatedOk
from boringsdp.sip.session.settings import Prack
from boringsdp.sip.session.states import RINGS_HERE, State
from boringsdp.sip.session_timer import options_of

PROVISIONAL_EVERY = 60.0
"""Seconds after which an unreliable provisional response is sent again, for the proxies' sake (RFC 3261 §13.3.1.1)."""
RELIABLE_EVERY = 150.0
"""The same of a reliable one (RFC 3262 §3)."""

NOT_ACCEPTED = RINGS_HERE | {State.ACCEPTING}


class Callee:
    def __init__(self, core: Core, request: Request, transaction: int) -> None:
        """Raises SipError when the INVITE makes no dialog: it has no Contact."""
        self._core = core
        self.invite = request
        self.transaction = transaction
        self.main = Peer(core, Dialog.of_request(request, core.local_tag))
        self.main.learn(request)
        self.sdp = sdp_of(request)
        self._preview: bytes | None = None
        """Our SDP of an unreliable provisional response."""
        first = int(core.token(4), 16) >> (32 - FIRST_RSEQ_BITS) or 1
        self._reliability = Reliability(min(first, 2**31 - 2**10), core.settings.t1)
        self._accepting: tuple[bytes | None, HeaderPairs] | None = None
        """What `accept` was given, until its 2xx may go out."""
        self._goodbye: tuple[HeaderPairs, Ended] | None = None
        """What `hang_up` was given, until its BYE may go out."""
        self._repeated: RepeatedOk | None = None

    def start(self, now: float) -> None:
        """Take the INVITE, or refuse it for its session interval, or because it lacks the 100rel that we are to insist on."""
        core = self._core
        core.become(State.INCOMING)
        least = core.session_timer.least(self.invite)
        refusal = None
        if core.settings.prack is Prack.REQUIRED and "100rel" not in options_of(self.invite):
            refusal = self._response(421, "", [("Require", "100rel")])
        elif least is not None:
            refusal = self._response(422, "", [("Min-SE", str(least))])
        if refusal is not None:
            core.reply(self.transaction, refusal)
            core.finish(now)
            return
        if self.sdp is not None:
            self.main.talk.offered(self.sdp)
        if core.settings.ring_limit:
            core.timers.set("ring limit", now + core.settings.ring_limit, lambda at: self._ran_out(480, at))
        with suppress(SipError):
            if seconds := headers.expires(self.invite):
                core.timers.set("expires", now + seconds, lambda at: self._ran_out(487, at))

    def _ran_out(self, code: int, now: float) -> None:
        self.reject(code, "", (), now, By.TIMER)

    def _response(self, code: int, reason: str, lines: HeaderPairs = (), sdp: bytes | None = None) -> Response:
        """Return a response with our tag; one that makes the dialog also has its route and our Contact (RFC 3261 §12.1.1)."""
        made = [("To", self.main.dialog.local)]
        if code < 300:
            made += [("Record-Route", value) for value in self.invite.headers.all("Record-Route")]
            made += [*self._core.contact_lines(), *self._core.capabilities()]
        return build.response(code, reason or None, headers=[*made, *lines], content_type=SDP if sdp else "", body=sdp or b"")

    # --- provisional ----------------------------------------------------------------------------------------------------------------

    def progress(self, sdp: bytes | None, code: int, lines: HeaderPairs, reliable: bool | None, now: float) -> None:
        reliable = self._reliably(sdp, reliable)
        talk = self.main.talk
        body = sdp
        if sdp is not None:
            match talk.phase:
                case Phase.ASKED if reliable and self.main.asked is None:
                    talk.answer(sdp)
                case Phase.ASKED:
                    self._preview = sdp
                case Phase.NOTHING if reliable:
                    talk.offer(sdp)
                case Phase.NOTHING:
                    raise WrongState("no offer came", "a peer that knows 100rel, or no SDP")
                case _:
                    body = None  # said before
        response = self._response(code, "", lines, body)
        if self._core.state is State.INCOMING:
            self._core.become(State.EARLY)
        if reliable:
            self._send_reliably(response, now)
        else:
            self._core.reply(self.transaction, response)
        again = self._response(code, "", lines, None if reliable else body)
        self._core.timers.set(
            "provisional", now + (RELIABLE_EVERY if reliable else PROVISIONAL_EVERY), lambda at: self._again(again, reliable, at)
        )

    def _reliably(self, sdp: bytes | None, wanted: bool | None) -> bool:
        ours = self._core.settings.prack
        required = ours is Prack.REQUIRED or "100rel" in words_of(self.invite, "Require")
        possible = ours is not Prack.OFF and (required or "100rel" in self.main.supports)
        if wanted and not possible:
            raise WrongState("the peer does not know 100rel", "an unreliable response")
        if self._reliability.full:
            raise Exhausted("provisional responses that wait for PRACK")
        return possible and (required or (sdp is not None if wanted is None else wanted))

    def _again(self, response: Response, reliable: bool, now: float) -> None:
        if self._core.state not in RINGS_HERE:
            return
        if not reliable:
            self._core.reply(self.transaction, response)
        elif not self._reliability.waiting:
            self._send_reliably(response, now)
        every = RELIABLE_EVERY if reliable else PROVISIONAL_EVERY
        self._core.timers.set("provisional", now + every, lambda at: self._again(response, reliable, at))

    def _send_reliably(self, response: Response, now: float) -> None:
        first = self._reliability.send(response, now)
        if first is not None:
            self._core.reply(self.transaction, first)
        self._watch_reliability()

    def _watch_reliability(self) -> None:
        at = self._reliability.deadline()
        if at is None:
            self._core.timers.clear("PRACK")
        else:
            self._core.timers.set("PRACK", at, self._repeat_reliable)

    def _repeat_reliable(self, now: float) -> None:
        if self._reliability.expired(now):
            self.reject(504, "", (), now, By.TIMER)
            return
        if (response := self._reliability.tick(now)) is not None:
            self._core.reply(self.transaction, response)
        self._watch_reliability()

    def receive_prack(self, request: Request, transaction: int, now: float) -> None:
        """Match a PRACK to its response (RFC 3262 §3)."""
        rack, cseq = None, headers.cseq(self.invite)
        with suppress(SipError):
            rack = headers.rack(request)
        if rack is None or (rack.cseq, rack.method) != (cseq.number, cseq.method):
            self._core.refuse(transaction, 481)
        elif self._reliability.acknowledged(rack.rseq) is not None:
            self._watch_reliability()
            self.main.answer_prack(request, transaction)
            self._after_prack(now)
        elif self._reliability.acknowledged_late(rack.rseq):
            self._core.refuse(transaction, 200)
        else:
            self._core.refuse(transaction, 481)

    def _after_prack(self, now: float) -> None:
        if (response := self._reliability.next(now)) is not None:
            self._core.reply(self.transaction, response)
        self._watch_reliability()
        if self._core.state is State.ACCEPTING and self._accepting is not None and not self._must_wait():
            (sdp, lines), self._accepting = self._accepting, None
            self._accept_now(sdp, lines, now)

    # --- 2xx ------------------------------------------------------------------------------------------------------------------------

    def accept(self, sdp: bytes | None, lines: HeaderPairs, now: float) -> None:
        """Send the 2xx, or have it wait for the PRACK of an SDP."""
        talk = self.main.talk
        if (
            sdp is None
            and self._preview is None
            and (talk.phase is Phase.NOTHING or (talk.phase is Phase.ASKED and self.main.asked is None))
        ):
            raise WrongState("no SDP was sent", "an SDP")
        if self._must_wait():
            self._core.become(State.ACCEPTING)
            self._accepting = (sdp, tuple(lines))
        else:
            self._accept_now(sdp, lines, now)

    def _must_wait(self) -> bool:
        return self._reliability.waiting_with_sdp

    def _accept_now(self, sdp: bytes | None, lines: HeaderPairs, now: float) -> None:
        core, talk = self._core, self.main.talk
        body = sdp if sdp is not None else self._preview
        if body is not None and talk.phase is Phase.ASKED and self.main.asked is None:
            talk.answer(body)
        elif body is not None and talk.phase is Phase.NOTHING:
            talk.offer(body)
        else:
            body = None  # the answer went reliably before
        self._over()
        core.become(State.ACCEPTED)
        timer = core.session_timer.of_answer(self.invite, now)
        core.watch_session_timer()
        response = self._response(200, "", [*timer, *lines], body)
        self._repeated = RepeatedOk(core, self.transaction, response, self._unheard, now)

    def receive_ack(self, request: Request, now: float) -> None:
        """Take the ACK of the 2xx; or a later request that says as much."""
        core, talk = self._core, self.main.talk
        if self._repeated is None or core.state not in (State.ACCEPTED, State.LEAVING):
            return
        self._repeated.stop()
        sdp = sdp_of(request) if request.method == "ACK" else None
        if core.state is State.LEAVING:
            self._leave(now)
            return
        core.become(State.CONFIRMED)
        if not talk.awaits_answer or self.main.changes.turn is Turn.ASKING:
            core.tell(Confirmed(None, request))
        elif sdp is None:
            talk.withdraw()
            self.main.bye(Ended(By.LOCAL, 488, "no answer in the ACK", request), now)
        else:
            talk.answered(sdp)
            core.tell(Confirmed(sdp, request))

    def acknowledges(self, request: Request) -> bool:
        """Whether an ACK is for the first INVITE."""
        return headers.cseq(request).number == headers.cseq(self.invite).number

    def _unheard(self, now: float) -> None:
        if self._core.state is State.LEAVING:
            self._leave(now)
        else:
            self.main.bye(Ended(By.TIMER, 408, "no ACK"), now)

    # --- the end --------------------------------------------------------------------------------------------------------------------

    def reject(self, code: int, reason: str, lines: HeaderPairs, now: float, by: By = By.LOCAL) -> None:
        response = self._response(code, reason, lines)
        self._over()
        self._core.reply(self.transaction, response)
        self.main.stop(now)
        self._core.end(Ended(by, code, response.reason), now)

    def cancelled(self, request: Request, now: float) -> None:
        """The peer takes its INVITE back, by CANCEL or by BYE; nothing after our 2xx."""
        if self._core.state not in NOT_ACCEPTED:
            return
        self._over()
        self._core.reply(self.transaction, self._response(487, ""))
        self.main.stop(now)
        self._core.end(Cancelled(request, reason_of(request)), now)

    def hang_up(self, code: int, lines: HeaderPairs, now: float) -> None:
        """Refuse, or leave when the ACK has come."""
        if self._core.state in NOT_ACCEPTED:
            self.reject(code, "", lines, now)
        else:
            self._core.become(State.LEAVING)
            self._goodbye = (tuple(lines), Ended(By.LOCAL, 200, ""))

    def ended(self) -> None:
        """The peer's BYE came."""
        if self._repeated is not None:
            self._repeated.stop()

    def _leave(self, now: float) -> None:
        lines, event = self._goodbye or ((), Ended(By.LOCAL, 200, ""))
        self.main.bye(event, now, lines)

    def _over(self) -> None:
        """A final response goes out."""
        self._reliability.stop()
        self._core.timers.clear("ring limit", "expires", "provisional", "PRACK")
