"""
Peers that speak each kind of transport for real: RTP and RTCP on sockets, SRTP, SDES, DTLS, ICE with checks. Without `call` and `relay`.

A `Kind` is what a telephone or browser speaks; a `Peer` is one of them: it writes an offer or answers one, opens its way (checks,
handshakes) once it knows the other description, and then speaks and hears.
"""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
import struct
import time
from dataclasses import dataclass, field, replace

from boringsdp.dtls import Action, Association, Established, Identity, Transmit, usable_fingerprints
from boringsdp.ice.stun import Kind as Stun
from boringsdp.ice.stun import parse_stun
from boringsdp.rtp import rtcp
from boringsdp.rtp.keys import Keys, Profile
from boringsdp.rtp.srtp import SrtpReceiver, SrtpSender
from boringsdp.sdp import Media, describe
from tests.support.media_peer import ice_check

IDENTITY = Identity()


@dataclass(slots=True, frozen=True)
class Kind:
    """What a peer speaks. `optional`: keys under a profile without them (RFC 8643)."""

    name: str
    protocol: str
    sdes: bool = False
    dtls: bool = False
    ice: bool = False
    mux_only: bool = False

    @property
    def secured(self) -> bool:
        return self.sdes or self.dtls


KINDS = {
    kind.name: kind
    for kind in (
        Kind("AVP", "RTP/AVP"),
        Kind("AVPF", "RTP/AVPF"),
        Kind("SAVP", "RTP/SAVP", sdes=True),
        Kind("SAVPF", "RTP/SAVPF", sdes=True),
        Kind("OSRTP", "RTP/AVP", sdes=True),
        Kind("DTLS-SAVP", "UDP/TLS/RTP/SAVP", dtls=True),
        Kind("DTLS-SAVPF", "UDP/TLS/RTP/SAVPF", dtls=True),
        Kind("WebRTC", "UDP/TLS/RTP/SAVPF", dtls=True, ice=True, mux_only=True),
        Kind("AVP+ICE", "RTP/AVP", ice=True),
    )
}


def asked_of(kind: Kind, *, mux: bool) -> dict[str, object]:
    """The NG keys by which a proxy asks for a description that suits a peer of this kind."""
    keys: dict[str, object] = {
        "transport-protocol": kind.protocol,
        "ICE": "force" if kind.ice else "remove",
        "rtcp-mux": ["offer"] if mux or kind.mux_only else ["demux"],
        "replace": ["origin"],
    }
    if kind.sdes:
        keys |= {"DTLS": "off"} if kind.protocol != "RTP/AVP" else {"OSRTP": ["offer", "accept"]}
    else:
        keys["SDES"] = ["off"]
    return keys


class Heard(asyncio.DatagramProtocol):
    """Hands on what one socket receives."""

    def __init__(self, peer: Peer, component: int) -> None:
        self.peer = peer
        self.component = component

    def datagram_received(self, data: bytes, addr: tuple[object, ...]) -> None:
        self.peer.take(self.component, data, (str(addr[0]), int(str(addr[1]))))


@dataclass(slots=True)
class Component:
    """One socket of a peer: its way out, its keys, its handshake."""

    transport: asyncio.DatagramTransport
    port: int
    remote: tuple[str, int] | None = None
    proved: bool = False
    """A check of ours was answered."""
    association: Association | None = None
    sender: SrtpSender | None = None
    receiver: SrtpReceiver | None = None


@dataclass(slots=True)
class Peer:
    """A peer on `host`. Make it by `open`."""

    kind: Kind
    mux: bool
    host: str = "127.0.0.1"
    told: str = ""
    """The address in its descriptions, where that is another (NAT)."""
    identity: Identity = IDENTITY
    """Its certificate; most tests need no second one."""
    nat: dict[str, str] = field(default_factory=dict)
    """From addresses it is told to where these are really."""
    components: list[Component] = field(default_factory=list)
    ssrc: int = field(default_factory=lambda: secrets.randbits(32) | 1)
    sequence: int = 1000
    heard: list[bytes] = field(default_factory=list)
    """Payloads of RTP, as they came."""
    ssrcs: set[int] = field(default_factory=set)
    rtcp: list[rtcp.Packet] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """Packets that did not verify, or came where they must not."""
    version: int = 1
    muxed: bool = False
    sources: set[tuple[str, int]] = field(default_factory=set)
    """Where media came from."""
    _offer: Media | None = None
    _theirs: Media | None = None
    _client: bool = False
    _ufrag: str = field(default_factory=lambda: secrets.token_hex(4))
    _password: str = field(default_factory=lambda: secrets.token_hex(12))
    _crypto: tuple[int, Profile, bytes, bytes] | None = None

    @classmethod
    async def open(cls, kind: Kind, *, mux: bool = False, host: str = "127.0.0.1", told: str = "") -> Peer:
        peer = cls(kind, mux or kind.mux_only, host, told or host)
        loop = asyncio.get_running_loop()
        for component in range(1 if kind.mux_only else 2):
            transport, _ = await loop.create_datagram_endpoint(lambda component=component: Heard(peer, component), local_addr=(host, 0))
            peer.components.append(Component(transport, transport.get_extra_info("sockname")[1]))
        return peer

    @property
    def port(self) -> int:
        return self.components[0].port

    def close(self) -> None:
        for component in self.components:
            component.transport.close()

    # --- descriptions ------------------------------------------------------------------------------------------------------------------

    def offer(self) -> str:
        self._theirs = None
        return self._describe("actpass")

    def answer(self, offer: str, *, role: str = "active") -> str:
        """Take an offer; it must be one for this kind."""
        self._take(offer)
        assert self._theirs is not None
        if self.components[0].association is not None:
            role = "active" if self._client else "passive"
        self._client = role == "active"
        self.muxed = self.mux and self._theirs.rtcp_mux
        text = self._describe(role)
        self._begin()
        return text

    def take_answer(self, answer: str) -> None:
        """Take the answer to our offer."""
        self._take(answer)
        assert self._theirs is not None
        self.muxed = self.mux and self._theirs.rtcp_mux
        self._client = self._theirs.setup == "passive"
        if self.kind.dtls:
            assert self._theirs.setup in ("active", "passive")
        self._begin()

    def _take(self, text: str) -> None:
        description = describe(text)
        media = self._theirs = description.medias[0]
        assert media.protocol_text == self.kind.protocol, text
        assert bool(media.ufrag) == self.kind.ice, text
        assert bool(media.fingerprints) == self.kind.dtls, text
        assert bool(media.cryptos) == self.kind.sdes, text
        assert description.ice_lite == self.kind.ice, text
        assert self.kind.mux_only <= media.rtcp_mux, text

    def _describe(self, setup: str) -> str:
        family = "IP6" if ":" in self.told else "IP4"
        lines = [
            "v=0", f"o=- 77 {self.version} IN {family} {self.told}", "s=-", f"c=IN {family} {self.told}", "t=0 0",
            f"m=audio {self.port} {self.kind.protocol} 0 101", "a=rtpmap:101 telephone-event/8000", "a=sendrecv",
        ]  # fmt: skip
        if len(self.components) > 1:
            lines.append(f"a=rtcp:{self.components[1].port}")
        if self.mux and (self._theirs is None or self._theirs.rtcp_mux):
            lines.append("a=rtcp-mux")
        if self.kind.dtls:
            lines += ["a=fingerprint:{} {}".format(*self.identity.fingerprint), f"a=setup:{setup}"]
        if self.kind.sdes:
            lines.append(self._crypto_line())
        if self.kind.ice:
            lines += [f"a=ice-ufrag:{self._ufrag}", f"a=ice-pwd:{self._password}"]
            lines += [
                f"a=candidate:1 {number} udp {2130706432 - number} {self.told} {component.port} typ host"
                for number, component in enumerate(self.components[: 1 if "a=rtcp-mux" in lines and self._theirs else 2], 1)
            ]
        if self.kind.name == "WebRTC":
            lines += ["a=mid:0"]
            lines.insert(5, "a=group:BUNDLE 0")
        return "".join(f"{line}\r\n" for line in lines)

    def _crypto_line(self) -> str:
        if self._theirs is None:
            tag, profile = self._crypto[:2] if self._crypto is not None else (1, Profile.AES128_CM_SHA1_80)
        else:
            tag, profile = self._theirs.cryptos[0].tag, Profile(self._theirs.cryptos[0].suite)
        if self._crypto is None or self._crypto[1] is not profile:
            self._crypto = (tag, profile, os.urandom(profile.key_length), os.urandom(profile.salt_length))
        tag, profile, key, salt = self._crypto
        return f"a=crypto:{tag} {profile.value} inline:{base64.b64encode(key + salt).decode()}"

    # --- opening the way ---------------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        media = self._theirs
        assert media is not None
        assert media.address is not None
        places = [media.address, media.address if self.muxed else media.rtcp]
        for number, component in enumerate(self._used()):
            told = self._candidate(media, number + 1) if self.kind.ice else places[number]
            assert told is not None
            component.remote = (self.nat.get(told[0], told[0]), told[1])
        if self.kind.sdes:
            self._key_by_sdes(media)
        if self.kind.dtls:
            for component in self.components[: 1 if self.muxed else 2]:
                if component.association is None:
                    component.association = Association(self.identity, client=self._client)
                    component.association.expect(usable_fingerprints([(f.hash, f.value) for f in media.fingerprints]), time.monotonic())

    def _candidate(self, media: Media, component: int) -> tuple[str, int]:
        """Theirs that is of our family."""
        ours = (c for c in media.candidates if c.component == component and (":" in c.host) == (":" in self.host))
        return next((c.host, c.port) for c in ours)

    def _key_by_sdes(self, media: Media) -> None:
        assert self._crypto is not None
        [theirs] = [crypto for crypto in media.cryptos if crypto.suite == self._crypto[1].value][:1]
        ours, others = Keys(self._crypto[1], self._crypto[2], self._crypto[3]), Keys(Profile(theirs.suite), theirs.key, theirs.salt)
        for component in self.components:
            if component.sender is None or component.sender.keys != ours:
                component.sender = SrtpSender(ours)
            if component.receiver is not None and component.receiver.keys != others:
                self.faults.append("our keys changed")
            if component.receiver is None or component.receiver.keys != others:
                component.receiver = SrtpReceiver(others)

    async def connect(self) -> None:
        """Check and shake hands until the way is open."""
        async with asyncio.timeout(10):
            while not self.connected:
                self._knock()
                await asyncio.sleep(0.03)

    def _knock(self) -> None:
        now = time.monotonic()
        media = self._theirs
        assert media is not None
        for component in self._used():
            if self.kind.ice:
                component.transport.sendto(ice_check(media.ufrag, media.password, use_candidate=True), component.remote)
            if component.association is not None and (component.proved or not self.kind.ice):
                if self._client and component.sender is None and not component.association.handshaking:
                    self._perform(component, component.association.start(now))
                else:
                    self._perform(component, component.association.tick(now))

    def _used(self) -> list[Component]:
        return self.components[: 1 if self.muxed else 2]

    @property
    def connected(self) -> bool:
        return all(
            (component.proved or not self.kind.ice) and (component.sender is not None or not self.kind.secured)
            for component in self._used()
        )  # fmt: skip

    def _perform(self, component: Component, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Transmit(datagram):
                    component.transport.sendto(datagram, component.remote)
                case Established(send, receive):
                    component.sender, component.receiver = SrtpSender(send), SrtpReceiver(receive)
                case _:
                    self.faults.append(repr(action))

    # --- packets -----------------------------------------------------------------------------------------------------------------------

    def take(self, number: int, data: bytes, source: tuple[str, int]) -> None:
        component = self.components[number]
        if data[0] < 4:
            if (message := parse_stun(data)).kind is Stun.SUCCESS:
                assert self._theirs is not None
                component.proved = component.proved or message.verify(self._theirs.password.encode())
        elif 19 < data[0] < 64:
            if component.association is None:
                self.faults.append("DTLS unasked")
                return
            self._perform(component, component.association.receive(data, time.monotonic()))
        else:
            self._take_media(component, number, data)
            self.sources.add(source)

    def _take_media(self, component: Component, number: int, data: bytes) -> None:
        control = 192 <= data[1] <= 223
        if control != (number == 1) and not (control and self.muxed):
            self.faults.append(f"{'RTCP' if control else 'RTP'} on component {number + 1}")
        try:
            if control:
                plain = data if component.receiver is None else component.receiver.unprotect_rtcp(data)
                self.rtcp.extend(rtcp.parse_rtcp(plain))
                return
            plain = data if component.receiver is None else component.receiver.unprotect(data)
        except Exception as error:
            self.faults.append(f"{'RTCP' if control else 'RTP'} not verified: {error!r} after {len(self.heard)}")
            return
        self.heard.append(plain[12:])
        self.ssrcs.add(struct.unpack("!I", plain[8:12])[0])

    def speak(self, payload: bytes) -> None:
        """Send one packet of PCMU."""
        self.send(self.packet(payload))

    def packet(self, payload: bytes) -> bytes:
        self.sequence += 1
        return struct.pack("!BBHII", 0x80, 0, self.sequence & 0xFFFF, self.sequence * 160, self.ssrc) + payload

    def send(self, packet: bytes) -> None:
        component = self.components[0]
        component.transport.sendto(packet if component.sender is None else component.sender.protect(packet), component.remote)

    def report(self) -> None:
        """Send one sender report with CNAME."""
        component = self.components[0 if self.muxed else 1]
        now = time.time() + 2_208_988_800
        data = struct.pack("!BBHIIIIII", 0x80, 200, 6, self.ssrc, int(now), 0, self.sequence * 160, 5, 800)
        data += struct.pack("!BBHIBB", 0x81, 202, 3, self.ssrc, 1, 4) + b"peer" + bytes(2)
        component.transport.sendto(data if component.sender is None else component.sender.protect_rtcp(data), component.remote)

    def intrude(self, payload: bytes) -> None:
        """Send packets that must not be heard: in the clear, and under a wrong key."""
        component = self.components[0]
        for data in (self.packet(payload), SrtpSender(_wrong(component.sender)).protect(self.packet(payload))):
            component.transport.sendto(data, component.remote)


def _wrong(sender: SrtpSender | None) -> Keys:
    assert sender is not None
    keys = sender.keys
    return replace(keys, key=os.urandom(len(keys.key)))
