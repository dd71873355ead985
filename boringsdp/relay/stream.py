"""One m-line of a transport, as the call layer holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from boringsdp.relay.engine import StreamId
from boringsdp.relay.rules import StreamRules

if TYPE_CHECKING:
    from boringsdp.relay.transport import Transport


class Stream:
    """Made by `Transport.add_stream`. `ssrc` is what we send with, the same for the stream's life."""

    id: StreamId
    ssrc: int
    rules: StreamRules
    transport: Transport

    def update(self, rules: StreamRules) -> None:
        """Replace the rules (re-offer); counters, SSRC and routes go on."""
        raise NotImplementedError

    def request_key_frame(self) -> None:
        """Ask the peer that sends us this stream for a key frame, at most once per half second; nothing for audio or towards AVP."""
        raise NotImplementedError

    def send_dtmf(self, digits: str, duration_ms: int = 100, gap_ms: int = 50) -> int:
        """Queue digits (0-9*#ABCD, others are skipped) towards this stream's peer; returns how many were queued, 0 without telephone-event."""
        raise NotImplementedError

    def quality(self) -> dict[str, Any]:
        """
        Return `{"received": {...}, "sent": {...}, "round_trip_ms": ms | None}` of plain values.

        Each half has packets, bytes, lost, loss (fraction), jitter_ms, mos (1..4.5 | None, audio only), level_dbov (0..-127 | None) and ssrc;
        `sent` loss and jitter are what the peer reports, None until it has.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Remove the stream and every route from and to it; announces BYE."""
        raise NotImplementedError
