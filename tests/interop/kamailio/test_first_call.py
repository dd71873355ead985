"""kamailio/phone.html: its two tabs call each other, with JsSIP bundled as kamailio/README.md says."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.interop.browsers import Page
from tests.interop.kamailio.webphone import missing
from tests.interop.rig import NODE_MODULES

KAMAILIO = Path(__file__).parents[3] / "kamailio"
pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="session")]


async def said(page: Page, text: str) -> None:
    """Waits for a line of the page's log. Raises AssertionError with the log."""
    log = ""
    for _ in range(150):
        log = await page.evaluate("() => document.getElementById('log').textContent")
        if text in log:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{text!r} is not in {log!r}; console: {page.console[-10:]}")


async def a_tab(chromium: Any, url: str, proxy: Any, user: str) -> Page:
    page: Page = await chromium.new_page()
    await page.goto(url)
    values = {"proxy": proxy.websocket, "me": f"{user}@{proxy.sip}", "peer": "bea"}
    await page.evaluate("(all) => { for (const [id, value] of Object.entries(all)) document.getElementById(id).value = value; }", values)
    await page.click("#register")
    await said(page, "registered")
    return page


async def test_two_tabs_call_each_other(proxy, chromium, tmp_path):
    if problem := missing():
        pytest.skip(problem)
    (command,) = re.findall(r"^npx esbuild (.*)$", (KAMAILIO / "README.md").read_text(), re.MULTILINE)
    (tmp_path / "node_modules").symlink_to(NODE_MODULES)
    (tmp_path / "phone.html").write_text((KAMAILIO / "phone.html").read_text())
    bundler = await asyncio.create_subprocess_exec(NODE_MODULES / ".bin" / "esbuild", *command.split(), "--log-level=error", cwd=tmp_path)
    assert await bundler.wait() == 0
    app = web.Application()
    app.router.add_static("/", tmp_path)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    tabs: list[Page] = []
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/phone.html"
        tabs += [await a_tab(chromium, url, proxy, user) for user in ("ann", "bea")]
        ann, bea = tabs
        await ann.click("#call")
        await said(bea, "ann calls")
        await bea.click("#answer")
        for tab in tabs:
            await said(tab, "speak")
            await tab.evaluate(HEARS, None, 15)
        await bea.click("#end")
        await said(ann, "ended")
    except Exception as error:
        error.add_note(f"Kamailio: {proxy.log[-2000:]}")
        raise
    finally:
        for tab in tabs:
            await tab.close()
        await runner.cleanup()


HEARS = """async () => {
  for (;;) {
    const reports = [...(await session.connection.getStats()).values()];
    if (reports.some(report => report.type === 'inbound-rtp' && report.totalAudioEnergy > 0)) return;
    await new Promise(resolve => setTimeout(resolve, 100));
  }
}"""
