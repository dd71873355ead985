"""One m-line of a transport, as the call layer holds it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from boringsdp.errors import WrongState
from boringsdp.relay.engine import StreamId, StreamSpec, StreamStatistics, TelephoneEventReceived
from boringsdp.relay.figures import SsrcFigures
from boringsdp.relay.history import QualityHistory
from boringsdp.relay.news import Dtmf
from boringsdp.relay.rules import StreamRules
from boringsdp.relay.tones import ToneReader, ToneSender
from boringsdp.rtp.dtmf import Inject, events_of
from boringsdp.rtp.quality import estimate_mos

if TYPE_CHECKING:
    from boringsdp.relay.transport import Transport

KEPT_PACKETS = 128
"""Packets of a video stream kept to be sent again, at most 190 kB: half a second at 2.5 Mbit/s."""


class Stream:
    """Made by `Transport.add_stream`. `ssrc` is what we send with, the same for the stream's life."""

    def __init__(self, transport: Transport, stream: StreamId, ssrc: int, rules: StreamRules) -> None:
        self.transport = transport
        self.id = stream
        self.ssrc = ssrc
        self.rules = rules
        self.closed = False
        self._reader: ToneReader | None = None
        self._sender: ToneSender | None = None
        self._tell_engine()

    def update(self, rules: StreamRules) -> None:
        """Replace the rules (re-offer); counters, SSRC and routes go on. Raises `WrongState` after close."""
        if self.closed:
            raise WrongState("closed", "an open stream")
        if rules == self.rules:
            return
        self.rules = rules
        self._tell_engine()
        self.transport.relay.formats_changed(self)
        if self._sender is not None:
            self._sender.set_clock_rate(rules.dtmf_clock_rate)

    def request_key_frame(self) -> None:
        """Ask the peer that sends us this stream for a key frame, at most once per half second; nothing for audio or towards AVP."""
        if not self.closed:
            self.transport.request_key_frame(self)

    def send_dtmf(self, digits: str, duration_ms: int = 100, gap_ms: int = 50, volume_dbm0: int = -10) -> int:
        """
        Queue digits (0-9*#ABCD, others are skipped) towards this peer; returns how many were queued, 0 without telephone-event.

        A digit lasts 100 to 5000 ms, the gap after it 50 to 5000 ms; `volume_dbm0` is 0 to -63 (a positive one means the negative).
        """
        sender = self.tones
        return 0 if sender is None else sender.enqueue(events_of(digits), duration_ms, gap_ms, abs(volume_dbm0))

    @property
    def history(self) -> QualityHistory:
        """How well the peer's present source was received, sampled every 5 s while media flows (audio only)."""
        return self.transport.sampler.history(self.id)

    def sources(self) -> tuple[SsrcFigures, ...]:
        """What each source that the peer sent on this stream came to, the present one last; the oldest of many are forgotten."""
        return self.transport.sampler.sources(self.id)

    def statistics(self) -> StreamStatistics:
        """The engine's figures of this stream."""
        return self.transport.relay.engine.stream_statistics(self.id)

    def quality(self) -> dict[str, Any]:
        """
        Return `{"received": {...}, "sent": {...}, "round_trip_ms": ms | None}` of plain values.

        Each half has ssrc, codec, packets, bytes, lost, loss (fraction), jitter_ms, mos (1..4.5 | None, audio only) and level_dbov
        (0..-127 | None); `sent` loss and jitter are what the peer reports, None until it has.
        """
        figures = self.statistics()
        received, sent = figures.received, figures.sent
        report = self.transport.reporter.peer_report(self.id)
        source = None if figures.route is None else self.transport.relay.stream(figures.route.source)
        heard = None if source is None else source.statistics().received
        round_trip = None if report is None or report.round_trip_ms is None else round(report.round_trip_ms, 2)
        loss = received.lost / max(1, received.lost + received.packets)
        jitter_ms = received.jitter * 1000 / max(1, received.clock_rate)
        sent_loss = None if report is None else min(1.0, report.lost / max(1, sent.packets))
        sent_jitter_ms = None if report is None else report.jitter * 1000 / max(1, sent.clock_rate)
        sent_codec = "" if source is None or heard is None else source.codec(heard.payload_type)
        return {
            "received": {
                "ssrc": received.ssrc,
                "packets": received.packets,
                "bytes": received.bytes,
                "lost": received.lost,
                "loss": round(loss, 5),
                "jitter_ms": round(jitter_ms, 2),
                "mos": self._mos(self.codec(received.payload_type), received.packets, loss, jitter_ms, round_trip),
                "level_dbov": received.level_dbov,
                "codec": self.codec(received.payload_type),
                "duplicates": received.duplicates,
                "reordered": received.reordered,
            },
            "sent": {
                "ssrc": self.ssrc,
                "packets": sent.packets,
                "bytes": sent.bytes,
                "lost": None if report is None else report.lost,
                "loss": None if sent_loss is None else round(sent_loss, 5),
                "jitter_ms": None if sent_jitter_ms is None else round(sent_jitter_ms, 2),
                "mos": None
                if sent_loss is None or sent_jitter_ms is None
                else self._mos(sent_codec, sent.packets, sent_loss, sent_jitter_ms, round_trip),
                "level_dbov": None if heard is None else heard.level_dbov,
                "codec": sent_codec,
            },
            "round_trip_ms": round_trip,
        }

    def record(self) -> dict[str, Any]:
        """Everything worth writing down, JSON-able."""
        rules = self.rules
        return {
            "id": int(self.id),
            "ssrc": self.ssrc,
            "kind": rules.kind,
            "mid": rules.mid,
            "formats": {str(number): [form.name, form.clock_rate] for number, form in rules.formats.items()},
            "feedback": sorted(rules.feedback),
            "rtcp": rules.rtcp,
            "dtmf_payload_type": rules.dtmf_payload_type,
            "receive": rules.receive,
            "quality": self.quality(),
        }

    def close(self) -> None:
        """Remove the stream and every route from and to it; announces BYE."""
        if not self.closed:
            self.transport.remove_stream(self)

    # --- for the relay -------------------------------------------------------------------------------------------------------------------

    def codec(self, payload_type: int) -> str:
        """Return the encoding name of a payload type that may arrive, empty when unknown."""
        form = self.rules.formats.get(payload_type)
        return "" if form is None else form.name

    @property
    def tones(self) -> ToneSender | None:
        """What sends digits on this stream; None when the peer has no telephone-event."""
        if self.closed or self.rules.dtmf_payload_type is None:
            return None
        if self._sender is None:
            relay = self.transport.relay
            self._sender = ToneSender(self._inject, relay.settings.minimum_digit_ms, relay.loop)
            self._sender.set_clock_rate(self.rules.dtmf_clock_rate)
        return self._sender

    def receive_tone(self, packet: TelephoneEventReceived, clock_rate: int) -> None:
        """Take one event packet of this stream's peer."""
        if self._reader is None:
            relay = self.transport.relay
            self._reader = ToneReader(self._tone_targets, self._tell_digit, relay.settings.minimum_digit_ms, relay.loop)
        self._reader.receive(packet, clock_rate)

    def release(self) -> None:
        """End the digits that are being heard or sent."""
        if self._reader is not None:
            self._reader.close()
        if self._sender is not None:
            self._sender.close()
        self._reader = self._sender = None
        self.closed = True

    def _tone_targets(self) -> Iterator[ToneSender]:
        for target in self.transport.relay.tone_targets(self):
            if (sender := target.tones) is not None:
                yield sender

    def _tell_digit(self, digit: str, duration_ms: int, volume: int) -> None:
        self.transport.tell(Dtmf(self, digit, duration_ms, volume))

    def _inject(self, packet: Inject) -> None:
        if self.rules.dtmf_payload_type is not None and not self.closed and not self.transport.waits:
            engine = self.transport.relay.engine
            engine.inject(self.id, self.rules.dtmf_payload_type, packet.payload, marker=packet.marker, same_timestamp=packet.same_timestamp)

    def _mos(self, codec: str, packets: int, loss: float, jitter_ms: float, round_trip: float | None) -> float | None:
        if self.rules.kind != "audio" or not packets:
            return None
        return estimate_mos(codec, loss, jitter_ms, round_trip)

    def _tell_engine(self) -> None:
        rules = self.rules
        self.transport.relay.engine.add_stream(
            StreamSpec(
                id=self.id,
                transport=self.transport.id,
                kind=rules.kind,
                send_ssrc=self.ssrc,
                clock_rates={number: form.clock_rate for number, form in rules.formats.items()},
                mid=rules.mid,
                mid_extension=rules.mid_extension,
                audio_level_extension=rules.audio_level_extension,
                ssrcs=rules.ssrcs,
                silence_s=self.transport.relay.settings.silence_s,
                keep=KEPT_PACKETS if rules.kind == "video" and "nack" in rules.feedback else 0,
            )
        )
        self.transport.stream_changed(self)
