"""Figures about transports and streams as plain frozen values; the call layer makes its reports of them."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from boringsdp.relay.engine import Address, Latch, PortStatistics
from boringsdp.relay.ports import same_family
from boringsdp.values import Value

if TYPE_CHECKING:
    from boringsdp.relay.raw import RawTransport
    from boringsdp.relay.transport import Transport

NOT_SENT = frozenset({"late", "no_address", "too_long"})
"""Why packets did not go out, besides reasons that begin with `send_`; all others are of what came (`no_keys` may be either)."""


class Counts(Value, frozen=True, kw_only=True):
    """Whole packets and their octets as they came or went, headers included; `errors` are those dropped."""

    packets: int = 0
    bytes: int = 0
    errors: int = 0


class QualitySample(NamedTuple):
    """
    How well a peer was received at one time.

    `at` is wallclock seconds, `mos` 1.0 to 4.5, `loss_percent` 0 to 100 of the interval. `leg_round_trip_us` is the round trip with the
    peer itself, `round_trip_us` that and the one with whoever hears the peer; 0 when unknown.
    """

    at: float
    mos: float
    jitter_ms: float
    loss_percent: float
    round_trip_us: int
    leg_round_trip_us: int = 0


class SsrcFigures(Value, frozen=True, kw_only=True):
    """
    One source that a peer sent, over its life. `samples` are about `interval_s` apart, bounded, oldest first.

    `lowest` and `highest` are the samples with the worst and best MOS. `bytes` are RTP payload octets. `last_timestamp` and `last_sequence`
    are of the latest packet; of a source that was followed by another, of the latest one at its last sample.
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


class PortFigures(Value, frozen=True, kw_only=True):
    """One of our ports towards a peer: RTP, or RTCP where it has its own. `last_packet` is wallclock seconds, 0 when none came."""

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
    received_rtcp: Counts = Counts()
    """What of `received` was RTCP that shares the port of RTP."""
    sent: Counts = Counts()
    unmapped: int = 0
    """How many of `received` were dropped for a payload type that the other leg does not have."""
    ssrcs: tuple[int, ...] = ()
    flags: frozenset[str] = frozenset()
    """Any of: filled (an address is known), confirmed (learned), strict, handover, ice, fingerprint-verified, muxed."""


def port_figures(transport: Transport, epoch: float) -> tuple[PortFigures, ...]:
    """
    Return the figures of RTP, then of RTCP where it has a port of its own; else RTCP is counted with RTP.

    `epoch` is wall clock minus monotonic seconds.
    """
    counted = transport.statistics()
    host, port = _local(transport.addresses, counted.remote)
    rtcp_port = transport.rtcp_port
    secured = transport.dtls is not None and transport.dtls.established
    flags = _flags(ice=transport.ice, latch=transport.latch, verified=secured) | (frozenset() if rtcp_port is not None else {"muxed"})
    ssrcs = tuple(ssrc for stream in transport.streams if (ssrc := stream.statistics().received.ssrc))
    noted, noted_rtcp = transport.announced
    make = functools.partial(_figures, suite=transport.suite, ssrcs=ssrcs, flags=flags, epoch=epoch)
    if rtcp_port is None:
        return (make((counted.rtp, counted.rtcp), local=(host, port), noted=noted, drops=counted.drops),)
    return (
        make((counted.rtp,), local=(host, port), noted=noted, drops=counted.drops),
        make((counted.rtcp,), local=(host, rtcp_port), noted=noted_rtcp, drops={}, rtcp=True),
    )


def raw_figures(transport: RawTransport, epoch: float) -> tuple[PortFigures, ...]:
    """Return the figures of the one port."""
    counted = transport.statistics()
    flags = _flags(ice=False, latch=transport.latch, verified=False)
    return (_figures((counted.rtp,), local=transport.addresses[0], noted=None, drops=counted.drops, epoch=epoch, flags=flags),)


def _local(addresses: Sequence[Address], remote: Address | None) -> Address:
    """Return the one of our addresses that is of the peer's family; the first while it is not known."""
    return next((each for each in addresses if remote is not None and same_family(each[0], remote[0])), addresses[0])


def _flags(*, ice: bool, latch: Latch | None, verified: bool) -> frozenset[str]:
    known = {"ice": ice, "strict": latch is Latch.STRICT, "handover": latch is Latch.FOLLOW, "fingerprint-verified": verified}
    return frozenset(name for name, holds in known.items() if holds)


def _figures(
    counted: tuple[PortStatistics, ...],
    *,
    local: Address,
    noted: Address | None,
    drops: Mapping[str, int],
    epoch: float,
    flags: frozenset[str],
    rtcp: bool = False,
    suite: str = "",
    ssrcs: tuple[int, ...] = (),
) -> PortFigures:
    """Return the figures of a port from what was counted there; `counted` begins with the one whose addresses it has."""
    main = counted[0]
    last = max(each.last_arrival for each in counted)
    unsent = sum(count for reason, count in drops.items() if reason in NOT_SENT or reason.startswith("send_"))
    learned = {"filled": main.remote is not None, "confirmed": main.remote is not None and main.learned}
    return PortFigures(
        rtcp=rtcp,
        local=local,
        remote=main.remote,
        announced=main.announced or noted,
        suite=suite,
        last_packet=last + epoch if last else 0.0,
        received=Counts(
            packets=sum(each.packets_received for each in counted),
            bytes=sum(each.bytes_received for each in counted),
            errors=sum(drops.values()) - unsent,
        ),
        received_rtcp=Counts(
            packets=sum(each.packets_received for each in counted[1:]), bytes=sum(each.bytes_received for each in counted[1:])
        ),
        sent=Counts(packets=sum(each.packets_sent for each in counted), bytes=sum(each.bytes_sent for each in counted), errors=unsent),
        unmapped=drops.get("payload_type", 0),
        ssrcs=ssrcs,
        flags=flags | {name for name, holds in learned.items() if holds},
    )
