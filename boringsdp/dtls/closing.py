"""Reads the peer's close_notify after OpenSSL's state was given back (77 kB a connection), from its keys."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from boringsdp.dtls.record import ALERT, HEADER, split_records

FATAL = 2
CLOSE_NOTIFY = 0


def prf(digest: str, secret: bytes, label: bytes, seed: bytes, length: int) -> bytes:
    """Return `length` bytes of the TLS 1.2 pseudo-random function (RFC 5246 §5)."""
    seed = label + seed
    out, a = b"", seed
    while len(out) < length:
        a = hmac.digest(secret, a, digest)
        out += hmac.digest(secret, a + seed, digest)
    return out[:length]


@dataclass(slots=True, frozen=True)
class AlertReader:
    """Decrypts DTLS 1.2 alert records of one peer, epoch 1, AEAD suites only."""

    cipher: AESGCM | ChaCha20Poly1305 = field(repr=False)
    iv: bytes = field(repr=False)

    @classmethod
    def derive(cls, suite: str, master: bytes, client_random: bytes, server_random: bytes, *, peer_is_client: bool) -> AlertReader | None:
        """
        Derive the peer's write keys (RFC 5246 §6.3) for OpenSSL's `suite` name; None for a suite that is not AEAD.

        key block = client key | server key | client IV | server IV      (AEAD suites have no MAC keys)
        """
        if "CHACHA20" in suite:
            key_length, iv_length = 32, 12
        elif "GCM" in suite:
            key_length, iv_length = (32 if "AES256" in suite else 16), 4
        else:
            return None
        digest = "sha384" if suite.endswith("SHA384") else "sha256"
        block = prf(digest, master, b"key expansion", server_random + client_random, 2 * (key_length + iv_length))
        which = 0 if peer_is_client else 1
        key = block[which * key_length : (which + 1) * key_length]
        start = 2 * key_length + which * iv_length
        make = ChaCha20Poly1305 if iv_length == 12 else AESGCM
        return cls(make(key), block[start : start + iv_length])

    def ends(self, datagram: bytes) -> bool:
        """Whether an authentic alert in `datagram` ends the association: close_notify or any fatal one."""
        for record in split_records(datagram):
            if record[0] == ALERT and len(record) > HEADER:
                alert = self._open(record)
                if len(alert) == 2 and (alert[0] == FATAL or alert[1] == CLOSE_NOTIFY):
                    return True
        return False

    def _open(self, record: bytes) -> bytes:
        """Return the plain text of a record, whose body is `[nonce 8] text, tag 16`, or nothing when it is not authentic."""
        number, body = record[3:11], record[HEADER:]
        if len(self.iv) == 4:
            nonce, body = self.iv + body[:8], body[8:]
        else:
            nonce = bytes(a ^ b for a, b in zip(self.iv, b"\0\0\0\0" + number, strict=True))
        if len(body) < 16 or len(nonce) != 12 or number[:2] != b"\0\1":
            return b""
        header = number + record[:3] + (len(body) - 16).to_bytes(2, "big")
        try:
            return self.cipher.decrypt(nonce, body, header)
        except InvalidTag:
            return b""
