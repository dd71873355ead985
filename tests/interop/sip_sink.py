"""The least SIP over UDP that makes a real phone show its SDP: it takes calls and it places them. For captures only."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

Address = tuple[str, int]


@dataclass
class Message:
    """A SIP message, headers in lower case, repeated ones kept in order."""

    start: str
    headers: list[tuple[str, str]]
    body: str
    source: Address

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")

    def copied(self, *names: str) -> str:
        return "".join(f"{key.title()}: {value}\r\n" for key, value in self.headers if key in names)


LONG = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length", "c": "content-type"}


def parse(data: bytes, source: Address) -> Message | None:
    """The message in a datagram, None for a keepalive."""
    head, _, body = data.decode(errors="replace").partition("\r\n\r\n")
    if not head.strip():
        return None
    start, *lines = head.split("\r\n")
    headers = []
    for line in lines:
        key, _, value = line.partition(":")
        key = key.strip().lower()
        headers.append((LONG.get(key, key), value.strip()))
    return Message(start, headers, body, source)


@dataclass
class Sink(asyncio.DatagramProtocol):
    """Answers each INVITE with `answer(offer)`, or 486 when that is None; keeps what it saw in `seen`."""

    answer: str | None = None
    seen: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)
    transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    @property
    def port(self) -> int:
        assert self.transport is not None
        return int(self.transport.get_extra_info("sockname")[1])

    def datagram_received(self, data: bytes, addr: Address) -> None:
        message = parse(data, addr)
        if message is None:
            return
        if message.start.startswith("SIP/2.0"):
            self.seen.put_nowait(message)
            return
        method = message.start.split()[0]
        if method == "INVITE":
            self.seen.put_nowait(message)
            self._reply(message, *(("200 OK", self.answer) if self.answer else ("486 Busy Here", "")))
        elif method != "ACK":
            self._reply(message, "200 OK", "")

    def send(self, text: str, to: Address) -> None:
        assert self.transport is not None
        self.transport.sendto(text.replace("\n", "\r\n").encode() if "\r\n" not in text else text.encode(), to)

    def _reply(self, message: Message, status: str, body: str) -> None:
        to = message.header("to")
        tag = "" if "tag=" in to else ";tag=sink"
        head = message.copied("via", "from", "call-id", "cseq", "record-route")
        kind = "Content-Type: application/sdp\r\n" if body else ""
        self.send(
            f"SIP/2.0 {status}\r\n{head}To: {to}{tag}\r\nContact: <sip:sink@127.0.0.1:{self.port}>\r\n"
            f"{kind}Content-Length: {len(body)}\r\n\r\n{body}",
            message.source,
        )

    async def invite(self, to: Address, offer: str, seconds: float = 10) -> str:
        """The SDP of the final answer to `offer`; the call is ended at once. Raises TimeoutError."""
        target = f"sip:phone@{to[0]}:{to[1]}"
        common = (
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bK%s;rport\r\nMax-Forwards: 70\r\n"
            f"From: <sip:sink@127.0.0.1:{self.port}>;tag=a\r\nCall-ID: sink-{self.port}\r\nContact: <sip:sink@127.0.0.1:{self.port}>\r\n"
        )
        self.send(
            f"INVITE {target} SIP/2.0\r\n{common % 'one'}To: <{target}>\r\nCSeq: 1 INVITE\r\nContent-Type: application/sdp\r\n"
            f"Content-Length: {len(offer)}\r\n\r\n{offer}",
            to,
        )
        while True:
            message = await asyncio.wait_for(self.seen.get(), seconds)
            status = re.match(r"SIP/2.0 (\d+)", message.start)
            if status and int(status[1]) >= 200 and "INVITE" in message.header("cseq"):
                break
        peer = message.header("to")
        for method, number, branch in (("ACK", 1, "two"), ("BYE", 2, "three")):
            self.send(
                f"{method} {target} SIP/2.0\r\n{common % branch}To: {peer}\r\nCSeq: {number} {method}\r\nContent-Length: 0\r\n\r\n", to
            )
        return message.body

    async def next_body(self, seconds: float = 15) -> str:
        """The SDP of the next INVITE that is no retransmission of the last. Raises TimeoutError."""
        message = await asyncio.wait_for(self.seen.get(), seconds)
        key = (message.header("call-id"), message.header("cseq"))
        while not self.seen.empty():
            following = self.seen.get_nowait()
            if (following.header("call-id"), following.header("cseq")) != key:
                self.seen.put_nowait(following)
                break
        return message.body


@contextlib.asynccontextmanager
async def open_sink(answer: str | None = None) -> AsyncIterator[Sink]:
    """A sink on a loopback port of its own."""
    loop = asyncio.get_running_loop()
    transport, sink = await loop.create_datagram_endpoint(lambda: Sink(answer), local_addr=("127.0.0.1", 0))
    try:
        yield sink
    finally:
        transport.close()
