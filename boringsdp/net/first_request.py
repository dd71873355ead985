"""Ends connections of an aiohttp server whose first request does not come: aiohttp itself waits for ever. Shell."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

WITHIN_S = 10.0
SWEEP_S = 1.0


class FirstRequests:
    """Put `note` among the middlewares of the application, then `watch` its server; `close`."""

    def __init__(self, within_s: float = WITHIN_S, sweep_s: float = SWEEP_S) -> None:
        self._within_s = within_s
        self._sweep_s = sweep_s
        self._asked: set[object] = set()
        """Connections by which a whole request has come."""
        self._since: dict[web.RequestHandler, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    @web.middleware
    async def note(self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        self._asked.add(request.protocol)
        return await handler(request)

    def watch(self, server: web.Server) -> None:
        """Look at the connections every now and then."""
        self._timer = asyncio.get_running_loop().call_later(self._sweep_s, self._sweep, server)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _sweep(self, server: web.Server) -> None:
        now = asyncio.get_running_loop().time()
        connections = server.connections
        self._asked.intersection_update(connections)
        silent = [connection for connection in connections if connection not in self._asked]
        self._since = {connection: self._since.get(connection, now) for connection in silent}
        for connection, since in self._since.items():
            if now - since >= self._within_s:
                connection.force_close()
        self.watch(server)
