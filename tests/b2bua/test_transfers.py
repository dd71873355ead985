"""Transfers through the front: REFER and Replaces by browsers and by the PBX, refused, crossed and given up."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from boringsdp.sdp import Direction, describe
from boringsdp.sip.account import FlowAbandoned, ReferEnded, ReferFailed, ReferProgress
from boringsdp.sip.facades import Session
from boringsdp.sip.session.events import Answered, AnswerReceived, Confirmed, Ended, Failed, OfferReceived, Ringing
from tests.b2bua.house import House, Phone, talk
from tests.support.sip_endpoints import Ear


def agreeable(phone: Phone) -> None:
    """Let a phone answer every re-offer of the present call."""
    session = phone.call

    def then(event: Any) -> None:
        if isinstance(event, OfferReceived) and not session.over:
            session.answer(phone.answer(event.sdp or b""), tag=event.tag)

    phone.talk.then = then


def refers(phone: Phone, uri: str, *, session: Session | None = None, replaces: Session | None = None) -> Ear:
    ear = Ear()
    (session or phone.call).refer(uri, hear=ear, replaces=replaces)
    return ear


async def final(ear: Ear) -> int:
    """The last that a REFER's sender hears of it."""
    await ear.hears(ReferEnded)
    return int(ear.heard(ReferProgress)[-1].code)


async def settled(house: House) -> None:
    """Nothing of a transfer is under way any more."""
    async with asyncio.timeout(5):
        while len(house.front.transfers):  # noqa: ASYNC110 (nothing to wait for)
            await asyncio.sleep(0.005)


async def gone(house: House, session: Session) -> None:
    """The gateway has heard that a call of its own is over."""
    async with asyncio.timeout(5):
        while house.here.sessions(session.call_id):  # noqa: ASYNC110 (nothing to wait for)
            await asyncio.sleep(0.005)


async def is_one_call(house: House, *phones: Phone) -> None:
    """Whether these two are in one call, whose end both hear."""
    await settled(house)
    [bridge] = house.front.bridges()
    assert bridge.call.statistics()["state"] == "stable"
    one, other = phones
    one.call.hang_up()
    await other.hears(Ended)
    assert not list(house.front.bridges())
    assert len(house.calls) == 0


@pytest.fixture(params=["caller", "callee"])
def role(request: pytest.FixtureRequest) -> str:
    """Of who asks for the transfer, in the call that it is about."""
    return str(request.param)


async def test_a_browser_transfers_the_pbx_to_a_browser(house: House, role: str):
    alice, bob, carol = await house.phone("alice"), house.telephone("bob"), await house.phone("carol")
    if role == "caller":
        await talk(alice, bob, bob.uri)
    else:
        await talk(bob, alice, house.number("alice"))
    agreeable(bob)
    ear = refers(alice, carol.uri)
    call = await carol.rings()
    assert (call.request.headers.get("Referred-By") or "").startswith("<sip:")
    assert "bob" in (call.request.headers.get("From") or "")
    call.session.ring()
    assert not alice.call.over
    call.session.accept(carol.answer())
    await alice.hears(Ended)
    assert await final(ear) == 200
    assert {event.code for event in ear.heard(ReferProgress)} == {100, 180, 200}
    await is_one_call(house, bob, carol)
    record = await house.record()
    assert (record.result, record.transferred_to) == ("answered", carol.uri)


async def test_the_pbx_transfers_a_browser_to_the_pbx(house: House, role: str):
    alice, bob, erin = await house.phone("alice"), house.telephone("bob"), house.telephone("erin")
    if role == "caller":
        await talk(bob, alice, house.number("alice"))
    else:
        await talk(alice, bob, bob.uri)
    agreeable(alice)
    ear = refers(bob, erin.uri)
    call = await erin.takes()
    assert describe((call.sdp or b"").decode()).medias[0].protocol_text == "RTP/AVP"
    assert "alice" in (call.request.headers.get("From") or "")
    await bob.hears(Ended)
    assert await final(ear) == 200
    await is_one_call(house, erin, alice)


async def test_a_browser_is_told_the_target_alone(house: House):
    """Who stays keeps its dialog and o= line, and hears of the target by a re-INVITE."""
    alice, bob, carol = await house.phone("alice"), house.telephone("bob"), await house.phone("carol")
    await talk(carol, alice, alice.uri)
    agreeable(carol)
    refers(alice, bob.uri)
    await bob.takes()
    offer = await carol.hears(OfferReceived)
    assert [f.codec.name for f in describe((offer.sdp or b"").decode()).medias[0].formats][:1] == ["PCMU"]
    await is_one_call(house, carol, bob)


async def test_what_a_refer_asks_of_the_target_beside_is_not_asked(house: House):
    """`Require` of Refer-To would be a demand of ours; Join and the like are served by who knows them."""
    alice, bob, carol = await house.phone("alice"), house.telephone("bob"), await house.phone("carol")
    await talk(alice, bob, bob.uri)
    agreeable(bob)
    refers(alice, f"{carol.uri}?Require=teleport")
    assert (await carol.takes()).request.headers.get("Require") is None
    await is_one_call(house, bob, carol)


async def test_a_target_that_refuses_leaves_the_call_as_it_was(house: House):
    alice, bob, carol = await house.phone("alice"), house.telephone("bob"), await house.phone("carol")
    await talk(alice, bob, bob.uri)
    ear = refers(alice, carol.uri)
    (await carol.rings()).session.reject(486)
    assert await final(ear) == 486
    assert not alice.call.over
    again = refers(alice, carol.uri)
    (await carol.rings()).session.reject(603)
    assert await final(again) == 603
    await is_one_call(house, alice, bob)


@pytest.mark.parametrize("target", ["sip:nobody@example.com:1", "sip:carol@example.com", "mailto:carol@example.com"])
async def test_a_target_that_is_not_there(house: House, target: str):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    await talk(alice, bob, bob.uri)
    ear = Ear()
    if target.startswith("mailto"):
        number = alice.call.send("REFER", [("Refer-To", f"<{target}>")])
        assert number
        await asyncio.sleep(0.05)
    else:
        alice.call.refer(target, hear=ear)
        assert (await ear.hears(ReferFailed)).code in (404, 480) if "carol" in target else await final(ear) >= 400
    await is_one_call(house, alice, bob)


async def test_who_asked_hangs_up_while_the_target_rings(house: House):
    alice, bob, carol = await house.phone("alice"), house.telephone("bob"), await house.phone("carol")
    await talk(alice, bob, bob.uri)
    agreeable(bob)
    refers(alice, carol.uri)
    call = await carol.rings()
    call.session.ring()
    alice.call.hang_up()
    await gone(house, alice.call)
    call.session.progress(carol.answer())
    await asyncio.sleep(0.02)
    call.session.accept(carol.answer())
    await carol.hears(Confirmed)
    await is_one_call(house, bob, carol)


async def test_who_is_alone_cannot_change_its_media(house: House):
    alice, bob, carol = await house.phone("alice"), house.telephone("bob"), await house.phone("carol")
    await talk(alice, bob, bob.uri)
    agreeable(bob)
    refers(alice, carol.uri)
    call = await carol.rings()
    alice.call.hang_up()
    await gone(house, alice.call)
    await asyncio.sleep(0.02)
    bob.call.offer(bob.answer(direction="sendonly"))  # is told 491, and tries again
    await asyncio.sleep(0.02)
    call.session.accept(carol.answer())
    await carol.hears(Confirmed)
    await is_one_call(house, bob, carol)


async def test_who_was_on_hold_is_not_any_more(house: House):
    alice, bob, carol = await house.phone("alice"), house.telephone("bob"), await house.phone("carol")
    await talk(alice, bob, bob.uri)
    alice.call.offer(alice.offer().replace(b"a=sendrecv", b"a=sendonly"))
    held = await bob.hears(OfferReceived)
    bob.call.answer(bob.answer(direction="recvonly"), tag=held.tag)
    await alice.hears(AnswerReceived)
    agreeable(bob)
    refers(alice, carol.uri)
    call = await carol.takes()
    offer = await bob.hears(OfferReceived)
    for sdp in (call.sdp, offer.sdp):
        assert describe((sdp or b"").decode()).medias[0].direction is Direction.SENDRECV
    await is_one_call(house, bob, carol)


async def test_who_asked_has_hung_up_and_the_target_refuses(house: House):
    alice, bob, carol = await house.phone("alice"), house.telephone("bob"), await house.phone("carol")
    await talk(alice, bob, bob.uri)
    refers(alice, carol.uri)
    call = await carol.rings()
    alice.call.hang_up()
    await gone(house, alice.call)
    call.session.reject(486)
    await bob.hears(Ended)
    record = await house.record()
    assert (record.reason, record.ended_by) == ("transfer failed", "gateway")
    assert len(house.calls) == 0


async def test_who_stays_hangs_up_while_the_target_rings(house: House):
    alice, bob, carol = await house.phone("alice"), house.telephone("bob"), await house.phone("carol")
    await talk(alice, bob, bob.uri)
    ear = refers(alice, carol.uri)
    await carol.rings()
    bob.call.hang_up()
    await alice.hears(Ended)
    await carol.hears(object)
    assert await final(ear) == 487
    assert carol.call.over
    assert not len(house.front.transfers)
    assert len(house.calls) == 0


async def test_both_ask_at_once(house: House):
    alice, bob, carol = await house.phone("alice"), house.telephone("bob"), await house.phone("carol")
    await talk(alice, bob, bob.uri)
    agreeable(bob)
    ear, other = refers(alice, carol.uri), Ear()
    call = await carol.rings()
    bob.call.refer(carol.uri, hear=other)
    assert (await other.hears(ReferFailed)).code == 491
    call.session.accept(carol.answer())
    assert await final(ear) == 200
    await is_one_call(house, bob, carol)


async def test_attended_by_a_browser(house: House):
    alice, bob, carol = await house.phone("alice"), house.telephone("bob"), await house.phone("carol")
    await talk(alice, bob, bob.uri)
    first, heard_first = alice.call, alice.talk
    agreeable(bob)
    await talk(alice, carol, carol.uri)
    agreeable(carol)
    ear = refers(alice, carol.uri, session=first, replaces=alice.call)
    assert await final(ear) == 200
    await heard_first.hears(Ended)
    await alice.hears(Ended)
    assert isinstance(await carol.hears(OfferReceived), OfferReceived)
    await is_one_call(house, bob, carol)
    reasons = {(await house.record()).reason for _ in range(2)}
    assert reasons == {"transferred", "bye"}


async def test_attended_by_the_pbx(house: House):
    alice, bob, carol = await house.phone("alice"), house.telephone("bob"), await house.phone("carol")
    await talk(bob, alice, house.number("alice"))
    first = bob.call
    agreeable(alice)
    await talk(bob, carol, house.number("carol"))
    agreeable(carol)
    ear = refers(bob, house.number("carol"), session=first, replaces=bob.call)
    assert await final(ear) == 200
    await is_one_call(house, alice, carol)


async def test_attended_before_the_other_has_answered_is_blind(house: House):
    alice, bob, carol = await house.phone("alice"), house.telephone("bob"), await house.phone("carol")
    await talk(alice, bob, bob.uri)
    first = alice.call
    agreeable(bob)
    second = alice.calls(carol.uri)
    await carol.rings()
    carol.call.ring()
    await alice.hears(Ringing)
    ear = refers(alice, carol.uri, session=first, replaces=second)
    await alice.hears(Failed)
    call = await carol.takes()
    assert call.request.headers.get("Replaces") is None
    assert await final(ear) == 200
    await is_one_call(house, bob, carol)


async def test_a_dialog_elsewhere_is_named_to_the_target(house: House):
    """The PBX has spoken to the target without us."""
    alice, bob, erin = await house.phone("alice"), house.telephone("bob"), house.telephone("erin")
    await talk(alice, bob, bob.uri)
    agreeable(alice)
    heard = Ear()
    inner = bob.account.invite(str(erin.account.settings.identity), bob.offer(), hear=heard)
    taken = await erin.takes()
    await heard.hears(Answered)
    inner_there = taken.session
    ear = Ear()
    bob.call.refer(erin.uri, hear=ear, replaces=inner)
    call = await erin.rings()
    assert call.replaces is inner_there
    call.session.accept(erin.answer())
    assert await final(ear) == 200
    inner_there.hang_up()
    await is_one_call(house, alice, erin)


@pytest.mark.parametrize("late", [False, True])
async def test_an_invite_with_replaces_takes_a_place(house: House, late: bool):
    alice, bob, carol = await house.phone("alice"), house.telephone("bob"), await house.phone("carol")
    await talk(bob, alice, house.number("alice"))
    agreeable(bob)
    carol.calls(alice.uri, None if late else b"", headers=[("Replaces", alice.call.replaces_text)])
    if late:
        offer = await carol.hears(OfferReceived)
        carol.call.answer(carol.answer(offer.sdp), tag=offer.tag)
    else:
        await carol.hears(Answered)
    agreeable(carol)
    await alice.hears(Ended)
    await is_one_call(house, bob, carol)


async def test_the_pbx_takes_a_place(house: House):
    alice, bob, erin = await house.phone("alice"), house.telephone("bob"), house.telephone("erin")
    await talk(alice, bob, bob.uri)
    agreeable(alice)
    erin.calls(house.number("alice"), headers=[("Replaces", bob.call.replaces_text)])
    await erin.hears(Answered)
    await bob.hears(Ended)
    await is_one_call(house, alice, erin)


async def test_who_stays_does_not_want_the_new_one(house: House):
    alice, bob, carol = await house.phone("alice"), house.telephone("bob"), await house.phone("carol")
    await talk(bob, alice, house.number("alice"))
    session = bob.call
    bob.talk.then = lambda event: session.refuse(488, tag=event.tag) if isinstance(event, OfferReceived) else None
    carol.calls(alice.uri, headers=[("Replaces", alice.call.replaces_text)])
    assert (await carol.hears(Failed)).code == 488
    assert not alice.call.over
    await is_one_call(house, alice, bob)


async def test_the_new_one_gives_up_before_it_is_taken(house: House):
    alice, bob, carol = await house.phone("alice"), house.telephone("bob"), await house.phone("carol")
    await talk(bob, alice, house.number("alice"))
    carol.calls(alice.uri, headers=[("Replaces", alice.call.replaces_text)])
    offer = await bob.hears(OfferReceived)
    carol.call.hang_up()
    await carol.hears(Ended)
    bob.call.answer(bob.answer(), tag=offer.tag)
    agreeable(bob)
    await is_one_call(house, alice, bob)


async def test_a_dialog_that_is_nowhere_here_is_for_the_pbx_to_know(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    alice.calls(bob.uri, headers=[("Replaces", "elsewhere;to-tag=1;from-tag=2")])
    assert (await alice.hears(Failed)).code == 481


def loses(house: House, phone: Phone) -> None:
    """The front hears that its WebSocket is gone, and that it does not come back."""
    [session] = house.here.sessions(phone.call.call_id)
    assert session.flow is not None
    house.front.hear_web(FlowAbandoned(session.flow))


async def test_the_browser_of_who_asked_is_lost_while_the_target_rings(house: House):
    alice, bob, carol = await house.phone("alice"), house.telephone("bob"), await house.phone("carol")
    await talk(alice, bob, bob.uri)
    agreeable(bob)
    refers(alice, carol.uri)
    call = await carol.rings()
    loses(house, alice)
    await gone(house, alice.call)
    call.session.accept(carol.answer())
    await carol.hears(Confirmed)
    await is_one_call(house, bob, carol)


async def test_the_browser_of_the_target_is_lost_while_it_rings(house: House):
    alice, bob, carol = await house.phone("alice"), house.telephone("bob"), await house.phone("carol")
    await talk(alice, bob, bob.uri)
    ear = refers(alice, carol.uri)
    await carol.rings()
    loses(house, carol)
    assert await final(ear) == 480
    await is_one_call(house, alice, bob)


@pytest.mark.parametrize("who", ["old", "new"])
async def test_a_browser_is_lost_while_another_takes_its_place(house: House, who: str):
    alice, bob, carol = await house.phone("alice"), house.telephone("bob"), await house.phone("carol")
    await talk(bob, alice, house.number("alice"))
    carol.calls(alice.uri, headers=[("Replaces", alice.call.replaces_text)])
    offer = await bob.hears(OfferReceived)
    lost = alice if who == "old" else carol
    loses(house, lost)
    await gone(house, lost.call)
    bob.call.answer(bob.answer(), tag=offer.tag)
    agreeable(bob)
    await is_one_call(house, bob, carol if who == "old" else alice)
