"""What a call is and how it fares, as plain frozen values: for query and statistics replies, dashboards and records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from boringsdp.call.events import Party

Address = tuple[str, int]


@dataclass(slots=True, frozen=True, kw_only=True)
class Counts:
    """Whole packets and their octets as they came or went, headers included; `errors` are those dropped."""

    packets: int = 0
    bytes: int = 0
    errors: int = 0


@dataclass(slots=True, frozen=True, kw_only=True)
class QualitySample:
    """Quality at one time; `mos` 1.0 to 4.5, `loss_percent` 0 to 100 of the interval, `at` wallclock seconds."""

    at: float
    mos: float
    jitter_ms: float
    loss_percent: float
    round_trip_us: int
    leg_round_trip_us: int = 0


@dataclass(slots=True, frozen=True, kw_only=True)
class SsrcReport:
    """One source that we received from a party. `samples` are at regular intervals of `interval_s`, bounded, oldest first."""

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
class PortReport:
    """One of our ports towards a party: RTP, or RTCP. `last_packet` is wallclock seconds, 0 when none came."""

    rtcp: bool
    local: Address
    remote: Address | None = None
    """Where we send now."""
    announced: Address | None = None
    """Where its SDP said it is."""
    suite: str = ""
    """SRTP protection profile in force, empty in the clear."""
    last_packet: float = 0.0
    received: Counts = Counts()
    received_rtcp: Counts = Counts()
    """What of `received` was RTCP that shares the port of RTP."""
    sent: Counts = Counts()
    unmapped: int = 0
    """How many of `received` were dropped for a payload type that the other leg does not have."""
    ssrcs: tuple[int, ...] = ()
    flags: frozenset[str] = frozenset()
    """Any of: filled (an address is known), confirmed (learned), strict, handover, ice, fingerprint-verified, muxed."""


@dataclass(slots=True, frozen=True, kw_only=True)
class MediaReport:
    """One m-line of a leg; `index` counts from 1."""

    index: int
    kind: str
    protocol: str
    codec: str = ""
    mid: str = ""
    receive: bool = False
    send: bool = False
    payload_type: int | None = None
    """Of the last packet received, None before one."""
    received_ssrcs: tuple[int, ...] = ()
    sent_ssrcs: tuple[int, ...] = ()
    flags: frozenset[str] = frozenset()
    """Any of: initialized, asymmetric, rtcp-mux, dtls, dtls-active, dtls-passive, sdes, ice, trickle, ice-lite-peer, ice-lite-self,
    feedback, blocked, silenced, raw."""
    ports: tuple[PortReport, ...] = ()


@dataclass(slots=True, frozen=True, kw_only=True)
class LegReport:
    """One leg. `branch` is empty for party A. `joined` is True for those between whom media flows now."""

    party: Party
    branch: str = ""
    tag: str = ""
    """The tag of who answered last on the leg, as the front named it."""
    label: str = ""
    created: float = 0.0
    joined: bool = False
    medias: tuple[MediaReport, ...] = ()

    def received(self, *, rtcp: bool) -> Counts:
        """Return what came from the party, RTP or RTCP. A port that several m-lines share counts once; its errors are of RTP."""
        ports = {(port.rtcp, port.local, port.remote): port for media in self.medias for port in media.ports}.values()
        counts = [port.received for port in ports if port.rtcp is rtcp]
        muxed = [port.received_rtcp for port in ports if not port.rtcp]
        sign = 1 if rtcp else -1
        return Counts(
            packets=sum(each.packets for each in counts) + sign * sum(each.packets for each in muxed),
            bytes=sum(each.bytes for each in counts) + sign * sum(each.bytes for each in muxed),
            errors=sum(each.errors for each in counts),
        )


@dataclass(slots=True, frozen=True, kw_only=True)
class CallReport:
    """A whole call; times are wallclock seconds."""

    call_id: str
    created: float
    last_signal: float
    state: str
    legs: tuple[LegReport, ...] = ()
    rtp: Counts = Counts()
    rtcp: Counts = Counts()
    ssrcs: Mapping[int, SsrcReport] = field(default_factory=dict)
