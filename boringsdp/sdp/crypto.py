"""a=crypto lines: SDES keying of SRTP (RFC 4568, RFC 7714 §14)."""

from __future__ import annotations

import base64
import binascii

from boringsdp.values import Value

KEY_LENGTHS: dict[str, tuple[int, int]] = {
    "AES_CM_128_HMAC_SHA1_80": (16, 14),
    "AES_CM_128_HMAC_SHA1_32": (16, 14),
    "AEAD_AES_128_GCM": (16, 12),
    "AEAD_AES_256_GCM": (32, 12),
}
"""Master key and salt length in bytes of every suite we speak."""

SUITES = tuple(KEY_LENGTHS)


class Crypto(Value, frozen=True):
    """
    One crypto line that can be used: master key and salt in bytes, `lifetime` in packets (0: unsaid), `mki` as it stands in each packet.

    `repr` shows neither key nor salt, so that a log cannot.
    """

    HIDDEN = frozenset({"key", "salt", "mki"})

    tag: int
    suite: str
    key: bytes
    salt: bytes
    lifetime: int = 0
    mki: bytes = b""

    @classmethod
    def from_random(cls, suite: str, random: bytes, tag: int = 1) -> Crypto:
        """Return a line for `suite` from at least 46 random bytes that the caller drew (cores own no random source)."""
        key_length, salt_length = KEY_LENGTHS[suite]
        assert len(random) >= key_length + salt_length
        return cls(tag, suite, random[:key_length], random[key_length : key_length + salt_length])

    def __str__(self) -> str:
        """Return the attribute value as it is written after `a=crypto:`; it holds the secret."""
        inline = base64.b64encode(self.key + self.salt).decode()
        lifetime = f"|{_power(self.lifetime)}" if self.lifetime else ""
        mki = f"|{int.from_bytes(self.mki, 'big')}:{len(self.mki)}" if self.mki else ""
        return f"{self.tag} {self.suite} inline:{inline}{lifetime}{mki}"


def _power(packets: int) -> str:
    return f"2^{packets.bit_length() - 1}" if packets & (packets - 1) == 0 else str(packets)


def parse_crypto(value: str) -> Crypto | None:
    """
    Return the line after `a=crypto:`, or None when it must be skipped.

    Skipped are unknown suites, session parameters that change the transform (UNENCRYPTED_*, KDR, FEC_*) or that we do not know, lines with
    several keys, keys of the wrong length, and lifetimes or MKIs out of range (RFC 4568 §6.1, §6.3, §9.1).
    """
    parts = value.split()
    if len(parts) < 3 or not _is_number(parts[0], 9) or parts[1] not in KEY_LENGTHS:
        return None
    if any(not _harmless(parameter) for parameter in parts[3:]):
        return None
    method, _, info = parts[2].partition(":")
    if method.lower() != "inline" or ";" in info:
        return None
    encoded, *options = info.split("|")
    material = _decode(encoded)
    key_length, salt_length = KEY_LENGTHS[parts[1]]
    if material is None or len(material) != key_length + salt_length:
        return None
    read = _read_options(options)
    if read is None:
        return None
    return Crypto(int(parts[0]), parts[1], material[:key_length], material[key_length:], *read)


def _harmless(parameter: str) -> bool:
    """WSH is only a hint; a leading `-` marks what may be ignored (RFC 4568 §6.3.7). Everything else changes what packets look like."""
    return parameter.startswith("-") or parameter.upper().startswith("WSH=")


def _decode(encoded: str) -> bytes | None:
    try:
        return base64.b64decode(encoded.rstrip("=") + "=" * (-len(encoded.rstrip("=")) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _read_options(options: list[str]) -> tuple[int, bytes] | None:
    """Read `|lifetime` and `|MKI:length`, each at most once and in this order."""
    lifetime, mki = 0, b""
    for position, option in enumerate(options):
        number, colon, length = option.partition(":")
        if colon:
            if position != len(options) - 1 or not (_is_number(number, 40) and _is_number(length, 3) and 1 <= int(length) <= 128):
                return None
            if int(number).bit_length() > 8 * int(length):
                return None
            mki = int(number).to_bytes(int(length), "big")
        elif position == 0:
            exponent = option[2:] if option.startswith("2^") else ""
            if exponent and _is_number(exponent, 2) and int(exponent) <= 48:
                lifetime = 1 << int(exponent)
            elif _is_number(option, 15) and 0 < int(option) <= 1 << 48:
                lifetime = int(option)
            else:
                return None
        else:
            return None
    return lifetime, mki


def _is_number(text: str, digits: int) -> bool:
    return 0 < len(text) <= digits and text.isascii() and text.isdigit()
