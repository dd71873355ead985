"""rtp/quality.py: the estimate falls where it should, and round trips survive odd clocks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boringsdp.rtp.quality import estimate_mos, mos_of, r_factor, round_trip_ms


def test_known_values() -> None:
    assert mos_of(93.2) == pytest.approx(4.41, abs=0.01)
    assert mos_of(50) == pytest.approx(2.58, abs=0.01)
    assert r_factor(0, 0) == pytest.approx(88.2)
    assert estimate_mos("PCMU", 0, 0, 0) == pytest.approx(4.39, abs=0.03)


@given(st.floats(0, 1), st.floats(0, 500), st.floats(0, 2000))
def test_it_is_a_score_and_falls_with_every_impairment(loss: float, jitter: float, round_trip: float) -> None:
    mos = estimate_mos("opus", loss, jitter, round_trip)
    assert 1 <= mos <= 4.5
    assert estimate_mos("opus", min(1, loss + 0.05), jitter, round_trip) <= mos
    assert estimate_mos("opus", loss, jitter + 20, round_trip) <= mos
    assert estimate_mos("opus", loss, jitter, round_trip + 100) <= mos
    assert estimate_mos("something", loss, jitter, round_trip) <= mos


def test_round_trips() -> None:
    assert round_trip_ms(0x00020000, 0x00010000, 0x8000) == 500.0
    assert round_trip_ms(5, 0xFFFF0005, 0) == 1000.0
    assert round_trip_ms(100, 0, 0) is None
    assert round_trip_ms(100, 90, 20) == 0.0
    assert round_trip_ms(100, 90, 0x7000_0000) is None
    assert round_trip_ms(0x7FFF_FFFF, 1, 0) is None
