"""A UDP relay between a proxy and the gateway that loses what a test says, and remembers what went through."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

Address = tuple[str, int]


@dataclass
class Lossy(asyncio.DatagramProtocol):
    """Loses the first reply to each request that holds `marker`."""

    gateway: Address
    marker: bytes
    requests: list[bytes] = field(default_factory=list)
    replies: list[bytes] = field(default_factory=list)
    port: int = 0
    _transport: asyncio.DatagramTransport | None = None
    _ways: dict[Address, asyncio.DatagramTransport] = field(default_factory=dict)
    _lost: set[bytes] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self.requests.append(data)
        task = asyncio.ensure_future(self._pass_on(data, addr))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, data: bytes, client: Address) -> None:
        if client not in self._ways:
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: _Way(self, client), remote_addr=self.gateway)
            self._ways[client] = transport
        self._ways[client].sendto(data)

    def returned(self, data: bytes, client: Address) -> None:
        """Takes a reply of the gateway's."""
        self.replies.append(data)
        cookie = data.split(b" ", 1)[0]
        marked = any(each.startswith(cookie + b" ") and self.marker in each for each in self.requests)
        if marked and cookie not in self._lost:
            self._lost.add(cookie)
            return
        assert self._transport is not None
        self._transport.sendto(data, client)

    def twice(self) -> list[tuple[bytes, list[bytes]]]:
        """The cookies that were lost once, each with all replies to it."""
        return [(cookie, [each for each in self.replies if each.startswith(cookie + b" ")]) for cookie in sorted(self._lost)]

    def close(self) -> None:
        """Ends all sockets."""
        for transport in (self._transport, *self._ways.values()):
            if transport is not None:
                transport.close()


@dataclass
class _Way(asyncio.DatagramProtocol):
    relay: Lossy
    client: Address

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self.relay.returned(data, self.client)


@contextlib.asynccontextmanager
async def running_lossy(gateway: Address, marker: bytes) -> AsyncIterator[Lossy]:
    """A relay on a loopback port."""
    transport, relay = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Lossy(gateway, marker), local_addr=("127.0.0.1", 0)
    )
    relay.port = int(transport.get_extra_info("sockname")[1])
    try:
        yield relay
    finally:
        relay.close()
