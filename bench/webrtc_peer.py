"""The least WebRTC peer that a gateway takes for a browser: one ICE check, one DTLS handshake, no media. It costs as little as it can."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from boringsdp.dtls import Association, Established, Identity, Transmit
from boringsdp.ice.stun import Attribute, Kind, parse_stun, write_stun, write_xor_address

OFFER = Path(__file__).parent.parent / "tests" / "golden" / "captured" / "chromium-offer-audio-trickle.sdp"


class Peer(asyncio.DatagramProtocol):
    """Make with `await Peer.open(identity)`; `offer` is a real Chromium offer with our credentials; `connect` runs until keys are there."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._ufrag, self._password = secrets.token_hex(4), secrets.token_hex(12)
        self._up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reachable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        text = OFFER.read_bytes().decode()
        text = re.sub(r"a=ice-ufrag:\S+", f"a=ice-ufrag:{self._ufrag}", text)
        text = re.sub(r"a=ice-pwd:\S+", f"a=ice-pwd:{self._password}", text)
        self.offer = re.sub(r"a=fingerprint:\S+ \S+", "a=fingerprint:" + " ".join(identity.fingerprint), text)

    @classmethod
    async def open(cls, identity: Identity) -> Peer:
        _, peer = await asyncio.get_running_loop().create_datagram_endpoint(lambda: cls(identity), local_addr=("0.0.0.0", 0))
        return peer

    async def connect(self, answer: str) -> None:
        """Check the path once and shake hands, in the role that the answer leaves us. Raises TimeoutError after 20 s."""
        loop = asyncio.get_running_loop()
        self._association = Association(self._identity, client=_attribute(answer, "setup") == "passive")
        password = _attribute(answer, "ice-pwd")
        host, port = re.search(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host", answer, re.IGNORECASE).groups()  # type: ignore[union-attr]
        self._remote = (host, int(port))
        attributes: list[tuple[int, bytes]] = [
            (Attribute.USERNAME, f"{_attribute(answer, 'ice-ufrag')}:{self._ufrag}".encode()),
            (Attribute.ICE_CONTROLLING, secrets.token_bytes(8)),
            (Attribute.USE_CANDIDATE, b""),
            (Attribute.PRIORITY, (1853824767).to_bytes(4, "big")),
        ]
        check = write_stun(Kind.REQUEST, secrets.token_bytes(12), attributes, password=password.encode())
        async with asyncio.timeout(20):
            self._transport.sendto(check, self._remote)
            await self._reachable
            fingerprint = _attribute(answer, "fingerprint").split()
            self._perform(self._association.expect(frozenset({(fingerprint[0], fingerprint[1])}), loop.time()))
            self._perform(self._association.start(loop.time()))
            await self._up

    def close(self) -> None:
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if data[0] == 0:
            self._answer_check(data, addr)
        elif data[0] < 4 and not self._reachable.done():
            self._reachable.set_result(None)
        elif 20 <= data[0] < 64:
            self._perform(self._association.receive(data, asyncio.get_running_loop().time()))

    def _answer_check(self, data: bytes, addr: tuple[str, int]) -> None:
        """A full ICE agent, as Janus is one, checks us too."""
        request = parse_stun(data)
        mapped = (Attribute.XOR_MAPPED_ADDRESS, write_xor_address(addr, request.transaction))
        self._transport.sendto(write_stun(Kind.SUCCESS, request.transaction, [mapped], password=self._password.encode()), addr)

    def _perform(self, actions: Sequence[object]) -> None:
        for action in actions:
            if isinstance(action, Transmit):
                self._transport.sendto(action.datagram, self._remote)
            elif isinstance(action, Established) and not self._up.done():
                self._up.set_result(None)


def _attribute(sdp: str, name: str) -> str:
    found = re.search(rf"a={name}:(.+?)\r?$", sdp, re.MULTILINE)
    assert found, f"no a={name} in the answer"
    return found[1]
