"""Transfers by web phones on JsSIP and SIP.js in real browsers, carried out by the gateway; who is left hears the other's tone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.interop.b2bua.conftest import House
from tests.interop.browsers import Browser
from tests.interop.phone.tab import PhoneTab, connect, hear_each_other, open_tab

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("browser_name", ["chromium", "firefox"]),
]


@pytest_asyncio.fixture(loop_scope="session")
async def alice(browser: Browser, house: House) -> AsyncIterator[PhoneTab]:
    """Who transfers."""
    async with open_tab(browser, house.address + "phone/", "alice") as tab:
        yield tab


@pytest_asyncio.fixture(loop_scope="session")
async def bob(chromium: Browser, house: House) -> AsyncIterator[PhoneTab]:
    """Who is transferred."""
    async with open_tab(chromium, house.address + "phone/", "bob") as tab:
        yield tab


@pytest_asyncio.fixture(loop_scope="session")
async def carol(chromium: Browser, house: House) -> AsyncIterator[PhoneTab]:
    """To whom."""
    async with open_tab(chromium, house.address + "phone/", "carol") as tab:
        yield tab


async def line_of(tab: PhoneTab) -> int:
    """Its only line, once its call is up."""
    await tab.until("phone.lines.length === 1 && phone.lines[0].state === 'active'")
    (line,) = await tab.get("phone.lines.map(one => one.number)")
    return int(line)


async def ends(tab: PhoneTab, other: PhoneTab, line: int) -> None:
    await tab.hang_up(line)
    await other.until("phone.lines.length === 0")


@pytest.mark.parametrize("caller", ["alice", "bob"])
async def test_blind(house: House, alice: PhoneTab, bob: PhoneTab, carol: PhoneTab, caller: str) -> None:
    await (connect(alice, bob) if caller == "alice" else connect(bob, alice))
    await hear_each_other(alice, bob)
    await alice.click("transfer", 1)
    await alice.write("transfer-target", "carol", 1)
    await alice.click("transfer-now", 1)
    await carol.until("document.querySelector('[data-testid=line-1] [data-testid=party]')?.innerText.toLowerCase() === 'bob'")
    await carol.click("answer", 1)
    await alice.shows("notice-info", "transferred to carol")
    await alice.until("phone.lines.length === 0")
    await carol.reaches(1, "active")
    line = await line_of(bob)
    await hear_each_other(bob, carol, (line, 1))
    assert len(list(house.front.bridges())) == 1
    await ends(bob, carol, line)


async def test_blind_to_somebody_who_declines(alice: PhoneTab, bob: PhoneTab, carol: PhoneTab) -> None:
    await connect(alice, bob)
    await alice.click("transfer", 1)
    await alice.write("transfer-target", "carol", 1)
    await alice.click("transfer-now", 1)
    await carol.click("decline", 1)
    await alice.shows("notice-error", "The transfer to carol failed")
    await alice.until("!phone.lines[0].transfer")
    await hear_each_other(alice, bob)
    await ends(alice, bob, 1)


async def test_attended(house: House, alice: PhoneTab, bob: PhoneTab, carol: PhoneTab) -> None:
    await connect(alice, bob)
    await alice.click("transfer", 1)
    await alice.write("transfer-target", "carol", 1)
    await alice.click("consult", 1)
    await alice.reaches(1, "held")
    await carol.click("answer", 1)
    await alice.reaches(2, "active")
    await hear_each_other(alice, carol, (2, 1))
    await alice.click("join")
    await alice.until("phone.lines.length === 0")
    lines = await line_of(bob), await line_of(carol)
    await hear_each_other(bob, carol, lines)
    assert len(list(house.front.bridges())) == 1
    await ends(carol, bob, lines[1])
