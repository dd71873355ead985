"""
Applications by the hundred on one WebSocket, with canned descriptions: some take whatever call comes, others call, talk and hang up.

They keep no events and wait for none, so that the load is the gateway's and not the test's.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections import Counter, deque
from collections.abc import AsyncIterator
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

KEEPALIVE_S = 20
FINGERPRINT = ":".join(["AB"] * 32)
OFFER, ANSWER = (
    f"v=0\r\no=- {role} 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0 101\r\n"
    "c=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\na=ice-ufrag:robo\r\na=ice-pwd:robotrobotrobotrobotrobot\r\n"
    f"a=fingerprint:sha-256 {FINGERPRINT}\r\na=setup:{setup}\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
    for role, setup in ((1, "actpass"), (2, "active"))
)


class Robots:
    """`told` counts the events, `reasons` how calls ended; `placed` is how many calls were asked for."""

    def __init__(self, socket: ClientConnection, session: int, sip: str) -> None:
        self._socket, self._session, self._sip = socket, session, sip
        self.told: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.names: list[str] = []
        self._handles: dict[int, str] = {}
        self._idle: deque[int] = deque()
        self._calling = False
        self._numbers = itertools.count(1)
        self._replies: dict[str, asyncio.Future[Any]] = {}
        self._changed = asyncio.Event()

    async def recruit(self, count: int, name: str = "robot", **register: Any) -> None:
        """More of them: guests, unless `register` says otherwise."""
        register = register or {"type": "guest"}
        for number in range(len(self.names), len(self.names) + count):
            reply = await self._ask("attach", plugin="janus.plugin.sip")
            assert reply["janus"] == "success", reply
            handle = reply["data"]["id"]
            who = f"{name}{number}"
            self.names.append(who)
            self._handles[handle] = who
            await self._message(handle, {"request": "register", "username": f"sip:{who}@{self._sip}", **register})
            self._idle.append(handle)
        await self.until("registered", len(self.names))

    async def place(self, uri: str, count: int, rate: float) -> None:
        """Calls, so many a second, by whoever is idle; each is hung up once it is accepted. Returns when all have ended."""
        self._calling = True
        before, loop = self.told["hangup"], asyncio.get_running_loop()
        start = loop.time()
        for number in range(count):
            await asyncio.sleep(max(0.0, start + number / rate - loop.time()))
            while not self._idle:
                await self._change()
            await self._message(self._idle.popleft(), {"request": "call", "uri": uri}, {"type": "offer", "sdp": OFFER})
        await self.until("hangup", before + count)
        self._calling = False

    async def until(self, event: str, count: int, seconds: float = 60) -> None:
        """Waits until so many have been told of. Raises AssertionError."""
        try:
            async with asyncio.timeout(seconds):
                while self.told[event] < count:
                    await self._change()
        except TimeoutError:
            raise AssertionError(f"{event}: {self.told[event]} of {count}; {self.told} {self.reasons}") from None

    async def read(self) -> None:
        """Hears and answers, until the connection ends."""
        async for text in self._socket:
            message = json.loads(text)
            if message["janus"] != "event":
                reply = self._replies.pop(message.get("transaction", ""), None)
                if reply is not None:
                    reply.set_result(message)
                continue
            await self._hear(message["sender"], message["plugindata"]["data"])
            self._changed.set()

    async def _hear(self, handle: int, data: dict[str, Any]) -> None:
        result = data.get("result") or {"event": f"error {data.get('error')}"}
        event = result["event"]
        self.told[event] += 1
        if event == "incomingcall":
            await self._message(handle, {"request": "accept"}, {"type": "answer", "sdp": ANSWER})
        elif event == "accepted" and self._calling:
            await self._message(handle, {"request": "hangup"})
        elif event == "hangup":
            self.reasons[f"{result['code']} {result['reason']}"] += 1
            if self._calling:
                self._idle.append(handle)

    async def _message(self, handle: int, body: dict[str, Any], jsep: dict[str, Any] | None = None) -> None:
        described = {} if jsep is None else {"jsep": jsep}
        await self._send({"janus": "message", "transaction": "", "handle_id": handle, "body": body, **described})

    async def _ask(self, verb: str, **keys: Any) -> Any:
        transaction = f"r{next(self._numbers)}"
        reply = self._replies[transaction] = asyncio.get_running_loop().create_future()
        await self._send({"janus": verb, "transaction": transaction, **keys})
        return await asyncio.wait_for(reply, 20)

    async def _send(self, message: dict[str, Any]) -> None:
        await self._socket.send(json.dumps({"session_id": self._session, **message}))

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def keep_alive(self) -> None:
        while True:
            await asyncio.sleep(KEEPALIVE_S)
            await self._send({"janus": "keepalive", "transaction": ""})


@contextlib.asynccontextmanager
async def robots(websocket: str, sip: str) -> AsyncIterator[Robots]:
    """None yet, on a session of a gateway; `sip` is the host and port of their identities."""
    async with connect(websocket, subprotocols=["janus-protocol"], compression=None, ping_interval=None) as socket:  # type: ignore[list-item]
        await socket.send(json.dumps({"janus": "create", "transaction": "c"}))
        session = json.loads(await socket.recv())["data"]["id"]
        made = Robots(socket, session, sip)
        tasks = [asyncio.ensure_future(made.read()), asyncio.ensure_future(made.keep_alive())]
        try:
            yield made
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
