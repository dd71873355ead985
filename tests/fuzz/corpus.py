"""What is mutated: well-formed inputs, captured or made by our own writers."""

from __future__ import annotations

import functools
import random
import zlib
from pathlib import Path

from boringsdp.dtls import Identity, usable_fingerprints
from boringsdp.ice.stun import Attribute, Kind, write_stun, write_xor_address
from boringsdp.rtp import rtcp
from boringsdp.rtp.packet import RtpPacket, write_packet

CAPTURED = Path(__file__).parent.parent / "golden" / "captured"


@functools.cache
def sdps() -> tuple[str, ...]:
    """Every captured SDP, in CRLF."""
    texts = tuple(path.read_bytes().decode() for path in sorted(CAPTURED.glob("*.sdp")))
    assert len(texts) > 50
    return texts


@functools.cache
def sdps_named(*parts: str) -> tuple[str, ...]:
    """The captured SDPs whose file name holds one of `parts`."""
    return tuple(path.read_bytes().decode() for path in sorted(CAPTURED.glob("*.sdp")) if any(part in path.name for part in parts))


# --- STUN --------------------------------------------------------------------------------------------------------------------------------


def check(
    username: str,
    password: str,
    *,
    nominate: bool = False,
    controlled: bool = False,
    fingerprint: bool = True,
    transaction: bytes = b"t" * 12,
) -> bytes:
    """A connectivity check as Chromium makes it (with its 0xC057), authentic under `password`."""
    role = Attribute.ICE_CONTROLLED if controlled else Attribute.ICE_CONTROLLING
    attributes = [
        (Attribute.USERNAME, username.encode()),
        (0xC057, b"\0\1\0\0"),
        (role, b"\x01\x02\x03\x04\x05\x06\x07\x08"),
        *([(Attribute.USE_CANDIDATE, b"")] if nominate else []),
        (Attribute.PRIORITY, (1853824767).to_bytes(4, "big")),
    ]
    return write_stun(Kind.REQUEST, transaction, attributes, password=password.encode(), fingerprint=fingerprint)


def repaired(data: bytes) -> bytes:
    """Damaged STUN with cookie, length and FINGERPRINT put right again, so that what is inside gets read."""
    data = data[:2] + (len(data) - 20 & 0xFFFC).to_bytes(2, "big") + b"\x21\x12\xa4\x42" + data[8:]
    data = data[: 20 + (len(data) - 20 & 0xFFFC)]
    if data[-8:-4] != b"\x80\x28\x00\x04":
        return data
    return data[:-4] + (zlib.crc32(data[:-8]) ^ 0x5354554E).to_bytes(4, "big")


@functools.cache
def stun_messages() -> tuple[bytes, ...]:
    transaction = bytes(range(12))
    mapped = write_xor_address(("192.0.2.1", 4000), transaction), write_xor_address(("2001:db8::1", 4000), transaction)
    return (
        check("abcdefgh:wxyz", "p" * 22),
        check("abcdefgh:wxyz", "p" * 22, nominate=True),
        check("abcdefgh:wxyz", "p" * 22, controlled=True, fingerprint=False),
        check("é" * 100 + ":x", "p" * 22),
        write_stun(Kind.REQUEST, transaction, [(Attribute.USERNAME, b"abcdefgh:wxyz")], fingerprint=False),
        write_stun(Kind.REQUEST, transaction, [(Attribute.USERNAME, b"a:b"), (0x0026, bytes(8)), (0x7FFF, b"x")], password=b"p"),
        write_stun(Kind.INDICATION, transaction, []),
        write_stun(Kind.SUCCESS, transaction, [(Attribute.XOR_MAPPED_ADDRESS, mapped[0])], password=b"p" * 22),
        write_stun(Kind.SUCCESS, transaction, [(Attribute.XOR_MAPPED_ADDRESS, mapped[1])], password=b"p" * 22, fingerprint=False),
        write_stun(Kind.ERROR, transaction, [(Attribute.ERROR_CODE, b"\0\0\4\x01Unauthorized")], fingerprint=False),
        write_stun(Kind.REQUEST, transaction, [(0x8000 | n, bytes(n)) for n in range(60)], password=b"p"),
        write_stun(Kind.REQUEST, transaction, [(Attribute.USERNAME, b"a:b")], method=0x003),
    )


# --- RTP and RTCP ------------------------------------------------------------------------------------------------------------------------


@functools.cache
def rtp_packets() -> tuple[bytes, ...]:
    rng = random.Random("rtp corpus")
    audio, video = rng.randbytes(160), rng.randbytes(1100)
    shapes = (
        RtpPacket(payload_type=0, sequence=1, timestamp=160, ssrc=1, payload=audio),
        RtpPacket(
            payload_type=111, sequence=65535, timestamp=2**32 - 1, ssrc=2, payload=audio[:40], marker=True, extensions={1: b"\x7f", 4: b"0"}
        ),
        RtpPacket(
            payload_type=96,
            sequence=2,
            timestamp=3000,
            ssrc=3,
            payload=video,
            extensions={1: b"\x01\x02\x03", 3: b"\x00\x01", 4: b"audio0"},
        ),
        RtpPacket(payload_type=96, sequence=2, timestamp=3000, ssrc=3, payload=video, extensions={20: b"two-byte form", 255: b""}),
        RtpPacket(
            payload_type=8, sequence=3, timestamp=1, ssrc=4, payload=audio, csrcs=tuple(range(15)), extensions={2: bytes(16)}, padding=4
        ),
        RtpPacket(payload_type=96, sequence=4, timestamp=1, ssrc=4, padding=255),
        RtpPacket(payload_type=101, sequence=5, timestamp=1, ssrc=4, payload=b"\x05\x8a\x03\x20", marker=True),
        RtpPacket(payload_type=13, sequence=5, timestamp=1, ssrc=4, payload=b"\x40"),
        RtpPacket(payload_type=0, sequence=5, timestamp=1, ssrc=4, extensions=dict.fromkeys(range(1, 15), b"x")),
    )
    return tuple(write_packet(shape) for shape in shapes)


@functools.cache
def rtcp_compounds() -> tuple[bytes, ...]:
    block = rtcp.ReportBlock(ssrc=1, fraction_lost=3, lost=-2, highest_sequence=70000, jitter=12, last_report=0x1234, delay=0x10000)
    sender = rtcp.SenderReport(ssrc=2, ntp_time=2**63, rtp_time=160, packets=100, bytes=16000, reports=(block,) * 3)
    empty = rtcp.write_receiver_report(rtcp.ReceiverReport(ssrc=5))
    names = rtcp.write_source_description([2], "cname@host.invalid")
    nack = rtcp.Nack(sender=1, media=2, lost=tuple(range(100, 140, 3)))
    padded = bytes((0xA0, 201, 0, 2)) + b"\0\0\0\5" + b"\0\0\0\4"
    return (
        rtcp.write_sender_report(sender) + names,
        rtcp.write_receiver_report(rtcp.ReceiverReport(ssrc=5, reports=(block,) * 31)) + names,
        empty + names + rtcp.write_goodbye([2, 3]),
        empty + rtcp.write_goodbye([2])[:-4] + b"\0\0\0\2",
        rtcp.write_picture_loss(rtcp.PictureLoss(sender=1, media=2)),
        rtcp.write_full_intra(rtcp.FullIntra(sender=1, requests=((2, 7), (3, 9)))),
        empty + rtcp.write_nack(nack),
        bytes((0x8F, 206, 0, 5)) + b"\0\0\0\1\0\0\0\0REMB\x01\x0c\x00\x01\0\0\0\2",
        bytes((0x8F, 205, 0, 5)) + b"\0\0\0\1\0\0\0\2" + bytes(12),
        bytes((0x80, 207, 0, 4)) + b"\0\0\0\1" + bytes((4, 0, 0, 2)) + bytes(8),
        bytes((0x82, 203, 0, 4)) + b"\0\0\0\1\0\0\0\2" + b"\x05leave" + b"\0\0",
        bytes((0x81, 204, 0, 2)) + b"\0\0\0\1NAME",
        padded + names,
        rtcp.write_source_description(range(31), "x" * 255),
    )


# --- DTLS --------------------------------------------------------------------------------------------------------------------------------

OURS, THEIRS = Identity(), Identity()
FINGERPRINTS = usable_fingerprints([THEIRS.fingerprint])


@functools.cache
def dtls_flights() -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """A recorded handshake and its goodbyes: what the client sent, and what the server sent."""
    words = [line.split() for line in Path(__file__).with_name("dtls_flights.txt").read_text().splitlines() if line and line[0] != "#"]
    client, server = (tuple(bytes.fromhex(data) for name, data in words if name == who) for who in ("client", "server"))
    return client, server
