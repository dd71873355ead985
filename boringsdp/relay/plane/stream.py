"""One m-line of a transport: what it receives, what it has sent, which routes lead from and to it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from boringsdp.relay.engine import MediaReceiving, ReceiveStatistics, RouteState, SendStatistics, StreamSpec, StreamStatistics
from boringsdp.relay.plane.silence import Silencer
from boringsdp.relay.plane.tally import PACKET, split
from boringsdp.rtp.level import level_from_extension, level_of_g711
from boringsdp.rtp.packet import HEADER, parse_extensions, parse_packet, write_extensions
from boringsdp.rtp.reception import WINDOW
from boringsdp.rtp.srtp import MAX_PROTECT

if TYPE_CHECKING:
    from boringsdp.relay.plane.rewrite import Rewriter
    from boringsdp.relay.plane.source import Source
    from boringsdp.relay.plane.transport import Transport

MAX_RESENDS = 3
"""How often one packet is sent again, so that a flood of forged requests is no amplifier."""
RESEND_PAUSE_S = 0.04


class StreamState:
    """A stream in the plane. `feed` is the one route into it, `rewriters` the enabled routes from it."""

    __slots__ = (
        "all_rewriters", "current", "feed", "gone_bytes", "gone_duplicates", "gone_lost", "gone_packets", "gone_reordered",
        "injected_at", "kept", "last_sent", "last_sequence", "last_timestamp", "receiving", "rewriters", "send_clock", "send_ssrc", "sent",
        "spec", "telephone_events", "transport",
    )  # fmt: skip

    def __init__(self, spec: StreamSpec, transport: Transport) -> None:
        self.spec = spec
        self.transport = transport
        self.telephone_events: frozenset[int] = frozenset()
        self.rewriters: tuple[Rewriter | Silencer, ...] = ()
        self.all_rewriters: tuple[Rewriter, ...] = ()
        self.feed: Rewriter | None = None
        self.current: Source | None = None
        self.receiving = False
        self.gone_packets = self.gone_bytes = self.gone_lost = self.gone_duplicates = self.gone_reordered = 0
        self.send_ssrc = spec.send_ssrc
        # Below 2^15, so that early loss cannot make a receiver guess the rollover counter wrong (RFC 3711 §3.3.1), with room below for
        # packets that were overtaken by the first.
        self.last_sequence = (transport.plane.random.getrandbits(15) | WINDOW) - 1
        self.last_timestamp = transport.plane.random.getrandbits(32)
        self.injected_at = self.last_timestamp
        self.last_sent = 0.0
        self.send_clock = next(iter(spec.clock_rates.values()), 8000)
        self.sent = 0
        """Packets and the bytes of their payload (`PACKET`)."""
        self.kept: dict[int, tuple[bytes, int, float]] | None = {} if spec.keep else None
        """What was sent last, by sequence number as it was: bytes, how often they were sent again, and when that was last."""

    def begin_receiving(self) -> None:
        self.receiving = True
        self.transport.plane.report(MediaReceiving(self.spec.id, True))

    def tick(self, now: float) -> None:
        if self.receiving and (self.current is None or now - self.current.last_arrival >= self.spec.silence_s):
            self.receiving = False
            self.transport.plane.report(MediaReceiving(self.spec.id, False))

    def refresh(self) -> None:
        """Take up changed routes."""
        self.rewriters = tuple(
            Silencer(rewriter, rewriter.route.silence) if rewriter.route.silence else rewriter
            for rewriter in self.all_rewriters if rewriter.route.enabled
        )  # fmt: skip
        self.telephone_events = _union(*(rewriter.route.telephone_events for rewriter in self.all_rewriters))

    def retire(self, source: Source) -> None:
        """Keep the counters of a source that is forgotten."""
        reception = source.reception
        self.gone_packets += reception.packets
        self.gone_bytes += split(source.received)[1]
        self.gone_lost += reception.lost
        self.gone_duplicates += reception.duplicates
        self.gone_reordered += reception.reordered
        if self.current is source:
            self.current = None

    def inject(self, payload_type: int, payload: bytes, marker: bool, same_timestamp: bool, now: float) -> None:
        """Send a packet of our own, in sequence with what is routed here."""
        transport = self.transport
        if transport.transmit is None:
            transport.drop(transport.unready)
            return
        if not same_timestamp:
            elapsed = round((now - self.last_sent) * self.send_clock) if self.sent else 0
            self.injected_at = (self.last_timestamp + elapsed) & 0xFFFFFFFF
        block = self._constant_block()
        sequence = self.last_sequence + 1
        if 12 + len(block) + len(payload) > MAX_PROTECT:
            transport.drop("too_long")
            return
        if self.feed is not None:
            self.feed.make_room()
        second = payload_type & 0x7F | (0x80 if marker else 0)
        head = HEADER.pack(0x90 if block else 0x80, second, sequence & 0xFFFF, self.injected_at, self.send_ssrc)
        self.last_sequence = sequence
        self.sent += PACKET + len(payload)
        if not same_timestamp:
            self.last_timestamp, self.last_sent = self.injected_at, now
        transport.send_media(head + block + payload)

    def keep(self, sequence: int, packet: bytes) -> None:
        """Keep what was sent for `resend`; as many as the spec says, the oldest goes."""
        kept = self.kept
        if kept is not None and packet:
            kept[sequence & 0xFFFF] = (packet, 0, 0.0)
            while len(kept) > self.spec.keep:
                del kept[next(iter(kept))]

    def resend(self, sequences: tuple[int, ...], now: float) -> tuple[int, ...]:
        """Send kept packets again, not at once after the last time and not for ever; return what is not kept."""
        missing = []
        for sequence in sequences:
            found = self.kept.get(sequence) if self.kept is not None else None
            if self.kept is None or found is None:
                missing.append(sequence)
            elif found[1] < MAX_RESENDS and now - found[2] >= RESEND_PAUSE_S:
                self.kept[sequence] = (found[0], found[1] + 1, now)
                self.transport.send_raw(found[0])
        return tuple(missing)

    def _constant_block(self) -> bytes:
        if self.feed is not None:
            return self.feed.constant_block
        spec = self.spec
        return write_extensions([(spec.mid_extension, spec.mid.encode())]) if spec.mid and spec.mid_extension else b""

    # --- statistics

    def statistics(self) -> StreamStatistics:
        feed = self.feed
        route = None
        if feed is not None and feed.source is not None:
            route = RouteState(
                source=feed.route.source, source_ssrc=feed.source.ssrc,
                sequence_offset=feed.sequence_offset & 0xFFFF, timestamp_offset=feed.timestamp_offset & 0xFFFFFFFF,
            )  # fmt: skip
        packets, octets = split(self.sent)
        sent = SendStatistics(
            ssrc=self.send_ssrc, packets=packets, bytes=octets, last_timestamp=self.last_timestamp,
            last_sent=self.last_sent, last_sequence=self.last_sequence & 0xFFFF, clock_rate=self.send_clock,
        )  # fmt: skip
        return StreamStatistics(received=self._received(), sent=sent, route=route)

    @property
    def lost(self) -> int:
        """What `ReceiveStatistics.lost` says."""
        return self.gone_lost + sum(source.reception.lost for source in self.transport.sources.values() if source.stream is self)

    def _received(self) -> ReceiveStatistics:
        packets, octets, lost = self.gone_packets, self.gone_bytes, self.gone_lost
        duplicates, reordered = self.gone_duplicates, self.gone_reordered
        for source in self.transport.sources.values():
            if source.stream is self:
                reception = source.reception
                packets += reception.packets
                octets += split(source.received)[1]
                lost += reception.lost
                duplicates += reception.duplicates
                reordered += reception.reordered
        present = self.current
        if present is None:
            return ReceiveStatistics(packets=packets, bytes=octets, lost=lost, duplicates=duplicates, reordered=reordered)
        reception = present.reception
        return ReceiveStatistics(
            ssrc=present.ssrc, packets=packets, bytes=octets, lost=lost, duplicates=duplicates, reordered=reordered,
            jitter=int(reception.jitter), clock_rate=reception.clock, payload_type=present.payload_type,
            highest_sequence=reception.highest & 0xFFFFFFFF, base_sequence=reception.base & 0xFFFFFFFF,
            last_timestamp=reception.rtp_time, ssrc_packets=reception.packets - reception.packets_before, last_arrival=present.last_arrival,
            level_dbov=self._level(present.last),
        )  # fmt: skip

    def _level(self, data: bytes) -> int | None:
        if not data:
            return None
        number = self.spec.audio_level_extension
        value = parse_extensions(data).get(number) if number else None
        if value:
            return level_from_extension(value)
        packet = parse_packet(data)
        return level_of_g711(packet.payload_type, packet.payload)


@lru_cache(256)
def _union(*numbers: frozenset[int]) -> frozenset[int]:
    """Return what is in any of the sets: the same object for the same, so that it stays in the processor's cache."""
    return frozenset().union(*numbers)
