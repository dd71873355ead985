"""
The media plane: ports, transports, streams and routes, and what happens to a datagram.

A core: `receive` takes bytes and the time, sends by the `transmit` that each port was given, and collects events for `take_events`.
It owns no socket, clock, task or random source. Single threaded.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Mapping

from boringsdp.errors import Exhausted, StunError, WrongState
from boringsdp.ice.lite import LiteResponder, write_error
from boringsdp.ice.stun import BINDING, Kind, parse_stun
from boringsdp.relay.engine import (
    EMPTY,
    Address,
    EngineStatistics,
    Event,
    IceCredentials,
    Keys,
    Latch,
    NotKept,
    PortId,
    Route,
    StreamId,
    StreamSpec,
    StreamStatistics,
    TransportId,
    TransportSpec,
    TransportStatistics,
    Way,
)
from boringsdp.relay.plane.port import PlanePort, Recover, Transmit, give_up
from boringsdp.relay.plane.reach import IceReach, PlainReach
from boringsdp.relay.plane.rewrite import Rewriter
from boringsdp.relay.plane.stream import StreamState
from boringsdp.relay.plane.transport import MAX_STREAMS, Transport

TICK_S = 0.25
MAX_EVENTS = 4096
"""Events of what peers send that may wait for `take_events`; more are counted as `events_full`."""
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
        self._sources = 0
        self._refusals = REFUSALS_PER_TICK
        self._next_tick: float | None = None

    # --- datagrams

    def receive(self, port: PortId, source: Address, data: bytes, now: float) -> None:
        """Take a datagram that came to `port` from `source`."""
        self.ports[port].receive(data, source, now)

    def receive_other(self, port: PlanePort, data: bytes, source: Address, now: float) -> None:
        """Everything but RTP and RTCP from a settled address (RFC 7983)."""
        if not data:
            self.drop("empty")
        elif data[0] < 4:
            self._receive_stun(port, data, source, now)
        elif port.rtcp_owner is not None:
            port.rtcp_owner.reach.receive_rtcp(data, source, now)  # type: ignore[union-attr]
        elif port.owner is not None:
            port.owner.reach.receive(data, source, now)  # type: ignore[union-attr]
        elif (transport := port.by_remote.get(source)) is None:
            self.drop("unknown_source")
        elif 19 < data[0] < 64:
            transport.receive_dtls(data)
        else:
            transport.receive_media(data, now)

    def _receive_stun(self, port: PlanePort, data: bytes, source: Address, now: float) -> None:
        try:
            message = parse_stun(data)
        except StunError:
            self.drop("stun_malformed")
            return
        if message.kind is not Kind.REQUEST or message.method != BINDING:
            self.drop("stun_ignored")  # keepalive indications, and responses: a lite agent asks nothing
            return
        if port.owner is not None or port.rtcp_owner is not None:
            self.drop("stun_ignored")
            return
        username = message.username
        if username is None:
            self._refuse(port, write_error(message, 400), source)
            return
        transport = self._by_ufrag.get(username.partition(":")[0])
        if transport is None or not isinstance(transport.reach, IceReach) or port not in transport.reach.ports:
            self.drop("stun_unknown_ufrag")
            return
        refused = transport.drops.get("stun_refused", 0)
        reply = transport.reach.receive_check(port, message, source, now)
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

    def report_bounded(self, event: Event) -> None:
        """Report what a peer can cause at will."""
        if len(self._events) < MAX_EVENTS:
            self._events.append(event)
        else:
            self.drop("events_full")

    @property
    def has_events(self) -> bool:
        return bool(self._events)

    def take_events(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def count_source(self) -> int:
        """A number for a new source; later ones are higher."""
        self._sources += 1
        return self._sources

    # --- ports

    def open_port(self, number: PortId, address: Address, transmit: Transmit, recover: Recover = give_up) -> PlanePort:
        port = self.ports[number] = PlanePort(self, number, address, transmit, recover)
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
        ports = [self._port(number) for number in spec.ports]
        rtcp_port = None if spec.rtcp_port is None else self._port(spec.rtcp_port)
        transport = Transport(self, spec)
        if spec.ice is not None:
            if any(port.owner or port.rtcp_owner for port in ports) or rtcp_port is not None:
                raise WrongState("port belongs to a transport without ICE", "a shared port")
            if spec.ice.ufrag in self._by_ufrag:
                raise WrongState("user fragment in use", "a new one")
            transport.reach = IceReach(transport, LiteResponder(spec.ice.ufrag, spec.ice.password), ports)
            self._by_ufrag[spec.ice.ufrag] = transport
            for port in ports:
                port.guests += 1
        else:
            if len(ports) != 1 or ports[0].in_use or (rtcp_port is not None and (rtcp_port.in_use or rtcp_port is ports[0])):
                raise WrongState("port in use", "a port of its own")
            transport.reach = PlainReach(transport, ports[0], rtcp_port)
            ports[0].owner = transport
            if rtcp_port is not None:
                rtcp_port.rtcp_owner = transport
        self.transports[spec.id] = transport
        if self._next_tick is None:
            self._next_tick = now + TICK_S

    def remove_transport(self, number: TransportId) -> None:
        transport = self.transport(number)
        for stream in list(transport.streams):
            self.remove_stream(stream)
        reach = transport.reach
        reach.close()
        if isinstance(reach, IceReach):
            for ufrag in reach.responder.credentials:
                self._by_ufrag.pop(ufrag, None)
            for port in reach.ports:
                port.guests -= 1
        else:
            reach.port.owner = None
            if reach.rtcp_port is not None:
                reach.rtcp_port.rtcp_owner = None
        del transport.reach  # they name each other, and calls that end are not left to the garbage collector
        del self.transports[number]

    def restart_ice(self, number: TransportId, credentials: IceCredentials) -> None:
        transport = self.transport(number)
        if not isinstance(transport.reach, IceReach):
            raise WrongState("transport without ICE", "an ICE transport")
        if credentials.ufrag in self._by_ufrag:
            raise WrongState("user fragment in use", "a new one")
        dropped = transport.reach.responder.restart(credentials.ufrag, credentials.password)
        if dropped is not None:
            del self._by_ufrag[dropped]
        self._by_ufrag[credentials.ufrag] = transport

    def forget_ufrags(self, transport: Transport, responder: LiteResponder) -> None:
        """Only the responder's present credentials lead to the transport from now on."""
        for ufrag in [ufrag for ufrag, known in self._by_ufrag.items() if known is transport and ufrag not in responder.credentials]:
            del self._by_ufrag[ufrag]

    def set_remote(self, number: TransportId, rtp: Address | None, rtcp: Address | None, latch: Latch, now: float) -> None:
        reach = self.transport(number).reach
        if not isinstance(reach, PlainReach):
            raise WrongState("transport with ICE", "a transport without ICE")
        reach.set_remote(_numeric(rtp), _numeric(rtcp), latch, now)

    def set_keys(self, number: TransportId, way: Way, keys: Keys | None, rollover: Mapping[int, int], now: float) -> None:
        transport = self.transport(number)
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

    def transport(self, number: TransportId) -> Transport:
        if (transport := self.transports.get(number)) is None:
            raise WrongState(f"no transport {number}", "add_transport")
        return transport

    # --- streams and routes

    def add_stream(self, spec: StreamSpec) -> None:
        transport = self.transport(spec.transport)
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

    def send(self, number: TransportId, data: bytes) -> None:
        self.transport(number).send_raw(data)

    def send_rtcp(self, number: TransportId, data: bytes) -> None:
        self.transport(number).send_rtcp(data)

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

    def transport_statistics(self, number: TransportId) -> TransportStatistics:
        return self.transport(number).statistics()


def _numeric(address: Address | None) -> Address | None:
    """The address in its usual spelling; names are refused, since looking one up would stop every call."""
    if address is None:
        return None
    try:
        host = ipaddress.ip_address(address[0])
    except ValueError:
        raise WrongState(f"address {address[0]!r}", "a numeric address") from None
    if isinstance(host, ipaddress.IPv6Address) and host.ipv4_mapped is not None:
        host = host.ipv4_mapped
    if not 0 < address[1] < 65536:
        raise WrongState(f"port {address[1]}", "a port between 1 and 65535")
    return str(host), address[1]


__all__ = ["EMPTY", "Plane"]
