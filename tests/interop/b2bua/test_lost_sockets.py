"""The WebSocket of a real browser is lost while it rings, in a call and during a re-INVITE; it is back in time, or it is not."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.interop.b2bua.office import DOMAIN, Office, Record, running_office
from tests.interop.browsers import Browser
from tests.interop.phone.tab import PhoneTab, open_tab, says
from tests.interop.sip.script import Callee, Caller, Running, Script, running_script, sdp

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(shutil.which("sipp") is None, reason="apt-get install sip-tester"),
]

ECHO = ("-m", "1", "-rtp_echo")
LONG, SHORT = 20.0, 0.3
LOST_S = 40.0
"""Chromium takes half of it to give media up."""


@dataclass
class Scene:
    office: Office
    tab: PhoneTab
    pbx: Running

    def lose(self) -> None:
        """Closes the WebSocket; JsSIP opens another after a second or two."""
        (binding,) = self.office.front.domains.bindings
        self.office.here.drop(binding.flow)

    async def back(self) -> None:
        await self.tab.until("phone.connection.state !== 'registered'")
        await self.tab.until("phone.connection.state === 'registered'")


@contextlib.asynccontextmanager
async def scene(folder: Path, browser: Browser, script: Script, grace: float) -> AsyncIterator[Scene]:
    """The PBX calls a user, who rings."""
    async with (
        running_office(folder, domain={"sources": ("127.0.0.0/8",)}, grace_s=grace) as office,
        open_tab(browser, office.pages + "phone/", "alice") as tab,
        running_script(script, calls="alice", at=office.sip, more=ECHO) as pbx,
    ):
        await tab.reaches(1, "incoming")
        yield Scene(office, tab, pbx)
        await pbx.done(15)


def rings() -> Caller:
    script = Caller("calls a web phone").ask("INVITE", body=sdp()).recv(100, optional=True).recv(180)
    assert isinstance(script, Caller)
    return script


def outcome(record: Record) -> tuple[str, int, str, str]:
    return record["result"], record["code"], record["ended_by"], record["reason"]


@pytest.mark.parametrize("browser_name", ["chromium", "firefox"])
async def test_back_in_a_call(libraries: None, tmp_path: Path, browser: Browser) -> None:
    """The media goes on meanwhile, and the call can be changed and ended by the new connection."""
    script = rings().recv(200, ignores=180).ack().recv("INVITE", body="a=sendonly").send(200, body=sdp(2, "recvonly")).recv("ACK")
    script.recv("INVITE", body="a=sendrecv").send(200, body=sdp(3)).recv("ACK").recv("BYE").send(200)
    async with scene(tmp_path, browser, script, LONG) as here:
        tab = here.tab
        await tab.click("answer", 1)
        await tab.reaches(1, "active")
        here.lose()
        await asyncio.gather(here.back(), says(tab, tab))
        await tab.click("hold", 1)
        await tab.reaches(1, "held")
        await tab.click("hold", 1)
        await tab.reaches(1, "active")
        await says(tab, tab)
        await tab.hang_up()
        record = await here.office.record()
        assert outcome(record) == ("answered", 200, "callee", "bye")


async def test_back_while_the_pbx_hangs_up(libraries: None, tmp_path: Path, chromium: Browser) -> None:
    """What the PBX does meanwhile waits for the browser."""
    script = rings().recv(200, ignores=180).ack().pause(1).ask("BYE").recv(200)
    async with scene(tmp_path, chromium, script, LONG) as here:
        await here.tab.click("answer", 1)
        await here.tab.reaches(1, "active")
        here.lose()
        await here.pbx.done()
        await here.tab.reaches(1, "")
        assert outcome(await here.office.record()) == ("answered", 200, "caller", "bye")


async def test_back_while_it_rings(libraries: None, tmp_path: Path, chromium: Browser) -> None:
    script = rings().recv(200, ignores=180).ack().recv("BYE").send(200)
    async with scene(tmp_path, chromium, script, LONG) as here:
        tab = here.tab
        here.lose()
        await here.back()
        await tab.reaches(1, "incoming")
        await tab.click("answer", 1)
        await tab.reaches(1, "active")
        await says(tab, tab)
        await tab.hang_up()
        assert outcome(await here.office.record()) == ("answered", 200, "callee", "bye")


async def test_back_during_a_re_invite(libraries: None, tmp_path: Path, chromium: Browser) -> None:
    """The PBX's offer waits, and is answered by the new connection."""
    script = rings().recv(200, ignores=180).ack().pause(1)
    script.ask("INVITE", body=sdp(2, "sendonly")).recv(100, optional=True).recv(200, body="a=recvonly").ack()
    script.ask("INVITE", body=sdp(3)).recv(100, optional=True).recv(200, body="a=sendrecv").ack().recv("BYE").send(200)
    async with scene(tmp_path, chromium, script, LONG) as here:
        tab = here.tab
        await tab.click("answer", 1)
        await tab.reaches(1, "active")
        await asyncio.sleep(0.5)
        here.lose()
        await here.back()
        await tab.until("!phone.lines[0].remoteHeld && phone.lines[0].call.connection.signalingState === 'stable'")
        await says(tab, tab)
        await tab.hang_up()
        assert outcome(await here.office.record()) == ("answered", 200, "callee", "bye")


async def test_not_back_in_a_call(libraries: None, tmp_path: Path, chromium: Browser) -> None:
    script = rings().recv(200, ignores=180).ack().recv("BYE", checks='Reason: SIP;cause=200;text="browser lost"').send(200)
    async with scene(tmp_path, chromium, script, SHORT) as here:
        await here.tab.click("answer", 1)
        await here.tab.reaches(1, "active")
        here.lose()
        await here.pbx.done()
        assert outcome(await here.office.record()) == ("answered", 200, "gateway", "browser lost")
        await here.tab.until("phone.lines.length === 0", LOST_S)  # it has come back to a call that is no more
        assert await here.tab.get("phone.history.records[0].outcome") == "answered"


async def test_not_back_while_it_rings(libraries: None, tmp_path: Path, chromium: Browser) -> None:
    script = rings().recv(480, ignores=180).ack()
    async with scene(tmp_path, chromium, script, SHORT) as here:
        here.lose()
        await here.pbx.done()
        record = await here.office.record()
        assert (record["result"], record["code"], record["attempts"][0]["reason"]) == ("failed", 480, "browser lost")


async def test_not_back_during_a_re_invite(libraries: None, tmp_path: Path, chromium: Browser) -> None:
    """Who waits for an answer is told that there is none, and hung up on."""
    script = rings().recv(200, ignores=180).ack().pause(1)
    script.ask("INVITE", body=sdp(2, "sendonly")).recv(100, optional=True).recv(503).ack().recv("BYE").send(200)
    async with scene(tmp_path, chromium, script, 1.0) as here:
        await here.tab.click("answer", 1)
        await here.tab.reaches(1, "active")
        await asyncio.sleep(0.4)
        here.lose()
        await here.pbx.done()
        assert outcome(await here.office.record()) == ("answered", 200, "gateway", "browser lost")


async def test_not_back_while_it_calls(libraries: None, tmp_path: Path, chromium: Browser) -> None:
    script = (
        Callee("rings in vain").recv("INVITE").send(180).recv("CANCEL", checks="browser lost").send(200).late(487, repeat=False).recv("ACK")
    )
    async with running_script(script) as pbx:
        await pbx.listening()
        domain = {"sources": ("127.0.0.0/8",), "pbx": (pbx.uri.replace("callee@", ""),)}
        async with (
            running_office(tmp_path, domain=domain, grace_s=SHORT) as office,
            open_tab(chromium, office.pages + "phone/", "alice") as tab,
        ):
            await tab.dial(f"sip:123@{DOMAIN}")
            await tab.reaches(1, "ringing")
            Scene(office, tab, pbx).lose()
            await pbx.done()
            record = await office.record()
            assert (record["result"], record["ended_by"], record["reason"]) == ("failed", "gateway", "browser lost")
