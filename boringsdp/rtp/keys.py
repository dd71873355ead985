"""SRTP key material, as DTLS and SDES hand it over."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field


class Profile(enum.Enum):
    """SRTP protection profiles (RFC 5764, 7714, 4568); the value is the SDES suite name."""

    AES128_CM_SHA1_80 = "AES_CM_128_HMAC_SHA1_80"
    AES128_CM_SHA1_32 = "AES_CM_128_HMAC_SHA1_32"
    AEAD_AES_128_GCM = "AEAD_AES_128_GCM"
    AEAD_AES_256_GCM = "AEAD_AES_256_GCM"

    @property
    def key_length(self) -> int:
        """Master key length in bytes."""
        return 32 if self is Profile.AEAD_AES_256_GCM else 16

    @property
    def salt_length(self) -> int:
        """Master salt length in bytes."""
        return 12 if self in (Profile.AEAD_AES_128_GCM, Profile.AEAD_AES_256_GCM) else 14


@dataclass(slots=True, frozen=True)
class Keys:
    """Master key material of one direction. `repr` never shows it."""

    profile: Profile
    key: bytes = field(repr=False)
    salt: bytes = field(repr=False)
    mki: bytes = field(default=b"", repr=False)
