"""One handle: a client's end of a plugin, with the state of its PeerConnection. Core."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from boringsdp.call.events import (
    CallClosed,
    CallEvent,
    LegClosed,
    LegConnected,
    LegConsentLost,
    LegFailed,
    LegReceiving,
    LegSlow,
    Party,
)
from boringsdp.errors import BoringError, JanusError, LocalError, SdpError, WrongState
from boringsdp.janus_api import replies
from boringsdp.janus_api.actions import News, PeerConnectionEnded, PeerConnectionUp, PluginFailed, PluginNews, RequestRefused
from boringsdp.janus_api.plugin import Jsep, JsepType, Plugin, PluginHandle, Request, Success, Trickled
from boringsdp.janus_api.replies import Json
from boringsdp.janus_api.requests import Message
from boringsdp.sdp import Description
from boringsdp.values import Value, replace

ATTACH_FAILED = 461
MESSAGE_FAILED = 462
DETACH_FAILED = 463
INVALID_SDP = 465
INVALID_TRICKLE = 466
ANSWER_WITHOUT_OFFER = 469
WRONG_WEBRTC_STATE = 471

HANGUP_REASONS = {
    "dtls-timeout": "DTLS timeout",
    "dtls-error": "DTLS error",
    "dtls-overload": "DTLS error",
    "fingerprint": "DTLS error",
    "dtls-alert": "DTLS alert",
    "srtp-error": "DTLS-SRTP stack error",
    "ice-failed": "ICE failed",
    "ice-timeout": "ICE failed",
    "consent-lost": "ICE failed",
}
"""What a call says of a leg that failed, in the words that Janus clients know."""

MEDIA_KINDS = frozenset({"audio", "video"})


class Negotiation(enum.Enum):
    """Where the offer/answer exchange with the browser stands; NONE is also "no PeerConnection"."""

    NONE = "none"
    REMOTE_OFFER = "remote offer"
    LOCAL_OFFER = "local offer"
    STABLE = "stable"


class PeerConnection(Value, frozen=True):
    """`established`: an exchange was completed once. `up`: `webrtcup` was sent."""

    negotiation: Negotiation = Negotiation.NONE
    established: bool = False
    up: bool = False

    def received(self, kind: JsepType) -> PeerConnection:
        """After a description from the browser. Raises `JanusError` (469) for an answer to nothing."""
        if kind is JsepType.OFFER:
            return replace(self, negotiation=Negotiation.REMOTE_OFFER)
        if self.negotiation is not Negotiation.LOCAL_OFFER:
            raise JanusError(ANSWER_WITHOUT_OFFER, "Unexpected answer (no offer was sent that waits for one)", "jsep")
        return replace(self, negotiation=Negotiation.STABLE, established=True)

    def sent(self, kind: JsepType) -> PeerConnection:
        """After a description to the browser."""
        if kind is JsepType.OFFER:
            return replace(self, negotiation=Negotiation.LOCAL_OFFER)
        return replace(self, negotiation=Negotiation.STABLE, established=True)


NO_PEER_CONNECTION = PeerConnection()


class Outlet(Protocol):
    """Where a handle's events go: the core."""

    def emit(self, session_id: int, message: Json) -> None: ...
    def report(self, news: News) -> None: ...
    def end(self, session_id: int, handle_id: int) -> None: ...


class AttachedHandle:
    """The core's side of a handle; what plugins see of it is `boringsdp.janus_api.plugin.Handle`."""

    def __init__(self, outlet: Outlet, session_id: int, handle_id: int, plugin: Plugin, opaque_id: str | None, token: str | None) -> None:
        self._outlet = outlet
        self._session_id = session_id
        self._handle_id = handle_id
        self._plugin = plugin
        self._opaque_id = opaque_id
        self._token = token
        self._side: PluginHandle | None = None
        self._pc = NO_PEER_CONNECTION
        self._before = NO_PEER_CONNECTION  # what it was before the browser's last description
        self._early: list[tuple[float, Trickled]] = []
        # Set by the core from its settings, once, before `attach`.
        self.tells_opaque_id = False
        self.hangup_on_failed = False

    # What the plugin sees

    @property
    def session_id(self) -> int:
        return self._session_id

    @property
    def handle_id(self) -> int:
        return self._handle_id

    @property
    def opaque_id(self) -> str | None:
        return self._opaque_id

    @property
    def token(self) -> str | None:
        return self._token

    @property
    def has_peer_connection(self) -> bool:
        return self._pc.negotiation is not Negotiation.NONE

    @property
    def awaits_answer(self) -> bool:
        return self._pc.negotiation is Negotiation.LOCAL_OFFER

    def push(self, data: Mapping[str, Any], jsep: Jsep | None = None, transaction: str | None = None) -> None:
        if self._side is None:
            return
        self._emit("event", replies.plugin_data(self._plugin.package, data, jsep), transaction)
        self._note_refusal(data)
        if jsep is not None:
            self._pc = self._before = self._pc.sent(jsep.type)

    def publish(self, event: CallEvent, party: Party = Party.A) -> bool:
        if isinstance(event, CallClosed):
            self.close_pc()
            return True
        if getattr(event, "party", None) is not party:
            return False
        match event:
            case LegConnected():
                self._connected()
            case LegReceiving(mid=mid, kind=kind) if kind in MEDIA_KINDS:
                silence = {} if event.receiving or event.seconds <= 1 else {"seconds": round(event.seconds)}
                self._emit_live("media", {"mid": mid, "type": kind, "receiving": event.receiving} | silence)
            case LegSlow(mid=mid, kind=kind) if kind in MEDIA_KINDS:
                self._emit_live("slowlink", {"mid": mid, "media": kind, "uplink": event.uplink, "lost": event.lost})
            case LegConsentLost():
                self._emit_live("ice-failed", {})
                if self.hangup_on_failed:
                    self.close_pc("ICE failed")
            case LegFailed():
                self.close_pc(HANGUP_REASONS.get(event.reason, event.reason))
            case LegClosed():
                self.close_pc("DTLS alert")
            case _:
                return False
        return True

    def decline(self) -> None:
        self._pc = self._before

    def close_pc(self, reason: str = "Close PC") -> None:
        if not self.has_peer_connection or self._side is None:
            return
        self._emit("hangup", {"reason": reason})
        self._end_pc(reason)

    def end(self) -> None:
        self._outlet.end(self._session_id, self._handle_id)

    def notify(self, data: Mapping[str, Any]) -> None:
        self._outlet.report(PluginNews(self._session_id, self._handle_id, self._opaque_id, self._plugin.package, data))

    # What the core does

    @property
    def package(self) -> str:
        return self._plugin.package

    def attach(self) -> None:
        """Start the plugin's side. Raises `JanusError` (461) when it will not."""
        try:
            self._side = self._plugin.attach(self)
        except Exception as problem:  # the border of foreign code: a plugin that fails costs its handle and no more
            raise self._blame(problem, "attach", ATTACH_FAILED) from problem

    def message(self, transaction: str, message: Message, check_sdp: Callable[[str], object], timeout: float, now: float) -> Json:
        """
        Hand a message to the plugin and return its reply: an ack, or a success with the result.

        `check_sdp` raises `SdpError` for text that is no SDP, and may return its description. Raises `JanusError`, with the
        PeerConnection as it was before.
        """
        assert self._side is not None
        before, jsep = self._pc, message.jsep
        self._before = before
        if jsep is not None:
            again = self._plugin.repeated_answers and before.negotiation is Negotiation.STABLE and jsep.type is JsepType.ANSWER
            during = before if again else before.received(jsep.type)
            try:
                found = check_sdp(jsep.sdp)
            except SdpError as problem:
                raise JanusError(INVALID_SDP, f"Invalid SDP ({problem})", "sdp") from problem
            self._pc = during
            description = found if isinstance(found, Description) else None
            jsep = dataclasses.replace(jsep, update=before.established, description=description)
        held = self._pc
        try:
            outcome = self._side.message(Request(transaction, message.body, jsep))
            if isinstance(outcome, Success):
                reply = replies.success(transaction, self._session_id, sender=self._handle_id) | self._opaque()
                reply |= replies.plugin_data(self.package, outcome.data, outcome.jsep)
                self._note_refusal(outcome.data)
                replies.encode(reply)  # what JSON cannot hold is the plugin's fault, not the connection's
                if outcome.jsep is not None:
                    self._pc = self._pc.sent(outcome.jsep.type)
            else:
                reply = replies.ack(transaction, self._session_id, outcome.hint)
        except Exception as problem:  # the border of foreign code, as above
            if self._pc is held:
                self._pc = before
            raise self._blame(problem, "message", MESSAGE_FAILED) from problem
        if jsep is not None:
            self._release_early(timeout, now)
        return reply

    def trickle(self, candidates: tuple[Trickled, ...], limit: int, now: float) -> None:
        """Hand candidates to the plugin, or keep up to `limit` until it has an SDP. Raises `JanusError` (466)."""
        assert self._side is not None
        if not self._plugin.webrtc:
            raise JanusError(INVALID_TRICKLE, "Invalid trickle (this plugin has no PeerConnections)", "candidate")
        if not self.has_peer_connection:
            self._early += [(now, candidate) for candidate in candidates]
            del self._early[limit:]
            return
        try:
            self._side.trickle(candidates)
        except LocalError as problem:
            raise JanusError(INVALID_TRICKLE, f"Invalid trickle ({problem})", "candidate") from problem
        except Exception as problem:  # the border of foreign code, as above
            raise self._blame(problem, "trickle", INVALID_TRICKLE) from problem

    def detach(self, *, tell: bool) -> JanusError | None:
        """
        End the handle; `tell` the client by events or not. Returns what the plugin did wrong, if anything: the handle is gone all the same.
        """
        side = self._side
        if side is None:
            return None
        if tell:
            self.close_pc("Detach")
        elif self.has_peer_connection:
            self._end_pc("Detach")
        self._side = None
        try:
            side.detach()
        except Exception as problem:  # the border of foreign code, as above
            return self._blame(problem, "detach", DETACH_FAILED)
        finally:
            if tell:
                self._emit("detached", {})
        return None

    def query(self) -> Json:
        """What the plugin says of the handle."""
        try:
            return {} if self._side is None else self._side.query()
        except Exception as problem:  # the border of foreign code, as above
            self._blame(problem, "query", MESSAGE_FAILED)
            return {}

    def _connected(self) -> None:
        if self.has_peer_connection and not self._pc.up:
            self._pc = replace(self._pc, up=True)
            self._emit("webrtcup", {})
            self._outlet.report(PeerConnectionUp(self._session_id, self._handle_id))

    def _end_pc(self, reason: str) -> None:
        up = self._pc.up
        self._pc = self._before = NO_PEER_CONNECTION
        self._early.clear()
        self._outlet.report(PeerConnectionEnded(self._session_id, self._handle_id, reason, up))
        try:
            if self._side is not None:
                self._side.hangup(reason)
        except Exception as problem:  # the border of foreign code, as above
            self._blame(problem, "hangup", MESSAGE_FAILED)

    def _release_early(self, timeout: float, now: float) -> None:
        young = tuple(candidate for at, candidate in self._early if now - at < timeout)
        self._early.clear()
        if young and self._side is not None:
            try:
                self._side.trickle(young)
            except LocalError:
                pass  # they were acknowledged when they came
            except Exception as problem:  # the border of foreign code, as above
                self._blame(problem, "trickle", INVALID_TRICKLE)

    def _emit_live(self, kind: str, more: Json) -> None:
        if self.has_peer_connection and self._side is not None:
            self._emit(kind, more)

    def _emit(self, kind: str, more: Json, transaction: str | None = None) -> None:
        event: Json = {"janus": kind, "session_id": self._session_id}
        if transaction is not None:
            event["transaction"] = transaction
        event["sender"] = self._handle_id
        self._outlet.emit(self._session_id, event | self._opaque() | more)

    def _note_refusal(self, data: Mapping[str, Any]) -> None:
        """Plugins tell of what they refuse in their data, all in the same two keys."""
        if isinstance(code := data.get("error_code"), int):
            self._outlet.report(RequestRefused(code, str(data.get("error", "")), self._session_id, self._handle_id))

    def _opaque(self) -> Json:
        return {"opaque_id": self._opaque_id} if self.tells_opaque_id and self._opaque_id is not None else {}

    def _blame(self, problem: Exception, during: str, code: int) -> JanusError:
        """The error that the client gets for what a plugin raised; what is not in the contract is reported too."""
        match problem:
            case JanusError():
                return problem
            case SdpError():
                return JanusError(INVALID_SDP, f"Invalid SDP ({problem})", "sdp")
            case WrongState():
                return JanusError(WRONG_WEBRTC_STATE, f"Wrong WebRTC state ({problem})")
            case BoringError():
                return JanusError(code, f"The plugin refused ({problem})")
        self._outlet.report(PluginFailed(self.package, self._handle_id, during, problem))
        return JanusError(code, f"The plugin failed ({during})")
