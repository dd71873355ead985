from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from boringsdp.b2bua import records
from boringsdp.b2bua.policy import DefaultRouting
from tests.b2bua.house import House, running_house


@pytest.fixture
def front_settings() -> dict[str, Any]:
    """What the front of `house` is told beyond the usual."""
    return {}


@pytest.fixture
def domain_settings() -> dict[str, Any]:
    """The same of its domain."""
    return {}


@pytest.fixture
def make_routing() -> Any:
    """What makes its policy."""
    return DefaultRouting


@pytest.fixture
async def house(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, front_settings: dict[str, Any], domain_settings: dict[str, Any], make_routing: Any
) -> AsyncIterator[House]:
    monkeypatch.setattr(records, "LAST_MESSAGES_S", 0.05)
    async with running_house(tmp_path, make_routing=make_routing, domain=domain_settings, **front_settings) as running:
        yield running
