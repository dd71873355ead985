"""The web phone's SDP-only mode: JsSIP signals with a server of one's own, which sees plain RTP, and the gateway translates in between."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.interop.browsers import Browser
from tests.interop.conftest import Gateway
from tests.interop.phone.conftest import Place, serve
from tests.interop.phone.tab import PhoneTab, connect, hear_each_other, open_tab, says

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("browser_name", ["chromium", "firefox"]),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own_server(library: None, gateway: Gateway) -> AsyncIterator[Place]:
    """The page, a SIP server that knows nothing of the gateway, and the gateway's Janus API."""
    async with serve(janus=int(gateway.websocket.rsplit(":", 1)[1])) as place:
        yield place


@contextlib.asynccontextmanager
async def tab_of(browser: Browser, place: Place, user: str) -> AsyncIterator[PhoneTab]:
    """A phone that was told to signal by itself."""
    async with open_tab(browser, place.url, user, log_in=False) as tab:
        await tab.click("own-account")
        await tab.page.click('[data-testid="login-mode-sdponly"]')
        await tab.write("login-url", place.url.replace("http", "ws").replace("/phone/", "/sip"))
        await tab.write("login-domain", "phones.example")
        await tab.write("login-user", user)
        await tab.write("login-name", user.title())
        await tab.click("log-in")
        await tab.until("phone.connection.state === 'registered'")
        yield tab


async def test_calls_hold_digits_and_video_through_the_gateway(browser, chromium, own_server):
    async with tab_of(browser, own_server, "alice") as alice, tab_of(chromium, own_server, "bob") as bob:
        await connect(alice, bob)
        await hear_each_other(alice, bob)
        assert own_server.server is not None
        offer, answer = own_server.server.sdps[-2:]
        for sdp in (offer, answer):
            assert "RTP/AVP " in sdp
            assert not {"fingerprint", "candidate", "ice-ufrag"} & {line[2:].split(":")[0] for line in sdp.splitlines()}
        await alice.click("hold", 1)
        await alice.reaches(1, "held")
        await bob.shows("remark", "put you on hold")
        assert "a=sendonly" in own_server.server.sdps[-2]
        await says(alice, bob, silence=True)
        await alice.click("hold", 1)
        await alice.reaches(1, "active")
        await hear_each_other(alice, bob)
        await alice.click("keypad", 1)
        for key in ("tone-5", "tone-star"):
            await alice.click(key, 1)
        await bob.shows("remark", "They pressed 5*", 1)  # as events of RFC 4733, which the gateway reports
        await alice.click("video", 1)
        await bob.until("(seen => seen && seen[0] > 150 && seen[2] < 90)(ears.seen(1))")
        await hear_each_other(alice, bob)
        await bob.hang_up()
        await alice.reaches(1, "")
        # the handles are free for others
        await connect(bob, alice)
        await hear_each_other(alice, bob)


async def test_a_gateway_that_is_not_there(browser, own_server):
    async with tab_of(browser, own_server, "alice") as alice:
        await alice.get("phone.settings.set('gateway', 'ws://127.0.0.1:9/')")
        await alice.dial("bob")
        await alice.shows("notice-error", "The gateway does not answer at ws://127.0.0.1:9/")
        await alice.reaches(1, "")
