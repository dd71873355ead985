"""Every golden case, step by step."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sdp.golden import ROOT, Gateway, cases, read


@pytest.mark.parametrize("path", cases(), ids=lambda path: str(path.relative_to(ROOT).with_suffix("")))
def test_case(path: Path) -> None:
    gateway = Gateway()
    for number, (header, came_in, goes_out) in enumerate(read(path.read_text()), 1):
        assert gateway.step(header, came_in) == goes_out, f"step {number}: {header}"
