"""
The echo peer over HTTP, to try a page of your own with: `python -m boringsdp.demo.echo_server [port]`, from the folder of the page.

It serves that folder's files and, in place of real signalling, three POST requests. They must be `application/sdp`, which no page of
another site can send:

    /offer           body: an SDP offer; reply: the echo peer's answer
    /call            reply: the echo peer's own offer, its call's id in the header `Call`
    /answer/{call}   body: the SDP answer to that

Only for this machine: it listens on loopback, and so do its calls.
"""

from __future__ import annotations

import sys
from pathlib import Path

from aiohttp import web

from boringsdp import logs
from boringsdp.demo.echo_peer import EchoPeer
from boringsdp.errors import BoringError

HOST, PORT = "127.0.0.1", 9000
TYPE = "application/sdp"
PEER = web.AppKey("peer", EchoPeer)


def application(folder: Path) -> web.Application:
    """The server of `folder` and of one echo peer; what the peer refuses is status 400 with the reason as text."""
    made = web.Application(client_max_size=1 << 16)

    async def open_peer(app: web.Application) -> None:
        app[PEER] = EchoPeer(HOST)

    async def close_peer(app: web.Application) -> None:
        app[PEER].close()

    made.on_startup.append(open_peer)
    made.on_cleanup.append(close_peer)
    made.add_routes([web.post("/offer", _serve), web.post("/call", _serve), web.post("/answer/{call}", _serve), web.static("/", folder)])
    return made


async def _serve(request: web.Request) -> web.Response:
    if request.content_type != TYPE:
        raise web.HTTPUnsupportedMediaType(text=f"Content-Type should be {TYPE}")
    peer, sdp = request.app[PEER], await request.text()
    try:
        if request.path == "/call":
            call, offer = peer.offer()
            return web.Response(text=offer, content_type=TYPE, headers={"Call": call})
        if request.path == "/offer":
            return web.Response(text=peer.answer(sdp)[1], content_type=TYPE)
        peer.accept(request.match_info["call"], sdp)
    except BoringError as error:
        raise web.HTTPBadRequest(text=str(error)) from error
    return web.Response(status=204)


def main() -> None:
    """Serve the current folder until interrupted."""
    logs.setup()
    port = int(sys.argv[1]) if len(sys.argv) > 1 else PORT
    web.run_app(application(Path.cwd()), host=HOST, port=port)


if __name__ == "__main__":
    main()
