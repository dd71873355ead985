"""relay/figures.py, pierce.py and what routes are told: blocked and silenced media, packets that open the way, reports of ports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np
import pytest
from av import CodecContext, Packet

from boringsdp.relay import Counts, Dtmf, Latch, RouteRules, StreamFormat, StreamRules
from boringsdp.relay.engine import (
    MediaReceiving,
    PathSelected,
    PortStatistics,
    ReceiveStatistics,
    Route,
    RtcpReceived,
    SsrcSeen,
    TransportStatistics,
)
from boringsdp.relay.pierce import Pierce, Piercer
from boringsdp.rtp import rtcp
from boringsdp.rtp.silence import SILENCE
from tests.relay.relay_bench import AUDIO, KEYS, REMOTE, THEIRS, VIDEO, Bench

REMOTE_RTCP = ("192.0.2.9", 7001)
FORMATS = {
    0: StreamFormat(name="PCMU", clock_rate=8000),
    8: StreamFormat(name="PCMA", clock_rate=8000),
    9: StreamFormat(name="G722", clock_rate=8000),
    18: StreamFormat(name="G729", clock_rate=8000),
    111: StreamFormat(name="opus", clock_rate=48000),
    101: StreamFormat(name="telephone-event", clock_rate=8000),
}
MANY = StreamRules(kind="audio", formats=FORMATS, dtmf_payload_type=101)
SAME = {number: number for number in FORMATS if number != 101}


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = await Bench().start()
    yield bench
    await bench.relay.close()
    assert bench.loop.pending == 0


# --- blocked and silenced ----------------------------------------------------------------------------------------------------------------


def rules(**changes: bool) -> RouteRules:
    return RouteRules(payload_types=SAME, telephone_events={101: 8000}, **changes)


async def test_silence_where_the_codec_has_one(bench: Bench) -> None:
    source, target = bench.plain(MANY), bench.plain(MANY)
    bench.relay.connect(source, target, rules(silenced=True))
    [(route,)] = bench.engine.told("route")
    assert isinstance(route, Route)
    assert route.silence == {0: b"\xff", 8: b"\xd5", 9: b"\xfc", 18: b"", 111: b"\xf8\xff\xfe"}
    assert route.enabled
    assert route.payload_types == SAME
    source.update(StreamRules(kind="audio", formats={0: FORMATS[8]}))
    [(route,)] = bench.engine.told("route")
    assert route.silence == {0: b"\xd5", 8: b"", 9: b"", 18: b"", 111: b""}
    bench.relay.connect(source, target, rules())
    [(route,)] = bench.engine.told("route")
    assert route.silence == {}
    source.update(MANY)
    assert bench.engine.told("route") == []


async def test_blocked_media_lets_digits_pass(bench: Bench) -> None:
    source, target = bench.plain(MANY), bench.plain(MANY)
    bench.relay.connect(source, target, rules(media=False))
    [(route,)] = bench.engine.told("route")
    assert not route.enabled
    bench.press(source, 1, end=True)
    bench.loop.advance(1.0)
    assert Dtmf(source, "5", 100, 10) in bench.heard()
    assert len(bench.engine.told("inject")) == 7


async def test_blocked_digits_are_told_but_not_sent(bench: Bench) -> None:
    source, target = bench.plain(MANY), bench.plain(MANY)
    bench.relay.connect(source, target, rules(dtmf=False))
    [(route,)] = bench.engine.told("route")
    assert route.enabled
    assert route.telephone_events == {101}
    bench.press(source, 1, end=True)
    bench.loop.advance(1.0)
    assert Dtmf(source, "5", 100, 10) in bench.heard()
    assert bench.engine.told("inject") == []


async def test_blocked_video_asks_for_no_key_frames_and_begins_with_one(bench: Bench) -> None:
    source, target = bench.connected(VIDEO), bench.connected(VIDEO)
    bench.engine.received[source.id] = ReceiveStatistics(ssrc=77, packets=1)
    blocked = RouteRules(payload_types={96: 96}, media=False)
    bench.relay.connect(source, target, blocked)
    bench.relay.request_key_frame_for(target)
    assert bench.rtcp_to(source.transport) == []
    bench.relay.connect(source, target, RouteRules(payload_types={96: 96}))
    assert rtcp.PictureLoss(sender=source.ssrc, media=77) in bench.rtcp_to(source.transport)
    bench.loop.advance(1.0)
    bench.rtcp_to(source.transport)
    bench.relay.connect(source, target, RouteRules(payload_types={96: 96}, silenced=True))
    assert bench.rtcp_to(source.transport) == []
    bench.relay.connect(source, target, RouteRules(payload_types={96: 96}))
    assert rtcp.PictureLoss(sender=source.ssrc, media=77) in bench.rtcp_to(source.transport)


def test_silence_is_silent() -> None:
    """Decoded by FFmpeg, from a fresh decoder."""
    for name, decoder in (("pcmu", "pcm_mulaw"), ("pcma", "pcm_alaw"), ("g722", "g722"), ("opus", "libopus")):
        context = CodecContext.create(decoder, "r")
        if name != "opus":
            context.sample_rate = 16000 if name == "g722" else 8000
            context.layout = "mono"  # type: ignore[attr-defined]
        payload = SILENCE[name] if name == "opus" else SILENCE[name] * 160
        frames = [frame.to_ndarray() for _ in range(25) for frame in context.decode(Packet(payload))]  # type: ignore[attr-defined]
        assert frames
        assert max(float(np.abs(frame.astype(float)).max()) for frame in frames) <= 8


# --- digits on command -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("volume", "told"), [(-10, 10), (0, 0), (7, 7), (-40, 40), (-99, 63)])
async def test_volume_of_a_digit(bench: Bench, volume: int, told: int) -> None:
    target = bench.plain(AUDIO)
    assert target.send_dtmf("1", 100, 100, volume) == 1
    bench.loop.advance(1.0)
    assert {command[2][1] & 0x3F for command in bench.engine.told("inject")} == {told}


@pytest.mark.parametrize(("duration_ms", "lasts"), [(1, 100), (250, 250), (99_999, 5000)])
async def test_length_of_a_digit_is_bounded(bench: Bench, duration_ms: int, lasts: int) -> None:
    target = bench.plain(AUDIO)
    target.send_dtmf("1", duration_ms)
    bench.loop.advance(10.0)
    assert int.from_bytes(bench.engine.told("inject")[-1][2][2:], "big") == lasts * 8


@pytest.mark.parametrize(("gap_ms", "pause"), [(0, 0.05), (400, 0.4), (99_999, 5.0)])
async def test_gap_after_a_digit_is_bounded(bench: Bench, gap_ms: int, pause: float) -> None:
    target = bench.plain(AUDIO)
    target.send_dtmf("12", 100, gap_ms)
    begun = []
    for _ in range(600):
        if any(command[3] for command in bench.engine.told("inject")):
            begun.append(bench.loop.now)
        bench.loop.advance(0.01)
    assert begun[1] - begun[0] == pytest.approx(0.1 + pause, abs=0.03)


# --- opening the way ---------------------------------------------------------------------------------------------------------------------


def test_packets_until_the_first_arrives() -> None:
    heard: list[bool] = []
    core = Piercer(lambda: bool(heard))
    assert core.start(100.0) == [Pierce()]
    assert core.deadline() == 100.5
    assert core.tick(100.2) == []
    assert core.tick(100.5) == [Pierce()]
    heard.append(True)
    assert core.tick(101.0) == []
    assert core.deadline() is None


def test_packets_for_ten_seconds_at_most() -> None:
    core = Piercer(lambda: False)
    sent = len(core.start(100.0))
    while (due := core.deadline()) is not None:
        sent += len(core.tick(due))
    assert sent == 20


async def test_a_payload_type_that_means_nothing(bench: Bench) -> None:
    source, target = bench.plain(AUDIO), bench.plain(MANY)
    bench.relay.connect(source, target, RouteRules(payload_types={0: 127, 8: 126}))
    bench.engine.carried[target.transport.id] = STATISTICS
    target.transport.pierce()
    bench.loop.advance(0.6)
    assert bench.engine.told("inject") == [(target.id, 125, b"", False, False)] * 2
    target.transport.pierce()
    bench.engine.carried[target.transport.id] = HEARD
    bench.loop.advance(5.0)
    assert len(bench.engine.told("inject")) == 1


async def test_without_keys_an_empty_datagram(bench: Bench) -> None:
    transport = bench.relay.open_plain(bench.owner, secured=True)
    transport.add_stream(AUDIO)
    transport.set_remote(REMOTE)
    bench.engine.carried[transport.id] = STATISTICS
    transport.pierce()
    assert bench.engine.told("send") == [(transport.id, b"", False, None)]
    transport.set_keys(KEYS, KEYS)
    bench.loop.advance(0.5)
    assert len(bench.engine.told("inject")) == 1
    transport.close()
    bench.loop.advance(5.0)
    assert bench.engine.told("inject") == []


# --- figures -----------------------------------------------------------------------------------------------------------------------------

STATISTICS = TransportStatistics(
    remote=None, rtcp_remote=None, packets_received=0, bytes_received=0, packets_sent=0, bytes_sent=0, drops={}
)
RTP = PortStatistics(
    remote=REMOTE,
    announced=("10.0.0.1", 7000),
    learned=True,
    last_arrival=50.0,
    packets_received=9,
    bytes_received=900,
    packets_sent=8,
    bytes_sent=800,
)
RTCP = PortStatistics(remote=REMOTE_RTCP, last_arrival=60.0, packets_received=2, bytes_received=200, packets_sent=1, bytes_sent=100)
HEARD = TransportStatistics(
    remote=REMOTE, rtcp_remote=REMOTE_RTCP, packets_received=11, bytes_received=1100, packets_sent=9, bytes_sent=900,
    drops={"unverified": 3, "replayed": 1, "late": 4, "send_blocked": 2}, rtp=RTP, rtcp=RTCP,
)  # fmt: skip


async def test_a_pair_of_ports(bench: Bench) -> None:
    stream = bench.plain(AUDIO)
    transport = stream.transport
    bench.engine.carried[transport.id] = HEARD
    bench.engine.received[stream.id] = ReceiveStatistics(ssrc=5, packets=9)
    rtp, control = bench.relay.port_reports(transport)
    assert (rtp.rtcp, rtp.local, rtp.remote, rtp.announced) == (False, transport.addresses[0], REMOTE, ("10.0.0.1", 7000))
    assert (rtp.received, rtp.sent) == (Counts(packets=9, bytes=900, errors=4), Counts(packets=8, bytes=800, errors=6))
    assert rtp.last_packet == pytest.approx(bench.relay.epoch + 50)
    assert (rtp.suite, rtp.ssrcs, rtp.flags) == ("", (5,), {"filled", "confirmed"})
    assert (control.rtcp, control.local) == (True, (transport.addresses[0][0], transport.rtcp_port))
    assert rtp.received_rtcp == control.received_rtcp == Counts()
    assert (control.received, control.sent) == (Counts(packets=2, bytes=200), Counts(packets=1, bytes=100))
    assert control.flags == {"filled"}


async def test_one_port_with_dtls_and_ice(bench: Bench) -> None:
    transport = bench.relay.open_plain(bench.owner, ice=True, secured=True, rtcp_mux=True)
    bench.engine.carried[transport.id] = STATISTICS
    [port] = bench.relay.port_reports(transport)
    assert (port.flags, port.last_packet, port.remote, port.suite) == ({"ice", "muxed"}, 0.0, None, "")
    transport.announce(("10.0.0.1", 5000))
    transport.start([THEIRS.fingerprint], client=False)
    bench.engine.report(PathSelected(transport.id, REMOTE))
    bench.shake_hands(transport)
    bench.engine.carried[transport.id] = HEARD
    [port] = bench.relay.port_reports(transport)
    assert port.flags == {"ice", "muxed", "filled", "confirmed", "fingerprint-verified"}
    assert port.suite == "AEAD_AES_256_GCM"
    assert port.received == Counts(packets=11, bytes=1100, errors=4)
    assert port.received_rtcp == Counts(packets=2, bytes=200)
    assert port.last_packet == pytest.approx(bench.relay.epoch + 60)


async def test_the_address_that_the_peer_uses() -> None:
    bench = await Bench(webrtc_hosts=("127.0.0.1", "::1")).start()
    transport = bench.relay.open_webrtc(bench.owner)
    bench.engine.carried[transport.id] = replace(STATISTICS, remote=("2001:db8::7", 9), rtp=PortStatistics(remote=("2001:db8::7", 9)))
    [port] = bench.relay.port_reports(transport)
    assert (port.local[0], port.remote, port.flags) == ("::1", ("2001:db8::7", 9), {"ice", "muxed", "filled"})
    await bench.relay.close()


async def test_latching_flags_and_raw_ports(bench: Bench) -> None:
    transport, raw = bench.relay.open_plain(bench.owner), bench.relay.open_raw(bench.owner)
    for latch, flag in ((Latch.STRICT, "strict"), (Latch.FOLLOW, "handover")):
        transport.set_remote(REMOTE, latch=latch)
        assert flag in bench.relay.port_reports(transport)[0].flags
    bench.engine.carried[raw.id] = HEARD
    [port] = bench.relay.port_reports(raw)
    assert port.received.packets == 9
    assert port.local == raw.addresses[0]


async def test_history_of_a_stream(bench: Bench) -> None:
    one, two = bench.plain(AUDIO), bench.plain(AUDIO)
    bench.relay.connect(one, two, RouteRules(payload_types={0: 0}))
    bench.engine.received[one.id] = ReceiveStatistics(ssrc=5, payload_type=0)
    bench.engine.report(SsrcSeen(one.id, 5, 0), MediaReceiving(one.id, True))
    for stream, round_trip_s in ((one, 0.02), (two, 0.03)):
        now = int((bench.loop.now + bench.relay.epoch + 2_208_988_800) * 65536) & 0xFFFFFFFF
        block = rtcp.ReportBlock(
            ssrc=stream.ssrc, fraction_lost=0, lost=0, highest_sequence=5, jitter=0, last_report=now - round(round_trip_s * 65536), delay=0
        )
        data = rtcp.write_receiver_report(rtcp.ReceiverReport(ssrc=1, reports=(block,)))
        bench.engine.report(RtcpReceived(stream.transport.id, data, 0.0))
    bench.engine.received[one.id] = ReceiveStatistics(ssrc=5, payload_type=0, packets=250, ssrc_packets=250, bytes=40_000)
    bench.loop.advance(5.0)
    [sample] = one.history.samples
    assert sample.round_trip_us == pytest.approx(50_000, abs=100)
    assert sample.leg_round_trip_us == pytest.approx(20_000, abs=100)
    assert sample.at == pytest.approx(bench.relay.epoch + bench.loop.now, abs=0.01)
    [source] = one.sources()
    assert (source.ssrc, source.packets, source.bytes, source.sample_count) == (5, 250, 40_000, 1)
    assert two.sources() == ()
    one.close()
    bench.loop.advance(20.0)
