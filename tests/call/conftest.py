"""A real relay on loopback under real calls; what the owner heard is kept in `news`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from boringsdp.call import CallEvent, Calls, CallSettings
from boringsdp.relay import Relay, RelaySettings
from tests.support.engines import make_relay


@dataclass
class Bench:
    """What a test needs: the relay, its calls and their news."""

    relay: Relay
    calls: Calls
    news: list[CallEvent] = field(default_factory=list)


@pytest.fixture
def settings() -> CallSettings:
    return CallSettings(max_calls=4, answer_timeout_s=60.0)


@pytest.fixture
def relay_settings() -> RelaySettings:
    return RelaySettings(plain_ports=(40000, 40200), port_rest_s=0.0)


@pytest.fixture
async def bench(settings: CallSettings, relay_settings: RelaySettings) -> AsyncIterator[Bench]:
    relay = make_relay(relay_settings)
    await relay.start()
    try:
        yield Bench(relay, Calls(relay, settings))
    finally:
        await relay.close()
