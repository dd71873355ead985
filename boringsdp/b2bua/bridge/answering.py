"""What the caller hears until its call is answered: ringing, early media, the answer; offers by the callee where the caller made none."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from boringsdp import logs
from boringsdp.b2bua import headers
from boringsdp.b2bua.bridge.media import same_streams
from boringsdp.b2bua.plan import Kind
from boringsdp.call import Party
from boringsdp.errors import BoringError, Exhausted, SdpError, WrongState
from boringsdp.sip import account as told
from boringsdp.sip.session import events as sip
from boringsdp.sip.session.bodies import sdp_of

if TYPE_CHECKING:
    from boringsdp.b2bua.bridge.bridge import Bridge
    from boringsdp.b2bua.bridge.dialing import Try
    from boringsdp.b2bua.bridge.outcome import Outcome
    from boringsdp.b2bua.bridge.side import Side
    from boringsdp.sip.facades import Session

log = logs.bind("b2bua")
REQUEST_PENDING = 491
NOT_ACCEPTABLE = 488


class Answering:
    """A part of a bridge, until the call is up."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge: Bridge = weakref.proxy(bridge)  # whose part this is
        self._told: bytes | None = None
        """The answer that the caller has, or the last one that was sent."""
        self._bound = False
        """It went reliably: no other can follow in the response to the INVITE."""
        self._passed: tuple[int, str] | None = None
        """The last provisional response that the caller got."""
        self._offering: Side | None = None
        """Whose offer is with the caller (late offer)."""
        self._offer_tag = ""
        self._agreed: Side | None = None
        """Whose early offer the caller has been given: the 2xx has none."""
        self._updated: dict[str, bytes] = {}
        """What early UPDATEs have put into force, by branch: an answer that the 2xx stands for."""
        self._lines: headers.Lines = ()
        self._stale = False
        """The caller is to be told anew what holds, once it can be asked."""

    @property
    def _caller(self) -> Session:
        return self._bridge.caller.session

    # --- while it rings --------------------------------------------------------------------------------------------------------------

    def trying(self, tried: Try, event: Any) -> None:
        """Somebody who is called tells something before he answers."""
        match event:
            case sip.Ringing(response):
                self._bridge.notes.ring()
                if sdp_of(response) is None:
                    self._pass(180, event)
            case sip.Proceeding(code) if code in (181, 182, 183):
                self._pass(code, event)
            case sip.EarlyMedia(sdp, response, tag):
                self._bridge.notes.ring()
                self._early(tried.side, sdp, tag, event)
            case sip.OfferReceived():
                self._offered_early(tried.side, event)
            case told.ReferReceived(refer=refer):
                refer.reject(REQUEST_PENDING)
            case told.InfoReceived() | told.MessageReceived() | told.NotifyReceivedInDialog() | told.IncomingSubscribe():
                self._bridge.within.hear(tried.side, event)
            case sip.RequestAnswered():
                self._bridge.within.answered(tried.side, event)
            case sip.AnswerReceived() | sip.OfferRefused() | sip.OfferWithdrawn():
                pass  # nothing of ours is offered before the answer

    def _pass(self, code: int, event: sip.Ringing | sip.Proceeding) -> None:
        """Tell the caller, once for each change."""
        if self._passed == (code, ""):
            return
        self._passed = code, ""
        lines = headers.passed(event.response, self._bridge.desk.settings.headers)
        self._try(lambda: self._caller.ring(lines) if code == 180 else self._caller.progress(None, code, lines))

    def _early(self, side: Side, sdp: bytes, tag: str, event: sip.EarlyMedia) -> None:
        """The latest early media is heard. The caller gets the first answer; what cannot be served is left for the final one."""
        if self._bridge.offer is None:
            return
        try:
            text = self._bridge.media.early(sdp, branch=side.branch, tag=tag)
        except (SdpError, WrongState, Exhausted) as error:
            log.info("early media cannot be served", extra={"call": self._bridge.notes.id, "reason": str(error)})
            text = None
        if text is None or self._told is not None:
            return
        code = 180 if event.response.code == 180 else 183
        lines = headers.passed(event.response, self._bridge.desk.settings.headers)
        if self._try(lambda: self._caller.progress(text, code, lines)):
            self._told, self._passed = text, (code, "sdp")
            self._bound = "100rel" in self._caller.facts.peer_supports

    # --- offers before the answer ----------------------------------------------------------------------------------------------------

    def _offered_early(self, side: Side, event: sip.OfferReceived) -> None:
        """An early UPDATE; or the offer to an INVITE that had none, in a reliable provisional response."""
        bridge, session = self._bridge, side.session
        try:
            if bridge.offer is not None and event.sdp is not None:
                session.answer(bridge.media.answer_alone(Party.B, event.sdp, side.branch), tag=event.tag)
                self._updated[side.branch] = event.sdp
            elif event.sdp is not None and self._offering is None and "100rel" in self._caller.facts.peer_supports:
                text = bridge.media.offer(Party.B, event.sdp, bridge.caller.style, branch=side.branch, family=family_of(self._caller))
                self._caller.progress(text, 183, headers.passed(event.message, bridge.desk.settings.headers), reliable=True)
                self._offering, self._agreed, self._offer_tag = side, side, event.tag
            else:
                session.refuse(REQUEST_PENDING, tag=event.tag)
        except (SdpError, Exhausted) as error:
            session.refuse(NOT_ACCEPTABLE, headers=headers.warning(str(error)), tag=event.tag)
        except WrongState:
            session.refuse(REQUEST_PENDING, tag=event.tag)

    # --- the answer ------------------------------------------------------------------------------------------------------------------

    def answered(self, side: Side, event: sip.Answered) -> None:
        """The callee has answered: the caller is told, with its SDP."""
        bridge = self._bridge
        lines = headers.passed(event.response, bridge.desk.settings.headers)
        try:
            if bridge.offer is None and self._agreed is side:
                self._caller.accept(None, lines)
                bridge.talk()
            elif bridge.offer is None:
                bridge.answer_awaited()  # its offer comes next
                self._lines = lines
            elif event.sdp is None:
                raise SdpError("no SDP in the answer")
            else:
                text = self._told if self._updated.get(side.branch) == event.sdp else None
                text = text or bridge.media.answer(Party.B, event.sdp, branch=side.branch, tag=event.tag)
                self._caller.accept(text, lines)
                bridge.talk()
                if self._bound and self._told is not None and not same_streams(text, self._told):
                    self._stale = True
        except BoringError as error:
            bridge.fail(side, error)

    def hear(self, side: Side, event: Any) -> bool:
        """Take offers and answers that belong to the beginning of the call; returns whether this was one."""
        bridge = self._bridge
        match event:
            case sip.OfferReceived(sdp) if bridge.awaits_answer and side is bridge.callee and self._offering is None and sdp is not None:
                self._offered_late(side, event)
            case sip.AnswerReceived(sdp) if side is bridge.caller and self._offering is not None:
                self._answer_late(sdp)
            case sip.OfferReceived(tag=tag) if bridge.dialing or bridge.awaits_answer:
                side.session.refuse(REQUEST_PENDING, tag=tag)
            case _:
                return bridge.dialing
        return True

    def _offered_late(self, side: Side, event: sip.OfferReceived) -> None:
        """The 2xx has the offer: the caller gets it in our 2xx."""
        bridge = self._bridge
        try:
            text = bridge.media.offer(Party.B, event.sdp or b"", bridge.caller.style, branch=side.branch, family=family_of(self._caller))
            self._caller.accept(text, self._lines)
            self._offering, self._offer_tag = side, event.tag
        except BoringError as error:
            bridge.fail(side, error)

    def confirmed(self, sdp: bytes | None) -> None:
        """The caller's ACK."""
        if sdp is not None and self._offering is not None:
            self._answer_late(sdp)
        elif self._stale:
            self._stale = False
            self._bridge.changes.renew(self._bridge.caller)

    def _answer_late(self, sdp: bytes) -> None:
        """The caller has answered the callee's offer."""
        bridge, side = self._bridge, self._offering
        assert side is not None
        self._offering = None
        try:
            text = bridge.media.answer(Party.A, sdp, branch=side.branch)
            side.session.answer(text, tag=self._offer_tag)
        except BoringError as error:
            bridge.fail(bridge.caller, error)
            return
        if bridge.awaits_answer:
            bridge.talk()

    # --- refusal ---------------------------------------------------------------------------------------------------------------------

    def refusal(self, outcome: Outcome) -> tuple[int, headers.Lines]:
        """Return the code and headers that the caller's call is refused with."""
        bridge, response, code = self._bridge, outcome.response, outcome.code
        lines = headers.passed(response, bridge.desk.settings.headers) + headers.reasons_of(response)
        if code in (401, 407):
            return (code, lines + headers.challenges(response)) if bridge.caller.passes_challenges else (403, lines)
        if 300 <= code < 400:
            contacts = headers.contacts_of(response)
            return (code, lines + contacts) if contacts else (480, lines)
        if code == 503:  # of ours it would mean that we are not to be asked (RFC 3261 §16.7)
            return (480 if outcome.attempt is not None and outcome.attempt.kind is Kind.BROWSER else 500), lines
        if response is None and not outcome.unreached:  # where the PBX is, is not the caller's business
            lines += headers.warning(outcome.reason)
        return code, lines

    def _try(self, act: Any) -> bool:
        """Tell the caller something that can be left untold."""
        try:
            act()
        except BoringError as error:
            log.info("not told to the caller", extra={"call": self._bridge.notes.id, "reason": str(error)})
            return False
        return True


def family_of(session: Session) -> str:
    """Which of our addresses is written in an offer to somebody who has said none: as his Contact has it."""
    return "IP6" if "[" in session.remote_target else "IP4"
