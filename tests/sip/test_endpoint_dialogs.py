"""What goes on within and beside calls, between endpoints over loopback: INFO, MESSAGE, transfers, subscriptions, registrations."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import pytest

from boringsdp.errors import Forbidden, WrongState
from boringsdp.sip.account import (
    IncomingCall,
    IncomingMessage,
    IncomingNotify,
    IncomingRefer,
    InfoReceived,
    MessageReceived,
    ReferAccepted,
    ReferEnded,
    ReferFailed,
    ReferProgress,
    ReferReceived,
    RequestAnswered,
)
from boringsdp.sip.endpoint import Endpoint
from boringsdp.sip.facades import Account, Session
from boringsdp.sip.session.events import Answered, AnswerReceived, Confirmed, Ended, Failed, OfferReceived
from boringsdp.sip.settings import PolicySettings, SipSettings
from tests.support.sip_endpoints import ANSWER, LOOPBACK, OFFER, Ear, at, endpoint, settings_of


class Phone(NamedTuple):
    """An account with its ear."""

    account: Account
    ear: Ear
    at: Endpoint

    async def called(self) -> IncomingCall:
        return await self.ear.hears(IncomingCall)


class Talk(NamedTuple):
    """A call that is up."""

    caller: Session
    callee: Session
    caller_ear: Ear
    callee_ear: Ear


def phone(here: Endpoint, user: str) -> Phone:
    ear = Ear()
    return Phone(here.account(settings_of(at(here, user)), ear), ear, here)


async def talk(one: Phone, other: Phone, user: str) -> Talk:
    ears = Ear(), Ear()
    caller = one.account.invite(at(other.at, user), OFFER, hear=ears[0])
    came = await other.called()
    came.session.hear = ears[1]
    came.session.accept(ANSWER)
    await ears[0].hears(Answered)
    await ears[1].hears(Confirmed)
    return Talk(caller, came.session, *ears)


@asynccontextmanager
async def two() -> AsyncIterator[tuple[Phone, Phone]]:
    async with endpoint() as here, endpoint() as there:
        yield phone(here, "alice"), phone(there, "bob")


async def test_info_and_message_within_a_call() -> None:
    async with two() as (alice, bob):
        call = await talk(alice, bob, "bob")
        number = call.caller.send("INFO", content_type="application/dtmf-relay", body=b"Signal=5\r\nDuration=160\r\n")
        info = await call.callee_ear.hears(InfoReceived)
        assert info.request.body.startswith(b"Signal=5")
        answered = await call.caller_ear.hears(RequestAnswered)
        assert (answered.number, answered.response.code) == (number, 200)
        call.callee.send("MESSAGE", content_type="text/plain", body=b"hello")
        message = await call.caller_ear.hears(MessageReceived)
        assert message.request.body == b"hello"
        assert (await call.callee_ear.hears(RequestAnswered)).response.code == 200


async def test_a_front_may_answer_later_and_otherwise() -> None:
    async with two() as (alice, bob):
        number = alice.account.request("MESSAGE", at(bob.at, "bob"), content_type="text/plain", body=b"hi")
        came = await bob.ear.hears(IncomingMessage)
        assert came.incoming.answered
        assert (await alice.ear.hears(RequestAnswered)).number == number
        answers, heard = Ear(lambda event: event.incoming.later()), Ear()
        bob.account.hear = answers
        alice.account.request("MESSAGE", at(bob.at, "bob"), body=b"x", content_type="text/plain", hear=heard)
        kept = await answers.hears(IncomingMessage)
        kept.incoming.answer(486, headers=[("X-Why", "busy")])
        response = (await heard.hears(RequestAnswered)).response
        assert (response.code, response.headers.get("X-Why")) == (486, "busy")
        with pytest.raises(WrongState):
            kept.incoming.answer(200)


async def test_unasked_notify_and_options() -> None:
    async with two() as (alice, bob):
        lines = [("Event", "message-summary"), ("Subscription-State", "terminated")]
        alice.account.request("NOTIFY", at(bob.at, "bob"), headers=lines, content_type="application/simple-message-summary", body=b"x")
        assert (await bob.ear.hears(IncomingNotify)).event == "message-summary"
        assert (await alice.ear.hears(RequestAnswered)).response.code == 200
        alice.account.request("OPTIONS", at(bob.at, "anybody"))
        assert (await alice.ear.hears(RequestAnswered)).response.code == 200


async def test_hold_and_late_offer() -> None:
    async with two() as (alice, bob):
        call = await talk(alice, bob, "bob")
        call.caller.offer(OFFER + b"a=sendonly\r\n")
        assert b"sendonly" in ((await call.callee_ear.hears(OfferReceived)).sdp or b"")
        call.callee.answer(ANSWER + b"a=recvonly\r\n")
        assert b"recvonly" in (await call.caller_ear.hears(AnswerReceived)).sdp
        call.callee.offer(OFFER, by="UPDATE")
        await call.caller_ear.hears(OfferReceived)
        call.caller.answer(ANSWER)
        assert (await call.callee_ear.hears(AnswerReceived)).sdp == ANSWER


async def test_blind_transfer() -> None:
    async with two() as (alice, bob), endpoint() as elsewhere:
        carol = phone(elsewhere, "carol")
        call = await talk(alice, bob, "bob")
        news, second = Ear(), Ear()
        call.caller.refer(at(elsewhere, "carol"), hear=news)
        asked = await call.callee_ear.hears(ReferReceived)
        assert asked.refer.target == str(at(elsewhere, "carol"))
        assert "alice" in asked.refer.referred_by
        bob.account.invite(asked.refer.target, OFFER, hear=second, refer=asked.refer)
        assert (await news.hears(ReferAccepted)).response.code == 202
        came = await carol.called()
        assert "alice" in (came.request.headers.get("Referred-By") or "")
        came.session.ring()
        codes = [(await news.hears(ReferProgress)).code for _ in range(2)]
        assert codes == [100, 180]
        call.caller.hang_up()  # the usage goes on without the call
        await call.callee_ear.hears(Ended)
        came.session.accept(ANSWER)
        last = await news.hears(ReferProgress)
        assert (last.code, last.final) == (200, True)
        await news.hears(ReferEnded)
        assert asked.refer.over


async def test_attended_transfer() -> None:
    async with two() as (alice, bob), endpoint() as elsewhere:
        carol = phone(elsewhere, "carol")
        first, second = await talk(alice, bob, "bob"), await talk(alice, carol, "carol")
        news = Ear()
        first.caller.refer(second.caller.remote_target, hear=news, replaces=second.caller)
        asked = await first.callee_ear.hears(ReferReceived)
        assert asked.refer.replaces == second.caller.replaces_text
        bob.account.invite(asked.refer.target, OFFER, hear=Ear(), refer=asked.refer)
        came = await carol.called()
        assert came.replaces is second.callee
        came.session.hear = Ear()
        came.session.accept(ANSWER)
        second.callee.hang_up()
        await second.caller_ear.hears(Ended)
        while not (await news.hears(ReferProgress)).final:
            pass


async def test_a_transfer_is_refused() -> None:
    async with two() as (alice, bob):
        call = await talk(alice, bob, "bob")
        call.callee.hear = lambda event: event.refer.reject(486)
        news = Ear()
        transfer = call.caller.refer("sip:carol@127.0.0.1", hear=news)
        assert (await news.hears(ReferFailed)).code == 486
        assert transfer.over


async def test_a_transfer_is_taken_and_then_refused() -> None:
    async with two() as (alice, bob):
        call = await talk(alice, bob, "bob")
        kept = Ear(lambda event: event.refer.later())
        call.callee.hear = kept
        news = Ear()
        transfer = call.caller.refer("sip:carol@127.0.0.1", hear=news)
        refer = (await kept.hears(ReferReceived)).refer
        refer.accept()
        await news.hears(ReferAccepted)
        refer.reject(603)
        while not (await news.hears(ReferProgress)).final:
            pass
        await news.hears(ReferEnded)
        assert transfer.over


async def test_a_transfer_outside_of_calls_is_for_the_account() -> None:
    async with two() as (alice, bob):
        headers = [("Refer-To", "<sip:carol@127.0.0.1>"), ("Event", "refer")]
        bob.account.hear = Ear()
        alice.account.request("REFER", at(bob.at, "bob"), headers=headers)
        assert (await alice.ear.hears(RequestAnswered)).response.code == 603
        ear = Ear(lambda event: event.refer.accept() if isinstance(event, IncomingRefer) else None)
        bob.account.hear = ear
        alice.account.request("REFER", at(bob.at, "bob"), headers=headers)
        assert (await alice.ear.hears(RequestAnswered)).response.code == 202


async def test_policy_binds_fronts() -> None:
    settings = SipSettings(
        transport=LOOPBACK.transport, policy=PolicySettings(targets=("127.0.0.1",), registrars=("pbx.example",), headers=("X-*", "Reason"))
    )
    async with endpoint(settings) as here:
        with pytest.raises(Forbidden, match="registrar"):
            here.account(settings_of("sip:alice@other.example"), Ear())
        account = here.account(settings_of("sip:alice@pbx.example"), Ear())
        with pytest.raises(Forbidden, match="target"):
            account.invite("sip:premium@example.org", OFFER, hear=Ear())
        for name, value in (("P-Asserted-Identity", "x"), ("Via", "x"), ("X-A", "a\r\nEvil: b"), ("X A", "b")):
            with pytest.raises(Forbidden, match="header"):
                account.invite("sip:bob@127.0.0.1", OFFER, hear=Ear(), headers=[(name, value)])
        assert account.sessions == []


async def test_a_closed_account_hangs_up_and_is_gone() -> None:
    async with two() as (alice, bob):
        call = await talk(alice, bob, "bob")
        alice.account.close()
        await call.callee_ear.hears(Ended)
        assert not call.caller_ear.heard(Ended)
        with pytest.raises(WrongState):
            alice.account.invite(at(bob.at, "bob"), OFFER, hear=Ear())
        news = Ear()
        bob.account.invite(at(alice.at, "alice"), OFFER, hear=news)
        assert (await news.hears(Failed)).code == 404


async def test_what_a_front_raises_costs_it_alone() -> None:
    async with two() as (alice, bob):

        def broken(event: object) -> None:
            raise RuntimeError(event)

        bob.account.hear = broken
        news = Ear()
        alice.account.invite(at(bob.at, "bob"), OFFER, hear=news)
        assert (await news.hears(Failed)).code == 480
        alice.account.request("MESSAGE", at(bob.at, "bob"))
        assert (await alice.ear.hears(RequestAnswered)).response.code == 500
        bob.account.hear = bob.ear
        call, other = await talk(alice, bob, "bob"), await talk(alice, bob, "bob")
        call.callee.hear = broken
        call.caller.offer(OFFER.replace(b"40000", b"40004"))
        assert (await call.caller_ear.hears(Ended)).code == 200
        assert (call.callee.over, other.callee.over) == (True, False)
