"""How calls are placed: by the NG protocol, as Kamailio does, or by the Janus API and its NoSIP plugin."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Protocol

from bench.ng_cycle import TO_BROWSER, TO_PHONE
from bench.webrtc_client import Client
from boringsdp.ng.bencode import parse_bencode, write_bencode
from tests.support.janus_client import JanusClient

Call = Any
"""What a front needs to end a call again."""


class Front(Protocol):
    """A way to place calls; `place` returns the call, what the client is answered and what the peer was offered."""

    async def __aenter__(self) -> Front: ...
    async def __aexit__(self, *exc: Any) -> None: ...
    async def place(self, number: int, client: Client) -> tuple[Call, str, str]: ...
    async def end(self, call: Call) -> None: ...


class NgFront(asyncio.DatagramProtocol):
    """Over UDP, with as many requests under way as there are callers. Raises RuntimeError with what the gateway complains of."""

    PATIENCE_S = 5.0

    def __init__(self, port: int) -> None:
        self._port = port
        self._count = 0
        self._replies: dict[bytes, asyncio.Future[Any]] = {}

    async def __aenter__(self) -> NgFront:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, remote_addr=("127.0.0.1", self._port))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        self._transport.close()

    async def place(self, number: int, client: Client) -> tuple[Call, str, str]:
        who = {"call-id": f"load-{number}-{id(self)}", "from-tag": f"a{number}"}
        offered = await self.request({"command": "offer", **who, **TO_PHONE, "sdp": client.offer})
        answered = await self.request({"command": "answer", **who, **TO_BROWSER, "to-tag": f"b{number}", "sdp": client.peer_answer})
        return who, str(answered["sdp"]), str(offered["sdp"])

    async def end(self, call: Call) -> None:
        await self.request({"command": "delete", **call, "delete-delay": 0})

    async def request(self, message: dict[str, Any]) -> dict[str, Any]:
        self._count += 1
        cookie = f"{id(self)}_{self._count}".encode()
        reply = self._replies[cookie] = asyncio.get_running_loop().create_future()
        data = cookie + b" " + write_bencode(message)
        try:
            for _ in range(3):
                self._transport.sendto(data)
                done, _ = await asyncio.wait({reply}, timeout=self.PATIENCE_S)
                if done:
                    break
            else:
                raise RuntimeError(f"{message['command']}: no reply")
        finally:
            del self._replies[cookie]
        answer: dict[str, Any] = reply.result()
        if answer["result"] not in ("ok", "pong"):
            raise RuntimeError(f"{message['command']}: {answer}")
        return answer

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        cookie, _, body = data.partition(b" ")
        reply = self._replies.get(cookie)
        if reply is not None and not reply.done():
            reply.set_result(parse_bencode(body))


class JanusFront:
    """One WebSocket, one session, a handle a call."""

    def __init__(self, url: str) -> None:
        self._janus = JanusClient(url)

    async def __aenter__(self) -> JanusFront:
        await self._janus.__aenter__()
        self._keepalives = asyncio.create_task(self._keep_alive())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        self._keepalives.cancel()
        await self._janus.__aexit__(kind, error, where)

    async def place(self, number: int, client: Client) -> tuple[Call, str, str]:
        handle = await self._janus.attach("janus.plugin.nosip")
        offered = await self._janus.message(handle, {"request": "generate"}, {"type": "offer", "sdp": client.offer})
        body = {"request": "process", "type": "answer", "sdp": client.peer_answer}
        answered = await self._janus.message(handle, body)
        return handle, str(answered["jsep"]["sdp"]), str(offered["plugindata"]["data"]["result"]["sdp"])

    async def end(self, call: Call) -> None:
        await self._janus.request("detach", handle_id=call)

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(15)
            await self._janus.request("keepalive")
