from __future__ import annotations

import math

from boringsdp.rtp.level import PCMA, PCMU, SILENCE, _alaw, _ulaw, level_from_extension, level_of_g711


def encode(table: list[int], amplitude: float) -> bytes:
    """A 1 kHz tone, each sample by the nearest code."""
    wanted = [amplitude * 32767 * math.sin(2 * math.pi * index / 8) for index in range(160)]
    return bytes(min(range(256), key=lambda code: abs(table[code] - value)) for value in wanted)


def test_measures_a_tone_within_a_decibel() -> None:
    for payload_type, decode in ((PCMU, _ulaw), (PCMA, _alaw)):
        table = [decode(code) for code in range(256)]
        for amplitude, level in ((1.0, -3), (0.1, -23), (0.01, -43)):
            measured = level_of_g711(payload_type, encode(table, amplitude))
            assert measured is not None
            assert abs(measured - level) <= 1


def test_silence_and_others() -> None:
    assert level_of_g711(PCMU, b"\xff" * 160) == SILENCE
    assert level_of_g711(PCMA, b"\xd5" * 160) is not None
    assert level_of_g711(PCMA, b"\xd5" * 160) < -70  # type: ignore[operator]
    assert level_of_g711(9, b"\x00" * 160) is None
    assert level_of_g711(PCMU, b"") is None


def test_the_extension() -> None:
    assert level_from_extension(b"\x80") == 0
    assert level_from_extension(b"\x7f") == -127
    assert level_from_extension(b"") is None
