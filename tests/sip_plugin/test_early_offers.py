"""Early media for callers that made no offer: the browser's goes in a reliable 183, the answer comes in the PRACK (RFC 3262 §5)."""

from __future__ import annotations

from typing import Any

import pytest

from boringsdp.sdp import describe
from boringsdp.sip.facades import Session
from boringsdp.sip.session.events import Answered, Ended, Failed, OfferReceived
from boringsdp.sip.session.settings import Prack, SessionSettings
from boringsdp.sip.settings import SipSettings
from tests.call.phone import plain
from tests.sip_plugin.conftest import Client, World, offer
from tests.sip_plugin.talk import Town, hear_each_other
from tests.support.sip_endpoints import LOOPBACK, Ear, endpoint, settings_of


async def offered_early(world: World, **progress: Any) -> tuple[Client, Session, Ear, OfferReceived]:
    """Alice is called without offer and sends early media: she, the caller's session, and the offer that it got."""
    alice, ear = world.guest(), Ear()
    session = world.telephone().invite(world.uri("alice"), None, hear=ear)
    assert "jsep" not in await alice.hears("incomingcall")
    assert alice.refusal({"request": "progress"})[0] == 448
    assert alice.result({"request": "progress"} | progress, offer()) == {"event": "progressed"}
    early = await ear.hears(OfferReceived)
    assert (early.message.code, early.message.headers.get("Require")) == (183, "100rel")  # type: ignore[union-attr]
    return alice, session, ear, early


async def test_the_prack_has_the_answer_and_accept_needs_no_more(world: World):
    alice, session, ear, early = await offered_early(world)
    assert describe((early.sdp or b"").decode()).medias[0].protocol_text == "RTP/AVP"
    session.answer(plain(9000).encode(), tag=early.tag)
    progress = await alice.hears("progress")
    assert progress["jsep"]["type"] == "answer"
    assert progress["result"]["username"] == world.peer()
    assert alice.refusal({"request": "accept"}, offer())[0] == 448
    assert alice.result({"request": "accept"}) == {"event": "accepted"}
    assert (await ear.hears(Answered)).response.body == b""
    assert alice.result({"request": "hold"}) == {"event": "holding"}
    session.hang_up()
    assert (await alice.hears("hangup"))["result"]["code"] == 200


async def test_accepting_before_the_prack_has_come(world: World):
    alice, session, ear, early = await offered_early(world)
    assert alice.result({"request": "accept"}) == {"event": "accepting"}
    assert alice.refusal({"request": "accept"})[0] == 447
    session.answer(plain(9000).encode(), tag=early.tag)
    assert (await alice.hears("accepted"))["jsep"]["type"] == "answer"
    assert (await ear.hears(Answered)).response.body == b""
    assert alice.result({"request": "hangup"}) == {"event": "hangingup"}
    assert (await ear.hears(Ended)).code == 200


async def test_an_answer_that_cannot_be_served_ends_the_call(world: World):
    alice, session, ear, early = await offered_early(world, srtp="sdes_mandatory")
    session.answer(plain(9000).encode(), tag=early.tag)
    assert (await alice.hears("hangup"))["result"]["code"] == 488
    assert (await ear.hears(Failed)).code == 488


async def test_a_prack_without_answer_ends_the_call_when_the_ack_has_none_either(world: World):
    alice, session, ear, early = await offered_early(world)
    session.refuse(tag=early.tag)
    assert alice.result({"request": "accept"}) == {"event": "accepting"}
    assert (await alice.hears("hangup"))["result"]["code"] == 488
    assert ear.heard(Ended) or await ear.hears(Ended)


async def test_the_caller_gives_up_while_the_prack_is_awaited(world: World):
    alice, session, _, _ = await offered_early(world)
    session.hang_up()
    assert (await alice.hears("hangup"))["result"]["code"] == 487
    assert len(world.plugin.calls) == 0


async def test_a_caller_that_knows_no_100rel_is_offered_nothing_early(world: World):
    """The request is refused, and the call can still be taken."""
    alice, ear = world.guest(), Ear()
    old = SipSettings(transport=LOOPBACK.transport, policy=LOOPBACK.policy, session=SessionSettings(prack=Prack.OFF))
    async with endpoint(old) as there:
        session = there.account(settings_of(world.peer("dave")), Ear()).invite(world.uri("alice"), None, hear=ear)
        await alice.hears("incomingcall")
        code, text = alice.refusal({"request": "progress"}, offer())
        assert (code, "100rel" in text) == (447, True)
        assert alice.result({"request": "accept"}, offer()) == {"event": "accepting"}
        session.answer(plain(9000).encode(), tag=(await ear.hears(OfferReceived)).tag)
        await alice.hears("accepted")


@pytest.mark.parametrize(("kind", "srtp"), [("AVP", {}), ("SAVP", {"srtp": "sdes_mandatory"}), ("DTLS-SAVP", {"srtp": "dtls"})])
async def test_both_hear_each_other_before_and_after_the_call_is_taken(town: Town, kind: str, srtp: dict[str, str]):
    agent, phone = await town.agent(), await town.phone(kind)
    phone.session = phone.account.invite(town.uri_of(agent), None, hear=phone.talk)
    incoming = await agent.until("incomingcall")
    await agent.take(incoming, "progress", **srtp)
    early = await phone.talk.hears(OfferReceived)
    phone.session.answer(phone.peer.answer((early.sdp or b"").decode()).encode(), tag=early.tag)
    await agent.answered("progress")
    await phone.peer.connect()
    await hear_each_other(agent.peer, phone.peer)  # type: ignore[arg-type]
    await agent.ask("accept")
    await agent.until("accepted")
    await phone.talk.hears(Answered)
    await hear_each_other(agent.peer, phone.peer)  # type: ignore[arg-type]
    await agent.hang_up()
