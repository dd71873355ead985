"""Several browsers of one user, several addresses of a PBX, groups in turn: who rings, who is cancelled, what the caller is told."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from boringsdp.b2bua.bridge import dialing
from boringsdp.b2bua.policy import Asked, Decision, DefaultRouting, Route, ToPbx, ToUser
from boringsdp.sip.account import IncomingCall
from boringsdp.sip.session.events import Answered, Cancelled, Ended, Failed, Ringing
from boringsdp.sip.uri import SipUri, parse_sip_uri
from tests.b2bua.house import DOMAIN, House
from tests.support.sip_endpoints import endpoint


async def test_three_tabs_ring_and_one_answers(house: House):
    tabs = [await house.phone("alice") for _ in range(3)]
    bob = house.telephone("bob")
    bob.calls(house.number("alice"))
    for tab in tabs:
        call = await tab.rings()
        call.session.ring()
    tabs[1].call.accept(tabs[1].answer())
    await bob.hears(Answered)
    for tab in (tabs[0], tabs[2]):
        cancelled = await tab.hears(Cancelled)
        assert cancelled.request is not None
        assert cancelled.request.headers.get("Reason") == 'SIP;cause=200;text="Call completed elsewhere"'
    bob.call.hang_up()
    await tabs[1].hears(Ended)
    record = await house.record()
    assert sorted(attempt.code for attempt in record.attempts) == [200, 487, 487]
    assert [attempt.reason for attempt in record.attempts if attempt.code == 487] == ["completed elsewhere"] * 2
    assert len(house.calls) == 0


async def test_who_calls_himself_rings_at_his_other_tabs(house: House):
    tabs = [await house.phone("alice") for _ in range(2)]
    tabs[0].calls(tabs[0].uri)
    await tabs[1].takes()
    await tabs[0].hears(Answered)
    assert not tabs[0].ear.heard(IncomingCall)


async def test_two_tabs_answer_at_once(house: House):
    tabs = [await house.phone("alice") for _ in range(2)]
    bob = house.telephone("bob")
    bob.calls(house.number("alice"))
    for tab in tabs:
        await tab.rings()
    for tab in tabs:
        tab.call.accept(tab.answer())
    await bob.hears(Answered)
    await tabs[0].until(lambda _: any(tab.talk.heard(Ended) for tab in tabs))
    assert sum(bool(tab.talk.heard(Ended)) for tab in tabs) == 1
    bob.call.hang_up()
    for tab in tabs:
        assert tab.talk.heard(Ended) or await tab.hears(Ended)
    assert (await house.record()).result == "answered"


async def test_busy_tabs_say_busy_and_one_that_declines_for_all_ends_it(house: House):
    tabs = [await house.phone("alice") for _ in range(2)]
    bob = house.telephone("bob")
    bob.calls(house.number("alice"))
    for tab in tabs:
        await tab.rings()
    tabs[0].call.reject(480)
    tabs[1].call.reject(486)
    assert (await bob.hears(Failed)).code == 486
    bob.calls(house.number("alice"))
    for tab in tabs:
        await tab.rings()
    tabs[1].call.reject(603)
    await tabs[0].hears(Cancelled)
    assert (await bob.hears(Failed)).code == 603


class TestFailover:
    @pytest.fixture
    def domain_settings(self) -> dict[str, Any]:
        return {"pbx": ()}

    async def test_an_address_that_does_not_answer_is_passed_over(self, house: House):
        """The first address refuses connections, the second is overloaded, the third is there."""
        async with endpoint() as full:
            self._serve(house, "sip:127.0.0.1:9;transport=tcp", f"sip:127.0.0.1:{_port(full)}", f"sip:127.0.0.1:{_port(house.pbx)}")
            alice, bob = await house.phone("alice"), house.telephone("bob")
            full.ua.draining = True  # answers 503
            full_ear = full.account(_settings(f"sip:bob@127.0.0.1:{_port(full)}"), lambda event: None)
            alice.calls(bob.uri)
            await bob.takes()
            await alice.hears(Answered)
            alice.call.hang_up()
            await bob.hears(Ended)
            record = await house.record()
            assert [attempt.code for attempt in record.attempts] == [503, 503, 200]
            alice.calls(bob.uri)
            await bob.takes()
            await alice.hears(Answered)
            alice.call.hang_up()
            await bob.hears(Ended)
            assert [attempt.code for attempt in (await house.record()).attempts] == [200]  # the others are tried last for a while
            full_ear.close()

    async def test_an_address_that_says_nothing_is_passed_over(self, house: House, monkeypatch: pytest.MonkeyPatch):
        """It takes what it is sent; what it says later is for nobody."""
        monkeypatch.setattr(dialing, "SILENT_S", 0.2)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
            deaf.bind(("127.0.0.1", 0))
            self._serve(house, f"sip:127.0.0.1:{deaf.getsockname()[1]}", f"sip:127.0.0.1:{_port(house.pbx)}")
            alice, bob = await house.phone("alice"), house.telephone("bob")
            alice.calls(bob.uri)
            await bob.takes()
            await alice.hears(Answered)
            alice.call.hang_up()
            await bob.hears(Ended)
            assert [attempt.code for attempt in (await house.record()).attempts] == [408, 200]

    async def test_when_all_fail_the_caller_hears_no_503(self, house: House):
        self._serve(house, "sip:127.0.0.1:9;transport=tcp")
        alice = await house.phone("alice")
        alice.calls(f"sip:bob@{DOMAIN}")
        assert (await alice.hears(Failed)).code == 500

    @staticmethod
    def _serve(house: House, *uris: str) -> None:
        """The addresses of the PBX, set behind everybody's back: only now the ports are known."""
        pbx = tuple(map(parse_sip_uri, uris))
        for domain in house.front.domains:
            object.__setattr__(domain.settings, "pbx", pbx)


class Hunting(DefaultRouting):
    """Alice's calls ring at her browsers, then at the PBX."""

    def from_pbx(self, asked: Asked) -> Decision:
        mailbox = SipUri("sip", "mailbox", DOMAIN)
        return Route(groups=((ToUser(SipUri("sip", asked.called.user, DOMAIN)),), (ToPbx(mailbox),)), ring_s=0.2)


class TestGroups:
    @pytest.fixture
    def make_routing(self) -> Any:
        return Hunting

    async def test_the_next_group_rings_when_nobody_of_the_first_has_answered(self, house: House):
        alice, bob, mailbox = await house.phone("alice"), house.telephone("bob"), house.telephone("mailbox")
        bob.calls(house.number("alice"))
        await alice.rings()
        cancelled = asyncio.ensure_future(alice.hears(Cancelled))
        await mailbox.takes()
        await bob.hears(Answered)
        assert "No answer" in ((await cancelled).reason)
        bob.call.hang_up()
        await mailbox.hears(Ended)
        record = await house.record()
        assert [(attempt.kind, attempt.code) for attempt in record.attempts] == [("browser", 480), ("pbx", 200)]
        assert record.direction == "pbx-pbx"

    async def test_a_group_that_nobody_is_in_is_left_out(self, house: House):
        bob, mailbox = house.telephone("bob"), house.telephone("mailbox")
        bob.calls(house.number("carol"))
        await mailbox.takes()
        await bob.hears(Answered)

    async def test_a_caller_who_gives_up_between_groups_is_called_for_no_more(self, house: House):
        alice, bob, mailbox = await house.phone("alice"), house.telephone("bob"), house.telephone("mailbox")
        bob.calls(house.number("alice"))
        (await alice.rings()).session.ring()
        await bob.hears(Ringing)
        bob.call.hang_up()
        await alice.hears(Cancelled)
        await asyncio.sleep(0.4)
        assert not mailbox.ear.all
        record = await house.record()
        assert (record.result, record.code, record.ended_by, record.reason) == ("cancelled", 487, "caller", "cancelled")


def _port(there: Any) -> int:
    return int(next(listen.port for listen in there.addresses() if listen.protocol.value == "UDP"))


def _settings(uri: str) -> Any:
    from tests.support.sip_endpoints import settings_of

    return settings_of(uri)
