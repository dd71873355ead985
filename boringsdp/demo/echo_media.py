"""The echo peer's media: RTP in, RTP out, with figures of what arrived. A core: bytes and the time in, bytes and figures out."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field

EVENTS = "0123456789*#ABCD"
_RTP = struct.Struct("!BBHII")
_NTP_EPOCH = 2_208_988_800


def _mu_law(code: int) -> int:
    code = ~code & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)
    return 0x84 - magnitude if code & 0x80 else magnitude - 0x84


def _a_law(code: int) -> int:
    code ^= 0x55
    segment, magnitude = (code & 0x70) >> 4, (code & 0x0F) << 4
    magnitude = magnitude + 8 if segment == 0 else (magnitude + 0x108) << (segment - 1)
    return magnitude if code & 0x80 else -magnitude


_SQUARES = {"pcmu": [_mu_law(code) ** 2 for code in range(256)], "pcma": [_a_law(code) ** 2 for code in range(256)]}


@dataclass(slots=True)
class _Source:
    """Reception of one SSRC (RFC 3550 §A.1, §A.3, §A.8)."""

    ssrc: int
    base: int
    highest: int
    packets: int = 0
    jitter: float = 0.0
    transit: float | None = None
    reported_expected: int = 0
    reported_packets: int = 0

    @property
    def expected(self) -> int:
        return self.highest - self.base + 1


@dataclass(slots=True)
class Echo:
    """
    One echoed stream.

    `receive` takes a datagram and returns the packet to send back, or None; the caller delays it. Our SSRC, sequence and timestamps are our
    own. Telephone events are not echoed, they are collected in `digits`.
    """

    payload_type: int
    codec: str
    clock_rate: int
    event_type: int | None
    event_clock: int
    ssrc: int
    sequence: int
    timestamp_offset: int
    cname: str
    clock_offset: float = 0.0
    """Wall clock minus monotonic clock, in seconds, for the NTP times of our reports."""
    sending: bool = True
    digits: list[tuple[str, int]] = field(default_factory=list)
    packets: int = 0
    octets: int = 0
    sent_packets: int = 0
    sent_octets: int = 0
    malformed: int = 0
    other: int = 0
    level_dbov: float | None = None
    last_heard: float = 0.0
    remote_lost: int | None = None
    remote_jitter: int | None = None
    round_trip: float | None = None
    _source: _Source | None = None
    _lost_before: int = 0
    _event: tuple[int, int] = (-1, -1)
    _last_rtp: tuple[int, float] = (0, 0.0)
    _last_sr: tuple[int, float] = (0, 0.0)

    def receive(self, data: bytes, now: float) -> bytes | None:
        """Take one RTP packet; `now` is monotonic seconds."""
        if len(data) < 12 or data[0] >> 6 != 2:
            self.malformed += 1
            return None
        first, second, sequence, timestamp, ssrc = _RTP.unpack_from(data)
        offset = 12 + 4 * (first & 0x0F)
        if first & 0x10 and len(data) >= offset + 4:
            offset += 4 + 4 * int.from_bytes(data[offset + 2 : offset + 4], "big")
        end = len(data) - (data[-1] if first & 0x20 else 0)
        if offset > end:
            self.malformed += 1
            return None
        payload, payload_type = data[offset:end], second & 0x7F
        self.last_heard = now
        event = self.event_type is not None and payload_type == self.event_type
        if payload_type != self.payload_type and not event:
            self.other += 1
            return None
        self.packets += 1
        self.octets += len(payload)
        self._count(ssrc, sequence, timestamp, now, timed=not event)
        if event:
            self._collect(timestamp, payload)
            return None
        squares = _SQUARES.get(self.codec.lower())
        if squares and payload:
            mean = sum(map(squares.__getitem__, payload)) / len(payload)
            self.level_dbov = max(-127.0, 10 * math.log10(mean / 32768**2)) if mean else -127.0
        return self._send(second & 0x80, timestamp, payload, now)

    def _send(self, marker: int, timestamp: int, payload: bytes, now: float) -> bytes | None:
        if not self.sending:
            return None
        self.sequence = (self.sequence + 1) & 0xFFFF
        stamp = (timestamp + self.timestamp_offset) & 0xFFFFFFFF
        self.sent_packets += 1
        self.sent_octets += len(payload)
        self._last_rtp = (stamp, now)
        return _RTP.pack(0x80, marker | self.payload_type, self.sequence, stamp, self.ssrc) + payload

    def _count(self, ssrc: int, sequence: int, timestamp: int, now: float, *, timed: bool) -> None:
        source = self._source
        if source is None or source.ssrc != ssrc:
            self._lost_before = self.lost
            self._source = source = _Source(ssrc, sequence, sequence)
            source.packets = 1
            return
        ahead = (sequence - source.highest) & 0xFFFF
        if ahead < 0x8000:
            source.highest += ahead
        source.packets += 1
        if timed:
            transit = now * self.clock_rate - timestamp
            if source.transit is not None:
                change = abs(transit - source.transit)
                if change < self.clock_rate:  # a jump of a second or more is a new timeline, not jitter
                    source.jitter += (change - source.jitter) / 16
            source.transit = transit

    def _collect(self, timestamp: int, payload: bytes) -> None:
        if len(payload) < 4 or payload[0] >= len(EVENTS):
            return
        duration_ms = int.from_bytes(payload[2:4], "big") * 1000 // self.event_clock
        if (timestamp, payload[0]) == self._event:
            self.digits[-1] = (EVENTS[payload[0]], duration_ms)
        else:
            self._event = (timestamp, payload[0])
            self.digits.append((EVENTS[payload[0]], duration_ms))
            del self.digits[:-64]

    @property
    def lost(self) -> int:
        """Expected minus received, over all sources, never below 0."""
        source = self._source
        return self._lost_before + (max(0, source.expected - source.packets) if source else 0)

    @property
    def jitter_ms(self) -> float:
        """Interarrival jitter in milliseconds."""
        return self._source.jitter * 1000 / self.clock_rate if self._source else 0.0

    def receive_rtcp(self, data: bytes, now: float) -> None:
        """Take a compound RTCP packet."""
        self.last_heard = now
        while len(data) >= 8 and data[0] >> 6 == 2:
            size = 4 + 4 * int.from_bytes(data[2:4], "big")
            packet, data = data[:size], data[size:]
            blocks = packet[8:]
            if packet[1] == 200 and len(packet) >= 28:
                self._last_sr = (int.from_bytes(packet[10:14], "big"), now)
                blocks = packet[28:]
            if packet[1] in (200, 201):
                self._read_blocks(blocks, now)

    def _read_blocks(self, blocks: bytes, now: float) -> None:
        for start in range(0, len(blocks) - 23, 24):
            ssrc, lost, _, jitter, last_sr, delay = struct.unpack_from("!IIIIII", blocks, start)
            if ssrc != self.ssrc:
                continue
            lost &= 0xFFFFFF
            self.remote_lost = lost - (1 << 24) if lost & 0x800000 else lost
            self.remote_jitter = jitter
            if last_sr:
                middle = int((now + self.clock_offset + _NTP_EPOCH) * 65536) & 0xFFFFFFFF
                trip = ((middle - last_sr - delay) & 0xFFFFFFFF) / 65536
                self.round_trip = trip if trip < 60 else self.round_trip

    def report(self, now: float) -> bytes:
        """Return SR or RR with one report block, and SDES CNAME."""
        block = self._block(now)
        count = 1 if block else 0
        if self.sent_packets:
            stamp, at = self._last_rtp
            rtp_time = (stamp + int((now - at) * self.clock_rate)) & 0xFFFFFFFF
            ntp = int((now + self.clock_offset + _NTP_EPOCH) * (1 << 32))
            body = struct.pack("!IQIII", self.ssrc, ntp & 0xFFFFFFFFFFFFFFFF, rtp_time, self.sent_packets, self.sent_octets) + block
            head = struct.pack("!BBH", 0x80 | count, 200, len(body) // 4)
        else:
            body = struct.pack("!I", self.ssrc) + block
            head = struct.pack("!BBH", 0x80 | count, 201, len(body) // 4)
        name = self.cname.encode()
        chunk = struct.pack("!IBB", self.ssrc, 1, len(name)) + name
        chunk += bytes(4 - len(chunk) % 4)
        return head + body + struct.pack("!BBH", 0x81, 202, len(chunk) // 4) + chunk

    def _block(self, now: float) -> bytes:
        source = self._source
        if source is None:
            return b""
        expected = source.expected - source.reported_expected
        received = source.packets - source.reported_packets
        source.reported_expected, source.reported_packets = source.expected, source.packets
        fraction = min(255, max(0, expected - received) * 256 // expected) if expected > 0 else 0
        lost = max(0, source.expected - source.packets) & 0x7FFFFF
        last_sr, at = self._last_sr
        delay = int((now - at) * 65536) & 0xFFFFFFFF if last_sr else 0
        return struct.pack("!IIIIII", source.ssrc, fraction << 24 | lost, source.highest & 0xFFFFFFFF, int(source.jitter), last_sr, delay)

    def bye(self) -> bytes:
        """Return an RTCP BYE (after an empty RR, for RTCP is compound)."""
        return struct.pack("!BBHI", 0x80, 201, 1, self.ssrc) + struct.pack("!BBHI", 0x81, 203, 1, self.ssrc)

    def statistics(self) -> dict[str, object]:
        """Return plain values, for JSON."""
        expected = self.packets + self.lost
        return {
            "codec": self.codec,
            "received": {
                "packets": self.packets,
                "bytes": self.octets,
                "lost": self.lost,
                "loss": round(self.lost / expected, 5) if expected else 0.0,
                "jitter_ms": round(self.jitter_ms, 2),
                "level_dbov": None if self.level_dbov is None else round(self.level_dbov, 1),
            },
            "sent": {"packets": self.sent_packets, "bytes": self.sent_octets},
            "remote": {
                "lost": self.remote_lost,
                "jitter_ms": None if self.remote_jitter is None else round(self.remote_jitter * 1000 / self.clock_rate, 2),
            },
            "round_trip_ms": None if self.round_trip is None else round(self.round_trip * 1000, 2),
            "digits": [{"digit": digit, "duration_ms": duration} for digit, duration in self.digits],
            "unusable": self.malformed + self.other,
        }
