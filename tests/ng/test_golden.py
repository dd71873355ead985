"""Every key and flag that changes the SDP: a whole text compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ng.golden import Proxied, cases, read


@pytest.mark.parametrize("path", cases(), ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    call = Proxied()
    for number, (header, goes_out) in enumerate(read(path.read_text()), 1):
        assert call.step(header) == goes_out, f"step {number}: {header}"
