"""What the SIP session and the media of a call tell, and what the application hears of it."""

from __future__ import annotations

import contextlib
from typing import Any

from boringsdp import logs
from boringsdp.call import CallClosed, CallEvent, CallTimedOut, LegDtmf, LegMediaTimeout, Party
from boringsdp.call.digits import Digit, read_digit, wants_picture
from boringsdp.errors import Exhausted, SdpError, WrongState
from boringsdp.janus_api.plugin import Jsep
from boringsdp.sdp import Description
from boringsdp.sip import account as told
from boringsdp.sip.message import Message, Request
from boringsdp.sip.session import events as sip
from boringsdp.sip_plugin import events
from boringsdp.sip_plugin.headers import reason_of
from boringsdp.sip_plugin.media_side import read_sdp, srtp_of
from boringsdp.sip_plugin.phone_call import CallState, Open, PhoneCall
from boringsdp.sip_plugin.view import contacts_of, content_type_of, header_of, is_focus, recipient_of, sender_of, text_of, why

NOT_ACCEPTABLE = 488
REQUEST_PENDING = 491
TERMINATED = 487
HUNG_UP_HERE, HUNG_UP_THERE = "to BYE", "Session Terminated"
"""What clients of Janus are told of a call that had been answered."""
IN_WORDS = {HUNG_UP_HERE: "hung up here", HUNG_UP_THERE: "hung up by the peer"}
TICKS_PER_MS = 8
"""RFC 4733 counts in the audio's clock, which is 8000 Hz on telephones; clients expect that."""

log = logs.bind("sip")


class CallNews:
    """`hear` for the session, `hear_media` for the media."""

    def __init__(self, call: PhoneCall) -> None:
        self._call = call

    def hear(self, event: Any) -> None:
        """Take an event of the session (`boringsdp.sip.session.events`, `boringsdp.sip.account`)."""
        match event:
            case sip.Proceeding() | sip.Ringing() | sip.EarlyMedia() | sip.Answered():
                self._hear_answering(event)
            case sip.OfferReceived() | sip.AnswerReceived() | sip.OfferRefused() | sip.OfferWithdrawn() | sip.Confirmed():
                self._hear_offers(event)
            case sip.Failed(code, reason, response):
                self._over(code, why(reason, response), response)
            case sip.Cancelled(request):
                self._over(TERMINATED, "Request Terminated", request)
            case sip.Ended(by, code, reason, message):
                if code == 200:
                    reason = HUNG_UP_HERE if by is sip.By.LOCAL else HUNG_UP_THERE
                self._over(code, reason, message)
            case sip.RequestAnswered(number, response):
                if (done := self._call.requests.pop(number, None)) is not None:
                    done(response.code, why(response.reason, response))
            case _:
                self._hear_requests(event)

    def _hear_requests(self, event: Any) -> None:
        match event:
            case told.InfoReceived(request=request):
                who = sender_of(request)
                news = events.info(who.uri, who.name, content_type_of(request), text_of(request), self._headers(request))
                self._tell(news)
                self._info_digit(read_digit(content_type_of(request), text_of(request)), who.uri)
                if self._call.media is not None and wants_picture(content_type_of(request), text_of(request)):
                    self._call.media.call.request_key_frame(Party.A)
            case told.MessageReceived(request=request):
                who = sender_of(request)
                news = events.message(who.uri, who.name, text_of(request), content_type_of(request) or "text/plain", self._headers(request))
                self._tell(news)
            case told.NotifyReceivedInDialog(request=request, event=package):
                state = header_of(request, "Subscription-State").partition(";")[0]
                self._tell(events.notify(package, state, content_type_of(request), text_of(request), self._headers(request)))
            case told.ReferReceived():
                self._call.outlet.transferred(event)

    def _info_digit(self, digit: Digit | None, sender: str) -> None:
        """A digit by INFO is told as one in the media is."""
        digits = self._call.digits
        if digit is None or not digits.new(digit.key, "info"):
            return
        self._tell(events.dtmf(sender, digit.key, digit.duration_ms * TICKS_PER_MS))
        digits.play(digit)

    # --- an outgoing call, until it is answered --------------------------------------------------------------------------------------

    def _hear_answering(self, event: sip.Proceeding | sip.Ringing | sip.EarlyMedia | sip.Answered) -> None:
        response = event.response
        match event:
            case sip.Proceeding(code):
                self._tell(events.proceeding(code, self._headers(response)))
            case sip.Ringing():
                self._tell(events.proceeding(180, self._headers(response)))
                if not response.body:
                    self._tell(events.ringing(self._headers(response)))
            case sip.EarlyMedia(sdp, tag=tag):
                if response.code != 180:
                    self._tell(events.proceeding(response.code, self._headers(response)))
                self._early(sdp, tag, response)
            case sip.Answered(sdp, tag=tag):
                self._answered(sdp, tag, response)

    def _early(self, sdp: bytes, tag: str, response: Message) -> None:
        """The latest early media is heard. The browser gets the first answer; what cannot be served is left for the final one."""
        media = self._call.media
        if media is None:
            return
        try:
            text = media.early_of_peer(sdp, tag)
        except (SdpError, WrongState, Exhausted) as error:
            log.info("early media cannot be served", extra={**self._call.name(), "reason": str(error)})
            return
        if text is None:
            return
        jsep = Jsep.answer(text) if media.tell_browser(text) else None
        news = events.answered("progress", self._peer, isfocus=is_focus(response), headers=self._headers(response))
        self._tell(news, jsep)
        self._record({"event": "progress", "call-id": self._call.call_id, "username": self._peer})

    def _answered(self, sdp: bytes | None, tag: str, response: Message) -> None:
        call, media = self._call, self._call.media
        if media is None or sdp is None:
            call.why = (NOT_ACCEPTABLE, "Missing SDP in the answer")
            call.session.hang_up()
            return
        try:
            text = media.answer_of_peer(sdp, tag)
            news = media.peer.take(read_sdp(sdp))
        except (SdpError, WrongState, Exhausted) as error:
            self._hang_up(f"Cannot serve the answer: {error}")
            return
        call.phase = CallState.INCALL
        jsep = Jsep.answer(text) if text is not None and media.tell_browser(text) else None
        self._tell(events.answered("accepted", self._peer, isfocus=is_focus(response), headers=self._headers(response)), jsep)
        self._record({"event": "accepted", "call-id": call.call_id, "username": self._peer})
        for each in news:
            self._tell(each)
        if media.stale:
            self._offer_browser()

    def _offer_browser(self) -> None:
        """The browser has the early answer of another fork: it is offered what holds now, and answers by `update`."""
        call, media = self._call, self._call.media
        assert media is not None
        try:
            offer = media.offer_to_browser()
        except (SdpError, WrongState, Exhausted) as error:
            log.info("the browser cannot be offered the final answer", extra={**call.name(), "reason": str(error)})
            return
        call.open = Open.BROWSER
        self._tell(self._incoming("updatingcall", call.session.request, None), Jsep.offer(offer))

    # --- offers and answers of an established call -----------------------------------------------------------------------------------

    def _hear_offers(self, event: Any) -> None:
        call = self._call
        match event:
            case sip.OfferReceived(sdp, message, tag):
                self._offered(sdp, message, tag)
            case sip.AnswerReceived(sdp, message):
                self._answer_came(sdp, message)
            case sip.Confirmed(sdp, request):
                if call.state is CallState.ACCEPTING:
                    self._confirmed(sdp, request)
            case sip.OfferRefused(code, reason, response):
                self._refused(code, why(reason, response))
            case sip.OfferWithdrawn():
                if call.media is not None and call.open is Open.PEER:
                    call.media.refused()
                call.settled()

    def _offered(self, sdp: bytes | None, message: Message, tag: str) -> None:
        """A re-INVITE or UPDATE: answered for the browser, or shown to the application."""
        call, media = self._call, self._call.media
        call.give_up_browser()
        try:
            if media is None or call.open is not Open.NONE:
                call.session.refuse(REQUEST_PENDING, tag=tag)
            elif sdp is None:
                self._offer_wanted(message, tag)
            elif call.auto or not call.established:
                description = read_sdp(sdp)
                call.session.answer(media.answer_for_browser(description, None if call.established else (tag, sdp)), tag=tag)
                self._tell_changes(description)
            else:
                description = read_sdp(sdp)
                offer = media.offer_of_peer(description)
                call.open = Open.PEER
                self._tell(self._incoming("updatingcall", message, description), Jsep.offer(offer))
                self._tell_changes(description)
        except (SdpError, Exhausted) as error:
            call.session.refuse(NOT_ACCEPTABLE, headers=(("Warning", f'399 boringsdp "{_quotable(str(error))}"'),), tag=tag)
        except WrongState:
            call.session.refuse(REQUEST_PENDING, tag=tag)

    def _offer_wanted(self, message: Message, tag: str) -> None:
        call, media = self._call, self._call.media
        assert media is not None
        if call.auto or not call.established:
            call.session.answer(media.offer_again(), tag=tag)
            call.open = Open.LATE
        else:
            call.open = Open.ASKED
            self._tell(self._incoming("updatingcall", message, None))

    def _answer_came(self, sdp: bytes, message: Message) -> None:
        """The peer's answer to whatever offer was with it."""
        call, media, opened = self._call, self._call.media, self._call.open
        if media is None:
            return
        if opened is Open.EARLY:
            self._early_answer(sdp, message)
            return
        try:
            description = read_sdp(sdp)
            text = None
            if opened in (Open.HOLD, Open.LATE):
                media.settle(sdp)
            else:
                text = media.answer_of_peer(sdp, unheld=call.auto)
        except (SdpError, WrongState, Exhausted) as error:
            media.refused()
            call.settled()
            self._tell(events.update_failed(NOT_ACCEPTABLE, f"Cannot serve the answer: {error}"))
            return
        call.settled()
        if text is not None:
            media.tell_browser(text)
            news = events.answered("accepted", self._peer, isfocus=is_focus(message), headers=self._headers(message))
            self._tell(news, Jsep.answer(text))
        elif opened is Open.HOLD:
            limit = media.direction
            self._tell(events.resumed() if limit.send and limit.receive else events.held(limit.value))
        self._tell_changes(description, while_held=not media.direction.send)

    def _early_answer(self, sdp: bytes, message: Message) -> None:
        """The answer to the browser's offer that went with early media; the call may have been accepted since."""
        call = self._call
        accepted = call.state is CallState.ACCEPTING
        if self._first_answer(sdp, "accepted" if accepted else "progress", message):
            call.phase = CallState.INCALL if accepted else call.phase

    def _confirmed(self, sdp: bytes | None, request: Request) -> None:
        """The ACK to our 200 with an offer, or after early media with one that no PRACK has answered."""
        if sdp is None or self._call.media is None:
            self._hang_up("Missing SDP in the ACK")
        elif self._first_answer(sdp, "accepted", request):
            self._call.phase = CallState.INCALL

    def _first_answer(self, sdp: bytes, event: str, message: Message) -> bool:
        """Put the caller's answer to the browser's first offer into force; without one that can be served the call ends."""
        call, media = self._call, self._call.media
        assert media is not None
        try:
            text = media.answer_of_peer(sdp)
            news = media.peer.take(read_sdp(sdp))
        except (SdpError, WrongState, Exhausted) as error:
            self._hang_up(f"Cannot serve the answer: {error}")
            return False
        call.settled()
        if text is not None:
            media.tell_browser(text)
        self._tell(events.answered(event, self._peer, headers=self._headers(message)), Jsep.answer(text) if text is not None else None)
        for each in news:
            self._tell(each)
        return True

    def _refused(self, code: int, reason: str) -> None:
        call, media, opened = self._call, self._call.media, self._call.open
        call.settled()
        if media is None:
            return
        if opened is Open.HOLD:
            media.restore(call.before_hold)
        else:
            media.refused()
            if opened is Open.UPDATE:
                call.outlet.decline()
        self._tell(events.update_failed(code, reason))

    # --- media -----------------------------------------------------------------------------------------------------------------------

    def hear_media(self, event: CallEvent) -> None:
        """Take an event of the media."""
        call = self._call
        match event:
            case LegDtmf(Party.B, digit, duration_ms):
                if call.digits.new(digit, "media"):
                    self._tell(events.dtmf(self._peer, digit, duration_ms * TICKS_PER_MS))
            case LegDtmf(Party.A, digit, duration_ms):
                call.digits.pressed(digit, duration_ms)
            case LegMediaTimeout(party, after):
                leg = "webrtc" if party is Party.A else "sip"
                self._tell({"event": "media_timeout", "leg": leg, "seconds": after})
            case CallTimedOut(waiting_for, after):
                if waiting_for == "answer" and call.established:
                    self._give_up_offer()
                self._tell({"event": "timeout", "waiting_for": waiting_for, "seconds": after})
            case CallClosed(reason):
                call.media = None
                call.outlet.publish(event)
                call.lost(reason)
            case _:
                call.outlet.publish(event)

    def _give_up_offer(self) -> None:
        """Nobody answered an offer within the time that offers have."""
        call, opened = self._call, self._call.open
        call.settled()
        if opened in (Open.PEER, Open.ASKED):
            with contextlib.suppress(WrongState):
                call.session.refuse(NOT_ACCEPTABLE)

    # --- ends ------------------------------------------------------------------------------------------------------------------------

    def _hang_up(self, why: str) -> None:
        """End what cannot be served."""
        call = self._call
        call.why = (NOT_ACCEPTABLE, why)
        call.session.hang_up((("Reason", f'SIP;cause={NOT_ACCEPTABLE};text="{_quotable(why)}"'),), code=NOT_ACCEPTABLE)

    def _over(self, code: int, reason: str, message: Message | None) -> None:
        call = self._call
        if call.why is not None:
            code, reason = call.why
        contacts = contacts_of(message) if message is not None and 300 <= code < 400 else ()
        self._tell(events.hangup(code, reason, reason_of(message), self._headers(message), contacts))
        self._record({"event": "hangup", "call-id": call.call_id, "code": code, "reason": reason})
        call.phase = CallState.CLOSING
        call.outlet.over(call, IN_WORDS.get(reason, f"{code} {reason}"))

    # --- telling ---------------------------------------------------------------------------------------------------------------------

    @property
    def _peer(self) -> str:
        return self._call.session.remote_uri

    def _incoming(self, name: str, request: Message, description: Description | None) -> dict[str, Any]:
        session = self._call.session
        who = sender_of(request) if isinstance(request, Request) and session.incoming else None
        return events.incoming(
            name,
            username=who.uri if who is not None else session.remote_uri,
            displayname=who.name if who is not None else "",
            call_id=session.call_id,
            callee=recipient_of(request) if who is not None else session.local_uri,
            headers=self._headers(request),
            referred_by=header_of(request, "Referred-By"),
            replaces=header_of(request, "Replaces"),
            isfocus=is_focus(request),
            srtp=srtp_of(description) if description is not None else None,
        )

    def show_incoming(self, request: Request, description: Description | None, offer: str | None) -> None:
        """Tell of the call that came in."""
        self._tell(self._incoming("incomingcall", request, description), Jsep.offer(offer) if offer is not None else None)

    def _tell_changes(self, description: Description, *, while_held: bool = False) -> None:
        media = self._call.media
        for news in [] if media is None else media.peer.take(description, while_held=while_held):
            self._tell(news)

    def _headers(self, message: Message | None) -> dict[str, Any]:
        return self._call.outlet.show(message)

    def _tell(self, result: dict[str, Any], jsep: Jsep | None = None) -> None:
        self._call.outlet.push(result, jsep, call_id=self._call.call_id)

    def _record(self, data: dict[str, Any]) -> None:
        self._call.outlet.record(data)


def _quotable(text: str) -> str:
    return "".join(char if " " <= char <= "~" and char not in '"\\' else "." for char in text)[:120]


__all__ = ["CallNews"]
