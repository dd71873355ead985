"""How many malformed inputs one run throws."""

from __future__ import annotations

import pytest

from tests.fuzz import campaign

LEAST = 100_000


def test_one_run_throws_at_least_a_hundred_thousand() -> None:
    """Declared at any time; and really thrown, when all campaigns ran in this session before this test."""
    assert sum(campaign.INPUTS.values()) >= LEAST
    if campaign.ran.keys() != campaign.INPUTS.keys() or campaign.SCALE < 1 or campaign.ONLY:
        pytest.skip("only some of the campaigns ran; each of them counts its own inputs")
    assert sum(campaign.ran.values()) >= LEAST
