"""
Requests of ours but INVITE and ACK (RFC 3261 §17.1.2).

              1xx                  200-699
    TRYING ---------> PROCEEDING ----------> COMPLETED --K--> TERMINATED
       |                  |
       +------------------+-- F, failure ------------------> TERMINATED
"""

from __future__ import annotations

import enum

from boringsdp.sip.actions import ResponseReceived, TransactionAction, Transmit
from boringsdp.sip.flow import Destination
from boringsdp.sip.message import Request, Response
from boringsdp.sip.timers import TimerSettings
from boringsdp.sip.transaction.messages import local_answer, unanswered


class State(enum.Enum):
    TRYING = "trying"
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    TERMINATED = "terminated"


class ClientOther:
    """The request has its Via; `number` is what everything it tells is told under."""

    __slots__ = ("_again_at", "_end_at", "_interval", "_reliable", "_sent", "_timers", "number", "state")

    def __init__(self, number: int, request: Request, to: Destination, timers: TimerSettings) -> None:
        self.number = number
        self.state = State.TRYING
        self._reliable = to.protocol.reliable
        self._timers = timers
        self._sent = Transmit(request, request.to_bytes(), to, number)
        self._interval = timers.t1
        self._again_at: float | None = None
        """Timer E."""
        self._end_at: float | None = None
        """Timer F, K in COMPLETED."""

    @property
    def to(self) -> Destination:
        return self._sent.to

    @property
    def over(self) -> bool:
        return self.state is State.TERMINATED

    @property
    def answered(self) -> bool:
        return self.state in (State.COMPLETED, State.TERMINATED)

    def start(self, now: float) -> list[TransactionAction]:
        self._again_at = None if self._reliable else now + self._interval
        self._end_at = now + self._timers.timeout
        return [self._sent]

    def receive(self, response: Response, now: float) -> list[TransactionAction]:
        if self.answered:
            return []
        if response.code < 200:
            self.state = State.PROCEEDING
        elif self._reliable:
            self.state, self._again_at, self._end_at = State.TERMINATED, None, None
        else:
            self.state, self._again_at, self._end_at = State.COMPLETED, None, now + self._timers.t4
        return [ResponseReceived(self.number, response)]

    def failed(self, reason: str) -> list[TransactionAction]:
        """Take the news that the request could not be sent."""
        return [] if self.answered else self._end(503, reason)

    def redirect(self, to: Destination) -> list[TransactionAction]:
        """Send the request once more, over a connection that has taken the place of its own."""
        self._sent = Transmit(self._sent.message, self._sent.data, to, self.number)
        return [] if self.answered else [self._sent]

    def tick(self, now: float) -> list[TransactionAction]:
        if self._end_at is not None and self._end_at <= now:
            return self._end(408, unanswered(self._sent.to))
        if self._again_at is not None and self._again_at <= now:
            self._interval = self._timers.t2 if self.state is State.PROCEEDING else min(2 * self._interval, self._timers.t2)
            self._again_at = now + self._interval
            return [self._sent]
        return []

    def deadline(self) -> float | None:
        if self._again_at is None or self._end_at is None:
            return self._end_at
        return min(self._again_at, self._end_at)

    def _end(self, code: int, why: str = "") -> list[TransactionAction]:
        told, request = self.answered, self._sent.message
        self.state, self._again_at, self._end_at = State.TERMINATED, None, None
        assert isinstance(request, Request)
        return [] if told else [ResponseReceived(self.number, local_answer(request, code, why))]
