"""The two engines that are compared, without sockets: each performs a step and says everything that came of it."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from boringsdp.errors import LocalError
from boringsdp.relay.engine import Address, EngineStatistics, Event, PortId
from boringsdp.relay.plane import Plane, restore_snapshot, take_snapshot
from tests.relay.differential.steps import Step

Sent = tuple[PortId, Address, int, bytes]
"""Port, address, TOS, octets."""

Snapshot = dict[str, Any]

MAX_TRANSPORTS = 8
"""So few that scenarios meet it."""


@dataclass(slots=True)
class Outcome:
    """What one step did, or datagrams that came together."""

    error: str
    sent: list[Sent]
    events: list[Event]
    statistics: EngineStatistics
    snapshot: Snapshot | None = None


class Subject(Protocol):
    """An engine under comparison."""

    def perform(self, steps: Sequence[Step]) -> Outcome:
        """One step, or several datagrams that come together."""

    def last_sequence(self, stream: int) -> int:
        """Where the stream's sending stands; 0 when there is no such stream."""

    def snapshot(self, now: float) -> Snapshot: ...


class Drawn(random.Random):
    """Random numbers of a list, over and over again: its upper bits."""

    def __init__(self, draws: Sequence[int]) -> None:
        super().__init__(0)
        self._draws = list(draws)
        self._at = 0

    def getrandbits(self, k: int, /) -> int:
        drawn = self._draws[self._at % len(self._draws)]
        self._at += 1
        return drawn >> (32 - k)


class PythonSubject:
    """The plane in Python, its ports recording."""

    def __init__(self, draws: Sequence[int], snapshot: Snapshot | None = None, now: float = 0.0) -> None:
        self._plane = Plane(Drawn(draws), max_transports=MAX_TRANSPORTS)
        self._sent: list[Sent] = []
        self._next_port = 1
        if snapshot is not None:
            restore_snapshot(self._plane, snapshot, self._open_port, now)

    def perform(self, steps: Sequence[Step]) -> Outcome:
        error = ""
        try:
            for step in steps:
                self._do(step)
        except (LocalError, ValueError) as raised:
            error = f"{type(raised).__name__}: {raised}"
        sent, self._sent = self._sent, []
        return Outcome(error, sent, self._plane.take_events(), self._plane.statistics())

    def _do(self, step: Step) -> None:
        plane, now = self._plane, step.now
        match step.what:
            case "receive":
                if step.args[0] in plane.ports:
                    port, source, data = step.args
                    plane.receive(port, source, data, now)
            case "open_port":
                self._open_port(PortId(self._next_port), step.args[0])
            case "tick":
                plane.tick(now)
            case "add_transport" | "set_remote" | "set_keys" | "set_rtcp_keys" | "inject" | "resend":
                getattr(plane, step.what)(*step.args, now)
            case _:
                getattr(plane, step.what)(*step.args)

    def last_sequence(self, stream: int) -> int:
        known = self._plane.streams.get(stream)  # type: ignore[call-overload]
        return 0 if known is None else known.last_sequence

    def snapshot(self, now: float) -> Snapshot:
        record: Snapshot = json.loads(json.dumps(take_snapshot(self._plane, now)))
        return record

    def _open_port(self, number: PortId, address: Address) -> None:
        self._next_port = number + 1
        marks = [0]

        def transmit(data: bytes, to: Address) -> None:
            self._sent.append((number, to, marks[0], data))

        def set_tos(tos: int) -> None:
            marks[0] = tos

        def make_marked(tos: int) -> Any:
            return lambda data, to: self._sent.append((number, to, tos, data))

        self._plane.open_port(number, address, transmit, set_tos=set_tos, make_marked=make_marked)
