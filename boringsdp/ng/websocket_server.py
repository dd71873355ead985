"""NG over WebSocket: one message each, with a cookie (`ng.rtpengine.com`) or without (`ng-plain.rtpengine.com`)."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import cast

from aiohttp import WSCloseCode, WSMsgType, web

from boringsdp.ng.reception import Reception

WITH_COOKIE = "ng.rtpengine.com"
PLAIN = "ng-plain.rtpengine.com"
HEARTBEAT = 30.0
CLOSE_TIMEOUT = 1.0


class WebSockets:
    """All WebSockets of one address. Replies are binary messages, as rtpengine's are."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception
        self._open: set[web.WebSocketResponse] = set()

    def __len__(self) -> int:
        return len(self._open)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve one client until it leaves."""
        offered = {name.strip() for name in ",".join(request.headers.getall("Sec-WebSocket-Protocol", ())).split(",")}
        if not offered & {WITH_COOKIE, PLAIN}:
            return web.Response(status=400, text=f"Only the subprotocols {WITH_COOKIE} and {PLAIN} are served here.\n")
        limits = self._reception.limits
        if len(self._open) >= limits.connections:
            return web.Response(status=503)
        socket = web.WebSocketResponse(
            protocols=(WITH_COOKIE, PLAIN), timeout=CLOSE_TIMEOUT, heartbeat=HEARTBEAT, max_msg_size=limits.message_size, compress=False
        )
        await socket.prepare(request)
        self._open.add(socket)
        try:
            await self._talk(request, socket)
        finally:
            self._open.discard(socket)
        return socket

    async def close(self) -> None:
        """Say goodbye to all."""
        closing = [socket.close(code=WSCloseCode.GOING_AWAY, message=b"shutting down") for socket in self._open]
        await asyncio.gather(*closing, return_exceptions=True)

    async def _talk(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        source = (request.remote or "", 0)
        outbox = _Outbox(socket, request.transport, self._reception.limits.unsent_bytes)
        writer = asyncio.create_task(outbox.write())
        try:
            async for message in socket:
                if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                    continue
                data = message.data.encode("utf-8", "surrogateescape") if isinstance(message.data, str) else message.data
                asked, queued = _Asked(outbox), self._reception.desk.waiting
                if socket.ws_protocol == PLAIN:
                    self._reception.receive_plain(data, source, asked)
                else:
                    self._reception.receive(data, source, asked)
                if self._reception.desk.waiting > queued:
                    asked.wait()
                await asyncio.sleep(0)  # others have their turn between two messages of one client
                await outbox.room(self._reception.limits.requests_per_connection)
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)


class _Asked:
    """Takes the reply to one message."""

    __slots__ = ("_outbox", "_waits")

    def __init__(self, outbox: _Outbox) -> None:
        self._outbox = outbox
        self._waits = False

    def wait(self) -> None:
        """The request stands in the common queue."""
        self._waits = True
        self._outbox.asked += 1

    def __call__(self, data: bytes) -> None:
        if self._waits:
            self._waits = False
            self._outbox.asked -= 1
            self._outbox.answered.set()
        self._outbox.put(data)


class _Outbox:
    """Replies that wait to be written; bounded, for a client that does not read is disconnected."""

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.BaseTransport | None, most: int) -> None:
        self._socket = socket
        self._transport = transport
        self._most = most
        self._size = 0
        self._waiting: deque[bytes] = deque()
        self._changed = asyncio.Event()
        self.asked = 0
        """Requests of the client in the common queue."""
        self.answered = asyncio.Event()

    async def room(self, most: int) -> None:
        """Return when fewer than `most` requests of the client wait: the queue is everybody's."""
        while self.asked >= most:
            self.answered.clear()
            await self.answered.wait()

    def put(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._most:
            self._waiting.clear()
            if self._transport is not None:
                cast("asyncio.WriteTransport", self._transport).abort()  # uvloop's is one in all but name
            return
        self._waiting.append(data)
        self._changed.set()

    async def write(self) -> None:
        """Write what comes, until cancelled or the client has gone."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._waiting:
                data = self._waiting.popleft()
                self._size -= len(data)
                await self._socket.send_bytes(data)
