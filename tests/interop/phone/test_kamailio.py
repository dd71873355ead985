"""The web phone through Kamailio, which asks the gateway about the media: its second mode."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.interop.browsers import Browser
from tests.interop.conftest import own_address
from tests.interop.kamailio.scenarios import SCENARIOS, Backend, Proxy, running, running_proxy
from tests.interop.phone.conftest import Place
from tests.interop.phone.tab import PhoneTab, connect, hear_each_other, open_tab

pytestmark = [
    pytest.mark.interop,
    pytest.mark.parametrize("browser_name", ["chromium", "firefox"]),
    pytest.mark.asyncio(loop_scope="session"),
]
SCENARIO = SCENARIOS["rtpengine-module"]


@pytest.fixture(scope="module")
def backend() -> Iterator[Backend]:
    """The gateway, at an address that Firefox pairs with its own."""
    with running(Backend((f"--webrtc.addresses={own_address()}",)), delete_delay="0") as started:
        yield started


@contextlib.asynccontextmanager
async def tab_of(browser: Browser, place: Place, proxy: Proxy, user: str) -> AsyncIterator[PhoneTab]:
    """A phone that was told where Kamailio is."""
    async with open_tab(browser, place.url, user, log_in=False) as tab:
        await tab.click("own-account")
        await tab.page.click('[data-testid="login-mode-kamailio"]')
        for field, text in (
            ("login-url", proxy.websocket),
            ("login-domain", proxy.sip),
            ("login-user", user),
            ("login-name", user.title()),
        ):
            await tab.write(field, text)
        await tab.click("log-in")
        await tab.until("phone.connection.state === 'registered'")
        yield tab


async def test_two_tabs_call_each_other(browser, place, backend):
    if problem := SCENARIO.missing():
        pytest.skip(problem)
    async with (
        running_proxy(SCENARIO, backend) as proxy,
        tab_of(browser, place, proxy, "alice") as alice,
        tab_of(browser, place, proxy, "bob") as bob,
    ):
        await connect(alice, bob)
        await hear_each_other(alice, bob)
        assert await backend.calls(), "the media do not go through the gateway"
        await alice.click("hold", 1)
        await bob.shows("remark", "put you on hold")
        await alice.reaches(1, "held")
        await alice.click("hold", 1)
        await alice.reaches(1, "active")
        await hear_each_other(alice, bob)
        await bob.hang_up()
        await alice.reaches(1, "")
        await alice.dial("nobody")
        await alice.until("document.querySelectorAll('.notice.error').length")
        await alice.reaches(1, "")
