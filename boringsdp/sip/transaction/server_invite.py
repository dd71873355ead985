"""
INVITE of a peer (RFC 3261 §17.2.1 with RFC 6026 §7.1).

                  2xx
    PROCEEDING ----------> ACCEPTED --L--> TERMINATED
        |                                       ^
        | 300-699                ACK            |
        +----------> COMPLETED -----> CONFIRMED-+ I
                         |                      |
                         +---- H ---------------+
"""

from __future__ import annotations

import enum
from contextlib import suppress

from boringsdp.errors import SipError
from boringsdp.sip import headers
from boringsdp.sip.actions import ReplyFailed, TransactionAction, Transmit
from boringsdp.sip.build import answering, response_to
from boringsdp.sip.flow import Destination, Flow
from boringsdp.sip.headers import to
from boringsdp.sip.message import Request, Response
from boringsdp.sip.timers import TimerSettings


class State(enum.Enum):
    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


class ServerInvite:
    """
    `to` is where responses go, `tag` what their To gets unless they bring one. Nothing is sent at first; 100 goes out when nobody answers
    soon.
    """

    __slots__ = (
        "_again_at", "_end_at", "_interval", "_reliable", "_sent", "_timers", "flow", "number", "request", "state", "tag", "to", "told",
    )  # fmt: skip

    def __init__(self, number: int, request: Request, flow: Flow, to: Destination, tag: str, timers: TimerSettings, now: float) -> None:
        self.number = number
        self.request = request
        self.flow = flow
        self.to = to
        self.tag = tag
        self.state = State.PROCEEDING
        self.told = False
        """Whether ReplyFailed has been told."""
        self._reliable = flow.protocol.reliable
        self._timers = timers
        self._sent: Transmit | None = None
        self._interval = timers.t1
        self._again_at: float | None = now + timers.trying
        """When 100 goes out in PROCEEDING, timer G in COMPLETED."""
        self._end_at: float | None = None
        """Timer H in COMPLETED, I in CONFIRMED, L in ACCEPTED."""

    @property
    def over(self) -> bool:
        return self.state is State.TERMINATED

    @property
    def answered(self) -> bool:
        return self.state is not State.PROCEEDING

    @property
    def accepted(self) -> bool:
        """Whether it was answered with 2xx."""
        return self.state is State.ACCEPTED

    @property
    def to_tag(self) -> str:
        """The To tag of our responses: the user agent may have chosen another than `tag`."""
        return (self._sent is not None and to(self._sent.message).tag) or self.tag

    def reply(self, response: Response, now: float) -> list[TransactionAction]:
        """Answer. After a 2xx only further ones are sent, after a refusal nothing more."""
        match self.state:
            case State.PROCEEDING if response.code < 200:
                self._again_at = None
            case State.PROCEEDING if response.code < 300:
                self.state, self._again_at, self._end_at = State.ACCEPTED, None, now + self._timers.timeout
            case State.PROCEEDING:
                self.state, self._end_at = State.COMPLETED, now + self._timers.timeout
                self._again_at = None if self._reliable else now + self._interval
            case State.ACCEPTED if 200 <= response.code < 300:
                pass
            case _:
                return []
        made = answering(self.request, response, self.tag)
        with suppress(SipError):
            self.tag = headers.to(made).tag or self.tag
        self._keep(made)
        return self._send()

    def again(self) -> list[TransactionAction]:
        """Take a retransmission of the INVITE."""
        return self._send() if self.state in (State.PROCEEDING, State.COMPLETED) else []

    def acknowledge(self, now: float) -> bool:
        """Take an ACK; True: it is for the user agent (of a 2xx)."""
        if self.state is State.COMPLETED:
            self._again_at = None
            self.state = State.TERMINATED if self._reliable else State.CONFIRMED
            self._end_at = None if self._reliable else now + self._timers.t4
        return self.state is State.ACCEPTED

    def failed(self) -> list[TransactionAction]:
        """Take the news that a response could not be sent. Told once, and only of final ones; the timers go on (RFC 6026 §7.1)."""
        if self.told or self.state not in (State.ACCEPTED, State.COMPLETED):
            return []
        self.told = True
        return [ReplyFailed(self.number)]

    def redirect(self, to: Destination) -> list[TransactionAction]:
        """Send the last response once more, and what follows, elsewhere."""
        self.to = to
        if self._sent is not None:
            self._sent = Transmit(self._sent.message, self._sent.data, to, self.number)
        return self._send()

    def tick(self, now: float) -> list[TransactionAction]:
        if self._end_at is not None and self._end_at <= now:
            unacknowledged = self.state is State.COMPLETED and not self.told
            self.state, self._again_at, self._end_at = State.TERMINATED, None, None
            return [ReplyFailed(self.number)] if unacknowledged else []
        if self._again_at is None or self._again_at > now:
            return []
        if self.state is State.PROCEEDING:
            self._again_at = None
            self._keep(response_to(self.request, 100))
        else:
            self._interval = min(2 * self._interval, self._timers.t2)
            self._again_at = now + self._interval
        return self._send()

    def deadline(self) -> float | None:
        if self._again_at is None or self._end_at is None:
            return self._again_at if self._end_at is None else self._end_at
        return min(self._again_at, self._end_at)

    def _keep(self, response: Response) -> None:
        self._sent = Transmit(response, response.to_bytes(), self.to, self.number)

    def _send(self) -> list[TransactionAction]:
        return [] if self._sent is None else [self._sent]
