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
from tests.interop.sip.script import Caller, Running, Script, running_script, sdp

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(shutil.which("sipp") is None, reason="apt-get install sip-tester"),
]

ECHO = ("-m", "1", "-rtp_echo")
LONG, SHORT = 20.0, 0.3


@dataclass
class Scene:
    office: Office
    tab: PhoneTab
    pbx: Running

    def lose(self) -> None:
        """Closes the WebSocket; JsSIP opens another after a second."""
        (binding,) = self.office.front.domains.bindings.of(next(iter(self.office.front.domains.bindings)).aor)
        self.office.here.drop(binding.flow)

    async def back(self) -> None:
        await self.tab.until("phone.connection.state !== 'registered'")
        await self.tab.until("phone.connection.state === 'registered'")


@contextlib.asynccontextmanager
async def scene(folder: Path, browser: Browser, script: Script, grace: float) -> AsyncIterator[Scene]:
    """The PBX calls a user, who rings."""
    async with running_office(folder, domain={"sources": ("127.0.0.0/8",)}, grace_s=grace) as office:
        async with open_tab(browser, office.pages + "phone/", "alice") as tab:
            async with running_script(script, calls="alice", at=office.sip, more=ECHO) as pbx:
                await tab.reaches(1, "incoming")
                yield Scene(office, tab, pbx)
                await pbx.done(15)
