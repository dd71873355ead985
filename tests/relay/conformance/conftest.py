from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.relay.conformance.engines import ENGINES
from tests.relay.conformance.world import World


@pytest.fixture(params=ENGINES.values(), ids=ENGINES.keys())
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    world = World(request.param)
    yield world
    await world.close()
