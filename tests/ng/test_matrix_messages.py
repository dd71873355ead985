"""Keys and flags through the whole front, with real calls and ports: golden dialogues (tests/support/ng_golden.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import ng_golden


@pytest.mark.parametrize("path", ng_golden.cases(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_messages(path: Path):
    assert ng_golden.play(path) == path.read_text(), f"python -m tests.support.ng_golden {path} writes it anew"
