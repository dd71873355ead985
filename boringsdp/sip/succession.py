"""
Connections of browsers that are lost, and those that take their place. A core.

    keep -> lost: what is sent waits --+-- succeed: it goes by another connection, and so does all that is meant for the old one
                                       +-- time is up, abandon: it fails
"""

from __future__ import annotations

from dataclasses import dataclass, field

from boringsdp.sip.actions import Transmit
from boringsdp.sip.flow import Flow
from boringsdp.sip.timers import Timers

MAX_WAITING = 256
"""Messages that wait for the successor of one connection."""
MAX_OCTETS = 262_144
"""The same in octets."""
MAX_PAST = 16
"""Connections before the present one of a browser by which it is still known."""


@dataclass(slots=True, eq=False)
class _Lost:
    seconds: float
    waiting: dict[bytes, Transmit] = field(default_factory=dict)
    octets: int = 0


class Successions:
    """What is kept ends with its connection, at the latest when its time is up: nothing grows but with the connections there are."""

    def __init__(self) -> None:
        self._keeps: dict[Flow, float] = {}
        """Seconds, by connections that are there."""
        self._lost: dict[Flow, _Lost] = {}
        self._successors: dict[Flow, Flow] = {}
        self._past: dict[Flow, list[Flow]] = {}
        """By the present one, the oldest first."""
        self._timers: Timers[Flow] = Timers()

    def keep(self, flow: Flow, seconds: float) -> None:
        """Let what is sent wait for so long, should this connection end; 0: no more."""
        flow = self.current(flow)
        if flow in self._lost:
            return
        if seconds > 0:
            self._keeps[flow] = seconds
        else:
            self._keeps.pop(flow, None)

    def is_kept(self, flow: Flow) -> bool:
        """Whether its end, that may have come, is borne."""
        return flow in self._keeps or flow in self._lost

    def waits(self, flow: Flow) -> bool:
        """Whether it is lost, and a successor is waited for."""
        return self.current(flow) in self._lost

    def current(self, flow: Flow) -> Flow:
        """Return the connection that stands for one now."""
        return self._successors.get(flow, flow)

    def lose(self, flow: Flow, now: float) -> bool:
        """Take note that a connection has ended; whether a successor is waited for."""
        if flow in self._lost:
            return True
        seconds = self._keeps.pop(flow, 0.0)
        if seconds <= 0:
            self._forget(flow)
            return False
        self._lost[flow] = _Lost(seconds)
        self._timers.set(flow, now + seconds)
        return True

    def hold(self, message: Transmit, flow: Flow) -> bool:
        """Let a message wait for the successor of a lost connection; False: too much waits already."""
        lost = self._lost[flow]
        if message.data in lost.waiting:
            return True
        if len(lost.waiting) >= MAX_WAITING or lost.octets + len(message.data) > MAX_OCTETS:
            return False
        lost.waiting[message.data] = message
        lost.octets += len(message.data)
        return True

    def succeed(self, old: Flow, new: Flow) -> list[Transmit]:
        """Let one connection stand for another; returns what has waited. Nothing when it does so already."""
        old, new = self.current(old), self.current(new)
        if old == new:
            return []
        lost = self._lost.pop(old, None)
        self._timers.set(old, None)
        seconds = self._keeps.pop(old, 0.0) if lost is None else lost.seconds
        if seconds > 0 and new not in self._lost:
            self._keeps.setdefault(new, seconds)
        past = [*self._past.pop(old, ()), *self._past.get(new, ()), old]
        for forgotten in past[:-MAX_PAST]:
            self._successors.pop(forgotten, None)
        self._past[new] = past[-MAX_PAST:]
        for flow in self._past[new]:
            self._successors[flow] = new
        return [] if lost is None else list(lost.waiting.values())

    def abandon(self, flow: Flow) -> bool:
        """Wait no more; whether that was done."""
        flow = self.current(flow)
        self._keeps.pop(flow, None)
        self._timers.set(flow, None)
        if self._lost.pop(flow, None) is None:
            return False
        self._forget(flow)
        return True

    def keep_nothing(self) -> list[Flow]:
        """Bear no more ends; returns the lost ones, for `abandon`."""
        self._keeps.clear()
        return list(self._lost)

    def tick(self, now: float) -> list[Flow]:
        """Return those whose time is up, for `abandon`."""
        due: list[Flow] = []
        while (flow := self._timers.next_due(now)) is not None:
            due.append(flow)
        return due

    def deadline(self) -> float | None:
        return self._timers.deadline()

    def __len__(self) -> int:
        return len(self._keeps) + len(self._lost) + len(self._successors)

    def _forget(self, flow: Flow) -> None:
        for past in self._past.pop(flow, ()):
            self._successors.pop(past, None)
