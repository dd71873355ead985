"""One transport: its keys, its streams, what it receives and what it sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from boringsdp.errors import RtpError, SrtpError
from boringsdp.relay.engine import (
    Address,
    AuthFailures,
    DtlsReceived,
    Keys,
    RtcpReceived,
    SsrcSeen,
    StreamId,
    StreamSpec,
    TransportSpec,
    TransportStatistics,
    Way,
)
from boringsdp.relay.plane.port import Path, Transmit
from boringsdp.relay.plane.rtcp_keys import RtcpKeys
from boringsdp.relay.plane.source import Source
from boringsdp.relay.plane.stream import StreamState
from boringsdp.relay.plane.tally import PACKET, Tally, rtcp_statistics, rtp_statistics, split
from boringsdp.rtp.packet import HEADER, measure, parse_extensions
from boringsdp.rtp.reception import Reception
from boringsdp.rtp.srtp import MALFORMED, NO_KEYS, REPLAYED, UNVERIFIED, SrtpReceiver, SrtpSender

if TYPE_CHECKING:
    from boringsdp.relay.plane.ice_reach import IceReach
    from boringsdp.relay.plane.plane import Plane
    from boringsdp.relay.plane.reach import PlainReach, RawReach

MAX_SSRCS_EVER = 1024
"""SSRCs over the life of a secured transport: libsrtp keeps each for ever, since forgetting one would let its packets be replayed."""
IDLE_SOURCE_S = 5.0
MAX_STREAMS = 64

_unpack = HEADER.unpack_from


class Transport:
    """State of one transport. `receive_rtp` and `send_media` are on the hot path."""

    __slots__ = (
        "_by_mid",
        "_by_payload",
        "_by_ssrc",
        "_mid_extension",
        "auth_failures",
        "auth_reported_at",
        "drops",
        "dtls",
        "ice",
        "last_gone",
        "latest",
        "muxed",
        "parked_indices",
        "parked_receiver",
        "parked_sender",
        "plain",
        "plane",
        "reach",
        "received",
        "receiver",
        "remote",
        "retired",
        "rtcp",
        "rtcp_keys",
        "secured",
        "sender",
        "sent",
        "sources",
        "spec",
        "streams",
        "transmit",
    )  # fmt: skip

    reach: IceReach | PlainReach | RawReach
    """What counts now: `ice` or `plain`."""

    def __init__(self, plane: Plane, spec: TransportSpec) -> None:
        self.plane = plane
        self.spec = spec
        self.secured = spec.secured
        self.ice: IceReach | None = None
        self.plain: PlainReach | RawReach | None = None
        self.muxed = False
        """RTCP was agreed to share the RTP port, although it has one."""
        self.streams: dict[StreamId, StreamState] = {}
        self.sources: dict[int, Source] = {}
        self.latest: Source | None = None
        """The one that was heard last."""
        self.retired: dict[int, int] = {}
        self.receiver: SrtpReceiver | None = None
        self.sender: SrtpSender | None = None
        # What keyed a way that is in the clear now: the same keys may come back, and must neither be replayed nor reuse a nonce.
        self.parked_receiver: SrtpReceiver | None = None
        self.parked_sender: SrtpSender | None = None
        self.parked_indices: dict[int, int] = {}
        self.rtcp_keys: RtcpKeys | None = None
        self.transmit: Transmit | None = None
        self.remote: Address = ("", 0)
        self.received = self.sent = 0
        # All packets are counted above (`PACKET`), those of these kinds in them besides: the rest is RTP.
        self.rtcp = Tally()
        self.dtls = Tally()
        self.last_gone = 0.0
        """When a source that was forgotten was heard last; on a raw transport, when anything was."""
        self.drops: dict[str, int] = {}
        self.auth_failures = 0
        self.auth_reported_at = float("-inf")
        self._by_mid: dict[str, StreamState] = {}
        self._by_ssrc: dict[int, StreamState] = {}
        self._by_payload: dict[int, StreamState | None] = {}
        self._mid_extension = 0

    # --- in

    def receive_rtp(self, data: bytes, now: float) -> bool:
        """Take a packet of at least 12 bytes whose first is 128..191; True when it verified and belongs to a stream."""
        self.received += PACKET + len(data)
        _, second, sequence, rtp_time, ssrc = _unpack(data)
        if 191 < second < 224:
            return self._receive_rtcp(data, now)
        source = self.latest
        if source is None or source.ssrc != ssrc:
            source = self.sources.get(ssrc)
            if source is None:
                return self._meet(data, second, sequence, rtp_time, ssrc, now)
            self.latest = source
        receiver = self.receiver
        if receiver is not None:
            unprotect = receiver.unprotect
            try:
                data = unprotect(data)
            except SrtpError as error:
                self._unverified(str(error), source)
                return False
        elif self.secured:
            self.drop(NO_KEYS)
            return False
        return source.receive(data, second, sequence, rtp_time, now)

    def receive_media(self, data: bytes, now: float) -> bool:
        """RTP or RTCP of any length."""
        size = len(data)
        if size < 8 or not 127 < data[0] < 192:
            self.drop(MALFORMED)
            return False
        if 191 < data[1] < 224:
            return self.receive_rtcp(data, now)
        if size < 12:
            self.drop(MALFORMED)
            return False
        return self.receive_rtp(data, now)

    def receive_rtcp(self, data: bytes, now: float) -> bool:
        self.received += PACKET + len(data)
        return self._receive_rtcp(data, now)

    def receive_control(self, data: bytes, source: Address, now: float) -> bool:
        """Take what came to the RTCP port; True when it is RTCP and verified."""
        if data and 19 < data[0] < 64:
            self.receive_dtls(data, source, rtcp=True)
            return False
        if len(data) < 8 or not 191 < data[1] < 224 or data[0] >> 6 != 2:
            self.drop(MALFORMED)
            return False
        return self.receive_rtcp(data, now)

    def _receive_rtcp(self, data: bytes, now: float) -> bool:
        self.rtcp.receive(data)
        receiver, secured, own = self.receiver, self.secured, self._own_rtcp_keys(Way.RECEIVE)
        if own is not None:
            receiver, secured = own.receiver, True
        if receiver is not None:
            try:
                data = receiver.unprotect_rtcp(data)
            except SrtpError as error:
                self._unverified(str(error), None)
                return False
        elif secured:
            self.drop(NO_KEYS)
            return False
        if len(data) < 8 or len(data) & 3 or 4 + 4 * (data[2] << 8 | data[3]) > len(data):
            self.drop(MALFORMED)
            return False
        self.rtcp.last_arrival = now
        self.plane.report_message(RtcpReceived(self.spec.id, data, now))
        return True

    def receive_dtls(self, data: bytes, source: Address, *, rtcp: bool = False) -> None:
        self.received += PACKET + len(data)
        self.dtls.receive(data)
        self.plane.report_message(DtlsReceived(self.spec.id, data, rtcp, source))

    def _meet(self, data: bytes, second: int, sequence: int, rtp_time: int, ssrc: int, now: float) -> bool:
        """A packet of an SSRC that is not known: verify, find its stream, make room for it."""
        if self.receiver is not None:
            if ssrc not in self.retired and len(self.retired) + len(self.sources) >= MAX_SSRCS_EVER:
                self.drop("too_many_ssrcs")
                return False
            try:
                data = self.receiver.unprotect(data)
            except SrtpError as error:
                self._unverified(str(error), None)
                return False
        elif self.secured:
            self.drop(NO_KEYS)
            return False
        try:
            measure(data)
        except RtpError:
            self.drop(MALFORMED)
            return False
        stream = self._find_stream(data, ssrc, second & 0x7F)
        if stream is None or not self._make_room(now):
            self.drop("unknown_ssrc" if stream is None else "too_many_ssrcs")
            if self.receiver is not None:
                self.retired.setdefault(ssrc, sequence)
            return False
        source = self.add_source(stream, ssrc, sequence, rtp_time, second & 0x7F, now)
        self.plane.report_bounded(SsrcSeen(stream.spec.id, ssrc, second & 0x7F))
        return source.receive(data, second, sequence, rtp_time, now)

    def add_source(self, stream: StreamState, ssrc: int, sequence: int, rtp_time: int, payload_type: int, now: float) -> Source:
        clock = stream.spec.clock_rates.get(payload_type) or stream.send_clock
        reception = Reception(sequence, rtp_time, now, clock, trusted=self.receiver is not None)
        highest = self.retired.pop(ssrc, None)
        if highest is not None:  # it was here before: go on in its numbering, and take nothing twice
            extended = highest + ((sequence - highest + 0x8000) & 0xFFFF) - 0x8000
            reception.resume(max(highest, extended - 1))
        source = Source(stream, ssrc, reception, self.plane.count_source())
        self.sources[ssrc] = source
        return source

    def _find_stream(self, data: bytes, ssrc: int, payload_type: int) -> StreamState | None:
        """RFC 8843 §9.2: by MID, else by announced SSRC, else by a payload type that only one stream has."""
        if self._mid_extension and data[0] & 0x10:
            mid = parse_extensions(data).get(self._mid_extension)
            if mid is not None:
                return self._by_mid.get(mid.decode("utf-8", "replace"))
        return self._by_ssrc.get(ssrc) or self._by_payload.get(payload_type)

    def _make_room(self, now: float) -> bool:
        if len(self.sources) < self.spec.max_ssrcs:
            return True
        oldest = min(self.sources.values(), key=lambda source: source.last_arrival)
        if now - oldest.last_arrival < IDLE_SOURCE_S:
            return False
        self.forget_source(oldest)
        return True

    def forget_source(self, source: Source) -> None:
        """Forget an SSRC; its counters stay with the stream, its index here when it is secured."""
        del self.sources[source.ssrc]
        self.latest = None
        self.last_gone = max(self.last_gone, source.last_arrival)
        source.stream.retire(source)
        for rewriter in source.stream.all_rewriters:
            if rewriter.source is source:
                rewriter.source = None
            if rewriter.previous is source:
                rewriter.previous = None
        if self.receiver is not None:
            self.retired[source.ssrc] = source.reception.highest

    def _unverified(self, reason: str, source: Source | None) -> None:
        self.drop(reason)
        if reason == UNVERIFIED:
            self.auth_failures += 1
        elif reason == REPLAYED and source is not None:
            source.reception.duplicates += 1

    def drop(self, reason: str) -> None:
        self.drops[reason] = self.drops.get(reason, 0) + 1

    # --- out

    def send_media(self, packet: bytes) -> bytes:
        """Protect and send a complete RTP packet; return what went out, empty when nothing did. Call only while `transmit` is not None."""
        sender = self.sender
        if sender is not None:
            protect = sender.protect
            try:
                packet = protect(packet)
            except SrtpError as error:
                self.drop(f"send_{error}")
                return b""
        transmit = self.transmit
        try:
            transmit(packet, self.remote)  # type: ignore[misc]
        except OSError as error:
            path = self.reach.rtp
            try:
                path[0].recover(packet, path[1], error)  # type: ignore[index]
            except OSError as final:
                self._not_sent(final)
                return b""
        self.sent += PACKET + len(packet)
        return packet

    def send_raw(self, data: bytes) -> None:
        """Send a datagram as it is to where RTP goes."""
        self._send(data, self.reach.rtp)

    def send_dtls(self, data: bytes, *, rtcp: bool, to: Address | None) -> None:
        """Send a datagram as it is, from the RTP or the RTCP port; `to` where it came from."""
        reach = self.reach
        path = reach.path_to(to, rtcp) if to is not None else reach.rtcp if rtcp else reach.rtp
        if self._send(data, path):
            self.dtls.send(data)

    def send_rtcp(self, data: bytes) -> None:
        sender, secured, own = self.sender, self.secured, self._own_rtcp_keys(Way.SEND)
        if own is not None:
            sender, secured = own.sender, True
        if sender is None:
            if secured:
                self.drop(NO_KEYS)
                return
        else:
            try:
                data = sender.protect_rtcp(data)
            except SrtpError as error:
                self.drop(f"send_{error}")
                return
        if self._send(data, self.reach.rtcp):
            self.rtcp.send(data)

    def _send(self, data: bytes, path: Path | None) -> bool:
        if path is None:
            self.drop("no_address")
            return False
        try:
            path[0].send(data, path[1], path[0].transmit_marked(self.spec.tos) if self.spec.tos else None)
        except OSError as error:
            self._not_sent(error)
            return False
        self.sent += PACKET + len(data)
        return True

    def _not_sent(self, error: OSError) -> None:
        self.drop("send_blocked" if isinstance(error, BlockingIOError) else "send_failed")

    def refresh(self) -> None:
        """Whether and where media may go out, after a change of path or keys."""
        path = self.reach.rtp
        if path is None or (self.secured and self.sender is None):
            self.transmit = None
        else:
            tos = self.spec.tos
            self.transmit, self.remote = path[0].transmit_marked(tos) if tos else path[0].transmit, path[1]

    @property
    def unready(self) -> str:
        """Why nothing can be sent now."""
        return "no_address" if self.reach.rtp is None else NO_KEYS

    # --- commands

    def speak_ice(self) -> None:
        """The peer speaks ICE after all: only what its checks prove counts from now on."""
        if self.ice is not None and self.plain is not None:
            self.ice.returning = False
            self.plain.close()
            self.reach = self.ice
            self.refresh()

    def speak_plain(self, plain: PlainReach | RawReach) -> None:
        """The peer speaks no ICE: it is where it says, or where latching finds it."""
        if self.ice is not None:
            self.ice.returning = False
            if self.reach is self.ice:
                self.reach = plain
                self.ice.close()
                self.refresh()

    def set_rtcp_keys(self, way: Way, keys: Keys | None, now: float) -> None:
        if self.rtcp_keys is None:
            self.rtcp_keys = RtcpKeys()
        self.rtcp_keys.set(way, keys, now)

    def _own_rtcp_keys(self, way: Way) -> RtcpKeys | None:
        """The keys that RTCP has for itself that way, if it has any."""
        keys = self.rtcp_keys
        return keys if keys is not None and way in keys.own and not self.reach.muxed else None

    def add_stream(self, spec: StreamSpec) -> StreamState:
        stream = self.streams.get(spec.id)
        if stream is None:
            stream = self.streams[spec.id] = StreamState(spec, self)
        else:
            if spec.send_ssrc != stream.spec.send_ssrc:
                stream.send_ssrc = spec.send_ssrc
            stream.spec = spec
            stream.kept = (stream.kept or {}) if spec.keep else None
            for source in self.sources.values():
                if source.stream is stream:
                    source.payload_type = -1  # look its clock up again
        self._index()
        return stream

    def remove_stream(self, number: StreamId) -> None:
        stream = self.streams.pop(number)
        for source in [source for source in self.sources.values() if source.stream is stream]:
            self.forget_source(source)
        self._index()

    def _index(self) -> None:
        self._by_mid = {stream.spec.mid: stream for stream in self.streams.values() if stream.spec.mid}
        self._by_ssrc = {ssrc: stream for stream in self.streams.values() for ssrc in stream.spec.ssrcs}
        self._mid_extension = next((stream.spec.mid_extension for stream in self.streams.values() if stream.spec.mid_extension), 0)
        self._by_payload = {}
        for stream in self.streams.values():
            for payload_type in stream.spec.clock_rates:
                self._by_payload[payload_type] = None if payload_type in self._by_payload else stream

    def set_receive_keys(self, keys: Keys, indices: Mapping[int, int], now: float) -> None:
        if self.receiver is None:
            self.receiver = self.parked_receiver
        if self.receiver is None:
            self.receiver = SrtpReceiver(keys, indices)
        else:
            known = {ssrc: source.reception.highest for ssrc, source in self.sources.items()}
            self.receiver.rekey(keys, {**known, **indices}, now)
        for source in self.sources.values():
            source.reception.trusted = True

    def set_send_keys(self, keys: Keys) -> None:
        if self.sender is None:
            self.sender = self.parked_sender
        if self.sender is None:
            self.sender = SrtpSender(keys)
        else:
            self.sender.rekey(keys, {stream.send_ssrc: stream.last_sequence for stream in self.streams.values()})
        self.refresh()

    def drop_keys(self, way: Way) -> None:
        """That way is in the clear again, or nothing when the transport is to be secured."""
        if self.rtcp_keys is not None:
            self.rtcp_keys.share(way)
        if way is Way.RECEIVE:
            if self.receiver is not None:
                self.parked_receiver, self.receiver = self.receiver, None
                self.parked_indices = self.indices
            for source in self.sources.values():
                source.reception.trusted = False
        else:
            self.sender, self.parked_sender = None, self.sender or self.parked_sender
            self.refresh()

    @property
    def indices(self) -> dict[int, int]:
        """The last packet index of every SSRC that was heard."""
        return {**self.retired, **{ssrc: source.reception.highest for ssrc, source in self.sources.items()}}

    def tick(self, now: float) -> None:
        self.reach.tick(now)
        if self.rtcp_keys is not None:
            self.rtcp_keys.tick(now)
        if self.receiver is not None:
            self.receiver.tick(now)
        for stream in self.streams.values():
            stream.tick(now)
        if self.auth_failures and now - self.auth_reported_at >= 1.0:
            self.plane.report(AuthFailures(self.spec.id, self.auth_failures))
            self.auth_failures, self.auth_reported_at = 0, now

    def statistics(self) -> TransportStatistics:
        rtp, rtcp = self.reach.rtp, self.reach.rtcp
        packets_received, bytes_received = split(self.received)
        packets_sent, bytes_sent = split(self.sent)
        return TransportStatistics(
            remote=rtp and rtp[1], rtcp_remote=rtcp and rtcp[1], packets_received=packets_received, bytes_received=bytes_received,
            packets_sent=packets_sent, bytes_sent=bytes_sent, drops=dict(self.drops), rtp=rtp_statistics(self), rtcp=rtcp_statistics(self),
        )  # fmt: skip
