"""relay/relay.py, transport.py and stream.py over an engine that only writes down, in virtual time."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boringsdp.dtls import Transmit
from boringsdp.errors import ConfigError, DtlsError, Exhausted, WrongState
from boringsdp.relay import (
    Closed,
    Connected,
    Dtmf,
    Failed,
    KeyFrameRequested,
    Latch,
    MediaTimeout,
    PathChanged,
    Profile,
    Receiving,
    RouteRules,
    SlowLink,
    StreamRules,
    TransportEvent,
    WebRtcTransport,
    reports,
)
from boringsdp.relay import ConsentLost as ConsentLostNews
from boringsdp.relay.engine import (
    ConsentLost,
    DtlsReceived,
    MediaReceiving,
    NotKept,
    PathSelected,
    ReceiveStatistics,
    RouteState,
    RtcpReceived,
    SendStatistics,
    StreamId,
    Way,
)
from boringsdp.rtp import rtcp
from tests.relay.relay_bench import AUDIO, KEYS, PCMU, REMOTE, THEIRS, VIDEO, Bench


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = await Bench().start()
    yield bench
    await bench.relay.close()
    assert bench.loop.pending == 0
    assert not bench.engine.ports
    assert bench.engine.closed


# --- opening and closing -----------------------------------------------------------------------------------------------------------------


async def test_one_port_number_on_every_host_and_what_is_advertised() -> None:
    bench = await Bench(webrtc_hosts=("127.0.0.1", "::1"), advertised={"127.0.0.1": "203.0.113.5"}).start()
    transport = bench.relay.open_webrtc(bench.owner)
    (first, port), (second, other) = transport.addresses
    assert (first, second) == ("203.0.113.5", "::1")
    assert port == other
    assert len(bench.engine.specs[transport.id].ports) == 2
    assert bench.engine.specs[transport.id].secured
    await bench.relay.close()


async def test_ports_that_others_hold_are_passed_over() -> None:
    bench = Bench()
    await bench.start()
    bench.engine.refuse = set(range(20000, 20008))
    assert bench.relay.open_plain(bench.owner).addresses == (("127.0.0.1", 20008),)
    with pytest.raises(Exhausted):
        bench.relay.open_plain(bench.owner)
    await bench.relay.close()


@pytest.mark.parametrize("settings", [{"webrtc_hosts": ("localhost",)}, {"plain_ports": (9, 3)}, {"plain_hosts": ("example",)}])
async def test_impossible_settings(settings: dict[str, Any]) -> None:
    bench = Bench(**settings)
    with pytest.raises(ConfigError):
        await bench.start()
    assert bench.engine.closed


async def test_out_of_turn() -> None:
    bench = Bench()
    with pytest.raises(WrongState):
        bench.relay.open_webrtc(bench.owner)
    await bench.start()
    transport = bench.relay.open_webrtc(bench.owner)
    stream = transport.add_stream(AUDIO)
    with pytest.raises(DtlsError):
        transport.start([("sha-1", "00")], client=True)
    transport.close()
    for call in (
        lambda: transport.add_stream(AUDIO),
        lambda: transport.start([THEIRS.fingerprint], client=True),
        transport.restart_ice,
        lambda: stream.update(VIDEO),
        lambda: bench.relay.connect(stream, stream, RouteRules(payload_types={})),
    ):
        with pytest.raises(WrongState):
            call()
    assert stream.send_dtmf("1") == 0
    stream.request_key_frame()
    stream.close()
    await bench.relay.close()
    await bench.relay.close()
    with pytest.raises(WrongState):
        bench.relay.open_webrtc(bench.owner)


async def test_bounds() -> None:
    bench = await Bench(max_transports=2, max_streams_per_transport=2).start()
    transport = bench.relay.open_plain(bench.owner)
    bench.relay.open_webrtc(bench.owner)
    with pytest.raises(Exhausted):
        bench.relay.open_webrtc(bench.owner)
    with pytest.raises(Exhausted):
        bench.relay.open_plain(bench.owner)
    transport.add_stream(AUDIO)
    transport.add_stream(AUDIO)
    with pytest.raises(Exhausted):
        transport.add_stream(AUDIO)
    await bench.relay.close()


async def test_released_ports_rest(bench: Bench) -> None:
    seen = set()
    for _ in range(5):
        transport = bench.relay.open_plain(bench.owner)
        seen.add(transport.addresses[0][1])
        transport.close()
    assert len(seen) == 5
    with pytest.raises(Exhausted):
        bench.relay.open_plain(bench.owner)
    bench.loop.advance(30.1)
    bench.relay.open_plain(bench.owner)


async def test_credentials_are_long_and_never_twice(bench: Bench) -> None:
    known = [bench.relay.open_webrtc(bench.owner).credentials for _ in range(50)]
    assert len({one.ufrag for one in known}) == 50
    assert all(len(one.ufrag) >= 8 and len(one.password) >= 22 and one.ufrag.isalnum() for one in known)
    assert all(one.password not in repr(one) for one in known)


async def test_nothing_is_told_after_close(bench: Bench) -> None:
    stream = bench.connected(AUDIO)
    bench.heard()
    bench.press(stream, 1)
    bench.engine.sent[stream.id] = SendStatistics(packets=5)
    stream.transport.close()
    assert bench.rtcp_to(stream.transport)[-1] == rtcp.Goodbye(ssrcs=(stream.ssrc,))
    assert bench.engine.told("send")  # close_notify
    bench.engine.report(MediaReceiving(stream.id, True), RtcpReceived(stream.transport.id, b"\x80\xc9\0\1\0\0\0\1", 0.0))
    assert bench.heard() == []
    assert bench.relay.statistics()["streams"] == 0


async def test_an_owner_may_close_from_any_event(bench: Bench) -> None:
    def close_at_once(event: TransportEvent) -> None:
        bench.events.append(event)
        transport.close()

    transport = bench.relay.open_webrtc(close_at_once)
    transport.add_stream(VIDEO)
    transport.start([THEIRS.fingerprint], client=False)
    bench.handshake(transport)
    assert len(bench.heard()) == 1
    plain = bench.relay.open_plain(lambda event: plain.close())
    plain.set_remote(REMOTE)
    stream = plain.add_stream(AUDIO)
    bench.engine.report(PathSelected(plain.id, REMOTE), MediaReceiving(stream.id, True))
    assert plain.closed
    third = bench.relay.open_plain(lambda event: third.close())
    video = third.add_stream(VIDEO)
    bench.engine.sent[video.id] = SendStatistics(packets=1)
    bench.engine.told("send_rtcp")
    data = rtcp.write_picture_loss(rtcp.PictureLoss(sender=1, media=video.ssrc))
    bench.engine.report(RtcpReceived(third.id, data, 0.0))
    assert bench.rtcp_to(third)[-1] == rtcp.Goodbye(ssrcs=(video.ssrc,))


async def test_an_owner_that_raises_costs_no_other_its_events(bench: Bench) -> None:
    def raises(event: TransportEvent) -> None:
        raise RuntimeError

    one, two = bench.relay.open_plain(raises), bench.relay.open_plain(bench.owner)
    first, second = one.add_stream(AUDIO), two.add_stream(AUDIO)
    bench.engine.report(MediaReceiving(first.id, True), MediaReceiving(second.id, True))
    assert bench.heard() == [Receiving(second, True, 0.0)]


# --- WebRTC ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("client", [True, False])
async def test_connected_once_for_each_association(bench: Bench, client: bool) -> None:
    transport = bench.relay.open_webrtc(bench.owner)
    transport.start([THEIRS.fingerprint], client=client)
    bench.handshake(transport, client=not client)
    assert bench.heard() == [PathChanged(REMOTE), Connected(Profile.AEAD_AES_256_GCM)]
    ways = [way for _, way, _ in bench.engine.told("set_keys")]
    assert ways == [Way.SEND, Way.RECEIVE]
    transport.start([THEIRS.fingerprint], client=client)
    assert bench.heard() == []
    assert transport.ready


async def test_keys_are_held_back_until_the_description_comes(bench: Bench) -> None:
    transport = bench.relay.open_webrtc(bench.owner)
    bench.handshake(transport)
    assert bench.heard() == [PathChanged(REMOTE)]
    assert bench.engine.told("set_keys") == []
    transport.start([("SHA-256", THEIRS.fingerprint[1].lower())], client=False)
    assert bench.heard() == [Connected(Profile.AEAD_AES_256_GCM)]
    other = bench.relay.open_webrtc(bench.owner)
    bench.handshake(other)
    other.start([("sha-256", "AA")], client=False)
    assert bench.heard() == [PathChanged(REMOTE), Failed("fingerprint")]
    assert len(bench.engine.told("set_keys")) == 2


async def test_endings(bench: Bench) -> None:
    transport = bench.relay.open_webrtc(bench.owner)
    transport.start([THEIRS.fingerprint], client=False)
    peer = bench.handshake(transport)
    bench.heard()
    for action in peer.close(1.0):
        assert isinstance(action, Transmit)
        bench.engine.report(DtlsReceived(transport.id, action.datagram))
    assert bench.heard() == [Closed("dtls-alert")]
    silent = bench.relay.open_webrtc(bench.owner)
    silent.start([THEIRS.fingerprint], client=True)
    bench.loop.advance(31)
    assert bench.heard() == [Failed("ice-failed")]
    mute = bench.relay.open_webrtc(bench.owner)
    mute.start([THEIRS.fingerprint], client=False)
    bench.engine.report(PathSelected(mute.id, REMOTE))
    bench.loop.advance(21)
    assert bench.heard() == [PathChanged(REMOTE), Failed("dtls-timeout")]


async def test_consent(bench: Bench) -> None:
    stream = bench.connected(AUDIO)
    bench.heard()
    bench.engine.report(ConsentLost(stream.transport.id))
    assert bench.heard() == [ConsentLostNews()]
    bench.engine.report(PathSelected(stream.transport.id, REMOTE))
    assert bench.heard() == [PathChanged(REMOTE)]
    bench.engine.report(PathSelected(stream.transport.id, ("192.0.2.10", 1)))
    assert bench.heard() == [PathChanged(("192.0.2.10", 1))]
    bench.engine.report(ConsentLost(stream.transport.id))
    bench.loop.advance(31)
    assert bench.heard() == [ConsentLostNews(), Failed("ice-failed")]


async def test_ice_restart_keeps_the_association(bench: Bench) -> None:
    stream = bench.connected(AUDIO)
    transport = stream.transport
    assert isinstance(transport, WebRtcTransport)
    before = transport.credentials
    after = transport.restart_ice()
    assert after != before
    assert transport.credentials is after
    assert bench.engine.told("restart_ice") == [(transport.id, after)]
    transport.start([THEIRS.fingerprint], client=False)
    assert transport.ready


# --- plain -------------------------------------------------------------------------------------------------------------------------------


async def test_where_plain_peers_are(bench: Bench) -> None:
    pair, single = bench.relay.open_plain(bench.owner), bench.relay.open_plain(bench.owner, rtcp_mux=True)
    assert pair.rtcp_port == pair.addresses[0][1] + 1
    assert single.rtcp_port is None
    pair.set_remote(REMOTE)
    pair.set_remote(REMOTE)
    single.set_remote(REMOTE, latch=Latch.STRICT)
    assert bench.engine.told("set_remote") == [
        (pair.id, REMOTE, ("192.0.2.9", 7001), Latch.ONCE),
        (single.id, REMOTE, REMOTE, Latch.STRICT),
    ]
    pair.use_rtcp_mux()
    pair.use_rtcp_mux()
    pair.set_remote(("192.0.2.9", 8000))
    assert bench.engine.told("set_remote") == [
        (pair.id, REMOTE, REMOTE, Latch.ONCE),
        (pair.id, ("192.0.2.9", 8000), ("192.0.2.9", 8000), Latch.ONCE),
    ]


async def test_sdes_keys_go_to_the_engine_and_nowhere_else(bench: Bench) -> None:
    transport = bench.relay.open_plain(bench.owner, secured=True)
    assert bench.engine.specs[transport.id].secured
    transport.set_keys(KEYS, None)
    transport.set_keys(None, KEYS)
    assert bench.engine.told("set_keys") == [(transport.id, Way.SEND, KEYS), (transport.id, Way.RECEIVE, KEYS)]
    assert "kkkk" not in repr(transport.record())


async def test_a_peer_that_never_sends_rtcp_is_fine(bench: Bench) -> None:
    stream = bench.plain(AUDIO)
    bench.engine.received[stream.id] = ReceiveStatistics(packets=10, ssrc=5, ssrc_packets=10, highest_sequence=9, payload_type=0)
    bench.loop.advance(20)
    assert [type(packet) for packet in bench.rtcp_to(stream.transport)][:2] == [rtcp.ReceiverReport, rtcp.SourceDescription]
    quality = stream.quality()
    assert quality["round_trip_ms"] is None
    assert quality["received"]["mos"] > 4
    assert quality["sent"]["loss"] is None


# --- routes ------------------------------------------------------------------------------------------------------------------------------


async def test_routes(bench: Bench) -> None:
    one, two, three = bench.connected(AUDIO), bench.plain(AUDIO), bench.plain(AUDIO)
    rules = RouteRules(payload_types={0: 8}, telephone_events={101: 8000}, constant_extensions={3: b"0"})
    bench.relay.connect(one, two, rules)
    bench.relay.connect(one, two, rules)
    [(route,)] = bench.engine.told("route")
    assert (route.source, route.target, route.payload_types, route.telephone_events) == (one.id, two.id, {0: 8}, {101})
    bench.relay.connect(three, two, rules)
    bench.relay.disconnect(one, two)
    assert bench.engine.told("unroute") == []
    bench.relay.disconnect(three, two)
    assert bench.engine.told("unroute") == [(three.id, two.id)]
    bench.relay.connect(two, one, rules)
    two.close()
    bench.relay.disconnect(two, one)
    assert bench.engine.told("unroute") == []


async def test_key_frames_are_asked_for_when_a_picture_begins_to_be_seen(bench: Bench) -> None:
    source, target = bench.connected(VIDEO), bench.connected(VIDEO)
    bench.engine.received[source.id] = ReceiveStatistics(ssrc=77, packets=1)
    bench.relay.connect(source, target, RouteRules(payload_types={96: 96}))
    assert rtcp.PictureLoss(sender=source.ssrc, media=77) in bench.rtcp_to(source.transport)
    bench.loop.advance(0.6)
    bench.relay.connect(source, target, RouteRules(payload_types={96: 96}, enabled=False))
    assert bench.engine.told("send_rtcp") == []
    bench.relay.connect(source, target, RouteRules(payload_types={96: 96}))
    assert len(bench.rtcp_to(source.transport)) == 3
    bench.loop.advance(0.6)
    late = bench.relay.open_webrtc(bench.owner)
    seen = late.add_stream(VIDEO)
    bench.relay.connect(source, seen, RouteRules(payload_types={96: 96}))
    assert not any(isinstance(packet, rtcp.PictureLoss) for packet in bench.rtcp_to(source.transport))
    late.start([THEIRS.fingerprint], client=False)
    bench.handshake(late)
    assert rtcp.PictureLoss(sender=source.ssrc, media=77) in bench.rtcp_to(source.transport)


async def test_feedback_goes_to_the_source(bench: Bench) -> None:
    source, target = bench.connected(VIDEO), bench.plain(VIDEO)
    bench.relay.connect(source, target, RouteRules(payload_types={96: 96}))
    bench.engine.received[source.id] = ReceiveStatistics(ssrc=77, packets=1)
    bench.engine.routes_now[target.id] = RouteState(source=source.id, source_ssrc=77, sequence_offset=10, timestamp_offset=0)
    bench.heard()
    pli = rtcp.write_picture_loss(rtcp.PictureLoss(sender=1, media=target.ssrc))
    nack = rtcp.write_nack(rtcp.Nack(sender=1, media=target.ssrc, lost=(5, 12)))
    bench.engine.report(RtcpReceived(target.transport.id, pli + nack, 0.0))
    assert bench.engine.told("resend") == [(target.id, (5, 12))]
    assert (bench.engine.streams[target.id].keep, bench.engine.streams[bench.plain(AUDIO).id].keep) == (128, 0)
    bench.engine.report(NotKept(target.id, (5, 12)))
    packets = bench.rtcp_to(source.transport)
    assert rtcp.PictureLoss(sender=source.ssrc, media=77) in packets
    assert rtcp.Nack(sender=source.ssrc, media=77, lost=(65531, 2)) in packets
    assert bench.heard() == [KeyFrameRequested(target)]


async def test_no_feedback_towards_avp(bench: Bench) -> None:
    source, target = bench.plain(StreamRules(kind="video", formats=VIDEO.formats)), bench.connected(VIDEO)
    bench.engine.received[source.id] = ReceiveStatistics(ssrc=77, packets=1)
    bench.relay.connect(source, target, RouteRules(payload_types={96: 96}))
    source.request_key_frame()
    data = rtcp.write_nack(rtcp.Nack(sender=1, media=target.ssrc, lost=(5,)))
    bench.engine.report(RtcpReceived(target.transport.id, data, 0.0))
    bench.engine.report(NotKept(target.id, (5,)))
    assert bench.rtcp_to(source.transport) == []


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 2), st.binary(max_size=300)), max_size=8))
async def test_whatever_peers_send_nothing_escapes(bench: Bench, datagrams: list[tuple[int, bytes]]) -> None:
    up = bench.relay.stream(StreamId(1)) or bench.connected(VIDEO)
    fresh = bench.relay.open_webrtc(bench.owner)
    fresh.start([THEIRS.fingerprint], client=len(datagrams) % 2 == 0)
    bench.engine.report(PathSelected(fresh.id, REMOTE))
    for kind, data in datagrams:
        match kind:
            case 0:
                bench.relay._receive_event(DtlsReceived(fresh.id, data))
            case 1:
                bench.relay._receive_event(DtlsReceived(up.transport.id, bytes([20 + len(data) % 4]) + data))
            case _:
                bench.relay._receive_event(RtcpReceived(up.transport.id, data, 0.0))
                framed = b"\x81" + bytes([200 + len(data) % 8]) + (len(data) // 4).to_bytes(2, "big") + data
                bench.relay._receive_event(RtcpReceived(up.transport.id, framed[: len(framed) // 4 * 4], 0.0))
    fresh.close()
    assert up.transport.ready


# --- digits ------------------------------------------------------------------------------------------------------------------------------


async def test_a_digit_is_told_and_sent_anew(bench: Bench) -> None:
    source, target = bench.connected(AUDIO), bench.plain(AUDIO)
    bench.relay.connect(source, target, RouteRules(payload_types={0: 0}, telephone_events={101: 8000}))
    bench.heard()
    for n in range(1, 8):
        bench.press(source, 4000, end=n >= 5, duration=min(800, 160 * n))
        bench.loop.advance(0.02)
    bench.loop.advance(0.5)
    assert bench.heard() == [Dtmf(source, "5", 100)]
    sent = bench.engine.told("inject")
    assert all(command[:2] == (target.id, 101) for command in sent)
    assert [command[3] for command in sent] == [True] + [False] * (len(sent) - 1)
    assert [command[2][1] >> 7 for command in sent].count(1) == 3
    assert 800 <= int.from_bytes(sent[-1][2][2:], "big") <= 1120


async def test_on_hold_digits_are_told_but_not_sent(bench: Bench) -> None:
    source, target = bench.connected(AUDIO), bench.plain(AUDIO)
    bench.relay.connect(source, target, RouteRules(payload_types={0: 0}, telephone_events={101: 8000}, enabled=False))
    bench.heard()
    bench.press(source, 4000, end=True, duration=960)
    bench.loop.advance(1.0)
    assert bench.heard() == [Dtmf(source, "5", 120)]
    assert bench.engine.told("inject") == []


async def test_digits_on_command(bench: Bench) -> None:
    target = bench.plain(AUDIO)
    assert target.send_dtmf("1#z", duration_ms=200) == 2
    bench.loop.advance(2.0)
    sent = bench.engine.told("inject")
    assert [command[2][0] for command in sent if command[3]] == [1, 11]
    target.update(StreamRules(kind="audio", formats=PCMU))
    assert target.send_dtmf("1") == 0


async def test_a_digit_ends_when_its_stream_does(bench: Bench) -> None:
    source, target = bench.connected(AUDIO), bench.plain(AUDIO)
    bench.relay.connect(source, target, RouteRules(payload_types={0: 0}, telephone_events={101: 8000}))
    bench.press(source, 4000)
    source.close()
    bench.loop.advance(1.0)
    assert [command[2][1] >> 7 for command in bench.engine.told("inject")] == [0, 0, 0, 0, 1, 1, 1]


# --- news and figures --------------------------------------------------------------------------------------------------------------------


async def test_receiving_names_the_stream(bench: Bench) -> None:
    stream = bench.plain(AUDIO)
    bench.engine.report(MediaReceiving(stream.id, True), MediaReceiving(stream.id, False))
    assert bench.heard() == [Receiving(stream, True, 0.0), Receiving(stream, False, 1.0)]


async def test_media_timeout_but_not_on_hold(bench: Bench) -> None:
    stream, held = bench.plain(AUDIO), bench.plain(StreamRules(kind="audio", formats=PCMU, receive=False))
    bench.loop.advance(61)
    assert bench.heard() == [MediaTimeout(stream, 60.0)]
    assert held.transport.ready


async def test_slow_links_both_ways() -> None:
    bench = await Bench(slow_link_lost=4).start()
    stream = bench.plain(AUDIO)
    bench.engine.report(MediaReceiving(stream.id, True))
    assert bench.heard() == [Receiving(stream, True, 0.0)]
    bench.loop.advance(1.5)
    bench.engine.received[stream.id] = ReceiveStatistics(lost=6, packets=10)
    bench.loop.advance(1.0)
    block = rtcp.ReportBlock(ssrc=stream.ssrc, fraction_lost=20, lost=9, highest_sequence=5, jitter=0, last_report=0, delay=0)
    data = rtcp.write_receiver_report(rtcp.ReceiverReport(ssrc=1, reports=(block,)))
    bench.engine.report(RtcpReceived(stream.transport.id, data, 0.0))
    assert bench.heard() == [SlowLink(stream, False, 6), SlowLink(stream, True, 9)]
    await bench.relay.close()


async def test_figures_and_records_are_plain(bench: Bench) -> None:
    stream = bench.connected(AUDIO)
    bench.relay.connect(stream, stream, RouteRules(payload_types={0: 0}))
    bench.engine.received[stream.id] = ReceiveStatistics(
        ssrc=5, packets=90, bytes=100, lost=10, jitter=80, clock_rate=8000, payload_type=0, level_dbov=-20
    )
    bench.engine.sent[stream.id] = SendStatistics(packets=50, bytes=10, clock_rate=8000)
    bench.engine.routes_now[stream.id] = RouteState(source=stream.id, source_ssrc=5, sequence_offset=0, timestamp_offset=0)
    block = rtcp.ReportBlock(ssrc=stream.ssrc, fraction_lost=0, lost=5, highest_sequence=5, jitter=160, last_report=0, delay=0)
    data = rtcp.write_receiver_report(rtcp.ReceiverReport(ssrc=1, reports=(block,)))
    bench.engine.report(RtcpReceived(stream.transport.id, data, 0.0))
    quality = json.loads(json.dumps(stream.quality()))
    received, sent = quality["received"], quality["sent"]
    assert (received["lost"], received["loss"], received["jitter_ms"], received["codec"]) == (10, 0.1, 10.0, "PCMU")
    assert (sent["lost"], sent["loss"], sent["jitter_ms"], sent["level_dbov"]) == (5, 0.1, 20.0, -20)
    assert 1 < received["mos"] < 3.5
    record = json.loads(json.dumps(stream.transport.record()))
    assert record["kind"] == "webrtc"
    transport = stream.transport
    assert isinstance(transport, WebRtcTransport)
    assert transport.credentials.password not in json.dumps(record)
    totals = json.loads(json.dumps(bench.relay.statistics()))
    assert (totals["transports"], totals["streams"], totals["packets_sent"]) == (1, 1, 3)
    assert totals["handshakes"] == {"completed": 1}
    assert totals["drops"] == {"unknown_source": 5, "replayed": 1}


async def test_the_round_trip_ends_when_the_report_came(bench: Bench) -> None:
    """The engine may tell of it a little later, together with others."""
    stream = bench.plain(AUDIO)
    bench.engine.sent[stream.id] = SendStatistics(packets=5)
    bench.loop.advance(3.0)
    ((_, sent),) = bench.engine.told("send_rtcp")
    report = rtcp.parse_rtcp(sent)[0]
    assert isinstance(report, rtcp.SenderReport)
    since = bench.loop.time() - (report.ntp_time / 2**32 - reports.NTP_EPOCH - bench.relay.epoch)
    block = rtcp.ReportBlock(
        ssrc=stream.ssrc, fraction_lost=0, lost=0, highest_sequence=5, jitter=0, last_report=report.ntp_time >> 16 & 0xFFFFFFFF, delay=0
    )
    data = rtcp.write_receiver_report(rtcp.ReceiverReport(ssrc=1, reports=(block,)))
    bench.loop.advance(0.1)
    for at, trip in ((bench.loop.time() - 0.06, since + 0.04), (0.0, since + 0.1)):
        bench.engine.report(RtcpReceived(stream.transport.id, data, at))
        assert stream.quality()["round_trip_ms"] == pytest.approx(trip * 1000, abs=0.1)
