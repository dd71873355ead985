"""Our side of RTCP on one transport: reports, feedback, goodbye (RFC 3550 §6, 4585, 5104). A core."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from boringsdp.errors import RtpError
from boringsdp.relay.engine import ReceiveStatistics, StreamId, StreamStatistics
from boringsdp.relay.rules import StreamRules
from boringsdp.rtp import rtcp
from boringsdp.rtp.quality import round_trip_ms

INTERVAL = {"audio": 5.0, "video": 1.0}
"""Mean seconds between reports: the classic minimum for audio, RFC 4585's reduced one for video, whose sender adapts to our reports."""
FIRST = (1.0, 2.5)
COMPENSATION = 1.21828
"""e - 3/2, so that the randomised interval has the mean that is meant (RFC 3550 §6.3.1)."""
STREAMS_IN_ONE = 8
"""Streams reported in one datagram: at most 8 * (52 + 28) bytes."""
KEY_FRAME_PAUSE = 0.5
MAX_NACKED = 128
"""Sequence numbers that one request names: at most 512 bytes, however much the peer wants."""
MAX_REPORTS_KEPT = 64
NTP_EPOCH = 2_208_988_800


@dataclass(slots=True, frozen=True)
class SendRtcp:
    """Send this RTCP datagram to the peer."""

    data: bytes


@dataclass(slots=True, frozen=True)
class KeyFrameWanted:
    """The peer wants a key frame of what we send on this stream."""

    stream: StreamId


@dataclass(slots=True, frozen=True)
class Missing:
    """The peer lacks these sequence numbers of what we send on this stream."""

    stream: StreamId
    lost: tuple[int, ...]


@dataclass(slots=True, frozen=True)
class LossReported:
    """The peer lost so many more of our packets since its last report."""

    stream: StreamId
    lost: int


Action = SendRtcp | KeyFrameWanted | Missing | LossReported


@dataclass(slots=True, frozen=True, kw_only=True)
class PeerReport:
    """What the peer last told about what we send. `fraction_lost` 0..1, `jitter` in ticks."""

    fraction_lost: float
    lost: int
    jitter: int
    round_trip_ms: float | None
    at: float


@dataclass(slots=True)
class _Stream:
    ssrc: int
    rules: StreamRules
    peer: PeerReport | None = None
    counted_ssrc: int = 0
    expected: int = 0
    received: int = 0
    """Of `counted_ssrc`, at our last report."""
    asked: float | None = None
    """When we last asked for a key frame."""
    ask_again: float | None = None
    fir_sequence: int = -1


class Reporter:
    """
    Speaks RTCP for all streams of one transport under one CNAME.

    `statistics` reads a stream's figures from the engine; `epoch` is wall clock minus monotonic seconds, so that this core reads no clock.
    """

    __slots__ = ("_cname", "_epoch", "_names", "_next", "_rng", "_sender_reports", "_statistics", "_streams")

    def __init__(self, cname: str, rng: random.Random, statistics: Callable[[StreamId], StreamStatistics], epoch: float = 0.0) -> None:
        self._cname = cname
        self._rng = rng
        self._statistics = statistics
        self._epoch = epoch + NTP_EPOCH
        self._streams: dict[StreamId, _Stream] = {}
        self._sender_reports: dict[int, tuple[int, float]] = {}
        """Middle 32 bits of the NTP time of the last sender report by SSRC, and when it came."""
        self._next: float | None = None
        self._names: tuple[tuple[int, ...], bytes] = (), b""
        """The source description that was sent last, and whose it is."""

    # --- commands ------------------------------------------------------------------------------------------------------------------------

    def set_stream(self, stream: StreamId, ssrc: int, rules: StreamRules) -> None:
        """Add a stream or change its rules."""
        if (known := self._streams.get(stream)) is not None:
            known.rules = rules
        else:
            self._streams[stream] = _Stream(ssrc, rules)

    def remove_stream(self, stream: StreamId, now: float) -> list[Action]:
        """Say goodbye for a stream that has sent."""
        known = self._streams.pop(stream, None)
        if known is None or not known.rules.rtcp or not self._statistics(stream).sent.packets:
            return []
        report = rtcp.write_receiver_report(rtcp.ReceiverReport(ssrc=known.ssrc))
        return [SendRtcp(report + rtcp.write_source_description([known.ssrc], self._cname) + rtcp.write_goodbye([known.ssrc]))]

    def start(self, now: float) -> None:
        """The peer can be reached: report from now on."""
        if self._next is None:
            self._next = now + self._rng.uniform(*FIRST)

    def close(self, now: float) -> list[Action]:
        """Say goodbye for all."""
        self._next = None
        actions = [action for stream in list(self._streams) for action in self.remove_stream(stream, now)]
        return actions[:STREAMS_IN_ONE]

    def request_key_frame(self, stream: StreamId, now: float) -> list[Action]:
        """Ask for a key frame in the form that was agreed; one within the pause is put off to its end."""
        known = self._streams.get(stream)
        if known is None or known.rules.kind != "video" or not known.rules.rtcp or not known.rules.feedback & {"pli", "fir"}:
            return []
        if known.asked is not None and now < known.asked + KEY_FRAME_PAUSE:
            known.ask_again = known.asked + KEY_FRAME_PAUSE
            return []
        media = self._statistics(stream).received.ssrc
        if not media:
            return []  # nothing came yet; what comes first is a key frame
        known.asked, known.ask_again = now, None
        if "pli" in known.rules.feedback:
            return [self._feedback(known, rtcp.write_picture_loss(rtcp.PictureLoss(sender=known.ssrc, media=media)))]
        known.fir_sequence = known.fir_sequence + 1 & 0xFF
        return [self._feedback(known, rtcp.write_full_intra(rtcp.FullIntra(sender=known.ssrc, requests=((media, known.fir_sequence),))))]

    def request_again(self, stream: StreamId, lost: Sequence[int], now: float) -> list[Action]:
        """Ask for these sequence numbers of the source's own numbering, if it agreed to that."""
        known = self._streams.get(stream)
        if known is None or not known.rules.rtcp or "nack" not in known.rules.feedback or not lost:
            return []
        media = self._statistics(stream).received.ssrc
        if not media:
            return []
        return [self._feedback(known, rtcp.write_nack(rtcp.Nack(sender=known.ssrc, media=media, lost=tuple(lost[:MAX_NACKED]))))]

    def peer_report(self, stream: StreamId) -> PeerReport | None:
        """Return what the peer last told about what we send."""
        known = self._streams.get(stream)
        return None if known is None else known.peer

    def round_trip_ms(self, stream: StreamId) -> float:
        """Return the round trip with the peer as its last report gave it, 0 when unknown."""
        report = self.peer_report(stream)
        return 0.0 if report is None or report.round_trip_ms is None else report.round_trip_ms

    # --- from the peer -------------------------------------------------------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> list[Action]:
        """Take one RTCP datagram; what is not RTCP is nothing."""
        try:
            packets = rtcp.parse_rtcp(data)
        except RtpError:
            return []
        actions: list[Action] = []
        for packet in packets:
            match packet:
                case rtcp.SenderReport():
                    self._remember(packet, now)
                    actions += self._read_blocks(packet.reports, now)
                case rtcp.ReceiverReport():
                    actions += self._read_blocks(packet.reports, now)
                case rtcp.PictureLoss():
                    actions += self._wanted(packet.media)
                case rtcp.FullIntra():
                    actions += [action for media, _ in packet.requests[:STREAMS_IN_ONE] for action in self._wanted(media)]
                case rtcp.Nack():
                    if (stream := self._by_ssrc(packet.media)) is not None:
                        actions.append(Missing(stream, packet.lost))
                case _:
                    pass
        return actions

    def _remember(self, report: rtcp.SenderReport, now: float) -> None:
        self._sender_reports.pop(report.ssrc, None)
        if len(self._sender_reports) >= MAX_REPORTS_KEPT:
            del self._sender_reports[next(iter(self._sender_reports))]
        self._sender_reports[report.ssrc] = (report.ntp_time >> 16 & 0xFFFFFFFF, now)

    def _read_blocks(self, blocks: Sequence[rtcp.ReportBlock], now: float) -> list[Action]:
        actions: list[Action] = []
        for block in blocks:
            stream = self._by_ssrc(block.ssrc)
            if stream is None:
                continue
            known = self._streams[stream]
            before = known.peer
            round_trip = round_trip_ms(self._ntp(now) >> 16 & 0xFFFFFFFF, block.last_report, block.delay)
            if round_trip is None and before is not None:
                round_trip = before.round_trip_ms
            known.peer = PeerReport(
                fraction_lost=block.fraction_lost / 256, lost=max(0, block.lost), jitter=block.jitter, round_trip_ms=round_trip, at=now
            )
            newly = block.lost - (before.lost if before is not None else 0)
            if newly > 0:
                actions.append(LossReported(stream, newly))
        return actions

    def _wanted(self, media: int) -> list[Action]:
        stream = self._by_ssrc(media)
        if stream is None:
            # Some peers name no source, or one of a call before; with one video stream there is no doubt.
            videos = [stream for stream, known in self._streams.items() if known.rules.kind == "video"]
            stream = videos[0] if len(videos) == 1 else None
        return [] if stream is None else [KeyFrameWanted(stream)]

    def _by_ssrc(self, ssrc: int) -> StreamId | None:
        for stream, known in self._streams.items():
            if known.ssrc == ssrc:
                return stream
        return None

    # --- to the peer ---------------------------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> list[Action]:
        actions: list[Action] = []
        for stream, known in self._streams.items():
            if known.ask_again is not None and now >= known.ask_again:
                known.ask_again = None
                actions += self.request_key_frame(stream, now)
        if self._next is not None and now >= self._next:
            mean = INTERVAL["audio"]
            for known in self._streams.values():
                mean = min(mean, INTERVAL.get(known.rules.kind, mean))
            self._next = now + mean * self._rng.uniform(0.5, 1.5) / COMPENSATION
            actions += self._report(now)
        return actions

    def deadline(self) -> float | None:
        first = self._next
        for known in self._streams.values():
            if known.ask_again is not None and (first is None or known.ask_again < first):
                first = known.ask_again
        return first

    def _report(self, now: float) -> list[Action]:
        """Return compound packets: SR or RR of each stream that lives, then their CNAME."""
        living: list[tuple[int, bytes]] = []
        for stream, known in self._streams.items():
            figures = self._statistics(stream)
            if not known.rules.rtcp or not (figures.sent.packets or figures.received.packets):
                continue
            blocks = self._blocks(known, figures.received, now)
            if figures.sent.packets:
                sent = figures.sent
                report = rtcp.SenderReport(
                    ssrc=known.ssrc,
                    ntp_time=self._ntp(now),
                    rtp_time=sent.last_timestamp + round((now - sent.last_sent) * sent.clock_rate) & 0xFFFFFFFF,
                    packets=sent.packets,
                    bytes=sent.bytes,
                    reports=blocks,
                )
                living.append((known.ssrc, rtcp.write_sender_report(report)))
            else:
                living.append((known.ssrc, rtcp.write_receiver_report(rtcp.ReceiverReport(ssrc=known.ssrc, reports=blocks))))
        actions: list[Action] = []
        for at in range(0, len(living), STREAMS_IN_ONE):
            group = living[at : at + STREAMS_IN_ONE]
            actions.append(SendRtcp(b"".join(report for _, report in group) + self._describe(tuple(ssrc for ssrc, _ in group))))
        return actions

    def _describe(self, ssrcs: tuple[int, ...]) -> bytes:
        if self._names[0] != ssrcs:
            self._names = ssrcs, rtcp.write_source_description(ssrcs, self._cname)
        return self._names[1]

    def _blocks(self, known: _Stream, received: ReceiveStatistics, now: float) -> tuple[rtcp.ReportBlock, ...]:
        """Return the report block of the present source, with the loss since our last report (RFC 3550 §A.3)."""
        if not received.ssrc or not received.ssrc_packets:
            return ()
        if known.counted_ssrc != received.ssrc:
            known.counted_ssrc, known.expected, known.received = received.ssrc, 0, 0
        expected = received.highest_sequence - received.base_sequence + 1
        newly_expected, newly_received = expected - known.expected, received.ssrc_packets - known.received
        known.expected, known.received = expected, received.ssrc_packets
        newly_lost = max(0, newly_expected - newly_received)
        last_report, came = self._sender_reports.get(received.ssrc, (0, now))
        block = rtcp.ReportBlock(
            ssrc=received.ssrc,
            fraction_lost=min(255, newly_lost * 256 // newly_expected) if newly_expected > 0 else 0,
            lost=expected - received.ssrc_packets,
            highest_sequence=received.highest_sequence & 0xFFFFFFFF,
            jitter=received.jitter & 0xFFFFFFFF,
            last_report=last_report,
            delay=min(0xFFFFFFFF, round((now - came) * 65536)) if last_report else 0,
        )
        return (block,)

    def _feedback(self, known: _Stream, packet: bytes) -> SendRtcp:
        """A feedback packet stands alone where that was agreed (RFC 5506), else behind an empty report and the CNAME."""
        if known.rules.reduced_size:
            return SendRtcp(packet)
        report = rtcp.write_receiver_report(rtcp.ReceiverReport(ssrc=known.ssrc))
        return SendRtcp(report + rtcp.write_source_description([known.ssrc], self._cname) + packet)

    def _ntp(self, now: float) -> int:
        """Return the 64-bit NTP time of `now`."""
        return int((now + self._epoch) * 4294967296) & 0xFFFFFFFFFFFFFFFF
