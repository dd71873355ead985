"""Two endpoints call each other over loopback: the whole stack, sockets included."""

from __future__ import annotations

import pytest

from boringsdp.sip.account import IncomingCall
from boringsdp.sip.flow import Protocol
from boringsdp.sip.session import State
from boringsdp.sip.session.events import Answered, Cancelled, Confirmed, EarlyMedia, Ended, Failed, Ringing
from tests.support.sip_endpoints import ANSWER, OFFER, Ear, at, endpoint, settings_of


@pytest.mark.parametrize("protocol", [Protocol.UDP, Protocol.TCP])
async def test_a_call_is_answered_and_ended_by_the_caller(protocol: Protocol) -> None:
    async with endpoint() as here, endpoint() as there:
        alice, bob, caller, callee = Ear(), Ear(), Ear(), Ear()
        account = here.account(settings_of(at(here, "alice")), alice)
        there.account(settings_of(at(there, "bob")), bob)
        call = account.invite(at(there, "bob", protocol), OFFER, hear=caller, headers=[("X-Order", "17")])
        came = await bob.hears(IncomingCall)
        came.session.hear = callee
        assert (came.sdp, came.request.headers.get("X-Order")) == (OFFER, "17")
        came.session.ring()
        await caller.hears(Ringing)
        came.session.accept(ANSWER)
        assert (await caller.hears(Answered)).sdp == ANSWER
        await callee.hears(Confirmed)
        assert call.dialog is not None
        assert came.session.dialog is not None
        assert call.dialog[1:] == came.session.dialog[:0:-1]
        call.hang_up()
        ended = await callee.hears(Ended)
        assert ended.code == 200
        assert (await caller.hears(Ended)).code == 200
        assert call.over
        assert came.session.over
        assert "INVITE SDP" in here.ladder(call.call_id)


async def test_a_call_is_answered_and_ended_by_the_callee() -> None:
    async with endpoint() as here, endpoint() as there:
        bob, caller, callee = Ear(), Ear(), Ear()
        account = here.account(settings_of(at(here, "alice")), Ear())
        there.account(settings_of(at(there, "bob")), bob)
        account.invite(at(there, "bob"), OFFER, hear=caller)
        came = await bob.hears(IncomingCall)
        came.session.hear = callee
        came.session.progress(ANSWER)
        assert (await caller.hears(EarlyMedia)).sdp == ANSWER
        came.session.accept(ANSWER)
        await caller.hears(Answered)
        await callee.hears(Confirmed)
        came.session.hang_up()
        await caller.hears(Ended)
        await callee.hears(Ended)


async def test_a_call_is_refused() -> None:
    async with endpoint() as here, endpoint() as there:
        bob, caller = Ear(), Ear()
        account = here.account(settings_of(at(here, "alice")), Ear())
        there.account(settings_of(at(there, "bob")), bob)
        account.invite(at(there, "bob"), OFFER, hear=caller)
        came = await bob.hears(IncomingCall)
        came.session.hear = Ear()
        came.session.reject(486)
        failed = await caller.hears(Failed)
        assert (failed.code, failed.reason) == (486, "Busy Here")


async def test_a_call_is_taken_back() -> None:
    async with endpoint() as here, endpoint() as there:
        bob, caller, callee = Ear(), Ear(), Ear()
        account = here.account(settings_of(at(here, "alice")), Ear())
        there.account(settings_of(at(there, "bob")), bob)
        call = account.invite(at(there, "bob"), OFFER, hear=caller)
        came = await bob.hears(IncomingCall)
        came.session.hear = callee
        came.session.ring()
        await caller.hears(Ringing)
        call.hang_up()
        await callee.hears(Cancelled)
        assert (await caller.hears(Ended)).code == 487
        assert call.state is State.ENDED


async def test_nobody_tells_strangers_who_is_known() -> None:
    async with endpoint() as here, endpoint() as there:
        caller, other = Ear(), Ear()
        account = here.account(settings_of(at(here, "alice")), Ear())
        account.invite(at(there, "nobody"), OFFER, hear=caller)
        account.invite(at(there, "nobody", Protocol.TCP), OFFER, hear=other)
        assert (await caller.hears(Failed)).code == 404
        assert (await other.hears(Failed)).code == 404
