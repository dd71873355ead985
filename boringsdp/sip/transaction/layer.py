"""All transactions of a user agent: new ones, matching, retransmissions, timers."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable

from boringsdp.sip.actions import AgainReceived, Cancelled, ReplyFailed, RequestReceived, ResponseReceived, Transmit
from boringsdp.sip.flow import Destination, Flow
from boringsdp.sip.message import Message, Request, Response
from boringsdp.sip.timers import DEFAULT_TIMERS, TimerSettings

TransactionAction = Transmit | RequestReceived | ResponseReceived | AgainReceived | Cancelled | ReplyFailed

MAX_TRANSACTIONS = 65_536
"""Client and server transactions together; above that requests are answered by a stateless 503, and ours are refused."""


class Transactions:
    """
    The transaction layer: one core over all machines.

    `sent_by(to)` is the "host:port" that Via says towards a destination; `token(n)` n random octets in hexadecimal.
    """

    def __init__(
        self, *, sent_by: Callable[[Destination], str], token: Callable[[int], str] = secrets.token_hex,
        timers: TimerSettings = DEFAULT_TIMERS, max_transactions: int = MAX_TRANSACTIONS,
    ) -> None:  # fmt: skip
        raise NotImplementedError

    def request(self, request: Request, to: Destination, now: float) -> tuple[int, list[TransactionAction]]:
        """Send a request (not ACK, not CANCEL) under a Via of our own; the number is what its responses are told with. Raises Exhausted."""
        raise NotImplementedError

    def cancel(self, transaction: int, now: float, headers: Iterable[tuple[str, str]] = ()) -> list[TransactionAction]:
        """Send CANCEL for an INVITE of ours that has no final response, at once; nothing for any other. Not told: its own response."""
        raise NotImplementedError

    def reply(self, transaction: int, response: Response, now: float) -> list[TransactionAction]:
        """Answer a request; nothing happens when its transaction is over. A 2xx to INVITE may be sent again and again (RFC 6026)."""
        raise NotImplementedError

    def transmit_ack(self, request: Request, to: Destination) -> list[TransactionAction]:
        """Send the ACK of a 2xx: under a branch of its own, without a transaction."""
        raise NotImplementedError

    def receive(self, message: Message, flow: Flow, now: float) -> list[TransactionAction]:
        """Take a message from the network. What cannot be matched or read is dropped."""
        raise NotImplementedError

    def failed(self, transaction: int, reason: str, now: float) -> list[TransactionAction]:
        """Take the news that a Transmit of this transaction could not be sent."""
        raise NotImplementedError

    def forget(self, transaction: int) -> None:
        """Let go of a transaction whose outcome interests nobody: it goes on, and tells nothing more."""
        raise NotImplementedError

    def tick(self, now: float) -> list[TransactionAction]:
        raise NotImplementedError

    def deadline(self) -> float | None:
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError
