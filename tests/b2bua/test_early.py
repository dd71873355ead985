"""Until a call is answered: provisional responses, early media, offers that come late, 200 that crosses CANCEL."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from boringsdp.b2bua.policy import Asked, Decision, DefaultRouting, Route, ToPbx
from boringsdp.sdp import describe
from boringsdp.sip.account import InfoReceived, MessageReceived, ReferFailed
from boringsdp.sip.session.events import (
    Answered,
    AnswerReceived,
    Cancelled,
    Confirmed,
    EarlyMedia,
    Ended,
    Failed,
    OfferReceived,
    Proceeding,
    RequestAnswered,
    Ringing,
)
from boringsdp.sip.uri import SipUri
from tests.b2bua.house import DOMAIN, House
from tests.call.phone import plain
from tests.support.sip_endpoints import Ear


async def test_provisional_responses_are_passed_once_each(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    alice.calls(bob.uri)
    call = await bob.rings()
    call.session.progress(None, 182, [("X-Place", "3")])
    call.session.ring()
    call.session.ring()
    call.session.accept(bob.answer())
    await alice.hears(Answered)
    heard = [event.response.code for event in alice.talk.all if isinstance(event, Proceeding | Ringing)]
    assert [code for code in heard if code > 100] == [182, 180]
    proceeding = next(event for event in alice.talk.all if isinstance(event, Proceeding) and event.code == 182)
    assert proceeding.response.headers.get("X-Place") == "3"


async def test_early_media_reaches_the_browser(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    alice.calls(bob.uri)
    call = await bob.rings()
    sdp = bob.answer()
    call.session.progress(sdp)
    early = await alice.hears(EarlyMedia)
    assert b"a=fingerprint:" in early.sdp
    call.session.accept(sdp)
    answered = await alice.hears(Answered)
    assert answered.sdp is not None
    alice.call.hang_up()
    await bob.hears(Ended)


async def test_an_offer_by_the_callee(house: House):
    """INVITE without SDP, from the PBX to a browser: the browser offers in its 2xx, the PBX answers in its ACK."""
    alice, bob = await house.phone("alice"), house.telephone("bob")
    bob.calls(house.number("alice"), None)
    call = await alice.rings()
    assert call.sdp is None
    call.session.accept(alice.offer())
    offer = await bob.hears(OfferReceived)
    assert describe((offer.sdp or b"").decode()).medias[0].protocol_text == "RTP/AVP"
    bob.call.answer(bob.answer(), tag=offer.tag)
    confirmed = await alice.hears(Confirmed)
    assert describe((confirmed.sdp or b"").decode()).medias[0].protocol_text == "UDP/TLS/RTP/SAVPF"
    bob.call.hang_up()
    await alice.hears(Ended)
    assert (await house.record()).result == "answered"


async def test_an_offer_by_the_pbx(house: House):
    """INVITE without SDP from a browser."""
    alice, bob = await house.phone("alice"), house.telephone("bob")
    alice.calls(bob.uri, None)
    call = await bob.rings()
    assert call.sdp is None
    call.session.accept(bob.offer())
    offer = await alice.hears(OfferReceived)
    alice.call.answer(alice.answer(offer.sdp), tag=offer.tag)
    confirmed = await bob.hears(Confirmed)
    assert confirmed.sdp is not None
    alice.call.hang_up()
    await bob.hears(Ended)


async def test_an_early_offer_by_the_callee(house: House):
    """In a reliable 183; the caller's answer goes in PRACKs."""
    alice, bob = await house.phone("alice"), house.telephone("bob")
    bob.calls(house.number("alice"), None)
    call = await alice.rings()
    call.session.progress(alice.offer(), reliable=True)
    offer = await bob.hears(OfferReceived)
    bob.call.answer(bob.answer(), tag=offer.tag)
    await asyncio.sleep(0.1)
    call.session.accept(None)
    await bob.hears(Answered)
    await alice.hears(Confirmed)
    bob.call.hang_up()
    await alice.hears(Ended)


async def test_the_caller_gives_up_while_an_answer_is_awaited(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    bob.calls(house.number("alice"), None)
    call = await alice.rings()
    call.session.accept(alice.offer())
    await bob.hears(OfferReceived)
    bob.call.hang_up()
    await alice.hears(Ended)
    record = await house.record()
    assert record.ended_by in ("caller", "gateway")
    assert len(house.calls) == 0


async def test_the_reason_of_a_cancel_is_passed(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    alice.calls(bob.uri)
    call = await bob.rings()
    call.session.ring()
    await alice.hears(Ringing)
    alice.call.hang_up([("Reason", 'SIP;cause=200;text="Call completed elsewhere"')])
    cancelled = await bob.hears(Cancelled)
    assert cancelled.reason == "Call completed elsewhere"
    record = await house.record()
    assert (record.result, record.code, record.ended_by, record.reason) == ("cancelled", 487, "caller", "cancelled")
    assert record.reason_header == 'SIP;cause=200;text="Call completed elsewhere"'


async def test_a_200_crosses_the_cancel(house: House):
    """The callee has answered, which the gateway does not know when the CANCEL comes: the callee gets ACK and BYE, the caller 487."""
    alice, bob = await house.phone("alice"), house.telephone("bob")
    alice.calls(bob.uri)
    call = await bob.rings()
    call.session.ring()
    await alice.hears(Ringing)
    bridge = next(iter(house.front.bridges()))
    call.session.accept(bob.answer())
    bridge.hear(bridge.caller, Cancelled(None))  # before the 200 is read
    bridge.caller.session.hang_up(code=487)
    await bob.hears(Ended)
    assert (await alice.hears(Failed)).code == 487
    record = await house.record()
    assert (record.result, record.ended_by) == ("cancelled", "caller")
    assert len(house.calls) == 0


async def test_a_cancel_crosses_the_200(house: House):
    """The caller's stack cancels while our 200 is on its way: it ends the call by BYE, and so does the other side."""
    alice, bob = await house.phone("alice"), house.telephone("bob")
    alice.calls(bob.uri)
    call = await bob.rings()
    call.session.ring()
    await alice.hears(Ringing)
    call.session.accept(bob.answer())
    alice.call.hang_up()
    await bob.hears(Ended)
    record = await house.record()
    assert record.ended_by == "caller"
    assert record.result in ("answered", "cancelled")
    assert len(house.calls) == 0


class TestReliable:
    @pytest.fixture
    def front_settings(self) -> dict[str, Any]:
        return {"ring_s": 0.3}

    async def test_one_that_rings_too_long(self, house: House):
        alice, bob = await house.phone("alice"), house.telephone("bob")
        alice.calls(bob.uri)
        call = await bob.rings()
        call.session.ring()
        assert (await alice.hears(Failed)).code == 480
        assert (await bob.hears(Cancelled)).reason == "No answer"
        record = await house.record()
        assert (record.result, record.code, record.ended_by, record.reason) == ("failed", 480, "gateway", "refused: No answer")


class Both(DefaultRouting):
    """Two telephones at once."""

    def from_browser(self, asked: Asked) -> Decision:
        return Route(groups=(tuple(ToPbx(SipUri("sip", name, DOMAIN)) for name in ("bob", "eve")),))


class TestSeveral:
    @pytest.fixture
    def make_routing(self) -> Any:
        return Both

    async def test_who_answers_differs_from_who_was_heard_before(self, house: House):
        """The browser has the first early answer, reliably: once the call is up it is offered what holds."""
        alice, bob, eve = await house.phone("alice"), house.telephone("bob"), house.telephone("eve")
        alice.calls(bob.uri)
        await bob.rings()
        await eve.rings()
        bob.call.progress(plain(9800, formats="0 101").encode())
        early = await alice.hears(EarlyMedia)
        assert early.final
        eve.call.progress(plain(9802, formats="8 101").encode())
        await asyncio.sleep(0.05)
        eve.call.accept(plain(9802, formats="8 101").encode())
        await bob.hears(Cancelled)
        await alice.hears(Answered)
        offer = await alice.hears(OfferReceived)
        assert [str(each.codec) for each in describe((offer.sdp or b"").decode()).medias[0].codecs][:1] == ["PCMA/8000"]
        alice.call.answer(alice.answer(offer.sdp), tag=offer.tag)
        await asyncio.sleep(0.05)
        eve.call.offer(plain(9802, formats="8 101", direction="sendonly", version=2).encode())
        held = await alice.hears(OfferReceived)
        alice.call.answer(alice.answer(held.sdp, "recvonly"), tag=held.tag)
        await eve.hears(AnswerReceived)

    async def test_one_that_was_heard_gives_up(self, house: House):
        alice, bob, eve = await house.phone("alice"), house.telephone("bob"), house.telephone("eve")
        alice.calls(bob.uri)
        await bob.rings()
        await eve.rings()
        bob.call.progress(bob.answer())
        await alice.hears(EarlyMedia)
        bob.call.reject(486)
        await asyncio.sleep(0.05)
        eve.call.accept(eve.answer())
        await alice.hears(Answered)
        alice.call.hang_up()
        await eve.hears(Ended)
        record = await house.record()
        assert sorted(attempt.code for attempt in record.attempts) == [200, 486]


async def test_an_early_offer_of_the_callee_is_answered_for_the_caller(house: House):
    """UPDATE before the answer, after a reliable 183: what the caller has said last answers it."""
    alice, bob = await house.phone("alice"), house.telephone("bob")
    alice.calls(bob.uri)
    await bob.rings()
    bob.call.progress(plain(9810).encode(), reliable=True)
    await alice.hears(EarlyMedia)
    await asyncio.sleep(0.05)
    bob.call.offer(plain(9812, version=2).encode(), by="UPDATE")
    await bob.hears(AnswerReceived)
    bob.call.accept(None)
    await alice.hears(Answered)
    alice.call.hang_up()
    await bob.hears(Ended)


async def test_an_answer_that_cannot_be_served_ends_both(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    alice.calls(bob.uri)
    await bob.rings()
    bob.call.accept(b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n")
    assert (await alice.hears(Failed)).code == 488
    await bob.hears(Ended)
    record = await house.record()
    assert record.ended_by == "gateway"
    assert record.reason.startswith("not acceptable")
    assert len(house.calls) == 0


async def test_an_offer_that_cannot_be_served_is_refused(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    alice.calls(bob.uri, b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n")
    assert (await alice.hears(Failed)).code == 488
    assert not bob.ear.all
    assert (await house.record()).result == "failed"


async def test_requests_go_across_while_it_rings(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    alice.calls(bob.uri)
    await bob.rings()
    bob.call.ring()
    await alice.hears(Ringing)
    alice.call.send("INFO", content_type="application/dtmf-relay", body=b"Signal=1\r\n")
    assert (await bob.hears(InfoReceived)).request.body == b"Signal=1\r\n"
    assert (await alice.hears(RequestAnswered)).response.code == 200
    bob.call.send("MESSAGE", content_type="text/plain", body=b"Hold the line")
    assert (await alice.hears(MessageReceived)).request.body == b"Hold the line"
    assert (await bob.hears(RequestAnswered)).response.code == 200
    refers = Ear()
    bob.call.refer("sip:eve@example.com", hear=refers)
    assert (await refers.hears(ReferFailed)).code == 491
    bob.call.accept(bob.answer())
    await alice.hears(Answered)
