"""Phones of both kinds at one proxy, made for one test."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from tests.interop.browsers import Page
from tests.interop.kamailio import sipp as sipps
from tests.interop.kamailio.phone import Phone, running_phone
from tests.interop.kamailio.scenarios import SCENARIOS, Backend, Proxy, Scenario, running_proxy
from tests.interop.kamailio.sipp import Sipp, running_sipp
from tests.interop.kamailio.webphone import WebPhone, open_webphone


class Party:
    """Opens phones of both kinds for one test, each under a name of its own unless one is given."""

    def __init__(self, proxy: Proxy, sheet: Page, stack: contextlib.AsyncExitStack, name: Callable[[], str]) -> None:
        self.proxy, self.sheet, self._stack, self._name = proxy, sheet, stack, name

    async def web(self, library: str = "jssip", user: str | None = None, *, password: str = "") -> WebPhone:
        """A registered web phone. Raises RefusedError."""
        opened = open_webphone(self.sheet, library, user or self._name(), self.proxy.websocket, self.proxy.sip, password)
        return await self._stack.enter_async_context(opened)

    async def phone(
        self, codec: str = "PCMU", *, user: str | None = None, frequency: float = 1100, account: str = "", transport: str = "udp"
    ) -> Phone:
        """A registered telephone."""
        started = running_phone(
            user or self._name(), self.proxy.sip, codec=codec, frequency=frequency, account=account, transport=transport
        )
        return await self._stack.enter_async_context(started)

    async def sipp(self, script: str, *, calls: str = "", port: int = 0, more: Sequence[str] = ("-m", "1")) -> Sipp:
        """A script of SIPp's that takes one call, or calls a user; see `running_sipp`."""
        if problem := sipps.missing():
            pytest.skip(problem)
        return await self._stack.enter_async_context(running_sipp(self.proxy, script, self._name(), calls=calls, port=port, more=more))

    def name(self) -> str:
        """A name that no other phone has."""
        return self._name()


NAMES = itertools.count(1)


def names() -> str:
    """A user that nobody was before."""
    return f"user{next(NAMES)}"


def need(name: str) -> Scenario:
    """A scenario whose modules are installed; the test is skipped otherwise."""
    scenario = SCENARIOS[name]
    if problem := scenario.missing():
        pytest.skip(problem)
    return scenario


def need_ours(backend: Backend, why: str) -> None:
    """Skips the test where rtpengine stands in the gateway's place and is known not to do this."""
    if backend.name != "boringsdp":
        pytest.skip(f"{backend.name}: {why}")


@contextlib.asynccontextmanager
async def party_at(scenario: Scenario, backend: Backend, page: Page, host: str = "127.0.0.1", **more: str) -> AsyncIterator[Party]:
    """Phones at a proxy of the test's own, with further definitions."""
    async with running_proxy(scenario, backend, host, **more) as proxy, contextlib.AsyncExitStack() as stack:
        try:
            yield Party(proxy, page, stack, names)
        except Exception as error:
            error.add_note(f"Kamailio: {proxy.log[-2000:]}")
            raise
