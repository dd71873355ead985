"""Calls through the front: from a browser to the PBX and back, between browsers, ended by either side, with their records."""

from __future__ import annotations

import pytest

from boringsdp.b2bua.bridge.changes import Changes
from boringsdp.sdp import describe
from boringsdp.sip.account import InfoReceived
from boringsdp.sip.session.events import Answered, Ended, Failed, Ringing
from tests.b2bua.house import DOMAIN, House, talk


async def test_a_browser_calls_the_pbx_and_hangs_up(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    alice.calls(bob.uri)
    call = await bob.rings()
    assert describe((call.sdp or b"").decode()).medias[0].protocol_text == "RTP/AVP"
    call.session.ring()
    await alice.hears(Ringing)
    call.session.accept(bob.answer())
    answered = await alice.hears(Answered)
    assert describe((answered.sdp or b"").decode()).medias[0].protocol_text == "UDP/TLS/RTP/SAVPF"
    alice.call.hang_up()
    ended = await bob.hears(Ended)
    assert ended.code == 200
    record = await house.record()
    assert (record.result, record.code, record.ended_by, record.reason) == ("answered", 200, "caller", "bye")
    assert (record.direction, record.domain, record.caller) == ("browser-pbx", DOMAIN, alice.uri)
    assert record.began <= record.rang <= record.answered <= record.ended
    assert len(record.call_ids) == len(set(record.call_ids)) == 2
    assert record.attempts[0].code == 200
    assert all("BYE" in ladder and "200 BYE" in ladder for ladder in record.ladders)
    assert len(house.calls) == 0


async def test_the_pbx_hangs_up(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    await talk(alice, bob, bob.uri)
    bob.call.hang_up([("Reason", 'Q.850;cause=16;text="Normal, of course"')])
    ended = await alice.hears(Ended)
    assert ended.message is not None
    assert ended.message.headers.get("Reason") == 'Q.850;cause=16;text="Normal, of course"'
    record = await house.record()
    assert (record.ended_by, record.reason, record.reason_header) == ("callee", "bye", 'Q.850;cause=16;text="Normal, of course"')


async def test_the_pbx_calls_a_browser(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    bob.calls(house.number("alice"))
    call = await alice.rings()
    assert describe((call.sdp or b"").decode()).medias[0].protocol_text == "UDP/TLS/RTP/SAVPF"
    call.session.ring()
    await bob.hears(Ringing)
    call.session.accept(alice.answer())
    answered = await bob.hears(Answered)
    assert describe((answered.sdp or b"").decode()).medias[0].protocol_text == "RTP/AVP"
    bob.call.hang_up()
    await alice.hears(Ended)
    record = await house.record()
    assert (record.direction, record.ended_by) == ("pbx-browser", "caller")


async def test_a_browser_calls_another(house: House):
    alice, carol = await house.phone("alice"), await house.phone("carol")
    await talk(alice, carol, carol.uri)
    assert "a=fingerprint:" in carol.offered.decode()
    carol.call.hang_up()
    await alice.hears(Ended)
    record = await house.record()
    assert (record.direction, record.callee, record.ended_by) == ("browser-browser", carol.uri, "callee")


async def test_nobody_is_there(house: House):
    alice = await house.phone("alice")
    alice.calls(f"sip:carol@{DOMAIN}")
    assert (await alice.hears(Failed)).code == 480


async def test_a_refusal_is_passed(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    alice.calls(bob.uri)
    call = await bob.rings()
    call.session.reject(486, "", [("Reason", "Q.850;cause=17"), ("X-Why", "lunch")])
    failed = await alice.hears(Failed)
    assert (failed.code, failed.reason) == (486, "Busy Here")
    assert failed.response is not None
    assert (failed.response.headers.get("Reason"), failed.response.headers.get("X-Why")) == ("Q.850;cause=17", "lunch")
    record = await house.record()
    assert (record.result, record.code, record.ended_by, record.reason) == ("failed", 486, "callee", "refused: Busy Here")


async def test_what_fails_here_ends_the_call_on_both_sides(house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    await talk(alice, bob, bob.uri)

    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(Changes, "hear", fail)
    bob.call.offer(bob.offer())
    await bob.hears(Ended)
    await alice.hears(Ended)
    record = await house.record()
    assert (record.ended_by, record.reason) == ("gateway", "failed here")
    assert not house.front.bridges()
    assert "a call failed here" in caplog.text


async def test_a_request_without_an_answer_ends_with_the_call(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    await talk(alice, bob, bob.uri)
    bob.talk.then = lambda event: event.incoming.later() if isinstance(event, InfoReceived) else None
    alice.call.send("INFO", content_type="text/plain", body=b"hm?")
    await bob.hears(InfoReceived)
    assert house.front.messages._inside
    bob.call.hang_up()
    await alice.hears(Ended)
    assert not house.front.messages._inside
