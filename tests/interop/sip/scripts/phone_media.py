"""The media of a scripted telephone: RTP on a socket of the test, because SIPp only plays and never listens."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator

from tests.interop.sip.script import sdp


class PhoneMedia(asyncio.DatagramProtocol):
    """`sdp` is for the script; what is `heard` are payloads."""

    voice = bytes(range(160))

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self._transport: asyncio.DatagramTransport | None = None
        self._to: tuple[str, int] | None = None
        self._sequence = 0
        self._spoken = asyncio.Event()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls) -> AsyncIterator[PhoneMedia]:
        transport, media = await asyncio.get_running_loop().create_datagram_endpoint(cls, local_addr=("127.0.0.1", 0))
        media._transport = transport
        try:
            yield media
        finally:
            transport.close()

    @property
    def sdp(self) -> str:
        assert self._transport is not None
        return sdp().replace("[media_port]", str(self._transport.get_extra_info("sockname")[1])).replace("[media_ip]", "127.0.0.1")

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._to = addr
        self.heard.append(data[12:])
        self._spoken.set()

    def speak(self, count: int = 3) -> None:
        """Sends some packets to where media came from."""
        assert self._transport is not None
        assert self._to is not None, "nobody has spoken yet"
        for _ in range(count):
            self._sequence += 1
            self._transport.sendto(struct.pack("!BBHII", 0x80, 0, self._sequence, self._sequence * 160, 77) + self.voice, self._to)

    async def hears(self, seconds: float = 5) -> bytes:
        """The first payload that came. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            await self._spoken.wait()
        return self.heard[0]
