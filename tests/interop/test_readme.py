"""The page in the README is a whole one: it calls the echo peer as it stands, and is called by it with the change that follows it."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from boringsdp.demo.echo_server import application
from tests.interop.browsers import Browser, Page
from tests.interop.conftest import Gateway
from tests.interop.rig import NODE_MODULES

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="session")]

README = (Path(__file__).parents[2] / "README.md").read_text()
SERVER = "ws://127.0.0.1:8188"
PACKAGES = ("janus-gateway/npm/dist", "webrtc-adapter/out")

LOUDEST = """async (seconds) => {
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    const speaker = document.getElementById('speaker');
    context.createMediaStreamSource(speaker.srcObject).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    let loudest = 0;
    for (const end = Date.now() + seconds * 1000; Date.now() < end && loudest < 0.01;) {
        analyser.getFloatTimeDomainData(samples);
        loudest = Math.max(loudest, ...samples.map(Math.abs));
        await new Promise(done => setTimeout(done, 20));
    }
    return loudest;
}"""


def block(language: str) -> str:
    """The only block of that language in the README."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1
    return str(blocks[0])


def calling() -> str:
    return block("html")


def called() -> str:
    """The page with its two functions replaced by those of the second listing."""
    page, changed = re.subn(r"^  success\(.*?(?=^  onremotetrack)", lambda _: block("js"), block("html"), flags=re.MULTILINE | re.DOTALL)
    assert changed == 1
    return page


@pytest_asyncio.fixture(loop_scope="session")
async def folder_and_address(tmp_path: Path) -> AsyncIterator[tuple[Path, str]]:
    """A folder with what npm installs, served by the echo server."""
    for package in PACKAGES:
        if not (NODE_MODULES / package).exists():
            pytest.skip("npm ci (the official janus.js and webrtc-adapter)")
        shutil.copytree(NODE_MODULES / package, tmp_path / "node_modules" / package)
    runner = web.AppRunner(application(tmp_path))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield tmp_path, f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def log_with(page: Page, word: str) -> str:
    """The page's log as soon as it has a line of `word`."""
    log = ""
    for _ in range(150):
        log = str(await page.evaluate("async () => document.getElementById('log').textContent"))
        if word in log.splitlines():
            return log
        await asyncio.sleep(0.1)
    raise AssertionError(f"no line {word!r} in {log!r}; console: {page.console}")


@pytest.mark.parametrize("made", [calling, called], ids=["calling", "called"])
async def test_the_page_hears_itself(chromium: Browser, gateway: Gateway, folder_and_address: tuple[Path, str], made: Callable[[], str]):
    folder, address = folder_and_address
    text = made()
    assert SERVER in text
    folder.joinpath("page.html").write_text(text.replace(SERVER, gateway.websocket))
    page = await chromium.new_page()
    try:
        await page.goto(f"{address}/page.html")
        await page.click("#start")
        log = await log_with(page, "connected")
        assert [line for line in log.splitlines() if line.startswith("event")] == (
            ["event generated", "event processed"] if made is calling else ["event processed", "event generated"]
        )
        assert await page.evaluate(LOUDEST, 10) > 0.01
        assert not [line for line in page.console if line.startswith("pageerror")]
    finally:
        await page.close()


async def test_a_refusal_is_shown(chromium: Browser, gateway: Gateway, folder_and_address: tuple[Path, str]):
    folder, address = folder_and_address
    folder.joinpath("page.html").write_text(calling().replace(SERVER, gateway.websocket).replace("return reply.text();", "return 'v=0';"))
    page = await chromium.new_page()
    try:
        await page.goto(f"{address}/page.html")
        await page.click("#start")
        for _ in range(100):
            log = str(await page.evaluate("async () => document.getElementById('log').textContent"))
            if "error 44" in log:
                break
            await asyncio.sleep(0.1)
        assert re.search(r"error 44[67]: .*SDP", log)
    finally:
        await page.close()
