"""
INVITE of ours (RFC 3261 §17.1.1 with RFC 6026 §7.2).

                 1xx                     2xx
    CALLING ------------> PROCEEDING ----------> ACCEPTED --M--> TERMINATED
       |  \\__________________ | _____________________/^
       |                       | 300-699
       |        300-699        v
       +-----------------> COMPLETED --D--> TERMINATED
       | B, failure
       +-----------------> TERMINATED
"""

from __future__ import annotations

import enum

from boringsdp.sip.actions import AgainReceived, ResponseReceived, TransactionAction, Transmit
from boringsdp.sip.flow import Destination
from boringsdp.sip.message import Request, Response
from boringsdp.sip.timers import TimerSettings
from boringsdp.sip.transaction.messages import ack_of, local_answer, unanswered


class State(enum.Enum):
    CALLING = "calling"
    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    TERMINATED = "terminated"


class ClientInvite:
    """The request has its Via; `number` is what everything it tells is told under."""

    __slots__ = ("_ack", "_again_at", "_end_at", "_interval", "_reliable", "_sent", "_timers", "cancelled", "number", "request", "state")

    def __init__(self, number: int, request: Request, to: Destination, timers: TimerSettings) -> None:
        self.number = number
        self.request = request
        self.state = State.CALLING
        self.cancelled = False
        self._reliable = to.protocol.reliable
        self._timers = timers
        self._sent = Transmit(request, request.to_bytes(), to, number)
        self._ack: Transmit | None = None
        self._interval = timers.t1
        self._again_at: float | None = None
        """Timer A."""
        self._end_at: float | None = None
        """Timer B in CALLING, C (or the end of patience after CANCEL) in PROCEEDING, D in COMPLETED, M in ACCEPTED."""

    @property
    def to(self) -> Destination:
        return self._sent.to

    @property
    def over(self) -> bool:
        return self.state is State.TERMINATED

    @property
    def answered(self) -> bool:
        """Whether the final response has come, or none will."""
        return self.state not in (State.CALLING, State.PROCEEDING)

    def start(self, now: float) -> list[TransactionAction]:
        self._again_at = None if self._reliable else now + self._interval
        self._end_at = now + self._timers.timeout
        return [self._sent]

    def receive(self, response: Response, now: float) -> list[TransactionAction]:
        match self.state:
            case State.CALLING | State.PROCEEDING if response.code < 200:
                self._proceed(response.code, now)
            case State.CALLING | State.PROCEEDING if response.code < 300:
                self.state, self._again_at = State.ACCEPTED, None
                self._end_at = now + self._timers.timeout
            case State.CALLING | State.PROCEEDING:
                return self._complete(response, now)
            case State.ACCEPTED if 200 <= response.code < 300:
                return [AgainReceived(self.number, response)]
            case State.COMPLETED if response.code >= 300 and self._ack is not None:
                return [self._ack]
            case _:
                return []
        return [ResponseReceived(self.number, response)]

    def cancel(self, now: float) -> bool:
        """
        Take note of a CANCEL; False: there has been one, or it is too late.

        Without a final response within 64*T1 from now on it ends as 487 (RFC 3261 §9.1).
        """
        if self.answered or self.cancelled:
            return False
        self.cancelled = True
        self._end_at = now + self._timers.timeout
        return True

    def unheard(self, now: float) -> bool:
        """Whether timer C has run out: whoever owns this sends CANCEL now."""
        return self.state is State.PROCEEDING and not self.cancelled and self._end_at is not None and self._end_at <= now

    def failed(self, reason: str) -> list[TransactionAction]:
        """Take the news that the request could not be sent; a lost ACK changes nothing."""
        return [] if self.answered else self._end(503, reason)

    def redirect(self, to: Destination) -> list[TransactionAction]:
        """Send the INVITE once more, over a connection that has taken the place of its own: what was said of it may have been lost."""
        self._sent = Transmit(self._sent.message, self._sent.data, to, self.number)
        return [] if self.answered else [self._sent]

    def tick(self, now: float) -> list[TransactionAction]:
        if self._end_at is not None and self._end_at <= now:
            return self._end(487) if self.cancelled else self._end(408, unanswered(self._sent.to))
        if self._again_at is not None and self._again_at <= now:
            self._interval *= 2
            self._again_at = now + self._interval
            return [self._sent]
        return []

    def deadline(self) -> float | None:
        if self._again_at is None or self._end_at is None:
            return self._end_at
        return min(self._again_at, self._end_at)

    def _proceed(self, code: int, now: float) -> None:
        first = self.state is State.CALLING
        self.state, self._again_at = State.PROCEEDING, None
        if self.cancelled or not (first or code > 100):
            return
        self._end_at = None if self._timers.c is None else now + self._timers.c

    def _complete(self, response: Response, now: float) -> list[TransactionAction]:
        ack = ack_of(self.request, response)
        self._ack = Transmit(ack, ack.to_bytes(), self.to, self.number)
        self._again_at = None
        if self._reliable:
            self.state, self._end_at = State.TERMINATED, None
        else:
            self.state, self._end_at = State.COMPLETED, now + self._timers.d
        return [self._ack, ResponseReceived(self.number, response)]

    def _end(self, code: int, why: str = "") -> list[TransactionAction]:
        told = self.answered
        self.state, self._again_at, self._end_at = State.TERMINATED, None, None
        return [] if told else [ResponseReceived(self.number, local_answer(self.request, code, why))]
