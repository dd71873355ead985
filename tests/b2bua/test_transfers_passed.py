"""Transfers that are passed on: the one who stays calls the target itself."""

from __future__ import annotations

from typing import Any

import pytest

from boringsdp.b2bua.settings import Refer as Way
from boringsdp.sip.account import IncomingCall, ReferAccepted, ReferEnded, ReferFailed, ReferProgress, ReferReceived
from boringsdp.sip.facades import Session
from boringsdp.sip.session.events import Answered, Ended
from tests.b2bua.house import House, Phone, talk
from tests.support.sip_endpoints import Ear


@pytest.fixture
def front_settings() -> dict[str, Any]:
    return {"refer": Way.PASS}


def follows(phone: Phone, *, code: int = 0) -> list[Session]:
    """Let who stays do what a REFER in its call asks; or refuse it with `code`."""
    made: list[Session] = []

    def then(event: Any) -> None:
        if isinstance(event, ReferReceived) and code:
            event.refer.reject(code, headers=[("Proxy-Authenticate", 'Digest realm="pbx", nonce="1"')])
        elif isinstance(event, ReferReceived):
            made.append(phone.account.invite(event.refer.target, phone.offer(), hear=Ear(), refer=event.refer))

    phone.talk.then = then
    return made


async def final(ear: Ear) -> int:
    await ear.hears(ReferEnded)
    return int(ear.heard(ReferProgress)[-1].code)


async def test_a_browser_asks_the_pbx(house: House):
    alice, bob, erin = await house.phone("alice"), house.telephone("bob"), house.telephone("erin")
    await talk(alice, bob, bob.uri)
    made, ear = follows(bob), Ear()
    target = str(erin.account.settings.identity)
    alice.call.refer(target, hear=ear)
    call = await erin.rings()
    assert call.request.headers.get("Referred-By") is not None
    call.session.ring()
    call.session.accept(erin.answer())
    assert await final(ear) == 200
    assert [event.code for event in ear.heard(ReferProgress)] == [100, 180, 200]
    assert not alice.call.over, "who asked hangs up by itself"
    alice.call.hang_up()
    await bob.hears(Ended)
    assert not made[0].over
    assert len(house.front.transfers) == 0


async def test_the_pbx_asks_a_browser(house: House):
    """The browser's call comes through us, and may take the place of one that only the PBX knows."""
    alice, bob, erin = await house.phone("alice"), house.telephone("bob"), house.telephone("erin")
    await talk(bob, alice, house.number("alice"))
    heard = Ear()
    inner = bob.account.invite(str(erin.account.settings.identity), bob.offer(), hear=heard)
    taken = await erin.takes()
    await heard.hears(Answered)
    follows(alice)
    ear = Ear()
    bob.call.refer(erin.uri, hear=ear, replaces=inner)
    call = await erin.ear.hears(IncomingCall)
    assert call.replaces is taken.session
    call.session.hear = Ear()
    call.session.accept(erin.answer())
    assert await final(ear) == 200


async def test_attended_names_the_dialog_on_the_far_side(house: House):
    alice, bob, erin = await house.phone("alice"), house.telephone("bob"), house.telephone("erin")
    await talk(alice, bob, bob.uri)
    first = alice.call
    follows(bob)
    await talk(alice, erin, erin.uri)
    theirs, ear = erin.call, Ear()
    first.refer(str(erin.account.settings.identity), hear=ear, replaces=alice.call)
    call = await erin.ear.hears(IncomingCall)
    assert call.replaces is theirs
    call.session.hear = Ear()
    call.session.accept(erin.answer())
    theirs.hang_up()
    assert await final(ear) == 200
    await alice.hears(Ended)


async def test_refused(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    await talk(alice, bob, bob.uri)
    for code, told in ((603, 603), (407, 403)):
        follows(bob, code=code)
        ear = Ear()
        alice.call.refer("sip:erin@example.com", hear=ear)
        assert (await ear.hears(ReferFailed)).code == told
    assert not alice.call.over
    assert len(house.front.transfers) == 0


async def test_one_at_a_time(house: House):
    alice, bob, erin = await house.phone("alice"), house.telephone("bob"), house.telephone("erin")
    await talk(alice, bob, bob.uri)
    follows(bob)
    ear, other = Ear(), Ear()
    alice.call.refer(str(erin.account.settings.identity), hear=ear)
    await ear.hears(ReferAccepted)
    alice.call.refer("sip:erin@example.com", hear=other)
    assert (await other.hears(ReferFailed)).code == 491
    (await erin.rings()).session.reject(486)
    assert await final(ear) == 486


async def test_who_asks_hangs_up_at_once(house: House):
    alice, bob, erin = await house.phone("alice"), house.telephone("bob"), house.telephone("erin")
    await talk(alice, bob, bob.uri)
    follows(bob)
    ear = Ear()
    alice.call.refer(str(erin.account.settings.identity), hear=ear)
    await ear.hears(ReferAccepted)
    alice.call.hang_up()
    await bob.hears(Ended)
    await erin.takes()
    assert len(house.front.transfers) == 0
