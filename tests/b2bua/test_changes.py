"""Offers within a call: hold and its end from either side, refusals, offers that are asked for, glare; and requests beside them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from boringsdp.sdp import Direction, describe
from boringsdp.sip.account import InfoReceived, MessageReceived
from boringsdp.sip.message import Request
from boringsdp.sip.session.events import Answered, AnswerReceived, By, Ended, OfferReceived, OfferRefused, RequestAnswered
from tests.b2bua.house import House, Phone, talk
from tests.call.phone import CHROMIUM, plain


def directions(sdp: bytes | None) -> list[Direction]:
    return [media.direction for media in describe((sdp or b"").decode()).medias]


@pytest.fixture
async def pair(house: House) -> tuple[Phone, Phone]:
    """A browser and a telephone in a call that the browser made."""
    alice, bob = await house.phone("alice"), house.telephone("bob")
    await talk(alice, bob, bob.uri)
    return alice, bob


def hold(phone: Phone, direction: str = "sendonly") -> bytes:
    if phone.browser:
        return CHROMIUM.replace("a=sendrecv", f"a={direction}").encode()
    return plain(9900, direction=direction, version=2).encode()


@pytest.mark.parametrize("who", [0, 1], ids=["browser", "pbx"])
async def test_hold_and_its_end(house: House, pair: tuple[Phone, Phone], who: int):
    holder, held = pair[who], pair[1 - who]
    for direction, seen in (("sendonly", Direction.RECVONLY), ("sendrecv", Direction.SENDRECV)):
        holder.call.offer(hold(holder, direction), [("X-Tune", "5")])
        offer = await held.hears(OfferReceived)
        assert directions(offer.sdp) == [Direction(direction)]
        assert offer.message.headers.get("X-Tune") == "5"
        held.call.answer(held.answer(offer.sdp, seen.value), tag=offer.tag)
        answer = await holder.hears(AnswerReceived)
        assert directions(answer.sdp) == [seen]
    holder.call.hang_up()
    await held.hears(Ended)
    assert len(house.calls) == 0


@pytest.mark.parametrize("who", [0, 1], ids=["browser", "pbx"])
async def test_a_refused_change_leaves_the_call_as_it_was(pair: tuple[Phone, Phone], who: int):
    holder, held = pair[who], pair[1 - who]
    holder.call.offer(hold(holder))
    offer = await held.hears(OfferReceived)
    held.call.refuse(488, "Not Now", [("X-Why", "music")], tag=offer.tag)
    refused = await holder.hears(OfferRefused)
    assert refused.code == 488
    assert refused.response is not None
    assert refused.response.headers.get("X-Why") == "music"
    held.call.offer(hold(held))
    offer = await holder.hears(OfferReceived)
    holder.call.answer(holder.answer(offer.sdp, "recvonly"), tag=offer.tag)
    await held.hears(AnswerReceived)


@pytest.mark.parametrize("who", [0, 1], ids=["browser", "pbx"])
async def test_an_offer_that_is_asked_for(pair: tuple[Phone, Phone], who: int):
    """re-INVITE without SDP: the other side makes the offer, and its answer is in the ACK."""
    asker, asked = pair[who], pair[1 - who]
    asker.call.offer(None)
    wanted = await asked.hears(OfferReceived)
    assert wanted.sdp is None
    asked.call.answer(hold(asked, "sendrecv"), tag=wanted.tag)
    offer = await asker.hears(OfferReceived)
    assert directions(offer.sdp) == [Direction.SENDRECV]
    asker.call.answer(asker.answer(offer.sdp), tag=offer.tag)
    answer = await asked.hears(AnswerReceived)
    assert directions(answer.sdp) == [Direction.SENDRECV]


@pytest.mark.parametrize("who", [0, 1], ids=["browser", "pbx"])
async def test_an_offer_that_the_other_side_does_not_make(pair: tuple[Phone, Phone], who: int):
    """It is answered with what is in force."""
    asker, asked = pair[who], pair[1 - who]
    asker.call.offer(None)
    wanted = await asked.hears(OfferReceived)
    asked.call.refuse(488, tag=wanted.tag)
    offer = await asker.hears(OfferReceived)
    assert offer.sdp
    asker.call.answer(asker.answer(offer.sdp), tag=offer.tag)
    await asyncio.sleep(0.1)
    asker.call.offer(hold(asker))
    assert directions((await asked.hears(OfferReceived)).sdp) == [Direction.SENDONLY]


async def test_glare(house: House, pair: tuple[Phone, Phone]):
    """Both hold at once: both come through in the end, one after the other."""
    for phone in pair:
        phone.call.offer(hold(phone))
    both = [asyncio.ensure_future(_answer_all(phone)) for phone in pair]
    for phone in pair:
        await phone.until(lambda talk: talk.heard(AnswerReceived), 15)
    for task in both:
        task.cancel()
    bridge = next(iter(house.front.bridges()))
    assert any("491 INVITE" in house.here.ladder(call_id) for call_id in bridge.notes.call_ids)


async def _answer_all(phone: Phone) -> None:
    seen = 0
    while True:
        offers = phone.talk.heard(OfferReceived)
        for offer in offers[seen:]:
            phone.call.answer(phone.answer(offer.sdp, "recvonly"), tag=offer.tag)
        seen = len(offers)
        await asyncio.sleep(0.01)


async def test_update_goes_as_update(pair: tuple[Phone, Phone]):
    alice, bob = pair
    bob.call.offer(hold(bob), by="UPDATE")
    offer = await alice.hears(OfferReceived)
    assert isinstance(offer.message, Request)
    assert offer.message.method == "UPDATE"
    alice.call.answer(alice.answer(offer.sdp, "recvonly"), tag=offer.tag)
    await bob.hears(AnswerReceived)


async def test_a_change_that_its_side_hangs_up_on(house: House, pair: tuple[Phone, Phone]):
    alice, bob = pair
    bob.call.offer(hold(bob))
    await alice.hears(OfferReceived)
    bob.call.hang_up()
    await alice.hears(Ended)
    record = await house.record()
    assert (record.ended_by, record.reason) == ("callee", "bye")


async def test_messages_and_infos_go_to_the_other_side(pair: tuple[Phone, Phone]):
    alice, bob = pair
    alice.call.send("MESSAGE", [("X-A", "1")], content_type="text/plain", body=b"Hello")
    message = await bob.hears(MessageReceived)
    assert (message.request.body, message.request.headers.get("X-A")) == (b"Hello", "1")
    assert (await alice.hears(RequestAnswered)).response.code == 200
    bob.call.send("INFO", content_type="application/broadsoft", body=b"play tone CallWaitingTone1")
    assert (await alice.hears(InfoReceived)).request.body.startswith(b"play tone")
    assert (await bob.hears(RequestAnswered)).response.code == 200


async def test_digits_by_info_are_sent_in_the_media(house: House, pair: tuple[Phone, Phone]):
    """The telephone takes telephone-event: it hears no INFO."""
    alice, bob = pair
    alice.call.send("INFO", content_type="application/dtmf-relay", body=b"Signal=5\r\nDuration=160\r\n")
    assert (await alice.hears(RequestAnswered)).response.code == 200
    assert not bob.talk.heard(InfoReceived)


async def test_digits_by_info_go_to_browsers_as_they_are(house: House):
    """They take telephone-event, but no page is told of those."""
    alice, carol, bob = await house.phone("alice"), await house.phone("carol"), house.telephone("bob")
    for caller, callee, uri in ((alice, carol, carol.uri), (bob, alice, house.number("alice"))):
        await talk(caller, callee, uri)
        digit = b"Signal=8\r\nDuration=160\r\n"
        caller.call.send("INFO", content_type="application/dtmf-relay", body=digit)
        info = (await callee.hears(InfoReceived)).request
        assert (info.body, info.headers.get("Content-Type")) == (digit, "application/dtmf-relay")
        assert (await caller.hears(RequestAnswered)).response.code == 200
        caller.call.hang_up()
        await callee.hears(Ended)


async def test_digits_by_info_are_passed_to_who_takes_no_others(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    alice.calls(bob.uri)
    call = await bob.rings()
    call.session.accept(bob.answer().replace(b" 0 101", b" 0").replace(b"a=rtpmap:101 telephone-event/8000\r\n", b""))
    await alice.hears(Answered)
    alice.call.send("INFO", content_type="application/dtmf-relay", body=b"Signal=5\r\nDuration=160\r\n")
    info = await bob.hears(InfoReceived)
    assert info.request.body.startswith(b"Signal=5")
    assert (await alice.hears(RequestAnswered)).response.code == 200


class TestMaximumTime:
    @pytest.fixture
    def front_settings(self) -> dict[str, Any]:
        return {"max_call_s": 0.2}

    async def test_a_call_ends_when_its_time_is_over(self, house: House, pair: tuple[Phone, Phone]):
        alice, bob = pair
        ended = await bob.hears(Ended)
        assert ended.message is not None
        assert ended.message.headers.get("Reason") == 'SIP;cause=200;text="maximum time"'
        await alice.hears(Ended)
        record = await house.record()
        assert (record.result, record.ended_by, record.reason) == ("answered", "gateway", "maximum time")


async def test_a_session_timer_that_runs_out_ends_both(house: House, pair: tuple[Phone, Phone]):
    alice, bob = pair
    bridge = next(iter(house.front.bridges()))
    bridge.hear(bridge.caller, Ended(By.TIMER, 408, "session timer"))
    ended = await bob.hears(Ended)
    assert ended.message is not None
    assert ended.message.headers.get("Reason") == 'SIP;cause=408;text="session timer"'
    record = await house.record()
    assert (record.result, record.ended_by, record.reason) == ("answered", "gateway", "session timer")
    alice.call.hang_up()
