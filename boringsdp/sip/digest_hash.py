"""The sums of digest authentication (RFC 7616 §3.4, RFC 8760; RFC 2617 and RFC 2069 for old peers)."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives import hashes

ALGORITHMS = ("SHA-512-256", "SHA-256", "MD5")
"""The strongest first. Each may have "-sess" behind it."""

_BY_LOWER = {name.lower(): name for base in ALGORITHMS for name in (base, f"{base}-sess")}


def algorithm_of(text: str) -> str | None:
    """Return the name of an algorithm as RFC 7616 writes it; None for one we do not know."""
    return _BY_LOWER.get(text.lower())


def strength(algorithm: str) -> int:
    """0 is the strongest."""
    return ALGORITHMS.index(algorithm.removesuffix("-sess"))


def digest(algorithm: str, data: str | bytes) -> str:
    """Return H(data) in hexadecimal; "-sess" makes no difference here."""
    octets = data if isinstance(data, bytes) else data.encode("utf-8", "surrogateescape")
    match algorithm.removesuffix("-sess"):
        case "MD5":
            return hashlib.md5(octets, usedforsecurity=False).hexdigest()
        case "SHA-256":
            return hashlib.sha256(octets).hexdigest()
        case _:
            return sha512_256(octets)


def sha512_256(octets: bytes) -> str:
    """Return SHA-512/256 in hexadecimal. hashlib has it only where its OpenSSL does; cryptography brings its own."""
    try:
        return hashlib.new("sha512_256", octets).hexdigest()
    except ValueError:
        pass
    state = hashes.Hash(hashes.SHA512_256())
    state.update(octets)
    return state.finalize().hex()


def secret_sum(algorithm: str, user: str, realm: str, secret: str) -> str:
    """Return H(A1), before "-sess"."""
    return digest(algorithm, f"{user}:{realm}:{secret}")


def response_sum(
    algorithm: str, ha1: str, method: str, uri: str, *, nonce: str, nc: str = "", cnonce: str = "", qop: str = "", body: bytes = b""
) -> str:
    """Return the `response` of credentials. `ha1` is that of `secret_sum`; without `qop` it is RFC 2069's."""
    if algorithm.endswith("-sess"):
        ha1 = digest(algorithm, f"{ha1}:{nonce}:{cnonce}")
    a2 = f"{method}:{uri}:{digest(algorithm, body)}" if qop == "auth-int" else f"{method}:{uri}"
    middle = f"{nonce}:{nc}:{cnonce}:{qop}" if qop else nonce
    return digest(algorithm, f"{ha1}:{middle}:{digest(algorithm, a2)}")
