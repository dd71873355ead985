"""What all connections have in common, and whom they tell. Shell."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple, Protocol

from boringsdp.sip.flow import Flow
from boringsdp.sip.framing import LINE_END, PING
from boringsdp.sip.transport.liveness import Liveness
from boringsdp.sip.transport.settings import Limits

MOST_UNHEARD = 256
"""Transactions remembered of what was sent since the peer was last heard."""


class Peer(NamedTuple):
    """What is known of the other end of a connection. `names`: the SIP domains of its verified certificate (RFC 5922 §7.1)."""

    names: tuple[str, ...] = ()
    origin: str = ""
    path: str = ""


class Hub(Protocol):
    """Whom connections tell. `Transports` is one."""

    limits: Limits

    def now(self) -> float: ...

    def new_id(self) -> int: ...

    def liveness(self, accepted: bool) -> Liveness: ...

    def opened(self, connection: Connection) -> None: ...

    def heard(self, connection: Connection, message: bytes) -> None: ...

    def broken(self, connection: Connection, cause: str) -> None: ...

    def ended(self, connection: Connection, reason: str) -> None: ...


class Connection(ABC):
    """The base of stream and WebSocket connections: who is at the other end, how long it lives, what its peer has not reacted to."""

    def __init__(self, hub: Hub, flow: Flow, accepted: bool, peer: Peer) -> None:
        self.flow = flow
        self.accepted = accepted
        self.peer = peer
        self.liveness = hub.liveness(accepted)
        self.unheard: list[int] = []
        """Transactions whose requests were sent since the peer last said anything: should it be gone, they have failed."""
        self.broken = 0
        """Messages that were none."""
        self.bad = False
        """Whether we end it for what the peer does."""
        self.reason = ""
        """Why we end it, once we do."""
        self._hub = hub
        self._line_ends = 0

    def send(self, data: bytes, transaction: int | None) -> bool:
        """Write a message; False when too much waits already, and then the connection is given up."""
        if transaction is not None and not data.startswith(b"SIP/") and len(self.unheard) < MOST_UNHEARD:
            self.unheard.append(transaction)
        self.liveness.message(self._hub.now())
        return self._write(data)

    def ping(self) -> None:
        self._write(PING)

    def close(self, reason: str) -> None:
        """End it once what waits has been written."""
        if not self.reason:
            self.reason = reason
            self.liveness.closing(self._hub.now())
            self._close()

    def abort(self, reason: str) -> None:
        """End it now; told through `Hub.ended`, soon."""
        self.reason = self.reason or reason
        self._abort()

    def _message(self, message: bytes) -> None:
        """A whole message has come."""
        self._line_ends = 0
        self.unheard.clear()
        self.liveness.heard()
        self.liveness.message(self._hub.now())
        self._hub.heard(self, message)

    def _line_end(self) -> None:
        """A line end has come between messages: a pong, or half of a ping, which is answered (RFC 5626 §4.4.1)."""
        if self.liveness.awaits_pong:
            self.liveness.pong()
            return
        self.liveness.ping(self._hub.now())
        self._line_ends += 1
        if self._line_ends == 2:
            self._line_ends = 0
            self._write(LINE_END)

    @abstractmethod
    def _write(self, data: bytes) -> bool:
        """Write; False when too much waits already, and then the connection is given up."""

    @abstractmethod
    def _close(self) -> None:
        """End it once what waits has been written."""

    @abstractmethod
    def _abort(self) -> None:
        """End it now."""
