"""A plain RTP peer made of GStreamer's rtpbin and nothing of ours: sends tones and a green picture, keeps what it hears and sees.

Runs under Debian's own Python (python3-gi). One JSON command a line on standard input, one JSON answer a line on standard output:

    {"do": "open", "host", "medias": 1|2}               -> {"ports": [[rtp, rtcp], ...]}
    {"do": "configure", "medias": [Media, ...]}         -> {}          (re)builds the pipeline on the same ports
    {"do": "burst", "frequency", "seconds"}             -> {}          one tone burst; silence otherwise
    {"do": "tone", "frequency"} / {"do": "silence"}     -> {}          a lasting tone
    {"do": "request_key_frame"}                         -> {}          PLI or FIR, as configured
    {"do": "statistics"}                                -> {"medias": [...], "key_frames_sent", "key_frames_received", "colour", ...}
    {"do": "events"}                                    -> {"packets": [telephone-event packets]}

Media: {"kind", "name", "pt", "clock", "channels", "fmtp", "remote": [host, rtp, rtcp], "send": bool, "receive_pts": {pt: name/clock},
"event_pts": [...], "feedback": bool, "record": path, "srtp": null | {"suite", "send": hex, "receive": hex}}
"""

from __future__ import annotations

import json
import re
import struct
import sys
import threading
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstVideo", "1.0")
from gi.repository import Gio, GLib, Gst, GstVideo  # noqa: E402

Gst.init(None)

SEND = {
    "PCMU": "audioconvert ! audioresample ! audio/x-raw,rate=8000,channels=1 ! mulawenc ! rtppcmupay",
    "PCMA": "audioconvert ! audioresample ! audio/x-raw,rate=8000,channels=1 ! alawenc ! rtppcmapay",
    "G722": "audioconvert ! audioresample ! audio/x-raw,rate=16000,channels=1 ! avenc_g722 ! rtpg722pay",
    "opus": "audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=1 ! opusenc bitrate=32000 frame-size=20 ! rtpopuspay",
    "VP8": (
        "vp8enc name=encoder deadline=1 cpu-used=8 keyframe-max-dist={distance} target-bitrate=200000 error-resilient=default"
        " ! rtpvp8pay picture-id-mode=2 mtu=1200"
    ),
    "H264": (
        "x264enc name=encoder tune=zerolatency speed-preset=ultrafast bframes=0 key-int-max={distance} bitrate=300 option-string=scenecut=0"
        " ! video/x-h264,profile=constrained-baseline ! rtph264pay config-interval=-1 aggregate-mode=zero-latency mtu=1200"
    ),
}
RECEIVE = {
    "PCMU": "rtppcmudepay name=depay ! mulawdec",
    "PCMA": "rtppcmadepay name=depay ! alawdec",
    "G722": "rtpg722depay name=depay ! avdec_g722",
    "opus": "rtpopusdepay name=depay ! opusdec",
    "VP8": "rtpvp8depay name=depay request-keyframe=false wait-for-keyframe=false ! vp8dec",
    "H264": "rtph264depay name=depay request-keyframe=false ! h264parse ! avdec_h264",
}
PICTURE = 0xFF00FF00
"""What is sent is green from the start: videotestsrc may break when its colour is changed while it runs."""

SUITES = {
    "AES_CM_128_HMAC_SHA1_80": ("aes-128-icm", "hmac-sha1-80"),
    "AES_CM_128_HMAC_SHA1_32": ("aes-128-icm", "hmac-sha1-32"),
    "AEAD_AES_128_GCM": ("aes-128-gcm", "null"),
    "AEAD_AES_256_GCM": ("aes-256-gcm", "null"),
}


def bound(host: str) -> tuple[Gio.Socket, Gio.Socket]:
    """An even port and the odd one after it."""
    address = Gio.InetAddress.new_from_string(host)
    for _ in range(200):
        pair = []
        wanted = 0
        for _half in range(2):
            one = Gio.Socket.new(address.get_family(), Gio.SocketType.DATAGRAM, Gio.SocketProtocol.UDP)
            try:
                one.bind(Gio.InetSocketAddress.new(address, wanted), False)
            except GLib.Error:
                break
            port = one.get_local_address().get_port()
            if not pair and port % 2:
                break
            pair.append(one)
            wanted = port + 1
        if len(pair) == 2:
            return pair[0], pair[1]
        for one in pair:
            one.close()
    raise SystemExit("no pair of ports")


class Session:
    """One m-line: what is sent, what came."""

    def __init__(self, peer: Peer, index: int, media: dict) -> None:
        self.peer, self.index, self.media = peer, index, media
        self.received: dict[int, int] = {}
        self.ssrcs: set[int] = set()
        self.sent = 0
        self.valve = None

    def caps(self, pt: int) -> Gst.Caps | None:
        described = self.media["receive_pts"].get(str(pt))
        if described is None and pt in self.media["event_pts"]:
            described = ["TELEPHONE-EVENT", self.media["clock"], 1]
        if described is None:  # a late packet of another codec: unlinked it would end the source
            described = ["X-STRAY", self.media["clock"]]
        name, clock = described[0], described[1]
        caps = f"application/x-rtp,media={self.media['kind']},clock-rate={clock},encoding-name={name.upper()},payload={pt}"
        if self.media["feedback"]:
            caps += ",rtcp-fb-nack-pli=true,rtcp-fb-ccm-fir=true"
        return Gst.Caps.from_string(caps)

    def took(self, _pad: Gst.Pad, info: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
        buffer = info.get_buffer()
        if buffer is None:
            return Gst.PadProbeReturn.OK
        data = buffer.extract_dup(0, min(buffer.get_size(), 64))
        if len(data) < 12 or data[0] >> 6 != 2:
            return Gst.PadProbeReturn.OK
        pt = data[1] & 0x7F
        self.received[pt] = self.received.get(pt, 0) + 1
        sequence, stamp, ssrc = struct.unpack("!HII", data[2:12])
        self.ssrcs.add(ssrc)
        if pt in self.media["event_pts"]:
            start = 12 + 4 * (data[0] & 15)
            if data[0] & 16:
                start += 4 + 4 * struct.unpack("!H", data[start + 2 : start + 4])[0]
            payload = data[start : start + 4]
            if len(payload) == 4:
                event, flags, duration = struct.unpack("!BBH", payload)
                self.peer.events.append(
                    {
                        "at": time.monotonic(),
                        "pt": pt,
                        "ssrc": ssrc,
                        "sequence": sequence,
                        "timestamp": stamp,
                        "marker": bool(data[1] & 0x80),
                        "event": event,
                        "end": bool(flags & 0x80),
                        "volume": flags & 63,
                        "duration": duration,
                        "media": self.index,
                    }
                )
        return Gst.PadProbeReturn.OK


class Peer:
    """The pipeline and its commands."""

    def __init__(self) -> None:
        self.sockets: list[tuple[Gio.Socket, Gio.Socket]] = []
        self.pipeline: Gst.Pipeline | None = None
        self.sessions: list[Session] = []
        self.events: list[dict] = []
        self.colour: list[int] | None = None
        self.frequency = 440.0
        self.loudness = 0.0
        self.key_frames = {"sent": 0, "received": 0}
        self.errors: list[str] = []
        self.depays: list[Gst.Element] = []
        self.force_count = 0
        self.asked = 0

    def open(self, command: dict) -> dict:
        self.sockets = [bound(command["host"]) for _ in range(command["medias"])]
        return {"ports": [[one.get_local_address().get_port() for one in pair] for pair in self.sockets]}

    def configure(self, command: dict) -> dict:
        if self.pipeline is not None:
            self.pipeline.set_state(Gst.State.NULL)
        self.pipeline = Gst.Pipeline.new()
        self.depays = []
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self._failed)
        rtpbin = self.rtpbin = Gst.ElementFactory.make("rtpbin", "rtpbin")
        rtpbin.set_property("latency", 100)
        rtpbin.set_property("autoremove", True)
        if any(media["feedback"] for media in command["medias"]):
            rtpbin.set_property("rtp-profile", 3)
        self.pipeline.add(rtpbin)
        self.sessions = [Session(self, index, media) for index, media in enumerate(command["medias"])]
        rtpbin.connect("request-pt-map", lambda _bin, index, pt: self.sessions[index].caps(pt))
        rtpbin.connect("pad-added", self._receiving)
        for session in self.sessions:
            if session.media["srtp"]:
                self._secure(session)
        for session in self.sessions:
            self._join(session)
        self.pipeline.set_state(Gst.State.PLAYING)
        return {}

    def _secure(self, session: Session) -> None:
        keys = session.media["srtp"]
        cipher, auth = SUITES[keys["suite"]]
        encoder = Gst.ElementFactory.make("srtpenc", None)
        encoder.set_property("key", Gst.Buffer.new_wrapped(bytes.fromhex(keys["send"])))
        for name in ("rtp", "rtcp"):
            encoder.set_property(f"{name}-cipher", cipher)
            # The _32 tag shortens RTP only (RFC 4568 6.2.2).
            encoder.set_property(f"{name}-auth", auth if name == "rtp" else auth.replace("-32", "-80"))
        # rtpbin takes these pads as it finds them, it does not request them.
        encoder.request_pad_simple(f"rtp_sink_{session.index}")
        encoder.request_pad_simple(f"rtcp_sink_{session.index}")
        decoder = Gst.ElementFactory.make("srtpdec", None)

        def key(_element: Gst.Element, _ssrc: int) -> Gst.Caps:
            caps = Gst.Caps.from_string(
                f"application/x-srtp,srtp-cipher={cipher},srtp-auth={auth},srtcp-cipher={cipher},srtcp-auth={auth.replace('-32', '-80')}"
            )
            caps.set_value("srtp-key", Gst.Buffer.new_wrapped(bytes.fromhex(keys["receive"])))
            return caps

        decoder.connect("request-key", key)
        index = session.index
        self.rtpbin.connect("request-rtp-encoder", lambda _bin, number: encoder if number == index else None)
        self.rtpbin.connect("request-rtcp-encoder", lambda _bin, number: encoder if number == index else None)
        self.rtpbin.connect("request-rtp-decoder", lambda _bin, number: decoder if number == index else None)
        self.rtpbin.connect("request-rtcp-decoder", lambda _bin, number: decoder if number == index else None)
        session.decoder = decoder

    def _join(self, session: Session) -> None:
        index, media = session.index, session.media
        host, rtp, rtcp = media["remote"]
        rtp_socket, rtcp_socket = self.sockets[index]
        sources = []
        kind = "application/x-srtp" if media["srtp"] else "application/x-rtp"
        for name, socket, caps in (
            ("rtp", rtp_socket, f"{kind},media={media['kind']},clock-rate={media['clock']}"),
            ("rtcp", rtcp_socket, "application/x-srtcp" if media["srtp"] else "application/x-rtcp"),
        ):
            source = Gst.ElementFactory.make("udpsrc", None)
            source.set_property("socket", socket)
            source.set_property("close-socket", False)
            source.set_property("caps", Gst.Caps.from_string(caps))
            self.pipeline.add(source)
            source.get_static_pad("src").link(self.rtpbin.request_pad_simple(f"recv_{name}_sink_{index}"))
            sources.append(source)
        tap = session.decoder.get_static_pad("rtp_src") if media["srtp"] else sources[0].get_static_pad("src")
        tap.add_probe(Gst.PadProbeType.BUFFER, session.took)
        self._send(session)
        for name, socket, port in (("rtp", rtp_socket, rtp), ("rtcp", rtcp_socket, rtcp)):
            pad = (
                self.rtpbin.get_static_pad(f"send_rtp_src_{index}")
                if name == "rtp"
                else self.rtpbin.request_pad_simple(f"send_rtcp_src_{index}")
            )
            sink = Gst.ElementFactory.make("udpsink", None)
            for key, value in {"socket": socket, "close-socket": False, "host": host, "port": port, "sync": False, "async": False}.items():
                sink.set_property(key, value)
            self.pipeline.add(sink)
            pad.link(sink.get_static_pad("sink"))

    def _send(self, session: Session) -> None:
        media = session.media
        if media["kind"] == "audio":
            source = (
                f"audiotestsrc name=source is-live=true samplesperbuffer=480 freq={self.frequency} volume={self.loudness}"
                " ! audio/x-raw,rate=48000,channels=1"
            )
        else:
            source = (
                f"videotestsrc name=source is-live=true pattern=solid-color foreground-color={PICTURE}"
                " ! video/x-raw,width=320,height=240,framerate=10/1,format=I420"
            )
        # With feedback, key frames come on request only, so that a test sees each request; without it, every two seconds.
        pay = SEND[media["name"]].format(distance=100000 if media["feedback"] else 20) + f" name=pay pt={media['pt']}"
        if media["kind"] == "audio":
            pay += " min-ptime=20000000 max-ptime=20000000"
        drop = "false" if media["send"] else "true"
        made = Gst.parse_bin_from_description(f"{source} ! queue ! {pay} ! valve name=valve drop={drop}", True)
        made.set_name(f"send{session.index}")
        session.valve = made.get_by_name("valve")
        encoder = made.get_by_name("encoder")
        if encoder is not None:
            encoder.get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, self._count_key_frames, "sent")
            encoder.get_static_pad("src").add_probe(Gst.PadProbeType.EVENT_UPSTREAM, self._count_requests)
        self.pipeline.add(made)
        made.get_static_pad("src").link(self.rtpbin.request_pad_simple(f"send_rtp_sink_{session.index}"))

    def _receiving(self, _bin: Gst.Element, pad: Gst.Pad) -> None:
        name = pad.get_name()
        if not name.startswith("recv_rtp_src_"):
            return
        index, _ssrc, pt = map(int, name.removeprefix("recv_rtp_src_").split("_"))
        media = self.sessions[index].media
        described = media["receive_pts"].get(str(pt))
        if described is None:
            end = "fakesink name=depay sync=false async=false"
        elif media["kind"] == "audio":
            end = (
                f"{RECEIVE[described[0]]} ! audioconvert ! audioresample ! audio/x-raw,format=S16LE,rate=16000,channels=1"
                f" ! filesink append=true buffer-mode=unbuffered sync=false async=false location={media['record']}"
            )
        else:
            end = (
                f"{RECEIVE[described[0]]} ! videoconvert ! videoscale ! video/x-raw,format=RGB,width=4,height=4"
                " ! fakesink name=seen sync=false async=false signal-handoffs=true"
            )
        made = Gst.parse_bin_from_description(end, False)
        first = made.get_by_name("depay")
        made.add_pad(Gst.GhostPad.new("sink", first.get_static_pad("sink")))
        if media["kind"] == "video" and described is not None:
            made.get_by_name("seen").connect("handoff", self._see)
            first.get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, self._count_key_frames, "received")
            self.depays.append(first)
        self.pipeline.add(made)
        made.sync_state_with_parent()
        pad.link(made.get_static_pad("sink"))

    def _see(self, _sink: Gst.Element, buffer: Gst.Buffer, _pad: Gst.Pad) -> None:
        data = buffer.extract_dup(0, buffer.get_size())
        self.colour = [sum(data[channel:12:3]) // 4 for channel in range(3)]

    def _count_key_frames(self, _pad: Gst.Pad, info: Gst.PadProbeInfo, way: str) -> Gst.PadProbeReturn:
        buffer = info.get_buffer()
        if buffer is not None and not buffer.has_flags(Gst.BufferFlags.DELTA_UNIT):
            self.key_frames[way] += 1
        return Gst.PadProbeReturn.OK

    def _count_requests(self, _pad: Gst.Pad, info: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
        if GstVideo.video_event_is_force_key_unit(info.get_event()):
            self.force_count += 1
        return Gst.PadProbeReturn.OK

    def _failed(self, _bus: Gst.Bus, message: Gst.Message) -> None:
        error, detail = message.parse_error()
        self.errors.append(f"{error.message} ({detail})")

    def _sources(self, kind: str) -> list[Gst.Element]:
        wanted = [session for session in self.sessions if session.media["kind"] == kind]
        return [self.pipeline.get_by_name(f"send{session.index}").get_by_name("source") for session in wanted]

    def tone(self, command: dict) -> dict:
        self.frequency, self.loudness = command["frequency"], 0.5
        for source in self._sources("audio"):
            source.set_property("freq", self.frequency)
            source.set_property("volume", self.loudness)
        return {}

    def silence(self, _command: dict) -> dict:
        self.loudness = 0.0
        for source in self._sources("audio"):
            source.set_property("volume", 0.0)
        return {}

    def burst(self, command: dict) -> dict:
        self.tone(command)
        GLib.timeout_add(int(command["seconds"] * 1000), lambda: bool(self.silence({})))
        return {}

    def request_key_frame(self, _command: dict) -> dict:
        self.asked += 1
        for depay in self.depays[-1:]:
            depay.get_static_pad("sink").push_event(GstVideo.video_event_new_upstream_force_key_unit(Gst.CLOCK_TIME_NONE, True, self.asked))
        return {}

    def statistics(self, _command: dict) -> dict:
        medias = []
        for session in self.sessions:
            report = {"received": session.received, "ssrcs": sorted(session.ssrcs), "remote": [], "local": {}}
            inner = self.rtpbin.emit("get-internal-session", session.index)
            if inner is not None:
                stats = inner.get_property("stats")
                for source in stats.get_value("source-stats"):
                    record = {
                        key: source.get_value(key)
                        for key in (
                            *("ssrc", "internal", "have-sr", "have-rb", "packets-sent", "packets-received", "packets-lost"),
                            *("rb-fractionlost", "rb-packetslost", "rb-jitter", "rb-round-trip", "sr-packet-count", "recv-pli-count"),
                            *("recv-fir-count", "sent-pli-count", "sent-fir-count", "jitter"),
                        )
                        if source.has_field(key)
                    }
                    if record.get("internal"):
                        report["local"] = record if record.get("packets-sent") else report["local"] or record
                    else:
                        report["remote"].append(record)
            medias.append(report)
        return {
            "medias": medias,
            "key_frames": self.key_frames,
            "requests": self.force_count,
            "colour": self.colour,
            "errors": self.errors,
        }

    def events_(self, _command: dict) -> dict:
        return {"packets": self.events}

    def handle(self, line: str) -> bool:
        command = json.loads(line)
        name = {"events": "events_"}.get(command["do"], command["do"])
        try:
            answer = getattr(self, name)(command)
        except Exception as error:  # the parent shall see it, whatever it is
            answer = {"error": repr(error)}
        print(json.dumps(answer), flush=True)
        return False


def missing() -> list[str]:
    """The elements that this GStreamer lacks."""
    names = {word for chain in (*SEND.values(), *RECEIVE.values()) for word in re.findall(r"(?:^|! )([a-z]\w+)(?= |$)", chain)}
    return sorted(name for name in names | {"rtpbin", "srtpenc", "audiotestsrc", "videotestsrc"} if Gst.ElementFactory.find(name) is None)


def main() -> None:
    if "--check" in sys.argv:
        sys.exit(", ".join(missing()) or 0)
    peer, loop = Peer(), GLib.MainLoop()

    def read() -> None:
        for line in sys.stdin:
            GLib.idle_add(peer.handle, line)
        GLib.idle_add(loop.quit)

    threading.Thread(target=read, daemon=True).start()
    loop.run()
    if peer.pipeline is not None:
        peer.pipeline.set_state(Gst.State.NULL)


if __name__ == "__main__":
    main()
