"""A WebRTC client: a real Chromium offer, one ICE check and one DTLS handshake; its media is the load program's part."""

from __future__ import annotations

import asyncio
import re
import secrets
from pathlib import Path
from typing import Any

from bench.field import Address, Field
from boringsdp.dtls import Association, Established, Failed, Identity, Transmit
from boringsdp.ice.stun import Attribute, Kind, parse_stun, write_stun, write_xor_address

OFFER = Path(__file__).parent.parent / "tests" / "golden" / "captured" / "chromium-offer-audio-trickle.sdp"
PCMU = 0
RESEND_S = 0.5
PATIENCE_S = 30.0


class Client:
    """`offer` is what it says; `connect` with the answer runs until the keys are there; `plan` is what the load program must know."""

    def __init__(self, field: Field, number: int, identity: Identity) -> None:
        self._field, self._identity = field, identity
        self.address: Address = field.client(number)
        self.peer: Address = field.peer(number)
        self._ufrag, self._password = secrets.token_hex(4), secrets.token_hex(12)
        self._ssrc = secrets.randbits(32) | 1
        self._remote: Address | None = None
        self._association: Association | None = None
        self._early: tuple[bytes, Address] | None = None
        """A ClientHello that came before the answer; browsers keep it too."""
        self._reachable = asyncio.Event()
        self._up: asyncio.Future[Established] = asyncio.get_running_loop().create_future()
        field.listen(self.address[0], self._receive)

    @property
    def offer(self) -> str:
        host, port = self.address
        candidate = f"a=candidate:1 1 udp 2122260223 {host} {port} typ host generation 0\r\na=end-of-candidates\r\n"
        text = OFFER.read_bytes().decode().replace("c=IN IP4 0.0.0.0", f"c=IN IP4 {host}").replace("m=audio 9 ", f"m=audio {port} ")
        text = text.replace("a=rtcp:9 IN IP4 0.0.0.0", f"a=rtcp:{port} IN IP4 {host}")
        text = re.sub(r"a=ice-ufrag:\S+", f"a=ice-ufrag:{self._ufrag}", text)
        text = re.sub(r"a=ice-pwd:\S+", f"a=ice-pwd:{self._password}", text)
        text = re.sub(r"a=ice-options:trickle\r\n", candidate, text)
        text = re.sub(r"a=ssrc:\d+", f"a=ssrc:{self._ssrc}", text)
        return re.sub(r"a=fingerprint:\S+ \S+", "a=fingerprint:" + " ".join(self._identity.fingerprint), text)

    @property
    def peer_answer(self) -> str:
        """What the RTP peer answers: G.711 and tones, RTCP on a port of its own."""
        host, port = self.peer
        return (
            f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 126\r\n"
            "a=rtpmap:0 PCMU/8000\r\na=rtpmap:126 telephone-event/8000\r\na=fmtp:126 0-15\r\na=ptime:20\r\n"
        )

    async def reach(self, answer: str) -> None:
        """Check the path until the check is answered. Raises TimeoutError."""
        self._remote_ufrag, self._remote_password = attribute(answer, "ice-ufrag"), attribute(answer, "ice-pwd")
        candidate = re.search(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host", answer, re.IGNORECASE)
        assert candidate, f"no candidate in\n{answer}"
        self._remote = (candidate[1], int(candidate[2]))
        check = self.check()
        async with asyncio.timeout(PATIENCE_S):
            while not self._reachable.is_set():
                self._field.send(check, self.address[0], self._remote)
                try:
                    await asyncio.wait_for(self._reachable.wait(), RESEND_S)
                except TimeoutError:
                    continue

    async def connect(self, answer: str) -> None:
        """Check the path and shake hands, in the role that the answer leaves us. Raises TimeoutError, or RuntimeError when DTLS fails."""
        loop = asyncio.get_running_loop()
        # Before the first check: a gateway that shakes hands as client begins as soon as it is reached.
        self._association = Association(self._identity, client=attribute(answer, "setup") == "passive")
        name, value = attribute(answer, "fingerprint").split()
        self._association.expect(frozenset({(name.lower(), value.upper())}), loop.time())
        if self._early is not None:
            self._receive(*self._early)
        await self.reach(answer)
        async with asyncio.timeout(PATIENCE_S):
            self._perform(self._association.start(loop.time()))
            while not self._up.done():
                await asyncio.wait({self._up}, timeout=0.2)
                self._perform(self._association.tick(loop.time()))
        self._up.result()

    def hello(self) -> None:
        """Begin a handshake and never go on with it."""
        association = Association(self._identity, client=True)
        self._perform(association.start(asyncio.get_running_loop().time()))

    def check(self) -> bytes:
        attributes: list[tuple[int, bytes]] = [
            (Attribute.USERNAME, f"{self._remote_ufrag}:{self._ufrag}".encode()),
            (Attribute.ICE_CONTROLLING, self._ssrc.to_bytes(8, "big")),
            (Attribute.USE_CANDIDATE, b""),
            (Attribute.PRIORITY, (1853824767).to_bytes(4, "big")),
        ]
        return write_stun(Kind.REQUEST, secrets.token_bytes(12), attributes, password=self._remote_password.encode())

    def plan(self, rtp: Address, rtcp: Address) -> dict[str, Any]:
        """What the load program must know of this call; the gateway hears the peer at these addresses."""
        keys = self._up.result()
        assert self._remote is not None
        return {
            "client": _text(self.address), "peer": _text(self.peer), "webrtc": _text(self._remote), "rtp": _text(rtp), "rtcp": _text(rtcp),
            "ssrc": self._ssrc, "peer_ssrc": secrets.randbits(32) | 1, "payload_type": PCMU,
            "profile": keys.send.profile.value,
            "send_key": keys.send.key.hex(), "send_salt": keys.send.salt.hex(),
            "receive_key": keys.receive.key.hex(), "receive_salt": keys.receive.salt.hex(),
            "username": f"{self._remote_ufrag}:{self._ufrag}", "remote_password": self._remote_password, "password": self._password,
        }  # fmt: skip

    def close(self) -> None:
        self._field.forget(self.address[0])
        self._up.cancel()

    def _receive(self, data: bytes, source: Address) -> None:
        if data[0] == 0:
            self._answer_check(data, source)
        elif data[0] == 1:
            self._reachable.set()
        elif 20 <= data[0] < 64 and self._association is None:
            self._early = data, source
        elif 20 <= data[0] < 64 and self._association is not None:
            self._remote = self._remote or source
            self._perform(self._association.receive(data, asyncio.get_running_loop().time()))

    def _answer_check(self, data: bytes, source: Address) -> None:
        """A full ICE agent checks us too."""
        request = parse_stun(data)
        if request.kind is Kind.REQUEST:
            mapped = (Attribute.XOR_MAPPED_ADDRESS, write_xor_address(source, request.transaction))
            reply = write_stun(Kind.SUCCESS, request.transaction, [mapped], password=self._password.encode())
            self._field.send(reply, self.address[0], source)

    def _perform(self, actions: list[Any]) -> None:
        for action in actions:
            match action:
                case Transmit(datagram) if self._remote is not None:
                    self._field.send(datagram, self.address[0], self._remote)
                case Established() if not self._up.done():
                    self._up.set_result(action)
                case Failed(reason) if not self._up.done():
                    self._up.set_exception(RuntimeError(f"DTLS of {self.address[0]}: {reason}"))


def direct_plan(field: Field, number: int) -> dict[str, Any]:
    """A call without a gateway: each side sends to the other in the clear. What is then measured is the load program itself."""
    client, peer = _text(field.client(number)), _text(field.peer(number))
    return {
        "client": client, "peer": peer, "webrtc": peer, "rtp": client, "rtcp": client, "ssrc": number * 2 + 1, "peer_ssrc": number * 2 + 2,
        "payload_type": PCMU, "profile": "", "send_key": "", "send_salt": "", "receive_key": "", "receive_salt": "",
        "username": "", "remote_password": "", "password": "",
    }  # fmt: skip


def attribute(sdp: str, name: str) -> str:
    """The value of the first such line. Raises AssertionError without one."""
    found = re.search(rf"^a={name}:(.+?)\r?$", sdp, re.MULTILINE)
    assert found, f"no a={name} in\n{sdp}"
    return found[1]


def plain_addresses(sdp: str) -> tuple[Address, Address]:
    """Where the first stream of a plain SDP is heard: RTP and RTCP."""
    media = re.search(r"^m=\S+ (\d+)", sdp, re.MULTILINE)
    host = re.search(r"^c=IN IP4 (\S+?)\r?$", sdp, re.MULTILINE)
    assert media, sdp
    assert host, sdp
    port = int(media[1])
    rtcp = re.search(r"^a=rtcp:(\d+)", sdp, re.MULTILINE)
    muxed = re.search(r"^a=rtcp-mux", sdp, re.MULTILINE)
    return (host[1], port), (host[1], port if muxed else int(rtcp[1]) if rtcp else port + 1)


def _text(address: Address) -> str:
    return f"{address[0]}:{address[1]}"
