"""WebSockets that are lost while something is going on, and those that are opened in their place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from boringsdp.sip import headers as views
from boringsdp.sip.account import FlowAbandoned, FlowLost, FlowSucceeded, IncomingCall, IncomingRequest, IncomingSubscribe, RequestAnswered
from boringsdp.sip.endpoint import Endpoint
from boringsdp.sip.facades import Account, NotifierHandle, Session
from boringsdp.sip.flow import Flow
from boringsdp.sip.message import Request, Response
from boringsdp.sip.session.events import (
    Answered,
    AnswerReceived,
    By,
    Confirmed,
    Ended,
    Failed,
    OfferReceived,
    OfferRefused,
    Refreshed,
    Ringing,
)
from tests.support.sip_browser import Browser, browser
from tests.support.sip_endpoints import ANSWER, LOOPBACK, OFFER, Ear, endpoint, settings_of

LONG = 30.0


class World:
    """An endpoint that serves browsers, and one that is registered and may be lost."""

    def __init__(self, here: Endpoint, account: Account, ear: Ear, phone: Browser) -> None:
        self.here = here
        self.account = account
        self.ear = ear
        self.phone = phone

    async def registers(self) -> Flow:
        await self.phone.ask("REGISTER")
        event = await self.ear.hears(IncomingRequest)
        await self.phone.gets(405)
        return event.incoming.flow

    async def loses(self, flow: Flow) -> None:
        await self.phone.cut()
        assert (await self.ear.hears(FlowLost)).flow == flow

    async def reopens(self, old: Flow) -> Flow:
        """Open it again, register, and let it take the other's place."""
        await self.phone.open()
        new = await self.registers()
        self.here.succeed(old, new)
        return new

    async def is_called(self, flow: Flow) -> tuple[Session, Ear, Response | None]:
        """Answer a call to the browser."""
        session = self.account.invite(self.phone.contact, OFFER, hear=(hears := Ear()), flow=flow)
        invite = await self.phone.is_asked("INVITE")
        await self.phone.answer(invite, 200, sdp=ANSWER)
        await hears.hears(Answered)
        await self.phone.is_asked("ACK")
        return session, hears, None

    async def calls(self) -> tuple[Session, Ear, Response]:
        """Let the browser call; returns the 200 that its dialog is of."""
        invite = await self.phone.ask("INVITE", "sip:bob@example.com", sdp=OFFER)
        event = await self.ear.hears(IncomingCall)
        hears = event.session.hear = Ear()
        event.session.accept(ANSWER)
        answered = await self.phone.gets(200)
        await self.phone.within(answered, "ACK", views.cseq(invite).number)
        await hears.hears(Confirmed)
        return event.session, hears, answered


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    async with endpoint(LOOPBACK, "ws:127.0.0.1:0") as here:
        ear = Ear()
        account = here.serve_browsers(settings_of("sip:gateway@example.com"), ear)
        async with browser(here) as phone:
            yield World(here, account, ear, phone)


async def test_lost_while_it_rings() -> None:
    async with world() as there:
        flow = await there.registers()
        there.here.keep(flow, LONG)
        session = there.account.invite(there.phone.contact, OFFER, hear=(hears := Ear()), flow=flow)
        invite = await there.phone.is_asked("INVITE")
        await there.phone.answer(invite, 180)
        await hears.hears(Ringing)
        await there.loses(flow)
        new = await there.reopens(flow)
        again = await there.phone.is_asked("INVITE")
        assert views.via(again).branch == views.via(invite).branch
        assert session.flow == new
        await there.phone.answer(again, 200, sdp=ANSWER)
        await hears.hears(Answered)
        await there.phone.is_asked("ACK")
        session.hang_up()
        await there.phone.answer(await there.phone.is_asked("BYE"), 200)
        assert hears.heard(Failed) == []


async def test_called_while_it_is_lost() -> None:
    async with world() as there:
        flow = await there.registers()
        there.here.keep(flow, LONG)
        await there.loses(flow)
        there.account.invite(there.phone.contact, OFFER, hear=(hears := Ear()), flow=flow)
        await there.reopens(flow)
        await there.phone.answer(await there.phone.is_asked("INVITE"), 180)
        await hears.hears(Ringing)


async def test_cancelled_while_it_is_lost() -> None:
    async with world() as there:
        flow = await there.registers()
        there.here.keep(flow, LONG)
        session = there.account.invite(there.phone.contact, OFFER, hear=(hears := Ear()), flow=flow)
        invite = await there.phone.is_asked("INVITE")
        await there.phone.answer(invite, 180)
        await hears.hears(Ringing)
        await there.loses(flow)
        session.hang_up()
        await there.reopens(flow)
        assert await there.phone.is_asked("INVITE")
        cancel = await there.phone.is_asked("CANCEL")
        await there.phone.answer(cancel, 200)
        await there.phone.answer(invite, 487)
        await there.phone.is_asked("ACK")
        await hears.hears(Ended)


async def test_lost_while_it_calls() -> None:
    async with world() as there:
        flow = await there.registers()
        there.here.keep(flow, LONG)
        invite = await there.phone.ask("INVITE", "sip:bob@example.com", sdp=OFFER)
        event = await there.ear.hears(IncomingCall)
        hears = event.session.hear = Ear()
        await there.loses(flow)
        event.session.ring()
        event.session.accept(ANSWER)
        new = await there.reopens(flow)
        answered = await there.phone.gets(200)
        assert event.session.flow == new
        await there.phone.within(answered, "ACK", views.cseq(invite).number)
        await hears.hears(Confirmed)


async def test_lost_in_a_call_that_we_end() -> None:
    async with world() as there:
        flow = await there.registers()
        there.here.keep(flow, LONG)
        session, hears, _ = await there.is_called(flow)
        await there.loses(flow)
        session.hang_up()
        await there.reopens(flow)
        bye = await there.phone.is_asked("BYE")
        await there.phone.answer(bye, 200)
        await hears.hears(Ended)


async def test_a_request_in_the_dialog_brings_the_call_along() -> None:
    async with world() as there:
        flow = await there.registers()
        there.here.keep(flow, LONG)
        session, hears, answered = await there.calls()
        await there.loses(flow)
        session.send("INFO", content_type="text/plain", body=b"waits")
        await there.phone.open()
        await there.phone.within(answered, "UPDATE", 2)
        new = (await there.ear.hears(FlowSucceeded)).new
        assert session.flow == new
        one, other = await there.phone.next(), await there.phone.next()
        info, updated = (one, other) if isinstance(one, Request) else (other, one)
        assert isinstance(info, Request)
        assert isinstance(updated, Response)
        assert (info.body, updated.code) == (b"waits", 200)
        await there.phone.answer(info, 200)
        await hears.hears(RequestAnswered)


async def test_a_subscription_is_brought_along() -> None:
    async with world() as there:
        flow = await there.registers()
        there.here.keep(flow, LONG)
        handles: list[NotifierHandle] = []
        there.ear.then = lambda event: handles.append(event.accept(600)) if isinstance(event, IncomingSubscribe) else None
        event = ("Event", "presence")
        subscribe = await there.phone.ask("SUBSCRIBE", "sip:bob@example.com", headers=(event,))
        accepted = await there.phone.gets(200)
        await there.loses(flow)
        handles[0].notify("active", "text/plain", b"open")
        await there.phone.open()
        to, contact = accepted.headers.get("To") or "", views.contacts(accepted)[0].uri_text
        await there.phone.ask("SUBSCRIBE", contact, to=to, call_id=views.call_id(subscribe), cseq=2, headers=(event,))
        succeeded = await there.ear.hears(FlowSucceeded)
        assert handles[0].flow == succeeded.new
        one, other = await there.phone.next(), await there.phone.next()
        notify = one if isinstance(one, Request) else other
        assert notify.body == b"open"


async def test_nobody_else_brings_it_along() -> None:
    async with world() as there, browser(there.here, "mallory") as mallory:
        flow = await there.registers()
        there.here.keep(flow, LONG)
        session, _, answered = await there.calls()
        await mallory.within(answered, "UPDATE", 2)  # another From tag
        await mallory.gets(481)
        assert session.flow == flow
        await there.loses(flow)
        await mallory.within(answered, "UPDATE", 3)
        await mallory.gets(481)
        assert session.flow == flow
        assert there.ear.heard(FlowSucceeded) == []


async def test_lost_during_our_re_invite() -> None:
    async with world() as there:
        flow = await there.registers()
        there.here.keep(flow, LONG)
        session, hears, _ = await there.is_called(flow)
        session.offer(OFFER, by="INVITE")
        first = await there.phone.is_asked("INVITE")
        await there.loses(flow)
        await there.reopens(flow)
        again = await there.phone.is_asked("INVITE")
        assert views.cseq(again) == views.cseq(first)
        await there.phone.answer(again, 200, sdp=ANSWER)
        await hears.hears(AnswerReceived)
        await there.phone.is_asked("ACK")
        assert not session.over


async def test_lost_during_its_re_invite() -> None:
    async with world() as there:
        flow = await there.registers()
        there.here.keep(flow, LONG)
        session, hears, answered = await there.calls()
        invite = await there.phone.within(answered, "INVITE", 2, OFFER.replace(b"o=- 1 1", b"o=- 1 2").replace(b"40000", b"40010"))
        await hears.hears(OfferReceived)
        await there.loses(flow)
        session.answer(ANSWER)
        await there.reopens(flow)
        second = await there.phone.gets(200)
        assert views.cseq(second) == views.cseq(invite)
        await there.phone.within(answered, "ACK", 2)
        await there.phone.within(answered, "BYE", 3)
        while views.cseq(await there.phone.gets(200)).method != "BYE":
            pass
        await hears.hears(Ended)


async def test_an_old_connection_that_lives_on_is_left() -> None:
    """The network is another, and nobody has noticed yet that the old connection leads nowhere."""
    async with world() as there, browser(there.here) as other:
        old = await there.registers()
        there.here.keep(old, LONG)
        there.account.invite(there.phone.contact, OFFER, hear=(hears := Ear()), flow=old)
        await there.phone.is_asked("INVITE")
        await other.ask("REGISTER")
        new = (await there.ear.hears(IncomingRequest)).incoming.flow
        await other.gets(405)
        there.here.succeed(old, new)
        assert there.here.current(old) == new
        again = await other.is_asked("INVITE")
        await there.loses(old)
        await other.answer(again, 200, sdp=ANSWER)
        await hears.hears(Answered)
        await other.is_asked("ACK")


@pytest.mark.parametrize("kept", [0.05, 0.0])
async def test_nobody_comes_back(kept: float) -> None:
    async with world() as there:
        flow = await there.registers()
        there.here.keep(flow, kept)
        session, hears, _ = await there.is_called(flow)
        session.offer(OFFER, by="INVITE")
        await there.phone.is_asked("INVITE")
        ringing = there.account.invite(there.phone.contact, OFFER, hear=(other := Ear()), flow=flow)
        await there.phone.is_asked("INVITE")
        await there.loses(flow)
        assert (await other.hears(Failed)).code == 503
        assert (await hears.hears(OfferRefused)).code == 503
        assert ringing.over
        assert len(there.ear.heard(FlowAbandoned)) == (1 if kept else 0)
        session.hang_up()
        await hears.hears(Ended)
        assert there.account.sessions == []
        assert len(there.here._browsers) == 0


async def test_the_application_waits_no_more() -> None:
    async with world() as there:
        flow = await there.registers()
        there.here.keep(flow, LONG)
        there.account.invite(there.phone.contact, OFFER, hear=(hears := Ear()), flow=flow)
        await there.phone.is_asked("INVITE")
        await there.loses(flow)
        there.here.abandon(flow)
        assert (await hears.hears(Failed)).code == 503
        assert (await there.ear.hears(FlowAbandoned)).flow == flow


async def test_it_is_too_late_to_keep_what_is_gone() -> None:
    async with world() as there:
        flow = await there.registers()
        await there.loses(flow)
        there.here.keep(flow, LONG)
        await there.phone.open()
        there.here.succeed(await there.registers(), flow)
        assert len(there.here._browsers) == 1  # what is known of the conduct of the one that is there


@pytest.mark.parametrize(("allow", "method"), [("INVITE, ACK, BYE, UPDATE", "UPDATE"), ("INVITE, ACK, BYE", "INVITE")])
async def test_a_call_is_asked_whether_it_is_still_there(allow: str, method: str) -> None:
    async with world() as there:
        flow = await there.registers()
        there.here.keep(flow, LONG)
        session = there.account.invite(there.phone.contact, OFFER, hear=(hears := Ear()), flow=flow)
        invite = await there.phone.is_asked("INVITE")
        await there.phone.answer(invite, 200, sdp=ANSWER, headers=(("Allow", allow),))
        await hears.hears(Answered)
        await there.phone.is_asked("ACK")
        await there.loses(flow)
        flow = await there.reopens(flow)
        asked = await there.phone.is_asked(method)
        assert asked.body == (OFFER if method == "INVITE" else b"")
        await there.phone.answer(asked, 200, sdp=ANSWER if method == "INVITE" else b"")
        await hears.hears(Refreshed)
        if method == "INVITE":
            await there.phone.is_asked("ACK")
        await there.loses(flow)
        await there.reopens(flow)
        await there.phone.answer(await there.phone.is_asked(method), 481)
        if method == "INVITE":
            await there.phone.is_asked("ACK")
        ended = await hears.hears(Ended)
        assert (ended.by, ended.code) == (By.REMOTE, 481)
        assert session.over
