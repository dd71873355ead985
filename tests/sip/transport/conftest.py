"""Time runs faster here where it is real."""

from __future__ import annotations

import pytest

from boringsdp.sip.transport import transports


@pytest.fixture(autouse=True)
def quick_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look after connections twenty times a second, not once."""
    monkeypatch.setattr(transports, "SWEEP_S", 0.05)
