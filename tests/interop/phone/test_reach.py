"""Who is reached: several tabs of one user, and tabs whose WebSocket is lost at a bad moment."""

from __future__ import annotations

import pytest

from tests.interop.phone.tab import PhoneTab, connect, hear_each_other, open_tab

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("browser_name", ["chromium", "firefox"]),
]


async def lose(tab: PhoneTab) -> None:
    """Its WebSocket ends, and it is there again by another."""
    await tab.get("ears.sockets.at(-1).close()")
    await tab.until("phone.connection.state !== 'registered'")
    await tab.until("phone.connection.state === 'registered'", 15)


async def test_all_tabs_of_a_user_ring_and_one_answers(alice, bob, chromium, place):
    async with open_tab(chromium, place.url, "alice") as second, open_tab(chromium, place.url, "alice") as third:
        tabs = (alice, second, third)
        await bob.dial("alice")
        for tab in tabs:
            await tab.reaches(1, "incoming")
        await second.click("answer", 1)
        for tab in (alice, third):
            await tab.reaches(1, "")
            assert await tab.get("phone.history.records[0].outcome") == "elsewhere"
            await tab.shows("history-row", "answered elsewhere")
            assert await tab.get("document.querySelectorAll('.notice.error').length") == 0
        await hear_each_other(second, bob)
        await bob.hang_up()
        await second.reaches(1, "")
        await bob.dial("alice")
        await alice.click("decline", 1)
        for tab in tabs:
            await tab.reaches(1, "")
        await bob.shows("notice-error", "declined")


async def test_a_caller_whose_connection_is_lost_while_it_rings(alice, bob):
    await alice.dial("bob")
    await bob.reaches(1, "incoming")
    await lose(alice)
    await alice.until("phone.lines.length === 0 || phone.lines[0].state === 'ringing'")
    if await alice.state(1):
        await bob.click("answer", 1)
        await alice.reaches(1, "active")
        await hear_each_other(alice, bob)
    else:
        await bob.reaches(1, "", 20)


async def test_a_callee_whose_connection_is_lost_while_it_rings(alice, bob):
    await bob.dial("alice")
    await alice.reaches(1, "incoming")
    await lose(alice)
    await alice.click("answer", 1)
    for tab in (alice, bob):
        await tab.reaches(1, "active")
    await hear_each_other(alice, bob)


async def test_a_connection_lost_in_the_midst_of_a_change(alice, bob):
    await connect(alice, bob)
    await alice.get("(phone.hold(), true)")
    await lose(alice)
    await alice.until("phone.lines.length === 0 || !phone.lines[0].changing", 40)
    if await alice.state(1):
        if await alice.state(1) == "held":
            await alice.click("hold", 1)
            await alice.reaches(1, "active")
        await hear_each_other(alice, bob)
    else:
        await bob.reaches(1, "", 20)
