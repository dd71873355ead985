"""The native engine's SRTP beside boringsdp.rtp.srtp on libsrtp: the same octets, and the same reason for every refusal."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from boringsdp.errors import SrtpError
from boringsdp.rtp.keys import Keys, Profile
from boringsdp.rtp.packet import HEADER
from boringsdp.rtp.srtp import SrtpReceiver, SrtpSender

native = pytest.importorskip("boringsdp_native", reason="make native (the native engine)", exc_type=ImportError)

SSRCS = (5, 0xFFFFFFFF, 0x12345678, 6, 7)
STEPS = 2500


def parts(keys: Keys) -> tuple[str, bytes, bytes, bytes]:
    return keys.profile.value, keys.key, keys.salt, keys.mki


def outcome(call: Callable[..., bytes | None], *arguments: Any) -> bytes | str | None:
    """What a call returns, or why it refuses."""
    try:
        return call(*arguments)
    except (SrtpError, ValueError) as error:
        return str(error)


class Pair:
    """Receiver and sender of both kinds, told the same."""

    def __init__(self, keys: Keys, indices: dict[int, int]) -> None:
        self.receiver, self.sender = SrtpReceiver(keys, indices), SrtpSender(keys)
        self.native = native.Srtp(parts(keys), list(indices.items()))
        self.seen: dict[str | None, int] = {}

    def both(self, one: bytes | str | None, other: bytes | str | None, *about: object) -> bytes | None:
        assert one == other, about
        good = None if isinstance(one, str) else one
        reason = one if isinstance(one, str) else None
        self.seen[reason] = self.seen.get(reason, 0) + 1
        return good

    def protect(self, data: bytes, rtcp: bool) -> bytes | None:
        name = "protect_rtcp" if rtcp else "protect"
        return self.both(outcome(getattr(self.sender, name), data), outcome(getattr(self.native, name), data), name, data)

    def unprotect(self, data: bytes, rtcp: bool) -> bytes | None:
        name = "unprotect_rtcp" if rtcp else "unprotect"
        return self.both(outcome(getattr(self.receiver, name), data), outcome(getattr(self.native, name), data), name, data)

    def rekey_receiver(self, keys: Keys, indices: dict[int, int], now: float) -> None:
        ours = outcome(self.native.rekey_receiver, parts(keys), list(indices.items()), now)
        self.both(outcome(self.receiver.rekey, keys, indices, now), ours, "rekey_receiver", indices)

    def rekey_sender(self, keys: Keys, indices: dict[int, int]) -> None:
        ours = outcome(self.native.rekey_sender, parts(keys), list(indices.items()))
        self.both(outcome(self.sender.rekey, keys, indices), ours, "rekey_sender", indices)

    def tick(self, now: float) -> None:
        self.receiver.tick(now)
        self.native.tick(now)


class Stream:
    """Packets of one SSRC: mostly the next, at times a jump, an old one again, or across a rollover."""

    def __init__(self, random: Random, ssrc: int) -> None:
        self.random, self.ssrc = random, ssrc
        self.index = random.choice((0, 1, 100, 0x7FFF, 0x8000, 0x8001, 0xFFF0, 0x1FFF0))

    def rtp(self) -> bytes:
        random = self.random
        kind = random.random()
        if kind < 0.85:
            self.index += 1
        elif kind < 0.93:
            self.index += random.choice((2, 63, 64, 65, 1000, 1023, 1024, 1025, 0x7000, 0x7FFF, 0x8000, 0x8001, 0xFFFF))
        at = self.index if kind < 0.93 else self.index - random.choice((0, 1, 2, 63, 64, 1022, 1023, 1024, 1025, 0x8000, 0xFFFF))
        count = random.choice((0, 0, 0, 1, 15))
        extension = random.choice((None, None, b"", b"\x10\xff\x00\x00", random.randbytes(40)))
        first = 0x80 | count | (0x10 if extension is not None else 0)
        head = HEADER.pack(first, random.randrange(256), at & 0xFFFF, random.getrandbits(32), self.ssrc) + random.randbytes(4 * count)
        if extension is not None:
            head += struct.pack("!HH", 0xBEDE, len(extension) // 4) + extension
        packet = head + random.randbytes(random.choice((0, 1, 15, 16, 17, 20, 160, 160, 160, 176, 200, 1000, 1344, 1345)))
        return packet if random.random() < 0.97 else broken(random, packet)

    def rtcp(self) -> bytes:
        random = self.random
        report = struct.pack("!BBHI", 0x80, 201, 1, self.ssrc) + random.randbytes(random.choice((0, 4, 20, 24, 100, 1348, 1349)))
        return report if random.random() < 0.97 else broken(random, report)


def broken(random: Random, packet: bytes) -> bytes:
    """The packet shortened, lengthened, or with some octet changed."""
    kind = random.randrange(4)
    if kind == 0:
        return packet[: random.randrange(len(packet) + 1)]
    if kind == 1:
        return packet[: random.randrange(min(len(packet), 40) + 1)]
    if kind == 2:
        return packet + random.randbytes(random.choice((1, 4, 16, 500)))
    at = random.choice((0, 0, 1, 2, 3, random.randrange(20), -1 - random.randrange(20), random.randrange(1500)))
    changed = bytearray(packet or b"\0")
    changed[at % len(changed)] ^= 1 << random.randrange(8)
    return bytes(changed)


def some_keys(random: Random, profile: Profile, mki: bytes) -> Iterator[Keys]:
    """New keys mostly; at times of another profile or with another MKI, or such as do not fit."""
    while True:
        chosen = random.choice((profile, profile, profile, *Profile))
        length = random.choice((chosen.key_length,) * 9 + (15,))
        yield Keys(chosen, random.randbytes(length), random.randbytes(chosen.salt_length), random.choice((mki, mki, mki, b"", b"\1\2\3")))


def first_keys(random: Random, profile: Profile, mki: bytes) -> Keys:
    return Keys(profile, random.randbytes(profile.key_length), random.randbytes(profile.salt_length), mki)


def run(seed: int, profile: Profile, mki: bytes, steps: int = STEPS, rekeying: float = 0.0) -> Pair:
    random = Random(seed)
    keys = first_keys(random, profile, mki)
    indices = {ssrc: random.choice((3, 0x4000, 0x4001, 0xB000, 0xB005, 0x12000, 0xFFFF, 0x10005, 0x120045)) for ssrc in SSRCS[:2]}
    pair = Pair(keys, indices if seed % 2 else {})
    known, fresh = [keys], some_keys(random, profile, mki)
    streams = [Stream(random, ssrc) for ssrc in SSRCS]
    recent: list[tuple[bytes, bool]] = [(random.randbytes(30), False)]
    now = 0.0
    for _ in range(steps):
        now += random.random() / 10
        stream, rtcp = random.choice((streams[0], random.choice(streams))), random.random() < 0.2
        protected = pair.protect(stream.rtcp() if rtcp else stream.rtp(), rtcp)
        if protected is not None:
            recent = [*recent[-30:], (protected, rtcp)]
        for _ in range(random.choice((0, 1, 1, 1, 2))):
            data, rtcp = recent[-1] if random.random() < 0.8 else random.choice(recent)
            if random.random() < 0.2:
                data = broken(random, data)
            pair.unprotect(data, rtcp if random.random() < 0.98 else not rtcp)
        if random.random() < rekeying:
            known.append(next(fresh))
            keys = random.choice((known[-1], random.choice(known[-7:]), random.choice(known)))
            place = {stream.ssrc: stream.index + random.choice((0, 0, 0x10000, -5)) for stream in random.sample(streams, 3)}
            if random.random() < 0.6:
                pair.rekey_sender(keys, place)
            if random.random() < 0.8:
                pair.rekey_receiver(keys, place, now)
        if random.random() < 0.05:
            pair.tick(now)
    return pair


@pytest.mark.parametrize("mki", [b"", b"\x07", b"four"], ids=["no_mki", "mki_1", "mki_4"])
@pytest.mark.parametrize("profile", list(Profile))
def test_every_packet_and_refusal_is_the_same(profile: Profile, mki: bytes) -> None:
    seen = run(1, profile, mki).seen
    seen = {reason: seen.get(reason, 0) + count for reason, count in run(2, profile, mki).seen.items()}
    assert seen.keys() >= {None, "unverified", "replayed", "malformed", "too_long"}


def session_key(keys: Keys, label: int, length: int) -> bytes:
    """RFC 3711 §4.3.1, with a key derivation rate of zero."""
    start = bytearray(keys.salt.ljust(16, b"\0"))
    start[7] ^= label
    return Cipher(AES(keys.key), CTR(bytes(start))).encryptor().update(bytes(length))


@pytest.mark.parametrize("profile", [Profile.AEAD_AES_128_GCM, Profile.AEAD_AES_256_GCM])
def test_reports_in_the_clear_are_the_same(profile: Profile) -> None:
    """RFC 7714 §9.3: authenticated, not encrypted, the E bit not set."""
    keys = first_keys(Random(3), profile, b"")
    pair = Pair(keys, {})
    key, salt = session_key(keys, 3, profile.key_length), int.from_bytes(session_key(keys, 5, 12), "big")
    for index, length in ((1, 0), (2, 20), (130, 52), (3, 20), (2, 20), (131, 24)):
        report = struct.pack("!BBHI", 0x80, 201, 1, 5) + bytes(length)
        nonce = (salt ^ (5 << 48 | index)).to_bytes(12, "big")
        trailer = struct.pack("!I", index)
        tag = AESGCM(key).encrypt(nonce, b"", report + trailer)
        pair.unprotect(report + tag + trailer, True)
    assert pair.seen == {None: 5, "replayed": 1}


@pytest.mark.parametrize("profile", list(Profile))
def test_changes_of_keys_are_the_same(profile: Profile) -> None:
    seen: set[str | None] = set()
    for seed in range(6):
        seen |= run(seed, profile, (b"", b"key1")[seed % 2], steps=800, rekeying=0.04).seen.keys()
    assert {None, "unverified", "replayed", "keys were used before"} <= seen
