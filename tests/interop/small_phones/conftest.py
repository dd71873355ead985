"""The demo with its phones, and people at them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import urljoin

import pytest
import pytest_asyncio

from tests.demo.running import RunningDemo
from tests.interop.browsers import Browser
from tests.interop.conftest import ARTIFACTS
from tests.interop.phone.conftest import library
from tests.interop.small_phones.person import Person

__all__ = ["library"]

CAROL, PASSWORD, OFFICE = "carol", "pa55word", "office.example"
Comer = Callable[[str], Awaitable[Person]]
"""Opens a page and logs in as a user of that name; carol writes her account into the form."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def demo(library: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningDemo]:
    """The gateway as `make run` starts it, with a further domain that has a third user."""
    folder = tmp_path_factory.mktemp("phones")
    (folder / "users").write_text(f"{CAROL}:{PASSWORD}\n")
    config = folder / "boringsdp.toml"
    config.write_text(f'[b2bua.domains."{OFFICE}"]\nusers = "{folder}/users"\n')
    running = RunningDemo(folder / "log", f"--config={config}")
    await running.start()
    yield running
    await running.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def comes(browser: Browser, demo: RunningDemo, request: pytest.FixtureRequest) -> AsyncIterator[Comer]:
    """People at the page that the module's PAGE names; they are gone after the test, and had no trouble in it."""
    page: str = request.module.PAGE
    people: list[Person] = []

    async def come(name: str) -> Person:
        person = Person(await browser.new_page(), name)
        people.append(person)
        await person.open(urljoin(demo.address, page))
        if name == CAROL:
            await person.fill_in(**{"user": CAROL, "password": PASSWORD, **request.module.ACCOUNT})
        else:
            await person.log_in()
        return person

    yield come
    for person in people:
        with contextlib.suppress(Exception):
            ARTIFACTS.mkdir(exist_ok=True)
            await person.page.screenshot(ARTIFACTS / f"{request.node.name}-{person.name}.png")
    try:
        for person in people:
            await person.no_trouble()
    finally:
        for person in people:
            await person.leave()
