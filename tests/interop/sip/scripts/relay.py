"""A bad line: a UDP relay that loses and doubles datagrams as a test says."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

Address = tuple[str, int]
Fate = Callable[[bytes, int], int]
"""From a datagram, and how often the same came before, to how many copies go on."""


def faithful(data: bytes, before: int) -> int:
    return 1


@dataclass
class Relay(asyncio.DatagramProtocol):
    """Between whoever sends to `port` first and `server`."""

    server: Address
    to_server: Fate
    to_client: Fate
    port: int = 0
    outside: int = 0
    """The port that the server sees."""
    _client: Address | None = None
    _near: asyncio.DatagramTransport | None = None
    _far: asyncio.DatagramTransport | None = None
    _seen: dict[bytes, int] = field(default_factory=dict)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        before = self._seen.get(data, 0)
        self._seen[data] = before + 1
        assert self._near is not None
        assert self._far is not None
        if addr == self.server:
            for _ in range(self.to_client(data, before)):
                self._near.sendto(data, self._client)
            return
        self._client = addr
        for _ in range(self.to_server(data, before)):
            self._far.sendto(data, self.server)


@contextlib.asynccontextmanager
async def running_relay(server: str, *, to_server: Fate = faithful, to_client: Fate = faithful) -> AsyncIterator[Relay]:
    """A relay to a server (host:port) on a port of loopback."""
    host, _, port = server.rpartition(":")
    relay = Relay((host, int(port)), to_server, to_client)
    loop = asyncio.get_running_loop()
    relay._near, _ = await loop.create_datagram_endpoint(lambda: relay, local_addr=("127.0.0.1", 0))
    relay._far, _ = await loop.create_datagram_endpoint(lambda: relay, local_addr=("127.0.0.1", 0))
    relay.outside = relay._far.get_extra_info("sockname")[1]
    relay.port = relay._near.get_extra_info("sockname")[1]
    try:
        yield relay
    finally:
        relay._near.close()
        relay._far.close()
