"""The page in docs/sip.md is a whole one: two tabs call each other through the gateway's own SIP port."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from tests.interop.rig import NODE_MODULES
from tests.interop.test_readme import LOUDEST, PACKAGES, SERVER, log_with
from tests.support.gateway import free_port, running_gateway

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="session")]

TEXT = (Path(__file__).parents[3] / "docs" / "sip.md").read_text()


@pytest_asyncio.fixture(loop_scope="session")
async def folder(tmp_path: Path) -> AsyncIterator[tuple[Path, str]]:
    """A folder with what npm installs, served on loopback."""
    for package in PACKAGES:
        if not (NODE_MODULES / package).exists():
            pytest.skip("npm ci (the official janus.js and webrtc-adapter)")
        shutil.copytree(NODE_MODULES / package, tmp_path / "node_modules" / package)
    app = web.Application()
    app.router.add_static("/", tmp_path)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield tmp_path, f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_two_tabs_call_each_other(chromium, folder):
    place, address = folder
    page = re.search(r"^```html\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)[1]
    command = re.search(r"^boringsdp serve (.*)$", TEXT, re.MULTILINE)[1].split()
    port = free_port()
    with running_gateway(*command, f"--sip.listen=udp:127.0.0.1:{port}") as gateway:
        changed = page.replace(SERVER, gateway.websocket.rstrip("/")).replace("127.0.0.1:5060", f"127.0.0.1:{port}")
        assert changed != page
        place.joinpath("phone.html").write_text(changed)
        alice, bob = await chromium.new_page(), await chromium.new_page()
        for name, tab in (("alice", alice), ("bob", bob)):
            await tab.goto(f"{address}/phone.html?me={name}")
            await log_with(tab, "registered")
        await alice.click("#call")
        assert f"from sip:alice@127.0.0.1:{port}" in await log_with(bob, "incomingcall")
        await log_with(alice, "ringing")
        await bob.click("#answer")
        for tab in (alice, bob):
            await log_with(tab, "accepted")
            assert await tab.evaluate(LOUDEST, 10) > 0.01
        await bob.click("#end")
        for tab in (alice, bob):
            await log_with(tab, "hangup")
        await alice.click("#call")
        await log_with(bob, "incomingcall")
        await bob.click("#end")
        assert "603" in await log_with(alice, "603 Decline")
        for tab in (alice, bob):
            assert not [line for line in tab.console if line.startswith("pageerror")]
            await tab.close()
