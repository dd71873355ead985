"""
STUN messages (RFC 8489), as far as ICE needs them (RFC 8445): read, verify, write.

     0                   1                   2                   3
    |0 0|  type, 14 bits  |   length, 16 bits, a multiple of 4     |
    |                 magic cookie 0x2112A442                      |
    |                 transaction id, 96 bits                      |
    |  attribute type     |  length, without padding               |  ...
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import ipaddress
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from boringsdp.errors import StunError

MAGIC_COOKIE = 0x2112A442
BINDING = 0x0001
MAX_MESSAGE = 1280
MAX_ATTRIBUTES = 64

_COOKIE = MAGIC_COOKIE.to_bytes(4, "big")
_HEADER = struct.Struct("!HHI12s")
_PAIR = struct.Struct("!HH")
_FINGERPRINT_XOR = 0x5354554E

Address = tuple[str, int]


class Kind(enum.IntEnum):
    """The class bits of a message type."""

    REQUEST = 0x000
    INDICATION = 0x010
    SUCCESS = 0x100
    ERROR = 0x110


class Attribute(enum.IntEnum):
    """The attribute types that are read or written here; below 0x8000 a receiver must understand them (RFC 8489 §14)."""

    MAPPED_ADDRESS = 0x0001
    USERNAME = 0x0006
    MESSAGE_INTEGRITY = 0x0008
    ERROR_CODE = 0x0009
    UNKNOWN_ATTRIBUTES = 0x000A
    REALM = 0x0014
    NONCE = 0x0015
    MESSAGE_INTEGRITY_SHA256 = 0x001C
    PASSWORD_ALGORITHM = 0x001D
    USERHASH = 0x001E
    XOR_MAPPED_ADDRESS = 0x0020
    PRIORITY = 0x0024
    USE_CANDIDATE = 0x0025
    SOFTWARE = 0x8022
    FINGERPRINT = 0x8028
    ICE_CONTROLLED = 0x8029
    ICE_CONTROLLING = 0x802A


_UNDERSTOOD = frozenset(int(attribute) for attribute in Attribute)
_AFTER_INTEGRITY = (Attribute.FINGERPRINT, Attribute.MESSAGE_INTEGRITY_SHA256)


@dataclass(slots=True, frozen=True)
class StunMessage:
    """
    A well-formed message. `attributes` holds the first of each type, without what came after MESSAGE-INTEGRITY and is not covered by it.

    `integrity_at` is the offset of the MESSAGE-INTEGRITY attribute, or 0 when there is none.
    """

    kind: Kind
    method: int
    transaction: bytes
    attributes: dict[int, bytes]
    integrity_at: int
    data: bytes

    @property
    def username(self) -> str | None:
        value = self.attributes.get(Attribute.USERNAME)
        return None if value is None else value.decode("utf-8", "replace")

    @property
    def use_candidate(self) -> bool:
        return Attribute.USE_CANDIDATE in self.attributes

    def unknown_required(self) -> list[int]:
        """The comprehension-required attribute types that nobody here understands (RFC 8489 §6.3)."""
        return [kind for kind in self.attributes if kind < 0x8000 and kind not in _UNDERSTOOD]

    def verify(self, password: bytes) -> bool:
        """Whether MESSAGE-INTEGRITY is there and right (RFC 8489 §14.5, short-term credentials)."""
        at = self.integrity_at
        if not at:
            return False
        covered = self.data[:2] + (at - 20 + 24).to_bytes(2, "big") + self.data[4:at]
        return hmac.compare_digest(hmac.digest(password, covered, hashlib.sha1), self.data[at + 4 : at + 24])


def parse_stun(data: bytes) -> StunMessage:
    """
    Read one STUN message that fills the datagram.

    Raises StunError for whatever is not a message of RFC 8489 with the magic cookie, has a bad length, or a FINGERPRINT that is wrong.
    """
    size = len(data)
    if size < 20 or size > MAX_MESSAGE:
        raise StunError("bad size")
    kind, length, cookie, transaction = _HEADER.unpack_from(data)
    if kind & 0xC000 or cookie != MAGIC_COOKIE:
        raise StunError("not STUN")
    if length & 3 or length + 20 != size:
        raise StunError("bad length")
    attributes, integrity_at = _parse_attributes(data)
    method = (kind & 0x000F) | (kind & 0x00E0) >> 1 | (kind & 0x3E00) >> 2
    return StunMessage(Kind(kind & 0x0110), method, transaction, attributes, integrity_at, data)


def _parse_attributes(data: bytes) -> tuple[dict[int, bytes], int]:
    size, at, integrity_at, count = len(data), 20, 0, 0
    attributes: dict[int, bytes] = {}
    while at < size:
        kind, length = _PAIR.unpack_from(data, at)  # length of the message is a multiple of 4, so 4 bytes are there
        end = at + 4 + length
        if end > size:
            raise StunError("attribute runs over the end")
        count += 1
        if count > MAX_ATTRIBUTES:
            raise StunError("too many attributes")
        if kind == Attribute.FINGERPRINT:
            if length != 4 or end != size:
                raise StunError("misplaced FINGERPRINT")
            if zlib.crc32(data[:at]) ^ _FINGERPRINT_XOR != int.from_bytes(data[at + 4 : end], "big"):
                raise StunError("wrong FINGERPRINT")
            attributes[kind] = data[at + 4 : end]
        elif integrity_at:
            pass  # not covered by MESSAGE-INTEGRITY, so ignored (RFC 8489 §14.5)
        elif kind == Attribute.MESSAGE_INTEGRITY:
            if length != 20:
                raise StunError("bad MESSAGE-INTEGRITY length")
            integrity_at = at
        else:
            attributes.setdefault(kind, data[at + 4 : end])
        at = end + (-length & 3)
    return attributes, integrity_at


def write_stun(
    kind: Kind,
    transaction: bytes,
    attributes: Iterable[tuple[int, bytes]],
    *,
    password: bytes | None = None,
    fingerprint: bool = True,
    method: int = BINDING,
) -> bytes:
    """Return a message with MESSAGE-INTEGRITY when a `password` is given and FINGERPRINT when wanted, in that order, last."""
    parts = [_PAIR.pack(name, len(value)) + value + bytes(-len(value) & 3) for name, value in attributes]
    body = b"".join(parts)
    method_bits = (method & 0x000F) | (method & 0x0070) << 1 | (method & 0x0F80) << 2
    head = (kind | method_bits).to_bytes(2, "big")
    rest = _COOKIE + transaction + body
    if password is not None:
        covered = head + (len(body) + 24).to_bytes(2, "big") + rest
        rest += b"\x00\x08\x00\x14" + hmac.digest(password, covered, hashlib.sha1)
    if not fingerprint:
        return head + (len(rest) - 16).to_bytes(2, "big") + rest
    covered = head + (len(rest) - 16 + 8).to_bytes(2, "big") + rest
    return covered + b"\x80\x28\x00\x04" + (zlib.crc32(covered) ^ _FINGERPRINT_XOR).to_bytes(4, "big")


def write_xor_address(address: Address, transaction: bytes) -> bytes:
    """The value of XOR-MAPPED-ADDRESS (RFC 8489 §14.2); IPv4-mapped IPv6 addresses go out as IPv4."""
    host = ipaddress.ip_address(address[0].partition("%")[0])
    if isinstance(host, ipaddress.IPv6Address) and host.ipv4_mapped:
        host = host.ipv4_mapped
    port = (address[1] ^ MAGIC_COOKIE >> 16).to_bytes(2, "big")
    packed = host.packed
    mask = (_COOKIE + transaction)[: len(packed)]
    return (b"\x00\x01" if len(packed) == 4 else b"\x00\x02") + port + bytes(a ^ b for a, b in zip(packed, mask, strict=True))


def parse_xor_address(value: bytes, transaction: bytes) -> Address:
    """The address in an XOR-MAPPED-ADDRESS value. Raises StunError when it is none."""
    if len(value) not in (8, 20) or value[1] != (1 if len(value) == 8 else 2):
        raise StunError("bad XOR-MAPPED-ADDRESS")
    packed = bytes(a ^ b for a, b in zip(value[4:], _COOKIE + transaction, strict=False))
    return str(ipaddress.ip_address(packed)), int.from_bytes(value[2:4], "big") ^ MAGIC_COOKIE >> 16


def write_error_code(code: int) -> bytes:
    """The value of ERROR-CODE without a reason phrase, so that a reply stays as short as the request (RFC 8489 §14.8)."""
    return bytes((0, 0, code // 100, code % 100))


def parse_error_code(value: bytes) -> int:
    """The number in an ERROR-CODE value. Raises StunError when it is none."""
    if len(value) < 4:
        raise StunError("bad ERROR-CODE")
    return (value[2] & 7) * 100 + value[3]
