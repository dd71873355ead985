"""An engine that moves nothing and writes down what it was told, and a loop whose time moves only by `advance`."""

from __future__ import annotations

import errno
import heapq
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from boringsdp.relay.engine import (
    EMPTY,
    Address,
    EngineFacts,
    EngineStatistics,
    Event,
    EventSink,
    IceCredentials,
    Keys,
    Latch,
    PortId,
    ReceiveStatistics,
    Route,
    RouteState,
    SendStatistics,
    StreamId,
    StreamSpec,
    StreamStatistics,
    TransportId,
    TransportSpec,
    TransportStatistics,
    Way,
)


@dataclass(order=True)
class _Timer:
    at: float
    number: int
    call: Callable[..., None] = field(compare=False)
    arguments: tuple[Any, ...] = field(compare=False)
    cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        self.cancelled = True


class FakeLoop:
    """The part of an event loop that drivers use."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._timers: list[_Timer] = []
        self._numbers = itertools.count()

    def time(self) -> float:
        return self.now

    def call_at(self, at: float, call: Callable[..., None], *arguments: Any) -> _Timer:
        timer = _Timer(at, next(self._numbers), call, arguments)
        heapq.heappush(self._timers, timer)
        return timer

    @property
    def pending(self) -> int:
        return sum(not timer.cancelled for timer in self._timers)

    def advance(self, seconds: float) -> None:
        until = self.now + seconds
        while self._timers and self._timers[0].at <= until:
            timer = heapq.heappop(self._timers)
            if not timer.cancelled:
                self.now = max(self.now, timer.at)
                timer.call(*timer.arguments)
        self.now = until


class FakeEngine:
    """Keeps the commands in `commands`, and hands out the figures that a test puts into `received`, `sent` and `routes_now`."""

    def __init__(self, sink: EventSink, workers: int = 1) -> None:
        self.sink = sink
        self.workers = workers
        self.worker_of: dict[PortId, int] = {}
        self.commands: list[tuple[Any, ...]] = []
        self.ports: dict[PortId, Address] = {}
        self.refuse: set[int] = set()
        """Port numbers that another program holds."""
        self.specs: dict[TransportId, TransportSpec] = {}
        self.streams: dict[StreamId, StreamSpec] = {}
        self.received: dict[StreamId, ReceiveStatistics] = {}
        self.sent: dict[StreamId, SendStatistics] = {}
        self.routes_now: dict[StreamId, RouteState] = {}
        self.carried: dict[TransportId, TransportStatistics] = {}
        self.closed = False
        self._numbers = itertools.count(1)

    def report(self, *events: Event) -> None:
        self.sink(events)

    def take(self, wanted: Callable[..., bool]) -> list[tuple[Any, ...]]:
        """The arguments of every command of which `wanted(name, *arguments)` is true; they are forgotten by that."""
        found = [command[1:] for command in self.commands if wanted(*command)]
        self.commands = [command for command in self.commands if not wanted(*command)]
        return found

    def told(self, command: str) -> list[tuple[Any, ...]]:
        """The arguments of every `command`, which are forgotten by that."""
        found = [rest for name, *rest in self.commands if name == command]
        self.commands = [known for known in self.commands if known[0] != command]
        return [tuple(rest) for rest in found]

    @property
    def facts(self) -> EngineFacts:
        return EngineFacts(name="fake", workers=self.workers)

    def open_port(self, address: Address, worker: int = 0) -> tuple[PortId, Address]:
        assert 0 <= worker < self.workers
        if address[1] in self.refuse or address in self.ports.values():
            raise OSError(errno.EADDRINUSE, "in use")
        number = PortId(next(self._numbers))
        self.ports[number] = (address[0], address[1] or 50_000 + number)
        self.worker_of[number] = worker
        return number, self.ports[number]

    def close_port(self, port: PortId) -> None:
        del self.ports[port]

    def add_transport(self, spec: TransportSpec) -> None:
        self.specs[spec.id] = spec

    def remove_transport(self, transport: TransportId) -> None:
        del self.specs[transport]
        self.commands.append(("remove_transport", transport))

    def restart_ice(self, transport: TransportId, credentials: IceCredentials) -> None:
        self.commands.append(("restart_ice", transport, credentials))

    def set_remote(self, transport: TransportId, rtp: Address | None, rtcp: Address | None, latch: Latch) -> None:
        self.commands.append(("set_remote", transport, rtp, rtcp, latch))

    def set_keys(self, transport: TransportId, way: Way, keys: Keys | None, rollover: Mapping[int, int] = EMPTY) -> None:
        self.commands.append(("set_keys", transport, way, keys))

    def add_stream(self, spec: StreamSpec) -> None:
        self.streams[spec.id] = spec

    def remove_stream(self, stream: StreamId) -> None:
        del self.streams[stream]

    def route(self, route: Route) -> None:
        self.commands.append(("route", route))

    def unroute(self, source: StreamId, target: StreamId) -> None:
        self.commands.append(("unroute", source, target))

    def mux_rtcp(self, transport: TransportId, muxed: bool) -> None:
        self.commands.append(("mux_rtcp", transport, muxed))

    def set_tos(self, transport: TransportId, tos: int) -> None:
        self.commands.append(("set_tos", transport, tos))

    def set_rtcp_keys(self, transport: TransportId, way: Way, keys: Keys | None) -> None:
        self.commands.append(("set_rtcp_keys", transport, way, keys))

    def forward(self, source: TransportId, target: TransportId | None) -> None:
        self.commands.append(("forward", source, target))

    def send(self, transport: TransportId, data: bytes, *, rtcp: bool = False, to: Address | None = None) -> None:
        self.commands.append(("send", transport, data, rtcp, to))

    def send_rtcp(self, transport: TransportId, data: bytes) -> None:
        self.commands.append(("send_rtcp", transport, data))

    def inject(self, stream: StreamId, payload_type: int, payload: bytes, *, marker: bool = False, same_timestamp: bool = False) -> None:
        self.commands.append(("inject", stream, payload_type, payload, marker, same_timestamp))

    def resend(self, stream: StreamId, sequences: tuple[int, ...]) -> None:
        self.commands.append(("resend", stream, sequences))

    def statistics(self) -> EngineStatistics:
        transports = {number: self.transport_statistics(number) for number in self.specs}
        return EngineStatistics(
            streams={number: self.stream_statistics(number) for number in self.streams}, transports=transports, drops={"unknown_source": 5}
        )

    def stream_statistics(self, stream: StreamId) -> StreamStatistics:
        received, sent = self.received.get(stream, ReceiveStatistics()), self.sent.get(stream, SendStatistics())
        return StreamStatistics(received=received, sent=sent, route=self.routes_now.get(stream))

    def losses(self, streams: Sequence[StreamId]) -> list[int]:
        return [self.stream_statistics(stream).received.lost for stream in streams]

    def transport_statistics(self, transport: TransportId) -> TransportStatistics:
        if transport in self.carried:
            return self.carried[transport]
        return TransportStatistics(
            remote=None, rtcp_remote=None, packets_received=1, bytes_received=2, packets_sent=3, bytes_sent=4, drops={"replayed": 1}
        )

    def snapshot(self) -> dict[str, object]:
        return {}

    def restore(self, snapshot: Mapping[str, object]) -> None: ...

    async def close(self) -> None:
        self.closed = True
