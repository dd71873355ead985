"""The native engine without its sockets and threads, as a subject of comparison."""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import boringsdp.relay.engine as contract
from boringsdp.errors import LocalError
from boringsdp.relay.engine import (
    Address,
    EngineStatistics,
    Event,
    PortStatistics,
    ReceiveStatistics,
    RouteState,
    SendStatistics,
    StreamStatistics,
    TransportStatistics,
)
from tests.relay.differential.steps import Step
from tests.relay.differential.subject import MAX_TRANSPORTS, Outcome, Sent, Snapshot


class NativeSubject:
    """`boringsdp_native.Engine(manual=True)`."""

    def __init__(self, draws: Sequence[int], snapshot: Snapshot | None = None, now: float = 0.0, *, workers: int = 1) -> None:
        native = importlib.import_module("boringsdp_native")
        self._kinds = [getattr(contract, name) for name in native.EVENTS]
        self._engine: Any = native.Engine(workers=workers, manual=True, draws=list(draws), max_transports=MAX_TRANSPORTS)
        self._workers = workers
        self._ports: set[int] = set()
        self._last_port = 0
        if snapshot is not None:
            self._engine.set_now(now)
            self._engine.restore(json.dumps(snapshot), [])
            self._ports = {port["id"] for port in snapshot["ports"]}
            self._last_port = max(self._ports, default=0)

    def perform(self, steps: Sequence[Step]) -> Outcome:
        error, sent = "", []
        self._engine.set_now(steps[0].now)
        try:
            sent = (self._do(steps[0]) if len(steps) == 1 else self._take(steps)) or []
        except (LocalError, ValueError) as raised:
            error = f"{type(raised).__name__}: {raised}"
        return Outcome(error, [tuple(item) for item in sent], self._events(), self._statistics())  # type: ignore[misc]

    def _do(self, step: Step) -> list[Sent] | None:
        engine, args = self._engine, step.args
        match step.what:
            case "receive":
                return self._take([step])
            case "open_port":
                self._open_port(args[0], args[1] % self._workers)
            case "close_port":
                engine.close_port(*args)
                self._ports.discard(args[0])
            case "tick":
                engine.tick(step.now)
            case "set_remote":
                engine.set_remote(*args[:3], args[3].value)
            case "set_keys" | "set_rtcp_keys":
                engine_args = (args[0], args[1].value, *args[2:])
                getattr(engine, step.what)(*engine_args)
            case _:
                found: list[Sent] | None = getattr(engine, step.what)(*args)
                return found
        return None

    def _take(self, steps: Sequence[Step]) -> list[Sent]:
        batch = [step.args for step in steps if step.args[0] in self._ports]
        arrived: list[Sent] = self._engine.receive_batch(batch, steps[0].now)
        return arrived

    def _open_port(self, address: Address, worker: int) -> None:
        self._last_port += 1
        number, _ = self._engine.open_port(*address, worker)
        assert number == self._last_port
        self._ports.add(number)

    def last_sequence(self, stream: int) -> int:
        try:
            return int(_stream(self._engine.stream_statistics(stream)).sent.last_sequence)
        except LocalError:
            return 0

    def snapshot(self, now: float) -> Snapshot:
        self._engine.set_now(now)
        record: Snapshot = json.loads(self._engine.snapshot())
        return record

    def _events(self) -> list[Event]:
        return [self._kinds[number](*values) for number, *values in self._engine.take_events()]

    def _statistics(self) -> EngineStatistics:
        streams, transports, drops = self._engine.statistics()
        return EngineStatistics(
            streams={number: _stream(value) for number, value in streams.items()},
            transports={number: _transport(value) for number, value in transports.items()}, drops=drops,
        )  # fmt: skip


def _named(kind: Any, values: Sequence[Any]) -> Any:
    names = kind._fields if issubclass(kind, tuple) else [field.name for field in fields(kind)]
    return kind(**dict(zip(names, values, strict=True)))


def _stream(value: Any) -> StreamStatistics:
    received, sent, route = value
    return StreamStatistics(
        received=_named(ReceiveStatistics, received), sent=_named(SendStatistics, sent), route=route and _named(RouteState, route)
    )


def _transport(value: Any) -> TransportStatistics:
    *rest, rtp, rtcp = value
    found: TransportStatistics = _named(TransportStatistics, [*rest, _named(PortStatistics, rtp), _named(PortStatistics, rtcp)])
    return found
