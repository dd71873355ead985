"""relay/reports.py: intervals, report blocks, round trips, feedback in the form that was agreed."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boringsdp.relay.engine import ReceiveStatistics, SendStatistics, StreamId, StreamStatistics
from boringsdp.relay.reports import NTP_EPOCH, KeyFrameWanted, LossReported, Missing, Reporter, SendRtcp
from boringsdp.relay.rules import StreamFormat, StreamRules
from boringsdp.rtp import rtcp

AUDIO, VIDEO = StreamId(1), StreamId(2)
FORMATS = {0: StreamFormat(name="PCMU", clock_rate=8000)}
ACTIVE = StreamStatistics(
    received=ReceiveStatistics(
        ssrc=77, packets=90, highest_sequence=1099, base_sequence=1000, ssrc_packets=90, jitter=40, lost=10, last_arrival=10.0
    ),
    sent=SendStatistics(ssrc=1, packets=50, bytes=8000, last_timestamp=4000, last_sent=10.0),
    route=None,
)
SILENT = StreamStatistics(received=ReceiveStatistics(), sent=SendStatistics(), route=None)


class Bench:
    def __init__(self, *, video: bool = False, feedback: str = "", reduced_size: bool = False) -> None:
        self.figures: dict[StreamId, StreamStatistics] = {AUDIO: ACTIVE}
        self.core = Reporter("name", random.Random(1), lambda stream: self.figures.get(stream, SILENT))
        self.core.set_stream(AUDIO, 1, StreamRules(kind="audio", formats=FORMATS))
        if video:
            self.figures[VIDEO] = ACTIVE
            rules = StreamRules(kind="video", formats=FORMATS, feedback=frozenset(feedback.split()), reduced_size=reduced_size)
            self.core.set_stream(VIDEO, 2, rules)

    def sent(self, actions: list[object]) -> list[rtcp.Packet]:
        return [packet for action in actions if isinstance(action, SendRtcp) for packet in rtcp.parse_rtcp(action.data)]

    def run(self, since: float, until: float) -> list[tuple[float, list[rtcp.Packet]]]:
        out = []
        while (due := self.core.deadline()) is not None and due <= until:
            out.append((due, self.sent(list(self.core.tick(due)))))
        return out


def test_intervals_are_random_and_bounded() -> None:
    for video, mean in ((False, 5.0), (True, 1.0)):
        bench = Bench(video=video)
        bench.core.start(0.0)
        times = [at for at, packets in bench.run(0.0, 300.0) if packets]
        assert 1.0 <= times[0] <= 2.5
        gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
        assert all(0.4 * mean <= gap <= 1.25 * mean for gap in gaps)
        assert len({round(gap, 3) for gap in gaps}) > len(gaps) / 2


def test_a_report_tells_what_was_sent_and_received() -> None:
    bench = Bench()
    bench.core.start(10.0)
    at, packets = bench.run(10.0, 13.0)[0]
    report, names = packets
    assert isinstance(report, rtcp.SenderReport)
    assert (report.ssrc, report.packets, report.bytes) == (1, 50, 8000)
    assert report.rtp_time == pytest.approx(4000 + (at - 10) * 8000, abs=1)
    assert report.ntp_time / 2**32 == pytest.approx(at + NTP_EPOCH, abs=0.001)
    [block] = report.reports
    assert (block.ssrc, block.lost, block.highest_sequence, block.jitter, block.fraction_lost) == (77, 10, 1099, 40, 25)
    assert (block.last_report, block.delay) == (0, 0)
    assert names == rtcp.SourceDescription(names=((1, "name"),))


def test_the_fraction_is_of_the_time_since_the_last_report() -> None:
    bench = Bench()
    bench.core.start(0.0)
    bench.run(0.0, 2.5)
    bench.figures[AUDIO] = ACTIVE._replace(received=ACTIVE.received._replace(highest_sequence=1199, ssrc_packets=140))
    [(_, [report, _])] = bench.run(2.5, 9.0)[:1]
    assert isinstance(report, rtcp.SenderReport)
    assert (report.reports[0].fraction_lost, report.reports[0].lost) == (128, 60)
    [(_, [report, _])] = bench.run(9.0, 16.0)[:1]
    assert isinstance(report, rtcp.SenderReport)
    assert (report.reports[0].fraction_lost, report.reports[0].lost) == (0, 60)


def test_one_that_only_listens_sends_receiver_reports() -> None:
    bench = Bench()
    bench.figures[AUDIO] = ACTIVE._replace(sent=SendStatistics())
    bench.core.start(0.0)
    [(_, packets)] = bench.run(0.0, 2.5)
    assert isinstance(packets[0], rtcp.ReceiverReport)


def test_nothing_is_said_about_streams_that_do_not_live_or_do_without() -> None:
    bench = Bench()
    bench.figures[AUDIO] = SILENT
    bench.core.start(0.0)
    assert all(not packets for _, packets in bench.run(0.0, 20.0))
    bench = Bench()
    bench.core.set_stream(AUDIO, 1, StreamRules(kind="audio", formats=FORMATS, rtcp=False))
    bench.core.start(0.0)
    assert all(not packets for _, packets in bench.run(0.0, 20.0))
    assert bench.core.close(21.0) == []


def test_many_streams_fit_their_datagrams() -> None:
    bench = Bench()
    for number in range(3, 40):
        bench.figures[StreamId(number)] = ACTIVE
        bench.core.set_stream(StreamId(number), number, StreamRules(kind="audio", formats=FORMATS))
    bench.core.start(0.0)
    actions = bench.core.tick(3.0)
    assert len(actions) == 5
    assert all(len(action.data) <= 1200 for action in actions if isinstance(action, SendRtcp))


def test_round_trip_through_both_ends() -> None:
    """What we say about the peer's report gives the peer its round trip, and the other way round."""
    bench = Bench()
    theirs = rtcp.SenderReport(ssrc=77, ntp_time=0x1111_2222_8000_0000, rtp_time=1, packets=1, bytes=1)
    bench.core.receive(rtcp.write_sender_report(theirs), 10.0)
    bench.core.start(10.0)
    at, (report, _) = bench.run(10.0, 13.0)[0]
    assert isinstance(report, rtcp.SenderReport)
    assert report.reports[0].last_report == 0x2222_8000
    assert report.reports[0].delay == pytest.approx((at - 10) * 65536, abs=1)
    answer = rtcp.ReportBlock(
        ssrc=1,
        fraction_lost=64,
        lost=7,
        highest_sequence=5,
        jitter=16,
        last_report=report.ntp_time >> 16 & 0xFFFFFFFF,
        delay=round(0.5 * 65536),
    )
    data = rtcp.write_receiver_report(rtcp.ReceiverReport(ssrc=77, reports=(answer,)))
    assert bench.core.receive(data, at + 0.54) == [LossReported(AUDIO, 7)]
    heard = bench.core.peer_report(AUDIO)
    assert heard is not None
    assert heard.round_trip_ms == pytest.approx(40, abs=0.1)
    assert (heard.fraction_lost, heard.lost, heard.jitter) == (0.25, 7, 16)
    assert bench.core.receive(data, at + 0.6) == []


@pytest.mark.parametrize(
    ("feedback", "reduced", "kinds"),
    [
        ("pli fir nack", True, [rtcp.PictureLoss]),
        ("pli", False, [rtcp.ReceiverReport, rtcp.SourceDescription, rtcp.PictureLoss]),
        ("fir", False, [rtcp.ReceiverReport, rtcp.SourceDescription, rtcp.FullIntra]),
        ("nack", False, []),
        ("", False, []),
    ],
)
def test_key_frames_are_asked_for_in_the_agreed_form(feedback: str, reduced: bool, kinds: list[type]) -> None:
    bench = Bench(video=True, feedback=feedback, reduced_size=reduced)
    packets = bench.sent(list(bench.core.request_key_frame(VIDEO, 0.0)))
    assert [type(packet) for packet in packets] == kinds
    assert bench.core.request_key_frame(AUDIO, 0.0) == []


def test_key_frame_requests_are_throttled_but_not_lost() -> None:
    bench = Bench(video=True, feedback="fir")
    sequences = []
    for n in range(20):
        packets = bench.sent(list(bench.core.request_key_frame(VIDEO, n * 0.1)))
        due = bench.core.deadline()
        while due is not None and due < (n + 1) * 0.1:
            packets += bench.sent(list(bench.core.tick(due)))
            due = bench.core.deadline()
        sequences += [request[1] for packet in packets if isinstance(packet, rtcp.FullIntra) for request in packet.requests]
    assert sequences == [0, 1, 2, 3]
    due = bench.core.deadline()
    assert due is not None
    assert due == pytest.approx(2.0)
    assert len(bench.core.tick(due)) == 1
    assert bench.core.deadline() is None


def test_no_key_frame_is_asked_of_a_source_that_has_not_begun() -> None:
    bench = Bench(video=True, feedback="pli")
    bench.figures[VIDEO] = SILENT
    assert bench.core.request_key_frame(VIDEO, 0.0) == []


def test_what_the_peer_asks_for() -> None:
    bench = Bench(video=True, feedback="pli")
    pli = rtcp.write_picture_loss(rtcp.PictureLoss(sender=77, media=2))
    fir = rtcp.write_full_intra(rtcp.FullIntra(sender=77, requests=((2, 1),)))
    nack = rtcp.write_nack(rtcp.Nack(sender=77, media=2, lost=(5, 6)))
    assert bench.core.receive(pli + fir + nack, 0.0) == [KeyFrameWanted(VIDEO), KeyFrameWanted(VIDEO), Missing(VIDEO, (5, 6))]
    stray = rtcp.write_picture_loss(rtcp.PictureLoss(sender=77, media=0))
    assert bench.core.receive(stray, 0.0) == [KeyFrameWanted(VIDEO)]
    assert bench.core.receive(rtcp.write_nack(rtcp.Nack(sender=77, media=9, lost=(5,))), 0.0) == []


def test_retransmission_is_asked_for_only_where_agreed() -> None:
    bench = Bench(video=True, feedback="nack", reduced_size=True)
    [nack] = bench.sent(list(bench.core.request_again(VIDEO, (65535, 0), 0.0)))
    assert nack == rtcp.Nack(sender=2, media=77, lost=(65535, 0))
    assert bench.core.request_again(AUDIO, (1,), 0.0) == []


def test_goodbye() -> None:
    bench = Bench()
    packets = bench.sent(list(bench.core.close(1.0)))
    assert packets[-1] == rtcp.Goodbye(ssrcs=(1,))
    assert bench.core.close(1.0) == []


@settings(max_examples=300)
@given(st.lists(st.binary(max_size=120), max_size=5))
def test_any_bytes_do_no_harm(datagrams: list[bytes]) -> None:
    bench = Bench(video=True, feedback="pli nack")
    for data in datagrams:
        bench.core.receive(data, 0.0)
        bench.core.receive(b"\x81\xc9\0\7" + data.ljust(28, b"\0")[:28], 0.0)
    bench.core.start(0.0)
    bench.run(0.0, 5.0)


def test_strangers_reports_are_bounded() -> None:
    bench = Bench()
    for ssrc in range(1000):
        bench.core.receive(rtcp.write_sender_report(rtcp.SenderReport(ssrc=ssrc, ntp_time=1, rtp_time=1, packets=1, bytes=1)), 0.0)
    assert len(bench.core._sender_reports) == 64
