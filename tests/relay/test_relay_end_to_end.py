"""The relay over the asyncio engine against peers that are not ours: aiortc by WebRTC, plain sockets, over loopback."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aioice.ice
import numpy as np
import pylibsrtp
import pytest
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, VideoFrame

from boringsdp.relay import (
    Closed,
    Connected,
    Dtmf,
    KeyFrameRequested,
    Keys,
    Profile,
    Receiving,
    Relay,
    RelaySettings,
    RouteRules,
    Stream,
    StreamFormat,
    StreamRules,
    TransportEvent,
    WebRtcTransport,
)
from boringsdp.rtp import rtcp
from tests.support.engines import make_relay

PCMU = {0: StreamFormat(name="PCMU", clock_rate=8000), 101: StreamFormat(name="telephone-event", clock_rate=8000)}


@pytest.fixture(autouse=True)
def _loopback_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])


@pytest.fixture
async def relay() -> AsyncIterator[Relay]:
    relay = make_relay(RelaySettings(plain_ports=(41000, 41199)))
    await relay.start()
    yield relay
    await relay.close()


class Tone(MediaStreamTrack):
    """A sine of `hertz`, 20 ms frames at 8 kHz, in real time."""

    kind = "audio"

    def __init__(self, hertz: float) -> None:
        super().__init__()
        self.hertz = hertz
        self.count = 0
        self.began = time.monotonic()

    async def recv(self) -> AudioFrame:
        samples = np.arange(self.count * 160, self.count * 160 + 160)
        frame = AudioFrame.from_ndarray((8000 * np.sin(2 * np.pi * self.hertz * samples / 8000)).astype(np.int16)[None, :], layout="mono")
        frame.sample_rate, frame.pts = 8000, self.count * 160
        self.count += 1
        await asyncio.sleep(max(0.0, self.began + self.count * 0.02 - time.monotonic()))
        return frame


class Picture(MediaStreamTrack):
    """Grey frames at 20 a second."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    async def recv(self) -> VideoFrame:
        frame = VideoFrame.from_ndarray(np.full((120, 160, 3), 60 + self.count % 100, np.uint8))
        frame.pts, frame.time_base = self.count * 4500, __import__("fractions").Fraction(1, 90000)
        self.count += 1
        await asyncio.sleep(0.05)
        return frame


class Events(list[TransportEvent]):
    """An owner that keeps what it is told; `seen` waits for a kind."""

    def __call__(self, event: TransportEvent) -> None:
        self.append(event)

    async def seen(self, wanted: Callable[[TransportEvent], bool] | type, within: float = 8.0) -> TransportEvent:
        match = (lambda event: isinstance(event, wanted)) if isinstance(wanted, type) else wanted
        until = time.monotonic() + within
        while time.monotonic() < until:
            for event in self:
                if match(event):
                    return event
            await asyncio.sleep(0.01)
        raise AssertionError(f"never came; had {[*self]}")


def lines_of(sdp: str, prefix: str) -> list[str]:
    return [line[len(prefix) :] for line in sdp.splitlines() if line.startswith(prefix)]


def describe(transport: WebRtcTransport, offer: str, setup: str, video: bool = False, address: int = 0) -> str:
    """Our half of the session, written by hand as an answer to (or in the image of) `offer`."""
    host, port = transport.addresses[address]
    name, value = transport.fingerprint
    common = [
        "c=IN IP4 127.0.0.1",
        f"a=ice-ufrag:{transport.credentials.ufrag}",
        f"a=ice-pwd:{transport.credentials.password}",
        f"a=fingerprint:{name} {value}",
        f"a=setup:{setup}",
        "a=rtcp-mux",
        f"a=candidate:1 1 udp 2130706431 {host} {port} typ host",
        "a=end-of-candidates",
        "a=sendrecv",
    ]
    mids = lines_of(offer, "a=mid:") or ["0"]
    out = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=ice-lite", f"a=group:BUNDLE {' '.join(mids)}"]
    audio = [f"m=audio {port} UDP/TLS/RTP/SAVPF 0", f"a=mid:{mids[0]}", *common, "a=rtpmap:0 PCMU/8000"]
    out += audio
    if video:
        vp8 = next(line.split()[0] for line in lines_of(offer, "a=rtpmap:") if "VP8" in line)
        out += [f"m=video {port} UDP/TLS/RTP/SAVPF {vp8}", f"a=mid:{mids[1]}", *common]
        out += [f"a=rtpmap:{vp8} VP8/90000", f"a=rtcp-fb:{vp8} nack pli", f"a=rtcp-fb:{vp8} nack"]
    return "\r\n".join(out) + "\r\n"


def fingerprints_of(sdp: str) -> list[tuple[str, str]]:
    return [(name, value) for name, value in (line.split() for line in lines_of(sdp, "a=fingerprint:"))]


async def call_us(
    relay: Relay, events: Events, *, video: bool = False, setup: str = "passive", address: int = 0
) -> tuple[RTCPeerConnection, WebRtcTransport]:
    """A WebRTC peer calls the relay; `setup` is what we answer."""
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    peer.addTrack(Tone(440))
    if video:
        peer.addTrack(Picture())
    await peer.setLocalDescription(await peer.createOffer())
    offer = peer.localDescription.sdp
    transport = relay.open_webrtc(events)
    transport.start(fingerprints_of(offer), client=setup == "active")
    await peer.setRemoteDescription(RTCSessionDescription(describe(transport, offer, setup, video, address), "answer"))
    return peer, transport


async def strongest(track: MediaStreamTrack, frames: int = 60) -> float:
    """The strongest frequency heard in the last of `frames` frames."""
    heard: list[np.ndarray[Any, Any]] = []
    rate = 8000
    for _ in range(frames):
        frame: Any = await asyncio.wait_for(track.recv(), 5)
        rate = frame.sample_rate
        heard.append(frame.to_ndarray().reshape(-1)[:: len(frame.layout.channels)])
    samples = np.concatenate(heard[-25:]).astype(float)
    return float(np.argmax(np.abs(np.fft.rfft(samples * np.hanning(len(samples))))) * rate / len(samples))


@pytest.mark.parametrize("setup", ["passive", "active"])
async def test_an_echo_comes_back_as_the_same_tone(relay: Relay, setup: str) -> None:
    events = Events()
    peer, transport = await call_us(relay, events, setup=setup)
    stream = transport.add_stream(StreamRules(kind="audio", formats=PCMU, mid="0"))
    relay.connect(stream, stream, RouteRules(payload_types={0: 0}))
    connected = await events.seen(Connected)
    assert isinstance(connected, Connected)
    assert await strongest(peer.getReceivers()[0].track) == pytest.approx(440, abs=5)
    assert isinstance(await events.seen(Receiving), Receiving)
    await events.seen(lambda _: stream.quality()["round_trip_ms"] is not None)
    quality = stream.quality()
    assert quality["received"]["lost"] == 0
    assert quality["received"]["packets"] > 50
    assert quality["sent"]["lost"] == 0
    assert quality["round_trip_ms"] is not None
    assert quality["received"]["mos"] > 4.2
    assert transport.record()["remote"][0] == "127.0.0.1"
    await peer.close()
    assert await events.seen(Closed) == Closed("dtls-alert")


async def test_ipv6_beside_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["::1"])
    relay = make_relay(RelaySettings(webrtc_hosts=("127.0.0.1", "::1")))
    await relay.start()
    events = Events()
    peer, transport = await call_us(relay, events, address=1)
    stream = transport.add_stream(StreamRules(kind="audio", formats=PCMU, mid="0"))
    relay.connect(stream, stream, RouteRules(payload_types={0: 0}))
    await events.seen(Connected)
    assert await strongest(peer.getReceivers()[0].track) == pytest.approx(440, abs=5)
    assert transport.record()["remote"][0] == "::1"
    await peer.close()
    await relay.close()


async def test_we_close_and_the_peer_hears_of_it(relay: Relay) -> None:
    events = Events()
    peer, transport = await call_us(relay, events)
    stream = transport.add_stream(StreamRules(kind="audio", formats=PCMU, mid="0"))
    relay.connect(stream, stream, RouteRules(payload_types={0: 0}))
    await events.seen(Connected)
    track = peer.getReceivers()[0].track
    await strongest(track, 30)
    events.clear()
    transport.close()
    transport.close()
    with pytest.raises(MediaStreamError):
        await strongest(track, 10_000)
    assert events == []
    assert relay.statistics()["transports"] == 0
    await peer.close()


async def test_a_wrong_fingerprint_passes_no_media(relay: Relay) -> None:
    events = Events()
    peer, transport = await call_us(relay, events)
    stream = transport.add_stream(StreamRules(kind="audio", formats=PCMU, mid="0"))
    relay.connect(stream, stream, RouteRules(payload_types={0: 0}))
    transport.start([("sha-256", "00:" * 31 + "00")], client=False)
    assert getattr(await events.seen(lambda event: hasattr(event, "reason")), "reason", "") == "fingerprint"
    await asyncio.sleep(0.3)
    assert stream.quality()["received"]["packets"] == 0
    assert not transport.ready
    await peer.close()


class PlainPeer:
    """A plain RTP peer made of two sockets: keeps what it gets, sends what it is told."""

    def __init__(self) -> None:
        self.rtp, self.rtcp = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        for sock in (self.rtp, self.rtcp):
            sock.bind(("127.0.0.1", 0))
            sock.setblocking(False)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.rtp.getsockname()
        return host, port

    @property
    def rtcp_address(self) -> tuple[str, int]:
        host, port = self.rtcp.getsockname()
        return host, port

    def read(self, sock: socket.socket) -> list[bytes]:
        out = []
        while True:
            try:
                out.append(sock.recv(2048))
            except BlockingIOError:
                return out

    def close(self) -> None:
        self.rtp.close()
        self.rtcp.close()


@pytest.fixture
def plain_peer() -> Any:
    peer = PlainPeer()
    yield peer
    peer.close()


async def test_webrtc_meets_plain_rtp(relay: Relay, plain_peer: PlainPeer) -> None:
    browser, phone = Events(), Events()
    peer, webrtc = await call_us(relay, browser)
    plain = relay.open_plain(phone)
    one = webrtc.add_stream(StreamRules(kind="audio", formats=PCMU, mid="0"))
    two = plain.add_stream(StreamRules(kind="audio", formats=PCMU, dtmf_payload_type=101))
    plain.set_remote(plain_peer.address, plain_peer.rtcp_address)
    relay.connect(one, two, RouteRules(payload_types={0: 0}, telephone_events={101: 8000}))
    relay.connect(two, one, RouteRules(payload_types={0: 0}, telephone_events={101: 8000}))
    await browser.seen(Connected)

    async def answer() -> None:
        """Speak 1 kHz, in mu-law, and press a digit."""
        silence = bytes(160)
        for n in range(150):
            header = struct.pack("!BBHII", 0x80, 0, n, n * 160, 77)
            plain_peer.rtp.sendto(header + silence, plain.addresses[0])
            if 50 <= n < 57:
                event = struct.pack(
                    "!BBHIIBBH",
                    0x80,
                    101 | (0x80 if n == 50 else 0),
                    1000 + n,
                    50 * 160,
                    77,
                    5,
                    0x80 if n > 53 else 0,
                    160 * min(5, n - 49),
                )
                plain_peer.rtp.sendto(event, plain.addresses[0])
            await asyncio.sleep(0.02)

    await answer()
    digit = await phone.seen(Dtmf)
    assert isinstance(digit, Dtmf)
    assert (digit.digit, digit.stream) == ("5", two)
    assert 100 <= digit.duration_ms <= 140
    media = [packet for packet in plain_peer.read(plain_peer.rtp) if packet[1] & 0x7F == 0]
    assert len(media) > 100
    assert len({packet[8:12] for packet in media}) == 1
    assert int.from_bytes(media[0][8:12], "big") == two.ssrc
    reports = [packet for data in plain_peer.read(plain_peer.rtcp) for packet in rtcp.parse_rtcp(data)]
    [report] = [packet for packet in reports if isinstance(packet, rtcp.SenderReport)][:1]
    assert report.ssrc == two.ssrc
    assert [block.ssrc for block in report.reports] == [77]
    assert any(isinstance(packet, rtcp.SourceDescription) for packet in reports)
    assert one.quality()["sent"]["packets"] > 100
    plain_peer.read(plain_peer.rtp)
    assert two.send_dtmf("12x3") == 3
    await asyncio.sleep(0.8)
    events = [packet for packet in plain_peer.read(plain_peer.rtp) if packet[1] & 0x7F == 101]
    assert [packet[12] for packet in events if packet[1] & 0x80] == [1, 2, 3]
    assert len(events) == 21
    assert len({packet[4:8] for packet in events}) == 3
    plain.close()
    await asyncio.sleep(0.05)
    goodbyes = [packet for data in plain_peer.read(plain_peer.rtcp) for packet in rtcp.parse_rtcp(data)]
    assert rtcp.Goodbye(ssrcs=(two.ssrc,)) in goodbyes
    await peer.close()


@pytest.mark.parametrize("decided_late", [True, False])
async def test_webrtc_meets_sdes(relay: Relay, plain_peer: PlainPeer, decided_late: bool) -> None:
    """Media goes out and in under the SDES keys; what is not under them is not heard."""
    browser, phone = Events(), Events()
    peer, webrtc = await call_us(relay, browser)
    plain = relay.open_plain(phone, secured=not decided_late)
    one = webrtc.add_stream(StreamRules(kind="audio", formats=PCMU, mid="0"))
    two = plain.add_stream(StreamRules(kind="audio", formats=PCMU))
    profile = Profile.AES128_CM_SHA1_80
    ours, theirs = Keys(profile, b"o" * 16, b"O" * 14), Keys(profile, b"t" * 16, b"T" * 14)
    plain.set_keys(ours, theirs)
    plain.set_remote(plain_peer.address, plain_peer.rtcp_address)
    relay.connect(one, two, RouteRules(payload_types={0: 0}))
    relay.connect(two, one, RouteRules(payload_types={0: 0}))
    await browser.seen(Connected)
    srtp = pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80
    inward = pylibsrtp.Session(pylibsrtp.Policy(b"o" * 16 + b"O" * 14, pylibsrtp.Policy.SSRC_ANY_INBOUND, 0, srtp))
    outward = pylibsrtp.Session(pylibsrtp.Policy(b"t" * 16 + b"T" * 14, pylibsrtp.Policy.SSRC_ANY_OUTBOUND, 0, srtp))
    for n in range(50):
        packet = struct.pack("!BBHII", 0x80, 0, n, n * 160, 77) + bytes(160)
        plain_peer.rtp.sendto(packet if n < 10 else outward.protect(packet), plain.addresses[0])
        await asyncio.sleep(0.02)
    heard = [inward.unprotect(packet) for packet in plain_peer.read(plain_peer.rtp)]
    assert len(heard) > 30
    assert two.quality()["received"]["packets"] == 40
    await peer.close()


async def test_video_starts_with_a_key_frame_and_asks_for_more(relay: Relay) -> None:
    one, two = Events(), Events()
    caller, first = await call_us(relay, one, video=True)
    callee, second = await call_us(relay, two, video=True)
    streams: list[dict[str, Stream]] = []
    for transport, peer in ((first, caller), (second, callee)):
        vp8 = next(int(line.split()[0]) for line in lines_of(peer.localDescription.sdp, "a=rtpmap:") if "VP8" in line)
        streams.append(
            {
                "audio": transport.add_stream(StreamRules(kind="audio", formats=PCMU, mid="0")),
                "video": transport.add_stream(
                    StreamRules(
                        kind="video",
                        formats={vp8: StreamFormat(name="VP8", clock_rate=90000)},
                        mid="1",
                        feedback=frozenset({"nack", "pli"}),
                    )
                ),
            }
        )
    [vp8] = streams[0]["video"].rules.formats
    for kind, mapping in (("audio", {0: 0}), ("video", {vp8: vp8})):
        relay.connect(streams[0][kind], streams[1][kind], RouteRules(payload_types=mapping))
        relay.connect(streams[1][kind], streams[0][kind], RouteRules(payload_types=mapping))
    await one.seen(Connected)
    await two.seen(Connected)
    for peer in (caller, callee):
        track = peer.getReceivers()[1].track
        for _ in range(10):
            await asyncio.wait_for(track.recv(), 5)
    receiver = caller.getReceivers()[1]
    await receiver._send_rtcp_pli(streams[0]["video"].ssrc)
    wanted = await one.seen(KeyFrameRequested)
    assert isinstance(wanted, KeyFrameRequested)
    assert wanted.stream is streams[0]["video"]
    await caller.close()
    await callee.close()


async def test_nothing_is_left_behind() -> None:
    relay = make_relay(RelaySettings(plain_ports=(41200, 41299)))
    await relay.start()
    events = Events()
    peer, transport = await call_us(relay, events)
    plain = relay.open_plain(events)
    one = transport.add_stream(StreamRules(kind="audio", formats=PCMU, mid="0"))
    two = plain.add_stream(StreamRules(kind="audio", formats=PCMU, dtmf_payload_type=101))
    relay.connect(one, two, RouteRules(payload_types={0: 0}))
    await events.seen(Connected)
    two.send_dtmf("123")
    await peer.close()
    await relay.close()
    events.clear()
    await asyncio.sleep(0.2)
    loop: Any = asyncio.get_running_loop()
    mine = [handle for handle in loop._scheduled if not handle.cancelled() and "boringsdp" in repr(handle)]
    assert mine == []
    assert events == []
    assert relay.half_open.count == 0
