"""The demo's HTTP resources: the page, the web phones, the echo peer's signalling, and the comparison of descriptions."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from importlib import resources
from typing import Any

from aiohttp import web

from boringsdp import __version__
from boringsdp.comparison import compare
from boringsdp.demo.echo_peer import EchoPeer
from boringsdp.demo.phones import Phones
from boringsdp.errors import BoringError, Exhausted, SdpError, WrongState

PATH = "/demo"
MAX_SDP = 65536
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; connect-src 'self' ws: wss:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Demo:
    """
    What the page needs. Add `routes` to the HTTP server, `close` at the end.

    `websocket_port` is asked when the page asks. Requests that change something must be JSON: without CORS headers no other site's page can
    send those.
    """

    def __init__(self, peer: EchoPeer, websocket_port: Callable[[], int], secrets: Mapping[str, str], phones: Phones) -> None:
        self._phones = phones
        self._peer = peer
        self._websocket_port = websocket_port
        self._secrets = dict(secrets)
        self._files = {
            entry.name: entry.read_bytes()
            for entry in resources.files("boringsdp.demo").joinpath("static").iterdir()
            if _type(entry.name) is not None
        }

    def routes(self) -> list[web.AbstractRouteDef]:
        """Return the demo's resources."""
        return [
            web.get("/", self._redirect),
            web.get(PATH, self._redirect),
            web.get(f"{PATH}/", self._file),
            web.get(f"{PATH}/settings", self._settings),
            *self._phones.routes(),
            web.post(f"{PATH}/compare", _told(self._compare)),
            web.post(f"{PATH}/echo", _told(self._answer)),
            web.post(f"{PATH}/echo/offer", _told(self._offer)),
            web.post(f"{PATH}/echo/{{call}}/answer", _told(self._accept)),
            web.get(f"{PATH}/echo/{{call}}", _told(self._statistics)),
            web.delete(f"{PATH}/echo/{{call}}", _told(self._hang_up)),
            web.get(f"{PATH}/{{name}}", self._file),
            web.options(f"{PATH}/{{path:.*}}", self._no_preflight),
        ]

    def close(self) -> None:
        """End the echo peer's calls."""
        self._peer.close()

    async def _redirect(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": f"{PATH}/"})

    async def _no_preflight(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=403)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info.get("name", "index.html")
        if name not in self._files:
            return web.Response(status=404)
        return web.Response(body=self._files[name], content_type=_type(name), charset="utf-8", headers=HEADERS)

    async def _settings(self, request: web.Request) -> web.StreamResponse:
        told = {"gateway": f"BoringSDP {__version__}", "websocket_port": self._websocket_port(), "secrets": self._secrets}
        return web.json_response(told, headers={"Cache-Control": "no-store"})

    async def _compare(self, request: web.Request) -> Any:
        body = await _body(request)
        return {"rows": [row.to_record() for row in compare(_text(body, "before"), _text(body, "after"))]}

    async def _answer(self, request: web.Request) -> Any:
        body = await _body(request)
        call, answer = self._peer.answer(
            _text(body, "sdp"), call_id=_text(body, "call", ""), codec=_text(body, "codec", ""), delay_ms=_delay(body)
        )
        return {"call": call, "sdp": answer}

    async def _offer(self, request: web.Request) -> Any:
        body = await _body(request)
        codecs = body.get("codecs", [])
        if not isinstance(codecs, list) or not all(isinstance(codec, str) for codec in codecs):
            raise _BadRequest("codecs must be a list of names")
        call, offer = self._peer.offer(tuple(codecs[:16]), secured=body.get("srtp") is True, delay_ms=_delay(body))
        return {"call": call, "sdp": offer}

    async def _accept(self, request: web.Request) -> Any:
        self._peer.accept(request.match_info["call"], _text(await _body(request), "sdp"))
        return {}

    async def _statistics(self, request: web.Request) -> Any:
        return self._peer.statistics(request.match_info["call"])

    async def _hang_up(self, request: web.Request) -> Any:
        self._peer.hang_up(request.match_info["call"])
        return {}


class _BadRequest(Exception):
    """The page sent something else than agreed; the text says what."""


_STATUS: dict[type[Exception], int] = {_BadRequest: 400, SdpError: 422, WrongState: 404, Exhausted: 503}


def _told(handler: Callable[[web.Request], Awaitable[Any]]) -> Handler:
    """Return a handler that answers in JSON, errors too."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return web.json_response(await handler(request), headers={"Cache-Control": "no-store"})
        except (_BadRequest, BoringError) as error:
            return web.json_response({"error": str(error)}, status=_STATUS.get(type(error), 500))

    return answer


async def _body(request: web.Request) -> dict[str, Any]:
    if request.content_type != "application/json":
        raise _BadRequest("the body must be JSON")
    try:
        body = json.loads(await request.read())
    except (ValueError, RecursionError):
        raise _BadRequest("the body must be JSON") from None
    if not isinstance(body, dict):
        raise _BadRequest("the body must be a JSON object")
    return body


def _text(body: dict[str, Any], name: str, default: str | None = None) -> str:
    value = body.get(name, default)
    if not isinstance(value, str) or len(value) > MAX_SDP:
        raise _BadRequest(f"{name} must be a text of at most {MAX_SDP} characters")
    return value


def _delay(body: dict[str, Any]) -> int | None:
    value = body.get("delay_ms")
    return value if isinstance(value, int) else None


def _type(name: str) -> str | None:
    return TYPES.get(name[name.rfind(".") :])
