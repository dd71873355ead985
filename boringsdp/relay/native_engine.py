"""
The native engine: worker threads that own the sockets, outside the interpreter.

An adapter only: it turns the contract's dataclasses into plain values for `boringsdp_native.Engine` and back, and hands events up when the
engine's descriptor says that there are some. Importing this module fails where `boringsdp-native` is not installed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import boringsdp_native

from boringsdp.errors import WrongState
from boringsdp.relay import engine as contract
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
    PortStatistics,
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

MAX_REPORTS = 100
"""How often in a row the sink may cause new events before the loop gets its turn."""

MAX_EVENTS = 256
"""How many events of each worker the sink takes before the loop gets its turn, whatever peers send."""

_EVENTS: list[Callable[..., Event]] = [getattr(contract, name) for name in boringsdp_native.EVENTS]


class NativeEngine:
    """Implements `Engine`. Make it and use it inside the running loop (or give `loop`)."""

    def __init__(
        self, sink: EventSink, *, loop: asyncio.AbstractEventLoop | None = None, workers: int = 1, hold_us: int = 500,
        hold_above: int = 5000, sockets: str = "auto", reason: str = "", plain_ports: tuple[int, int] | None = None,
        max_transports: int = 20_000,
    ) -> None:  # fmt: skip
        """
        Start `workers` threads. Above `hold_above` packets a second a worker takes packets every `hold_us` microseconds; 0: when they come.

        `sockets`: auto, steered or per-call (the `reason` is for `facts`); ports numbered within `plain_ports`, both included, are steered
        where that can be had, with None all of them. Raises `ConfigError` when steered sockets are asked for and cannot be had, OSError
        without descriptors.
        """
        self._sink = sink
        self._loop = loop or asyncio.get_running_loop()
        self._native: Any = boringsdp_native.Engine(
            workers=workers, hold_us=hold_us, hold_above=hold_above, sockets=sockets, plain_ports=plain_ports, max_transports=max_transports
        )
        self._reason = reason
        self._reporting = False
        self._closed = False
        self._loop.add_reader(self._native.fileno(), self._report)

    @property
    def facts(self) -> EngineFacts:
        workers, sockets, reason, hold_us = self._native.facts()
        return EngineFacts(name="native", workers=workers, sockets=sockets, reason=reason or self._reason, hold_us=hold_us)

    # --- events

    def _report(self) -> None:
        """Hand the events up. What the sink does in turn may make new ones: they follow in a batch of their own."""
        if self._reporting or self._closed:
            return
        self._reporting = True
        try:
            for _ in range(MAX_REPORTS):
                events = self._native.take_events(MAX_EVENTS)
                if not events:
                    return
                self._sink([_EVENTS[kind](*fields) for kind, *fields in events])
                if self._closed or len(events) >= MAX_EVENTS:
                    return
        finally:
            self._reporting = False  # when there is more, the descriptor is readable still

    # --- ports and transports

    def open_port(self, address: Address, worker: int = 0) -> tuple[PortId, Address]:
        number, bound = self._native.open_port(address[0], address[1], worker)
        return PortId(number), bound

    def close_port(self, port: PortId) -> None:
        self._native.close_port(port)

    def add_transport(self, spec: TransportSpec) -> None:
        self._native.add_transport(spec)

    def remove_transport(self, transport: TransportId) -> None:
        self._native.remove_transport(transport)

    def restart_ice(self, transport: TransportId, credentials: IceCredentials) -> None:
        self._native.restart_ice(transport, credentials)

    def set_remote(self, transport: TransportId, rtp: Address | None, rtcp: Address | None, latch: Latch) -> None:
        self._native.set_remote(transport, rtp, rtcp, latch.value)

    def mux_rtcp(self, transport: TransportId, muxed: bool) -> None:
        self._native.mux_rtcp(transport, muxed)

    def set_tos(self, transport: TransportId, tos: int) -> None:
        self._native.set_tos(transport, tos)

    def set_keys(self, transport: TransportId, way: Way, keys: Keys | None, rollover: Mapping[int, int] = EMPTY) -> None:
        self._native.set_keys(transport, way.value, keys, rollover)

    def set_rtcp_keys(self, transport: TransportId, way: Way, keys: Keys | None) -> None:
        self._native.set_rtcp_keys(transport, way.value, keys)

    def forward(self, source: TransportId, target: TransportId | None) -> None:
        self._native.forward(source, target)

    # --- streams, routes, sending

    def add_stream(self, spec: StreamSpec) -> None:
        self._native.add_stream(spec)

    def remove_stream(self, stream: StreamId) -> None:
        self._native.remove_stream(stream)

    def route(self, route: Route) -> None:
        self._native.route(route)

    def unroute(self, source: StreamId, target: StreamId) -> None:
        self._native.unroute(source, target)

    def send(self, transport: TransportId, data: bytes, *, rtcp: bool = False, to: Address | None = None) -> None:
        self._native.send(transport, data, rtcp, to)

    def send_rtcp(self, transport: TransportId, data: bytes) -> None:
        self._native.send_rtcp(transport, data)

    def inject(self, stream: StreamId, payload_type: int, payload: bytes, *, marker: bool = False, same_timestamp: bool = False) -> None:
        self._native.inject(stream, payload_type, payload, marker, same_timestamp)

    def resend(self, stream: StreamId, sequences: tuple[int, ...]) -> None:
        self._native.resend(stream, sequences)

    # --- statistics and the end

    def statistics(self) -> EngineStatistics:
        streams, transports, drops = self._native.statistics()
        return EngineStatistics(
            streams={number: _stream(values) for number, values in streams.items()},
            transports={number: _transport(values) for number, values in transports.items()},
            drops=drops,
        )

    def stream_statistics(self, stream: StreamId) -> StreamStatistics:
        return _stream(self._native.stream_statistics(stream))

    def losses(self, streams: Sequence[StreamId]) -> list[int]:
        found: list[int] = self._native.losses(streams)
        return found

    def transport_statistics(self, transport: TransportId) -> TransportStatistics:
        return _transport(self._native.transport_statistics(transport))

    def snapshot(self) -> dict[str, object]:
        record: dict[str, object] = json.loads(self._native.snapshot())
        return record

    def restore(self, snapshot: Mapping[str, object]) -> None:
        self._native.restore(json.dumps(snapshot), _shared_ports(snapshot))

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._native.fileno())
        native, self._native = self._native, _Closed()
        native.close()  # its last descriptors are closed when it is freed: now, for nobody else has it


class _Closed:
    """What is left of the module's engine after `close`: every command is out of turn."""

    def __getattr__(self, name: str) -> NoReturn:
        raise WrongState("closed", "an open engine")


def _shared_ports(snapshot: Mapping[str, Any]) -> list[int]:
    """The ports in a snapshot that serve many transports."""
    found: set[int] = set()
    for record in snapshot.get("transports", ()):
        if record.get("shared"):
            found.update(port for port in (*record["ports"], record["rtcp_port"]) if port is not None)
        elif record.get("ice") and not record["own"]:
            found.update(record["ports"])
    return sorted(found)


def _transport(values: tuple[Any, ...]) -> TransportStatistics:
    remote, rtcp_remote, packets_received, bytes_received, packets_sent, bytes_sent, drops, rtp, rtcp = values
    return TransportStatistics(
        remote=remote, rtcp_remote=rtcp_remote, packets_received=packets_received, bytes_received=bytes_received,
        packets_sent=packets_sent, bytes_sent=bytes_sent, drops=drops, rtp=_port(rtp), rtcp=_port(rtcp),
    )  # fmt: skip


def _port(values: tuple[Any, ...]) -> PortStatistics:
    remote, announced, learned, last_arrival, packets_received, bytes_received, packets_sent, bytes_sent = values
    return PortStatistics(
        remote=remote, announced=announced, learned=learned, last_arrival=last_arrival, packets_received=packets_received,
        bytes_received=bytes_received, packets_sent=packets_sent, bytes_sent=bytes_sent,
    )  # fmt: skip


def _stream(values: tuple[Any, ...]) -> StreamStatistics:
    received, sent, route = values
    return StreamStatistics(ReceiveStatistics._make(received), SendStatistics._make(sent), route and RouteState._make(route))
