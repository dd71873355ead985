"""A small WebDriver BiDi client: enough to drive the Firefox that Debian ships, which no other driver here speaks to."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from typing import Any

import websockets


class BidiError(Exception):
    """The browser refused a command or threw in the page."""


class BidiConnection:
    """One BiDi session over one WebSocket."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.listeners: list[Callable[[str, dict[str, Any]], None]] = []
        self._reader = asyncio.ensure_future(self._read())

    @classmethod
    async def connect(cls, url: str) -> BidiConnection:
        """An open session; `url` is what the browser prints, without the path."""
        connection = cls(await websockets.connect(url + "/session", max_size=None, ping_interval=None))
        await connection.call("session.new", {"capabilities": {"alwaysMatch": {"acceptInsecureCerts": True}}})
        return connection

    async def call(self, method: str, params: dict[str, Any], seconds: float = 60) -> dict[str, Any]:
        """The result of one command. Raises BidiError."""
        number = next(self._ids)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        try:
            return await asyncio.wait_for(future, seconds)
        except TimeoutError:
            raise BidiError(f"{method}: no answer in {seconds} s") from None
        finally:
            self._waiting.pop(number, None)

    async def close(self) -> None:
        """Ends the connection; the browser is the launcher's to stop."""
        self._reader.cancel()
        await self._socket.close()

    async def _read(self) -> None:
        try:
            async for text in self._socket:
                self._take(json.loads(text))
        except websockets.ConnectionClosed:
            pass
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(BidiError("the browser is gone"))

    def _take(self, message: dict[str, Any]) -> None:
        if message.get("type") == "event":
            for listener in self.listeners:
                listener(message["method"], message["params"])
            return
        future = self._waiting.get(message.get("id") or 0)
        if future is None or future.done():
            return
        if message.get("type") == "error":
            future.set_exception(BidiError(f"{message['error']}: {message.get('message')}"))
        else:
            future.set_result(message.get("result", {}))
