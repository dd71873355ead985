"""A newcomer's first calls: `boringsdp demo`, and two clicks in the web phone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urljoin

import pytest
import pytest_asyncio

from tests.demo.running import RunningDemo
from tests.interop.phone.tab import connect, hear_each_other, open_tab, says

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("browser_name", ["chromium", "firefox"]),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def demo(library: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningDemo]:
    """The gateway as a newcomer starts it."""
    running = RunningDemo(tmp_path_factory.mktemp("newcomer") / "log")
    await running.start()
    yield running
    await running.stop()


async def test_the_echo_in_two_clicks(browser, demo):
    async with open_tab(browser, urljoin(demo.address, "/phone/"), "alice", log_in=False) as alice:
        await alice.click("log-in-alice")
        await alice.click("call-echo")
        await alice.reaches(1, "active")
        await says(alice, alice)
        await alice.shows("party", "Echo", 1)
        await alice.hang_up()


async def test_a_second_tab_calls_the_first(browser, demo):
    url = urljoin(demo.address, "/phone/")
    async with open_tab(browser, url, "alice") as alice, open_tab(browser, url, "bob") as bob:
        await connect(bob, alice)
        await hear_each_other(alice, bob)
        await alice.hang_up()
