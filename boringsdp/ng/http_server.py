"""
NG over HTTP: POST `/ng` with a cookie, POST `/ng-plain` without, GET `/ping`; and the door of the WebSockets, on the same address.

No page of a browser may get in: NG has no secret, and a page anywhere can send a form to this machine. What a browser would have to ask for
first (`application/json`, `application/x-rtpengine-ng`) is demanded, and the question (OPTIONS) is not answered.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable

from aiohttp import web

from boringsdp.ng.access import AccessList
from boringsdp.ng.message import Format, format_of
from boringsdp.ng.reception import Reception
from boringsdp.ng.settings import Address
from boringsdp.ng.websocket_server import WebSockets

CONTENT_TYPE = "application/x-rtpengine-ng"
JSON = "application/json"
BODY_TIMEOUT = 10.0
REPLY_TIMEOUT = 30.0
CLOSE_TIMEOUT = 1.0
SERVER = "BoringSDP"


class HttpServer:
    """
    Listens on one address. `start`, then `address`, then `close`. `routes` are served beside, to those whom the access list admits. With
    `tls` it is https and wss.
    """

    def __init__(
        self,
        reception: Reception,
        address: Address,
        access: AccessList,
        routes: Iterable[web.AbstractRouteDef] = (),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._reception = reception
        self._wanted = address
        self._access = access
        self._routes = tuple(routes)
        self._tls = tls
        self._serving = 0
        self._sockets = WebSockets(reception)
        self._runner: web.AppRunner | None = None

    @property
    def address(self) -> Address:
        """The bound host and port."""
        assert self._runner is not None, "not started"
        host, port, *_ = self._runner.addresses[0]
        return host, port

    @property
    def websockets(self) -> int:
        """WebSockets that are open."""
        return len(self._sockets)

    async def start(self) -> None:
        """Listen. Raises OSError when the address cannot be had."""
        application = web.Application(client_max_size=self._reception.limits.message_size, middlewares=[self._admit])
        application.add_routes(
            [
                web.post("/ng", self._post),
                web.post("/ng-plain", self._post_plain),
                web.get("/ping", self._ping),
                *self._routes,
                web.route("*", "/{path:.*}", self._get),
            ]
        )
        application.on_response_prepare.append(_name_server)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=CLOSE_TIMEOUT)
        await self._runner.setup()
        await web.TCPSite(self._runner, *self._wanted, ssl_context=self._tls).start()

    async def close(self) -> None:
        """Stop to listen and close all connections."""
        if self._runner is not None:
            await self._sockets.close()
            await self._runner.cleanup()
            self._runner = None

    @web.middleware
    async def _admit(self, request: web.Request, handler: Callable[[web.Request], object]) -> web.StreamResponse:
        if not self._access.admits(request.remote or "") or not _of_our_own(request):
            return web.Response(status=403)
        if self._serving >= self._reception.limits.connections:
            return web.Response(status=503)
        websocket = request.headers.get("Upgrade", "").lower() == "websocket"
        self._serving += not websocket
        try:
            response = await handler(request)  # type: ignore[misc]
            assert isinstance(response, web.StreamResponse)
            return response
        finally:
            self._serving -= not websocket

    async def _ping(self, request: web.Request) -> web.Response:
        return web.Response(text="pong\n")

    async def _get(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._sockets.serve(request)
        return web.Response(status=404, text="POST to /ng or /ng-plain, GET /ping, or a WebSocket with ng.rtpengine.com\n")

    async def _post(self, request: web.Request) -> web.Response:
        return await self._exchange(request, plain=False)

    async def _post_plain(self, request: web.Request) -> web.Response:
        return await self._exchange(request, plain=True)

    async def _exchange(self, request: web.Request, *, plain: bool) -> web.Response:
        if request.content_type not in (CONTENT_TYPE, JSON):
            return web.Response(status=415, text=f"Content-Type must be {CONTENT_TYPE} or {JSON}\n")
        try:
            async with asyncio.timeout(BODY_TIMEOUT):
                body = await request.read()
        except TimeoutError:
            return web.Response(status=408)
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def take(reply: bytes) -> None:
            if not future.done():
                future.set_result(reply)

        source = (request.remote or "", 0)
        if plain:
            self._reception.receive_plain(body, source, take)
        elif body.find(b" ", 0, self._reception.limits.cookie_size + 1) <= 0:
            return web.Response(status=400, text="no cookie\n")
        else:
            self._reception.receive(body, source, take)
        try:
            async with asyncio.timeout(REPLY_TIMEOUT):
                reply = await future
        except TimeoutError:
            return web.Response(status=503)
        json = plain and format_of(body) is Format.JSON
        return web.Response(body=reply, content_type=JSON if json else CONTENT_TYPE)


def _of_our_own(request: web.Request) -> bool:
    """Whether a page that stands behind the request, if one does, came from this very server."""
    origin = request.headers.get("Origin")
    return origin is None or _host_of(origin.partition("//")[2] or origin) == _host_of(request.headers.get("Host", ""))


def _host_of(authority: str) -> str:
    head, _, tail = authority.rpartition(":")
    return (head if head and tail.isdigit() else authority).lower()


async def _name_server(request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = SERVER
