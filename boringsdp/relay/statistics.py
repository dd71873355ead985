"""
What an engine counts and says of itself: plain values, read through `Engine.statistics` and its kin.

A stream's are tuples: they are read hundreds of times a second, and making a dataclass of them costs more than all that is done with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from boringsdp.relay.names import Address, StreamId, TransportId
from boringsdp.values import Value


class ReceiveStatistics(NamedTuple):
    """What arrived on a stream, of its present SSRC where RFC 3550 counts by SSRC, else over the stream's life."""

    ssrc: int = 0
    packets: int = 0
    bytes: int = 0
    """RTP payload octets."""
    lost: int = 0
    """Expected minus received, never below 0, summed over all SSRCs (RFC 3550 §A.3)."""
    duplicates: int = 0
    reordered: int = 0
    jitter: int = 0
    """In ticks of `clock_rate` (RFC 3550 §A.8)."""
    clock_rate: int = 8000
    payload_type: int = -1
    highest_sequence: int = 0
    """Extended: cycles in the upper 16 bits. `last_timestamp` is that packet's, in RTP ticks."""
    last_timestamp: int = 0
    base_sequence: int = 0
    ssrc_packets: int = 0
    """Packets of the present SSRC only, for report blocks."""
    last_arrival: float = 0.0
    level_dbov: int | None = None
    """Level of a recent packet, 0 (loudest) to -127: from the audio level extension, or measured on G.711; None when unknown."""


class SendStatistics(NamedTuple):
    """What was sent on a stream."""

    ssrc: int = 0
    packets: int = 0
    bytes: int = 0
    """RTP payload octets, as a sender report counts them."""
    last_timestamp: int = 0
    last_sent: float = 0.0
    last_sequence: int = 0
    clock_rate: int = 8000


class RouteState(NamedTuple):
    """How the route into a target rewrites now, for translating feedback: out = source + offset (mod 2^16, 2^32)."""

    source: StreamId
    source_ssrc: int
    sequence_offset: int
    timestamp_offset: int


class StreamStatistics(NamedTuple):
    received: ReceiveStatistics
    sent: SendStatistics
    route: RouteState | None


class PortStatistics(Value, frozen=True, kw_only=True):
    """RTP, or RTCP, of one transport, whether each has a port of its own or not. DTLS and STUN are counted with neither."""

    remote: Address | None = None
    """Where it is sent to now."""
    announced: Address | None = None
    """What `set_remote` said; None while ICE counts."""
    learned: bool = False
    """`remote` was proved by a packet from there (by a check, with ICE), and is not only announced. STRICT and ASYMMETRIC learn nothing."""
    last_arrival: float = 0.0
    """Monotonic time of the last valid packet; 0.0: there was none."""
    packets_received: int = 0
    bytes_received: int = 0
    packets_sent: int = 0
    bytes_sent: int = 0


class TransportStatistics(Value, frozen=True, kw_only=True):
    """
    Counters of one transport, DTLS included. `drops` by reason. On a raw transport `rtp` counts the datagrams.

    In: unverified, replayed, duplicate, jumped, malformed, no_keys, unknown_source, unknown_ssrc, too_many_ssrcs, payload_type,
    padding_only, former_ssrc, stun_refused, silenced, too_long and not_forwarded (raw). Out, counted with the target: late, no_keys,
    no_address, too_long, send_blocked, send_failed, send_<reason>.
    """

    remote: Address | None
    rtcp_remote: Address | None
    packets_received: int
    bytes_received: int
    packets_sent: int
    bytes_sent: int
    drops: Mapping[str, int]
    rtp: PortStatistics = PortStatistics()
    rtcp: PortStatistics = PortStatistics()


class EngineStatistics(Value, frozen=True, kw_only=True):
    """`drops` counts what belonged to no transport."""

    streams: Mapping[StreamId, StreamStatistics]
    transports: Mapping[TransportId, TransportStatistics]
    drops: Mapping[str, int]


class EngineFacts(Value, frozen=True, kw_only=True):
    """`sockets` says how plain ports are had: `per-call`, or `steered` into few. `hold_us`: how long packets wait to be taken together."""

    name: str
    workers: int = 1
    sockets: str = "per-call"
    reason: str = ""
    """Why `sockets` is what it is, when another way was asked for or would be cheaper."""
    hold_us: int = 0
