"""Reliable provisional responses (RFC 3262): those of ours until their PRACK comes, and the order of the peer's."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum

from boringsdp.sip.message import Response

MAX_QUEUED = 16
"""Provisional responses that wait for the PRACK of an earlier one."""
FIRST_RSEQ_BITS = 31


@dataclass(slots=True)
class _Unacknowledged:
    number: int
    response: Response
    interval: float
    again_at: float
    gives_up_at: float


class Reliability:
    """
    Our reliable provisional responses to one INVITE: one at a time on the wire, each repeated at T1, 2*T1, 4*T1 ... for 64*T1.

    `first` is the RSeq to begin with, 1..2**31-1.
    """

    def __init__(self, first: int, t1: float) -> None:
        self._number = first - 1
        self._t1 = t1
        self._sent: _Unacknowledged | None = None
        self._queue: deque[Response] = deque()
        self._stopped: set[int] = set()

    @property
    def waiting(self) -> bool:
        """Whether any is not acknowledged."""
        return self._sent is not None

    @property
    def full(self) -> bool:
        return len(self._queue) >= MAX_QUEUED

    @property
    def waiting_with_sdp(self) -> bool:
        """Whether one with SDP is not acknowledged: a 2xx has to wait (RFC 3262 §3)."""
        unacknowledged = [*([self._sent.response] if self._sent else []), *self._queue]
        return any(response.body for response in unacknowledged)

    def send(self, response: Response, now: float) -> Response | None:
        """Return the response to send now with its RSeq, None when an earlier one has to be acknowledged first."""
        if self._sent is not None:
            self._queue.append(response)
            return None
        self._number += 1
        response = response.copy()
        response.headers.add("Require", "100rel")
        response.headers.add("RSeq", str(self._number))
        self._sent = _Unacknowledged(self._number, response, self._t1, now + self._t1, now + 64 * self._t1)
        return response

    def acknowledged(self, number: int) -> Response | None:
        """Return the response whose PRACK came, None if none waits for that RSeq. Call `next` then."""
        if self._sent is None or self._sent.number != number:
            return None
        response, self._sent = self._sent.response, None
        return response

    def acknowledged_late(self, number: int) -> bool:
        """Whether a PRACK is for a response that was given up when the final one was sent."""
        return number in self._stopped

    def next(self, now: float) -> Response | None:
        """Return what has waited for the PRACK, to be sent now."""
        return self.send(self._queue.popleft(), now) if self._sent is None and self._queue else None

    def stop(self) -> None:
        """A final response goes out: nothing is repeated any more."""
        if self._sent is not None:
            self._stopped.add(self._sent.number)
        self._sent = None
        self._queue.clear()

    def expired(self, now: float) -> bool:
        """Whether no PRACK came for 64*T1: the INVITE is to be refused by a 5xx."""
        return self._sent is not None and now >= self._sent.gives_up_at

    def tick(self, now: float) -> Response | None:
        """Return the response to send again, if it is time."""
        sent = self._sent
        if sent is None or now < sent.again_at:
            return None
        sent.interval *= 2
        sent.again_at = now + sent.interval
        return sent.response

    def deadline(self) -> float | None:
        return None if self._sent is None else min(self._sent.again_at, self._sent.gives_up_at)


class Order(Enum):
    """How a reliable provisional response of the peer stands to those before it."""

    NEXT = "next"
    """To be used and acknowledged."""
    AGAIN = "again"
    """A repetition: the PRACK repeats itself."""
    AHEAD = "ahead"
    """One before it is missing: neither used nor acknowledged, it comes again."""


class ReliableOrder:
    """The RSeq of the peer's provisional responses to one INVITE in one early dialog (RFC 3262 §4)."""

    def __init__(self) -> None:
        self._last: int | None = None

    def take(self, number: int) -> Order:
        if self._last is not None and number != self._last + 1:
            return Order.AGAIN if number <= self._last else Order.AHEAD
        self._last = number
        return Order.NEXT
