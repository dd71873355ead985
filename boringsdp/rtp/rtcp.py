"""RTCP packets (RFC 3550 §6, 4585, 5104): a total parser and a writer. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from boringsdp.errors import RtpError

SR, RR, SDES, BYE, APP, RTPFB, PSFB, XR = 200, 201, 202, 203, 204, 205, 206, 207
NACK_FORMAT, PLI_FORMAT, FIR_FORMAT = 1, 1, 4
CNAME = 1
MAX_PACKETS = 64
"""RTCP packets in one datagram that we look at; more is an attack on our time."""
MAX_LOST = 1024
"""Sequence numbers that one Nack may name."""


@dataclass(slots=True, frozen=True, kw_only=True)
class ReportBlock:
    """What a receiver tells about one source (RFC 3550 §6.4.1); `fraction_lost` of 256, `jitter` in RTP ticks, `delay` in 1/65536 s."""

    ssrc: int
    fraction_lost: int
    lost: int
    """Cumulative, signed: duplicates make it negative."""
    highest_sequence: int
    jitter: int
    last_report: int
    delay: int


@dataclass(slots=True, frozen=True, kw_only=True)
class SenderReport:
    """`ntp_time` is the 64-bit NTP timestamp."""

    ssrc: int
    ntp_time: int
    rtp_time: int
    packets: int
    bytes: int
    reports: tuple[ReportBlock, ...] = ()


@dataclass(slots=True, frozen=True, kw_only=True)
class ReceiverReport:
    ssrc: int
    reports: tuple[ReportBlock, ...] = ()


@dataclass(slots=True, frozen=True, kw_only=True)
class SourceDescription:
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
        first, kind, words = struct.unpack_from("!BBH", data, at)
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
    head = struct.pack("!IQIII", report.ssrc, report.ntp_time, report.rtp_time, report.packets & 0xFFFFFFFF, report.bytes & 0xFFFFFFFF)
    return _packet(SR, len(report.reports), head + b"".join(map(_write_block, report.reports)))


def write_receiver_report(report: ReceiverReport) -> bytes:
    return _packet(RR, len(report.reports), struct.pack("!I", report.ssrc) + b"".join(map(_write_block, report.reports)))


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
    return struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body


def _write_block(block: ReportBlock) -> bytes:
    lost = max(-0x800000, min(0x7FFFFF, block.lost)) & 0xFFFFFF
    word = (block.fraction_lost & 0xFF) << 24 | lost
    return struct.pack("!IIIIII", block.ssrc, word, block.highest_sequence & 0xFFFFFFFF, block.jitter, block.last_report, block.delay)


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
    return SenderReport(ssrc=ssrc, ntp_time=ntp_time, rtp_time=rtp_time, packets=packets, bytes=octets, reports=reports)


def _parse_blocks(count: int, data: bytes) -> tuple[ReportBlock, ...]:
    blocks = []
    for index in range(count):
        ssrc, word, highest, jitter, last_report, delay = _unpack("!IIIIII", data, 24 * index)
        lost = word & 0xFFFFFF
        blocks.append(
            ReportBlock(
                ssrc=ssrc,
                fraction_lost=word >> 24,
                lost=lost - 0x1000000 if lost & 0x800000 else lost,
                highest_sequence=highest,
                jitter=jitter,
                last_report=last_report,
                delay=delay,
            )
        )
    return tuple(blocks)


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
