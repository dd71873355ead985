"""Somebody at a small phone: clicks what a person clicks, reads what the page shows, and has a voice that is known."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.interop.browsers import Page
from tests.interop.tones import Burst, bursts, samples_of

EAR = Path(__file__).with_name("ear.js").read_text()
EAR = EAR[EAR.index("async () =>") :]
LOW, HIGH = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
WINDOW_S, STEP_S = 0.04, 0.01
BROKEN_S = 0.15
LEAST_WINDOWS = 3
DIGITS = ("123A", "456B", "789C", "*0#D")


class Person:
    """One tab with one of the pages."""

    def __init__(self, page: Page, name: str) -> None:
        self.page, self.name = page, name

    async def open(self, url: str) -> None:
        """Loads the page and gives it ears."""
        await self.page.goto(url)
        await self.until("() => !document.getElementById('login').hidden")
        await self.page.evaluate(EAR)

    async def log_in(self) -> None:
        """With one click, as one of the two ready users."""
        await self.click(f"login-{self.name}")
        await self.ready()

    async def fill_in(self, **account: str) -> None:
        """With an account of its own; a field that is not named stays as the page has filled it."""
        await self.click("other-account")
        for field, text in account.items():
            await self.fill(field, text)
        await self.click("login")
        await self.ready()

    async def ready(self) -> None:
        """Waits until it is logged in."""
        await self.until("() => document.querySelector(\"[data-testid='state']\").dataset.state === 'ready'")

    async def click(self, name: str) -> None:
        """Presses what has that data-testid; of several cards the first."""
        await self.page.click(f"[data-testid='{name}']:not([hidden])")

    async def fill(self, name: str, text: str) -> None:
        """Writes into the field with that data-testid."""
        await self.page.evaluate("([name, text]) => { document.querySelector(`[data-testid='${name}']`).value = text; }", [name, text])

    async def text(self, name: str) -> str:
        """What stands there."""
        return str(await self.page.evaluate("(name) => document.querySelector(`[data-testid='${name}']`)?.textContent ?? ''", name))

    async def until(self, condition: str, argument: Any = None, seconds: float = 15) -> Any:
        """Waits until a JavaScript function gives something true, and returns it."""
        end = asyncio.get_running_loop().time() + seconds
        while not (found := await self.page.evaluate(condition, argument)):
            if asyncio.get_running_loop().time() > end:
                shown = await self.page.evaluate("() => document.body.innerText")
                raise AssertionError(f"{self.name}: never {condition} of {argument}\n{shown}\n" + "\n".join(self.page.console[-30:]))
            await asyncio.sleep(0.1)
        return found

    async def calls(self, *states: str, seconds: float = 15) -> None:
        """Waits until its calls have these states, the newest first; those that ended do not count."""
        shown = "[...document.querySelectorAll('.call')].map((one) => one.dataset.state).filter((one) => one !== 'ended')"
        await self.until(f"(states) => JSON.stringify({shown}) === JSON.stringify(states)", list(states), seconds)

    async def says(self, words: str) -> None:
        """Waits until the newest call's line has the words."""
        await self.until("(words) => document.querySelector(\"[data-testid='what']\")?.textContent.includes(words)", words)

    async def speak(self, frequency: float, seconds: float = 0.5) -> None:
        """A tone into the microphone."""
        await self.page.evaluate("([hz, seconds]) => window.ear.burst(hz, seconds)", [frequency, seconds])

    async def listen(self) -> None:
        """Hears the first call's media from now on."""
        await self.until("() => window.ear.listen()")
        await self.page.evaluate("() => window.ear.forget()")

    async def samples(self) -> tuple[Any, int]:
        """What was heard since `listen`, and its rate."""
        got = await self.page.evaluate("() => window.ear.heard()")
        return samples_of(base64.b64decode(got["data"])), got["rate"]

    async def heard(self) -> list[Burst]:
        """The tones since `listen`."""
        return bursts(*await self.samples())

    async def keys(self) -> str:
        """The digits whose two tones were heard since `listen`. A browser that lacks a packet breaks a tone in two, or blurs it."""
        samples, rate = await self.samples()
        found: list[tuple[str, float, int]] = []  # digit, when it was heard last, for how many windows
        for start in range(0, len(samples) - int(WINDOW_S * rate) + 1, int(STEP_S * rate)):
            at = start / rate
            key = key_of(samples[start : start + int(WINDOW_S * rate)], rate)
            if key and found and found[-1][0] == key and at - found[-1][1] < BROKEN_S:
                found[-1] = key, at, found[-1][2] + 1
            elif key:
                found.append((key, at, 1))
        return "".join(key for key, _, windows in found if windows >= LEAST_WINDOWS)

    async def without_microphone(self) -> None:
        """Its person has forbidden it."""
        denied = "Promise.reject(new DOMException('Permission denied', 'NotAllowedError'))"
        await self.page.evaluate(f"() => {{ navigator.mediaDevices.getUserMedia = () => {denied}; }}")

    async def leave(self) -> None:
        """Logs out and closes the tab: a page that is merely gone is waited for."""
        await self.page.evaluate("async () => { await window.phone?.stop(); await new Promise((done) => setTimeout(done, 100)); }")
        await self.page.close()

    async def no_trouble(self) -> None:
        """Nothing is complained of, in the page or the console."""
        assert await self.text("trouble") == ""
        assert not [line for line in self.page.console if line.startswith("pageerror")], self.page.console


def key_of(window: Any, rate: int) -> str:
    """The digit whose tones are in a piece of sound, or nothing."""
    if np.sqrt(np.mean(window**2)) < 0.01:
        return ""
    at = np.arange(len(window)) / rate
    shape = window * np.hanning(len(window))

    def power(hz: float) -> float:
        return float(abs(np.sum(shape * np.exp(-2j * np.pi * hz * at))) ** 2)

    low, high = [power(hz) for hz in LOW], [power(hz) for hz in HIGH]
    all_of_it = float(np.sum(shape**2)) * len(window) / 4
    if (max(low) + max(high)) < 0.5 * all_of_it or min(max(low), max(high)) < 0.1 * max(*low, *high):
        return ""
    return DIGITS[int(np.argmax(low))][int(np.argmax(high))]


async def hear_each_other(first: Person, second: Person) -> None:
    """A burst each way is found at the other side with its pitch, and no other."""
    await asyncio.gather(first.listen(), second.listen())
    await asyncio.sleep(1)  # a browser plays what gathered while the media began faster, and a tone with it
    await asyncio.gather(first.listen(), second.listen())
    await asyncio.gather(first.speak(700), second.speak(1100))
    await asyncio.sleep(1.5)
    assert [one.frequency for one in await first.heard()] == [pytest.approx(1100, rel=0.02)], first.name
    assert [one.frequency for one in await second.heard()] == [pytest.approx(700, rel=0.02)], second.name


async def hears_nothing_of(person: Person, other: Person) -> None:
    """What the other says does not arrive."""
    await person.listen()
    await other.speak(700)
    await asyncio.sleep(1)
    assert await person.heard() == [], person.name


async def dial(person: Person, other: Person, digits: str) -> None:
    """The digits that a person presses are heard by the other, whose browser makes tones of the events (RFC 4733)."""
    await person.click("digits")
    await other.listen()
    for digit in digits:
        await person.click(f"digit-{digit}")
        await asyncio.sleep(0.4)
    await asyncio.sleep(0.6)
    found = await other.keys()
    assert found == digits, found
    await person.click("digits")


async def hears_itself(person: Person) -> None:
    """What it says comes back."""
    await person.listen()
    await asyncio.sleep(1)
    await person.listen()
    await person.speak(700)
    await asyncio.sleep(1.5)
    assert [one.frequency for one in await person.heard()] == [pytest.approx(700, rel=0.02)], person.name


async def connect(caller: Person, callee: Person, address: str = "") -> None:
    """One calls the other, with a button or by an address, and the other answers."""
    if address:
        await caller.fill("target", address)
        await caller.click("call")
    else:
        await caller.click(f"call-{callee.name}")
    await callee.until("() => document.querySelector(\".call[data-state='incoming']\") !== null")
    await callee.click("answer")
    await callee.until("() => document.querySelector('.call').dataset.state === 'up'")
    await caller.until("() => document.querySelector('.call').dataset.state === 'up'")
