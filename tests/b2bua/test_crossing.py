"""What of one side is seen on the other: headers by the list, identity by trust, nothing of dialogs and hops; redirects, challenges."""

from __future__ import annotations

import re
from typing import Any

import pytest

from boringsdp.b2bua import headers
from boringsdp.sip.build import request
from boringsdp.sip.digest import Credentials
from boringsdp.sip.message import Message
from boringsdp.sip.session.events import Answered, Confirmed, Ended, Failed
from tests.b2bua.house import DOMAIN, House, talk
from tests.support.sip_endpoints import LOOPBACK, Ear, at, endpoint, settings_of


def text(message: Message) -> str:
    return message.to_bytes().decode()


async def test_headers_by_the_list_and_identity_by_trust_towards_the_pbx(house: House):
    alice, bob = await house.phone("alice", display_name="Alice A"), house.telephone("bob")
    lines = [
        ("X-Order", "17"), ("Subject", "Tea"), ("Organization", "None"), ("P-Asserted-Identity", "<sip:king@example.com>"),
        ("P-Preferred-Identity", "<sip:queen@example.com>"), ("Diversion", "<sip:x@y>"), ("X-Order", "18"),
    ]  # fmt: skip
    alice.calls(bob.uri, headers=lines)
    call = await bob.rings()
    got = call.request.headers
    assert got.all("X-Order") == ["17", "18"]
    assert got.get("Subject") == "Tea"
    assert got.get("Organization") is got.get("Diversion") is got.get("P-Preferred-Identity") is None
    assert got.all("P-Asserted-Identity") == [f'"Alice A" <sip:alice@{DOMAIN}>']
    assert (got.get("From") or "").startswith(f'"Alice A" <sip:alice@{DOMAIN}>;tag=')


async def test_identity_by_trust_towards_a_browser(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    lines = [
        ("P-Asserted-Identity", '"Bob B" <sip:+4930@pbx>'), ("Diversion", "<sip:hunt@pbx>;reason=no-answer"), ("X-Queue", "sales"),
        ("Alert-Info", "<urn:alert:service:call-waiting>"),
    ]  # fmt: skip
    bob.calls(house.number("alice"), headers=lines, display_name="Bob B")
    got = (await alice.rings()).request.headers
    assert got.get("P-Asserted-Identity") == '"Bob B" <sip:+4930@pbx>'
    assert got.get("Diversion") == "<sip:hunt@pbx>;reason=no-answer"
    assert (got.get("X-Queue"), got.get("Alert-Info")) == ("sales", "<urn:alert:service:call-waiting>")
    assert (got.get("From") or "").startswith(f'"Bob B" <sip:bob@{DOMAIN}>')
    assert (got.get("To") or "") == f"<sip:alice@{DOMAIN}>"


async def test_hops_are_counted(house: House):
    """Max-Forwards goes on, one less; 0 goes nowhere."""
    alice, bob = await house.phone("alice", own_headers=("Max-Forwards",)), house.telephone("bob")
    alice.calls(bob.uri, headers=[("Max-Forwards", "7")])
    assert (await bob.rings()).request.headers.all("Max-Forwards") == ["6"]
    alice.calls(bob.uri, headers=[("Max-Forwards", "0")])
    assert (await alice.hears(Failed)).code == 483


async def test_who_wants_to_stay_unknown_does(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    bob.calls(house.number("alice"), headers=[("P-Asserted-Identity", "<sip:bob@pbx>"), ("Privacy", "id")])
    got = (await alice.rings()).request.headers
    assert got.get("P-Asserted-Identity") is None
    assert got.get("Privacy") == "id"


async def test_nothing_of_one_dialog_is_seen_in_the_other(house: House):
    """Via, Contact, Call-ID, tags, Record-Route, User-Agent, addresses."""
    alice, bob = await house.phone("alice", user_agent="Browser/1"), house.telephone("bob")
    await talk(alice, bob, bob.uri)
    near, far = alice.call.request, bob.call.request
    answer = alice.talk.heard(Answered)[0].response
    marks = {tag for message in (near, far) for tag in re.findall(r"(?:tag|branch)=([^;\s>]+)", text(message))}
    near_marks = {mark for mark in marks if mark in text(near)} | {near.headers.get("Call-ID") or "-", "Browser/1", ".invalid"}
    far_marks = set(re.findall(r"(?:tag|branch)=([^;\s>]+)", text(far))) | {far.headers.get("Call-ID") or "-"}
    pbx = str(house.front.settings.domains[DOMAIN].pbx[0].port)
    seen_by_pbx = text(bob.talk.heard(Confirmed)[0].request) + text(far)
    assert not [mark for mark in near_marks if mark in seen_by_pbx]
    assert not [mark for mark in {*far_marks, f":{pbx}"} if mark in text(answer)]
    assert "Record-Route" not in text(far)


@pytest.mark.parametrize("name", ["Via", "Contact", "Record-Route", "Call-ID", "To", "CSeq", "Authorization", "Server", "Replaces"])
def test_no_list_passes_what_is_of_one_dialog_or_hop(name: str):
    message = request("INFO", "sip:a@b", from_="<sip:a@b>;tag=1", to="<sip:a@b>", call_id="c", cseq=1, headers=[("X-A", "1")])
    if name not in ("To", "Call-ID", "CSeq"):
        message.headers.add(name, "x")
    assert headers.passed(message, ("*",)) == (("X-A", "1"),)


async def test_a_bye_that_says_too_much_is_a_bye(house: House):
    """More text than a message of ours may have."""
    alice, bob = await house.phone("alice"), house.telephone("bob")
    await talk(alice, bob, bob.uri)
    lines = [("Reason", f'Q.850;cause={number};text="{"x" * 3000}"') for number in range(5)]
    bob.call.hang_up(lines)
    ended = await alice.hears(Ended)
    assert ended.message is not None
    assert len(ended.message.headers.all("Reason")) == 1
    record = await house.record()
    assert len(record.reason_header) == 300


class TestRedirects:
    async def test_the_policy_leads_on(self, house: House):
        alice, bob, carol = await house.phone("alice"), house.telephone("bob"), await house.phone("carol")
        alice.calls(bob.uri)
        call = await bob.rings()
        call.session.reject(302, "", [("Contact", f"<sip:carol@{DOMAIN}>")])
        came = await carol.takes()
        assert came.request.headers.get("Diversion") == f"<sip:bob@{DOMAIN}>;reason=unconditional"
        await alice.hears(Answered)
        alice.call.hang_up()
        await carol.hears(Ended)
        record = await house.record()
        assert [attempt.code for attempt in record.attempts] == [302, 200]

    async def test_circles_end(self, house: House):
        alice, bob = await house.phone("alice", follow_redirects=False), house.telephone("bob")
        alice.calls(bob.uri)
        for _ in range(6):
            call = await bob.rings()
            call.session.reject(302, "", [("Contact", f"<{bob.uri}>")])
        assert (await alice.hears(Failed)).code == 302

    @pytest.mark.parametrize("params", ["", ";maddr=127.0.0.2"])
    async def test_a_browser_leads_nobody_past_the_pbx(self, house: House, params: str):
        stranger = await house.stack.enter_async_context(endpoint(LOOPBACK, "udp:127.0.0.1:0" if not params else "udp:127.0.0.2:0"))
        heard, uri = Ear(), at(stranger, "x")
        stranger.account(settings_of(uri), heard)
        bob, alice, carol = house.telephone("bob"), await house.phone("alice"), house.telephone("x")
        bob.calls(house.number("alice"))
        call = await alice.rings()
        call.session.reject(302, "", [("Contact", f"<sip:x@127.0.0.1:{uri.port}{params}>")])
        await carol.rings()
        assert heard.all == []

    class TestPassed:
        @pytest.fixture
        def front_settings(self) -> dict[str, Any]:
            return {"follow_redirects": False}

        async def test_a_redirect_is_passed(self, house: House):
            alice, bob = await house.phone("alice", follow_redirects=False), house.telephone("bob")
            alice.calls(bob.uri)
            call = await bob.rings()
            call.session.reject(302, "", [("Contact", "<sip:carol@elsewhere.example>")])
            failed = await alice.hears(Failed)
            assert failed.code == 302
            assert failed.response is not None
            assert failed.response.headers.get("Contact") == "<sip:carol@elsewhere.example>"


class TestChallenges:
    @pytest.fixture
    def front_settings(self) -> dict[str, Any]:
        return {"challenge_calls": True}

    async def test_calls_can_be_challenged_here(self, house: House):
        alice, bob = await house.phone("alice"), house.telephone("bob")
        await talk(alice, bob, bob.uri)
        assert "authorization" not in bob.call.request.headers
        assert "proxy-authorization" not in bob.call.request.headers

    async def test_without_the_password_there_is_no_call(self, house: House):
        alice, bob = await house.phone("alice"), house.telephone("bob")
        alice.calls(bob.uri, credentials=(Credentials("alice", "wrong"),))
        assert (await alice.hears(Failed)).code in (401, 403, 407)
        assert not bob.ear.all
