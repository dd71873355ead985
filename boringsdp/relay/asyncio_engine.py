"""
The engine in pure Python: sockets and the clock around the media plane.

All sockets hang on one epoll of our own, and only that hangs on the event loop: waking a socket's reader through asyncio costs more than
receiving its packet. Own ports are read once for each wake-up, since they rarely hold two packets and a read that finds nothing is dear;
shared ports are drained, with a bound, so that signalling gets its turn.

Waking an idle core costs more than relaying a packet, so under load (more than about a thousand wake-ups a second) the engine stops waiting
for readiness and looks every `nap_s` instead: packets wait half a millisecond longer on average and are taken together.
"""

from __future__ import annotations

import asyncio
import random
import select
import socket
from collections.abc import Callable, Mapping, Sequence
from time import monotonic

from boringsdp.errors import WrongState
from boringsdp.net.udp import MAX_DATAGRAM, bind_udp, marked_sendto, send_too_long, set_tos
from boringsdp.relay.engine import (
    EMPTY,
    Address,
    EngineFacts,
    EngineStatistics,
    EventSink,
    IceCredentials,
    Keys,
    Latch,
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
from boringsdp.relay.plane import Plane, PlanePort, restore_snapshot, take_snapshot

READS_PER_WAKE = 1024
"""Datagrams taken from one shared socket before others get their turn: as many as own ports may get in one round."""
RECEIVE_BUFFER = 4 << 20
SEND_BUFFER = 1 << 20
NAP_S = 0.001
POLLS_BEFORE_NAP = 64
EMPTY_NAPS = 4
"""After so many naps in a row without a packet the engine waits for readiness again."""
MAX_TURN_S = 0.005
"""How long the engine reads on before the loop gets its turn, when there is always more."""
MAX_REPORTS = 100
"""How often in a row the sink may cause new events before the loop gets its turn."""


class AsyncioEngine:
    """Implements `Engine`. Make it and use it inside the running loop (or give `loop`); one thread."""

    def __init__(
        self, sink: EventSink, *, loop: asyncio.AbstractEventLoop | None = None, max_transports: int = 20_000,
        randomness: random.Random | None = None, nap_s: float = NAP_S,
    ) -> None:  # fmt: skip
        """`nap_s` is how long packets may wait to be taken together under load; 0 takes each when it comes."""
        self._sink = sink
        self._loop = loop or asyncio.get_running_loop()
        self._plane = Plane(randomness or random.SystemRandom(), max_transports=max_transports)
        self._sockets: dict[PortId, socket.socket] = {}
        self._inlets: list[_Inlet | None] = []
        """By file descriptor."""
        self._epoll = select.epoll() if hasattr(select, "epoll") else None
        self._next_port = 1
        self._timer: asyncio.TimerHandle | None = None
        self._reporting = False
        self._closed = False
        self._nap_s = nap_s
        self._nap: asyncio.TimerHandle | None = None
        self._polls = self._empty_naps = 0
        self._polls_since = 0.0
        if self._epoll is not None:
            self._loop.add_reader(self._epoll.fileno(), self._poll)

    # --- ports

    @property
    def facts(self) -> EngineFacts:
        return EngineFacts(name="asyncio", hold_us=round(self._nap_s * 1e6))

    def open_port(self, address: Address, worker: int = 0) -> tuple[PortId, Address]:
        self._require_open()
        if worker:
            raise WrongState(f"worker {worker}", "0: there is one thread")
        return self._open_port(PortId(self._next_port), address)

    def _open_port(self, number: PortId, address: Address) -> tuple[PortId, Address]:
        sock = bind_udp(address, receive_buffer=RECEIVE_BUFFER, send_buffer=SEND_BUFFER)
        bound: Address = sock.getsockname()[:2]
        self._next_port = max(self._next_port, number) + 1
        port = self._plane.open_port(
            number, bound, sock.sendto, _recovery(sock), lambda tos: set_tos(sock, tos), lambda tos: marked_sendto(sock, tos)
        )
        self._sockets[number] = sock
        inlet = _Inlet(sock, port)
        if self._epoll is not None:
            self._inlets += [None] * (sock.fileno() + 1 - len(self._inlets))
            self._inlets[sock.fileno()] = inlet
            self._epoll.register(sock.fileno(), select.EPOLLIN)
        else:  # pragma: no cover - systems without epoll

            def wake() -> None:
                inlet.read()
                self._report()

            self._loop.add_reader(sock.fileno(), wake)
        return number, bound

    def close_port(self, port: PortId) -> None:
        self._plane.close_port(port)
        self._close_socket(self._sockets.pop(port))

    def _close_socket(self, sock: socket.socket) -> None:
        if self._epoll is not None:
            self._epoll.unregister(sock.fileno())
            self._inlets[sock.fileno()] = None
        else:  # pragma: no cover - systems without epoll
            self._loop.remove_reader(sock.fileno())
        sock.close()

    def _poll(self) -> None:
        """The loop says that something is there to read."""
        self._take_all()
        self._polls += 1
        if self._polls >= POLLS_BEFORE_NAP:
            now = monotonic()
            often = now - self._polls_since < POLLS_BEFORE_NAP * self._nap_s
            self._polls, self._polls_since = 0, now
            if often and self._epoll is not None and not self._closed:
                self._loop.remove_reader(self._epoll.fileno())
                self._empty_naps = 0
                self._nap = self._loop.call_later(self._nap_s, self._wake)

    def _wake(self) -> None:
        """A nap is over."""
        self._nap = None
        if self._closed or self._epoll is None:
            return
        self._empty_naps = 0 if self._take_all() else self._empty_naps + 1
        if self._closed:
            return
        if self._empty_naps < EMPTY_NAPS:
            self._nap = self._loop.call_later(self._nap_s, self._wake)
        else:
            self._polls, self._polls_since = 0, monotonic()
            self._loop.add_reader(self._epoll.fileno(), self._poll)

    def _take_all(self) -> bool:
        """Read what is there, with a bound; False when there was nothing."""
        inlets, poll = self._inlets, self._epoll.poll  # type: ignore[union-attr]
        found = False
        until = monotonic() + MAX_TURN_S
        while ready := poll(0, 1024):
            found = True
            for number, _ in ready:
                inlet = inlets[number]
                if inlet is not None:
                    inlet.read()
            if monotonic() > until:
                break
        if self._plane.has_events:
            self._report()
        return found

    # --- events and time

    def _report(self) -> None:
        """Hand the events up. What the sink does in turn may make new ones: they follow in a batch of their own."""
        if self._reporting or self._closed:
            return
        self._reporting = True
        try:
            for _ in range(MAX_REPORTS):
                events = self._plane.take_events()
                if not events:
                    return
                self._sink(events)
        finally:
            self._reporting = False
        self._report_soon()

    def _report_soon(self) -> None:
        if self._plane.has_events and not self._reporting:
            self._loop.call_soon(self._report)

    def _arm(self) -> None:
        at = self._plane.deadline()
        if self._timer is None and at is not None and not self._closed:
            # The loop's own clock may be another than ours (virtual time): go by the distance.
            self._timer = self._loop.call_later(max(0.0, at - monotonic()), self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._plane.tick(monotonic())
        self._arm()
        self._report()

    def _require_open(self) -> None:
        if self._closed:
            raise WrongState("closed", "an open engine")

    # --- commands

    def add_transport(self, spec: TransportSpec) -> None:
        self._require_open()
        self._plane.add_transport(spec, monotonic())
        self._arm()

    def remove_transport(self, transport: TransportId) -> None:
        self._plane.remove_transport(transport)

    def restart_ice(self, transport: TransportId, credentials: IceCredentials) -> None:
        self._plane.restart_ice(transport, credentials)

    def set_remote(self, transport: TransportId, rtp: Address | None, rtcp: Address | None, latch: Latch) -> None:
        self._plane.set_remote(transport, rtp, rtcp, latch, monotonic())
        self._report_soon()

    def set_keys(self, transport: TransportId, way: Way, keys: Keys | None, rollover: Mapping[int, int] = EMPTY) -> None:
        self._plane.set_keys(transport, way, keys, rollover, monotonic())

    def set_rtcp_keys(self, transport: TransportId, way: Way, keys: Keys | None) -> None:
        self._plane.set_rtcp_keys(transport, way, keys, monotonic())

    def mux_rtcp(self, transport: TransportId, muxed: bool) -> None:
        self._plane.mux_rtcp(transport, muxed)

    def set_tos(self, transport: TransportId, tos: int) -> None:
        self._plane.set_tos(transport, tos)

    def forward(self, source: TransportId, target: TransportId | None) -> None:
        self._plane.forward(source, target)

    def add_stream(self, spec: StreamSpec) -> None:
        self._plane.add_stream(spec)

    def remove_stream(self, stream: StreamId) -> None:
        self._plane.remove_stream(stream)

    def route(self, route: Route) -> None:
        self._plane.route(route)

    def unroute(self, source: StreamId, target: StreamId) -> None:
        self._plane.unroute(source, target)

    def send(self, transport: TransportId, data: bytes, *, rtcp: bool = False, to: Address | None = None) -> None:
        self._plane.send(transport, data, rtcp, to)

    def send_rtcp(self, transport: TransportId, data: bytes) -> None:
        self._plane.send_rtcp(transport, data)

    def inject(self, stream: StreamId, payload_type: int, payload: bytes, *, marker: bool = False, same_timestamp: bool = False) -> None:
        self._plane.inject(stream, payload_type, payload, marker, same_timestamp, monotonic())

    def resend(self, stream: StreamId, sequences: tuple[int, ...]) -> None:
        self._plane.resend(stream, sequences, monotonic())
        self._report_soon()

    # --- statistics and the end

    def statistics(self) -> EngineStatistics:
        return self._plane.statistics()

    def stream_statistics(self, stream: StreamId) -> StreamStatistics:
        return self._plane.stream_statistics(stream)

    def losses(self, streams: Sequence[StreamId]) -> list[int]:
        return self._plane.losses(streams)

    def transport_statistics(self, transport: TransportId) -> TransportStatistics:
        return self._plane.transport_statistics(transport)

    def snapshot(self) -> dict[str, object]:
        return take_snapshot(self._plane, monotonic())

    def restore(self, snapshot: Mapping[str, object]) -> None:
        self._require_open()
        if self._sockets:
            raise WrongState("ports are open", "a new engine")
        restore_snapshot(self._plane, snapshot, self._open_port, monotonic())
        self._arm()
        self._report_soon()

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._nap is not None:
            self._nap.cancel()
        for sock in self._sockets.values():
            self._close_socket(sock)
        self._sockets.clear()
        if self._epoll is not None:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()


def _recovery(sock: socket.socket) -> Callable[[bytes, Address, OSError], None]:
    def recover(data: bytes, address: Address, error: OSError) -> None:
        if isinstance(error, ConnectionRefusedError):
            sock.sendto(data, address)  # an ICMP answer to an earlier packet, not about this one
        else:
            send_too_long(sock, data, address, error)

    return recover


class _Inlet:
    """
    Reads a socket: one packet from an own port, all there is (with a bound) from a shared one.

    Not a closure: its cells would lie scattered, and each be fetched from main memory when a packet of another call comes.
    """

    __slots__ = ("_inet6", "_port", "_socket")

    def __init__(self, sock: socket.socket, port: PlanePort) -> None:
        self._socket = sock
        self._port = port
        self._inet6 = sock.family == socket.AF_INET6

    def read(self) -> None:
        sock, port, inet6 = self._socket, self._port, self._inet6
        left = READS_PER_WAKE if port.guests else 1
        while left:
            try:
                data, source = sock.recvfrom(MAX_DATAGRAM)
            except BlockingIOError:
                return
            except OSError:
                port.plane.drop("receive_error")  # ICMP: the peer's port is closed, for now
            else:
                port.receive(data, source[:2] if inet6 else source, monotonic())
            left -= 1
