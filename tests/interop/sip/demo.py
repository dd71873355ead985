"""Janus's own SIP demo page as Debian ships it, served as it is but for settings.js, which says where the gateway is."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from tests.interop.rig import NODE_MODULES, STATIC
from tests.interop.sip.registrar import Registrar
from tests.interop.sip.user import User

DEMOS = Path("/usr/share/janus/demos")
SETTINGS = "var server = {server}; var iceServers = []; var token = null; var apisecret = null;\n"
MICROPHONE = """async () => {
    const {Rig} = await import('/static/rig.js');
    document.body.insertAdjacentHTML('beforeend', '<div id="media"></div>');
    window.rig = new Rig();
    await window.rig.init();
    navigator.mediaDevices.getUserMedia = async () => window.rig.out.stream.clone();
}"""
"""Gives the page our microphone, whose tones are known; its loudspeaker is tapped by `listen`."""


def missing() -> str | None:
    """What to install, None when it is there."""
    return None if (DEMOS / "siptest.html").exists() else "apt-get install janus-demos"


@contextlib.asynccontextmanager
async def served_demo(gateway: str) -> AsyncIterator[str]:
    """The page's address; `gateway` is that of the Janus API."""
    app = web.Application()

    async def settings(_: web.Request) -> web.Response:
        return web.Response(text=SETTINGS.format(server=json.dumps(gateway)), content_type="text/javascript")

    app.router.add_get("/settings.js", settings)
    app.router.add_static("/static", STATIC)
    app.router.add_static("/node_modules", NODE_MODULES)
    app.router.add_static("/", DEMOS, follow_symlinks=True)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/siptest.html"
    finally:
        await runner.cleanup()


class DemoUser(User):
    """Somebody at the demo page: fills in its fields, presses its buttons, reads what it shows."""

    async def open(self, url: str) -> None:
        """Loads the page and presses Start."""
        page = self.rig.page
        await page.goto(url)
        await page.evaluate(MICROPHONE)
        await page.click("#start")
        await self.shows("$('#register').is(':visible')")

    async def sign_in(self, pbx: Registrar, secret: str) -> None:
        """Fills in the form, with a plain password, and presses Register."""
        for field, value in (("server", f"sip:{pbx.domain}"), ("username", f"sip:{self.user}@{pbx.domain}"), ("password", secret)):
            await self.fill(field, value)
        await self.run("$('#secret').click()")
        await self.dismiss("Using this approach you'll provide a plain secret")
        await self.rig.page.click("#register")

    async def fill(self, field: str, text: str) -> None:
        await self.run(f"$('#{field}').val({json.dumps(text)})")

    async def run(self, expression: str) -> None:
        """Evaluates an expression in the page."""
        await self.rig.page.evaluate(f"async () => {{ {expression}; }}")

    async def shows(self, expression: str) -> None:
        """Waits until an expression in the page holds."""
        await self.rig.until(f"(() => Boolean({expression}))()")

    async def dismiss(self, text: str) -> None:
        """Waits for a dialogue with a text, and presses its button."""
        await self.shows(f"$('.bootbox:visible').text().includes({json.dumps(text)})")
        await self.rig.page.click(".bootbox .btn-primary")
        await self.shows("$('.bootbox').length === 0")

    async def listen(self) -> None:
        """Hears what the page plays, once the call is up."""
        await self.shows("$('#videoright audio').get(0) && $('#videoright audio').get(0).srcObject")
        await self.run("rig.handle = sipcall; rig.play($('#videoright audio').get(0).srcObject.getAudioTracks()[0])")
        await self.settled()
