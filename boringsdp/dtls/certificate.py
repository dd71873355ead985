"""Our certificate with the OpenSSL context that all associations share, and fingerprints of the peers' certificates."""

from __future__ import annotations

import datetime
import hashlib
import secrets
from collections.abc import Iterable

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from boringsdp.errors import ConfigError, DtlsError

DTLS_1_2 = 0xFEFD
CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES"
"""Suites for ECDSA and for RSA peers; all with forward secrecy."""
SRTP_PROFILES = b"SRTP_AEAD_AES_256_GCM:SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80"
"""In our order of preference, which decides when we are the server."""
LIFETIME = datetime.timedelta(days=365)
HASHES: dict[str, type[hashes.HashAlgorithm]] = {"sha-256": hashes.SHA256, "sha-384": hashes.SHA384, "sha-512": hashes.SHA512}
"""Hash functions strong enough to identify a peer (RFC 8122 §5); sha-1 and md5 are refused."""
OWN_HASHES: dict[str, type[hashes.HashAlgorithm]] = {"sha-1": hashes.SHA1, "sha-224": hashes.SHA224, **HASHES}
"""What we can say our own certificate in: a peer that wants a weak one weakens only itself."""


class Identity:
    """
    A self-signed certificate (P-256 unless `key` is given) and the `SSL.Context` that all associations share.

    One context for each association would cost 0.35 ms and 21 KB.

    `fingerprint` is `("sha-256", "AB:CD:…")`.
    """

    def __init__(self, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None) -> None:
        key = key or ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "WebRTC")])
        now = datetime.datetime.now(datetime.UTC)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(secrets.randbits(63) | 1)
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + LIFETIME)
            .sign(key, hashes.SHA256())
        )
        self.fingerprint = ("sha-256", fingerprint_of(self.certificate.public_bytes(Encoding.DER), "sha-256"))
        self.context = context = SSL.Context(SSL.DTLS_METHOD)
        context.set_min_proto_version(DTLS_1_2)
        # Pinned: a later OpenSSL would otherwise speak DTLS 1.3, whose last flight may need resending after completion.
        context.set_max_proto_version(DTLS_1_2)
        context.set_options(SSL.OP_NO_QUERY_MTU | SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_cipher_list(CIPHERS)
        context.set_tlsext_use_srtp(SRTP_PROFILES)
        context.use_certificate(self.certificate)
        context.use_privatekey(key)
        # Certificates are self-signed: the fingerprint from the SDP is compared after the handshake, nothing else identifies the peer.
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _accept)
        self._values = {self.fingerprint[0]: self.fingerprint[1]}

    def fingerprint_of(self, hash_name: str) -> tuple[str, str]:
        """Return `(hash, "AB:CD:…")` for a=fingerprint, with a hash of `OWN_HASHES`. Raises `ConfigError` for another."""
        name = hash_name.lower()
        if name not in OWN_HASHES:
            raise ConfigError("fingerprint hash", f"{hash_name} is none of {', '.join(OWN_HASHES)}")
        if name not in self._values:
            self._values[name] = self.certificate.fingerprint(OWN_HASHES[name]()).hex(":").upper()
        return name, self._values[name]


def fingerprint_of(certificate: bytes, hash_name: str) -> str:
    """Return the colon-separated upper-case fingerprint of a certificate in DER; `hash_name` is one of `HASHES`."""
    return hashlib.new(hash_name.replace("-", ""), certificate).digest().hex(":").upper()


def usable_fingerprints(pairs: Iterable[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    """
    Return the (hash, value) pairs that may identify a peer, in lower-case hash names and upper-case values (RFC 8122 §5).

    Raises `DtlsError` when none is left: no fingerprint at all, or only hashes that are too weak or unknown.
    """
    usable = frozenset((name.lower(), value.strip().upper()) for name, value in pairs if name.lower() in HASHES)
    if not usable:
        raise DtlsError("no fingerprint with sha-256, sha-384 or sha-512")
    return usable


def _accept(_connection: SSL.Connection, _certificate: object, _error: int, _depth: int, _ok: int) -> bool:
    return True
