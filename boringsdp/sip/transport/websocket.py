"""SIP over WebSocket (RFC 7118), both roles: one SIP message in each WebSocket message. Shell, on aiohttp."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections import deque
from typing import Any, cast

import aiohttp
from aiohttp import WSCloseCode, WSMsgType, web
from yarl import URL

from boringsdp.net.address import parse_ip
from boringsdp.sip.flow import Address, Flow, Protocol, Target
from boringsdp.sip.framing import LINE_END
from boringsdp.sip.transport.connection import Connection, Hub, Peer
from boringsdp.sip.transport.settings import Listen, TransportSettings, in_uri
from boringsdp.sip.transport.stream import Acceptor, Check, ListenerHub, address_of, tls_arguments
from boringsdp.sip.transport.tls import check_client
from boringsdp.sip.transport.udp import not_sip

SUBPROTOCOL = "sip"
HEARTBEAT_S = 30.0
"""Between the pings of WebSocket itself, for both ends' NATs."""
CLOSE_S = 2.0
MAX_CLOSE_REASON = 120
"""Octets that fit into the frame that closes."""
MAX_LINE_ENDS = 16
"""Octets of a message that keeps the connection open."""

AnySocket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


class _WebSocket(Connection):
    """One WebSocket: a bounded queue outwards, and `serve`, which runs as long as it is open."""

    def __init__(
        self, hub: Hub, flow: Flow, accepted: bool, peer: Peer, socket: AnySocket, transport: asyncio.BaseTransport | None
    ) -> None:
        super().__init__(hub, flow, accepted, peer)
        self._socket = socket
        self._transport = transport
        self.liveness.watched = True  # by the pings of WebSocket itself
        self._queue: deque[bytes] = deque()
        self._size = 0
        self._changed = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        """Of a client's: what serves it."""

    async def serve(self) -> None:
        """Read and write until it ends; then `Hub.ended` has been told."""
        writer = asyncio.get_running_loop().create_task(self._send_queued())
        reason = "closed by the peer"
        try:
            async for message in self._socket:
                if message.type is WSMsgType.TEXT:
                    self._take(message.data.encode("utf-8", "surrogateescape"))
                elif message.type is WSMsgType.BINARY:
                    self._take(message.data)
                await asyncio.sleep(0)  # others have their turn between two messages of one peer
        except OSError as error:
            reason = str(error)
        finally:
            writer.cancel()
            self._hub.ended(self, self.reason or reason)
            await asyncio.gather(writer, return_exceptions=True)

    def _take(self, data: bytes) -> None:
        if self.reason:
            return
        if len(data) <= MAX_LINE_ENDS and not data.strip(LINE_END):
            for _ in range(len(data) // 2):
                self._line_end()
        elif not_sip(data):
            self._hub.broken(self, "not SIP")
        else:
            self._message(data)

    async def _send_queued(self) -> None:
        try:
            while True:
                while self._queue:
                    data = self._queue.popleft()
                    self._size -= len(data)
                    try:
                        await self._socket.send_str(data.decode())
                    except UnicodeDecodeError:
                        await self._socket.send_bytes(data)
                if self.reason:
                    await self._socket.close(code=self._close_code(), message=self.reason.encode()[:MAX_CLOSE_REASON])
                    return
                self._changed.clear()
                await self._changed.wait()
        except (OSError, RuntimeError, aiohttp.ClientError):  # closed meanwhile: who reads notices
            self._abort()

    def _close_code(self) -> int:
        """What the peer is told of why (RFC 6455 §7.4.1)."""
        if self.bad:
            return WSCloseCode.POLICY_VIOLATION
        return WSCloseCode.GOING_AWAY if self.accepted else WSCloseCode.OK

    def _write(self, data: bytes) -> bool:
        if self._socket.closed or self.reason:
            return False
        self._size += len(data)
        if self._size > self._hub.limits.unsent:
            self.abort("does not take what it is sent")
            return False
        self._queue.append(data)
        self._changed.set()
        return True

    def _close(self) -> None:
        self._changed.set()

    def _abort(self) -> None:
        if self._transport is not None:
            cast("asyncio.WriteTransport", self._transport).abort()  # uvloop's is one in all but name


class WebSocketServer:
    """Answers WebSocket handshakes: put `handle` on a route of an aiohttp application."""

    def __init__(self, hub: ListenerHub, protocol: Protocol, settings: TransportSettings, *, forwarded: bool = False) -> None:
        """`forwarded`: behind a proxy whose X-Forwarded-For says at its end who has connected."""
        self._hub = hub
        self._forwarded = forwarded
        self._protocol = protocol
        self._settings = settings
        self.admitted: dict[Any, Address] = {}
        """By the protocol object of aiohttp: connections that a listener of ours has counted in."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one WebSocket; returns when it is closed."""
        transport = request.transport
        if transport is None:
            return web.Response()
        remote = self.admitted.pop(request.protocol, None)
        if remote is None:
            remote = address_of(transport.get_extra_info("peername") or ("", 0))
            remote = _forwarded(request, remote) if self._forwarded else remote
            if not self._hub.admits_connection(remote):
                return web.Response(status=403)
        connection = None
        try:
            if (refusal := self._refusal(request)) is not None:
                refusal.force_close()  # it is not counted any more
                return refusal
            connected = web.WebSocketResponse(
                protocols=(SUBPROTOCOL,),
                timeout=CLOSE_S,
                heartbeat=HEARTBEAT_S,
                max_msg_size=self._settings.limits.message,
                compress=False,
            )
            await connected.prepare(request)
            local = address_of(transport.get_extra_info("sockname"))
            names = check_client(transport.get_extra_info("ssl_object")).names
            peer = Peer(names, request.headers.get("Origin", ""), request.path)
            connection = _WebSocket(self._hub, Flow(self._protocol, local, remote, self._hub.new_id()), True, peer, connected, transport)
            self._hub.opened(connection)
            await connection.serve()
        finally:
            if connection is None:
                self._hub.left(remote)
        return connected

    def _refusal(self, request: web.Request) -> web.Response | None:
        settings = self._settings
        offered = ",".join(request.headers.getall("Sec-WebSocket-Protocol", ()))
        if settings.websocket_path and request.path != settings.websocket_path:
            return web.Response(status=404)
        if settings.origins and request.headers.get("Origin", "") not in settings.origins:
            return web.Response(status=403, text="This origin is not served.\n")
        upgrades = request.headers.get("Upgrade", "").lower() == "websocket"
        if not upgrades or SUBPROTOCOL not in (protocol.strip().lower() for protocol in offered.split(",")):
            return web.Response(
                status=426, headers={"Upgrade": "websocket"}, text="WebSocket clients with the subprotocol sip are served.\n"
            )
        return None


def _forwarded(request: web.Request, proxy: Address) -> Address:
    """Return who has connected to a proxy; the proxy where it does not say."""
    said = ",".join(request.headers.getall("X-Forwarded-For", ())).rpartition(",")[2].strip()
    try:
        return str(parse_ip(said)), proxy[1]
    except ValueError:
        return proxy


class WebSocketListener:
    """Listens on one address by itself. `start`, `close`, `closed`."""

    def __init__(self, hub: ListenerHub, listen: Listen, settings: TransportSettings, context: ssl.SSLContext | None = None) -> None:
        self._hub = hub
        self._context = context
        self._handshake_s = settings.limits.handshake_s
        self._server = WebSocketServer(hub, listen.protocol, settings)
        self._acceptor = Acceptor(hub, listen, self._take)
        self._runner: web.AppRunner | None = None

    async def start(self) -> Listen:
        """Listen; returns the address with the port that was taken. Raises OSError."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._server.handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=CLOSE_S)
        await self._runner.setup()
        return self._acceptor.start()

    def close(self) -> None:
        """Stop to listen; connections that are there stay."""
        self._acceptor.close()

    async def closed(self) -> None:
        """Wait until nothing of it is left."""
        await self._acceptor.closed()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _take(self, sock: socket.socket, source: Address) -> None:
        """Hand an accepted socket to aiohttp, and end it should it be no WebSocket in time."""
        assert self._runner is not None
        assert self._runner.server is not None
        loop = asyncio.get_running_loop()
        protocol = self._runner.server()
        self._server.admitted[protocol] = source
        try:
            transport, _ = await loop.connect_accepted_socket(lambda: protocol, sock, **tls_arguments(self._context, self._hub.limits))
        except BaseException as error:
            sock.close()
            self._give_up(protocol, None)
            if not isinstance(error, OSError):
                raise
        else:
            loop.call_later(self._handshake_s, self._give_up, protocol, transport)

    def _give_up(self, protocol: object, transport: asyncio.BaseTransport | None) -> None:
        source = self._server.admitted.pop(protocol, None)
        if source is not None:
            self._hub.left(source)
            if transport is not None:
                cast("asyncio.WriteTransport", transport).abort()


async def connect_websocket(hub: Hub, target: Target, local: Address | None, context: ssl.SSLContext | None, check: Check) -> Connection:
    """
    Return a WebSocket to a target, whose name goes into Host and, for TLS, into the handshake.

    Raises OSError, also for a server that does not want to speak SIP.
    """
    connector = aiohttp.TCPConnector(local_addr=local, limit=0, force_close=True)
    session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
    try:
        async with asyncio.timeout(hub.limits.connect_s + hub.limits.handshake_s):
            connected = await _open(session, hub, target, context)
        try:
            peer = check(connected.get_extra_info("ssl_object"))
        except BaseException:
            connected._response.close()
            raise
    except BaseException as error:
        await session.close()
        if isinstance(error, OSError) or not isinstance(error, aiohttp.ClientError | TimeoutError):
            raise
        raise OSError(errno.ECONNREFUSED, str(error) or "no answer in time") from None
    flow = Flow(
        target.protocol,
        address_of(connected.get_extra_info("sockname")),
        address_of(connected.get_extra_info("peername")),
        hub.new_id(),
    )
    connection = _WebSocket(hub, flow, False, peer, connected, _transport(connected))
    hub.opened(connection)
    connection.task = asyncio.get_running_loop().create_task(_serve(connection, connected, session))
    return connection


async def _open(
    session: aiohttp.ClientSession, hub: Hub, target: Target, context: ssl.SSLContext | None
) -> aiohttp.ClientWebSocketResponse:
    scheme = target.protocol.value.lower()
    named = in_uri(target.name or target.host)
    host = named if target.port == target.protocol.default_port else f"{named}:{target.port}"
    connected = await session.ws_connect(
        URL(f"{scheme}://{in_uri(target.host)}:{target.port}{target.path or '/'}", encoded=True),
        protocols=(SUBPROTOCOL,),
        headers={"Host": host},
        ssl=True if context is None else context,
        server_hostname=None if context is None else target.name or target.host,
        heartbeat=HEARTBEAT_S,
        max_msg_size=hub.limits.message,
    )
    if connected.protocol != SUBPROTOCOL:
        await connected.close()
        raise OSError(errno.EPROTONOSUPPORT, "the server does not speak SIP over WebSocket")
    return connected


async def _serve(connection: _WebSocket, connected: aiohttp.ClientWebSocketResponse, session: aiohttp.ClientSession) -> None:
    try:
        await connection.serve()
    finally:
        connected._response.close()
        await session.close()


def _transport(connected: aiohttp.ClientWebSocketResponse) -> asyncio.BaseTransport | None:
    """Return what can be aborted."""
    connection = connected._response.connection
    return None if connection is None else connection.transport
