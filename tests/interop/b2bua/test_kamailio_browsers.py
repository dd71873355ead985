"""JsSIP in real browsers as users of a Kamailio PBX, through the gateway; the other side is baresip."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from boringsdp.b2bua.settings import Mode
from tests.interop.b2bua.office import Office, running_office
from tests.interop.b2bua.web_user import has_burst
from tests.interop.browsers import Browser
from tests.interop.kamailio import phone as phones
from tests.interop.kamailio.phone import Phone, running_phone
from tests.interop.phone.tab import BURST_S, PhoneTab, open_tab
from tests.interop.sip import registrar
from tests.interop.sip.registrar import Registrar, running_registrar

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("browser_name", ["chromium", "firefox"]),
]

PATIENCE_S = 8.0


@dataclass
class Scene:
    office: Office
    pbx: Registrar
    alice: PhoneTab
    bob: Phone


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pbx() -> AsyncIterator[Registrar]:
    """Everybody's password is alice's."""
    if problem := registrar.missing() or phones.missing():
        pytest.skip(problem)
    async with running_registrar(secret="a") as started:
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def scene(libraries: None, pbx: Registrar, browser: Browser, tmp_path: Path) -> AsyncIterator[Scene]:
    domain = {"mode": Mode.PASS_THROUGH, "pbx": (f"sip:{pbx.domain};transport=tcp",)}
    async with (
        running_office(tmp_path, domain=domain) as office,
        running_phone("bob", pbx.domain, account=f";auth_pass={pbx.secret}") as bob,
        open_tab(browser, office.pages + "phone/", "alice") as alice,
    ):
        yield Scene(office, pbx, alice, bob)


async def until(done: Callable[[], Any], what: Callable[[], Any]) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            while not done():  # noqa: ASYNC110 (a recording grows)
                await asyncio.sleep(0.05)
    assert done(), what()


async def hear_each_other(tab: PhoneTab, phone: Phone) -> None:
    """A burst of each is found on the other side, with its pitch."""
    await tab.listens()
    await asyncio.sleep(0.5)
    await tab.get("ears.forget()")
    since = phone.mark()
    await tab.get(f"ears.burst({BURST_S}, {tab.pitch})")
    await until(lambda: has_burst(phone.heard(since), tab.pitch), lambda: phone.heard(since))
    for _ in range(20):
        if has_burst(await tab.heard(), phone.frequency):
            return
        await asyncio.sleep(0.25)
    raise AssertionError(f"{tab.user} heard {await tab.heard()}")


async def hears(tab: PhoneTab, phone: Phone) -> None:
    await tab.listens()
    await tab.get("ears.forget()")
    for _ in range(30):
        await asyncio.sleep(0.25)
        if has_burst(await tab.heard(), phone.frequency):
            return
    raise AssertionError(f"{tab.user} heard {await tab.heard()}")


async def test_calls_a_telephone(scene: Scene) -> None:
    """JsSIP answers the challenge of the PBX; keys reach the telephone in the media and by INFO, and it hangs up."""
    alice, bob = scene.alice, scene.bob
    await alice.dial("bob")
    await bob.until("CALL_INCOMING")
    await alice.reaches(1, "ringing")
    await bob.do("accept")
    await alice.reaches(1, "active")
    await hear_each_other(alice, bob)
    await alice.get("phone.lines[0].call.digit('5', 'media')")
    await until(lambda: bob.digits() == "5", bob.digits)
    await alice.get("phone.lines[0].call.digit('9', 'info')")
    await until(lambda: bob.digits() == "59", bob.digits)
    await bob.do("hangup")
    await alice.reaches(1, "")
    assert await alice.get("phone.history.records[0].outcome") == "answered"
    record = await scene.office.record()
    assert (record["direction"], record["result"], record["ended_by"]) == ("browser-pbx", "answered", "callee")
    assert [leg["streams"][0]["codec"].upper().partition("/")[0] for leg in record["legs"]] == ["PCMU", "PCMU"]


async def test_is_called_by_a_telephone(scene: Scene) -> None:
    """Each puts the other on hold, and the web phone hangs up."""
    alice, bob = scene.alice, scene.bob
    await bob.do("dial", f"sip:alice@{scene.pbx.domain}")
    await alice.click("answer", 1)
    await alice.reaches(1, "active")
    await bob.until("CALL_ESTABLISHED")
    await hear_each_other(alice, bob)
    await bob.do("hold")
    await alice.shows("remark", "put you on hold")
    await bob.do("resume")
    await alice.until("!phone.lines[0].remoteHeld")
    await hears(alice, bob)
    await alice.click("hold", 1)
    await alice.reaches(1, "held")
    await alice.click("hold", 1)
    await alice.reaches(1, "active")
    await hears(alice, bob)
    await alice.hang_up()
    await bob.until("CALL_CLOSED")
    record = await scene.office.record()
    assert (record["direction"], record["result"], record["ended_by"]) == ("pbx-browser", "answered", "callee")


async def test_refused_by_a_telephone_and_given_up(scene: Scene) -> None:
    alice, bob = scene.alice, scene.bob
    await alice.dial("bob")
    await bob.until("CALL_INCOMING")
    await bob.do("hangup")
    await alice.shows("notice-error", "Busy")
    await alice.reaches(1, "")
    record = await scene.office.record()
    assert (record["result"], record["code"], record["ended_by"]) == ("failed", 486, "callee")
    bob.forget()
    await alice.dial("bob")
    await bob.until("CALL_INCOMING")
    await alice.reaches(1, "ringing")
    await alice.click("hang-up", 1)
    await bob.until("CALL_CLOSED")
    record = await scene.office.record()
    assert (record["result"], record["code"], record["ended_by"]) == ("cancelled", 487, "caller")
