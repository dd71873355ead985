"""Real Chromium and real Firefox behind one small interface.

Chromium is driven by Playwright. Playwright's own Firefox protocol needs a patched build, so the Firefox of Debian is driven
by WebDriver BiDi (bidi.py).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Protocol

from playwright.async_api import Browser as PlaywrightBrowser
from playwright.async_api import Page as PlaywrightPage
from playwright.async_api import async_playwright

from tests.interop.bidi import BidiConnection, BidiError
from tests.support.processes import end

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FIREFOX = ("firefox-esr", "firefox")

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--allow-loopback-in-peer-connection",
    "--disable-features=WebRtcHideLocalIpsWithMdns,Translate,OptimizationHints,MediaRouter",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
]

FIREFOX_PREFS: dict[str, bool | int | str] = {
    "app.update.enabled": False,
    "app.normandy.enabled": False,
    "app.shield.optoutstudies.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "dom.min_background_timeout_value": 4,
    "extensions.update.enabled": False,
    "media.autoplay.default": 0,
    "media.autoplay.blocking_policy": 0,
    "media.gmp-manager.updateEnabled": False,
    "media.navigator.permission.disabled": True,
    "media.navigator.streams.fake": True,
    "media.peerconnection.ice.loopback": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "remote.active-protocols": 1,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "toolkit.telemetry.enabled": False,
}


KEYS = {"Tab": "\ue004", "Enter": "\ue006", "Shift": "\ue008", "Alt": "\ue00a", "Escape": "\ue00c", "Space": " "}
"""What WebDriver calls them."""


class Page(Protocol):
    """What a test needs of a page."""

    console: list[str]

    async def goto(self, url: str) -> None:
        """Waits for the load event."""

    async def evaluate(self, function: str, argument: Any = None, seconds: float = 60) -> Any:
        """The JSON result of a JavaScript function of one JSON argument, awaited when it is a promise."""

    async def click(self, selector: str) -> None:
        """Clicks the first match, with user activation."""

    async def press(self, key: str) -> None:
        """Presses a key where the focus is: a character, or Tab, Enter, Escape; with Alt+ or Shift+ before it."""

    async def screenshot(self, path: Path) -> None:
        """Writes what is seen as PNG."""

    async def resize(self, width: int, height: int) -> None:
        """Gives the page another size, in CSS pixels."""

    async def close(self) -> None:
        """Closes the tab."""


class Browser(Protocol):
    """A running browser."""

    name: str

    async def new_page(self) -> Page:
        """A fresh tab."""


def find(names: tuple[str, ...]) -> str | None:
    """The first of the programs that is installed."""
    return next(filter(None, map(shutil.which, names)), None)


def wrap(function: str) -> str:
    """`function` as one from JSON text to JSON text: no driver's own idea of a value gets in between."""
    return f"async (text) => {{ const out = await ({function})(JSON.parse(text)); return JSON.stringify(out === undefined ? null : out); }}"


class ChromiumPage:
    def __init__(self, page: PlaywrightPage) -> None:
        self._page = page
        self.console: list[str] = []
        page.on("console", lambda message: self.console.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.console.append(f"pageerror: {error}"))

    async def goto(self, url: str) -> None:
        await self._page.goto(url)

    async def evaluate(self, function: str, argument: Any = None, seconds: float = 60) -> Any:
        return json.loads(await asyncio.wait_for(self._page.evaluate(wrap(function), json.dumps(argument)), seconds))

    async def click(self, selector: str) -> None:
        await self._page.click(selector)

    async def press(self, key: str) -> None:
        await self._page.keyboard.press(key)

    async def screenshot(self, path: Path) -> None:
        await self._page.screenshot(path=path)

    async def resize(self, width: int, height: int) -> None:
        await self._page.set_viewport_size({"width": width, "height": height})

    async def close(self) -> None:
        await self._page.close()


class Chromium:
    name = "chromium"

    def __init__(self, browser: PlaywrightBrowser) -> None:
        self._browser = browser

    async def new_page(self) -> ChromiumPage:
        context = await self._browser.new_context(ignore_https_errors=True, viewport={"width": 1280, "height": 900})
        return ChromiumPage(await context.new_page())


class FirefoxPage:
    def __init__(self, connection: BidiConnection, context: str) -> None:
        self._connection, self._context = connection, context
        self.console: list[str] = []
        connection.listeners.append(self._hear)

    async def goto(self, url: str) -> None:
        await self._connection.call("browsingContext.navigate", {"context": self._context, "url": url, "wait": "complete"})

    async def evaluate(self, function: str, argument: Any = None, seconds: float = 60) -> Any:
        result = await self._connection.call(
            "script.callFunction",
            {
                "functionDeclaration": wrap(function),
                "awaitPromise": True,
                "userActivation": True,
                "target": {"context": self._context},
                "arguments": [{"type": "string", "value": json.dumps(argument)}],
            },
            seconds,
        )
        if result["type"] == "exception":
            raise BidiError(result["exceptionDetails"]["text"])
        return json.loads(result["result"]["value"])

    async def click(self, selector: str) -> None:
        await self.evaluate(
            """async (selector) => {
                const end = Date.now() + 10000;
                for (;;) {
                    const found = document.querySelector(selector);
                    if (found && !found.disabled) { found.scrollIntoView({block: 'center'}); found.click(); return; }
                    if (Date.now() > end) throw new Error('nothing to click at ' + selector);
                    await new Promise(r => setTimeout(r, 50));
                }
            }""",
            selector,
        )

    async def press(self, key: str) -> None:
        *held, last = [KEYS.get(name, name) for name in key.split("+")]
        steps = [{"type": "keyDown", "value": one} for one in (*held, last)] + [
            {"type": "keyUp", "value": one} for one in (last, *held[::-1])
        ]
        actions = [{"type": "key", "id": "keyboard", "actions": steps}]
        await self._connection.call("input.performActions", {"context": self._context, "actions": actions})

    async def screenshot(self, path: Path) -> None:
        result = await self._connection.call("browsingContext.captureScreenshot", {"context": self._context})
        path.write_bytes(base64.b64decode(result["data"]))

    async def resize(self, width: int, height: int) -> None:
        viewport = {"width": width, "height": height}
        await self._connection.call("browsingContext.setViewport", {"context": self._context, "viewport": viewport})

    async def close(self) -> None:
        self._connection.listeners.remove(self._hear)
        await self._connection.call("browsingContext.close", {"context": self._context})

    def _hear(self, method: str, params: dict[str, Any]) -> None:
        if method == "log.entryAdded" and params["source"].get("context") == self._context:
            self.console.append(f"{params['level']}: {params['text']}")


class Firefox:
    name = "firefox"

    def __init__(self, connection: BidiConnection) -> None:
        self._connection = connection

    async def new_page(self) -> FirefoxPage:
        created = await self._connection.call("browsingContext.create", {"type": "tab"})
        page = FirefoxPage(self._connection, created["context"])
        await self._connection.call(
            "browsingContext.setViewport", {"context": created["context"], "viewport": {"width": 1280, "height": 900}}
        )
        return page


@contextlib.asynccontextmanager
async def chromium(program: str) -> AsyncIterator[Chromium]:
    """Chromium, headless, with fake devices and loopback candidates."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, headless=True, args=CHROMIUM_FLAGS)
        try:
            yield Chromium(browser)
        finally:
            await browser.close()


@contextlib.asynccontextmanager
async def silent_sound(folder: Path) -> AsyncIterator[str]:
    """A PulseAudio server that plays into nothing, and its address: Firefox's AudioContext stands still without a sound device."""
    socket = folder / "sound.socket"
    arguments = (
        *("-n", "--daemonize=no", "--use-pid-file=no", "--disallow-exit", "--exit-idle-time=-1", "--log-level=error"),
        *("--load=module-null-sink rate=48000", f"--load=module-native-protocol-unix socket={socket} auth-anonymous=1"),
    )
    async with running("pulseaudio", *arguments, env={"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder), "PATH": "/usr/bin:/bin"}):
        for _ in range(100):
            if socket.exists():
                break
            await asyncio.sleep(0.05)
        yield f"unix:{socket}"


@contextlib.asynccontextmanager
async def running(
    *command: str, env: dict[str, str], stderr: int = asyncio.subprocess.DEVNULL
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program that is stopped at the end."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=stderr, env=env
    )
    try:
        yield process
    finally:
        await end(process)


@contextlib.asynccontextmanager
async def firefox(program: str) -> AsyncIterator[Firefox]:
    """Firefox, headless, in a profile of its own that is removed afterwards."""
    async with contextlib.AsyncExitStack() as stack:
        profile = stack.enter_context(tempfile.TemporaryDirectory(prefix="boringsdp-firefox-", ignore_cleanup_errors=True))
        prefs = "".join(f"user_pref({json.dumps(key)}, {json.dumps(value)});\n" for key, value in FIREFOX_PREFS.items())
        Path(profile, "user.js").write_text(prefs)
        environment = {"HOME": profile, "PATH": "/usr/bin:/bin", "MOZ_HEADLESS": "1"}
        if find(("pulseaudio",)):
            environment["PULSE_LATENCY_MSEC"] = "20"
            environment["PULSE_SERVER"] = await stack.enter_async_context(silent_sound(Path(profile)))
        process = await stack.enter_async_context(
            running(
                *(program, "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0", "about:blank"),
                env=environment,
                stderr=asyncio.subprocess.PIPE,
            )
        )
        assert process.stderr is not None
        url = await asyncio.wait_for(_listening(process.stderr), 60)
        drain = asyncio.ensure_future(_drain(process.stderr))
        connection = await BidiConnection.connect(url)
        await connection.call("session.subscribe", {"events": ["log.entryAdded"]})
        yield Firefox(connection)
        await connection.close()
        drain.cancel()


async def _listening(stream: asyncio.StreamReader) -> str:
    while line := await stream.readline():
        if found := re.search(rb"WebDriver BiDi listening on (ws://\S+)", line):
            return found[1].decode()
    raise BidiError("Firefox ended before it listened")


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.read(65536):
        pass
