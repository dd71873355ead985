"""Hold from both sides, updates, re-INVITEs with and without the application, and what is told of them."""

from __future__ import annotations

from typing import Any

import pytest

from boringsdp.sdp import describe
from boringsdp.sip.facades import Session
from boringsdp.sip.session.events import AnswerReceived, OfferReceived, OfferRefused
from tests.call.phone import CHROMIUM, Phone, plain
from tests.sip_plugin.conftest import Client, World, answer, offer
from tests.support.sip_endpoints import Ear


def direction(sdp: bytes | None) -> str:
    assert sdp is not None
    return describe(sdp.decode()).medias[0].direction.value


async def talking(world: World, **more: Any) -> tuple[Client, Session, Ear]:
    alice = world.guest()
    session, ear = await world.talk(alice, **more)
    return alice, session, ear


@pytest.mark.parametrize("held", ["sendonly", "recvonly", "inactive"])
async def test_holding_and_resuming(world: World, held: str):
    alice, session, ear = await talking(world)
    assert alice.result({"request": "hold", "direction": held, "headers": {"X-Why": "tea"}}) == {"event": "holding"}
    offered = await ear.hears(OfferReceived)
    assert (direction(offered.sdp), offered.message.headers.get("X-Why")) == (held, "tea")
    answered = {"sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}[held]
    session.answer(plain(9000, direction=answered, version=2).encode(), tag=offered.tag)
    assert (await alice.hears("held"))["result"] == {"event": "held", "direction": held}
    assert alice.result({"request": "hold", "direction": held}) == {"event": "holding"}
    assert alice.result({"request": "unhold"}) == {"event": "resuming"}
    offered = await ear.hears(OfferReceived)
    assert direction(offered.sdp) == "sendrecv"
    session.answer(plain(9000, version=3).encode(), tag=offered.tag)
    await alice.hears("resumed")
    assert "remote_hold" not in alice.heard()


async def test_a_refused_hold_is_told_and_taken_back(world: World):
    alice, session, ear = await talking(world)
    alice.result({"request": "hold"})
    offered = await ear.hears(OfferReceived)
    session.refuse(488, tag=offered.tag)
    failed = (await alice.hears("update_failed"))["result"]
    assert (failed["code"], failed["reason"]) == (488, "Not Acceptable Here")
    alice.result({"request": "hold"})
    assert direction((await ear.hears(OfferReceived)).sdp) == "sendonly"


async def test_one_exchange_at_a_time(world: World):
    alice, _, ear = await talking(world)
    alice.result({"request": "hold"})
    assert alice.refusal({"request": "unhold"})[0] == 447
    assert alice.refusal({"request": "update"}, offer())[0] == 447
    await ear.hears(OfferReceived)


async def test_the_browsers_update_goes_to_the_peer_and_back(world: World):
    alice, session, ear = await talking(world)
    assert alice.result({"request": "update"}, offer(offer().sdp.replace("a=sendrecv", "a=recvonly"))) == {"event": "updating"}
    offered = await ear.hears(OfferReceived)
    assert direction(offered.sdp) == "recvonly"
    session.answer(plain(9000, direction="sendonly", version=2).encode(), tag=offered.tag)
    accepted = await alice.hears("accepted")
    assert accepted["jsep"]["type"] == "answer"


async def test_a_refused_update_is_told(world: World):
    alice, session, ear = await talking(world)
    alice.result({"request": "update"}, offer(CHROMIUM.replace("a=sendrecv", "a=recvonly")))
    offered = await ear.hears(OfferReceived)
    session.refuse(488, tag=offered.tag)
    assert (await alice.hears("update_failed"))["result"]["code"] == 488
    assert alice.result({"request": "update"}, offer()) == {"event": "updating"}


async def test_an_update_that_changes_nothing_for_the_peer_is_answered_too(world: World):
    """The browser restarts ICE, say."""
    alice, _, _ = await talking(world)
    assert alice.result({"request": "update"}, offer()) == {"event": "updating"}
    assert (await alice.hears("accepted"))["jsep"]["type"] == "answer"
    assert alice.result({"request": "hold"}) == {"event": "holding"}


async def test_a_re_invite_is_answered_for_the_browser_and_told(world: World):
    alice, session, ear = await talking(world)
    session.offer(plain(9000, direction="sendonly", version=2).encode())
    assert direction((await ear.hears(AnswerReceived)).sdp) == "recvonly"
    assert (await alice.hears("remote_hold"))["result"] == {"event": "remote_hold", "direction": "sendonly"}
    moved = Phone()
    session.offer(plain(moved.port, version=3).encode())
    assert direction((await ear.hears(AnswerReceived)).sdp) == "sendrecv"
    assert (await alice.hears("remote_resume"))["result"] == {"event": "remote_resume", "direction": "sendrecv"}
    changed = (await alice.hears("media_changed"))["result"]
    assert changed["changed"] == ["address"]
    assert (changed["media"][0]["address"], changed["media"][0]["port"]) == ("127.0.0.1", moved.port)
    assert "updatingcall" not in alice.heard()


async def test_a_re_invite_without_offer_is_offered_what_holds(world: World):
    alice, session, ear = await talking(world)
    session.offer(None)
    late = await ear.hears(OfferReceived)
    assert direction(late.sdp) == "sendrecv"
    session.answer(plain(9002, version=2).encode(), tag=late.tag)
    assert (await alice.hears("media_changed"))["result"]["changed"] == ["address"]
    assert alice.result({"request": "hold"}) == {"event": "holding"}


async def test_a_re_invite_that_does_not_fit_is_refused(world: World):
    _, session, ear = await talking(world)
    session.offer(plain(9000, formats="99", version=2).encode())
    assert (await ear.hears(OfferRefused)).code == 488


async def test_re_invites_are_shown_where_the_application_wants_them(world: World):
    alice, session, ear = await talking(world, autoaccept_reinvites=False)
    session.offer(plain(9000, direction="sendonly", version=2).encode())
    update = await alice.hears("updatingcall")
    assert update["result"]["username"] == world.peer()
    assert (update["jsep"]["type"], direction(update["jsep"]["sdp"].encode())) == ("offer", "sendonly")
    assert alice.refusal({"request": "hold"})[0] == 447
    assert alice.result({"request": "update"}, answer(update, "recvonly")) == {"event": "updated"}
    assert direction((await ear.hears(AnswerReceived)).sdp) == "recvonly"
    session.offer(None)
    asked = await alice.hears("updatingcall")
    assert "jsep" not in asked
    assert alice.result({"request": "update"}, offer()) == {"event": "updating"}
    late = await ear.hears(OfferReceived)
    session.answer(plain(9000, version=3).encode(), tag=late.tag)
    assert (await alice.hears("accepted"))["jsep"]["type"] == "answer"


async def test_an_answer_to_nothing_is_refused(world: World):
    alice, session, _ = await talking(world, autoaccept_reinvites=False)
    session.offer(plain(9000, version=2).encode())
    update = await alice.hears("updatingcall")
    alice.result({"request": "update"}, answer(update))
    assert alice.refusal({"request": "accept"})[0] == 447
