"""
Requests of a peer but INVITE and ACK (RFC 3261 §17.2.2, RFC 4320).

              100                  200-699
    TRYING ---------> PROCEEDING ----------> COMPLETED --J--> TERMINATED
       |                  |                                       ^
       +------------------+-- 64*T1, or an answer of 408 ---------+
"""

from __future__ import annotations

import enum

from boringsdp.sip.actions import TransactionAction, Transmit
from boringsdp.sip.build import answering, response_to
from boringsdp.sip.flow import Destination, Flow
from boringsdp.sip.message import Request, Response
from boringsdp.sip.timers import TimerSettings


class State(enum.Enum):
    TRYING = "trying"
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    TERMINATED = "terminated"


class ServerOther:
    """
    `to` is where responses go, `tag` what their To gets.

    A peer has given up after 64*T1, as its timer F says: what is not answered by then never is, and 408 is never sent (RFC 4320 §4.2).
    100 is sent by itself once the peer's timer E has reached T2, and not before over UDP; no other provisional is (§4.1).
    """

    __slots__ = ("_end_at", "_late_at", "_reliable", "_sent", "_timers", "flow", "number", "request", "state", "tag", "to")

    def __init__(self, number: int, request: Request, flow: Flow, to: Destination, tag: str, timers: TimerSettings, now: float) -> None:
        self.number = number
        self.request: Request | None = request
        self.flow = flow
        self.to = to
        self.tag = tag
        self.state = State.TRYING
        self._reliable = flow.protocol.reliable
        self._timers = timers
        self._sent: Transmit | None = None
        self._late_at: float | None = now + timers.late_trying
        self._end_at: float | None = now + timers.timeout
        """When the peer has given up, timer J in COMPLETED."""

    @property
    def over(self) -> bool:
        return self.state is State.TERMINATED

    @property
    def answered(self) -> bool:
        return self.state in (State.COMPLETED, State.TERMINATED)

    def reply(self, response: Response, now: float) -> list[TransactionAction]:
        if self.request is None or self.answered:
            return []
        if response.code < 200:
            if response.code != 100 or (not self._reliable and self._late_at is not None and now < self._late_at):
                return []
            return self._try(answering(self.request, response, self.tag))
        self._late_at = None
        if response.code == 408:
            self._end()
            return []
        final = answering(self.request, response, self.tag)
        self._sent = Transmit(final, final.to_bytes(), self.to, self.number)
        self.request = None  # of no use any more, and 32 s are long
        if self._reliable:
            self.state, self._end_at = State.TERMINATED, None
        else:
            self.state, self._end_at = State.COMPLETED, now + self._timers.timeout
        return [self._sent]

    def again(self) -> list[TransactionAction]:
        """Take a retransmission of the request."""
        return [] if self._sent is None else [self._sent]

    def redirect(self, to: Destination) -> list[TransactionAction]:
        """Answer over a connection that has taken the place of the request's."""
        self.to = to
        return []

    def tick(self, now: float) -> list[TransactionAction]:
        if self._end_at is not None and self._end_at <= now:
            self._end()
        elif self._late_at is not None and self._late_at <= now and self.request is not None:
            return self._try(response_to(self.request, 100))
        return []

    def deadline(self) -> float | None:
        if self._late_at is None or self._end_at is None:
            return self._end_at
        return min(self._late_at, self._end_at)

    def _try(self, response: Response) -> list[TransactionAction]:
        self.state, self._late_at = State.PROCEEDING, None
        self._sent = Transmit(response, response.to_bytes(), self.to, self.number)
        return [self._sent]

    def _end(self) -> None:
        self.state, self._late_at, self._end_at = State.TERMINATED, None, None
