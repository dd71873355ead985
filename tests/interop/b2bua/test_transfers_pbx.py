"""Transfers between web phones, on JsSIP and SIP.js, and telephones (baresip) behind Kamailio: passed on, or carried out here."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from boringsdp.b2bua.settings import DomainSettings, Mode
from boringsdp.sip.uri import parse_sip_uri
from tests.interop.b2bua.conftest import House, running_house
from tests.interop.browsers import Browser
from tests.interop.kamailio import phone as phones
from tests.interop.kamailio import webphone
from tests.interop.kamailio.phone import Phone, running_phone
from tests.interop.kamailio.talk import hear_each_other, phones_hear_each_other
from tests.interop.kamailio.webphone import WebPhone, open_webphone
from tests.interop.sip import registrar
from tests.interop.sip.registrar import Registrar, running_registrar

DOMAIN = "phones.example"
NAMES = itertools.count(1)

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("mode", ["pass-through", "trunk"]),
    pytest.mark.parametrize("library", ["jssip", "sipjs"]),
]


@dataclass
class Office:
    """A PBX, a gateway before it, and what is opened for one test."""

    pbx: Registrar
    house: House
    page: str
    browser: Browser
    stack: contextlib.AsyncExitStack
    secret: str

    async def web(self, library: str, user: str = "alice") -> WebPhone:
        page = await self.browser.new_page()
        self.stack.push_async_callback(page.close)
        await page.goto(self.page)
        server = self.house.address.replace("http:", "ws:") + "sip"
        return await self.stack.enter_async_context(open_webphone(page, library, user, server, DOMAIN, self.secret))

    async def phone(self, frequency: float = 1100, account: str = "") -> Phone:
        """A telephone that is registered at the PBX."""
        user = f"desk{next(NAMES)}"
        started = running_phone(user, self.pbx.domain, account=f";auth_pass={self.pbx.secret}{account}", frequency=frequency)
        return await self.stack.enter_async_context(started)


@pytest_asyncio.fixture(loop_scope="session")
async def office(mode: str, chromium: Browser, tmp_path: Path) -> AsyncIterator[Office]:
    for problem in (registrar.missing(), phones.missing(), webphone.missing()):
        if problem:
            pytest.skip(problem)
    async with contextlib.AsyncExitStack() as stack:
        pbx = await stack.enter_async_context(running_registrar())
        page = await stack.enter_async_context(webphone.served())
        domain = DomainSettings(name=DOMAIN, mode=Mode(mode), pbx=(parse_sip_uri(f"sip:{pbx.domain}"),))
        if mode == "trunk":
            users = tmp_path / "known"
            users.write_text("trunk-alice:sesame\n")
            domain = DomainSettings(name=DOMAIN, mode=Mode.TRUNK, pbx=domain.pbx, users=str(users))
        house = await stack.enter_async_context(running_house(tmp_path, domain))
        secret = pbx.secret if mode == "pass-through" else "sesame"
        yield Office(pbx, house, page, chromium, stack, secret)


async def web_calls(office: Office, web: WebPhone, phone: Phone) -> None:
    await web.do("call", phone.user)
    await phone.until("CALL_INCOMING")
    await phone.do("accept")
    await web.until("confirmed")
    await web.connected()


async def test_a_web_phone_transfers_a_telephone(office: Office, mode: str, library: str) -> None:
    user = "alice" if mode == "pass-through" else "trunk-alice"
    web, phone, target = await asyncio.gather(office.web(library, user), office.phone(), office.phone(1300))
    await web_calls(office, web, phone)
    await hear_each_other(web, phone)
    await web.do("refer", target.user)
    await target.until("CALL_INCOMING")
    await target.do("accept")
    await web.until("transferred")
    if mode == "pass-through":
        await web.do("hangup")
    await web.until("ended")
    await phones_hear_each_other(phone, target)
    assert len(list(office.house.front.bridges())) == (0 if mode == "pass-through" else 1)
    await target.do("hangup")


async def test_a_telephone_transfers_a_web_phone(office: Office, mode: str, library: str) -> None:
    user = "alice" if mode == "pass-through" else "trunk-alice"
    web, phone, target = await asyncio.gather(office.web(library, user), office.phone(), office.phone(1300, ";answermode=auto"))
    await web_calls(office, web, phone)
    await phone.do("transfer", f"sip:{target.user}@{office.pbx.domain}")
    await phone.until("CALL_CLOSED")
    await target.until("CALL_ESTABLISHED")
    if mode == "pass-through":
        await web.until("refer")
    await hear_each_other(web, target)
    assert len(list(office.house.front.bridges())) == 1


async def test_a_web_phone_joins_two_telephones(office: Office, mode: str, library: str) -> None:
    user = "alice" if mode == "pass-through" else "trunk-alice"
    web, phone, target = await asyncio.gather(office.web(library, user), office.phone(), office.phone(1300))
    await web_calls(office, web, phone)
    await web.do("keep")
    await web.do("call", target.user)
    await target.until("CALL_INCOMING")
    await target.do("accept")
    await target.until("CALL_ESTABLISHED")
    await asyncio.sleep(0.5)
    await web.do("refer", target.user, True)
    await web.until("transferred")
    await phones_hear_each_other(phone, target)
    assert len(list(office.house.front.bridges())) == 1
    await target.do("hangup")
    await phone.until("CALL_CLOSED")
