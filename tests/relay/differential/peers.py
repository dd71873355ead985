"""The far sides of a scenario: what they send, in the clear or protected, in order or not, whole or broken."""

from __future__ import annotations

import random
import struct
from collections.abc import Mapping

from boringsdp.errors import SrtpError
from boringsdp.ice.stun import Attribute, Kind, write_stun
from boringsdp.rtp.keys import Keys, Profile
from boringsdp.rtp.packet import RtpPacket, write_packet
from boringsdp.rtp.srtp import SrtpSender

EVENT_TYPES = frozenset({101, 110})
"""Payload types that the codecs of a scenario have for telephone events."""


class Talker:
    """One SSRC. Its numbers go on by themselves; `sent` is what it sent last, as it was on the wire."""

    def __init__(self, rng: random.Random, ssrc: int, payload_types: Mapping[int, int], mid: bytes, ids: tuple[int, int]) -> None:
        self._rng = rng
        self.ssrc = ssrc
        self.payload_types = tuple(payload_types) or (0,)
        self.payload_type = rng.choice(self.payload_types)
        self.mid = mid
        self.mid_id, self.level_id = ids
        self.sequence = rng.choice((rng.randrange(65536), 65530, 0, 32760))
        self.timestamp = rng.choice((rng.getrandbits(32), 2**32 - 400))
        self._says_mid = rng.random() < 0.7
        self._leaps = rng.random() < 0.06
        self.sent: list[bytes] = []

    def packet(self) -> bytes:
        """The next packet in the clear, with whatever odd thing chance puts into it."""
        rng = self._rng
        self._go_on()
        payload_type = self.payload_type
        payload = rng.randbytes(rng.choice((160, 160, 160, 20, 1, 3)))
        padding = 0
        match rng.random():
            case chance if chance < 0.02:
                payload, padding = b"", rng.randrange(1, 200)
            case chance if chance < 0.03:
                payload = b""
            case chance if chance < 0.05:
                payload = rng.randbytes(rng.choice((1300, 1332, 1340, 1344, 1350, 1400)))
            case chance if chance < 0.07:
                padding = rng.randrange(1, 20)
            case chance if chance < 0.09:
                payload_type = rng.choice((13, 72, 127, *self.payload_types))
        if payload_type in EVENT_TYPES:
            payload = bytes((rng.randrange(16), rng.choice((10, 0x8A)))) + rng.randrange(4000).to_bytes(2, "big")
            payload = payload[: rng.choice((4, 4, 4, 4, 3))]
        csrcs = tuple(range(rng.randrange(1, 16))) if rng.random() < 0.03 else ()
        data = write_packet(
            RtpPacket(
                payload_type=payload_type, sequence=self.sequence & 0xFFFF, timestamp=self.timestamp & 0xFFFFFFFF, ssrc=self.ssrc,
                payload=payload, marker=rng.random() < 0.1, csrcs=csrcs, extensions=self._extensions(), padding=padding,
            )
        )  # fmt: skip
        if data[0] & 0x10 and rng.random() < 0.02:
            at = 12 + 4 * len(csrcs)
            data = data[:at] + rng.choice((b"\x12\x34", b"\x10\x05", b"\xbe\xde")) + data[at + 2 :]
        return bytes((0x80 | rng.randrange(64),)) + data[1:] if rng.random() < 0.01 else data

    def _go_on(self) -> None:
        rng = self._rng
        if rng.random() < 0.06:
            self.payload_type = rng.choice(self.payload_types)
        match rng.random():
            case chance if chance < 0.05:
                self.sequence += rng.randrange(2, 30)
            case chance if chance < 0.06:
                self.sequence += rng.choice((1000, 1024, 1025, 2999, 3000, 3001, 3002, 20000, 32768, 50000))
            case chance if chance < 0.07:
                self.sequence -= rng.choice((1, 5, 1023, 1024, 3000))
            case _:
                self.sequence += 2900 if self._leaps else 1
        if self.payload_type in EVENT_TYPES and rng.random() < 0.8:
            return
        self.timestamp += rng.choice((160, 160, 160, 960, 3000)) if rng.random() < 0.97 else rng.getrandbits(32)

    def _extensions(self) -> dict[int, bytes]:
        rng = self._rng
        found: dict[int, bytes] = {}
        if self.mid_id and self.mid and self._says_mid:
            found[self.mid_id] = self.mid if rng.random() < 0.97 else rng.choice((b"?", b"\xff\xfe"))
        if self.level_id and rng.random() < 0.5:
            found[self.level_id] = bytes((rng.randrange(256),)) * rng.choice((1, 1, 1, 0))
        if rng.random() < 0.15:
            found[rng.choice((1, 3, 5, 14, 15, 200))] = rng.randbytes(rng.choice((1, 2, 16, 17, 40)))
        return found


class Peer:
    """What is at the other end of one transport: its keys and its talkers."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.talkers: list[Talker] = []
        self.sender: SrtpSender | None = None
        self.former: SrtpSender | None = None
        self.rtcp_sender: SrtpSender | None = None
        self.late: list[bytes] = []
        """Packets that were overtaken, and have yet to arrive."""

    def take_keys(self, keys: Keys, indices: Mapping[int, int]) -> None:
        """Send under these keys from now on, its rollover counters kept or not."""
        self.former, self.sender = self.sender, SrtpSender(keys)
        if indices:
            spare = SrtpSender(Keys(keys.profile, bytes(keys.profile.key_length), bytes(keys.profile.salt_length), keys.mki))
            spare.rekey(keys, indices)
            self.sender = spare

    def take_rtcp_keys(self, keys: Keys | None) -> None:
        self.rtcp_sender = None if keys is None else SrtpSender(keys)

    def rtp(self, talker: Talker) -> bytes:
        data = self._protect(talker.packet())
        talker.sent = [*talker.sent[-20:], data]
        return data

    def _protect(self, data: bytes) -> bytes:
        sender = self.sender
        if self.former is not None and self._rng.random() < 0.1:
            sender = self.former
        if sender is None or self._rng.random() < 0.01:
            return data
        try:
            return sender.protect(data)
        except SrtpError:
            return data

    def rtcp(self) -> bytes:
        rng = self._rng
        body = rng.randbytes(4 * rng.randrange(1, 16))
        words = len(body) // 4 + (rng.random() < 0.05)
        data = bytes((0x80 | rng.randrange(32), rng.randrange(200, 208))) + words.to_bytes(2, "big") + body
        if rng.random() < 0.03:
            data += b"x"
        sender = self.rtcp_sender or self.sender
        if sender is None or rng.random() < 0.03:
            return data
        try:
            return sender.protect_rtcp(data)
        except SrtpError:
            return data


def fresh_keys(rng: random.Random) -> Keys:
    profile = rng.choice(list(Profile))
    mki = rng.choice((b"", b"", b"\x01", rng.randbytes(4)))
    return Keys(profile, rng.randbytes(profile.key_length), rng.randbytes(profile.salt_length), mki)


def check(rng: random.Random, ufrag: str, password: str) -> bytes:
    """A Binding request for these credentials; a good one, mostly."""
    name = rng.choice((f"{ufrag}:peer",) * 8 + (ufrag, f"{ufrag}:a:b")).encode()
    attributes: list[tuple[int, bytes]] = [(Attribute.USERNAME, name), (Attribute.PRIORITY, rng.randbytes(4))]
    if rng.random() < 0.5:
        attributes.append((Attribute.USE_CANDIDATE, b""))
    match rng.random():
        case chance if chance < 0.03:
            attributes.append((Attribute.ICE_CONTROLLED, bytes(8)))
        case chance if chance < 0.06:
            attributes += [(rng.randrange(0x7000), rng.randbytes(rng.randrange(9))) for _ in range(rng.randrange(1, 12))]
        case chance if chance < 0.09:
            password = "wrong"
        case chance if chance < 0.11:
            del attributes[0]
        case chance if chance < 0.14:
            more = write_stun(Kind.REQUEST, rng.randbytes(12), attributes, password=password.encode(), fingerprint=False)
            body = more[20:] + struct.pack("!HH", rng.choice((0x0025, 0x7000, 0x0008)), 0)
            return more[:2] + len(body).to_bytes(2, "big") + more[4:20] + body
    secret = None if rng.random() < 0.03 else password.encode()
    return write_stun(Kind.REQUEST, rng.randbytes(12), attributes, password=secret, fingerprint=rng.random() < 0.8)


def other_stun(rng: random.Random) -> bytes:
    """A STUN message that is no check of ours."""
    name = rng.choice((b"nobody:x", b"", b":", b"\xff\xfe:\xe2\x82", b"u" * 600))
    attributes: list[tuple[int, bytes]] = [(Attribute.USERNAME, name)]
    count = rng.choice((0, 1, 2, 5, 70))
    attributes += [(rng.choice((rng.randrange(0x10000), 0x8028, 0x0008)), rng.randbytes(rng.randrange(24))) for _ in range(count)]
    method = rng.choice((1, 1, 1, rng.randrange(0x1000)))
    return write_stun(rng.choice(list(Kind)), rng.randbytes(12), attributes, fingerprint=rng.random() < 0.5, method=method)


def broken(rng: random.Random, data: bytes) -> bytes:
    """The same with something wrong."""
    changed = bytearray(data)
    match rng.randrange(5):
        case 0:
            del changed[rng.randrange(len(changed) + 1) :]
        case 1:
            changed += rng.randbytes(rng.randrange(1, 1600))
        case 2:
            at = rng.randrange(len(changed) + 1)
            changed[at : at + rng.randrange(8)] = rng.randbytes(rng.randrange(8))
        case _:
            for _ in range(rng.randrange(1, 4)):
                if changed:
                    changed[rng.randrange(len(changed))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    return bytes(changed)


def junk(rng: random.Random) -> bytes:
    head = rng.choice((b"", b"\x80", b"\x80\xc8", b"\x16\xfe\xff", b"\x00\x01", bytes((rng.randrange(256),))))
    return head + rng.randbytes(rng.choice((0, 1, 6, 7, 10, 11, 12, 40, 1499, 1500, 2046, 2047, 2048)))
