"""Reads the peer's close_notify after OpenSSL's state was given back (77 kB a connection), from its keys."""

from __future__ import annotations

import hmac

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


class AlertReader:
    """
    Decrypts DTLS 1.2 alert records of one peer, epoch 1, AEAD suites only.

    The keys are derived when the first alert comes: most calls end without one.
    """

    __slots__ = ("_cipher", "_iv", "_peer_is_client", "_randoms", "_secret", "_suite")

    def __init__(self, suite: str, master: bytes, client_random: bytes, server_random: bytes, *, peer_is_client: bool) -> None:
        """`suite` is OpenSSL's name of one that `reads` knows."""
        self._suite = suite
        self._secret = master
        self._randoms = server_random + client_random
        self._peer_is_client = peer_is_client
        self._cipher: AESGCM | ChaCha20Poly1305 | None = None
        self._iv = b""

    @staticmethod
    def reads(suite: str) -> bool:
        """Whether a suite is AEAD."""
        return "CHACHA20" in suite or "GCM" in suite

    def _derive(self) -> AESGCM | ChaCha20Poly1305:
        """
        Derive the peer's write keys (RFC 5246 §6.3).

        key block = client key | server key | client IV | server IV      (AEAD suites have no MAC keys)
        """
        key_length, iv_length = (32, 12) if "CHACHA20" in self._suite else (32 if "AES256" in self._suite else 16, 4)
        digest = "sha384" if self._suite.endswith("SHA384") else "sha256"
        block = prf(digest, self._secret, b"key expansion", self._randoms, 2 * (key_length + iv_length))
        which = 0 if self._peer_is_client else 1
        key = block[which * key_length : (which + 1) * key_length]
        start = 2 * key_length + which * iv_length
        self._secret, self._iv = b"", block[start : start + iv_length]
        return ChaCha20Poly1305(key) if iv_length == 12 else AESGCM(key)

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
        if self._cipher is None:
            self._cipher = self._derive()
        number, body = record[3:11], record[HEADER:]
        if len(self._iv) == 4:
            nonce, body = self._iv + body[:8], body[8:]
        else:
            nonce = bytes(a ^ b for a, b in zip(self._iv, b"\0\0\0\0" + number, strict=True))
        if len(body) < 16 or len(nonce) != 12 or number[:2] != b"\0\1":
            return b""
        header = number + record[:3] + (len(body) - 16).to_bytes(2, "big")
        try:
            return self._cipher.decrypt(nonce, body, header)
        except InvalidTag:
            return b""
