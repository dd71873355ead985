"""
A datagram network in memory, with virtual time and a seeded fate for each datagram.

    network = Network(fate=Impairment(seed=1, loss=0.05, jitter_s=0.2))
    send = network.attach(("10.0.0.1", 4000), lambda data, source, now: ...)
    send(b"hello", ("10.0.0.2", 4000))
    network.run(seconds=10.0)
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

Address = tuple[str, int]
Receive = Callable[[bytes, Address, float], None]


@dataclass(slots=True, frozen=True)
class Datagram:
    data: bytes
    source: Address
    target: Address
    number: int
    sent_at: float


Fate = Callable[[Datagram], "float | Iterable[float] | None"]
"""The delay in seconds, None for loss, or several delays: one copy each."""


class Ticking(Protocol):
    def tick(self, now: float) -> Any: ...

    def deadline(self) -> float | None: ...


class Network:
    """Addresses in memory. Time is `now`, and moves only in `run`."""

    def __init__(self, fate: Fate = lambda datagram: 0.0, now: float = 1000.0) -> None:
        self.now = now
        self.fate = fate
        self._hosts: dict[Address, Receive] = {}
        self._queue: list[tuple[float, int, Callable[[], object]]] = []
        self._order = itertools.count()
        self._numbers = itertools.count()
        self._cores: list[Ticking] = []

    def attach(self, address: Address, receive: Receive) -> Callable[[bytes, Address], None]:
        """Put a host on the network; the returned function sends from its address."""
        self._hosts[address] = receive

        def send(data: bytes, target: Address) -> None:
            self._send(Datagram(bytes(data), address, target, next(self._numbers), self.now))

        return send

    def drive(self, core: Ticking) -> None:
        """Call the core's `tick` at its deadlines."""
        self._cores.append(core)

    def at(self, when: float, action: Callable[[], object]) -> None:
        """Do something at a time; in order of time, then of registration."""
        heapq.heappush(self._queue, (when, next(self._order), action))

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while True:
            deadlines = [(at, core) for core in self._cores if (at := core.deadline()) is not None]
            tick_at, core = min(deadlines, key=lambda pair: pair[0], default=(float("inf"), None))
            event_at = self._queue[0][0] if self._queue else float("inf")
            if min(tick_at, event_at) > end:
                break
            if tick_at < event_at and core is not None:
                self.now = max(self.now, tick_at)
                core.tick(self.now)
            else:
                self.now = max(self.now, event_at)
                heapq.heappop(self._queue)[2]()
        self.now = end

    def _send(self, datagram: Datagram) -> None:
        delays = self.fate(datagram)
        if delays is None:
            return
        for delay in (delays,) if isinstance(delays, (int, float)) else delays:
            self.at(self.now + delay, lambda: self._deliver(datagram))

    def _deliver(self, datagram: Datagram) -> None:
        receive = self._hosts.get(datagram.target)
        if receive is not None:
            receive(datagram.data, datagram.source, self.now)


@dataclass
class Impairment:
    """
    A seeded fate that remembers what it did. `only` chooses the datagrams it may touch; the others pass at once.

    `lost` and `duplicated` are the datagrams concerned; every datagram waits between 0 and `jitter_s`, copies wait on their own.
    """

    seed: int = 0
    loss: float = 0.0
    duplicate: float = 0.0
    jitter_s: float = 0.0
    delay_s: float = 0.0
    only: Callable[[Datagram], bool] = lambda datagram: True
    lost: list[Datagram] = field(default_factory=list)
    duplicated: list[Datagram] = field(default_factory=list)
    passed: list[Datagram] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def __call__(self, datagram: Datagram) -> float | list[float] | None:
        if not self.only(datagram):
            return 0.0
        if self._random.random() < self.loss:
            self.lost.append(datagram)
            return None
        self.passed.append(datagram)
        delays = [self.delay_s + self._random.random() * self.jitter_s]
        if self._random.random() < self.duplicate:
            self.duplicated.append(datagram)
            delays.append(self.delay_s + self._random.random() * self.jitter_s)
        return delays
