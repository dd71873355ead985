"""One user at three tabs of real browsers, called by a PBX of SIPp's: all ring, and one answers, is busy, or declines for all."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.interop.b2bua.office import Office, running_office
from tests.interop.browsers import Browser
from tests.interop.phone.tab import PhoneTab, open_tab, says
from tests.interop.sip.script import Caller, running_script, sdp

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(shutil.which("sipp") is None, reason="apt-get install sip-tester"),
]

ECHO = ("-m", "1", "-rtp_echo")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def office(libraries: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    async with running_office(tmp_path_factory.mktemp("tabs"), domain={"sources": ("127.0.0.0/8",)}) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def tabs(office: Office, chromium: Browser, firefox: Browser) -> AsyncIterator[list[PhoneTab]]:
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(open_tab(each, office.pages + "phone/", "alice")) for each in (chromium, firefox, chromium)]


@contextlib.asynccontextmanager
async def called(office: Office, tabs: list[PhoneTab], script: Caller) -> AsyncIterator[None]:
    """The PBX calls, and all three ring; at the end its script is done and nobody has a line any more."""
    async with running_script(script, calls="alice", at=office.sip, more=ECHO) as pbx:
        for tab in tabs:
            await tab.reaches(1, "incoming")
        yield
        await pbx.done()
    for tab in tabs:
        await tab.reaches(1, "")


async def outcomes(tabs: list[PhoneTab]) -> list[str]:
    return [str(await tab.get("phone.history.records[0].outcome")) for tab in tabs]


def rings() -> Caller:
    script = Caller("calls three tabs").ask("INVITE", body=sdp()).recv(100, optional=True).recv(180)
    assert isinstance(script, Caller)
    return script


@pytest.mark.parametrize("who", [0, 1])
async def test_one_answers(office: Office, tabs: list[PhoneTab], who: int) -> None:
    script = rings().recv(200, ignores=180).ack().recv("BYE").send(200)
    answers, others = tabs[who], [tab for tab in tabs if tab is not tabs[who]]
    async with called(office, tabs, script):
        await answers.click("answer", 1)
        for tab in others:
            await tab.reaches(1, "")
        assert await outcomes(others) == ["elsewhere"] * 2
        await answers.reaches(1, "active")
        await says(answers, answers)  # the PBX echoes
        await answers.hang_up()
    record = await office.record()
    assert (record["result"], record["ended_by"], record["reason"]) == ("answered", "callee", "bye")
    assert sorted(attempt["code"] for attempt in record["attempts"]) == [200, 487, 487]


async def test_one_is_busy_and_another_answers(office: Office, tabs: list[PhoneTab]) -> None:
    script = rings().recv(200, ignores=180).ack().ask("BYE").recv(200)
    async with called(office, tabs, script):
        await tabs[0].get("phone.decline(phone.ringing, 486)")
        await tabs[0].reaches(1, "")
        for tab in tabs[1:]:
            assert await tab.state(1) == "incoming"
        await tabs[2].click("answer", 1)
        await tabs[1].reaches(1, "")
    assert await outcomes(tabs) == ["declined", "elsewhere", "answered"]
    record = await office.record()
    assert (record["result"], record["ended_by"]) == ("answered", "caller")
    assert 486 in [attempt["code"] for attempt in record["attempts"]]


async def test_one_declines_for_all(office: Office, tabs: list[PhoneTab]) -> None:
    script = rings().recv(603, ignores=180).ack()
    async with called(office, tabs, script):
        await tabs[1].click("decline", 1)
    assert (await outcomes(tabs))[1] == "declined"
    record = await office.record()
    assert (record["result"], record["code"], record["ended_by"]) == ("failed", 603, "callee")


async def test_the_caller_gives_up(office: Office, tabs: list[PhoneTab]) -> None:
    script = rings().pause(1.5).cancel().recv(200, ignores=180).recv(487).ack()
    async with called(office, tabs, script):
        pass
    assert await outcomes(tabs) == ["missed"] * 3
    record = await office.record()
    assert (record["result"], record["code"], record["ended_by"]) == ("cancelled", 487, "caller")
