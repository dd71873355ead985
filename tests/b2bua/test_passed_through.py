"""Calls of users whom the PBX knows: its challenges come back, credentials go through, each browser is called alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from boringsdp.b2bua import records
from boringsdp.b2bua.policy import Asked, Decision, DefaultRouting, Route, ToPbx
from boringsdp.b2bua.settings import Mode
from boringsdp.sip.account import IncomingCall
from boringsdp.sip.digest import Credentials
from boringsdp.sip.digest_server import Challenger, Verdict
from boringsdp.sip.session.events import Answered, AnswerReceived, Ended, Failed, OfferReceived
from boringsdp.sip.uri import SipUri
from tests.b2bua.house import DOMAIN, House, Phone, running_house, talk
from tests.call.phone import CHROMIUM
from tests.support.sip_endpoints import Ear, at, settings_of
from tests.support.sip_registrar import REALM, Registrar, registrar

CHALLENGES = ("WWW-Authenticate", "Proxy-Authenticate")


class Elsewhere(DefaultRouting):
    """Calls go to another server of the PBX than REGISTER."""

    server: SipUri | None = None

    def from_browser(self, asked: Asked) -> Decision:
        return Route(groups=((ToPbx(asked.called, self.server),),))


@dataclass
class Scene:
    house: House
    registrar: Registrar
    bob: Phone


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    monkeypatch.setattr(records, "LAST_MESSAGES_S", 0.05)
    async with registrar() as knows:
        domain = {"mode": Mode.PASS_THROUGH, "pbx": (knows.uri,), "users": ""}
        async with running_house(tmp_path, make_routing=Elsewhere, domain=domain) as house:
            house.front.routing.routing.server = SipUri("sip", None, "127.0.0.1", at(house.pbx, "").port)  # type: ignore[attr-defined]
            ear = Ear()
            account = house.pbx.account(settings_of(at(house.pbx, "bob"), own_headers=CHALLENGES), ear)
            yield Scene(house, knows, Phone(house.pbx, account, ear, f"sip:bob@{DOMAIN}", browser=False))


async def test_a_challenge_comes_back_and_credentials_go_through(scene: Scene):
    house, bob = scene.house, scene.bob
    alice = await house.phone("alice", "secret")
    challenger = Challenger(REALM, lambda user: Credentials(user, "secret"), proxy=True)
    now = asyncio.get_running_loop().time()
    alice.calls(bob.uri)
    first = await bob.rings()
    assert "proxy-authorization" not in first.request.headers
    assert first.request.uri == bob.uri
    assert (first.request.headers.get("From") or "").startswith(f"<sip:alice@{DOMAIN}>")
    first.session.reject(407, "", challenger.challenge(now))
    again = await bob.ear.hears(IncomingCall)
    assert challenger.check(again.request, now) == (Verdict.GOOD, "alice")
    bob.session, bob.offered = again.session, again.sdp or b""
    again.session.hear = bob.talk = Ear()
    again.session.accept(bob.answer())
    await alice.hears(Answered)
    alice.call.hang_up()
    await bob.hears(Ended)
    record = await house.record()
    assert record.result == "answered"
    await asyncio.sleep(0.1)
    assert not house.records  # the call that was only challenged has none


async def test_each_browser_is_called_alone(scene: Scene):
    house, bob = scene.house, scene.bob
    tabs = []
    contacts = []
    for _ in range(2):
        tabs.append(await house.phone("alice", "secret"))
        contacts.append(scene.registrar.contacts["alice"].uri_text)
    assert len(set(contacts)) == 2
    bob.calls(contacts[0])
    await tabs[0].takes()
    await bob.hears(Answered)
    assert not tabs[1].ear.heard(IncomingCall)
    bob.call.hang_up()
    await tabs[0].hears(Ended)
    record = await house.record()
    assert (record.direction, record.called, record.callee) == ("pbx-browser", f"sip:alice@{DOMAIN}", f"sip:alice@{DOMAIN}")


async def test_who_has_not_registered_does_not_call(scene: Scene):
    alice = await scene.house.phone("alice", "secret")
    alice.account.unregister()
    await asyncio.sleep(0.1)
    alice.calls(scene.bob.uri)
    assert (await alice.hears(Failed)).code == 403


async def test_changes_can_be_challenged_too(scene: Scene):
    house, bob = scene.house, scene.bob
    alice = await house.phone("alice", "secret")
    challenger = Challenger(REALM, lambda user: Credentials(user, "secret"), proxy=True)
    now = asyncio.get_running_loop().time()
    await talk(alice, bob, bob.uri)
    alice.call.offer(CHROMIUM.replace("a=sendrecv", "a=sendonly").encode())
    first = await bob.hears(OfferReceived)
    bob.call.refuse(407, headers=challenger.challenge(now), tag=first.tag)
    again = await bob.hears(OfferReceived)
    # Made for the gateway's Contact, which is this dialog's Request-URI at the browser: a PBX that compares the URI says no again.
    assert 'username="alice"' in (again.message.headers.get("Proxy-Authorization") or "")
    bob.call.answer(bob.answer(again.sdp, "recvonly"), tag=again.tag)
    await alice.hears(AnswerReceived)
