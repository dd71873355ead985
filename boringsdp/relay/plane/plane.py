"""
The media plane: ports, transports, streams and routes, and what happens to a datagram.

A core: `receive` takes bytes and the time, sends by the `transmit` that each port was given, and collects events for `take_events`.
It owns no socket, clock, task or random source. Single threaded.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

from boringsdp.errors import Exhausted, StunError, WrongState
from boringsdp.ice.lite import LiteResponder, write_error
from boringsdp.ice.stun import BINDING, Kind, parse_stun
from boringsdp.net.address import parse_ip
from boringsdp.relay.engine import (
    EMPTY,
    Address,
    DtlsReceived,
    EngineStatistics,
    Event,
    IceCredentials,
    Keys,
    Latch,
    NotKept,
    PathSelected,
    PortId,
    Route,
    RtcpPathSelected,
    RtcpReceived,
    StreamId,
    StreamSpec,
    StreamStatistics,
    TelephoneEventReceived,
    TransportId,
    TransportSpec,
    TransportStatistics,
    Way,
)
from boringsdp.relay.plane.ice_reach import IceReach
from boringsdp.relay.plane.port import MakeMarked, PlanePort, Recover, SetTos, Transmit, give_up, mark_nothing
from boringsdp.relay.plane.reach import PlainReach, RawReach
from boringsdp.relay.plane.rewrite import Rewriter
from boringsdp.relay.plane.stream import StreamState
from boringsdp.relay.plane.transport import MAX_STREAMS, Transport

TICK_S = 0.25
MAX_EVENTS = 4096
"""Events of what peers send that may wait for `take_events`; more are counted as `events_full`."""

MAX_MESSAGES = 64
"""Messages of one peer (DTLS, RTCP, digits) that may wait when more than half of the room is taken, so that nobody has all of it."""
REFUSALS_PER_TICK = 25
"""STUN error responses to requests that did not authenticate, over all ports."""


class Plane:
    """Everything an engine decides. Commands raise LocalError kinds, `receive` never raises."""

    def __init__(self, randomness: random.Random, *, max_transports: int = 20_000) -> None:
        self.random = randomness
        self.drops: dict[str, int] = {}
        self.ports: dict[PortId, PlanePort] = {}
        self.transports: dict[TransportId, Transport] = {}
        self.streams: dict[StreamId, StreamState] = {}
        self._max_transports = max_transports
        self._by_ufrag: dict[str, Transport] = {}
        self._events: list[Event] = []
        self._messages: dict[int, int] = {}
        self._sources = 0
        self._refusals = REFUSALS_PER_TICK
        self._next_tick: float | None = None

    # --- datagrams

    def receive(self, port: PortId, source: Address, data: bytes, now: float) -> None:
        """Take a datagram that came to `port` from `source`."""
        self.ports[port].receive(data, source, now)

    def receive_other(self, port: PlanePort, data: bytes, source: Address, now: float) -> None:
        """Everything but RTP and RTCP from a settled address (RFC 7983)."""
        if port.raw is not None:
            port.raw.receive(data, source, now)
        elif not data:
            self.drop("empty")
        elif data[0] < 4:
            self._receive_stun(port, data, source, now)
        elif port.rtcp_owner is not None:
            port.rtcp_owner.reach.receive_rtcp(data, source, now)
        elif port.owner is not None:
            port.owner.reach.receive(data, source, now)
        elif (transport := port.by_remote.get(source)) is None:
            self._receive_control(port, data, source, now)
        elif 19 < data[0] < 64:
            transport.receive_dtls(data, source)
        else:
            transport.receive_media(data, now)

    def _receive_control(self, port: PlanePort, data: bytes, source: Address, now: float) -> None:
        """What came to a shared port from an address of no RTP."""
        if (transport := port.by_control.get(source)) is None:
            self.drop("unknown_source")
        else:
            transport.receive_control(data, source, now)

    def _receive_stun(self, port: PlanePort, data: bytes, source: Address, now: float) -> None:
        try:
            message = parse_stun(data)
        except StunError:
            self.drop("stun_malformed")
            return
        if message.kind is not Kind.REQUEST or message.method != BINDING:
            self.drop("stun_ignored")  # keepalive indications, and responses: a lite agent asks nothing
            return
        owner = port.owner or port.rtcp_owner
        if port.by_address or (owner is not None and owner.ice is None):
            self.drop("stun_ignored")
            return
        username = message.username
        if username is None:
            self._refuse(port, write_error(message, 400), source)
            return
        transport = self._by_ufrag.get(username.partition(":")[0])
        ice = None if transport is None else transport.ice
        if transport is None or ice is None or ice.component(port) is None:
            self.drop("stun_unknown_ufrag")
            return
        refused = transport.drops.get("stun_refused", 0)
        reply = ice.receive_check(port, message, source, now)
        if transport.drops.get("stun_refused", 0) != refused:
            self._refuse(port, reply, source)
        else:
            self._transmit(port, reply, source)

    def _refuse(self, port: PlanePort, reply: bytes, source: Address) -> None:
        if self._refusals <= 0:
            self.drop("stun_unanswered")
            return
        self._refusals -= 1
        self.drop("stun_refused")
        self._transmit(port, reply, source)

    def _transmit(self, port: PlanePort, data: bytes, address: Address) -> None:
        try:
            port.send(data, address)
        except OSError:
            self.drop("send_failed")

    def drop(self, reason: str) -> None:
        self.drops[reason] = self.drops.get(reason, 0) + 1

    # --- time and events

    def deadline(self) -> float | None:
        """When `tick` is due; None while there is nothing to watch."""
        return self._next_tick

    def tick(self, now: float) -> None:
        """Look after timeouts: consent, silence, old keys and addresses."""
        self._refusals = REFUSALS_PER_TICK
        for transport in list(self.transports.values()):
            transport.tick(now)
        self._next_tick = now + TICK_S if self.transports else None

    def report(self, event: Event) -> None:
        self._events.append(event)

    def report_latest(self, event: PathSelected | RtcpPathSelected) -> None:
        """Report what makes the former event of its kind and transport worthless: without room it takes that one's place."""
        if len(self._events) >= MAX_EVENTS:
            for index in range(len(self._events) - 1, -1, -1):
                former = self._events[index]
                if isinstance(former, type(event)) and former.transport == event.transport:
                    self._events[index] = event
                    return
        self._events.append(event)

    def report_bounded(self, event: Event) -> None:
        """Report what a peer can cause at will."""
        if len(self._events) < MAX_EVENTS:
            self._events.append(event)
        else:
            self.drop("events_full")

    def report_message(self, event: DtlsReceived | RtcpReceived | TelephoneEventReceived) -> None:
        """Report a message of a peer."""
        sender = ~event.stream if isinstance(event, TelephoneEventReceived) else event.transport
        waiting = self._messages.get(sender, 0)
        if len(self._events) < MAX_EVENTS // 2 or (waiting < MAX_MESSAGES and len(self._events) < MAX_EVENTS):
            self._messages[sender] = waiting + 1
            self._events.append(event)
        else:
            self.drop("events_full")

    @property
    def has_events(self) -> bool:
        return bool(self._events)

    def take_events(self) -> list[Event]:
        events, self._events = self._events, []
        self._messages.clear()
        return events

    def count_source(self) -> int:
        """A number for a new source; later ones are higher."""
        self._sources += 1
        return self._sources

    # --- ports

    def open_port(
        self, number: PortId, address: Address, transmit: Transmit, recover: Recover = give_up, set_tos: SetTos = mark_nothing,
        make_marked: MakeMarked | None = None,
    ) -> PlanePort:  # fmt: skip
        """Take a port up. Without `make_marked` a shared port marks no packet."""
        port = self.ports[number] = PlanePort(self, number, address, transmit, recover, set_tos, make_marked)
        return port

    def close_port(self, number: PortId) -> None:
        port = self._port(number)
        if port.in_use:
            raise WrongState("port in use", "its transports removed")
        del self.ports[number]

    def _port(self, number: PortId) -> PlanePort:
        if (port := self.ports.get(number)) is None:
            raise WrongState(f"no port {number}", "open_port")
        return port

    # --- transports

    def add_transport(self, spec: TransportSpec, now: float) -> None:
        if spec.id in self.transports:
            raise WrongState(f"transport {spec.id} exists", "a new id")
        if len(self.transports) >= self._max_transports:
            raise Exhausted("transports")
        if not spec.ports:
            raise WrongState("no ports", "at least one port")
        _require_tos(spec.tos)
        if spec.ice is not None and spec.ice.ufrag in self._by_ufrag:
            raise WrongState("user fragment in use", "a new one")
        ports = [self._port(number) for number in spec.ports]
        rtcp_port = None if spec.rtcp_port is None else self._port(spec.rtcp_port)
        transport = Transport(self, spec)
        if spec.shared:
            self._share_ports(transport, ports, rtcp_port)
        elif spec.ice is not None and not spec.own:
            if spec.raw or rtcp_port is not None:
                raise WrongState("port of a transport's own", "a shared port")
            _lodge(ports, by_address=False)
            transport.reach = transport.ice = IceReach(transport, LiteResponder(spec.ice.ufrag, spec.ice.password), ports)
        else:
            self._take_ports(transport, ports, rtcp_port)
        if spec.ice is not None:
            self._by_ufrag[spec.ice.ufrag] = transport
        self.transports[spec.id] = transport
        if self._next_tick is None:
            self._next_tick = now + TICK_S

    def _share_ports(self, transport: Transport, ports: list[PlanePort], rtcp_port: PlanePort | None) -> None:
        """Let a transport without ICE have part of ports that others use too."""
        spec, port = transport.spec, ports[0]
        if spec.ice is not None or spec.own or spec.raw:
            raise WrongState("shared transport with ICE, own or raw", "plain RTP")
        if len(ports) != 1 or rtcp_port is port:
            raise WrongState("shared ports", "one RTP port, and another for RTCP")
        _lodge(ports if rtcp_port is None else [port, rtcp_port], by_address=True)
        transport.reach = transport.plain = PlainReach(transport, port, rtcp_port)

    def _take_ports(self, transport: Transport, ports: list[PlanePort], rtcp_port: PlanePort | None) -> None:
        """Give a transport its own ports, and the ways to reach its peer from them."""
        spec, port = transport.spec, ports[0]
        if len(ports) != 1 or port.in_use or (rtcp_port is not None and (rtcp_port.in_use or rtcp_port is port)):
            raise WrongState("port in use", "a port of its own")
        if spec.raw:
            if spec.ice is not None or rtcp_port is not None or spec.secured:
                raise WrongState("raw transport with ICE, keys or RTCP", "one port")
            raw = RawReach(transport, port)
            transport.reach = transport.plain = port.raw = raw
        else:
            transport.reach = transport.plain = PlainReach(transport, port, rtcp_port)
        if spec.ice is not None:
            responder = LiteResponder(spec.ice.ufrag, spec.ice.password)
            transport.reach = transport.ice = IceReach(transport, responder, ports)
            if rtcp_port is not None:
                transport.ice.control = IceReach(transport, responder, [rtcp_port], is_control=True)
        port.owner = transport
        if rtcp_port is not None:
            rtcp_port.rtcp_owner = transport
        self._mark(transport)

    def _mark(self, transport: Transport) -> None:
        for number in (*transport.spec.ports, transport.spec.rtcp_port):
            port = None if number is None else self.ports[number]
            if port is not None and (port.owner or port.rtcp_owner) is not None:
                port.mark(transport.spec.tos)

    def remove_transport(self, number: TransportId) -> None:
        transport = self.transport(number)
        for stream in list(transport.streams):
            self.remove_stream(stream)
        for reach in (transport.ice, transport.plain):
            if reach is not None:
                reach.close()
        if transport.ice is not None:
            for ufrag in transport.ice.responder.credentials:
                self._by_ufrag.pop(ufrag, None)
        for port in self._ports_of(transport):
            if port.owner is None and port.rtcp_owner is None:
                port.leave()
            port.owner = port.rtcp_owner = port.raw = None
        del transport.reach  # they name each other, and calls that end are not left to the garbage collector
        transport.ice = transport.plain = None
        del self.transports[number]

    def _ports_of(self, transport: Transport) -> list[PlanePort]:
        numbers = transport.spec.ports if transport.spec.rtcp_port is None else (*transport.spec.ports, transport.spec.rtcp_port)
        return [self.ports[number] for number in numbers]

    def restart_ice(self, number: TransportId, credentials: IceCredentials) -> None:
        transport = self.transport(number)
        if transport.ice is None:
            raise WrongState("transport without ICE", "an ICE transport")
        if credentials.ufrag in self._by_ufrag:
            raise WrongState("user fragment in use", "a new one")
        dropped = transport.ice.responder.restart(credentials.ufrag, credentials.password)
        if dropped is not None:
            del self._by_ufrag[dropped]
        self._by_ufrag[credentials.ufrag] = transport
        transport.ice.returning = transport.reach is not transport.ice

    def forget_ufrags(self, transport: Transport, responder: LiteResponder) -> None:
        """Only the responder's present credentials lead to the transport from now on."""
        for ufrag in [ufrag for ufrag, known in self._by_ufrag.items() if known is transport and ufrag not in responder.credentials]:
            del self._by_ufrag[ufrag]

    def set_remote(self, number: TransportId, rtp: Address | None, rtcp: Address | None, latch: Latch, now: float) -> None:
        transport = self.transport(number)
        plain = transport.plain
        rtp, rtcp = _numeric(rtp), _numeric(rtcp)
        if plain is None:
            assert transport.ice is not None
            transport.ice.announce(rtp, now)
            return
        transport.speak_plain(plain)
        plain.set_remote(rtp, rtcp, latch, now)

    def mux_rtcp(self, number: TransportId, muxed: bool) -> None:
        transport = self.transport(number)
        if transport.spec.rtcp_port is None and not muxed:
            raise WrongState("transport without an RTCP port", "rtcp-mux")
        transport.muxed = muxed

    def set_tos(self, number: TransportId, tos: int) -> None:
        transport = self.transport(number)
        _require_tos(tos)
        if tos == transport.spec.tos:
            return
        transport.spec = replace(transport.spec, tos=tos)
        self._mark(transport)
        transport.refresh()

    def set_keys(self, number: TransportId, way: Way, keys: Keys | None, rollover: Mapping[int, int], now: float) -> None:
        transport = self._rtp_transport(number)
        if keys is None:
            transport.drop_keys(way)
            return
        try:
            if way is Way.RECEIVE:
                transport.set_receive_keys(keys, rollover, now)
            else:
                transport.set_send_keys(keys)
        except ValueError as error:
            raise WrongState(str(error), "keys that fit the profile") from None

    def set_rtcp_keys(self, number: TransportId, way: Way, keys: Keys | None, now: float) -> None:
        transport = self.transport(number)
        if transport.spec.rtcp_port is None:
            raise WrongState("transport without an RTCP port", "set_keys")
        try:
            transport.set_rtcp_keys(way, keys, now)
        except ValueError as error:
            raise WrongState(str(error), "keys that fit the profile") from None

    def forward(self, source: TransportId, target: TransportId | None) -> None:
        reach = self._raw(source)
        reach.forward(None if target is None else self._raw(target))

    def _raw(self, number: TransportId) -> RawReach:
        reach = self.transport(number).plain
        if not isinstance(reach, RawReach):
            raise WrongState(f"transport {number} carries RTP", "a raw transport")
        return reach

    def _rtp_transport(self, number: TransportId) -> Transport:
        transport = self.transport(number)
        if transport.spec.raw:
            raise WrongState(f"transport {number} is raw", "one that carries RTP")
        return transport

    def transport(self, number: TransportId) -> Transport:
        if (transport := self.transports.get(number)) is None:
            raise WrongState(f"no transport {number}", "add_transport")
        return transport

    # --- streams and routes

    def add_stream(self, spec: StreamSpec) -> None:
        transport = self._rtp_transport(spec.transport)
        known = self.streams.get(spec.id)
        if known is not None and known.transport is not transport:
            raise WrongState(f"stream {spec.id} is on another transport", "a new id")
        if known is None and len(transport.streams) >= MAX_STREAMS:
            raise Exhausted("streams")
        self.streams[spec.id] = transport.add_stream(spec)

    def remove_stream(self, number: StreamId) -> None:
        stream = self.stream(number)
        for rewriter in [*stream.all_rewriters, *([stream.feed] if stream.feed else [])]:
            self._remove(rewriter)
        stream.transport.remove_stream(number)
        del self.streams[number]

    def stream(self, number: StreamId) -> StreamState:
        if (stream := self.streams.get(number)) is None:
            raise WrongState(f"no stream {number}", "add_stream")
        return stream

    def route(self, route: Route) -> None:
        source, target = self.stream(route.source), self.stream(route.target)
        if target.feed is not None and target.feed.route.source == route.source:
            target.feed.update(route)
        else:
            if target.feed is not None:
                self._remove(target.feed)
            target.feed = Rewriter(route, target)
            source.all_rewriters += (target.feed,)
        source.refresh()

    def unroute(self, source: StreamId, target: StreamId) -> None:
        feed = self.stream(target).feed
        if feed is None or feed.route.source != source:
            raise WrongState(f"no route from {source} to {target}", "route")
        self._remove(feed)

    def _remove(self, rewriter: Rewriter) -> None:
        rewriter.target.feed = None
        source = self.streams[rewriter.route.source]
        source.all_rewriters = tuple(known for known in source.all_rewriters if known is not rewriter)
        source.refresh()

    # --- sending and reading

    def send(self, number: TransportId, data: bytes, rtcp: bool, to: Address | None) -> None:
        self.transport(number).send_dtls(data, rtcp=rtcp, to=_numeric(to))

    def send_rtcp(self, number: TransportId, data: bytes) -> None:
        self._rtp_transport(number).send_rtcp(data)

    def inject(self, number: StreamId, payload_type: int, payload: bytes, marker: bool, same_timestamp: bool, now: float) -> None:
        self.stream(number).inject(payload_type, payload, marker, same_timestamp, now)

    def resend(self, number: StreamId, sequences: tuple[int, ...], now: float) -> None:
        missing = self.stream(number).resend(sequences, now)
        if missing:
            self.report_bounded(NotKept(number, missing))

    def statistics(self) -> EngineStatistics:
        return EngineStatistics(
            streams={number: stream.statistics() for number, stream in self.streams.items()},
            transports={number: transport.statistics() for number, transport in self.transports.items()},
            drops=dict(self.drops),
        )

    def stream_statistics(self, number: StreamId) -> StreamStatistics:
        return self.stream(number).statistics()

    def losses(self, numbers: Sequence[StreamId]) -> list[int]:
        streams = map(self.streams.get, numbers)
        return [0 if stream is None else stream.lost for stream in streams]

    def transport_statistics(self, number: TransportId) -> TransportStatistics:
        return self.transport(number).statistics()


def _lodge(ports: list[PlanePort], *, by_address: bool) -> None:
    """Let one more transport share all these ports, or none. Raises `WrongState`."""
    for index, port in enumerate(ports):
        try:
            port.lodge(by_address=by_address)
        except WrongState:
            for taken in ports[:index]:
                taken.leave()
            raise


def _require_tos(tos: int) -> None:
    if not 0 <= tos <= 255:
        raise WrongState(f"TOS {tos}", "0 to 255")


def _numeric(address: Address | None) -> Address | None:
    """The address in its usual spelling; names are refused, since looking one up would stop every call."""
    if address is None:
        return None
    try:
        host = parse_ip(address[0])
    except ValueError:
        raise WrongState(f"address {address[0]!r}", "a numeric address") from None
    if isinstance(host, ipaddress.IPv6Address) and host.ipv4_mapped is not None:
        host = host.ipv4_mapped
    if not 0 < address[1] < 65536:
        raise WrongState(f"port {address[1]}", "a port between 1 and 65535")
    return str(host), address[1]


__all__ = ["EMPTY", "Plane"]
