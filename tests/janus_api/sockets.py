"""A Janus server on loopback sockets and free ports, with the puppet plugin."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp

from boringsdp.janus_api import JanusServer, JanusSettings, Listener
from boringsdp.janus_api.plugin import Plugin
from tests.janus_api.build import PuppetPlugin

LOOPBACK = (Listener("127.0.0.1", 0),)


class Running:
    """A server that runs, and a client for it."""

    def __init__(self, server: JanusServer, plugin: PuppetPlugin, client: aiohttp.ClientSession, scheme: str) -> None:
        self.server = server
        self.plugin = plugin
        self.client = client
        (ws_host, ws_port), (host, port) = server.websocket_addresses[0], server.http_addresses[0]
        self.websocket = f"ws{scheme}://{ws_host}:{ws_port}/"
        self.http = f"http{scheme}://{host}:{port}"
        self.base = self.http + "/janus"

    async def post(self, path: str = "", *, transaction: str = "t", **request: Any) -> dict[str, Any]:
        """POST a request; returns the reply."""
        async with self.client.post(self.base + path, json={"transaction": transaction} | request) as response:
            assert response.status == 200
            assert response.content_type == "application/json"
            return await response.json()

    async def create(self) -> int:
        return int((await self.post(janus="create"))["data"]["id"])

    async def attach(self, session_id: int) -> int:
        return int((await self.post(f"/{session_id}", janus="attach", plugin=PuppetPlugin.package))["data"]["id"])

    async def connect(self, **options: Any) -> Socket:
        return Socket(await self.client.ws_connect(self.websocket, protocols=["janus-protocol"], **options))


class Socket:
    """A WebSocket client."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws

    async def ask(self, janus: str, *, transaction: str = "t", **request: Any) -> dict[str, Any]:
        """Send a request; returns the next message."""
        await self.ws.send_json({"janus": janus, "transaction": transaction} | request)
        return await self.ws.receive_json(timeout=5)

    async def create(self) -> int:
        return int((await self.ask("create"))["data"]["id"])

    async def attach(self, session_id: int) -> int:
        return int((await self.ask("attach", session_id=session_id, plugin=PuppetPlugin.package))["data"]["id"])


@asynccontextmanager
async def running(*more: Plugin, tls: tuple[Any, Any] | None = None, **settings: Any) -> AsyncIterator[Running]:
    """`tls`: the contexts of the server and the client."""
    plugin = PuppetPlugin()
    plugins: dict[str, Plugin] = {item.package: item for item in (plugin, *more)}
    listeners = LOOPBACK if tls is None else (Listener("127.0.0.1", 0, tls[0]),)
    server = JanusServer(replace(JanusSettings(websockets=listeners, http=listeners), **settings), plugins)
    await server.start()
    try:
        connector = aiohttp.TCPConnector(ssl=tls[1]) if tls is not None else None
        async with aiohttp.ClientSession(connector=connector) as client:
            yield Running(server, plugin, client, "s" if tls is not None else "")
    finally:
        await server.close()
