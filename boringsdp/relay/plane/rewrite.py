"""
The rewriting of one route: SSRC, sequence, timestamp, payload type, header extensions.

Sequence and timestamp are mapped by an offset, so loss, reordering and marker pass through as they are. The offset is taken anew when
another source takes over, after hold, or after a jump, so that the target sees one continuous stream. Packets that we leave out on purpose
(telephone events, unmapped payload types, padding) or put in (injected) move the offset by one; `_shifts` remembers where, so that a late
packet from before such a place keeps its number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from boringsdp.relay.engine import Route
from boringsdp.relay.plane.tally import PACKET
from boringsdp.rtp.packet import HEADER, parse_extensions, write_extensions
from boringsdp.rtp.reception import MAX_DROPOUT, WINDOW
from boringsdp.rtp.srtp import MAX_PROTECT

if TYPE_CHECKING:
    from boringsdp.relay.plane.source import Source
    from boringsdp.relay.plane.stream import StreamState

FORMER_SOURCE_S = 0.5
MAX_SHIFTS = 256

_pack = HEADER.pack


class Rewriter:
    """The state of one route. `forward` is the hot path."""

    __slots__ = (
        "_first_byte",
        "_second_bytes",
        "_shifts",
        "constant_block",
        "first",
        "highest",
        "mapped",
        "previous",
        "route",
        "sequence_offset",
        "source",
        "target",
        "timestamp_offset",
    )  # fmt: skip

    def __init__(self, route: Route, target: StreamState) -> None:
        self.target = target
        self.source: Source | None = None
        self.previous: Source | None = None
        self.highest = self.first = 0
        self.sequence_offset = self.timestamp_offset = 0
        self._shifts: deque[tuple[int, int]] | None = None
        self.update(route)

    def update(self, route: Route) -> None:
        """Take up new rules; numbering goes on."""
        self.route = route
        if not route.enabled:
            self.pause()
        self._second_bytes = _second_bytes(tuple(route.payload_types.items()), route.telephone_events)
        self.constant_block = _block(tuple(route.constant_extensions.items()))
        self._first_byte = 0x90 if self.constant_block else 0x80
        self.mapped = _mapped(tuple(route.extensions.items()))

    def pause(self) -> None:
        """Nothing is forwarded for a while: the next packet begins anew, in sequence."""
        if self.source is not None:
            self.previous, self.source = self.source, None

    def forward(self, source: Source, data: bytes, payload: bytes, second: int, extended: int, rtp_time: int, now: float) -> None:
        """Rewrite a packet and send it on the target's transport."""
        target = self.target
        transport = target.transport
        second_byte = self._second_bytes.get(second)
        if second_byte is None or transport.transmit is None:
            self._refuse(source, extended, second_byte is None)
            return
        step = extended - self.highest
        if source is self.source and 0 < step <= MAX_DROPOUT:
            self.highest = extended
            offset = self.sequence_offset
        elif source is self.source and step <= 0:
            self._forward_late(data, payload, second_byte, extended, rtp_time)
            return
        else:
            if not self._take(source, extended, rtp_time, now):
                return
            offset = self.sequence_offset
            if target.sent and target.spec.kind == "audio":
                second_byte |= 0x80  # a talk spurt begins: lets the receiver re-centre its jitter buffer
        sequence = extended + offset
        timestamp = (rtp_time + self.timestamp_offset) & 0xFFFFFFFF
        target.last_sequence = sequence
        target.last_timestamp = timestamp
        target.last_sent = now
        target.sent += PACKET + len(payload)
        if self.mapped and data[0] & 0x10:
            packet = self._with_extensions(data, payload, second_byte, sequence, timestamp)
        else:
            packet = _pack(self._first_byte, second_byte, sequence & 0xFFFF, timestamp, target.send_ssrc) + self.constant_block + payload
        sent = transport.send_media(packet)
        if target.kept is not None:
            target.keep(sequence, sent)

    def skip(self, source: Source, extended: int) -> None:
        """A packet is left out on purpose: close the gap it would leave, unless later ones have already gone."""
        if source is self.source and extended > self.highest:
            if extended - self.highest > MAX_DROPOUT:
                self.pause()
                return
            self.highest = extended
            self.sequence_offset -= 1
            self._shift(extended, -1)

    def make_room(self) -> None:
        """A packet of our own was put behind the last one."""
        if self.source is not None:
            self.sequence_offset += 1
            self._shift(self.highest + 1, 1)

    def _shift(self, at: int, by: int) -> None:
        if self._shifts is None:
            self._shifts = deque()
        self._shifts.append((at, by))
        if len(self._shifts) > MAX_SHIFTS:
            self.first = max(self.first, self._shifts.popleft()[0])

    def _refuse(self, source: Source, extended: int, unmapped: bool) -> None:
        if unmapped:
            source.stream.transport.drop("payload_type")
        else:
            self.target.transport.drop(self.target.transport.unready)
        self.skip(source, extended)

    def _take(self, source: Source, extended: int, rtp_time: int, now: float) -> bool:
        """Let `source` take over, continuous with what was sent before; False for stragglers of a source that was replaced."""
        target, present = self.target, self.source
        if present is not None and source.born < present.born and now - present.last_arrival < FORMER_SOURCE_S:
            source.stream.transport.drop("former_ssrc")
            return False
        clock = source.reception.clock
        if target.sent:
            self.sequence_offset = target.last_sequence + 1 - extended
            expected = round((now - target.last_sent) * clock)
            advance = (rtp_time + self.timestamp_offset - target.last_timestamp) & 0xFFFFFFFF
            resumed = source in (present, self.previous) and advance > 0 and abs(advance - expected) < 2 * clock
            if not resumed:
                self.timestamp_offset = target.last_timestamp + max(1, expected) - rtp_time
        else:
            self.sequence_offset = target.last_sequence + 1 - extended
            self.timestamp_offset = target.last_timestamp - rtp_time
        self.source, self.previous = source, None
        # Of a stream that begins, what was overtaken still has its place; otherwise that place was used by what came before.
        self.first = extended if target.sent else extended - WINDOW
        self.highest = extended
        self._shifts = None
        target.send_clock = clock
        return True

    def _forward_late(self, data: bytes, payload: bytes, second_byte: int, extended: int, rtp_time: int) -> None:
        """A packet that was overtaken keeps its place, if its place is after the present source took over."""
        target = self.target
        if extended < self.first:
            target.transport.drop("late")
            return
        sequence = extended + self.sequence_offset
        if self._shifts:
            sequence -= sum(by for at, by in self._shifts if at > extended)
        timestamp = (rtp_time + self.timestamp_offset) & 0xFFFFFFFF
        target.sent += PACKET + len(payload)
        sent = target.transport.send_media(self._with_extensions(data, payload, second_byte, sequence, timestamp))
        if target.kept is not None:
            target.keep(sequence, sent)

    def _with_extensions(self, data: bytes, payload: bytes, second_byte: int, sequence: int, timestamp: int) -> bytes:
        block = self.constant_block
        if self.mapped and data[0] & 0x10:
            kept = [(self.mapped[number], value) for number, value in parse_extensions(data).items() if number in self.mapped]
            if kept:
                block = write_extensions([*self.route.constant_extensions.items(), *kept])
        if 12 + len(block) + len(payload) > MAX_PROTECT and 12 + len(payload) <= MAX_PROTECT:
            block = self.constant_block
        head = _pack(0x90 if block else 0x80, second_byte, sequence & 0xFFFF, timestamp, self.target.send_ssrc)
        return head + block + payload


# What a packet needs of its route. Routes with the same rules share these, so that they stay in the processor's cache; nobody changes them.


@lru_cache(256)
def _second_bytes(payload_types: tuple[tuple[int, int], ...], telephone_events: frozenset[int]) -> Mapping[int, int]:
    """Return what becomes of the second byte of a header, marker and payload type."""
    return {
        before | marker: after | marker
        for before, after in payload_types if before not in telephone_events
        for marker in (0, 0x80)
    }  # fmt: skip


@lru_cache(256)
def _mapped(extensions: tuple[tuple[int, int], ...]) -> Mapping[int, int]:
    return dict(extensions)


@lru_cache(256)
def _block(elements: tuple[tuple[int, bytes], ...]) -> bytes:
    return write_extensions(elements)
