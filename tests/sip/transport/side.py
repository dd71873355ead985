"""One end of a wire: transports that remember what they heard, what failed and what closed, and a plain socket opposite."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from boringsdp.sip.flow import Flow, Protocol, Target
from boringsdp.sip.transport import Limits, Transports, TransportSettings

WITHIN_S = 5.0


def message(number: int = 1, body: bytes = b"", method: str = "OPTIONS") -> bytes:
    head = f"{method} sip:a@example.com SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK{number}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def answer(number: int = 1) -> bytes:
    return f"SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK{number}\r\nContent-Length: 0\r\n\r\n".encode()


class Side:
    """Transports that remember. `replies` makes an answer out of what was heard, to be sent back over its flow."""

    def __init__(self, settings: TransportSettings, replies: Callable[[bytes], bytes | None] = lambda data: None, **more: Any) -> None:
        self.heard: list[tuple[bytes, Flow]] = []
        self.failures: list[tuple[int, str]] = []
        self.closings: list[tuple[Flow, str]] = []
        self._replies = replies
        self._changed = asyncio.Condition()
        self.transports = Transports(settings, self._hear, self._fail, self._close, **more)

    def target(self, protocol: Protocol, name: str = "", path: str = "") -> Target:
        """How to reach its listener of a protocol."""
        listen = next(listen for listen in self.transports.addresses() if listen.protocol is protocol)
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listen.host, listen.host)
        return Target(protocol, host, listen.port, name, path)

    async def until(self, there: Callable[[], object]) -> None:
        """Wait until something is so. Fails after a while."""
        async with asyncio.timeout(WITHIN_S):
            async with self._changed:
                await self._changed.wait_for(lambda: bool(there()))

    async def hears(self, count: int = 1) -> list[bytes]:
        await self.until(lambda: len(self.heard) >= count)
        return [data for data, _ in self.heard]

    async def polls(self, there: Callable[[], object]) -> None:
        """Wait until something is so that nobody tells of. Fails after a while."""
        async with asyncio.timeout(WITHIN_S):
            while not there():  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    def _hear(self, data: bytes, flow: Flow) -> None:
        self.heard.append((data, flow))
        if (reply := self._replies(data)) is not None:
            self.transports.send(reply, flow)
        self._tell()

    def _fail(self, transaction: int, reason: str) -> None:
        self.failures.append((transaction, reason))
        self._tell()

    def _close(self, flow: Flow, reason: str) -> None:
        self.closings.append((flow, reason))
        self._tell()

    def _tell(self) -> None:
        async def notify() -> None:
            async with self._changed:
                self._changed.notify_all()

        self._task = asyncio.ensure_future(notify())


@asynccontextmanager
async def side(*listen: str, replies: Callable[[bytes], bytes | None] = lambda data: None, **more: Any) -> AsyncIterator[Side]:
    """Transports that listen, for a while. What `TransportSettings` knows goes there, the rest to `Transports`."""
    kept = {key: more.pop(key) for key in ("accept", "token") if key in more}
    made = Side(TransportSettings(listen=listen, **more), replies, **kept)
    await made.transports.start()
    try:
        yield made
    finally:
        await made.transports.close()


def limits(**values: Any) -> Limits:
    return Limits(**values)
