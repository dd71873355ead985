"""Figures about transports and streams as plain frozen values; the call layer makes its reports of them."""

from __future__ import annotations

from dataclasses import dataclass

from boringsdp.relay.engine import Address


@dataclass(slots=True, frozen=True, kw_only=True)
class Counts:
    """Whole packets and their octets as they came or went, headers included; `errors` are those dropped."""

    packets: int = 0
    bytes: int = 0
    errors: int = 0


@dataclass(slots=True, frozen=True, kw_only=True)
class QualitySample:
    """
    How well a peer was received at one time.

    `at` is wallclock seconds, `mos` 1.0 to 4.5, `loss_percent` 0 to 100 of the interval. `leg_round_trip_us` is the round trip with the peer
    itself, `round_trip_us` that and the one with whoever hears the peer; 0 when unknown.
    """

    at: float
    mos: float
    jitter_ms: float
    loss_percent: float
    round_trip_us: int
    leg_round_trip_us: int = 0


@dataclass(slots=True, frozen=True, kw_only=True)
class SsrcFigures:
    """
    One source that a peer sent, over its life. `samples` are about `interval_s` apart, bounded, oldest first.

    `lowest` and `highest` are the samples with the worst and best MOS. `bytes` are RTP payload octets.
    """

    ssrc: int
    packets: int = 0
    bytes: int = 0
    last_timestamp: int = 0
    last_sequence: int = 0
    lost: int = 0
    average: QualitySample | None = None
    lowest: QualitySample | None = None
    highest: QualitySample | None = None
    sample_count: int = 0
    interval_s: float = 0.0
    samples: tuple[QualitySample, ...] = ()


@dataclass(slots=True, frozen=True, kw_only=True)
class PortFigures:
    """One of our ports towards a peer: RTP, or RTCP when that has a port of its own. `last_packet` is wallclock seconds, 0 when none came."""

    rtcp: bool
    local: Address
    """As peers are told."""
    remote: Address | None = None
    """Where we send now."""
    announced: Address | None = None
    """Where the peer's SDP said it is."""
    suite: str = ""
    """SRTP protection profile in force, empty in the clear."""
    last_packet: float = 0.0
    received: Counts = Counts()
    sent: Counts = Counts()
    ssrcs: tuple[int, ...] = ()
    flags: frozenset[str] = frozenset()
    """Any of: filled (an address is known), confirmed (learned), strict, handover, ice, fingerprint-verified, muxed."""
