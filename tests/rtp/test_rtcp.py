"""rtp/rtcp.py: what is written is read back, aiortc agrees, and no bytes do harm."""

from __future__ import annotations

import contextlib
import struct

import pytest
from aiortc import rtp as theirs
from hypothesis import example, given
from hypothesis import strategies as st

from boringsdp.errors import RtpError
from boringsdp.rtp.rtcp import (
    MAX_PACKETS,
    FullIntra,
    Goodbye,
    Nack,
    Other,
    PictureLoss,
    ReceiverReport,
    ReportBlock,
    SenderReport,
    SourceDescription,
    parse_rtcp,
    write_full_intra,
    write_goodbye,
    write_nack,
    write_picture_loss,
    write_receiver_report,
    write_sender_report,
    write_source_description,
)

BLOCK = ReportBlock(ssrc=7, fraction_lost=64, lost=-3, highest_sequence=0x1FFFF, jitter=80, last_report=0xABCD1234, delay=65536)
REPORT = SenderReport(ssrc=5, ntp_time=0x0102030405060708, rtp_time=99, packets=10, bytes=1600, reports=(BLOCK, BLOCK))


def test_a_compound_packet_is_read_back() -> None:
    data = write_sender_report(REPORT) + write_source_description([5, 6], "abcdef") + write_goodbye([5, 6])
    names = SourceDescription(names=((5, "abcdef"), (6, "abcdef")))
    assert parse_rtcp(data) == [REPORT, names, Goodbye(ssrcs=(5, 6))]


def test_feedback_is_read_back() -> None:
    report = ReceiverReport(ssrc=1, reports=(BLOCK,))
    pli, fir = PictureLoss(sender=1, media=2), FullIntra(sender=1, requests=((2, 255), (3, 0)))
    nack = Nack(sender=1, media=2, lost=(65530, 65535, 0, 3, 40))
    data = write_receiver_report(report) + write_picture_loss(pli) + write_full_intra(fir) + write_nack(nack)
    assert parse_rtcp(data) == [report, pli, fir, nack]


@given(st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=50, unique=True))
def test_nacks_of_any_numbers(lost: list[int]) -> None:
    [packet] = parse_rtcp(write_nack(Nack(sender=1, media=2, lost=tuple(lost))))
    assert isinstance(packet, Nack)
    assert set(packet.lost) == set(lost)


@given(st.text(max_size=60))
def test_any_name_fits(name: str) -> None:
    data = write_source_description([5, 6], name)
    assert len(data) % 4 == 0
    assert parse_rtcp(data) == [SourceDescription(names=((5, name), (6, name)))]


def test_another_implementation_reads_ours() -> None:
    data = write_sender_report(REPORT) + write_source_description([5], "abcdef") + write_nack(Nack(sender=1, media=2, lost=(5, 7)))
    report, names, nack = theirs.RtcpPacket.parse(data + write_goodbye([5]))[:3]
    assert isinstance(report, theirs.RtcpSrPacket)
    assert report.sender_info.ntp_timestamp == REPORT.ntp_time
    assert [block.packets_lost for block in report.reports] == [-3, -3]
    assert isinstance(names, theirs.RtcpSdesPacket)
    assert (names.chunks[0].ssrc, names.chunks[0].items) == (5, [(1, b"abcdef")])
    assert isinstance(nack, theirs.RtcpRtpfbPacket)
    assert nack.lost == [5, 7]


def test_we_read_another_implementations() -> None:
    info = theirs.RtcpReceiverInfo(
        ssrc=7, fraction_lost=64, packets_lost=-3, highest_sequence=0x1FFFF, jitter=80, lsr=0xABCD1234, dlsr=65536
    )
    data = bytes(theirs.RtcpRrPacket(ssrc=1, reports=[info])) + bytes(theirs.RtcpPsfbPacket(fmt=1, ssrc=1, media_ssrc=2))
    assert parse_rtcp(data) == [ReceiverReport(ssrc=1, reports=(BLOCK,)), PictureLoss(sender=1, media=2)]


def test_unknown_kinds_are_skipped() -> None:
    app = struct.pack("!BBHI4s", 0x83, 204, 2, 9, b"PoC1")
    xr = struct.pack("!BBHII", 0x80, 207, 2, 9, 0x04000000)
    remb = struct.pack("!BBHII4sI", 0x8F, 206, 4, 9, 0, b"REMB", 0x01000000)
    assert [packet.packet_type for packet in parse_rtcp(app + xr + remb) if isinstance(packet, Other)] == [204, 207, 206]


def test_padding_and_reasons() -> None:
    bye = struct.pack("!BBHIB3s", 0x81, 203, 2, 5, 3, b"bye")
    padded = struct.pack("!BBHII", 0xA0, 201, 2, 5, 4)
    assert parse_rtcp(bye + padded) == [Goodbye(ssrcs=(5,), reason="bye"), ReceiverReport(ssrc=5)]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80",
        b"\x80\xc9\0\0",  # no SSRC
        b"\x80\xc9\0\2\0\0\0\1",  # longer than the datagram
        b"\x81\xc9\0\1\0\0\0\1",  # a block is promised
        b"\x40\xc9\0\1\0\0\0\1",  # version 1
        b"\x80\x60\0\1\0\0\0\1",  # RTP
        b"\xa0\xc9\0\1\0\0\0\x09",  # padding
        b"\x81\xca\0\2\0\0\0\1\1\xffab",  # SDES item is cut off
        b"\x80\xcd\0\1\0\0\0\1",  # feedback without media SSRC
    ],
)
def test_what_is_no_rtcp(data: bytes) -> None:
    with pytest.raises(RtpError):
        parse_rtcp(data)


def test_a_datagram_of_tiny_packets_is_bounded() -> None:
    assert len(parse_rtcp(b"\x80\xcb\0\0" * 10_000)) == MAX_PACKETS


@given(st.binary(max_size=200))
@example(b"\xbf\xca\0\0")
def test_any_bytes(data: bytes) -> None:
    with contextlib.suppress(RtpError):
        assert parse_rtcp(data)


@given(st.integers(0, 31), st.booleans(), st.integers(192, 223), st.binary(max_size=120))
def test_any_body(count: int, padding: bool, kind: int, body: bytes) -> None:
    body = body[: len(body) // 4 * 4]
    with contextlib.suppress(RtpError):
        assert parse_rtcp(struct.pack("!BBH", 0x80 | padding << 5 | count, kind, len(body) // 4) + body)
