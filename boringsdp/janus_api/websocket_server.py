"""The WebSocket transport: the `janus-protocol` subprotocol, one JSON text a message."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import cast

from aiohttp import WSCloseCode, WSMsgType, web

from boringsdp.janus_api.access import Gatekeeper, name_server
from boringsdp.janus_api.settings import JanusSettings, Listener
from boringsdp.janus_api.switchboard import Switchboard
from boringsdp.net.first_request import FirstRequests

PACKAGE = "janus.transport.websockets"
SUBPROTOCOL = "janus-protocol"

CLOSE_TIMEOUT = 2.0


class Client:
    """One WebSocket's outgoing side: a bounded queue, and the task that empties it."""

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.BaseTransport | None, limit: int) -> None:
        self.socket = socket
        self._transport = transport
        self._limit = limit
        self._waiting: deque[bytes] = deque()
        self._changed = asyncio.Event()
        self._roomy = asyncio.Event()
        self._roomy.set()
        self._overrun = False

    def send(self, text: bytes) -> None:
        """Queue a message; a client for which too many wait is disconnected."""
        if self._overrun:
            return
        self._waiting.append(text)
        self._changed.set()
        if len(self._waiting) > self._limit // 2:
            self._roomy.clear()
        if len(self._waiting) > self._limit:
            self._overrun = True
            self._waiting.clear()
            self._roomy.set()
            if self._transport is not None:
                cast("asyncio.WriteTransport", self._transport).abort()  # uvloop's is one in all but name

    async def write(self) -> None:
        """Send what is queued, until cancelled or the client has gone."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._waiting:
                text = self._waiting.popleft()
                if len(self._waiting) <= self._limit // 2:
                    self._roomy.set()
                await self.socket.send_str(text.decode())

    async def room(self) -> None:
        """Wait until less than half of the queue is taken: who sends faster than it reads is not read from either."""
        await asyncio.sleep(0)  # others have their turn between two messages of one client
        await self._roomy.wait()


class WebSocketServer:
    """Listens on one address. `start`, then `address`, then `close`."""

    def __init__(self, switchboard: Switchboard, listener: Listener, settings: JanusSettings) -> None:
        self._switchboard = switchboard
        self._listener = listener
        self._settings = settings
        self._gatekeeper = Gatekeeper(settings.access)
        self._clients: set[Client] = set()
        self._first_requests = FirstRequests()
        self._runner: web.AppRunner | None = None

    @property
    def address(self) -> tuple[str, int]:
        """The bound host and port; the IPv4 one when all addresses are listened on."""
        assert self._runner is not None, "not started"
        host, port, *_ = min(self._runner.addresses, key=lambda bound: (":" in bound[0], bound))
        return host, port

    @property
    def connection_count(self) -> int:
        return len(self._clients)

    async def start(self) -> None:
        """Listen. Raises `OSError` when the address cannot be had."""
        application = web.Application(middlewares=[self._first_requests.note])
        application.router.add_route("*", "/{path:.*}", self._handle)
        application.on_response_prepare.append(name_server)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=CLOSE_TIMEOUT)
        await self._runner.setup()
        if self._runner.server is not None:
            self._first_requests.watch(self._runner.server)
        await web.TCPSite(self._runner, self._listener.host, self._listener.port, ssl_context=self._listener.ssl).start()

    async def close(self) -> None:
        """Stop to listen and close all connections, with "going away"."""
        self._first_requests.close()
        if self._runner is None:
            return
        closing = [client.socket.close(code=WSCloseCode.GOING_AWAY, message=b"shutting down") for client in self._clients]
        await asyncio.gather(*closing, return_exceptions=True)
        await self._runner.cleanup()
        self._runner = None

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if not self._gatekeeper.admits(request.remote, request.headers) or not _offers_janus(request):
            return web.Response(status=403, text="Only WebSocket clients with the subprotocol janus-protocol are served here.\n")
        limits = self._settings.limits
        if len(self._clients) >= limits.websocket_connections:
            return web.Response(status=503, text="Too many connections.\n")
        socket = web.WebSocketResponse(
            protocols=(SUBPROTOCOL,),
            timeout=CLOSE_TIMEOUT,
            heartbeat=self._settings.ping_interval or None,
            max_msg_size=limits.message_size,
            compress=False,
        )
        await socket.prepare(request)
        client = Client(socket, request.transport, limits.queued_sends)
        self._clients.add(client)
        try:
            await self._serve(client)
        finally:
            self._clients.discard(client)
        return socket

    async def _serve(self, client: Client) -> None:
        connection = self._switchboard.connect(PACKAGE, client.send)
        writer = asyncio.create_task(client.write())
        try:
            async for message in client.socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    self._switchboard.receive(connection, message.data)
                    await client.room()
        finally:
            self._switchboard.disconnect(connection)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)


def _offers_janus(request: web.Request) -> bool:
    offered = ",".join(request.headers.getall("Sec-WebSocket-Protocol", ()))
    upgrades = request.headers.get("Upgrade", "").lower() == "websocket"
    return upgrades and SUBPROTOCOL in (protocol.strip() for protocol in offered.split(","))
