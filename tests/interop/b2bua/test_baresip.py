"""A web phone on JsSIP in a real browser, and baresip as the PBX behind the gateway: tones both ways, hold, digits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from boringsdp.b2bua.settings import DomainSettings, Mode
from boringsdp.sip.uri import parse_sip_uri
from tests.interop.b2bua.conftest import DOMAIN, House, running_house
from tests.interop.browsers import Browser
from tests.interop.kamailio.phone import Phone, missing, running_phone
from tests.interop.phone.tab import PhoneTab, open_tab
from tests.support.sip_registrar import Registrar, registrar

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("browser_name", ["chromium", "firefox"]),
]


@pytest_asyncio.fixture(loop_scope="session")
async def knows() -> AsyncIterator[Registrar]:
    """Where baresip registers, as it must."""
    async with registrar(algorithms=("MD5",)) as made:  # baresip knows no other
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def desk(knows: Registrar) -> AsyncIterator[Phone]:
    if problem := missing():
        pytest.skip(problem)
    at_registrar = f"{knows.uri.host}:{knows.uri.port}"
    async with running_phone("desk", at_registrar, account=";auth_pass=secret;answermode=manual") as phone:
        yield phone


@pytest_asyncio.fixture(loop_scope="session")
async def house(libraries: None, desk: Phone, tmp_path: Path) -> AsyncIterator[House]:
    pbx = (parse_sip_uri(f"sip:127.0.0.1:{desk.port}"),)
    domain = DomainSettings(name=DOMAIN, mode=Mode.REGISTRAR, users=str(tmp_path / "users"), pbx=pbx, sources=("127.0.0.0/8",))
    async with running_house(tmp_path, domain) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def alice(browser: Browser, house: House) -> AsyncIterator[PhoneTab]:
    async with open_tab(browser, house.address + "phone/", "alice") as tab:
        yield tab


async def hears(tab: PhoneTab, phone: Phone) -> None:
    """The telephone's burst in the page."""
    await tab.listens(1)
    await tab.get("ears.forget()")
    for _ in range(20):
        await asyncio.sleep(0.25)
        found = [burst.frequency for burst in await tab.heard(1) if burst.seconds >= 0.25]
        if found:
            break
    assert found[:1] == [pytest.approx(phone.frequency, rel=0.03)], f"{tab.user} heard {found}"


async def hear_each_other(tab: PhoneTab, phone: Phone) -> None:
    """And the page's at the telephone, whose recording a change of the media's direction would have ended."""
    await hears(tab, phone)
    since = phone.mark()
    await tab.get(f"ears.burst(0.5, {tab.pitch})")
    for _ in range(20):
        await asyncio.sleep(0.25)
        found = [burst.frequency for burst in phone.heard(since) if burst.seconds >= 0.25]
        if found:
            break
    assert found[:1] == [pytest.approx(tab.pitch, rel=0.03)], f"{phone.user} heard {found}"


async def test_a_call_to_the_pbx_with_hold_and_digits(house: House, alice: PhoneTab, desk: Phone) -> None:
    await alice.dial("desk")
    await desk.until("CALL_INCOMING")
    await alice.reaches(1, "ringing")
    await desk.do("accept")
    await desk.until("CALL_ESTABLISHED")
    await alice.reaches(1, "active")
    await hear_each_other(alice, desk)
    await alice.click("hold", 1)
    await alice.reaches(1, "held")
    await alice.click("hold", 1)
    await alice.reaches(1, "active")
    await hears(alice, desk)
    await alice.click("keypad", 1)
    for key in ("tone-5", "tone-pound"):
        await alice.click(key, 1)
    for _ in range(40):
        if desk.digits() == "5#":
            break
        await asyncio.sleep(0.1)
    assert desk.digits() == "5#"
    await desk.do("hangup")
    await alice.reaches(1, "")
    assert not house.front.bridges()
