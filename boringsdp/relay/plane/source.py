"""What arrives: one synchronisation source (SSRC) of a stream, from the header to the routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boringsdp.errors import RtpError
from boringsdp.relay.engine import TelephoneEventReceived
from boringsdp.relay.plane.tally import PACKET
from boringsdp.rtp.packet import measure
from boringsdp.rtp.reception import DUPLICATE, JUMPED, Reception

if TYPE_CHECKING:
    from boringsdp.relay.plane.stream import StreamState

REMEMBERED = 16
"""Of so many packets one is remembered, for the level, after the first as many: remembering each would cost the native engine much."""

_REFUSED = max(DUPLICATE, JUMPED)


class Source:
    """One SSRC of a stream. `receive` is the hot path: one call for each verified packet."""

    __slots__ = ("born", "last", "last_arrival", "payload_type", "received", "reception", "ssrc", "stream")

    def __init__(self, stream: StreamState, ssrc: int, reception: Reception, born: int) -> None:
        self.stream = stream
        self.ssrc = ssrc
        self.reception = reception
        self.born = born
        self.payload_type = -1
        self.received = 0
        """Packets and the bytes of their payload (`PACKET`)."""
        self.last = b""
        self.last_arrival = 0.0

    def receive(self, data: bytes, second: int, sequence: int, rtp_time: int, now: float) -> bool:
        """Count a decrypted packet and pass it on; False when it was a duplicate, implausible or malformed."""
        stream = self.stream
        payload_type = second & 0x7F
        if data[0] == 0x80:
            payload = data[12:]
        else:
            try:
                begin, end = measure(data)
            except RtpError:
                stream.transport.drop("malformed")
                return False
            payload = data[begin:end]
        if payload_type != self.payload_type:
            self._change(payload_type, rtp_time, now)
        if payload_type in stream.telephone_events:
            return self._receive_event(payload, second, sequence, rtp_time, now)
        extended = self.reception.receive(sequence, rtp_time, now)
        if extended <= _REFUSED:
            stream.transport.drop("duplicate" if extended == DUPLICATE else "jumped")
            return False
        self.received += PACKET + len(payload)
        packets = self.received >> 64
        if packets < REMEMBERED or packets % REMEMBERED == 0:
            self.last = data
        self.last_arrival = now
        stream.current = self
        if not stream.receiving:
            stream.begin_receiving()
        if payload:
            for rewriter in stream.rewriters:
                rewriter.forward(self, data, payload, second, extended, rtp_time, now)
        else:  # only padding: a browser probing for bandwidth
            self._skip(extended, "padding_only")
        return True

    def _skip(self, extended: int, reason: str) -> None:
        self.stream.transport.drop(reason)
        for rewriter in self.stream.rewriters:
            rewriter.skip(self, extended)

    def _change(self, payload_type: int, rtp_time: int, now: float) -> None:
        stream = self.stream
        clock = stream.spec.clock_rates.get(payload_type)
        after_event = self.payload_type in stream.telephone_events
        if clock is not None and (after_event or clock != self.reception.clock) and payload_type not in stream.telephone_events:
            self.reception.set_clock(clock, rtp_time, now)
        self.payload_type = payload_type

    def _receive_event(self, payload: bytes, second: int, sequence: int, rtp_time: int, now: float) -> bool:
        """An RFC 4733 packet: its timestamp stands still during the event, so it is kept out of the jitter."""
        stream, reception = self.stream, self.reception
        jitter = reception.jitter
        extended = reception.receive(sequence, rtp_time, now)
        reception.jitter = jitter
        if extended <= _REFUSED:
            stream.transport.drop("duplicate" if extended == DUPLICATE else "jumped")
            return False
        self.received += PACKET + len(payload)
        self.last_arrival = now
        stream.current = self
        if not stream.receiving:
            stream.begin_receiving()
        for rewriter in stream.rewriters:
            rewriter.skip(self, extended)
        if len(payload) < 4:
            stream.transport.drop("malformed")
            return True
        stream.transport.plane.report_message(
            TelephoneEventReceived(
                stream.spec.id, self.ssrc, rtp_time, second & 0x7F, payload[0],
                payload[1] > 0x7F, payload[1] & 0x3F, payload[2] << 8 | payload[3], now,
            )
        )  # fmt: skip
        return True
