"""Media of web phones is encrypted and proven: who says anything else could aim packets at whomever it likes."""

from __future__ import annotations

from typing import Any

import pytest

from boringsdp.b2bua.policy import Asked, Decision, DefaultRouting, Route, ToEcho, ToPbx, ToUser
from boringsdp.sip.account import IncomingCall
from boringsdp.sip.session.events import Ended, Failed, OfferRefused
from tests.b2bua.house import DOMAIN, House, talk
from tests.call.phone import plain

PLAIN = plain(40_000).encode()


class Echoing(DefaultRouting):
    def from_browser(self, asked: Asked) -> Decision:
        if asked.called.user_name == "echo":
            return Route(groups=((ToEcho(),),))
        return Route(groups=((ToUser(asked.user) if asked.user is not None else ToPbx(asked.called),),))


@pytest.fixture
def make_routing() -> Any:
    return Echoing


@pytest.mark.parametrize("callee", ["bob", "carol", "echo"])
async def test_a_browser_that_offers_plain_media_is_refused(house: House, callee: str):
    alice, bob, carol = await house.phone("alice"), house.telephone("bob"), await house.phone("carol")
    alice.calls(f"sip:{callee}@{DOMAIN}", PLAIN)
    failed = await alice.hears(Failed)
    assert failed.code == 488
    assert failed.response is not None
    assert "fingerprint" in (failed.response.headers.get("Warning") or "")
    assert not bob.ear.heard(IncomingCall)
    assert len(house.calls) == 0
    assert (await house.record()).code == 488
    assert carol.session is None


async def test_it_does_not_change_to_plain_media_in_a_call(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    await talk(alice, bob, bob.uri)
    alice.call.offer(PLAIN)
    assert (await alice.hears(OfferRefused)).code == 488
    bob.call.hang_up()
    await alice.hears(Ended)


async def test_it_does_not_answer_with_plain_media(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    bob.calls(house.number("alice"))
    call = await alice.rings()
    call.session.accept(PLAIN)
    assert (await bob.hears(Failed)).code == 488
    assert len(house.calls) == 0


async def test_it_does_not_offer_plain_media_late(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    bob.calls(house.number("alice"), None)
    call = await alice.rings()
    assert call.sdp is None
    call.session.accept(PLAIN)
    assert (await bob.hears(Failed)).code == 488
    assert len(house.calls) == 0
