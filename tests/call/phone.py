"""Telephones and browsers as call tests need them: their SDPs, and a UDP socket."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from boringsdp.sdp import describe

CHROMIUM = Path("tests/golden/captured/chromium-offer-audio-trickle.sdp").read_bytes().decode()


def plain(port: int, *, formats: str = "0 101", direction: str = "sendrecv", extra: str = "", version: int = 1) -> str:
    """A telephone's SDP on loopback."""
    return (
        f"v=0\r\no=- 7 {version} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP {formats}\r\n"
        f"a=rtpmap:101 telephone-event/8000\r\na={direction}\r\n{extra}"
    )


def fax(port: int, version: int = 2) -> str:
    """A fax machine's SDP."""
    return (
        f"v=0\r\no=- 7 {version} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        f"m=image {port} udptl t38\r\na=T38FaxVersion:0\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n"
    )


def port_of(sdp: str) -> int:
    return describe(sdp).medias[0].port


def version_of(sdp: str) -> int:
    return int(describe(sdp).origin.version)


class Phone:
    """A UDP socket of a telephone."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.host = host
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.setblocking(False)
        self.port: int = self.socket.getsockname()[1]
        self._sequence = 0

    def skip(self, packets: int) -> None:
        """Count on: all telephones here have one SSRC."""
        self._sequence += packets

    def send(self, port: int, payload_type: int = 0, payload: bytes = b"\xd5" * 160) -> None:
        self._sequence += 1
        head = bytes((0x80, payload_type)) + self._sequence.to_bytes(2, "big") + (self._sequence * 160).to_bytes(4, "big") + b"\0\0\0\7"
        self.socket.sendto(head + payload, (self.host, port))

    def press(self, port: int, digit: int) -> None:
        """Send one whole telephone-event of payload type 101."""
        timestamp = (self._sequence * 160).to_bytes(4, "big")
        for end, ticks in ((0, 160), (0x80, 800), (0x80, 800), (0x80, 800)):
            self._sequence += 1
            head = bytes((0x80, 101)) + self._sequence.to_bytes(2, "big") + timestamp + b"\0\0\0\7"
            self.socket.sendto(head + bytes((digit, end | 10)) + ticks.to_bytes(2, "big"), (self.host, port))

    async def receive(self) -> bytes:
        """The next RTP packet; RTCP is passed over."""
        while True:
            data = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.socket, 2048), 5)
            if not 192 <= data[1] <= 223:
                return data

    async def hears_nothing(self) -> bool:
        """Whether no RTP comes for a moment, after what may still be on its way."""
        try:
            await asyncio.wait_for(self.receive(), 0.15)
        except TimeoutError:
            return True
        return False

    def close(self) -> None:
        self.socket.close()


def browser_answer(offer: str, direction: str) -> str:
    """What a browser would answer: its own credentials, the offer's m-lines and mids."""
    media = describe(offer).medias[0]
    text = CHROMIUM.replace("a=sendrecv", f"a={direction}").replace("a=setup:actpass", "a=setup:active")
    return (
        text.replace("a=mid:0", f"a=mid:{media.mid}")
        .replace("BUNDLE 0", f"BUNDLE {media.mid}")
        .replace("111 63 9 0 8 13 110 126", " ".join(str(f.payload_type) for f in media.formats))
    )
