"""
RTP packets (RFC 3550 §5.1) and their header extensions (RFC 8285).

     0                   1                   2                   3
    |V=2|P|X|  CC   |M|     PT      |       sequence number         |
    |                           timestamp                           |
    |           synchronisation source (SSRC) identifier            |
    |            contributing sources (CSRC), CC times              |
    |   extension profile           |  length in words              |  when X
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from boringsdp.errors import RtpError

HEADER = struct.Struct("!BBHII")
ONE_BYTE = 0xBEDE
TWO_BYTE = 0x1000
MAX_EXTENSIONS = 32


@dataclass(slots=True, frozen=True, kw_only=True)
class RtpPacket:
    """One packet, taken apart. `payload` is without padding; `padding` is how many octets there were. `extensions` by id."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes = b""
    marker: bool = False
    csrcs: tuple[int, ...] = ()
    extensions: Mapping[int, bytes] = field(default_factory=dict)
    padding: int = 0


def is_rtcp(data: bytes) -> bool:
    """Whether a packet whose first byte is 128..191 is RTCP (RFC 5761 §4)."""
    return 192 <= data[1] <= 223


def measure(data: bytes) -> tuple[int, int]:
    """
    Return where the payload begins and ends in an unencrypted packet of at least 12 bytes.

    Raises RtpError when the CSRC list, extension or padding runs over the end.
    """
    first, end = data[0], len(data)
    begin = 12 + 4 * (first & 0x0F)
    if first & 0x10:
        if begin + 4 > end:
            raise RtpError("short extension")
        begin += 4 + 4 * (data[begin + 2] << 8 | data[begin + 3])
    if first & 0x20:
        if begin >= end or not 0 < data[-1] <= end - begin:
            raise RtpError("bad padding")
        end -= data[-1]
    if begin > end:
        raise RtpError("short packet")
    return begin, end


def parse_packet(data: bytes) -> RtpPacket:
    """Read one RTP packet. Raises RtpError when it is none; odd elements inside the extension are skipped, not refused."""
    if len(data) < 12 or data[0] >> 6 != 2:
        raise RtpError("not RTP")
    first, second, sequence, timestamp, ssrc = HEADER.unpack_from(data)
    begin, end = measure(data)
    count = first & 0x0F
    return RtpPacket(
        payload_type=second & 0x7F, marker=second > 0x7F, sequence=sequence, timestamp=timestamp, ssrc=ssrc,
        csrcs=struct.unpack_from(f"!{count}I", data, 12), extensions=parse_extensions(data),
        payload=data[begin:end], padding=len(data) - end,
    )  # fmt: skip


def write_packet(packet: RtpPacket) -> bytes:
    """Return the wire form; padding is written when the packet names some."""
    block = write_extensions(packet.extensions.items())
    first = 0x80 | len(packet.csrcs) | (0x10 if block else 0) | (0x20 if packet.padding else 0)
    head = HEADER.pack(
        first, packet.payload_type | (0x80 if packet.marker else 0), packet.sequence & 0xFFFF, packet.timestamp & 0xFFFFFFFF, packet.ssrc
    )
    padding = bytes(packet.padding - 1) + bytes((packet.padding,)) if packet.padding else b""
    return head + struct.pack(f"!{len(packet.csrcs)}I", *packet.csrcs) + block + packet.payload + padding


def parse_extensions(data: bytes) -> dict[int, bytes]:
    """
    The header extension elements of an RTP packet of at least 12 bytes, by id (RFC 8285 §4.2, §4.3).

    Never raises: an unknown profile yields nothing, and reading stops at the first element that does not fit.
    """
    if not data[0] & 0x10:
        return {}
    at = 12 + 4 * (data[0] & 0x0F)
    if at + 4 > len(data):
        return {}
    profile = data[at] << 8 | data[at + 1]
    end = at + 4 + 4 * (data[at + 2] << 8 | data[at + 3])
    at += 4
    if end > len(data):
        return {}
    if profile == ONE_BYTE:
        return _one_byte(data, at, end)
    if profile & 0xFFF0 == TWO_BYTE:
        return _two_byte(data, at, end)
    return {}


def _one_byte(data: bytes, at: int, end: int) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while at < end:
        byte = data[at]
        if byte == 0:
            at += 1
            continue
        stop = at + 2 + (byte & 0x0F)
        if byte >> 4 == 15 or stop > end or len(found) == MAX_EXTENSIONS:
            break
        found.setdefault(byte >> 4, data[at + 1 : stop])
        at = stop
    return found


def _two_byte(data: bytes, at: int, end: int) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while at < end:
        if data[at] == 0:
            at += 1
            continue
        stop = at + 2 + (data[at + 1] if at + 1 < end else 0)
        if at + 2 > end or stop > end or len(found) == MAX_EXTENSIONS:
            break
        found.setdefault(data[at], data[at + 2 : stop])
        at = stop
    return found


def write_extensions(elements: Iterable[tuple[int, bytes]]) -> bytes:
    """
    Return the whole extension block, with its profile and length, or b"" for no elements.

    The one-byte form is used when every id is 1..14 and every value 1..16 bytes long, otherwise the two-byte form.
    """
    items = list(elements)
    if not items:
        return b""
    if all(0 < number < 15 and 0 < len(value) < 17 for number, value in items):
        profile = b"\xbe\xde"
        body = b"".join(bytes((number << 4 | len(value) - 1,)) + value for number, value in items)
    else:
        profile = b"\x10\x00"
        body = b"".join(bytes((number & 0xFF, len(value[:255]))) + value[:255] for number, value in items)
    body += bytes(-len(body) & 3)
    return profile + (len(body) >> 2).to_bytes(2, "big") + body
