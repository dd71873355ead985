"""Calls that come to a browser: answered, declined, cancelled, without offer, with early media, while busy."""

from __future__ import annotations

from typing import Any

import pytest

from boringsdp.janus_api.replies import encode
from boringsdp.sdp import describe
from boringsdp.sip.facades import Session
from boringsdp.sip.session.events import Answered, EarlyMedia, Ended, Failed, OfferReceived, Ringing
from boringsdp.sip_plugin import events
from tests.call.phone import CHROMIUM, plain
from tests.sip_plugin.conftest import Client, World, answer, offer
from tests.support.sip_endpoints import Ear, settings_of

CRYPTO = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n"


async def call_in(world: World, client: Client, sdp: str | None, user: str = "alice", **more: Any) -> tuple[Session, Ear, dict[str, Any]]:
    """A telephone calls: its session and ear, and the event that the client heard."""
    ear = Ear()
    account = world.account or world.telephone()
    session = account.invite(world.uri(user), None if sdp is None else sdp.encode(), hear=ear, **more)
    return session, ear, await client.hears("incomingcall")


async def test_a_call_is_shown_rings_and_is_answered(world: World):
    alice = world.guest(incoming_header_prefixes=["X-", "P-Asserted-"])
    account = world.there.account(settings_of(world.peer(), display_name="Bob B."), world.ear)
    world.account = account
    session, ear, came = await call_in(world, alice, plain(9000), headers=[("X-Order", "17"), ("Y-No", "1")])
    assert came["result"] == {
        "event": "incomingcall",
        "username": world.peer(),
        "call_id": session.call_id,
        "displayname": "Bob B.",
        "callee": world.uri("alice"),
        "headers": {"X-Order": "17"},
    }
    assert came["call_id"] == session.call_id
    assert came["jsep"]["type"] == "offer"
    await ear.hears(Ringing)
    assert alice.result({"request": "accept", "headers": {"X-Yes": "1"}}, answer(came)) == {"event": "accepted"}
    answered = await ear.hears(Answered)
    assert answered.response.headers.get("X-Yes") == "1"
    assert answered.sdp is not None
    assert describe(answered.sdp.decode()).medias[0].protocol_text == "RTP/AVP"
    session.hang_up()
    assert (await alice.hears("hangup"))["result"]["code"] == 200
    assert (await alice.hears("hangup"))["reason"] == "Close PC"


@pytest.mark.parametrize(("asked", "code"), [({}, 603), ({"code": 480}, 480), ({"code": 200}, 486)])
async def test_declining(world: World, asked: dict[str, int], code: int):
    alice = world.guest()
    session, ear, _ = await call_in(world, alice, plain(9000))
    declining = alice.result({"request": "decline", "headers": {"X-Why": "busy"}} | asked)
    assert declining == {"event": "declining", "code": code, "call_id": session.call_id}
    failed = await ear.hears(Failed)
    assert (failed.code, failed.response.headers.get("X-Why")) == (code, "busy")  # type: ignore[union-attr]
    assert (await alice.hears("hangup"))["result"]["code"] == code
    assert alice.handle.has_peer_connection is False


async def test_a_caller_that_gives_up(world: World):
    alice = world.guest()
    session, ear, _ = await call_in(world, alice, plain(9000))
    await ear.hears(Ringing)
    session.hang_up([("Reason", 'SIP;cause=200;text="Call completed elsewhere"')])
    over = (await alice.hears("hangup"))["result"]
    assert (over["code"], over["reason_header"], over["reason_header_cause"]) == (487, "Call completed elsewhere", "200")
    assert alice.refusal({"request": "accept"})[0] == 447


async def test_the_browser_that_goes_while_it_rings_is_unavailable(world: World):
    alice = world.guest()
    _, ear, _ = await call_in(world, alice, plain(9000))
    alice.handle.close_pc("DTLS alert")
    assert (await ear.hears(Failed)).code == 480
    assert (await alice.hears("hangup"))["janus"]


async def test_without_offer_the_browser_makes_it(world: World):
    alice = world.guest()
    session, ear, came = await call_in(world, alice, None)
    assert "jsep" not in came
    assert alice.refusal({"request": "accept"})[0] == 448
    assert alice.result({"request": "accept"}, offer()) == {"event": "accepting"}
    late = await ear.hears(OfferReceived)
    assert late.sdp is not None
    assert describe(late.sdp.decode()).medias[0].protocol_text == "RTP/AVP"
    session.answer(plain(9000).encode(), tag=late.tag)
    accepted = await alice.hears("accepted")
    assert accepted["jsep"]["type"] == "answer"
    assert alice.result({"request": "hangup"}) == {"event": "hangingup"}
    assert (await ear.hears(Ended)).code == 200


async def test_early_media_and_then_the_answer(world: World):
    alice = world.guest(automatic_ringing=False)
    _, ear, came = await call_in(world, alice, plain(9000))
    assert alice.ask({"request": "send_ringing", "headers": {"X-Bell": "1"}}).get("result") is None
    assert (await ear.hears(Ringing)).response.headers.get("X-Bell") == "1"
    assert alice.result({"request": "progress"}, answer(came)) == {"event": "progressed"}
    early = await ear.hears(EarlyMedia)
    assert alice.refusal({"request": "progress"}, None)[0] == 447
    assert alice.result({"request": "accept"}) == {"event": "accepted"}
    answered = await ear.hears(Answered)
    assert answered.sdp == early.sdp


async def test_the_answer_may_come_again_after_early_media(world: World):
    alice = world.guest()
    _, ear, came = await call_in(world, alice, plain(9000))
    jsep = answer(came)
    alice.result({"request": "progress"}, jsep)
    await ear.hears(EarlyMedia)
    assert alice.result({"request": "accept"}, jsep) == {"event": "accepted"}
    await ear.hears(Answered)
    assert alice.refusal({"request": "update"}, jsep)[0] == 448


async def test_srtp_of_the_caller_is_shown_and_may_be_demanded(world: World):
    alice = world.guest()
    _, ear, came = await call_in(world, alice, plain(9000, extra=CRYPTO))
    assert came["result"]["srtp"] == "sdes_optional"
    alice.result({"request": "accept", "srtp": "sdes_mandatory"}, answer(came))
    answered = await ear.hears(Answered)
    assert b"a=crypto:1 AES_CM_128_HMAC_SHA1_80" in (answered.sdp or b"")


async def test_mandatory_srtp_that_the_caller_has_not(world: World):
    alice = world.guest()
    _, ear, came = await call_in(world, alice, plain(9000))
    assert "srtp" not in came["result"]
    code, text = alice.refusal({"request": "accept", "srtp": "sdes_mandatory"}, answer(came))
    assert (code, "crypto" in text) == (452, True)
    alice.result({"request": "decline"})
    assert (await ear.hears(Failed)).code == 603


@pytest.mark.parametrize("profile", ["RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF"])
async def test_every_profile_is_answered_in_kind(world: World, profile: str):
    alice = world.guest()
    _, ear, came = await call_in(world, alice, plain(9000, extra=CRYPTO if "S" in profile else "").replace("RTP/AVP", profile))
    assert came["result"].get("srtp") == ("sdes_mandatory" if "S" in profile else None)
    alice.result({"request": "accept"}, answer(came))
    answered = await ear.hears(Answered)
    assert describe((answered.sdp or b"").decode()).medias[0].protocol_text == profile


async def test_twins_are_shown_as_one_stream(world: World):
    alice = world.guest()
    twins = plain(9000) + plain(9002).partition("t=0 0\r\n")[2].replace("RTP/AVP", "RTP/SAVP") + CRYPTO
    _, ear, came = await call_in(world, alice, twins)
    assert len(describe(came["jsep"]["sdp"]).medias) == 1
    alice.result({"request": "accept"}, answer(came))
    answered = await ear.hears(Answered)
    assert [media.rejected for media in describe((answered.sdp or b"").decode()).medias] == [True, False]


@pytest.mark.parametrize(
    "sdp",
    ["v=0\r\nm=audio x RTP/AVP 0\r\n", plain(9000).replace("m=audio", "m=image"), plain(9000, formats="99")],
)
async def test_media_that_cannot_be_served_is_refused_without_a_sound(world: World, sdp: str):
    alice, ear = world.guest(), Ear()
    world.telephone().invite(world.uri("alice"), sdp.encode(), hear=ear)
    assert (await ear.hears(Failed)).code == 488
    assert alice.heard() == []
    assert len(world.plugin.calls) == 0


async def test_a_second_call_is_missed(world: World):
    alice = world.guest()
    await call_in(world, alice, plain(9000))
    second = Ear()
    assert world.account is not None
    world.account.invite(world.uri("alice"), plain(9002).encode(), hear=second)
    assert (await second.hears(Failed)).code == 486
    missed = await alice.hears("missed_call")
    assert missed["result"] == {"event": "missed_call", "caller": world.peer(), "callee": world.uri("alice")}


async def test_hanging_up_what_rings_declines_it(world: World):
    alice = world.guest()
    _, ear, _ = await call_in(world, alice, plain(9000))
    assert alice.result({"request": "hangup"}) == {"event": "hangingup"}
    assert (await ear.hears(Failed)).code == 603


async def test_an_answer_without_media_of_the_offer_leaves_the_call_ringing(world: World):
    alice = world.guest()
    _, ear, came = await call_in(world, alice, plain(9000))
    wrong = offer(CHROMIUM)
    assert alice.refusal({"request": "accept"}, wrong)[0] == 448
    assert alice.result({"request": "accept"}, answer(came)) == {"event": "accepted"}
    await ear.hears(Answered)


async def test_octets_that_are_no_text_lose_no_event(world: World):
    alice = world.guest(incoming_header_prefixes=["X-"])
    caller = world.telephone().invite(
        world.uri("alice"), plain(9000).encode(), hear=Ear(), headers=[("X-A", "\udce9"), ("Referred-By", "<sip:\udce9@there.test>")]
    )
    encode(await alice.hears("incomingcall"))
    caller.hang_up([("Reason", 'SIP;cause=200;text="caf\udce9"')])
    over = await alice.hears("hangup")
    assert over["result"]["reason_header"] == "caf\ufffd"
    assert b"\xef\xbf\xbd" in encode(over)


def test_events_hold_nothing_but_text():
    data = events.event({"event": "x", "\udc80": ["\ud83d", "\U0001f600", {"é": 1}], "b": True}, call_id="a\udcff", unique_id="\ud800x")
    assert data == {
        "sip": "event", "call_id": "a\ufffd", "unique_id": "\ufffdx",
        "result": {"event": "x", "\ufffd": ["\ufffd", "\U0001f600", {"é": 1}], "b": True},
    }  # fmt: skip
    assert encode(events.error(444, "Unknown request '\udfff'"))
