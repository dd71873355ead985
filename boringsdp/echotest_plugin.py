"""
`janus.plugin.echotest`: the browser hears and sees itself.

One asynchronous request without a name, all of whose keys are optional. Media is relayed back as it came, without decoding; data channels
are refused in the answer (port 0).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from boringsdp import logs
from boringsdp.call import Call, CallClosed, CallEvent, LegSlow, Party
from boringsdp.errors import BoringError, JanusError, SdpError
from boringsdp.janus_api.elements import Elements
from boringsdp.janus_api.plugin import Ack, Handle, Jsep, Outcome, Plugin, PluginContext, PluginHandle, Request
from boringsdp.sdp import CodecPolicy, Description, describe

INVALID_ELEMENT = 413
INVALID_SDP = 414

HINT = "I'm taking my time!"
log = logs.bind("echotest")

CallFactory = Callable[[Callable[[CallEvent], None]], Call]

AUDIO_CODECS = ("opus", "multiopus", "pcmu", "pcma", "g722", "l16-48", "l16", "isac16", "isac32")
VIDEO_CODECS = ("vp8", "vp9", "h264", "av1", "h265")


@dataclass(slots=True, frozen=True, kw_only=True)
class Wishes:
    """
    What a request asks for; None where it says nothing.

    Served: `audio`, `video`, and the codecs (for the next offer). The others are checked and noted: the browser's own congestion control
    sets its bitrate, and one layer is one stream here.
    """

    audio: bool | None = None
    video: bool | None = None
    bitrate: int | None = None
    record: bool | None = None
    filename: str | None = None
    substream: int | None = None
    temporal: int | None = None
    fallback: int | None = None
    svc: bool | None = None
    spatial_layer: int | None = None
    temporal_layer: int | None = None
    audiocodec: str | None = None
    videocodec: str | None = None
    videoprofile: str | None = None
    opusred: bool | None = None
    min_delay: int | None = None
    max_delay: int | None = None

    def over(self, before: Wishes) -> Wishes:
        """These wishes, and the earlier ones where these say nothing."""
        return replace(before, **{name: value for name in self.__slots__ if (value := getattr(self, name)) is not None})


def parse_wishes(elements: Elements) -> Wishes:
    """Raises `JanusError` for a value of the wrong type or out of range."""
    return Wishes(
        audio=elements.flag("audio"),
        video=elements.flag("video"),
        bitrate=elements.integer("bitrate"),
        record=elements.flag("record"),
        filename=elements.text("filename"),
        substream=elements.integer("substream", most=2),
        temporal=elements.integer("temporal", most=2),
        fallback=elements.integer("fallback"),
        svc=elements.flag("svc"),
        spatial_layer=elements.integer("spatial_layer", most=7),
        temporal_layer=elements.integer("temporal_layer", most=7),
        audiocodec=_codec(elements, "audiocodec", AUDIO_CODECS),
        videocodec=_codec(elements, "videocodec", VIDEO_CODECS),
        videoprofile=elements.text("videoprofile"),
        opusred=elements.flag("opusred"),
        min_delay=elements.integer("min_delay", least=-1, most=40_950),
        max_delay=elements.integer("max_delay", least=-1, most=40_950),
    )


def _codec(elements: Elements, name: str, known: tuple[str, ...]) -> str | None:
    codec = elements.text(name)
    if codec is not None and codec.lower() not in known:
        raise elements.refuse(name, "one of " + ", ".join(known))
    return codec


class EchoTestPlugin(Plugin):
    package: ClassVar[str] = "janus.plugin.echotest"
    name: ClassVar[str] = "JANUS EchoTest plugin"
    version: ClassVar[int] = 7
    version_string: ClassVar[str] = "0.0.7"
    author: ClassVar[str] = "The BoringSDP authors"
    description: ClassVar[str] = "Sends back the media it gets"

    def __init__(self, context: PluginContext) -> None:
        self._calls = context.calls

    def attach(self, handle: Handle) -> EchoTest:
        return EchoTest(handle, self._calls.create)


class EchoTest(PluginHandle):
    """One echo test: at most one call at a time, with the browser as party A of it and nobody as party B."""

    def __init__(self, handle: Handle, create_call: CallFactory) -> None:
        self._handle = handle
        self._create_call = create_call
        self._call: Call | None = None
        self._wishes = Wishes()

    def message(self, request: Request) -> Outcome:
        try:
            wishes = parse_wishes(Elements(request.body, missing=INVALID_ELEMENT, invalid=INVALID_ELEMENT))
            answer = self._serve(wishes, request.jsep)
        except JanusError as problem:
            self._complain(problem.code, problem.reason, request.transaction)
            return Ack(HINT)
        except SdpError as problem:
            self._complain(INVALID_SDP, f"Invalid SDP ({problem})", request.transaction)
            return Ack(HINT)
        data: dict[str, Any] = {"echotest": "event", "result": "ok"}
        if wishes.record:
            data["recording"] = "not available"
        self._handle.push(data, answer, request.transaction)
        return Ack(HINT)

    def hangup(self, reason: str) -> None:
        self._end(reason)
        self._wishes = Wishes()
        self._handle.push({"echotest": "event", "result": "done"})

    def detach(self) -> None:
        self._end("detached")

    def query(self) -> dict[str, Any]:
        wishes = self._wishes
        record: dict[str, Any] = {
            "audio_active": wishes.audio is not False,
            "video_active": wishes.video is not False,
            "bitrate": wishes.bitrate or 0,
            "hangingup": 0,
            "destroyed": 0,
        }
        return record if self._call is None else record | {"call": self._call.statistics()}

    def _serve(self, wishes: Wishes, jsep: Jsep | None) -> Jsep | None:
        """Do as asked and return the answer to an offer. What fails leaves everything as it was."""
        wanted = wishes.over(self._wishes)
        answer = None if jsep is None else Jsep.answer(self._echo(jsep.said, wanted), e2ee=jsep.e2ee)
        resumed = wishes.video is True and self._wishes.video is False
        self._wishes = wanted
        if self._call is not None:
            self._call.set_direction(Party.A, audio=wanted.audio, video=wanted.video)
            if resumed:
                self._call.request_key_frame(Party.A)
        return answer

    def _echo(self, offer: str | Description, wishes: Wishes) -> str:
        codecs = tuple(codec for codec in (wishes.audiocodec, wishes.videocodec) if codec is not None)
        policy = CodecPolicy(prefer=codecs, single=bool(codecs))
        first = self._call is None
        call = self._call or self._create_call(self._hear)
        self._call = call
        if first:
            handle = self._handle
            facts = {"call": call.id, "session": handle.session_id, "handle": handle.handle_id, "opaque_id": handle.opaque_id}
            log.info("call attached", extra=facts)
        try:
            answer = call.echo(offer, policy)
            if first and all(media.rejected for media in describe(answer).medias):
                raise SdpError("no audio and no video that can be sent back")
            return answer
        except BoringError:
            if first:
                self._end("refused")
            raise

    def _hear(self, event: CallEvent) -> None:
        if self._call is None:
            return  # it was ended from here, and the client knows
        if isinstance(event, CallClosed):
            self._call = None
        self._handle.publish(event)
        if isinstance(event, LegSlow) and event.party is Party.A and not event.uplink:
            self._tell_slow_link(event.kind)

    def _tell_slow_link(self, kind: str) -> None:
        """What the browser sends arrives badly. Media that is not sent back is nobody's trouble."""
        if (self._wishes.audio if kind == "audio" else self._wishes.video) is False:
            return
        data: dict[str, Any] = {"echotest": "event", "event": "slow_link", "media": kind}
        if kind == "video" and self._wishes.bitrate:
            data["current-bitrate"] = self._wishes.bitrate
        self._handle.push(data)

    def _complain(self, code: int, reason: str, transaction: str) -> None:
        self._handle.decline()
        self._handle.push({"echotest": "event", "error_code": code, "error": reason}, transaction=transaction)

    def _end(self, reason: str) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.close(reason)
