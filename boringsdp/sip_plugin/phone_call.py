"""One call of a handle: joins the SIP session and the media. Commands are here, what the session tells is in `call_news.py`."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from boringsdp.call import CallEvent
from boringsdp.call.digits import DtmfMode
from boringsdp.errors import JanusError, WrongState
from boringsdp.janus_api.plugin import Jsep, JsepType
from boringsdp.sdp import Direction
from boringsdp.sip.facades import Session
from boringsdp.sip.message import Message
from boringsdp.sip_plugin import requests as ask
from boringsdp.sip_plugin.call_digits import CallDigits
from boringsdp.sip_plugin.codes import INVALID_ELEMENT, IO_ERROR, MISSING_SDP, TOO_STRICT, WRONG_STATE
from boringsdp.sip_plugin.headers import HeaderLines
from boringsdp.sip_plugin.media_side import MediaSide

Json = dict[str, Any]
Reply = tuple[Json, Jsep | None]


class CallState(enum.Enum):
    """As `handle_info` names them; a handle without a call is idle."""

    INVITING = "inviting"
    INVITED = "invited"
    PROGRESS = "progress"
    """Incoming: early media was sent."""
    ACCEPTING = "accepting"
    """Incoming without SDP: our offer is out, the answer in the ACK (or in the PRACK of early media) is awaited."""
    INCALL = "incall"
    REINVITING = "incall_reinviting"
    """An offer of ours, or of the browser, is with the peer."""
    REINVITED = "incall_reinvited"
    """An offer of the peer is with the browser."""
    CLOSING = "closing"

    @property
    def words(self) -> str:
        """What is said of it in errors."""
        return WORDS[self]


WORDS = {
    CallState.INVITING: "not answered yet by the peer",
    CallState.INVITED: "ringing here",
    CallState.PROGRESS: "ringing here, with early media",
    CallState.ACCEPTING: "accepted, and its ACK awaited",
    CallState.INCALL: "established",
    CallState.REINVITING: "established, with an offer at the peer",
    CallState.REINVITED: "established, with an offer of the peer's to be answered",
    CallState.CLOSING: "ending",
}
RINGS_HERE = "one that comes in and is not answered"
ESTABLISHED = "an established one"


class Open(enum.Enum):
    """Which exchange of an established call is under way."""

    NONE = 0
    UPDATE = 1
    """The browser's offer is with the peer."""
    HOLD = 2
    """Our hold, or its end."""
    LATE = 3
    """The peer asked for an offer: what is in force is with it."""
    ASKED = 4
    """The peer asked for an offer, the application is to make it."""
    PEER = 5
    """The peer's offer is with the browser."""
    BROWSER = 6
    """An offer of ours is with the browser."""
    EARLY = 7
    """The browser's offer went with early media to a caller that made none; its PRACK has the answer."""


SHOWN = {
    Open.UPDATE: CallState.REINVITING,
    Open.HOLD: CallState.REINVITING,
    Open.ASKED: CallState.REINVITED,
    Open.PEER: CallState.REINVITED,
    Open.BROWSER: CallState.REINVITED,
}


class Outlet(Protocol):
    """What a call needs of its handle."""

    def push(self, result: Mapping[str, Any], jsep: Jsep | None = None, *, call_id: str = "", transaction: str | None = None) -> None:
        """Send an event about the call."""

    def show(self, message: Message | None) -> Json:
        """The headers of a message that the application wants to see."""

    def record(self, data: Mapping[str, Any]) -> None:
        """News for event handlers."""

    def decline(self) -> None:
        """A description of the browser is not taken after all."""

    def publish(self, event: CallEvent) -> None:
        """Tell the client of its PeerConnection."""

    def over(self, call: PhoneCall, reason: str) -> None:
        """The call is gone: close the PeerConnection."""

    def transferred(self, event: Any) -> None:
        """The peer wants us to call somebody."""


class PhoneCall:
    """
    A call from its INVITE to its end. Commands return the reply to the request, or raise: `JanusError`, and what media and session raise.

    After a command that raised the call is what it was.
    """

    def __init__(self, outlet: Outlet, session: Session | None, *, auto: bool = True, dtmf: DtmfMode = DtmfMode.AUTO) -> None:
        self.outlet = outlet
        self.session: Session = session  # type: ignore[assignment]  # set right after, by who places the call
        self.media: MediaSide | None = None
        self.phase = CallState.INVITING if session is None else CallState.INVITED
        """Never REINVITING or REINVITED: `state` has them from `open`."""
        self.auto = auto
        self.open = Open.NONE
        self.offered = True
        """Whether the INVITE had an SDP."""
        self.before_hold = Direction.SENDRECV
        self.answer = b""
        """Ours to the incoming INVITE, once given."""
        self.why: tuple[int, str] | None = None
        """What to say of the end, where we know it better than the session."""
        self.digits = CallDigits(self, dtmf)
        self.requests: dict[int, Callable[[int, str], None]] = {}
        """Who hears of the final responses to requests within the call."""

    @property
    def call_id(self) -> str:
        return self.session.call_id

    def name(self) -> Json:
        """What its lines in the log have: the number of its media, and its Call-ID."""
        return ({"call": self.media.call.id} if self.media is not None else {}) | {"call_id": self.call_id}

    @property
    def incoming(self) -> bool:
        return self.session.incoming

    @property
    def state(self) -> CallState:
        """Its phase, or what an exchange under way makes of an established call."""
        return SHOWN.get(self.open, self.phase) if self.phase is CallState.INCALL else self.phase

    @property
    def established(self) -> bool:
        """Both sides are, or are about to be, in the call."""
        return self.phase is CallState.INCALL

    # --- while it rings here ---------------------------------------------------------------------------------------------------------

    def accept(self, request: ask.Accept, jsep: Jsep | None) -> Reply:
        """Take the call: with the browser's answer, or its offer when the caller made none."""
        self._needed(RINGS_HERE, CallState.INVITED, CallState.PROGRESS)
        media = self._media()
        self._check_srtp(request.srtp)
        self.digits.choose(request.dtmf)
        if not self.offered:
            return self._accept_without_offer(request, jsep, media)
        if jsep is None and self.state is not CallState.PROGRESS:
            raise JanusError(MISSING_SDP, "Missing SDP: accept needs a jsep answer", "jsep")
        if jsep is not None:
            if jsep.type is not JsepType.ANSWER:
                raise JanusError(MISSING_SDP, "The caller made an offer: accept needs a jsep answer", "jsep")
            self.answer = media.answer_of_browser(jsep.said, request.srtp.answers)
        self.session.accept(self.answer, request.headers)
        self.auto = request.autoaccept_reinvites
        self.phase = CallState.INCALL
        self.outlet.record({"event": "accepted", "call-id": self.call_id})
        return {"event": "accepted"}, None

    def _accept_without_offer(self, request: ask.Accept, jsep: Jsep | None, media: MediaSide) -> Reply:
        if self.state is CallState.INVITED:
            self._offer_caller(jsep, request.srtp, media, lambda sdp: self.session.accept(sdp, request.headers))
        elif jsep is not None:
            raise JanusError(MISSING_SDP, "The browser's offer went with progress: accept needs no jsep", "jsep")
        else:
            self.session.accept(None, request.headers)
        self.auto = request.autoaccept_reinvites
        agreed = self.state is CallState.PROGRESS and self.open is not Open.EARLY
        self.phase = CallState.INCALL if agreed else CallState.ACCEPTING
        event = "accepted" if agreed else "accepting"
        self.outlet.record({"event": event, "call-id": self.call_id})
        return {"event": event}, None

    def _offer_caller(self, jsep: Jsep | None, srtp: ask.Srtp, media: MediaSide, send: Callable[[bytes], None]) -> None:
        """Have the browser's offer sent to a caller that made none."""
        if jsep is None or jsep.type is not JsepType.OFFER:
            raise JanusError(MISSING_SDP, "The caller made no offer: a jsep offer is needed", "jsep")
        family = "IP6" if "[" in self.session.remote_target else "IP4"
        sdp = media.offer_of_browser(jsep.said, srtp.style, family=family)
        self._or_undo(lambda: send(sdp), media.refused)

    def progress(self, request: ask.Progress, jsep: Jsep | None) -> Reply:
        """Send early media: the browser's answer, or its offer when the caller made none."""
        self._needed(RINGS_HERE, CallState.INVITED)
        media = self._media()
        if not self.offered:
            self._offer_caller(jsep, request.srtp, media, lambda sdp: self.session.progress(sdp, 183, request.headers))
            self.open = Open.EARLY
        else:
            if jsep is None or jsep.type is not JsepType.ANSWER:
                raise JanusError(MISSING_SDP, "Missing SDP: progress needs a jsep answer", "jsep")
            self._check_srtp(request.srtp)
            sdp = media.answer_of_browser(jsep.said, request.srtp.answers)
            self.session.progress(sdp, 183, request.headers)
            self.answer = sdp
        self.digits.choose(request.dtmf)
        self.auto, self.phase = request.autoaccept_reinvites, CallState.PROGRESS
        self.outlet.record({"event": "progressed", "call-id": self.call_id})
        return {"event": "progressed"}, None

    def ring(self, headers: HeaderLines) -> None:
        """Tell the caller that it rings."""
        self._needed(RINGS_HERE, CallState.INVITED)
        self.session.ring(headers)

    def decline(self, code: int, headers: HeaderLines) -> Reply:
        """Refuse the call; `hangup` follows."""
        self._needed(RINGS_HERE, CallState.INVITED, CallState.PROGRESS)
        self.session.reject(code, "", headers)
        self.phase = CallState.CLOSING
        self.outlet.record({"event": "declined", "callee": self.session.local_uri, "call-id": self.call_id, "code": code})
        return {"event": "declining", "code": code, "call_id": self.call_id}, None

    # --- in the call -----------------------------------------------------------------------------------------------------------------

    def update(self, request: ask.Update, jsep: Jsep | None) -> Reply:
        """The browser's offer goes to the peer; its answer belongs to what the peer, or we, have offered."""
        if jsep is None:
            raise JanusError(MISSING_SDP, "Missing SDP: update needs a jsep", "jsep")
        self._needed(ESTABLISHED, CallState.INCALL)
        media = self._media()
        if jsep.type is JsepType.ANSWER:
            return self._answer_update(request, jsep, media)
        if self.open is Open.ASKED:
            sdp = media.offer_of_browser(jsep.said)
            self._or_undo(lambda: self.session.answer(sdp, request.headers), media.refused)
            self.open = Open.UPDATE
            return {"event": "updating"}, None
        self._free()
        before = media.direction
        sdp = media.offer_of_browser(jsep.said)
        self._or_undo(lambda: self.session.offer(sdp, request.headers), lambda: media.restore(before))
        self.open = Open.UPDATE
        return {"event": "updating"}, None

    def _answer_update(self, request: ask.Update, jsep: Jsep, media: MediaSide) -> Reply:
        if self.open is Open.BROWSER:
            media.settle_browser(jsep.said)
        elif self.open is Open.PEER:
            self.session.answer(media.answer_of_browser(jsep.said), request.headers)
        else:
            raise JanusError(MISSING_SDP, "Wrong SDP type: nobody has made an offer that waits for an answer", "jsep")
        self.settled()
        return {"event": "updated"}, None

    def hold(self, direction: Direction, headers: HeaderLines) -> Reply:
        """Limit the media, SENDRECV for no limit; `held` or `resumed` follows, or `update_failed`."""
        self._needed(ESTABLISHED, CallState.INCALL)
        name = "resuming" if direction is Direction.SENDRECV else "holding"
        media = self._media()
        if media.direction is direction and self.open is Open.NONE:
            return {"event": name}, None
        self._free()
        before = media.direction
        sdp = media.hold(direction)
        self._or_undo(lambda: self.session.offer(sdp, headers), lambda: media.restore(before))
        self.before_hold, self.open = before, Open.HOLD
        return {"event": name}, None

    def transfer(self, uri: str, replaces: Session | None, headers: HeaderLines, hear: Callable[[Any], None]) -> Reply:
        """Ask the peer to call somebody else."""
        self._needed(ESTABLISHED, CallState.INCALL)
        self.session.refer(uri, hear=hear, replaces=replaces, headers=headers)
        return {"event": "transferring"}, None

    def hang_up(self, headers: HeaderLines) -> Reply:
        """End it, whatever its state; `hangup` follows."""
        self.phase = CallState.CLOSING
        self.session.hang_up(headers)
        return {"event": "hangingup"}, None

    def send(
        self, method: str, headers: HeaderLines, content_type: str, body: bytes, done: Callable[[int, str], None] | None = None
    ) -> None:
        """Send a request within the call; `done` hears the final response."""
        if not (self.established or (self.session.dialog is not None and self.state is not CallState.CLOSING)):
            raise self._wrong("one with a dialog")
        number = self.session.send(method, headers, content_type=content_type, body=body)
        if done is not None:
            self.requests[number] = done

    def lost(self, reason: str) -> None:
        """The PeerConnection is gone: so is the call."""
        ringing = self.state in (CallState.INVITED, CallState.PROGRESS)
        if self.state is CallState.CLOSING:
            return
        self.phase = CallState.CLOSING
        self.outlet.push({"event": "hangingup"}, call_id=self.call_id)
        text = "".join(char for char in reason if char.isalnum() or char in " -_")
        self.session.hang_up((("Reason", f'SIP;cause={480 if ringing else 200};text="{text}"'),), code=480)

    def move(self, session: Session) -> None:
        """Another session takes the place of ours: nobody will hear what is answered in the old one."""
        self.session = session
        waiting, self.requests = self.requests, {}
        for done in waiting.values():
            done(481, "Call/Transaction Does Not Exist")

    # --- states ----------------------------------------------------------------------------------------------------------------------

    def give_up_browser(self) -> None:
        """An offer of ours that the browser has not answered stands in nobody's way: not every client knows of it."""
        if self.open is Open.BROWSER:
            if self.media is not None:
                self.media.refused()
            self.settled()

    def settled(self) -> None:
        """No exchange is under way any more."""
        self.open = Open.NONE

    def _media(self) -> MediaSide:
        if self.media is None:
            raise JanusError(IO_ERROR, "The media of the call is gone", "request")
        return self.media

    def _check_srtp(self, srtp: ask.Srtp) -> None:
        if srtp.mandatory and self.offered and not self._media().peer_encrypts:
            raise JanusError(TOO_STRICT, "SDES-SRTP required (srtp), but the caller's offer has no usable crypto", "srtp")
        if srtp.dtls and self.offered and not self._media().peer_has_dtls:
            raise JanusError(TOO_STRICT, "DTLS-SRTP required (srtp), but the caller's offer has no fingerprint", "srtp")

    def _free(self) -> None:
        """Raises while an exchange is under way: one at a time (RFC 3261 §14.1)."""
        self.give_up_browser()
        if self.open is not Open.NONE:
            raise JanusError(WRONG_STATE, f"Wrong state (another offer is under way: {self.open.name.lower()})", "request")

    def _needed(self, wanted: str, *states: CallState) -> None:
        if self.phase not in states:
            raise self._wrong(wanted)

    def _wrong(self, wanted: str) -> JanusError:
        return JanusError(WRONG_STATE, f"Wrong state (the call is {self.state.words}; this is for {wanted})", "request")

    @staticmethod
    def _or_undo(act: Callable[[], None], undo: Callable[[], None]) -> None:
        """Do what changes the session; when it raises, the media is what it was."""
        try:
            act()
        except Exception:
            undo()
            raise


def checked_jsep(jsep: Jsep | None) -> Jsep | None:
    """Raises `JanusError` 444 for media that is encrypted end to end."""
    if jsep is not None and jsep.e2ee:
        raise JanusError(INVALID_ELEMENT, "Media encryption unsupported by this plugin (e2ee)", "jsep")
    return jsep


__all__ = ["CallState", "Open", "Outlet", "PhoneCall", "WrongState", "checked_jsep"]
