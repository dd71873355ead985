"""Web phones from Python: what static/webphone.js does, and what they heard."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.interop.browsers import Page
from tests.interop.rig import NODE_MODULES
from tests.interop.tones import Burst, bursts, samples_of

STATIC = Path(__file__).with_name("static")
ESBUILD = NODE_MODULES / ".bin" / "esbuild"


def missing() -> str | None:
    """What to install before the page can be made, None when all is there."""
    return None if ESBUILD.exists() and (NODE_MODULES / "jssip").exists() and (NODE_MODULES / "sip.js").exists() else "npm ci"


class RefusedError(Exception):
    """The registration was refused, with this reason."""


class WebPhone:
    """A registered web phone in a page."""

    def __init__(self, page: Page, user: str) -> None:
        self.page, self.user = page, user

    async def do(self, method: str, *arguments: Any, seconds: float = 20) -> Any:
        """The value of one of the phone's methods. Raises what the page throws, with the page's console."""
        script = f"async (all) => await window.phones[{json.dumps(self.user)}].{method}(...all)"
        try:
            return await self.page.evaluate(script, list(arguments), seconds)
        except Exception as error:
            error.add_note("console: " + "\n".join(self.page.console[-20:]))
            raise

    async def events(self) -> list[dict[str, Any]]:
        """What happened to it, in order."""
        return list(await self.page.evaluate(f"async () => window.phones[{json.dumps(self.user)}].events"))

    async def until(self, name: str, seconds: float = 15, *, detail: Any = None) -> Any:
        """The detail of the first event of that name, and of that detail if one is given. Raises AssertionError."""
        end = asyncio.get_running_loop().time() + seconds
        while True:
            events = await self.events()
            found = [event for event in events if event["name"] == name and detail in (None, event["detail"])]
            if found:
                return found[0]["detail"]
            if asyncio.get_running_loop().time() > end:
                raise AssertionError(f"{self.user}: no {name} in {seconds} s, but {events}; console: {self.page.console[-20:]}")
            await asyncio.sleep(0.05)

    async def connected(self, seconds: float = 15) -> None:
        """Waits for ICE and DTLS. Raises AssertionError."""
        end = asyncio.get_running_loop().time() + seconds
        while True:
            events = await self.events()
            if any(event["name"] == "connection" and event["detail"] == "connected" for event in events):
                return
            if asyncio.get_running_loop().time() > end:
                raise AssertionError(f"{self.user}: not connected: {events}; {await self.do('statistics')}")
            await asyncio.sleep(0.05)

    async def samples(self) -> tuple[bytes, int]:
        """What came since `forget`, 16-bit mono, and its rate."""
        got = await self.do("heard")
        return base64.b64decode(got["data"]), int(got["rate"])

    async def heard(self) -> list[Burst]:
        """The tones in what came since `forget`."""
        data, rate = await self.samples()
        return bursts(samples_of(data), rate)


@contextlib.asynccontextmanager
async def served() -> AsyncIterator[str]:
    """The page's address. The libraries are bundled from node_modules, nothing is fetched from elsewhere."""
    bundler = await asyncio.create_subprocess_exec(
        *(str(ESBUILD), str(STATIC / "webphone.js"), "--bundle", "--format=iife", "--log-level=error", "--define:global=window"),
        stdout=subprocess.PIPE,
    )
    bundle, _ = await bundler.communicate()
    assert bundler.returncode == 0, "esbuild failed"

    async def script(_request: web.Request) -> web.Response:
        return web.Response(body=bundle, content_type="text/javascript")

    app = web.Application()
    app.router.add_get("/webphone.js", script)
    app.router.add_static("/static", STATIC)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/static/webphone.html"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def open_webphone(page: Page, library: str, user: str, server: str, domain: str, password: str = "") -> AsyncIterator[WebPhone]:
    """A phone of `library` (jssip, sipjs), registered as `user` at the domain through the WebSocket server. Raises RefusedError."""
    refused = await page.evaluate("async (all) => await window.open_phone(...all)", [library, user, server, domain, password], 20)
    if refused is not None:
        raise RefusedError(refused)
    try:
        yield WebPhone(page, user)
    finally:
        await page.evaluate("async (user) => await window.close_phone(user)", user, 20)
