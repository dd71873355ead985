"""A small Janus API client over WebSocket for tests: requests wait for their reply, events are kept by handle."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

Event = dict[str, Any]


class JanusClient:
    """Use as `async with JanusClient(url) as janus`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._socket: ClientConnection | None = None
        self._replies: dict[str, asyncio.Future[Event]] = {}
        self._numbers = itertools.count(1)
        self._news: dict[int, list[Event]] = defaultdict(list)
        self._changed = asyncio.Condition()
        self._reader: asyncio.Task[None] | None = None
        self.session_id = 0

    async def __aenter__(self) -> JanusClient:
        self._socket = await connect(self._url, subprotocols=["janus-protocol"], max_size=1 << 20)  # type: ignore[list-item]
        self._reader = asyncio.create_task(self._read())
        self.session_id = (await self.request("create"))["data"]["id"]
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._socket is not None
        assert self._reader is not None
        await self._socket.close()
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    async def request(self, verb: str, **keys: Any) -> Event:
        """Send one request and return its immediate reply (ack, success or error)."""
        assert self._socket is not None
        transaction = f"t{next(self._numbers)}"
        reply: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        self._replies[transaction] = reply
        session = {"session_id": self.session_id} if self.session_id else {}
        await self._socket.send(json.dumps({"janus": verb, "transaction": transaction, **session, **keys}))
        return await asyncio.wait_for(reply, 20)

    async def attach(self, plugin: str) -> int:
        return int((await self.request("attach", plugin=plugin))["data"]["id"])

    async def message(self, handle: int, body: dict[str, Any], jsep: dict[str, Any] | None = None) -> Event:
        """Send a plugin message and return the event (or error) that answers it."""
        described = {} if jsep is None else {"jsep": jsep}
        reply = await self.request("message", handle_id=handle, body=body, **described)
        if reply["janus"] != "ack":
            return reply
        return await self.event(handle, lambda event: event.get("transaction") == reply["transaction"])

    async def event(self, handle: int, wanted: Callable[[Event], bool], timeout_s: float = 20.0) -> Event:
        """Return the first event of `handle` that is `wanted`, past ones included, and take it out."""

        def find() -> Event | None:
            return next((event for event in self._news[handle] if wanted(event)), None)

        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(lambda: find() is not None)
            event = find()
            assert event is not None
            self._news[handle].remove(event)
            return event

    async def named(self, handle: int, verb: str, timeout_s: float = 20.0) -> Event:
        """Return the next event of this `janus` verb: webrtcup, hangup, media, …"""
        return await self.event(handle, lambda event: event["janus"] == verb, timeout_s)

    def seen(self, handle: int) -> list[Event]:
        """Events of the handle that nobody has taken."""
        return list(self._news[handle])

    async def _read(self) -> None:
        assert self._socket is not None
        async for text in self._socket:
            message = json.loads(text)
            reply = self._replies.pop(message.get("transaction", ""), None) if message["janus"] != "event" else None
            if reply is not None:
                reply.set_result(message)
                continue
            async with self._changed:
                self._news[message.get("sender", 0)].append(message)
                self._changed.notify_all()
