"""A newcomer's first SIP calls: what `make run` prints is opened, and two clicks do; without npm the pages say what to install."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from boringsdp.demo.phones import FOLDER, OF_NPM, PAGES, Phones, PhoneSettings
from tests.demo.running import RunningDemo
from tests.interop.browsers import Browser
from tests.interop.conftest import browser, chromium, firefox
from tests.interop.phone.conftest import library
from tests.interop.phone.tab import connect, hear_each_other, open_tab, says
from tests.interop.small_phones.person import Person

__all__ = ["browser", "chromium", "firefox", "library"]

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def demo(library: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningDemo]:
    running = RunningDemo(tmp_path_factory.mktemp("first-call") / "log")
    await running.start()
    yield running
    await running.stop()


@pytest.mark.parametrize("browser_name", ["chromium", "firefox"])
async def test_two_clicks(browser: Browser, demo: RunningDemo):
    async with open_tab(browser, demo.phone, "alice") as alice:
        await alice.click("call-echo")
        await alice.reaches(1, "active")
        await says(alice, alice)
        await alice.hang_up()


@pytest.mark.parametrize("browser_name", ["chromium", "firefox"])
async def test_two_tabs(browser: Browser, chromium: Browser, demo: RunningDemo):
    async with open_tab(browser, demo.phone, "alice") as alice, open_tab(chromium, demo.phone, "bob") as bob:
        await connect(alice, bob)
        await hear_each_other(alice, bob)
        await bob.hang_up()
        await alice.reaches(1, "")


async def test_the_demo_leads_to_each_phone(chromium: Browser, demo: RunningDemo):
    page = await chromium.new_page()
    await page.goto(demo.address)
    paths = await page.evaluate("() => [...document.querySelectorAll('[data-testid=phones] a')].map((one) => one.pathname)")
    assert set(paths) == {f"/{path}/" for path in PAGES if path != "common"}
    for path in paths:
        await page.goto(demo.address.replace("/demo/", path))
        person = Person(page, "alice")
        await person.until("() => document.querySelector(\"[data-testid='login-alice'], [data-testid='log-in-alice']\") !== null")
    assert not [line for line in page.console if line.startswith("pageerror")], page.console
    await page.close()


@pytest.mark.parametrize("path", ["phone", "phone-sipjs", "phone-janus"])
async def test_without_npm_a_page_says_what_to_install(chromium: Browser, tmp_path: Path, path: str):
    folder = tmp_path / "examples"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("lib"))
    app = web.Application()
    app.add_routes(Phones(PhoneSettings(), lambda: 8188, lambda: "", folder=folder).routes())
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    page = await chromium.new_page()
    try:
        await page.goto(f"http://127.0.0.1:{runner.addresses[0][1]}/{path}/")
        words = "() => /npm/.test(document.body.innerText) && /make (run|setup)/.test(document.body.innerText)"
        await Person(page, "somebody").until(words)
    finally:
        await page.close()
        await runner.cleanup()


async def test_each_library_has_its_licence_at_its_head(library: None):
    for name in OF_NPM:
        head = (FOLDER / "lib" / name).read_text()[:4000]
        assert head.startswith("/*! ")
        assert "Permission is hereby granted" in head
