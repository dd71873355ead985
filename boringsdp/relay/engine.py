"""
The engine contract: what moves packets, seen from above.

An engine owns UDP ports, transports, streams and routes, and knows nothing of calls, SDP or policy. The contract is message-shaped: every
command takes plain values and returns nothing that must be awaited, every piece of news comes back as an event in a batch, so that an
engine can live in another thread or process. `asyncio_engine.py` is the specification; a second engine must pass `tests/relay/conformance`.

    port        a bound UDP socket. A shared port serves many transports, told apart by ICE or by their peers' addresses; an own port one.
    transport   one 5-tuple's worth of RTP and RTCP with its keying: a BUNDLE group of a WebRTC leg, or one m-line of a plain leg.
    stream      one m-line carried by a transport, both directions.
    route       from a stream of one leg to a stream of another (or the same: echo), with its rewriting rules.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from boringsdp.relay.names import Address as Address
from boringsdp.relay.names import PortId as PortId
from boringsdp.relay.names import StreamId as StreamId
from boringsdp.relay.names import TransportId as TransportId
from boringsdp.relay.statistics import EngineFacts as EngineFacts
from boringsdp.relay.statistics import EngineStatistics as EngineStatistics
from boringsdp.relay.statistics import PortStatistics as PortStatistics
from boringsdp.relay.statistics import ReceiveStatistics as ReceiveStatistics
from boringsdp.relay.statistics import RouteState as RouteState
from boringsdp.relay.statistics import SendStatistics as SendStatistics
from boringsdp.relay.statistics import StreamStatistics as StreamStatistics
from boringsdp.relay.statistics import TransportStatistics as TransportStatistics
from boringsdp.rtp.keys import Keys as Keys
from boringsdp.rtp.keys import Profile as Profile
from boringsdp.values import Value

EMPTY: Mapping[int, int] = {}


class Way(enum.Enum):
    """Which direction a key is for, seen from the gateway."""

    RECEIVE = "receive"
    SEND = "send"


@dataclass(slots=True, frozen=True)
class IceCredentials:
    """ICE user fragment and password (RFC 8839 §5.4)."""

    ufrag: str
    password: str = field(repr=False)


class Latch(enum.Enum):
    """How a transport without ICE learns where its peer really is."""

    STRICT = "strict"
    """Only the announced address is heard and sent to."""
    ONCE = "once"
    """The first source that sends a valid packet (authenticated, when the transport is secured) inside the window replaces the announced
    address; after that only it is heard. Until the next `set_remote` nothing moves again."""
    FOLLOW = "follow"
    """The peer may move at any time (media handover)."""
    DELAYED = "delayed"
    """FOLLOW for the first `learn_s` seconds after `set_remote`, so that late packets of a former path settle nothing; then as ONCE, whose
    window begins there."""
    HEURISTIC = "heuristic"
    """As DELAYED, but within `learn_s` a source at the announced address and port, then at the announced address, beats any other: what is
    further off is not heard once it has spoken."""
    ASYMMETRIC = "asymmetric"
    """Every source is heard, and what we send goes to the announced address alone: a peer that sends and receives in different places."""


class TransportSpec(Value, frozen=True, kw_only=True):
    """
    Where a transport lives and how it is protected.

    With `ice` and not `own`, packets reach it by ICE user fragment and then by remote address, over any of `ports`, which other transports
    may share. Else `ports` is the one RTP port that belongs to it, and `rtcp_port` its RTCP port; None means rtcp-mux. `own` with `ice`:
    the ports answer ICE checks, each port is one component and has its own path, and only a path that a check has proved counts, until
    `set_remote` says that the peer speaks no ICE.
    With `shared` (no ICE, not `own`, not `raw`) other such transports share the RTP port, and the RTCP port: what comes from exactly the
    address that `set_remote` announced belongs to the transport, nothing else, and nothing before. Its latch is STRICT, whatever is said.
    A port serves either ICE transports or such ones.
    A `secured` transport passes no RTP or RTCP in either direction before `set_keys` was called for that direction.
    With `raw` (UDPTL and the like) nothing is parsed: datagrams go to where `forward` says. `tos` is the IPv4 TOS or IPv6 traffic class.
    """

    id: TransportId
    ports: tuple[PortId, ...]
    rtcp_port: PortId | None = None
    ice: IceCredentials | None = None
    secured: bool = False
    latch: Latch = Latch.ONCE
    own: bool = False
    shared: bool = False
    raw: bool = False
    tos: int = 0
    latch_window_s: float = 10.0
    learn_s: float = 3.0
    consent_timeout_s: float = 30.0
    max_addresses: int = 8
    max_ssrcs: int = 32


class StreamSpec(Value, frozen=True, kw_only=True):
    """
    One m-line. Incoming packets belong to it by MID extension, then by SSRC, then by payload type (RFC 8843 §9.2).

    `clock_rates` maps each receivable payload type to its RTP clock in Hz (for jitter); its keys are the accepted payload types.
    `silence_s` is how long no packet may arrive before `MediaReceiving(…, False)`. `keep` is how many of the packets sent last are kept for
    `resend`.
    """

    id: StreamId
    transport: TransportId
    kind: str
    send_ssrc: int
    clock_rates: Mapping[int, int]
    mid: str = ""
    mid_extension: int = 0
    audio_level_extension: int = 0
    ssrcs: frozenset[int] = frozenset()
    silence_s: float = 1.0
    keep: int = 0


class Route(Value, frozen=True, kw_only=True):
    """
    Rewriting rules from one stream to another. A target is fed by one route at a time; a source may feed several targets.

    `payload_types` maps incoming to outgoing payload types; what is absent is dropped and counted. `telephone_events` are incoming payload
    types that are never forwarded but reported as `TelephoneEvent`. `extensions` maps header extension ids; what is absent is removed.
    `constant_extensions` are added to every packet (MID). SSRC, sequence and timestamp are always rewritten to the target's own,
    continuous over changes of the source. With `enabled=False` (hold) packets are received and counted but not forwarded.
    `silence` replaces the payload of these incoming payload types: one octet is repeated over its length, more are the new payload, none
    leaves the packet out (dropped as `silenced`). Header extensions that the sender put on such a packet are not passed on: a level or a
    voice mark would tell what is hidden.
    """

    source: StreamId
    target: StreamId
    payload_types: Mapping[int, int]
    telephone_events: frozenset[int] = frozenset()
    extensions: Mapping[int, int] = msgspec.field(default_factory=dict)
    constant_extensions: Mapping[int, bytes] = msgspec.field(default_factory=dict)
    silence: Mapping[int, bytes] = msgspec.field(default_factory=dict)
    enabled: bool = True


# --- events, from the engine upwards -----------------------------------------------------------------------------------------------------


class PathSelected(Value, frozen=True):
    """The transport's peer is now known to be at `remote`: by an authenticated ICE check, or by latching."""

    transport: TransportId
    remote: Address


class RtcpPathSelected(Value, frozen=True):
    """The same of a transport's own RTCP port, when RTCP does not share the RTP port."""

    transport: TransportId
    remote: Address


class ConsentLost(Value, frozen=True):
    """
    No authenticated ICE check came for the consent timeout (RFC 7675); the transport no longer sends.

    On own ports only of a peer that went on checking for a third of that time: agents of RFC 5245 check no more once they are done. There
    the RTCP port's path is given up by itself, without an event.
    """

    transport: TransportId


class IceRestarted(Value, frozen=True):
    """The peer used the new credentials for the first time; the old ones are no longer accepted."""

    transport: TransportId


class DtlsReceived(Value, frozen=True):
    """
    A datagram whose first byte is 20..63, from an address that ICE or latching has accepted. `rtcp`: it came to the RTCP port.

    On an own port it is heard from any source that latching would allow now, before the first `set_remote` from any at all, but moves
    nothing by itself.
    """

    transport: TransportId
    data: bytes
    rtcp: bool = False
    source: Address | None = None


class RtcpReceived(Value, frozen=True):
    """A compound RTCP packet, already decrypted; not yet parsed."""

    transport: TransportId
    data: bytes
    at: float


class TelephoneEventReceived(Value, frozen=True):
    """One packet of an RFC 4733 event train, never forwarded by the engine. `duration` is in ticks of the payload type's clock."""

    stream: StreamId
    ssrc: int
    timestamp: int
    payload_type: int
    event: int
    end: bool
    volume: int
    duration: int
    at: float


class SsrcSeen(Value, frozen=True):
    """A first verified packet of a new synchronisation source."""

    stream: StreamId
    ssrc: int
    payload_type: int


class MediaReceiving(Value, frozen=True):
    """Media began to arrive (True) or has not arrived for the stream's `silence_s` (False)."""

    stream: StreamId
    receiving: bool


class AuthFailures(Value, frozen=True):
    """Packets that did not verify since the last such event; at most one event a second for each transport."""

    transport: TransportId
    count: int


class NotKept(Value, frozen=True):
    """Of what `resend` asked for, these sequence numbers (as we would have sent them) are not kept: they never came, or long ago."""

    stream: StreamId
    sequences: tuple[int, ...]


class TransportFailed(Value, frozen=True):
    """A defect of the engine's own met in a packet of this transport: it carries nothing any more, everything else goes on."""

    transport: TransportId


Event = (
    PathSelected
    | RtcpPathSelected
    | ConsentLost
    | IceRestarted
    | DtlsReceived
    | RtcpReceived
    | TelephoneEventReceived
    | SsrcSeen
    | MediaReceiving
    | AuthFailures
    | NotKept
    | TransportFailed
)


class Engine(Protocol):
    """
    What every engine offers. Commands raise `LocalError` kinds only: `WrongState` for an unknown id or a command out of turn,
    `Exhausted` for a bound that is reached. Nothing a peer sends raises; it is counted.
    """

    @property
    def facts(self) -> EngineFacts:
        """What this engine is, to be told at start."""

    def open_port(self, address: Address, worker: int = 0) -> tuple[PortId, Address]:
        """
        Bind a UDP port (port 0: any) and return its id and real address. Raises OSError when it cannot be bound.

        `worker` is who reads it, below `facts.workers`. All ports of one transport belong to one worker; routes may lead to another.
        """

    def close_port(self, port: PortId) -> None: ...

    def add_transport(self, spec: TransportSpec) -> None: ...

    def remove_transport(self, transport: TransportId) -> None:
        """Forget the transport, its streams and every route from or to them."""

    def restart_ice(self, transport: TransportId, credentials: IceCredentials) -> None:
        """
        Accept `credentials` beside the present ones until the peer has used them once (RFC 8445 §9).

        On an own transport of which `set_remote` said that the peer speaks no ICE, media goes on as it did until the first valid check
        brings ICE back, or `set_remote` is called again.
        """

    def set_remote(self, transport: TransportId, rtp: Address | None, rtcp: Address | None, latch: Latch) -> None:
        """
        Say where the peer announced itself; opens the latching window anew. None: send nothing until latched.

        On a transport with an RTCP port of its own, `rtcp == rtp` means rtcp-mux: RTCP then leaves from the RTP port and is heard there.
        An address that is announced again does not undo what was latched (a peer behind NAT repeats its private one) unless `latch` is
        STRICT or ASYMMETRIC. On an own transport with ICE it says that the peer speaks none: checks are still answered, but move nothing
        until `restart_ice`. On shared ports: a peer that is ICE-lite too is there, until a check proves another place; another transport's
        address is not taken; None ends that. With `shared` an address that another transport of that port has is refused, and nothing
        changes. Raises `WrongState` for a host name, and then.
        """

    def mux_rtcp(self, transport: TransportId, muxed: bool) -> None:
        """
        RTCP shares the RTP port although the transport has an RTCP port (rtcp-mux was agreed, RFC 5761), or does so no longer.

        Needed with ICE; without, `set_remote` with the same address for both says it too. RTCP then uses the keys of RTP.
        """

    def set_tos(self, transport: TransportId, tos: int) -> None:
        """Change the TOS or traffic class of what is sent, as in `TransportSpec.tos`."""

    def set_keys(self, transport: TransportId, way: Way, keys: Keys | None, rollover: Mapping[int, int] = EMPTY) -> None:
        """
        Install keys; for RECEIVE the former keys stay valid for some seconds. The same keys again change nothing. `rollover` gives, for
        RECEIVE, the last packet index (rollover counter << 16 | sequence) by SSRC that the peer already used under these keys: needed
        only to join a stream that has wrapped. A change of keys on this engine needs none.

        On a transport that was not opened `secured` (optional SDES) that way is SRTP from now on. None takes the keys away: that way is RTP
        in the clear again, or nothing on a `secured` transport. Keys that were in use before take up where they stopped.
        """

    def set_rtcp_keys(self, transport: TransportId, way: Way, keys: Keys | None) -> None:
        """
        RTCP has keys of its own from now on: DTLS without rtcp-mux makes one association for each port (RFC 5764 §4.1).

        None: they have not come yet, and no RTCP passes that way. While RTCP shares the RTP port they are not used. `set_keys` with None
        ends it: that way RTCP goes under the keys of RTP again. Raises `WrongState` on a transport without an RTCP port.
        """

    def forward(self, source: TransportId, target: TransportId | None) -> None:
        """Copy what arrives at a `raw` transport to another (or itself: echo); None: drop and count it. Both must be raw."""

    def add_stream(self, spec: StreamSpec) -> None:
        """Add a stream, or replace the receive rules of one that exists (same id); counters and send state go on."""

    def remove_stream(self, stream: StreamId) -> None: ...

    def route(self, route: Route) -> None:
        """Add or replace the route from `route.source` to `route.target`."""

    def unroute(self, source: StreamId, target: StreamId) -> None: ...

    def send(self, transport: TransportId, data: bytes, *, rtcp: bool = False, to: Address | None = None) -> None:
        """
        Send a raw datagram (DTLS) to the selected remote address, with `rtcp` from the RTCP port to the RTCP address; dropped without one.

        `to` names where instead: a ServerHello goes back to where the ClientHello came from, before anything is latched. With ICE it must
        be an address that a check has proved. Raises `WrongState` for a host name.
        """

    def send_rtcp(self, transport: TransportId, data: bytes) -> None:
        """Protect (when secured) and send a compound RTCP packet; dropped when there are no keys or no address yet."""

    def inject(self, stream: StreamId, payload_type: int, payload: bytes, *, marker: bool = False, same_timestamp: bool = False) -> None:
        """
        Send one RTP packet of our own on a stream, in sequence with what is routed there.

        Its timestamp is the stream's clock now, or with `same_timestamp` that of the packet injected before it (RFC 4733 event trains).
        """

    def resend(self, stream: StreamId, sequences: tuple[int, ...]) -> None:
        """Send kept packets again, byte for byte (nack, RFC 4585); each a few times at most. What is not kept is reported as `NotKept`."""

    def statistics(self) -> EngineStatistics: ...

    def stream_statistics(self, stream: StreamId) -> StreamStatistics: ...

    def losses(self, streams: Sequence[StreamId]) -> list[int]:
        """`ReceiveStatistics.lost` of each of these streams, at a fraction of its cost; 0 for one that there is not."""

    def transport_statistics(self, transport: TransportId) -> TransportStatistics: ...

    def snapshot(self) -> dict[str, object]:
        """Everything needed to go on in another process, as plain JSON-able values (keys in hex: treat it as a secret)."""

    def restore(self, snapshot: Mapping[str, object]) -> None:
        """
        Take up a snapshot in a new engine; ports are bound again at the same addresses.

        Secured streams send under new SSRCs afterwards (see `SendStatistics.ssrc`), since a key must never be used twice at an old index.
        Raises OSError when a port is taken, ValueError for a snapshot of another version.
        """

    async def close(self) -> None:
        """Close every port; nothing is sent or reported after it returns."""


EventSink = Callable[[Sequence[Event]], None]
