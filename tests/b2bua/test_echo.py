"""Calls that the gateway itself answers."""

from __future__ import annotations

from typing import Any

import pytest

from boringsdp.b2bua.policy import Asked, DefaultRouting, Route, ToEcho
from boringsdp.sdp import describe
from boringsdp.sip.account import ReferFailed
from boringsdp.sip.session.events import Answered, AnswerReceived, Ended, Failed, OfferRefused
from tests.b2bua.house import DOMAIN, House, talk
from tests.b2bua.test_transfers import agreeable, final, refers
from tests.call.phone import CHROMIUM
from tests.support.sip_endpoints import Ear

ECHO = f"sip:echo@{DOMAIN}"


class Routing(DefaultRouting):
    """Everybody hears himself at `echo`, and the PBX whoever it calls."""

    def from_browser(self, asked: Asked) -> Any:
        return Route(groups=((ToEcho(),),)) if asked.called.user == "echo" else super().from_browser(asked)

    def from_pbx(self, asked: Asked) -> Any:
        return Route(groups=((ToEcho(),),))


@pytest.fixture
def make_routing() -> Any:
    return Routing


async def test_a_browser_hears_itself_until_it_hangs_up(house: House):
    alice = await house.phone("alice")
    alice.calls(ECHO)
    answered = await alice.hears(Answered)
    (audio,) = [media for media in describe((answered.sdp or b"").decode()).medias if media.kind == "audio"]
    assert (audio.protocol_text, audio.rejected) == ("UDP/TLS/RTP/SAVPF", False)
    assert house.front.statistics()["calls"] == 1
    alice.call.hang_up()
    record = await house.record()
    assert (record.direction, record.caller, record.result, record.ended_by, record.reason) == (
        "browser-echo", alice.uri, "answered", "caller", "bye",
    )  # fmt: skip
    assert len(record.legs) == 1
    assert (len(house.calls), house.front.statistics()["calls"]) == (0, 0)


async def test_it_is_held_and_resumed(house: House):
    alice = await house.phone("alice")
    alice.calls(ECHO)
    await alice.hears(Answered)
    for ours, theirs in (("sendonly", "recvonly"), ("sendrecv", "sendrecv")):
        alice.call.offer(CHROMIUM.replace("a=sendrecv", f"a={ours}").encode())
        answer = await alice.hears(AnswerReceived)
        assert f"a={theirs}" in answer.sdp.decode()
    alice.call.offer(None)
    assert (await alice.hears(OfferRefused)).code == 488


async def test_the_pbx_reaches_it_too(house: House):
    bob = house.telephone("bob")
    bob.calls(house.number("alice"))
    answered = await bob.hears(Answered)
    assert describe((answered.sdp or b"").decode()).medias[0].protocol_text == "RTP/AVP"
    bob.call.hang_up()
    assert (await house.record()).direction == "pbx-echo"


async def test_a_call_without_an_offer_is_refused_with_a_reason(house: House):
    alice = await house.phone("alice")
    alice.calls(ECHO, None)
    failed = await alice.hears(Failed)
    assert failed.code == 488
    assert failed.response is not None
    assert "echo makes no offer" in (failed.response.headers.get("Warning") or "")
    assert (await house.record()).result == "failed"


async def test_nobody_can_be_sent_away_by_it(house: House):
    alice = await house.phone("alice")
    alice.calls(ECHO)
    await alice.hears(Answered)
    refused = Ear()
    alice.call.refer(f"sip:carol@{DOMAIN}", hear=refused)
    failed = await refused.hears(ReferFailed)
    assert (failed.code, failed.reason) == (403, "The Echo Calls Nobody")


@pytest.mark.parametrize("front_settings", [{"max_call_s": 0.1}])
async def test_it_has_its_time_as_well(house: House):
    alice = await house.phone("alice")
    alice.calls(ECHO)
    ended = await alice.hears(Ended)
    assert ended.message is not None
    assert "maximum time" in (ended.message.headers.get("Reason") or "")
    assert (await house.record()).reason == "maximum time"


async def test_it_ends_with_the_gateway(house: House):
    alice = await house.phone("alice")
    alice.calls(ECHO)
    await alice.hears(Answered)
    await house.front.close()
    assert (await alice.hears(Ended)).code == 200
    assert (await house.record()).reason == "shutdown"


@pytest.mark.parametrize("transferred", ["caller", "callee"])
async def test_a_call_is_transferred_to_it(house: House, transferred: str):
    alice, carol = await house.phone("alice"), await house.phone("carol")
    caller, callee = (alice, carol) if transferred == "callee" else (carol, alice)
    await talk(caller, callee, callee.uri)
    agreeable(carol)
    ear = refers(alice, ECHO)
    assert await final(ear) == 200
    await alice.hears(Ended)
    record = await house.record()
    assert (record.transferred_to, record.reason) == (ECHO, "transferred")
    assert not list(house.front.bridges())
    carol.call.hang_up()
    record = await house.record()
    assert (record.direction, record.caller, record.result, record.ended_by) == ("browser-echo", carol.uri, "answered", "caller")
    assert len(house.calls) == 0
