"""dtls/certificate.py: our certificate in every hash that a peer may ask for, and which of the peer's are good enough."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from boringsdp.dtls import Identity, usable_fingerprints
from boringsdp.errors import ConfigError, DtlsError

IDENTITY = Identity()


@pytest.mark.parametrize("name", ["sha-1", "sha-224", "sha-256", "sha-384", "sha-512", "SHA-256"])
def test_our_fingerprint_is_the_hash_of_the_certificate(name: str) -> None:
    digest = hashlib.new(name.lower().replace("-", ""), IDENTITY.certificate.public_bytes(Encoding.DER)).hexdigest()
    told, value = IDENTITY.fingerprint_of(name)
    assert told == name.lower()
    assert value.replace(":", "") == digest.upper()
    assert {len(octet) for octet in value.split(":")} == {2}


def test_another_hash_is_refused() -> None:
    with pytest.raises(ConfigError):
        IDENTITY.fingerprint_of("md5")


def test_a_weak_hash_identifies_nobody() -> None:
    weak, strong = IDENTITY.fingerprint_of("sha-1"), IDENTITY.fingerprint_of("sha-512")
    assert usable_fingerprints([weak, strong]) == {strong}
    with pytest.raises(DtlsError):
        usable_fingerprints([weak])
