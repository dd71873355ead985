"""
RTCP packets (RFC 3550 §6, 4585, 5104): a total parser and a writer. Pure.

What every peer sends every few seconds is tuples: a thousand calls make and read some hundreds of them a second.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from boringsdp.errors import RtpError

SR, RR, SDES, BYE, APP, RTPFB, PSFB, XR = 200, 201, 202, 203, 204, 205, 206, 207
NACK_FORMAT, PLI_FORMAT, FIR_FORMAT = 1, 1, 4
CNAME = 1
MAX_PACKETS = 64
"""RTCP packets in one datagram that we look at; more is an attack on our time."""
_HEADER = struct.Struct("!BBH")
_SENDER_REPORT = struct.Struct("!BBHIQIII")
_RECEIVER_REPORT = struct.Struct("!BBHI")
_BLOCK = struct.Struct("!IIIIII")
_unpack_header, _unpack_block = _HEADER.unpack_from, _BLOCK.unpack_from
MAX_LOST = 1024
"""Sequence numbers that one Nack may name."""


class ReportBlock(NamedTuple):
    """What a receiver tells about one source (RFC 3550 §6.4.1); `fraction_lost` of 256, `jitter` in RTP ticks, `delay` in 1/65536 s."""

    ssrc: int
    fraction_lost: int
    lost: int
    """Cumulative, signed: duplicates make it negative."""
    highest_sequence: int
    jitter: int
    last_report: int
    delay: int


class SenderReport(NamedTuple):
    """`ntp_time` is the 64-bit NTP timestamp."""

    ssrc: int
    ntp_time: int
    rtp_time: int
    packets: int
    bytes: int
    reports: tuple[ReportBlock, ...] = ()


class ReceiverReport(NamedTuple):
    ssrc: int
    reports: tuple[ReportBlock, ...] = ()


class SourceDescription(NamedTuple):
    """`names` maps SSRC to CNAME; other items are not kept."""

    names: tuple[tuple[int, str], ...]


@dataclass(slots=True, frozen=True, kw_only=True)
class Goodbye:
    ssrcs: tuple[int, ...]
    reason: str = ""


@dataclass(slots=True, frozen=True, kw_only=True)
class PictureLoss:
    """PLI (RFC 4585 §6.3.1)."""

    sender: int
    media: int


@dataclass(slots=True, frozen=True, kw_only=True)
class FullIntra:
    """FIR (RFC 5104 §4.3.1): (media SSRC, sequence number) for each source that shall send a key frame."""

    sender: int
    requests: tuple[tuple[int, int], ...]


@dataclass(slots=True, frozen=True, kw_only=True)
class Nack:
    """Generic NACK (RFC 4585 §6.2.1): `lost` are sequence numbers, ascending from the first of each group."""

    sender: int
    media: int
    lost: tuple[int, ...]


@dataclass(slots=True, frozen=True, kw_only=True)
class Other:
    """A packet that we do not read: APP, XR, REMB, transport-wide feedback, and kinds yet to be invented."""

    packet_type: int
    format: int
    sender: int


Packet = SenderReport | ReceiverReport | SourceDescription | Goodbye | PictureLoss | FullIntra | Nack | Other


def parse_rtcp(data: bytes) -> list[Packet]:
    """
    Return the packets of one datagram, compound or reduced-size (RFC 5506), at most `MAX_PACKETS`.

    Raises `RtpError` when it is not RTCP at all: version, lengths or padding do not hold (RFC 3550 §A.2).
    """
    packets: list[Packet] = []
    at, end = 0, len(data)
    while at < end and len(packets) < MAX_PACKETS:
        if end - at < 4:
            raise RtpError("RTCP header is cut off")
        first, kind, words = _unpack_header(data, at)
        stop = at + 4 + 4 * words
        if first >> 6 != 2 or not 192 <= kind <= 223:
            raise RtpError("not an RTCP packet")
        if stop > end:
            raise RtpError("RTCP packet is longer than its datagram")
        body = data[at + 4 : stop]
        if first & 0x20:
            body = _without_padding(body)
        packets.append(_parse_one(kind, first & 0x1F, body))
        at = stop
    if not packets:
        raise RtpError("empty RTCP datagram")
    return packets


def write_sender_report(report: SenderReport) -> bytes:
    ssrc, ntp_time, rtp_time, packets, octets, blocks = report
    count = len(blocks)
    assert count < 32
    head = _SENDER_REPORT.pack(
        0x80 | count, SR, 6 + 6 * count, ssrc, ntp_time, rtp_time, packets & 0xFFFFFFFF, octets & 0xFFFFFFFF
    )  # fmt: skip
    return head + b"".join(map(_write_block, blocks))


def write_receiver_report(report: ReceiverReport) -> bytes:
    ssrc, blocks = report
    count = len(blocks)
    assert count < 32
    return _RECEIVER_REPORT.pack(0x80 | count, RR, 1 + 6 * count, ssrc) + b"".join(map(_write_block, blocks))


def write_source_description(ssrcs: Iterable[int], cname: str) -> bytes:
    """Return an SDES packet that gives all `ssrcs` (at most 31) the same CNAME (RFC 3550 §6.5.1)."""
    name = cname.encode()[:255]
    item = bytes((CNAME, len(name))) + name
    chunks = [struct.pack("!I", ssrc) + item + bytes(4 - (len(item) + 4) % 4) for ssrc in ssrcs]
    return _packet(SDES, len(chunks), b"".join(chunks))


def write_goodbye(ssrcs: Sequence[int]) -> bytes:
    return _packet(BYE, len(ssrcs), struct.pack(f"!{len(ssrcs)}I", *ssrcs))


def write_picture_loss(packet: PictureLoss) -> bytes:
    return _packet(PSFB, PLI_FORMAT, struct.pack("!II", packet.sender, packet.media))


def write_full_intra(packet: FullIntra) -> bytes:
    """The media SSRC of the header is unused and 0; each request stands in the FCI (RFC 5104 §4.3.1.2)."""
    entries = [struct.pack("!IBxxx", media, sequence & 0xFF) for media, sequence in packet.requests]
    return _packet(PSFB, FIR_FORMAT, struct.pack("!II", packet.sender, 0) + b"".join(entries))


def write_nack(packet: Nack) -> bytes:
    pairs: list[tuple[int, int]] = []
    for sequence in packet.lost:
        behind = (sequence - pairs[-1][0]) & 0xFFFF if pairs else 0
        if pairs and 1 <= behind <= 16:
            pairs[-1] = (pairs[-1][0], pairs[-1][1] | 1 << behind - 1)
        elif not pairs or behind:
            pairs.append((sequence & 0xFFFF, 0))
    body = struct.pack("!II", packet.sender, packet.media) + b"".join(struct.pack("!HH", *pair) for pair in pairs)
    return _packet(RTPFB, NACK_FORMAT, body)


def _packet(kind: int, count: int, body: bytes) -> bytes:
    """
    Return one RTCP packet; `body` is whole 32-bit words.

         0 1 2     3       8              16                            31
        +---------+-------+--------------+-----------------------------+
        | V=2 | P | count | packet type  | length in words without this |
        +---------+-------+--------------+-----------------------------+
    """
    assert len(body) % 4 == 0
    assert count < 32
    return _HEADER.pack(0x80 | count, kind, len(body) // 4) + body


def _write_block(block: ReportBlock) -> bytes:
    ssrc, fraction_lost, lost, highest, jitter, last_report, delay = block
    word = (fraction_lost & 0xFF) << 24 | max(-0x800000, min(0x7FFFFF, lost)) & 0xFFFFFF
    return _BLOCK.pack(ssrc, word, highest & 0xFFFFFFFF, jitter, last_report, delay)


def _without_padding(body: bytes) -> bytes:
    if not body or not 1 <= body[-1] <= len(body):
        raise RtpError("RTCP padding is longer than its packet")
    return body[: -body[-1]]


def _parse_one(kind: int, count: int, body: bytes) -> Packet:
    match kind:
        case 200:
            return _parse_sender_report(count, body)
        case 201:
            (ssrc,) = _unpack("!I", body)
            return ReceiverReport(ssrc=ssrc, reports=_parse_blocks(count, body[4:]))
        case 202:
            return SourceDescription(names=tuple(_parse_names(count, body)))
        case 203:
            ssrcs = _unpack(f"!{count}I", body)
            rest = body[4 * count :]
            return Goodbye(ssrcs=ssrcs, reason=rest[1 : 1 + rest[0]].decode("utf-8", "replace") if rest else "")
        case 205 | 206:
            return _parse_feedback(kind, count, body)
        case _:
            return Other(packet_type=kind, format=count, sender=_unpack("!I", body)[0] if len(body) >= 4 else 0)


def _unpack(layout: str, data: bytes, at: int = 0) -> tuple[int, ...]:
    try:
        return struct.unpack_from(layout, data, at)
    except struct.error:
        raise RtpError("RTCP packet is too short for its kind") from None


def _parse_sender_report(count: int, body: bytes) -> SenderReport:
    ssrc, ntp_time, rtp_time, packets, octets = _unpack("!IQIII", body)
    reports = _parse_blocks(count, body[24:])
    return SenderReport(ssrc, ntp_time, rtp_time, packets, octets, reports)


def _parse_blocks(count: int, data: bytes) -> tuple[ReportBlock, ...]:
    if len(data) < 24 * count:
        raise RtpError("RTCP packet is too short for its kind")
    return tuple(_parse_block(data, 24 * index) for index in range(count))


def _parse_block(data: bytes, at: int) -> ReportBlock:
    ssrc, word, highest, jitter, last_report, delay = _unpack_block(data, at)
    lost = word & 0xFFFFFF
    return ReportBlock(ssrc, word >> 24, lost - 0x1000000 if lost & 0x800000 else lost, highest, jitter, last_report, delay)


def _parse_names(count: int, body: bytes) -> Iterable[tuple[int, str]]:
    at = 0
    for _ in range(count):
        (ssrc,) = _unpack("!I", body, at)
        at += 4
        while at < len(body) and body[at]:
            if at + 2 > len(body) or at + 2 + body[at + 1] > len(body):
                raise RtpError("SDES item is cut off")
            if body[at] == CNAME:
                yield ssrc, body[at + 2 : at + 2 + body[at + 1]].decode("utf-8", "replace")
            at += 2 + body[at + 1]
        at += 4 - at % 4


def _parse_feedback(kind: int, fmt: int, body: bytes) -> Packet:
    sender, media = _unpack("!II", body)
    if (kind, fmt) == (PSFB, PLI_FORMAT):
        return PictureLoss(sender=sender, media=media)
    if (kind, fmt) == (PSFB, FIR_FORMAT):
        requests = tuple(struct.unpack_from("!IB", body, at) for at in range(8, len(body) - 7, 8))
        return FullIntra(sender=sender, requests=requests)
    if (kind, fmt) == (RTPFB, NACK_FORMAT):
        lost: list[int] = []
        for at in range(8, len(body) - 3, 4):
            first, mask = struct.unpack_from("!HH", body, at)
            lost.append(first)
            lost += [(first + 1 + bit) & 0xFFFF for bit in range(16) if mask >> bit & 1]
        return Nack(sender=sender, media=media, lost=tuple(lost[:MAX_LOST]))
    return Other(packet_type=kind, format=fmt, sender=sender)
