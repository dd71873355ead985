"""Kamailio with each of the scenarios, the gateway behind it, and phones of both kinds."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import pytest_asyncio

from tests.interop.browsers import Browser, Page
from tests.interop.kamailio import phone as phones
from tests.interop.kamailio import sipp as sipps
from tests.interop.kamailio import webphone as webphones
from tests.interop.kamailio.phone import Phone, running_phone
from tests.interop.kamailio.scenarios import SCENARIOS, Backend, Proxy, make_backend, running, running_proxy
from tests.interop.kamailio.sipp import Sipp, running_sipp
from tests.interop.kamailio.webphone import WebPhone, open_webphone, served


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


class Party:
    """Opens phones of both kinds for one test, each under a name of its own unless one is given."""

    def __init__(self, proxy: Proxy, sheet: Page, stack: contextlib.AsyncExitStack, name: Callable[[], str]) -> None:
        self.proxy, self.sheet, self._stack, self._name = proxy, sheet, stack, name

    async def web(self, library: str = "jssip", user: str | None = None) -> WebPhone:
        """A registered web phone."""
        opened = open_webphone(self.sheet, library, user or self._name(), self.proxy.websocket, self.proxy.sip)
        return await self._stack.enter_async_context(opened)

    async def phone(
        self, codec: str = "PCMU", *, user: str | None = None, frequency: float = 1100, account: str = "", transport: str = "udp"
    ) -> Phone:
        """A registered telephone."""
        started = running_phone(
            user or self._name(), self.proxy.sip, codec=codec, frequency=frequency, account=account, transport=transport
        )
        return await self._stack.enter_async_context(started)

    async def sipp(self, script: str, *, calls: str = "") -> Sipp:
        """A script of SIPp's that takes one call, or calls a user."""
        if problem := sipps.missing():
            pytest.skip(problem)
        return await self._stack.enter_async_context(running_sipp(self.proxy, script, self._name(), calls=calls))

    def name(self) -> str:
        """A name that no other phone has."""
        return self._name()


NAMES = itertools.count(1)


def names() -> str:
    """A user that nobody was before."""
    return f"user{next(NAMES)}"


@pytest_asyncio.fixture(loop_scope="session")
async def party(proxy: Proxy, sheet: Page) -> AsyncIterator[Party]:
    """Makes phones; those that a test made are gone after it."""
    if problem := phones.missing():
        pytest.skip(problem)
    async with contextlib.AsyncExitStack() as stack:
        yield Party(proxy, sheet, stack, names)
