"""Who connects to a web server and asks nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from boringsdp.net.first_request import FirstRequests


@asynccontextmanager
async def serving(within_s: float) -> AsyncIterator[int]:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text="here")

    guard = FirstRequests(within_s, sweep_s=0.01)
    application = web.Application(middlewares=[guard.note])
    application.router.add_get("/", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    assert runner.server is not None
    guard.watch(runner.server)
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        guard.close()
        await runner.cleanup()


async def test_half_a_request_ends_in_time() -> None:
    async with serving(0.05) as port, asyncio.timeout(5):
        for begun in (b"", b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(begun)
            assert await reader.read() == b""
            writer.close()


async def test_who_has_asked_stays() -> None:
    async with serving(0.05) as port, asyncio.timeout(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await reader.readuntil(b"here")).startswith(b"HTTP/1.1 200")
            await asyncio.sleep(0.15)
        writer.close()
