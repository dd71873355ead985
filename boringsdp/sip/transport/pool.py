"""Which connections there are, what they are used for, and what waits for those being made. Shell."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections import Counter
from typing import Protocol

from boringsdp.errors import ConfigError
from boringsdp.sip.flow import Destination, Flow, Target
from boringsdp.sip.transport.connection import Connection
from boringsdp.sip.transport.settings import Limits

TOO_MANY = "too many connections"
TOO_MUCH = "too much waits for the connection"


class Owner(Protocol):
    """Whom the pool tells and asks. `Transports` is one."""

    async def dial(self, target: Target) -> Connection: ...

    def not_made(self, target: Target, reason: str) -> None: ...

    def unsent(self, transaction: int | None, reason: str) -> None: ...


class _Waiting:
    """What is to be sent once a connection has been made."""

    __slots__ = ("octets", "sends", "task")

    def __init__(self, task: asyncio.Task[None]) -> None:
        self.task = task
        self.sends: list[tuple[bytes, int | None]] = []
        self.octets = 0


class Pool:
    """The open connections by number; those we made, and aliases, by target."""

    def __init__(self, owner: Owner, limits: Limits) -> None:
        self._owner = owner
        self._limits = limits
        self._open: dict[int, Connection] = {}
        self._targets: dict[Target, Connection] = {}
        self._waiting: dict[Target, _Waiting] = {}
        self._sources: Counter[str] = Counter()
        """Of accepted connections, from before their handshake on."""
        self._accepted = self._made = 0
        self._emptied = asyncio.Event()

    def connections(self) -> list[Connection]:
        return list(self._open.values())

    def find(self, to: Destination) -> Connection | None:
        """Return the open connection that leads there."""
        connection = self._open.get(to.id) if isinstance(to, Flow) else self._targets.get(to)
        return None if connection is None or connection.reason else connection

    def send(self, data: bytes, to: Destination, transaction: int | None) -> None:
        """Send over an open connection, or one that is made for it."""
        connection = self.find(to)
        if connection is not None:
            if not connection.send(data, transaction) and (transaction is None or transaction not in connection.unheard):
                self._owner.unsent(transaction, connection.reason or "closed")
            return
        if isinstance(to, Flow):
            self._owner.unsent(transaction, "the connection is gone")
            return
        waiting = self._waiting.get(to)
        if waiting is None:
            if self._made + len(self._waiting) >= self._limits.connections:
                self._owner.unsent(transaction, TOO_MANY)
                return
            task = asyncio.get_running_loop().create_task(self._make(to))
            waiting = self._waiting[to] = _Waiting(task)
        if waiting.octets + len(data) > self._limits.unsent:
            self._owner.unsent(transaction, TOO_MUCH)
            return
        waiting.sends.append((data, transaction))
        waiting.octets += len(data)

    def alias(self, flow: Flow, target: Target) -> None:
        """Let requests to a target go over a connection; one that was made to it stays."""
        connection = self.find(flow)
        if connection is not None:
            self._targets.setdefault(target, connection)

    def enter(self, host: str, trusted: bool) -> str:
        """Count an accepted connection in; returns why it may not be, empty when it may."""
        if self._accepted >= self._limits.connections:
            return TOO_MANY
        if not trusted and self._sources[host] >= self._limits.connections_per_source:
            return "too many connections of one source"
        self._sources[host] += 1
        self._accepted += 1
        return ""

    def leave(self, host: str) -> None:
        """Count an accepted connection out."""
        self._accepted -= 1
        self._sources[host] -= 1
        if self._sources[host] <= 0:
            del self._sources[host]

    def opened(self, connection: Connection) -> None:
        self._open[connection.flow.id] = connection
        self._made += not connection.accepted

    def ended(self, connection: Connection, reason: str) -> None:
        """A connection is gone, and with it what its peer has not reacted to."""
        if self._open.pop(connection.flow.id, None) is None:
            return
        for target in [target for target, known in self._targets.items() if known is connection]:
            del self._targets[target]
        if connection.accepted:
            self.leave(connection.flow.remote[0])
        else:
            self._made -= 1
        for transaction in dict.fromkeys(connection.unheard):
            self._owner.unsent(transaction, reason)
        if not self._open:
            self._emptied.set()

    def abort_accepted(self, host: str, reason: str) -> None:
        """End all accepted connections of an address."""
        for connection in self.connections():
            if connection.accepted and connection.flow.remote[0] == host:
                connection.abort(reason)

    async def close(self, within: float) -> None:
        """End everything, if it takes no longer than so many seconds gently, else by force."""
        for waiting in list(self._waiting.values()):
            waiting.task.cancel()
        for connection in self.connections():
            connection.close("shutting down")
        if self._open:
            self._emptied.clear()
            try:
                async with asyncio.timeout(within):
                    await self._emptied.wait()
            except TimeoutError:
                for connection in self.connections():
                    connection.abort("shutting down")
                await asyncio.sleep(0)

    async def _make(self, target: Target) -> None:
        reason = "given up"
        connection = None
        try:
            connection = await self._owner.dial(target)
        except (OSError, ConfigError, ValueError, TypeError) as error:  # the last two: names that can be none
            reason = reason_of(error)
            self._owner.not_made(target, reason)
        finally:
            waiting = self._waiting.pop(target)
            if connection is None or connection.flow.id not in self._open:
                for _, transaction in waiting.sends:
                    self._owner.unsent(transaction, reason)
            else:
                self._targets[target] = connection
                for data, transaction in waiting.sends:
                    self.send(data, connection.flow, transaction)


def reason_of(error: Exception) -> str:
    """Return why a connection could not be made: the system's words, for what is no matter of TLS."""
    if isinstance(error, ssl.SSLError):
        return str(error.strerror or error)
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__
