"""The demo page in real Chromium and real Firefox: a person's clicks, and what the page then shows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from tests.demo.running import RunningDemo
from tests.interop.browsers import Browser, Page
from tests.interop.conftest import ARTIFACTS, browser, chromium, firefox

__all__ = ["browser", "chromium", "firefox"]

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("browser_name", ["chromium", "firefox"]),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def demo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningDemo]:
    running = RunningDemo(tmp_path_factory.mktemp("demo") / "log")
    await running.start()
    yield running
    await running.stop()


@dataclass
class DemoPage:
    """The page in words of the tests; elements are named by their data-testid."""

    page: Page

    async def text(self, name: str) -> str:
        return str(await self.page.evaluate("(name) => document.querySelector(`[data-testid='${name}']`).textContent", name))

    async def click(self, name: str) -> None:
        await self.page.click(f"[data-testid='{name}']")

    async def until(self, condition: str, argument: Any = None, seconds: float = 15) -> None:
        """Wait until the JavaScript function `condition` is true."""
        end = asyncio.get_running_loop().time() + seconds
        while not await self.page.evaluate(condition, argument):
            if asyncio.get_running_loop().time() > end:
                shown = await self.page.evaluate("() => document.body.innerText")
                raise AssertionError(f"never: {condition} of {argument}\n{shown}\n" + "\n".join(self.page.console))
            await asyncio.sleep(0.1)

    async def until_state(self, state: str) -> None:
        await self.until("(state) => document.body.dataset.state === state", state)

    async def until_heard(self) -> None:
        """The tone comes back: loud enough, and one of its two notes."""
        await self.until("() => demo.level() > -40 && [440, 660].some((note) => Math.abs(demo.pitch() - note) < 15)")

    async def until_silent(self) -> None:
        await self.until("() => demo.level() < -60")

    async def number(self, name: str) -> float:
        return float(await self.text(name))

    async def no_trouble(self) -> None:
        hidden = await self.page.evaluate("() => document.querySelector(\"[data-testid='banner']\").hidden")
        assert hidden, await self.text("banner-text")


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, demo: RunningDemo, request: pytest.FixtureRequest) -> AsyncIterator[DemoPage]:
    made = DemoPage(await browser.new_page())
    await made.page.goto(demo.address)
    await made.until("() => document.querySelector(\"[data-testid='gateway']\").dataset.state === 'connected'")
    yield made
    ARTIFACTS.mkdir(exist_ok=True)
    await made.page.screenshot(ARTIFACTS / f"{request.node.name}.png")
    await made.page.evaluate("() => demo.call()?.hangUp()")
    await made.page.close()


@pytest.mark.parametrize("codec", ["opus", "G722", "PCMU", "PCMA"])
async def test_a_call_is_heard_back_and_shown(page: DemoPage, codec: str):
    await page.click(f"codec-{codec}")
    await page.click("call")
    await page.until_state("up")
    await page.until_heard()
    await page.until("(codec) => document.querySelector(\"[data-testid='leg-plain-codec']\").textContent.startsWith(codec)", codec)
    assert await page.text("ice-state") in ("ICE connected", "ICE completed")
    assert await page.text("dtls-state") == "DTLS connected"
    await page.until("() => Number(document.querySelector(\"[data-testid='leg-plain-received']\").textContent) > 100")
    for leg in ("leg-webrtc", "leg-plain"):
        assert await page.number(f"{leg}-received") > 50
        assert await page.number(f"{leg}-sent") > 50
        assert await page.number(f"{leg}-lost") == 0
    drawn = await page.page.evaluate(
        "() => [...document.querySelectorAll('.chart path.in')].filter((path) => path.getAttribute('d')).length"
    )
    assert drawn >= 7  # the level of Opus from the plain side is not known
    assert await page.number("count-removed") > 5
    await page.click("tab-answer")
    assert "candidate" in await page.text("rows")
    await page.no_trouble()
    await page.click("hang-up")
    await page.until_state("idle")


async def test_descriptions_are_shown_whole(page: DemoPage):
    await page.click("call")
    await page.until_state("up")
    await page.until("() => document.querySelectorAll('.row').length > 20")
    heights = await page.page.evaluate("() => [document.getElementById('rows')].flatMap((it) => [it.scrollHeight, it.clientHeight])")
    assert heights[0] <= heights[1]


async def test_a_connection_that_the_browser_closes_is_said_in_plain_words(page: DemoPage):
    await page.click("call")
    await page.until_heard()
    await page.page.evaluate("() => window.demo.call().connection.close()")
    await page.until_state("idle")
    assert "closed by the browser" in await page.text("status")


async def test_the_echo_peer_calls(page: DemoPage):
    await page.click("be-called")
    await page.until_state("up")
    await page.until_heard()
    assert "Echo peer (plain RTP) to This browser" in await page.text("summary")
    await page.no_trouble()


@pytest.mark.parametrize("how", ["call", "be-called"])
async def test_srtp_keyed_by_sdes_on_the_plain_side(page: DemoPage, how: str):
    await page.click("codec-PCMA")
    await page.click("srtp-sdes")
    await page.click(how)
    await page.until_state("up")
    await page.until_heard()
    assert "a=crypto:" in await page.text("rows")
    await page.until("() => document.querySelector(\"[data-testid='plain-protocol']\").textContent.startsWith('SRTP (SDES)')")
    await page.no_trouble()


async def test_hold_resume_and_a_change_of_codec(page: DemoPage):
    await page.click("codec-PCMU")
    await page.click("call")
    await page.until_heard()
    await page.click("hold")
    await page.until_state("held")
    assert await page.text("status") == "On hold: the peer still receives you; you receive nothing."
    await page.until_silent()
    await page.click("hold")
    await page.until_state("up")
    await page.until_heard()
    await page.click("codec-opus")
    await page.until("() => document.querySelector(\"[data-testid='leg-webrtc-codec']\").textContent.startsWith('opus')")
    await page.until_heard()
    await page.no_trouble()


@pytest.mark.parametrize("codec", ["PCMU", "opus"])
async def test_digits_are_reported_once_and_arrive(page: DemoPage, codec: str):
    await page.click(f"codec-{codec}")
    await page.click("call")
    await page.until("() => !document.querySelector(\"[data-testid='digit-5']\").disabled")
    await page.until_heard()
    for digit in "5#A":
        await page.click(f"digit-{digit}")
        await asyncio.sleep(0.4)
    for place in ("digits-gateway", "digits-peer"):
        words = "(place) => document.querySelector(`[data-testid='${place}']`).textContent.replace(/ \\d+ ms /g, '')"
        await page.until(f"(place) => ({words})(place) === '5#A'", place)
        lengths = [int(word) for word in (await page.text(place)).split() if word.isdigit() and len(word) > 1]
        assert all(60 <= length <= 160 for length in lengths), lengths
    await page.no_trouble()


async def test_a_gateway_that_goes_away_is_said_and_found_again(page: DemoPage, demo: RunningDemo):
    await page.click("call")
    await page.until_state("up")
    await demo.stop()
    await page.until_state("idle")
    assert "lost" in await page.text("banner-text")
    await demo.start()
    await page.until("() => document.querySelector(\"[data-testid='gateway']\").dataset.state === 'connected'", seconds=20)
    await page.no_trouble()
    await page.click("call")
    await page.until_state("up")
    await page.until_heard()


async def test_it_can_be_used_by_keyboard_and_on_a_phone(page: DemoPage):
    """Every control has a name and can be focused, and nothing is wider than a narrow window."""
    nameless = await page.page.evaluate(
        """() => [...document.querySelectorAll('button, input, summary')]
            .filter((it) => !(it.textContent.trim() || it.ariaLabel || it.labels?.length)).map((it) => it.outerHTML)"""
    )
    assert nameless == []
    width = await page.page.evaluate(
        """async (address) => {
            const frame = document.createElement('iframe');
            frame.style.width = '360px';
            const text = document.documentElement.outerHTML.replace(/<script.*<.script>/, '');
            frame.srcdoc = text.replace('<head>', `<head><base href="${address}">`);
            document.body.append(frame);
            await new Promise((resolve) => { frame.onload = resolve; });
            await new Promise((resolve) => setTimeout(resolve, 300));
            const wide = frame.contentDocument.documentElement.scrollWidth;
            frame.remove();
            return wide;
        }""",
        await page.page.evaluate("() => location.href"),
    )
    assert width <= 360
