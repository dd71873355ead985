"""
The plugin contract: what a Janus plugin gives to the gateway, and what it gets.

A plugin is found by its entry point in the group `boringsdp.janus_plugins`: the name is the package name that clients attach to
(`janus.plugin.echotest`), the value a factory that takes a `PluginContext` and returns a `Plugin`. The classes below have defaults for
everything that a plugin may leave out, so that a later version of this contract can add to it.

    class Hello(Plugin):
        package, name, version, version_string = "janus.plugin.hello", "Hello", 1, "0.0.1"
        author, description = "me", "Says hello"

        def __init__(self, context: PluginContext) -> None:
            self._context = context

        def attach(self, handle: Handle) -> PluginHandle:
            return HelloHandle(handle)

    class HelloHandle(PluginHandle):
        def __init__(self, handle: Handle) -> None:
            self._handle = handle

        def message(self, request: Request) -> Outcome:
            self._handle.push({"hello": "event", "to": request.body.get("name")}, transaction=request.transaction)
            return Ack()

Everything runs on the gateway's event loop and must not block. What takes time is started as a task, which pushes its result later.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from boringsdp.call.events import CallEvent, Party
from boringsdp.values import Value

if TYPE_CHECKING:
    from boringsdp.call import Calls
    from boringsdp.sdp import Description
    from boringsdp.sip.endpoint import Endpoint

ENTRY_POINT_GROUP = "boringsdp.janus_plugins"


class JsepType(enum.Enum):
    """Which half of an offer/answer exchange a session description is (RFC 3264). Provisional answers and rollback are not served."""

    OFFER = "offer"
    ANSWER = "answer"


@dataclass(slots=True, frozen=True, kw_only=True)
class LayerHint:
    """One entry of `jsep.svc`: the scalability mode of an m-line, which is named by its mid or its index."""

    svc: str
    mid: str | None = None
    mindex: int | None = None


@dataclass(slots=True, frozen=True)
class Jsep:
    """
    A session description between the gateway and a browser, with the client's hints.

    `update` is set by the core on what comes in: a PeerConnection is already there and this renegotiates it. `e2ee` goes both ways.
    The SDP of an incoming one has been found readable, but not more than that.
    """

    type: JsepType
    sdp: str = field(repr=False)
    e2ee: bool = False
    update: bool = False
    trickle: bool = True
    rid_order: str | None = None
    force_relay: bool = False
    svc: tuple[LayerHint, ...] = ()
    description: Description | None = field(default=None, repr=False, compare=False)
    """What an incoming one says, where the core has read it."""

    @property
    def said(self) -> str | Description:
        """The SDP as calls take it: read already, or else its text."""
        return self.description or self.sdp

    @classmethod
    def offer(cls, sdp: str, *, e2ee: bool = False) -> Jsep:
        """An offer to the browser."""
        return cls(JsepType.OFFER, sdp, e2ee=e2ee)

    @classmethod
    def answer(cls, sdp: str, *, e2ee: bool = False) -> Jsep:
        """An answer to the browser's offer."""
        return cls(JsepType.ANSWER, sdp, e2ee=e2ee)


class Request(Value, frozen=True):
    """A `message`: the `body` is a JSON object of any content, for the plugin to check (`Elements` helps)."""

    transaction: str
    body: Mapping[str, Any]
    jsep: Jsep | None = None


@dataclass(slots=True, frozen=True)
class RemoteCandidate:
    """One trickled candidate; `candidate` is the text of the attribute, with or without `candidate:`. Empty text means none."""

    candidate: str
    mid: str | None = None
    mline_index: int | None = None


@dataclass(slots=True, frozen=True)
class EndOfCandidates:
    """The browser has no more candidates."""


Trickled = RemoteCandidate | EndOfCandidates


@dataclass(slots=True, frozen=True)
class Ack:
    """The request is accepted; what comes of it is pushed, with the request's transaction. `hint` is a word for the developer."""

    hint: str | None = None


@dataclass(slots=True, frozen=True)
class Success:
    """The result itself, in the reply: for requests that need no time."""

    data: Mapping[str, Any]
    jsep: Jsep | None = None


Outcome = Ack | Success


class Handle(Protocol):
    """The core's side of one handle, given to `Plugin.attach`. After `detach` everything here does nothing."""

    @property
    def session_id(self) -> int: ...

    @property
    def handle_id(self) -> int: ...

    @property
    def opaque_id(self) -> str | None:
        """The application's own name for this handle, if it gave one."""

    @property
    def token(self) -> str | None:
        """The token the handle was attached with, if any. A secret: not for logs."""

    @property
    def has_peer_connection(self) -> bool:
        """A session description went either way and the PeerConnection has not ended since."""

    @property
    def awaits_answer(self) -> bool:
        """An offer was pushed and the browser has not answered it yet."""

    def push(self, data: Mapping[str, Any], jsep: Jsep | None = None, transaction: str | None = None) -> None:
        """
        Send an `event` to the client. `transaction` is that of the request this answers, None for news.

        May be called at any time on the event loop. What is pushed during `PluginHandle.message` is sent after its `ack`.
        """

    def publish(self, event: CallEvent, party: Party = Party.A) -> bool:
        """
        Tell the client of a call event that concerns its PeerConnection, in the API's own words; returns whether it was such an event.

        `party` is which side of the call the browser is. Connected: `webrtcup` (once per PeerConnection). Receiving: `media`. Slow:
        `slowlink`. Consent lost: `ice-failed`. Failed, closed, and the end of the call: `hangup` with its reason, and
        `PluginHandle.hangup` is called. Events of the other party, digits and timeouts are not published: they are the plugin's to tell.
        """

    def decline(self) -> None:
        """
        The description that came with the last request is not taken: the negotiation is as it was before it.

        For a plugin that tells of the failure in its own data; an exception from `PluginHandle.message` does it by itself.
        """

    def close_pc(self, reason: str = "Close PC") -> None:
        """End the PeerConnection: `hangup` to the client and `PluginHandle.hangup`. Nothing when there is none."""

    def end(self) -> None:
        """End the handle: `detached` to the client, `PluginHandle.hangup` if there is a PeerConnection, and `PluginHandle.detach`."""

    def notify(self, data: Mapping[str, Any]) -> None:
        """News for logs and event handlers (not for the client)."""


class PluginHandle(ABC):
    """A plugin's side of one handle."""

    @abstractmethod
    def message(self, request: Request) -> Outcome:
        """
        Take a request. Answer with `Success` or with `Ack` and pushed events.

        What the application got wrong is told in the plugin's own way, as data (`{"error_code": …, "error": …}`). Exceptions become
        errors of the core, with no ack and the negotiation as it was: `SdpError` 465, `WrongState` 471, `JanusError` its own code,
        other `BoringError`s 462; so does anything unexpected, which is also logged.
        """

    def trickle(self, candidates: tuple[Trickled, ...]) -> None:  # noqa: B027
        """
        Candidates of the browser, in order; those that came before the SDP follow right after the message with it.

        The default ignores them: our side of ICE is lite and learns the browser's addresses from its checks (RFC 8445 §2.5).
        Raises `LocalError` when they cannot belong to anything (466).
        """

    def hangup(self, reason: str) -> None:  # noqa: B027
        """The PeerConnection ended, whoever ended it; the client has been told. Called once for each, before `detach`."""

    def detach(self) -> None:  # noqa: B027
        """The handle is gone: let go of everything. Called once, last."""

    def query(self) -> dict[str, Any]:
        """Plain values about this handle for the admin API; no secrets."""
        return {}


class Plugin(ABC):
    """A Janus plugin. The six class variables are what `info` says of it."""

    package: ClassVar[str]
    name: ClassVar[str]
    version: ClassVar[int]
    version_string: ClassVar[str]
    author: ClassVar[str]
    description: ClassVar[str]
    webrtc: ClassVar[bool] = True
    """Whether handles have PeerConnections. Without, trickled candidates are refused (466)."""
    repeated_answers: ClassVar[bool] = False
    """Whether an answer of the browser to nothing is the plugin's to judge; otherwise it is refused (469). After a first one only."""

    settings: ClassVar[type | None] = None
    """
    What the plugin's section of the configuration may hold: a frozen dataclass whose every field is made by `config_keys.setting`. With it
    the section is checked before anything starts, and shown by `check-config`; without it the plugin checks what it is given.
    """

    @abstractmethod
    def attach(self, handle: Handle) -> PluginHandle:
        """Start to serve a new handle. An exception refuses it (461). Nothing can be pushed until this returns."""

    async def start(self) -> None:  # noqa: B027
        """Called once before the gateway listens. An exception disables the plugin, not the gateway."""

    async def close(self) -> None:  # noqa: B027
        """Called once at the end; all handles are detached."""


@dataclass(slots=True, frozen=True)
class PluginContext:
    """What a plugin is built from. `config` is the plugin's own section of the configuration, unchecked."""

    calls: Calls
    config: Mapping[str, Any] = field(default_factory=dict)
    sip: Endpoint | None = None
    """The SIP stack, where the gateway has one."""


PluginFactory = Callable[[PluginContext], Plugin]
