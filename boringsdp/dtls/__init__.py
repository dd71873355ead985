"""DTLS-SRTP (RFC 5764): a certificate of our own, and handshake bytes in, SRTP keys out."""

from boringsdp.dtls.certificate import Identity, fingerprint_of, usable_fingerprints
from boringsdp.dtls.handshake import Action, Association, Ended, Established, Failed, Transmit

__all__ = [
    "Action",
    "Association",
    "Ended",
    "Established",
    "Failed",
    "Identity",
    "Transmit",
    "fingerprint_of",
    "usable_fingerprints",
]
