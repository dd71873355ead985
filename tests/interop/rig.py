"""The browser's end of a call, from Python: what static/rig.js does, and what it heard."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.interop.browsers import Page
from tests.interop.tones import Burst, bursts, samples_of

STATIC = Path(__file__).with_name("static")
NODE_MODULES = Path(__file__).parents[2] / "node_modules"


class Rig:
    """One page with one call."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def call(self, expression: str, *arguments: Any, seconds: float = 40) -> Any:
        """The value of `rig.expression(...arguments)`. Raises what the page throws, with the page's console."""
        try:
            return await self.page.evaluate(f"async (all) => await window.rig.{expression}(...all)", list(arguments), seconds)
        except Exception as error:
            error.add_note("console: " + "\n".join(self.page.console[-20:]))
            raise

    async def get(self, expression: str) -> Any:
        """The value of an expression over `rig`."""
        return await self.page.evaluate(f"async () => {{ const rig = window.rig; return {expression}; }}")

    async def load(self, url: str) -> None:
        """Loads the page."""
        await self.page.goto(url)
        await self.page.evaluate("async () => { await window.rigReady; }")

    async def connect(self, server: str, plugin: str = "janus.plugin.nosip") -> None:
        """Opens a session and attaches a plugin."""
        await self.call("connect", server, plugin)

    async def offer(self, **options: Any) -> str:
        """The plain offer that the gateway made of the browser's."""
        return str(await self.call("offer", options))

    async def take_answer(self, sdp: str, **extra: Any) -> dict[str, Any]:
        """Hands the peer's answer to the browser."""
        return dict(await self.call("takeAnswer", sdp, extra))

    async def answer(self, sdp: str, **options: Any) -> str:
        """The plain answer that the gateway made of the browser's to the peer's offer."""
        return str(await self.call("answer", sdp, options))

    async def heard(self) -> list[Burst]:
        """The tones in what arrived since `forget`."""
        got = await self.call("heard")
        return bursts(samples_of(base64.b64decode(got["data"])), got["rate"])

    async def events(self, name: str) -> list[Any]:
        """Details of the noted events of one name."""
        return [event.get("detail") for event in await self.get("rig.events") if event["name"] == name]

    async def until(self, expression: str, seconds: float = 10) -> Any:
        """The first truthy value of an expression over `rig`. Raises AssertionError."""
        end = asyncio.get_running_loop().time() + seconds
        while True:
            if value := await self.get(expression):
                return value
            if asyncio.get_running_loop().time() > end:
                raise AssertionError(f"{expression} stayed {value!r}; events: {json.dumps(await self.get('rig.events'))[-3000:]}")
            await asyncio.sleep(0.1)


async def serve_static() -> tuple[web.AppRunner, str]:
    """A server of the page and of the npm packages, and its address."""
    app = web.Application()
    app.router.add_static("/static", STATIC)
    if NODE_MODULES.exists():
        app.router.add_static("/node_modules", NODE_MODULES)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    return runner, f"http://127.0.0.1:{port}"
