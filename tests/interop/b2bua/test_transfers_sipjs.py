"""Transfers by and of a web phone on SIP.js, carried out by the gateway; the others are on SIP.js and JsSIP."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.interop.b2bua.conftest import House
from tests.interop.browsers import Browser
from tests.interop.small_phones.person import Person, hear_each_other

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("browser_name", ["chromium", "firefox"]),
]


@contextlib.asynccontextmanager
async def somebody(browser: Browser, house: House, name: str) -> AsyncIterator[Person]:
    person = Person(await browser.new_page(), name)
    try:
        await person.open(house.address + "phone-sipjs/")
        await person.log_in()
        yield person
        await person.no_trouble()
    finally:
        await person.page.close()


@pytest_asyncio.fixture(loop_scope="session")
async def alice(browser: Browser, house: House) -> AsyncIterator[Person]:
    async with somebody(browser, house, "alice") as person:
        yield person


@pytest_asyncio.fixture(loop_scope="session")
async def bob(chromium: Browser, house: House) -> AsyncIterator[Person]:
    async with somebody(chromium, house, "bob") as person:
        yield person


@pytest_asyncio.fixture(loop_scope="session")
async def carol(chromium: Browser, house: House) -> AsyncIterator[Person]:
    async with somebody(chromium, house, "carol") as person:
        yield person


async def talk(caller: Person, callee: Person) -> None:
    await caller.click(f"call-{callee.name}")
    await callee.calls("incoming")
    await callee.click("answer")
    await caller.until("() => document.querySelector('.call').dataset.state === 'up'")
    await callee.calls("up")


async def transfers(person: Person, target: str) -> None:
    await person.fill("transfer-to", target)
    await person.click("transfer-go")


async def test_blind(house: House, alice: Person, bob: Person, carol: Person) -> None:
    await talk(alice, bob)
    await hear_each_other(alice, bob)
    await transfers(alice, "carol")
    await carol.calls("incoming")
    await carol.click("answer")
    await alice.calls()
    await carol.calls("up")
    await bob.calls("up")
    await hear_each_other(bob, carol)
    assert len(list(house.front.bridges())) == 1
    await bob.click("end")
    await carol.calls()


async def test_declined(alice: Person, bob: Person, carol: Person) -> None:
    await talk(bob, alice)
    await transfers(alice, "carol")
    await carol.calls("incoming")
    await carol.click("end")
    await alice.says("not transferred: 603")
    await alice.calls("up")
    await hear_each_other(alice, bob)
    await alice.click("end")
    await bob.calls()


async def test_attended(house: House, alice: Person, bob: Person, carol: Person) -> None:
    await talk(alice, bob)
    await alice.click("hold")
    await alice.calls("held")
    await talk(alice, carol)
    await alice.calls("up", "held")
    await hear_each_other(alice, carol)
    await alice.click("join")
    await alice.calls()
    for person in (bob, carol):
        await person.calls("up")
    await hear_each_other(bob, carol)
    assert len(list(house.front.bridges())) == 1
    await carol.click("end")
    await bob.calls()
