"""The web phones of `examples/` as the demo serves them, and what they ask at start."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from aiohttp import web

PAGES = {"phone": "jssip", "phone-sipjs": "sipjs", "phone-janus": "janus", "common": "common"}
"""By the first part of the path: a folder of `examples/`."""
LIBRARIES = "lib"
"""Path and folder of what `examples/bundle.mjs` makes; pages say what to install when it is not there."""
OF_NPM = ("jssip.js", "sip.js", "janus.js")
SETTINGS = "/demo/phone"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".wav": "audio/wav",
    ".ogg": "audio/ogg",
}
SAFE = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9_.-]*/)*[A-Za-z0-9_-][A-Za-z0-9_.-]*")
"""Paths that stay within their folder."""
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; connect-src 'self' ws: wss:; media-src 'self' blob: data:; img-src 'self' blob: data:; "
        "worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


FOLDER = Path(__file__).parents[1] / "examples"
"""A link to `examples/` in the repository, so that an installed package has the pages too."""


@dataclass(slots=True, frozen=True)
class User:
    """Somebody that a phone can log in as with one click."""

    user: str
    password: str
    name: str
    """As others read it."""


@dataclass(slots=True, frozen=True, kw_only=True)
class PhoneSettings:
    """What a page of the demo is told. Paths are on the page's own host; what is empty is not there."""

    websocket: str = ""
    """Path of SIP over WebSocket."""
    domain: str = ""
    users: Sequence[User] = ()
    echo: str = ""
    """Who answers and sends back what it hears."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """For the Janus API."""


def phones_line(url: str, folder: Path = FOLDER) -> str:
    """Return what a person is told of the telephone at `url`: where it is, or what it needs."""
    if (folder / LIBRARIES / OF_NPM[0]).is_file():
        return f"A telephone for SIP calls: {url}"
    return f"A telephone for SIP calls needs npm, and is not ready: install Node.js with npm, then `make run` again. ({url})"


class Phones:
    """
    The pages, their libraries and their settings. Add `routes` to the HTTP server.

    Files are read when they are asked for: one who changes a page, or installs a library, has but to load it again. A library stands beside
    each page, too. `janus_port` and `sip_address` (the gateway's own, as `host:port`) are asked when a page asks, for `start` settles them.
    """

    def __init__(
        self, settings: PhoneSettings, janus_port: Callable[[], int], sip_address: Callable[[], str], folder: Path = FOLDER
    ) -> None:
        self._settings = settings
        self._janus_port = janus_port
        self._sip_address = sip_address
        self._folder = folder

    def routes(self) -> list[web.AbstractRouteDef]:
        """Return the phones' resources."""
        found: list[web.AbstractRouteDef] = [web.get(SETTINGS, self._tell)]
        for path, name in {**PAGES, LIBRARIES: LIBRARIES}.items():
            found.append(web.get(f"/{path}/{{file:.*}}", self._serve(name)))
            if name != LIBRARIES:
                found.append(web.get(f"/{path}", _redirect))
        return found

    def _serve(self, name: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def serve(request: web.Request) -> web.StreamResponse:
            path = self._find(name, request.match_info["file"] or "index.html")
            if path is None:
                return web.Response(status=404)
            return web.FileResponse(path, headers={**HEADERS, "Content-Type": TYPES[path.suffix]})

        return serve

    def _find(self, name: str, file: str) -> Path | None:
        if not SAFE.fullmatch(file):
            return None
        if file in OF_NPM:
            name = LIBRARIES
        path = self._folder / name / file
        return path if path.suffix in TYPES and path.is_file() else None

    async def _tell(self, request: web.Request) -> web.StreamResponse:
        """Passwords are among it: no page of another site reads this, for it has no CORS headers."""
        told = {
            **asdict(self._settings),
            "janus": self._janus_port(),
            "sip": self._sip_address(),
            "libraries": [library for library in OF_NPM if self._find(LIBRARIES, library)],
        }
        return web.json_response(told, headers={"Cache-Control": "no-store"})


async def _redirect(request: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": f"{request.path}/"})
