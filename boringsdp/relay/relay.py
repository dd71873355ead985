"""The relay: everything about media that is not the engine's packet path and not the call's negotiation."""

from __future__ import annotations

import asyncio
import functools
import logging
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from boringsdp.dtls import Identity
from boringsdp.errors import Exhausted, WrongState
from boringsdp.net.driver import GRID, Driver
from boringsdp.relay.engine import (
    Address,
    ConsentLost,
    DtlsReceived,
    Engine,
    Event,
    EventSink,
    IceCredentials,
    MediaReceiving,
    NotKept,
    PathSelected,
    PortId,
    Route,
    RtcpPathSelected,
    RtcpReceived,
    SsrcSeen,
    StreamId,
    TelephoneEventReceived,
    TransportFailed,
    TransportId,
)
from boringsdp.relay.figures import PortFigures, port_figures, raw_figures
from boringsdp.relay.keying import HalfOpen
from boringsdp.relay.losses import Losing, LossWatch
from boringsdp.relay.news import Failed, Owner, SlowLink
from boringsdp.relay.places import Place, Workers
from boringsdp.relay.plain import PlainTransport
from boringsdp.relay.ports import PlainPorts, SharedPorts, check_interfaces
from boringsdp.relay.raw import RawTransport
from boringsdp.relay.rules import RelaySettings, RouteRules, StreamRules
from boringsdp.relay.stream import Stream
from boringsdp.relay.totals import Totals
from boringsdp.relay.transport import Transport, WebRtcTransport
from boringsdp.relay.trunk import TrunkPorts
from boringsdp.rtp.silence import SILENCE

UFRAG_OCTETS, PASSWORD_OCTETS = 6, 16
"""Random ones, written in hex; RFC 8445 §5.3 asks for 24 and 128 bits."""

log = logging.getLogger(__name__)


class Relay:
    """
    Opens transports, joins their streams, speaks DTLS and RTCP with the peers, and regenerates digits.

    One event loop, no tasks: everything happens in the engine's batches and in timers. Owners are called from there; they may call back
    into the relay, close included, and must not raise.
    """

    def __init__(self, engine_factory: Callable[[EventSink], Engine], settings: RelaySettings) -> None:
        self.settings = settings
        self.rng = random.Random()  # when to report is no secret
        self.epoch = time.time() - time.monotonic()
        self.half_open = HalfOpen(settings.max_half_open, settings.max_half_open_per_source)
        self.handshakes: Counter[str] = Counter()
        """Finished ones: `completed`, or the reason of their failure."""
        self._engine_factory = engine_factory
        self._engine: Engine | None = None
        self._transports: dict[TransportId, Transport] = {}
        self._raws: dict[TransportId, RawTransport] = {}
        self._joined: dict[TransportId, TransportId] = {}
        self._streams: dict[StreamId, Stream] = {}
        self._routes: dict[StreamId, dict[StreamId, RouteRules]] = {}
        """By source, then by target."""
        self._sources: dict[StreamId, StreamId] = {}
        """Which source feeds a target."""
        self._ssrcs: set[int] = set()
        self._ufrags: set[str] = set()
        self._losses = LossWatch(settings.slow_link_lost, lambda streams: self.engine.losses(streams))
        self._totals = Totals()
        self._opened = self._opened_streams = 0

    async def start(self) -> None:
        """Make the certificate and bind the shared WebRTC ports on every host. Raises OSError, ConfigError."""
        if self._engine is not None:
            raise WrongState("started", "a new relay")
        check_interfaces(self.settings)
        self.loop = asyncio.get_running_loop()
        self.identity = Identity()
        engine = self._engine_factory(self._receive_events)
        try:
            self._shared = SharedPorts(engine, self.settings)
            self._plain = PlainPorts(engine, self.settings)
            self._workers = Workers(engine.facts.workers)
            self._trunk = TrunkPorts(engine, self.settings, self._plain.announced)
        except BaseException:
            await engine.close()
            raise
        self._engine = engine

    async def close(self) -> None:
        """Close every transport and port; no event follows."""
        if self._engine is None:
            return
        for transport in list(self._transports.values()):
            transport.close()
        for raw in list(self._raws.values()):
            raw.close()
        for port in (*self._shared.ids, *self._trunk.ids):
            self._engine.close_port(port)
        self._losing.close()
        engine, self._engine = self._engine, None
        await engine.close()

    @property
    def webrtc_ports(self) -> tuple[int, ...]:
        """The shared UDP port of each worker, after `start`: the real ones where the settings leave the choice (0)."""
        return self._shared.numbers

    @property
    def webrtc_port(self) -> int:
        """The first of them."""
        return self._shared.numbers[0]

    @property
    def engine(self) -> Engine:
        """Raises `WrongState` before start and after close."""
        if self._engine is None:
            raise WrongState("not running", "start")
        return self._engine

    def open_webrtc(
        self, owner: Owner, *, cname: str = "", interface: str = "", tos: int = 0, place: Place | None = None
    ) -> WebRtcTransport:
        """
        A transport on a shared port. `cname` is the RTCP name of the leg (random when empty), the same for all its transports. It gets
        the worker of `place`, so that what belongs together stays together.

        Its addresses are those of `interface`. Raises `Exhausted("transports")`, `ConfigError` when the interface has no WebRTC host,
        `WrongState` before start or after close.
        """
        number = self._next_transport()
        worker = self._workers.choose(place)
        ports, addresses = self._shared.of(interface, worker)
        transport = WebRtcTransport(self, number, owner, addresses, ports, cname=cname, tos=tos)
        self._transports[number] = transport
        self._workers.take(number, worker, place)
        return transport

    def open_plain(
        self,
        owner: Owner,
        *,
        host: str | None = None,
        interface: str = "",
        rtcp_mux: bool = False,
        secured: bool = False,
        ice: bool = False,
        credentials: IceCredentials | None = None,
        cname: str = "",
        tos: int = 0,
        place: Place | None = None,
        peer: Address | None = None,
        may_share: bool = False,
    ) -> PlainTransport:
        """
        Take a port pair (one port with `rtcp_mux`) on local address `host`, announced as on `interface`; None: its first.

        `secured`: nothing passes before keys are there (`set_keys` for SDES, `start` for DTLS). `ice`: the ports answer ICE checks, each
        as one component, under `credentials` (fresh ones when None; several transports may share theirs). `tos` is the IP TOS octet,
        `place` as for WebRTC.
        With `may_share` and without `ice` the ports are the trunks' if `peer`, where the peer has said that it is, is one (`TrunkPorts`).
        Raises `Exhausted("ports")` or `Exhausted("transports")`, `ConfigError` for a host that is not among the interface's plain ones.
        """
        number = self._next_transport()
        worker, now = self._workers.choose(place), self.loop.time()
        shared = self._trunk.take(host, interface, peer, worker, single=rtcp_mux) if may_share and not ice else None
        ports, address, rtcp_port = shared or self._plain.take(host, interface, single=rtcp_mux, now=now, worker=worker)
        try:
            transport = PlainTransport(
                self,
                number,
                owner,
                address,
                ports,
                rtcp_port=rtcp_port,
                secured=secured,
                ice=ice,
                credentials=credentials,
                cname=cname,
                tos=tos,
                trunk=None if shared is None else self._trunk,
            )
        except BaseException:
            if shared is None:
                self._plain.give_back(ports, self.loop.time())
            raise
        if shared is not None:
            self._trunk.claim(transport, peer)
        self._transports[number] = transport
        self._workers.take(number, worker, place)
        return transport

    def open_raw(
        self, owner: Owner, *, host: str | None = None, interface: str = "", tos: int = 0, place: Place | None = None
    ) -> RawTransport:
        """
        Take one port for datagrams that are no RTP (UDPTL); they go nowhere before `join_raw`. The rest is as for plain ones.

        Raises `Exhausted("ports")` or `Exhausted("transports")`, `ConfigError` for a host that is not among the interface's plain ones.
        """
        number = self._next_transport()
        worker = self._workers.choose(place)
        ports, address, _ = self._plain.take(host, interface, single=True, now=self.loop.time(), worker=worker)
        try:
            transport = RawTransport(self, number, owner, address, ports, tos=tos)
        except BaseException:
            self._plain.give_back(ports, self.loop.time())
            raise
        self._raws[number] = transport
        self._workers.take(number, worker, place)
        return transport

    def join_raw(self, one: RawTransport, other: RawTransport) -> None:
        """Copy datagrams both ways; whoever either was joined with before hears nothing more. Raises `WrongState` after close."""
        if one.closed or other.closed:
            raise WrongState("closed", "open transports")
        if self._joined.get(one.id) == other.id and self._joined.get(other.id) == one.id:
            return
        self.part_raw(one)
        self.part_raw(other)
        self._joined[one.id], self._joined[other.id] = other.id, one.id
        self.engine.forward(one.id, other.id)
        self.engine.forward(other.id, one.id)

    def part_raw(self, transport: RawTransport) -> None:
        """Copy nothing from or to it any more."""
        other = self._joined.pop(transport.id, None)
        if other is not None:
            self.engine.forward(transport.id, None)
            self._joined.pop(other, None)
            self.engine.forward(other, None)

    def plain_host_for(self, peer: str, interface: str = "") -> str | None:
        """
        Return the plain host of `interface` from which a peer can be reached; None when it has none of that family, or is unknown.

        `peer` is a numeric address, `IP4` or `IP6` for a family, or empty for any.
        """
        _ = self.engine
        return self._plain.host_for(peer, interface)

    def port_reports(self, transport: Transport | RawTransport) -> tuple[PortFigures, ...]:
        """Return the figures of the transport's ports: RTP, then RTCP when it has a port of its own."""
        return raw_figures(transport, self.epoch) if isinstance(transport, RawTransport) else port_figures(transport, self.epoch)

    def connect(self, source: Stream, target: Stream, rules: RouteRules) -> None:
        """Join or re-join two streams, one way (the same stream twice: echo). A target hears one source; a new one replaces the old."""
        if source.closed or target.closed:
            raise WrongState("closed", "open streams")
        former = self._sources.get(target.id)
        before = self._routes.get(source.id, {}).get(target.id)
        if before == rules:
            return
        if former is not None and former != source.id:
            self._routes[former].pop(target.id, None)
        self.engine.route(_engine_route(source, target, rules))
        self._routes.setdefault(source.id, {})[target.id] = rules
        self._sources[target.id] = source.id
        if rules.shows and (before is None or not before.shows):
            self.request_key_frame_for(target)

    def disconnect(self, source: Stream, target: Stream) -> None:
        """Part two streams; nothing when they are not joined."""
        if self._sources.get(target.id) == source.id:
            del self._sources[target.id]
            self._routes[source.id].pop(target.id, None)
            self.engine.unroute(source.id, target.id)

    def statistics(self) -> dict[str, Any]:
        """Totals as plain values: transports, streams, ports, handshakes; drops by reason, packets, bytes, of closed transports too."""
        return {
            "transports": len(self._transports) + len(self._raws),
            "opened": self._opened,
            "streams": len(self._streams),
            "ports_used": self._plain.used,
            "ports_total": self._plain.capacity,
            "trunk_addresses": self._trunk.held,
            "handshakes": dict(self.handshakes),
            "handshakes_under_way": self.half_open.count,
            "handshakes_refused": self.half_open.refused,
            **self._totals.of(self.engine),
        }

    # --- for transports and streams ------------------------------------------------------------------------------------------------------

    def make_credentials(self) -> IceCredentials:
        """Return ICE credentials that no transport of this process has."""
        ufrag = ""
        while not ufrag or ufrag in self._ufrags:
            ufrag = secrets.token_hex(UFRAG_OCTETS)
        self._ufrags.add(ufrag)
        return IceCredentials(ufrag, secrets.token_hex(PASSWORD_OCTETS))

    def make_stream(self, transport: Transport, rules: StreamRules) -> Stream:
        ssrc = 0
        while not ssrc or ssrc in self._ssrcs:
            ssrc = secrets.randbits(32)
        self._opened_streams += 1
        stream = Stream(transport, StreamId(self._opened_streams), ssrc, rules)
        self._ssrcs.add(ssrc)
        self._streams[stream.id] = stream
        return stream

    def stream(self, number: StreamId) -> Stream | None:
        return self._streams.get(number)

    def targets(self, source: Stream) -> Iterator[Stream]:
        """The streams that hear `source` now; not those on hold."""
        for target, rules in self._routes.get(source.id, {}).items():
            if rules.enabled:
                yield self._streams[target]

    def tone_targets(self, source: Stream) -> Iterator[Stream]:
        """The streams that digits of `source` are sent to now."""
        for target, rules in self._routes.get(source.id, {}).items():
            if rules.enabled and rules.dtmf and not self._streams[target].transport.waits:
                yield self._streams[target]

    def formats_changed(self, source: Stream) -> None:
        """A stream has new payload types: what silence is in them may have changed."""
        for target, rules in self._routes.get(source.id, {}).items():
            if rules.silenced:
                self.engine.route(_engine_route(source, self._streams[target], rules))

    def open_routes(self, targets: Iterable[Stream]) -> None:
        """What was held back for these streams may go there now."""
        for target in targets:
            source = self._sources.get(target.id)
            if source is not None:
                self.engine.route(_engine_route(self._streams[source], target, self._routes[source][target.id]))
                self.request_key_frame_for(target)

    def unused_payload_type(self, target: Stream) -> int:
        """A dynamic payload type that means nothing to the stream's peer, as far as we know."""
        used = {*target.rules.formats, target.rules.dtmf_payload_type}
        source = self._sources.get(target.id)
        if source is not None:
            used |= set(self._routes[source][target.id].payload_types.values())
        return next((number for number in range(127, 95, -1) if number not in used), 127)

    def request_key_frame_for(self, target: Stream) -> None:
        """Ask whoever feeds `target` for a key frame, if it can be seen there."""
        source = self._source_of(target)
        if source is not None and target.rules.kind == "video" and target.transport.ready:
            source.request_key_frame()

    def request_again_for(self, target: Stream, lost: Sequence[int]) -> None:
        """Ask whoever feeds `target` for packets that the target's peer lacks: numbers as we sent them."""
        source, route = self._source_of(target), target.statistics().route
        if source is not None and route is not None and route.source == source.id:
            source.transport.request_again(source, [sequence - route.sequence_offset & 0xFFFF for sequence in lost])

    def forget_stream(self, stream: Stream) -> None:
        """A stream is about to be removed, and its routes with it."""
        for target in self._routes.pop(stream.id, {}):
            self._sources.pop(target, None)
        source = self._sources.pop(stream.id, None)
        if source is not None and source in self._routes:
            self._routes[source].pop(stream.id, None)
        self._streams.pop(stream.id, None)
        self._ssrcs.discard(stream.ssrc)
        self._losses.remove(stream.id)
        self._losing.run([])

    def watch_losses(self, stream: Stream, receiving: bool) -> None:
        """Media of a stream began to arrive, or stopped."""
        self._losses.receiving(stream.id, receiving, self.loop.time())
        self._losing.run([])

    def forget_transport(self, transport: Transport, ports: tuple[PortId, ...]) -> None:
        """A transport is closed: take it from the engine, and its own ports."""
        self._totals.keep(self.engine, transport.id)
        self.engine.remove_transport(transport.id)
        self._transports.pop(transport.id, None)
        self._workers.leave(transport.id)
        if ports:
            self._plain.give_back(ports, self.loop.time())
        self._ufrags.difference_update(transport.ufrags)

    def forget_raw(self, transport: RawTransport, ports: tuple[PortId, ...]) -> None:
        """The same for one of datagrams."""
        self.part_raw(transport)
        self._totals.keep(self.engine, transport.id)
        self.engine.remove_transport(transport.id)
        self._raws.pop(transport.id, None)
        self._workers.leave(transport.id)
        self._plain.give_back(ports, self.loop.time())

    def _source_of(self, target: Stream) -> Stream | None:
        source = self._sources.get(target.id)
        return None if source is None or not self._routes[source][target.id].flows else self._streams.get(source)

    def _next_transport(self) -> TransportId:
        _ = self.engine
        if len(self._transports) + len(self._raws) >= self.settings.max_transports:
            raise Exhausted("transports")
        self._opened += 1
        return TransportId(self._opened)

    @functools.cached_property
    def _losing(self) -> Driver[Losing]:
        return Driver(self._losses, self._tell_loss, self.loop, GRID)

    def _tell_loss(self, action: Losing) -> None:
        stream = self._streams.get(action.stream)
        if stream is not None:
            stream.transport.tell(SlowLink(stream, False, action.lost))

    # --- from the engine -----------------------------------------------------------------------------------------------------------------

    def _receive_events(self, events: Sequence[Event]) -> None:
        for event in events:
            try:
                self._receive_event(event)
            except Exception:  # a fault of ours must not cost other calls their events
                log.exception("relay event failed", extra={"event": type(event).__name__})

    def _receive_event(self, event: Event) -> None:
        match event:
            case RtcpReceived(number, data, at) if (transport := self._transports.get(number)) is not None:
                transport.rtcp_received(data, at)
            case DtlsReceived(number, data, rtcp, source) if (transport := self._transports.get(number)) is not None:
                transport.dtls_received(data, rtcp, source)
            case PathSelected(number, remote) if (transport := self._transports.get(number)) is not None:
                transport.path_selected(remote)
            case PathSelected(number, remote) if (raw := self._raws.get(number)) is not None:
                raw.path_selected(remote)
            case RtcpPathSelected(number, remote) if (transport := self._transports.get(number)) is not None:
                transport.rtcp_path_selected(remote)
            case SsrcSeen(number, ssrc, _) if (stream := self._streams.get(number)) is not None:
                stream.transport.ssrc_seen(stream, ssrc)
            case ConsentLost(number) if (transport := self._transports.get(number)) is not None:
                transport.consent_lost()
            case TransportFailed(number):
                self._engine_failed(number)
            case MediaReceiving(number, receiving) if (stream := self._streams.get(number)) is not None:
                stream.transport.media_receiving(stream, receiving)
            case NotKept(number, sequences) if (stream := self._streams.get(number)) is not None:
                self.request_again_for(stream, sequences)
            case TelephoneEventReceived() if (stream := self._streams.get(event.stream)) is not None:
                stream.receive_tone(event, self._tone_clock(stream, event.payload_type))
            case _:
                pass

    def _engine_failed(self, number: TransportId) -> None:
        """A defect of the engine has cost a transport, which carries nothing any more: its leg has failed."""
        log.error("engine fault", extra={"transport": int(number)})
        if (transport := self._transports.get(number)) is not None:
            transport.tell(Failed("engine-fault"))
        elif (raw := self._raws.get(number)) is not None:
            raw.tell(Failed("engine-fault"))

    def _tone_clock(self, stream: Stream, payload_type: int) -> int:
        for rules in self._routes.get(stream.id, {}).values():
            if payload_type in rules.telephone_events:
                return rules.telephone_events[payload_type]
        form = stream.rules.formats.get(payload_type)
        return 8000 if form is None else form.clock_rate


def _engine_route(source: Stream, target: Stream, rules: RouteRules) -> Route:
    """Return what the engine is told of a route. Digits are not its business: they are collected and sent anew here."""
    silence = {number: SILENCE.get(source.codec(number).lower(), b"") for number in rules.payload_types} if rules.silenced else {}
    return Route(
        source=source.id,
        target=target.id,
        payload_types=rules.payload_types,
        telephone_events=frozenset(rules.telephone_events),
        extensions=rules.extensions,
        constant_extensions=rules.constant_extensions,
        silence=silence,
        enabled=rules.flows and not target.transport.waits,
    )
