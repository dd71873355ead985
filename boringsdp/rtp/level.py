"""Audio level of a packet in dBov, 0 (loudest) to -127 (silence): from the RFC 6464 extension, or measured on G.711 (RFC 6465 §5)."""

from __future__ import annotations

import math

PCMU, PCMA = 0, 8
SILENCE = -127


def _ulaw(code: int) -> int:
    code = ~code & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84 << (code >> 4 & 7)) - 0x84
    return -magnitude if code & 0x80 else magnitude


def _alaw(code: int) -> int:
    code ^= 0x55
    exponent, mantissa = code >> 4 & 7, code & 0x0F
    magnitude = mantissa * 16 + 8 if exponent == 0 else mantissa * 16 + 0x108 << exponent - 1
    return magnitude if code & 0x80 else -magnitude


_SQUARES = {
    PCMU: tuple(_ulaw(code) ** 2 for code in range(256)),
    PCMA: tuple(_alaw(code) ** 2 for code in range(256)),
}


def level_from_extension(value: bytes) -> int | None:
    """The level in an audio level extension element (RFC 6464 §3), or None when it is empty."""
    return -(value[0] & 0x7F) if value else None


def level_of_g711(payload_type: int, payload: bytes) -> int | None:
    """The level of one G.711 packet by its static payload type; None for other codecs or no payload."""
    squares = _SQUARES.get(payload_type)
    if squares is None or not payload:
        return None
    mean = sum(map(squares.__getitem__, payload)) / len(payload)
    if mean < 1.0:
        return SILENCE
    return max(SILENCE, min(0, round(10 * math.log10(mean / 32768**2))))
