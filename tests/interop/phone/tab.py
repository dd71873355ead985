"""The web phone in a tab of a real browser: pressed, read, heard and seen."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.browsers import Browser, Page
from tests.interop.tones import Burst, bursts, samples_of

EARS = Path(__file__).with_name("ears.js").read_text()
EARS = EARS[EARS.index("({") :]
COLOURS = {"alice": "rgb(200, 30, 30)", "bob": "rgb(30, 30, 200)"}
PITCHES = {"alice": 700, "bob": 1100, "carol": 1600}
BURST_S = 0.5


def selector(testid: str, line: int | None = None) -> str:
    """Where something of the page is; with `line`, on that line's card."""
    return (f'[data-testid="line-{line}"] ' if line else "") + f'[data-testid="{testid}"]'


class PhoneTab:
    """`user` is whom it is logged in as."""

    def __init__(self, page: Page, user: str) -> None:
        self.page = page
        self.user = user
        self.pitch = PITCHES.get(user, 900)

    async def click(self, testid: str, line: int | None = None) -> None:
        """Presses a button, once it is there and can be pressed."""
        where = json.dumps(selector(testid, line))
        await self.until(f"(one => one && !one.disabled && one.checkVisibility())(document.querySelector({where}))")
        await self.page.click(selector(testid, line))

    async def write(self, testid: str, text: str, line: int | None = None) -> None:
        """Puts text into a field, or chooses an option."""
        await self.get(
            f"""(one => {{
                one.value = {json.dumps(text)};
                one.dispatchEvent(new Event('input', {{bubbles: true}}));
                one.dispatchEvent(new Event('change', {{bubbles: true}}));
            }})(document.querySelector({json.dumps(selector(testid, line))}))"""
        )

    async def get(self, expression: str) -> Any:
        """The JSON value of a JavaScript expression."""
        return await self.page.evaluate(f"async () => await ({expression})")

    async def until(self, expression: str, seconds: float = 10) -> Any:
        """Waits for an expression to become true; its value. Raises AssertionError with what the page shows."""
        end = asyncio.get_running_loop().time() + seconds
        while not (value := await self.get(expression)):
            if asyncio.get_running_loop().time() > end:
                shown = await self.get("document.body.innerText")
                raise AssertionError(f"{self.user}: never {expression}\n{shown}\n{self.page.console[-20:]}")
            await asyncio.sleep(0.05)
        return value

    async def text(self, testid: str, line: int | None = None) -> str:
        """What is read there; empty when it is not shown."""
        where = json.dumps(selector(testid, line))
        return str(await self.get(f"(one => one?.checkVisibility() ? one.innerText : '')(document.querySelector({where}))"))

    async def shows(self, testid: str, text: str, line: int | None = None, seconds: float = 10) -> None:
        """Waits until `text` is read there."""
        where = json.dumps(selector(testid, line))
        wanted = json.dumps(text)
        await self.until(
            f"[...document.querySelectorAll({where})].some(one => one.checkVisibility() && one.innerText.includes({wanted}))", seconds
        )

    async def state(self, line: int) -> str:
        """calling, ringing, incoming, answering, active, held; empty when the line is free."""
        return str(await self.get(f"phone.lines.find(one => one.number === {line})?.state ?? ''"))

    async def reaches(self, line: int, state: str, seconds: float = 10) -> None:
        """Waits for the state of a line; an empty one is a free line."""
        await self.until(f"(phone.lines.find(one => one.number === {line})?.state ?? '') === {json.dumps(state)}", seconds)

    async def log_in(self) -> None:
        """As one of the ready users by one click, as another by the form."""
        if await self.get(f"Boolean(document.querySelector('[data-testid=log-in-{self.user}]'))"):
            await self.click(f"log-in-{self.user}")
        else:
            await self.click("own-account")
            for field, text in (("login-user", self.user), ("login-password", self.user[0]), ("login-name", self.user.title())):
                await self.write(field, text)
            await self.click("log-in")
        await self.until("phone.connection.state === 'registered'")

    async def dial(self, target: str) -> None:
        """Writes the number and presses Call."""
        await self.write("target", target)
        await self.click("call")

    async def hang_up(self, line: int = 1) -> None:
        await self.click("hang-up", line)
        await self.reaches(line, "")

    async def listens(self, line: int = 1) -> None:
        """Waits for sound to come to that line's loudspeaker."""
        await self.until(f"ears.listen({line}) && ears.taps.get({line}).chunks.length > 3")

    async def heard(self, line: int = 1) -> list[Burst]:
        """The tone bursts since `forget`."""
        await self.get(f"ears.listen({line})")
        got = await self.get(f"ears.heard({line})")
        return bursts(samples_of(base64.b64decode(got["data"])), round(got["rate"]))


async def connect(caller: PhoneTab, callee: PhoneTab, lines: tuple[int, int] = (1, 1)) -> None:
    """One calls on a line of theirs, the other answers on one of theirs."""
    await caller.dial(callee.user)
    await callee.click("answer", lines[1])
    await caller.reaches(lines[0], "active")
    await callee.reaches(lines[1], "active")


async def hear_each_other(first: PhoneTab, second: PhoneTab, lines: tuple[int, int] = (1, 1)) -> None:
    """A burst each way, found on the other side with its pitch, and no other."""
    await asyncio.gather(says(first, second, lines[1]), says(second, first, lines[0]))


async def says(speaker: PhoneTab, hearer: PhoneTab, line: int = 1, *, silence: bool = False) -> None:
    """The speaker's burst is heard on the hearer's line; with `silence`, it is not."""
    await hearer.get(f"ears.listen({line})") if silence else await hearer.listens(line)
    await asyncio.sleep(0.5)
    await hearer.get("ears.forget()")
    await speaker.get(f"ears.burst({BURST_S}, {speaker.pitch})")
    found: list[Burst] = []
    for _ in range(6 if silence else 12):
        await asyncio.sleep(0.25)
        found = [burst for burst in await hearer.heard(line) if burst.seconds >= 0.3]
        if found and not silence:
            break
    if silence:
        assert found == [], f"{hearer.user} heard {found}"
        return
    assert [burst.frequency for burst in found] == [pytest.approx(speaker.pitch, rel=0.03)], f"{hearer.user} heard {found}"


@contextlib.asynccontextmanager
async def open_tab(browser: Browser, url: str, user: str, *, log_in: bool = True) -> AsyncIterator[PhoneTab]:
    """A phone with a tone for a microphone, logged in. At the end no error stands in its console."""
    page = await browser.new_page()
    await page.goto(url)
    tab = PhoneTab(page, user)
    await tab.get("localStorage.clear()")
    await page.goto(url)
    await tab.until("Boolean(window.phone)")
    await page.evaluate(EARS, {"frequency": tab.pitch, "colour": COLOURS.get(user, "rgb(30, 160, 30)")})
    try:
        if log_in:
            await tab.log_in()
        yield tab
        assert not [line for line in page.console if line.startswith("pageerror")]
    finally:
        with contextlib.suppress(Exception):
            await tab.get("phone.logOut()")
        await page.close()
