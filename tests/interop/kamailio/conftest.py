"""Kamailio with each of the scenarios, the gateway behind it, and phones of both kinds."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.interop.browsers import Browser, Page
from tests.interop.kamailio import phone as phones
from tests.interop.kamailio import webphone as webphones
from tests.interop.kamailio.party import Party, names
from tests.interop.kamailio.scenarios import SCENARIOS, Backend, Proxy, make_backend, running, running_proxy
from tests.interop.kamailio.webphone import served


@pytest.fixture(scope="session")
def backend() -> Iterator[Backend]:
    """The gateway, with its NG front; rtpengine where the environment says so."""
    with running(make_backend(), delete_delay="0") as started:
        yield started
    assert "Traceback" not in started.log, started.log[-5000:]


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=sorted(SCENARIOS))
async def proxy(request: pytest.FixtureRequest, backend: Backend) -> AsyncIterator[Proxy]:
    """Kamailio with one of the scenarios."""
    scenario = SCENARIOS[request.param]
    if problem := scenario.missing():
        pytest.skip(problem)
    async with running_proxy(scenario, backend) as started:
        yield started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sheet(chromium: Browser) -> AsyncIterator[Page]:
    """A page that can hold web phones."""
    if problem := webphones.missing():
        pytest.skip(problem)
    async with served() as url:
        page = await chromium.new_page()
        await page.goto(url)
        yield page
        await page.close()


@pytest_asyncio.fixture(loop_scope="session")
async def party(proxy: Proxy, sheet: Page) -> AsyncIterator[Party]:
    """Makes phones; those that a test made are gone after it."""
    if problem := phones.missing():
        pytest.skip(problem)
    async with contextlib.AsyncExitStack() as stack:
        yield Party(proxy, sheet, stack, names)
