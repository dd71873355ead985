"""JsSIP in real browsers against a PBX of SIPp's, in what telephones rarely do: late offers, early media, UPDATE, glare."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.interop.b2bua.office import Office, running_office
from tests.interop.browsers import Browser
from tests.interop.phone.tab import PhoneTab, open_tab, says
from tests.interop.sip.script import Callee, Caller, Script, running_script, sdp

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(shutil.which("sipp") is None, reason="apt-get install sip-tester"),
]

ECHO = ("-m", "1", "-rtp_echo")
RELIABLE = ("Require: 100rel", "RSeq: 5")
ABILITIES = ("Allow: INVITE, ACK, BYE, CANCEL, PRACK, UPDATE, INFO", "Supported: 100rel, timer")


@contextlib.asynccontextmanager
async def called_by(folder: Path, browser: Browser, script: Script) -> AsyncIterator[tuple[Office, PhoneTab]]:
    """The PBX calls a tab."""
    async with (
        running_office(folder, domain={"sources": ("127.0.0.0/8",)}) as office,
        open_tab(browser, office.pages + "phone/", "alice") as tab,
        running_script(script, calls="alice", at=office.sip, more=ECHO) as pbx,
    ):
        yield office, tab
        await pbx.done()


@contextlib.asynccontextmanager
async def calls(folder: Path, browser: Browser, script: Script) -> AsyncIterator[tuple[Office, PhoneTab]]:
    """A tab calls the PBX."""
    async with running_script(script, more=ECHO) as pbx:
        await pbx.listening()
        domain = {"sources": ("127.0.0.0/8",), "pbx": (pbx.uri.replace("callee@", ""),)}
        async with running_office(folder, domain=domain) as office, open_tab(browser, office.pages + "phone/", "alice") as tab:
            await tab.dial("123")
            yield office, tab
            await pbx.done()


@pytest.mark.parametrize("browser_name", ["chromium", "firefox"])
async def test_the_pbx_wants_the_offer(libraries: None, tmp_path: Path, browser: Browser) -> None:
    script = Caller("INVITE without SDP").ask("INVITE").recv(100, optional=True).recv(180).recv(200, body="m=audio").ack(body=sdp())
    script.recv("BYE").send(200)
    async with called_by(tmp_path, browser, script) as (office, tab):
        await tab.click("answer", 1)
        await tab.reaches(1, "active")
        await says(tab, tab)
        await tab.hang_up()
        record = await office.record()
        assert (record["result"], record["ended_by"], record["reason"]) == ("answered", "callee", "bye")


async def test_early_media_and_an_update(libraries: None, tmp_path: Path, chromium: Browser) -> None:
    """The echo is heard before the answer; in the call the PBX puts the web phone on hold by UPDATE, and takes it back."""
    script = Callee("183, PRACK, 200, UPDATE").recv("INVITE").send(183, body=sdp(), headers=[*RELIABLE, *ABILITIES])
    script.recv("PRACK").send(200, tag="").pause(3.5).late(200).recv("ACK").pause(0.3)
    script.ask("UPDATE", body=sdp(2, "sendonly")).recv(200, body="a=recvonly").pause(1)
    script.ask("UPDATE", body=sdp(3)).recv(200, body="a=sendrecv").recv("BYE").send(200, tag="")
    async with calls(tmp_path, chromium, script) as (office, tab):
        await says(tab, tab)
        assert await tab.state(1) in ("calling", "ringing")
        await tab.reaches(1, "active")
        await tab.shows("remark", "put you on hold")
        await tab.until("!phone.lines[0].remoteHeld")
        await says(tab, tab)
        await tab.hang_up()
        record = await office.record()
        assert (record["result"], record["ended_by"], record["reason"]) == ("answered", "caller", "bye")


@pytest.mark.parametrize("browser_name", ["firefox"])
async def test_hold_crosses_a_change_by_the_pbx(libraries: None, tmp_path: Path, browser: Browser) -> None:
    """The re-INVITE of the web phone meets 491 and one of the PBX's, which is answered at once; it comes again, and holds in the end."""
    script = Callee("glare").recv("INVITE").send(200, body=sdp(), headers=ABILITIES).recv("ACK")
    script.recv("INVITE", body="a=sendonly").send(491, tag="").recv("ACK")
    script.ask("INVITE", body=sdp(2)).recv(100, optional=True).recv(200).ack()
    script.recv("INVITE", body="a=sendonly").send(200, body=sdp(3, "recvonly"), tag="").recv("ACK")
    script.ask("BYE").recv(200)
    async with calls(tmp_path, browser, script) as (office, tab):
        await tab.reaches(1, "active")
        await asyncio.sleep(0.2)
        await tab.click("hold", 1)
        await tab.reaches(1, "")
        record = await office.record()
        assert (record["result"], record["ended_by"], record["reason"]) == ("answered", "callee", "bye")
