"""
`janus.plugin.nosip`: the application signals by itself, the gateway translates its SDPs and relays the media.

The browser's SDPs come and go as `jsep`; those of the plain RTP peer as strings, by `generate` and `process`. One handle is one call:
party A is the browser, party B the peer.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from boringsdp import logs
from boringsdp.call import Call, CallClosed, CallEvent, Calls, CallTimedOut, LegDtmf, LegMediaTimeout, Party
from boringsdp.errors import Exhausted, JanusError, SdpError, WrongState
from boringsdp.janus_api.elements import Elements
from boringsdp.janus_api.plugin import Ack, Handle, Jsep, JsepType, Outcome, Plugin, PluginContext, PluginHandle, Request
from boringsdp.sdp import (
    PLAIN,
    SDES_MANDATORY,
    SDES_OPTIONAL,
    SUITES,
    WEBRTC,
    CodecPolicy,
    Description,
    LegStyle,
    describe,
)

NO_MESSAGE = 440
INVALID_REQUEST = 442
MISSING_ELEMENT = 443
INVALID_ELEMENT = 444
WRONG_STATE = 445
MISSING_SDP = 446
INVALID_SDP = 447
IO_ERROR = 448
RECORDING_ERROR = 449
TOO_STRICT = 450
NO_SUCH_STREAM = 451

STYLES: Mapping[str | None, LegStyle] = {None: PLAIN, "sdes_optional": SDES_OPTIONAL, "sdes_mandatory": SDES_MANDATORY}
PARTY_NAMES = {Party.A: "webrtc", Party.B: "plain"}
MAX_DIGITS = 64
log = logs.bind("nosip")


@dataclass(slots=True, frozen=True)
class Srtp:
    """What `srtp` and `srtp_profile` ask of the peer's side."""

    mode: str | None
    profile: str | None

    @property
    def style(self) -> LegStyle:
        """How our offers to the peer look."""
        style = STYLES[self.mode]
        return style if self.profile is None else LegStyle(protocol=style.protocol, sdes=style.sdes, suites=(self.profile,))


@dataclass(slots=True, frozen=True)
class Generate:
    """Turn the browser's `jsep` into an SDP for the peer."""

    srtp: Srtp


@dataclass(slots=True, frozen=True)
class Process:
    """Turn the peer's SDP into a `jsep` for the browser."""

    type: JsepType
    sdp: str
    srtp: Srtp
    update: bool


@dataclass(slots=True, frozen=True)
class Hangup:
    """End the PeerConnection and the call."""


@dataclass(slots=True, frozen=True)
class Recording:
    """Start or stop recording; the request is checked, but nothing can be recorded yet."""

    action: str


@dataclass(slots=True, frozen=True)
class KeyFrame:
    """Ask for a key frame: of the browser (`user`), of the peer (`peer`)."""

    user: bool
    peer: bool


@dataclass(slots=True, frozen=True)
class Dtmf:
    """Send digits to the peer as telephone-events (ours, not Janus's)."""

    digits: str
    duration_ms: int


@dataclass(slots=True, frozen=True)
class Statistics:
    """The figures of both legs (ours, not Janus's)."""


@dataclass(slots=True, frozen=True)
class ListForwarders:
    """There are none: RTP forwarding is not available yet."""


@dataclass(slots=True, frozen=True)
class Forward:
    """Ask for an RTP forwarder, or for its end; not available yet. `stream_id` is set to stop one."""

    stream_id: int | None


NoSipRequest = Generate | Process | Hangup | Recording | KeyFrame | Dtmf | Statistics | ListForwarders | Forward


def parse_request(body: Mapping[str, Any]) -> NoSipRequest:
    """Return the typed request. Raises `JanusError` with the plugin's codes (440, 442, 443, 444, 446) naming the element."""
    if not body:
        raise JanusError(NO_MESSAGE, "No message: the body is empty", "body")
    elements = Elements(body, missing=MISSING_ELEMENT, invalid=INVALID_ELEMENT)
    name = elements.required_text("request").lower()
    reader = READERS.get(name)
    if reader is None:
        raise JanusError(INVALID_REQUEST, f"Unknown request '{name[:64]}'", "request")
    return reader(elements)


def _read_srtp(elements: Elements) -> Srtp:
    elements.text("info")
    return Srtp(elements.choice("srtp", "sdes_optional", "sdes_mandatory"), elements.choice("srtp_profile", *SUITES))


def _read_generate(elements: Elements) -> Generate:
    elements.flag("update")
    return Generate(_read_srtp(elements))


def _read_process(elements: Elements) -> Process:
    name, sdp = elements.required_text("type"), elements.required_text("sdp")
    if name.lower() not in ("offer", "answer"):
        raise JanusError(MISSING_SDP, f"Missing or unknown SDP type (type is '{name[:64]}', should be offer or answer)", "type")
    return Process(JsepType(name.lower()), sdp, _read_srtp(elements), elements.flag("update", False))


def _read_recording(elements: Elements) -> Recording:
    elements.required_text("action")
    action = elements.choice("action", "start", "stop")
    which = [elements.flag(name, False) for name in ("audio", "video", "peer_audio", "peer_video")]
    elements.text("filename")
    if not any(which):
        raise JanusError(INVALID_ELEMENT, "One of audio, video, peer_audio and peer_video must be true", "audio")
    return Recording(action or "")


def _read_dtmf(elements: Elements) -> Dtmf:
    digits = elements.required_text("digits")
    if not 0 < len(digits) <= MAX_DIGITS or digits.upper().strip("0123456789*#ABCD"):
        raise JanusError(INVALID_ELEMENT, f"digits should be 1 to {MAX_DIGITS} of 0-9*#ABCD", "digits")
    return Dtmf(digits.upper(), elements.integer("duration", least=40, most=6000) or 100)


def _read_forward(elements: Elements) -> Forward:
    elements.require("streams")
    elements.items("streams")
    return Forward(None)


def _read_stop_forward(elements: Elements) -> Forward:
    elements.require("stream_id")
    return Forward(elements.integer("stream_id"))


READERS: Mapping[str, Callable[[Elements], NoSipRequest]] = {
    "generate": _read_generate,
    "process": _read_process,
    "hangup": lambda elements: Hangup(),
    "recording": _read_recording,
    "keyframe": lambda elements: KeyFrame(elements.flag("user", False), elements.flag("peer", False)),
    "dtmf": _read_dtmf,
    "stats": lambda elements: Statistics(),
    "listforwarders": lambda elements: ListForwarders(),
    "rtp_forward": _read_forward,
    "stop_rtp_forward": _read_stop_forward,
}


class NoSipPlugin(Plugin):
    """The plugin; its configuration section may name `codecs` to prefer and `remove_codecs`."""

    package: ClassVar[str] = "janus.plugin.nosip"
    name: ClassVar[str] = "BoringSDP NoSIP plugin"
    version: ClassVar[int] = 2
    version_string: ClassVar[str] = "0.0.2"
    author: ClassVar[str] = "The BoringSDP authors"
    description: ClassVar[str] = "Translates SDP between WebRTC and plain RTP and relays the media; the application does the signalling."

    def __init__(self, context: PluginContext) -> None:
        self._calls = context.calls
        self._policy = CodecPolicy(
            prefer=tuple(context.config.get("codecs", ())), remove=frozenset(context.config.get("remove_codecs", ()))
        )

    def attach(self, handle: Handle) -> PluginHandle:
        return NoSipHandle(handle, self._calls, self._policy)


class NoSipHandle(PluginHandle):
    """One handle: at most one call at a time."""

    def __init__(self, handle: Handle, calls: Calls, policy: CodecPolicy) -> None:
        self._handle = handle
        self._calls = calls
        self._policy = policy
        self._call: Call | None = None
        self._unique_id = secrets.token_hex(8)

    def message(self, request: Request) -> Outcome:
        """Every request is asynchronous. What is wrong with a jsep is an error of the core, everything else an event with `error_code`."""
        try:
            asked = parse_request(request.body)
            result, jsep = self._perform(asked, request.jsep)
        except JanusError as error:
            self._refuse(error.code, error.reason, request.transaction)
        except Exhausted as error:
            self._refuse(IO_ERROR, f"The gateway has {error}", request.transaction)
        else:
            self._handle.push({"nosip": "event", "result": result}, jsep, request.transaction)
            if isinstance(asked, Hangup):
                self._handle.close_pc()
        return Ack()

    def hangup(self, reason: str) -> None:
        """The PeerConnection is gone, and with it the call; after a `hangup` request there is none any more."""
        if self._call is not None:
            self._push_result({"event": "hangingup"})
            self._end_call(reason)

    def detach(self) -> None:
        self._end_call("detached")

    def query(self) -> dict[str, Any]:
        call = self._call
        return {"unique_id": self._unique_id, **({} if call is None else {"call": call.statistics()})}

    # --- requests ----------------------------------------------------------------------------------------------------------------------

    def _perform(self, request: NoSipRequest, jsep: Jsep | None) -> tuple[dict[str, Any], Jsep | None]:
        match request:
            case Generate():
                return self._generate(request, jsep), None
            case Process():
                return self._process(request)
            case Hangup():
                self._end_call("hangup")
                return {"event": "hangingup"}, None
            case KeyFrame(user, peer):
                for party, wanted in ((Party.A, user), (Party.B, peer)):
                    if wanted:
                        self._needed_call().request_key_frame(party)
                return {"event": "keyframesent"}, None
            case Dtmf(digits, duration_ms):
                sent = self._needed_call().send_dtmf(Party.B, digits, duration_ms)
                if not sent:
                    raise JanusError(WRONG_STATE, "Wrong state: the peer did not agree to telephone-event", "digits")
                return {"event": "dtmfsent", "digits": sent}, None
            case Statistics():
                return self._statistics(), None
            case ListForwarders():
                return {"event": "forwarders", "rtp_forwarders": []}, None
            case Recording():
                raise JanusError(RECORDING_ERROR, "Recording is not available yet", "request")
            case Forward(None):
                raise JanusError(IO_ERROR, "RTP forwarding is not available yet", "request")
            case Forward(stream_id):
                raise JanusError(NO_SUCH_STREAM, f"No such stream ({stream_id})", "stream_id")

    def _generate(self, request: Generate, jsep: Jsep | None) -> dict[str, Any]:
        """Raises what a bad jsep raises, for the core to tell: `SdpError` 465, `WrongState` 471."""
        if jsep is None:
            raise JanusError(MISSING_SDP, "Missing SDP: generate needs a jsep", "jsep")
        self._check_browser_sdp(jsep)
        if jsep.type is JsepType.OFFER:
            call = self._call_for_offer()
            # An update that does not name `srtp` keeps the peer's keying as it was.
            style = call.style(Party.B) if request.srtp.mode is None else None
            sdp = call.offer(Party.A, jsep.said, to=style or request.srtp.style, policy=self._policy)
        else:
            call = self._needed_call()
            if request.srtp.mode == "sdes_mandatory" and not call.uses_sdes(Party.B):
                raise JanusError(TOO_STRICT, "Can't generate answer: SDES-SRTP required, but the peer's offer has no usable crypto", "srtp")
            sdp = call.answer(Party.A, jsep.said)
        update = {"update": True} if jsep.update else {}
        self._handle.notify({"event": "generated", "type": jsep.type.value, "sdp": sdp, "unique_id": self._unique_id})
        return {"event": "generated", "type": jsep.type.value, "sdp": sdp, **update, **self._ids()}

    def _process(self, request: Process) -> tuple[dict[str, Any], Jsep]:
        """The peer's SDP comes from the application's own signalling, so its faults are the plugin's to tell."""
        received = self._read_peer_sdp(request)
        encrypted = _srtp_of(received)
        if encrypted is None and request.srtp.mode == "sdes_mandatory":
            raise JanusError(TOO_STRICT, "SDES-SRTP required (srtp), but the peer's SDP has no usable crypto", "srtp")
        update = request.update or (self._call is not None and self._handle.has_peer_connection and request.type is JsepType.OFFER)
        try:
            if request.type is JsepType.OFFER:
                text = self._call_for_offer().offer(Party.B, received, to=WEBRTC, policy=self._policy)
                jsep = Jsep.offer(text)
            else:
                jsep = Jsep.answer(self._needed_call().answer(Party.B, received))
        except SdpError as error:
            raise JanusError(INVALID_SDP, f"Invalid SDP: {error}", "sdp") from error
        except WrongState as error:
            raise JanusError(WRONG_STATE, f"Wrong state: {error}", "type") from error
        self._handle.notify({"event": "processed", "type": request.type.value, "sdp": request.sdp, "unique_id": self._unique_id})
        srtp = {"srtp": encrypted} if encrypted else {}
        return {"event": "processed", **srtp, **({"update": True} if update else {}), **self._ids()}, jsep

    def _check_browser_sdp(self, jsep: Jsep) -> None:
        if jsep.e2ee:
            raise JanusError(INVALID_ELEMENT, "Media encryption unsupported by this plugin (e2ee)", "jsep")

    def _read_peer_sdp(self, request: Process) -> Description:
        """Return the peer's SDP. Raises `JanusError` 446 when it cannot be read, 447 when there is nothing in it for us."""
        try:
            received = describe(request.sdp)
        except SdpError as error:
            raise JanusError(MISSING_SDP, f"Error parsing the peer's SDP: {error}", "sdp") from error
        if not any(media.kind in ("audio", "video") and not media.rejected for media in received.medias):
            raise JanusError(INVALID_SDP, "No audio and no video in the peer's SDP", "sdp")
        return received

    def _statistics(self) -> dict[str, Any]:
        record = self._needed_call().statistics()
        legs = {PARTY_NAMES[Party(name)]: leg for name, leg in record["legs"].items()}
        return {"event": "stats", "call_id": record["call_id"], "state": record["state"], "legs": legs}

    # --- the call ----------------------------------------------------------------------------------------------------------------------

    def _needed_call(self) -> Call:
        if self._call is None:
            raise JanusError(WRONG_STATE, "Wrong state: no call on this handle yet", "request")
        return self._call

    def _ids(self) -> dict[str, str]:
        """Ours of the handle, and the call's: by that one the log and `stats` name it."""
        return {"unique_id": self._unique_id, "call_id": self._needed_call().id}

    def _call_for_offer(self) -> Call:
        if self._call is None:
            call = self._call = self._calls.create(self._hear)
            handle = self._handle
            facts = {"call": call.id, "session": handle.session_id, "handle": handle.handle_id, "opaque_id": handle.opaque_id}
            log.info("call attached", extra=facts)
        return self._call

    def _end_call(self, reason: str) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.close(reason)

    def _hear(self, event: CallEvent) -> None:
        """
        News of the call: what concerns the PeerConnection in the API's words, the rest as events of our own.

        What a call says while we end it is no news.
        """
        if self._call is None:
            return
        match event:
            case LegDtmf(party, digit, duration_ms):
                self._push_result({"event": "dtmf", "leg": PARTY_NAMES[party], "digit": digit, "duration_ms": duration_ms})
            case LegMediaTimeout(party, after):
                self._push_result({"event": "media_timeout", "leg": PARTY_NAMES[party], "seconds": after})
            case CallTimedOut(waiting_for, after):
                self._push_result({"event": "timeout", "waiting_for": waiting_for, "seconds": after})
            case CallClosed():
                self._call = None
                self._handle.publish(event, Party.A)
            case _:
                self._handle.publish(event, Party.A)

    def _push_result(self, result: dict[str, Any]) -> None:
        self._handle.push({"nosip": "event", "result": result})

    def _refuse(self, code: int, reason: str, transaction: str) -> None:
        """The request is refused, and a session description that came with it has not been."""
        self._handle.decline()
        self._handle.push({"nosip": "event", "error_code": code, "error": reason}, transaction=transaction)


def _srtp_of(description: Description) -> str | None:
    """Return `sdes_optional` or `sdes_mandatory` when the SDP has usable crypto lines, in Janus's words."""
    medias = [media for media in description.medias if not media.rejected]
    if not any(media.cryptos for media in medias):
        return None
    return "sdes_mandatory" if any(media.protocol is not None and media.protocol.secure for media in medias) else "sdes_optional"
