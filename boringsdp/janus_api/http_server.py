"""The HTTP transport: requests are POSTed, events fetched by long polls."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable, Mapping

from aiohttp import web

from boringsdp.errors import JanusError
from boringsdp.janus_api import replies
from boringsdp.janus_api.access import Gatekeeper, name_server
from boringsdp.janus_api.actions import PollRefused
from boringsdp.janus_api.elements import MAX_ID
from boringsdp.janus_api.requests import Path
from boringsdp.janus_api.settings import JanusSettings, Listener
from boringsdp.janus_api.switchboard import Switchboard
from boringsdp.net.first_request import FirstRequests

PACKAGE = "janus.transport.http"

TRANSPORT_SPECIFIC = 450
NO_REQUEST = 452
NO_SUCH_SESSION = 458

BODY_TIMEOUT = 10.0
CLOSE_TIMEOUT = 2.0


class HttpServer:
    """Listens on one address. `start`, then `address`, then `close`. `routes` are served beside the API, without its CORS headers."""

    def __init__(
        self, switchboard: Switchboard, listener: Listener, settings: JanusSettings, routes: Iterable[web.AbstractRouteDef] = ()
    ) -> None:
        self._switchboard = switchboard
        self._listener = listener
        self._settings = settings
        self._routes = tuple(routes)
        self._gatekeeper = Gatekeeper(settings.access)
        self._base = "/" + settings.base_path.strip("/") if settings.base_path.strip("/") else ""
        self._serving = 0
        self._first_requests = FirstRequests()
        self._runner: web.AppRunner | None = None

    @property
    def address(self) -> tuple[str, int]:
        """The bound host and port; the IPv4 one when all addresses are listened on."""
        assert self._runner is not None, "not started"
        host, port, *_ = min(self._runner.addresses, key=lambda bound: (":" in bound[0], bound))
        return host, port

    async def start(self) -> None:
        """Listen. Raises `OSError` when the address cannot be had."""
        application = web.Application(client_max_size=self._settings.limits.message_size, middlewares=[self._first_requests.note])
        application.add_routes(self._routes)
        application.router.add_route("*", "/{path:.*}", self._handle)
        application.on_response_prepare.append(name_server)
        # Cancellation tells of a poll whose client has gone, so that its events go to the next one.
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=CLOSE_TIMEOUT, handler_cancellation=True)
        await self._runner.setup()
        if self._runner.server is not None:
            self._first_requests.watch(self._runner.server)
        await web.TCPSite(self._runner, self._listener.host, self._listener.port, ssl_context=self._listener.ssl).start()

    async def close(self) -> None:
        """Stop to listen and close all connections."""
        self._first_requests.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, request: web.Request) -> web.Response:
        if self._serving >= self._settings.limits.http_connections:
            return web.Response(status=503)
        self._serving += 1
        try:
            response = await self._answer(request)
        finally:
            self._serving -= 1
        preflight = request.method == "OPTIONS"
        response.headers.update(self._gatekeeper.cors_headers(request.headers, preflight=preflight))
        return response

    async def _answer(self, request: web.Request) -> web.Response:
        if not self._gatekeeper.admits(request.remote, request.headers):
            return web.Response(status=403)
        if request.method == "OPTIONS":
            return web.Response()
        if request.method not in ("GET", "POST"):
            return _json_error(TRANSPORT_SPECIFIC, f"Transport-specific error (method {request.method[:20]} is not served)")
        base, parts = self._base, request.path.rstrip("/")
        names = parts[len(base) + 1 :].split("/") if parts != base else []
        if (parts != base and not parts.startswith(base + "/")) or len(names) > 2:
            return self._nothing_here()
        return await (self._get(request, names) if request.method == "GET" else self._post(request, names))

    async def _post(self, request: web.Request, names: list[str]) -> web.Response:
        if names in (["info"], ["ping"]):
            return web.Response(status=400)
        try:
            async with asyncio.timeout(BODY_TIMEOUT):
                body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            limit = self._settings.limits.message_size
            return _json_error(TRANSPORT_SPECIFIC, f"Transport-specific error (more than {limit} bytes)", status=413)
        except TimeoutError:
            return web.Response(status=408)
        if not body:
            return _json_error(NO_REQUEST, "No request (empty body)")
        ids = [_parse_id(name) for name in names]
        if None in ids:
            return _json_error(NO_SUCH_SESSION, f"No such session or handle ({'/'.join(names)[:60]})")
        session_id, handle_id, *_ = (*ids, None, None)
        return _json(self._switchboard.exchange(PACKAGE, body, Path(session_id, handle_id)))

    async def _get(self, request: web.Request, names: list[str]) -> web.Response:
        match names:
            case ["info" | "ping" as verb]:
                question = {"janus": verb, "transaction": secrets.token_hex(6)}
                return _json(self._switchboard.exchange(PACKAGE, replies.encode(question)))
            case [session]:
                return await self._poll(session, request.query)
            case [session, _] if _parse_id(session) is not None:
                return web.Response(status=302, headers={"Location": f"{self._base}/{session}"})
        return self._nothing_here()

    def _nothing_here(self) -> web.Response:
        """Janus' status with a word for people; a long poll that is refused has no body."""
        where = f"POST to {self._base or '/'}, GET {self._base}/info"
        return web.Response(status=404, text=f"This is {self._settings.server_name}, a media gateway. It serves the Janus API: {where}.\n")

    async def _poll(self, session: str, query: Mapping[str, str]) -> web.Response:
        # An id that cannot be one is asked for like any other, so that credentials are looked at first.
        session_id = _parse_id(session) or 0
        maxev = query.get("maxev", "1")
        most = int(maxev) if maxev.isascii() and maxev.isdigit() and len(maxev) < 10 else 1
        end = await self._switchboard.poll(session_id, most, query.get("apisecret"), query.get("token"))
        return web.Response(status=end.status) if isinstance(end, PollRefused) else _json(end.text)


def _parse_id(text: str) -> int | None:
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else 0
    return number if 0 < number <= MAX_ID else None


def _json(text: bytes, status: int = 200) -> web.Response:
    return web.Response(status=status, body=text, content_type="application/json")


def _json_error(code: int, reason: str, status: int = 200) -> web.Response:
    return _json(replies.encode(replies.error(JanusError(code, reason), None, None)), status)
