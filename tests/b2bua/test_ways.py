"""How calls go to the PBX and whom they are led to: keys of the media, who calls, policies that take their time, fail or say no."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from boringsdp.b2bua.policy import Asked, Decision, DefaultRouting, Refusal, Route, ToPbx, ToUser
from boringsdp.b2bua.settings import Media, Mode, TrunkAccount
from boringsdp.sdp import describe
from boringsdp.sip.message import Response
from boringsdp.sip.session.events import Answered, Cancelled, Ended, Failed, Ringing
from boringsdp.sip.uri import SipUri, parse_sip_uri
from tests.b2bua.house import DOMAIN, House, talk


class TestMedia:
    @pytest.fixture(params=[(Media.SDES, "RTP/SAVP", b"a=crypto:"), (Media.SDES_OPTIONAL, "RTP/AVP", b"a=crypto:"),
                            (Media.DTLS, "UDP/TLS/RTP/SAVP", b"a=fingerprint:")], ids=lambda each: each[0].value)  # fmt: skip
    def wanted(self, request: pytest.FixtureRequest) -> Any:
        return request.param

    @pytest.fixture
    def domain_settings(self, wanted: Any) -> dict[str, Any]:
        return {"media": wanted[0]}

    async def test_the_pbx_is_offered_what_the_domain_says(self, house: House, wanted: Any):
        alice, bob = await house.phone("alice"), house.telephone("bob")
        alice.calls(bob.uri)
        call = await bob.rings()
        assert call.sdp is not None
        assert describe(call.sdp.decode()).medias[0].protocol_text == wanted[1]
        assert wanted[2] in call.sdp


class TestTrunk:
    @pytest.fixture
    def domain_settings(self) -> dict[str, Any]:
        own = TrunkAccount(identity=parse_sip_uri("sip:+49300@trunk.example"), caller="+4930{user}")
        return {"mode": Mode.TRUNK, "trunk": own}

    async def test_who_calls_is_told_by_the_rule(self, house: House):
        alice, bob = await house.phone("alice"), house.telephone("bob")
        alice.calls(bob.uri)
        call = await bob.rings()
        assert (call.request.headers.get("From") or "").startswith("<sip:+4930alice@trunk.example>")
        assert call.request.headers.get("P-Asserted-Identity") == "<sip:+4930alice@trunk.example>"
        assert parse_sip_uri(call.request.uri).host == "127.0.0.1"

    async def test_a_number_that_the_rule_makes_is_a_user(self, house: House):
        alice, bob = await house.phone("alice"), house.telephone("bob")
        await talk(bob, alice, house.number("+4930alice"))
        bob.call.hang_up()
        await alice.hears(Ended)


async def test_tel_uris_and_the_hosts_of_the_pbx_are_of_the_domain(house: House):
    alice, dialled = await house.phone("alice"), house.telephone("+4930123")
    pbx = house.front.settings.domains[DOMAIN].pbx[0]
    for uri in ("tel:+4930123", f"sip:+4930123@{pbx.host}", f"sip:+4930123@{DOMAIN};user=phone"):
        alice.calls(uri)
        call = await dialled.rings()
        assert parse_sip_uri(call.request.uri).port == pbx.port
        call.session.reject(486)
        await alice.hears(Failed)


async def test_strangers_are_the_business_of_the_pbx(house: House):
    """A Route names the PBX, the Request-URI stays."""
    alice, bob = await house.phone("alice"), house.telephone("bob")
    alice.calls("sip:bob@elsewhere.example")
    call = await bob.rings()
    assert call.request.uri == "sip:bob@elsewhere.example"
    assert (call.request.headers.get("Route") or "").endswith(";lr>")


class Slow(DefaultRouting):
    """Takes its time; fails for some, refuses others."""

    async def from_browser(self, asked: Asked) -> Decision:
        await asyncio.sleep(0.1)
        match asked.called.user_name:
            case "fails":
                raise ValueError("out of order")
            case "refused":
                return Refusal(403, "Not You", (("X-Why", "rules"),))
            case "nobody":
                return Route(groups=((), (ToUser(SipUri("sip", "dave", DOMAIN)),)))
            case "both":
                alice = ToUser(SipUri("sip", "carol", DOMAIN))
                return Route(groups=((alice, ToPbx(SipUri("sip", "bob", DOMAIN))),), headers=(("X-Added", "1"),), display_name="Reception")
        return Route(groups=((ToPbx(asked.called),),), identity=SipUri("sip", "reception", DOMAIN))


class TestPolicy:
    @pytest.fixture
    def make_routing(self) -> Any:
        return Slow

    @pytest.mark.parametrize(("user", "code"), [("fails", 500), ("refused", 403), ("nobody", 404)])
    async def test_calls_that_are_led_nowhere(self, house: House, user: str, code: int):
        alice = await house.phone("alice")
        alice.calls(f"sip:{user}@{DOMAIN}")
        failed = await alice.hears(Failed)
        assert failed.code == code
        assert isinstance(failed.response, Response)
        assert (failed.response.headers.get("X-Why") == "rules") is (user == "refused")
        assert not house.front.bridges()
        record = await house.record()
        assert (record.result, record.code, record.ended_by) == ("failed", code, "gateway")
        assert (record.direction, record.caller) == ("browser-nobody", alice.uri)
        assert str(code) in record.ladders[0]

    async def test_a_browser_and_the_pbx_ring_at_once(self, house: House):
        alice, carol, bob = await house.phone("alice"), await house.phone("carol"), house.telephone("bob")
        alice.calls(f"sip:both@{DOMAIN}", headers=[("X-Added", "0")])
        calls = [await carol.rings(), await bob.rings()]
        for call in calls:
            assert call.request.headers.all("X-Added") == ["1"]
            assert "Reception" in (call.request.headers.get("From") or "")
            call.session.ring()
        carol.call.accept(carol.answer())
        await alice.hears(Answered)
        await bob.hears(Cancelled)

    async def test_who_calls_can_be_another(self, house: House):
        alice, bob = await house.phone("alice"), house.telephone("bob")
        alice.calls(bob.uri)
        call = await bob.rings()
        assert f"<sip:reception@{DOMAIN}>" in (call.request.headers.get("From") or "")

    async def test_a_caller_who_gives_up_while_the_policy_thinks(self, house: House):
        alice, bob = await house.phone("alice", rfc2543_cancel=True), house.telephone("bob")
        alice.calls(bob.uri)
        alice.call.hang_up()
        await alice.hears(Ended)
        await asyncio.sleep(0.2)
        assert not bob.ear.all
        assert len(house.calls) == 0
        assert not alice.talk.heard(Ringing)
        record = await house.record()
        assert (record.result, record.code, record.ended_by) == ("cancelled", 487, "caller")


class TestTooMany:
    async def test_calls_beyond_the_limit_are_told_to_come_again(self, house: House, monkeypatch: pytest.MonkeyPatch):
        alice, bob = await house.phone("alice"), house.telephone("bob")
        monkeypatch.setattr(house.calls, "_settings", type(house.calls._settings)(max_calls=0))
        alice.calls(bob.uri)
        failed = await alice.hears(Failed)
        assert failed.code == 503
        assert failed.response is not None
        assert failed.response.headers.get("Retry-After") == "10"
