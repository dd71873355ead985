"""WebSockets that are lost while it rings, in a call and during a re-INVITE: with a browser that comes back, and with one that does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from boringsdp.sip import headers as views
from boringsdp.sip.digest import Authenticator, Credentials
from boringsdp.sip.message import Response
from boringsdp.sip.session.events import Answered, AnswerReceived, Cancelled, Confirmed, Ended, Failed, OfferReceived, Ringing
from tests.b2bua.house import PASSWORD, House, Phone
from tests.call.phone import CHROMIUM, browser_answer, plain
from tests.support.sip_browser import Browser, browser

LONG = 20.0
SHORT = 0.2


@dataclass
class Tab:
    """A page that speaks SIP by hand, with what it needs to come back as the same one."""

    phone: Browser
    cseq: int = 0

    async def logs_in(self) -> None:
        """REGISTER, answering the challenge."""
        phone = self.phone
        authenticator = Authenticator((Credentials("alice", PASSWORD),))
        lines: tuple[tuple[str, str], ...] = ()
        for code in (401, 200):
            self.cseq += 1
            request = await phone.ask("REGISTER", headers=(("Expires", "600"), *lines), to=f"<{phone.aor}>", call_id="reg", cseq=self.cseq)
            answer = await self.final()
            assert answer.code == code
            lines = tuple(authenticator.answer(answer, request) or ())

    async def final(self) -> Response:
        """The next final response; requests on the way are kept in `heard`."""
        while True:
            message = await self.phone.next()
            if isinstance(message, Response) and message.code >= 200:
                return message

    async def comes_back(self) -> None:
        """A new WebSocket of the same page."""
        await self.phone.open()
        await self.logs_in()

    async def asked(self, method: str) -> Any:
        """The next request of this method, heard by now or not."""
        while not (known := [each for each in self.phone.heard if getattr(each, "method", "") == method]):
            await self.phone.next()
        return known[-1]


@pytest.fixture
def grace() -> float:
    return LONG


@pytest.fixture
def front_settings(grace: float) -> dict[str, Any]:
    return {"grace_s": grace}


@pytest.fixture
async def tab(house: House) -> AsyncIterator[Tab]:
    async with browser(house.here) as phone:
        tab = Tab(phone)
        await tab.logs_in()
        phone.heard.clear()
        yield tab


@pytest.fixture
def bob(house: House) -> Phone:
    return house.telephone("bob")


async def called(house: House, tab: Tab, bob: Phone) -> Any:
    """The PBX calls the page; returns its INVITE, which rings."""
    bob.calls(house.number("alice"))
    invite = await tab.phone.is_asked("INVITE")
    await tab.phone.answer(invite, 180)
    await bob.hears(Ringing)
    return invite


async def talking(house: House, tab: Tab, bob: Phone) -> Any:
    """They talk; returns the INVITE."""
    invite = await called(house, tab, bob)
    await tab.phone.answer(invite, 200, sdp=browser_answer(invite.body.decode(), "sendrecv").encode())
    await bob.hears(Answered)
    await tab.phone.is_asked("ACK")
    return invite


async def test_lost_while_it_rings_and_back(house: House, tab: Tab, bob: Phone):
    invite = await called(house, tab, bob)
    await tab.phone.cut()
    await tab.comes_back()
    await tab.phone.answer(invite, 200, sdp=browser_answer(invite.body.decode(), "sendrecv").encode())
    await bob.hears(Answered)
    bob.call.hang_up()
    await tab.asked("BYE")
    record = await house.record()
    assert (record.result, record.ended_by) == ("answered", "caller")


async def test_lost_while_it_calls_and_back(house: House, tab: Tab, bob: Phone):
    """The answer waits for the browser."""
    await tab.phone.ask("INVITE", bob.uri, sdp=CHROMIUM.encode(), call_id="out")
    call = await bob.rings()
    call.session.ring()
    await tab.phone.gets(180)
    await tab.phone.cut()
    await asyncio.sleep(0.05)
    call.session.accept(bob.answer())
    await bob.hears(Confirmed)
    await tab.comes_back()
    answered = [each for each in tab.phone.heard if isinstance(each, Response) and each.code == 200 and views.cseq(each).method == "INVITE"]
    answer = answered[0] if answered else await tab.phone.gets(200)
    await tab.phone.within(answer, "ACK", 1)
    await tab.phone.within(answer, "BYE", 2)
    await bob.hears(Ended)
    record = await house.record()
    assert (record.result, record.ended_by, record.reason) == ("answered", "caller", "bye")


async def test_lost_in_a_call_and_back(house: House, tab: Tab, bob: Phone):
    invite = await talking(house, tab, bob)
    await tab.phone.cut()
    await asyncio.sleep(0.05)
    assert len(list(house.front.bridges())) == 1
    await tab.comes_back()
    await tab.phone.within_theirs(invite, "BYE", 2)
    await bob.hears(Ended)
    record = await house.record()
    assert (record.result, record.ended_by, record.reason) == ("answered", "callee", "bye")


async def test_lost_during_a_re_invite_and_back(house: House, tab: Tab, bob: Phone):
    await talking(house, tab, bob)
    tab.phone.heard.clear()
    bob.call.offer(plain(9944, direction="sendonly", version=2).encode())
    await tab.phone.is_asked("INVITE")
    await tab.phone.cut()
    await asyncio.sleep(0.05)
    await tab.comes_back()
    again = await tab.asked("INVITE")
    await tab.phone.answer(again, 200, sdp=browser_answer(again.body.decode(), "recvonly").encode())
    await bob.hears(AnswerReceived)
    bob.call.hang_up()
    record = await house.record()
    assert (record.result, record.ended_by) == ("answered", "caller")


class TestNobodyComesBack:
    @pytest.fixture
    def grace(self) -> float:
        return SHORT

    async def test_lost_while_it_rings(self, house: House, tab: Tab, bob: Phone):
        await called(house, tab, bob)
        await tab.phone.cut()
        assert (await bob.hears(Failed)).code == 480
        record = await house.record()
        assert (record.result, record.code, record.attempts[0].reason) == ("failed", 480, "browser lost")
        assert len(house.calls) == 0

    async def test_lost_while_it_calls(self, house: House, tab: Tab, bob: Phone):
        await tab.phone.ask("INVITE", bob.uri, sdp=CHROMIUM.encode(), call_id="out")
        call = await bob.rings()
        call.session.ring()
        await tab.phone.gets(180)
        await tab.phone.cut()
        cancelled = await bob.hears(Cancelled)
        assert cancelled.reason == "browser lost"
        record = await house.record()
        assert (record.result, record.ended_by, record.reason) == ("failed", "gateway", "browser lost")

    async def test_lost_in_a_call(self, house: House, tab: Tab, bob: Phone):
        await talking(house, tab, bob)
        await tab.phone.cut()
        ended = await bob.hears(Ended)
        assert ended.message is not None
        assert ended.message.headers.get("Reason") == 'SIP;cause=200;text="browser lost"'
        record = await house.record()
        assert (record.result, record.code, record.ended_by, record.reason) == ("answered", 200, "gateway", "browser lost")
        assert len(house.calls) == 0

    async def test_lost_during_a_re_invite(self, house: House, tab: Tab, bob: Phone):
        await talking(house, tab, bob)
        bob.call.offer(plain(9944, direction="sendonly", version=2).encode())
        await tab.phone.is_asked("INVITE")
        await tab.phone.cut()
        await bob.hears(Ended)
        record = await house.record()
        assert (record.result, record.ended_by) == ("answered", "gateway")

    async def test_a_call_for_one_that_is_lost(self, house: House, tab: Tab, bob: Phone):
        await tab.phone.cut()
        await asyncio.sleep(0.05)
        bob.calls(house.number("alice"))
        assert (await bob.hears(Failed)).code == 480


async def test_a_call_waits_for_one_that_is_lost(house: House, tab: Tab, bob: Phone):
    await tab.phone.cut()
    await asyncio.sleep(0.05)
    bob.calls(house.number("alice"))
    await asyncio.sleep(0.05)
    await tab.comes_back()
    invite = await tab.asked("INVITE")
    await tab.phone.answer(invite, 200, sdp=browser_answer(invite.body.decode(), "sendrecv").encode())
    await bob.hears(Answered)
    assert not bob.talk.heard(OfferReceived)


class TestNobodyIsWaitedFor:
    @pytest.fixture
    def grace(self) -> float:
        return 0.0

    async def test_lost_in_a_call(self, house: House, tab: Tab, bob: Phone):
        await talking(house, tab, bob)
        await tab.phone.cut()
        await bob.hears(Ended)
        assert (await house.record()).reason == "browser lost"

    async def test_lost_while_it_rings(self, house: House, tab: Tab, bob: Phone):
        await called(house, tab, bob)
        await tab.phone.cut()
        assert (await bob.hears(Failed)).code == 480
