"""NG over TCP: messages follow each other on a stream without lengths, replies in the order they are ready."""

from __future__ import annotations

import asyncio
import socket
from typing import cast

from boringsdp.ng.access import AccessList
from boringsdp.ng.framing import Broken, StreamFramer
from boringsdp.ng.reception import Reception
from boringsdp.ng.settings import Address


class TcpServer:
    """Listens on one address. `start`, then `address`, then `close`."""

    def __init__(self, reception: Reception, address: Address, access: AccessList) -> None:
        self.reception = reception
        self.access = access
        self.connections: set[_Connection] = set()
        self._wanted = address
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> Address:
        """The bound host and port."""
        assert self._server is not None, "not started"
        host, port, *_ = self._server.sockets[0].getsockname()
        return host, port

    async def start(self) -> None:
        """Listen. Raises OSError when the address cannot be had."""
        host, port = self._wanted
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), host, port, family=family)

    async def close(self) -> None:
        """Stop to listen and end all connections."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self.connections):
            connection.abort()
        await self._server.wait_closed()
        self._server = None


class _Connection(asyncio.Protocol):
    """One client. It is not read from while many of its requests wait, or while it does not take its replies."""

    def __init__(self, server: TcpServer) -> None:
        self._server = server
        limits = server.reception.limits
        self._framer = StreamFramer(longest=limits.message_size, longest_cookie=limits.cookie_size)
        self._limits = limits
        self._transport: asyncio.Transport | None = None
        self._source: Address | None = None
        self._waiting = 0
        self._full = self._eof = self._ending = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        peer = transport.get_extra_info("peername") or ("", 0)
        if not self._server.access.admits(peer[0]) or len(self._server.connections) >= self._limits.connections:
            transport.abort()
            return
        self._transport, self._source = transport, (peer[0], peer[1])
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        if not self._ending:
            self._framer.feed(data)
            self._read()

    def pause_writing(self) -> None:
        self._full = True
        self._choose()

    def resume_writing(self) -> None:
        self._full = False
        self._choose()
        self._read()

    def eof_received(self) -> bool:
        """The client sends no more; what it has asked is answered, then the connection ends."""
        self._eof = True
        self._finish()
        return True

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _read(self) -> None:
        try:
            while not self._stuffed and self._transport is not None and (message := self._framer.next()) is not None:
                self._ask(message)
        except Broken as broken:
            self._ending = True
            if broken.message:
                self._ask(broken.message)  # the refusal says what was wrong
            self._finish()
        self._choose()

    @property
    def _stuffed(self) -> bool:
        return self._full or self._waiting >= self._limits.requests_per_connection

    def _ask(self, message: bytes) -> None:
        self._waiting += 1
        self._server.reception.receive(message, self._source, self._reply)

    def _reply(self, data: bytes) -> None:
        stuffed = self._stuffed
        self._waiting -= 1
        if self._transport is None:
            return
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > self._limits.unsent_bytes:
            self.abort()
            return
        self._finish()
        if stuffed and not self._ending:
            asyncio.get_running_loop().call_soon(self._read)  # not from within: it may have been called from there

    def _choose(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            if self._stuffed and not self._ending:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def _finish(self) -> None:
        if (self._ending or self._eof) and self._waiting <= 0 and self._transport is not None:
            self._transport.close()
