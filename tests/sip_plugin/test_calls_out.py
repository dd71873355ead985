"""Calls that a browser places: every event in its shape, early media, forks, ends."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from boringsdp.errors import JanusError
from boringsdp.sdp import describe
from boringsdp.sip.session.events import AnswerReceived, Cancelled, Confirmed, Ended
from boringsdp.sip.settings import SipSettings
from tests.call.phone import CHROMIUM, plain
from tests.sip_plugin.conftest import World, answer, offer
from tests.support.sip_endpoints import LOOPBACK


async def test_a_call_with_early_media_answered_and_ended_by_the_peer(world: World):
    alice = world.guest("alice", incoming_header_prefixes=["X-"])
    world.telephone()
    data = alice.ask({"request": "call", "uri": world.peer(), "headers": {"X-Order": "17"}}, offer())
    call_id = data["call_id"]
    assert data == {"sip": "event", "call_id": call_id, "result": {"event": "calling", "call_id": call_id}}
    call, ear = await world.rings()
    assert call.request.headers.get("X-Order") == "17"
    assert call.session.call_id == call_id
    assert call.sdp is not None
    assert describe(call.sdp.decode()).medias[0].protocol_text == "RTP/AVP"
    call.session.ring([("X-Bell", "loud")])
    assert (await alice.hears("ringing"))["result"] == {"event": "ringing", "headers": {"X-Bell": "loud"}}
    call.session.progress(plain(9000).encode())
    progress = await alice.hears("progress")
    assert progress["result"] == {"event": "progress", "username": world.peer()}
    assert progress["jsep"]["type"] == "answer"
    call.session.accept(plain(9000).encode())
    accepted = await alice.hears("accepted")
    assert accepted == {"sip": "event", "call_id": call_id, "result": {"event": "accepted", "username": world.peer()}}
    await ear.hears(Confirmed)
    call.session.hang_up([("Reason", 'Q.850;cause=16;text="Normal, of course"')])
    over = await alice.hears("hangup")
    assert over["result"] == {
        "event": "hangup",
        "code": 200,
        "reason": "Session Terminated",
        "reason_header": "Normal, of course",
        "reason_header_protocol": "Q.850",
        "reason_header_cause": "16",
    }
    assert (await alice.hears("hangup"))["reason"] == "Close PC"
    assert alice.handle.has_peer_connection is False
    assert len(world.plugin.calls) == 0


async def test_proceeding_tells_every_provisional_code(world: World):
    alice = world.guest()
    world.telephone()
    alice.result({"request": "call", "uri": world.peer()}, offer())
    call, _ = await world.rings()
    call.session.progress(None, 182)
    call.session.ring()
    codes = [(await alice.hears("proceeding"))["result"]["code"] for _ in range(2)]
    assert codes == [182, 180]


async def test_a_refused_call(world: World):
    alice = world.guest()
    world.telephone()
    alice.result({"request": "call", "uri": world.peer()}, offer())
    call, _ = await world.rings()
    call.session.reject(486)
    over = await alice.hears("hangup")
    assert over["result"] == {"event": "hangup", "code": 486, "reason": "Busy Here"}
    assert (await alice.hears("hangup"))["janus"] == "hangup"
    assert alice.result({"request": "call", "uri": world.peer()}, offer())["event"] == "calling"


class TestRedirects:
    @pytest.fixture
    def sip_settings(self) -> SipSettings:
        return replace(LOOPBACK, policy=replace(LOOPBACK.policy, follow_redirects=False))

    async def test_a_redirect_that_is_not_followed_is_told(self, world: World):
        alice = world.guest()
        world.telephone()
        alice.result({"request": "call", "uri": world.peer()}, offer())
        call, _ = await world.rings()
        call.session.reject(302, "", [("Contact", "<sip:carol@there.test>")])
        over = (await alice.hears("hangup"))["result"]
        assert (over["code"], over["contacts"]) == (302, ["sip:carol@there.test"])


async def test_hanging_up_before_the_answer_cancels(world: World):
    alice = world.guest()
    world.telephone()
    alice.result({"request": "call", "uri": world.peer()}, offer())
    call, ear = await world.rings()
    call.session.ring()
    await alice.hears("ringing")
    assert alice.result({"request": "hangup", "headers": {"X-Why": "bored"}}) == {"event": "hangingup"}
    await ear.hears(Cancelled)
    assert (await alice.hears("hangup"))["result"]["code"] == 487


async def test_hanging_up_says_goodbye(world: World):
    alice = world.guest()
    _, ear = await world.talk(alice)
    assert alice.result({"request": "hangup"}) == {"event": "hangingup"}
    assert (await ear.hears(Ended)).code == 200
    assert (await alice.hears("hangup"))["result"] == {"event": "hangup", "code": 200, "reason": "to BYE"}


async def test_losing_the_peer_connection_ends_the_call(world: World):
    alice = world.guest()
    _, ear = await world.talk(alice)
    alice.handle.close_pc("ICE failed")
    await alice.hears("hangingup")
    assert (await alice.hears("hangup"))["result"]["code"] == 200
    assert (await ear.hears(Ended)).code == 200


async def test_srtp_is_offered_as_asked_and_never_given_up(world: World):
    alice = world.guest()
    world.telephone()
    body = {"request": "call", "uri": world.peer(), "srtp": "sdes_mandatory", "srtp_profile": "AEAD_AES_256_GCM"}
    alice.result(body, offer())
    call, _ = await world.rings()
    assert call.sdp is not None
    media = describe(call.sdp.decode()).medias[0]
    assert (media.protocol_text, [crypto.suite for crypto in media.cryptos]) == ("RTP/SAVP", ["AEAD_AES_256_GCM"])
    call.session.accept(plain(9000).encode())
    over = (await alice.hears("hangup"))["result"]
    assert over["code"] == 488
    assert "answer" in over["reason"]


async def test_an_answer_that_differs_from_the_early_one_is_offered_to_the_browser(world: World):
    """A fork: the browser has the early answer, and takes no second one."""
    alice = world.guest()
    world.telephone()
    alice.result({"request": "call", "uri": world.peer()}, offer())
    call, _ = await world.rings()
    call.session.progress(plain(9000, formats="0 101").encode(), reliable=False)
    await alice.hears("progress")
    call.session.accept(plain(9002, formats="8 101").encode())
    assert "jsep" not in await alice.hears("accepted")
    update = await alice.hears("updatingcall")
    assert update["jsep"]["type"] == "offer"
    assert [f.codec.name for f in describe(update["jsep"]["sdp"]).medias[0].codecs] == ["PCMA"]
    assert alice.result({"request": "update"}, answer(update)) == {"event": "updated"}
    assert alice.result({"request": "hold"}) == {"event": "holding"}


async def test_a_client_that_does_not_answer_our_offer_can_go_on(world: World):
    alice = world.guest()
    world.telephone()
    alice.result({"request": "call", "uri": world.peer()}, offer())
    call, ear = await world.rings()
    call.session.progress(plain(9000, formats="0 101").encode(), reliable=False)
    await alice.hears("progress")
    call.session.accept(plain(9002, formats="8 101").encode())
    await alice.hears("updatingcall")
    await ear.hears(Confirmed)
    call.session.offer(plain(9002, formats="8 101", direction="sendonly", version=2).encode())
    await ear.hears(AnswerReceived)
    await alice.hears("remote_hold")


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({"request": "call", "uri": "sip:x@127.0.0.1:9"}, 448, "jsep"),
        ({"request": "accept"}, 447, "not in a call"),
        ({"request": "hangup"}, 447, "not in a call"),
        ({"request": "hold"}, 447, "not in a call"),
        ({"request": "decline"}, 447, "not in a call"),
        ({"request": "decline", "refer_id": 5}, 447, "transfer"),
        ({"request": "update"}, 447, "not in a call"),
        ({"request": "transfer", "uri": "sip:x@127.0.0.1"}, 447, "not in a call"),
        ({"request": "info", "type": "a/b", "content": "x"}, 447, "not in a call"),
        ({"request": "message", "content": "x"}, 447, "not in a call"),
        ({"request": "dtmf_info", "digit": "1"}, 447, "not in a call"),
        ({"request": "keyframe", "user": True}, 447, "not in a call"),
        ({"request": "send_ringing"}, 447, "not in a call"),
        ({"request": "unregister"}, 447, "guest"),
        ({"request": "unsubscribe", "event": "dialog"}, 447, "no subscription to event dialog of sip:alice@"),
        ({"request": "recording", "action": "start", "audio": True}, 451, "Recording"),
        ({"request": "rtp_forward", "streams": []}, 450, "forwarding"),
        ({"request": "stop_rtp_forward", "stream_id": 1}, 455, "1"),
        ({"request": "fly"}, 442, "fly"),
    ],
)
async def test_nothing_out_of_turn_stays_silent(world: World, body: dict[str, object], code: int, words: str):
    alice = world.guest()
    number, text = alice.refusal(body)
    assert (number, words in text) == (code, True), text
    assert alice.result({"request": "listforwarders"}) == {"event": "forwarders", "rtp_forwarders": []}


async def test_an_offer_that_cannot_be_served_leaves_nothing_behind(world: World):
    alice = world.guest()
    broken = offer(CHROMIUM.replace("m=audio 9 UDP/TLS/RTP/SAVPF", "m=audio 9 TCP/UNKNOWN"))
    with pytest.raises(JanusError, match="465"):
        alice.ask({"request": "call", "uri": world.peer()}, broken)
    assert len(world.plugin.calls) == 0
    assert alice.handle.has_peer_connection is False


async def test_reset_forgets_the_call(world: World):
    alice = world.guest()
    _, ear = await world.talk(alice)
    assert alice.result({"request": "reset"}) == {"event": "reset"}
    assert (await ear.hears(Ended)).code == 200
    assert len(world.plugin.calls) == 0
    assert alice.result({"request": "call", "uri": world.peer()}, offer())["event"] == "calling"


async def test_a_second_call_on_the_same_handle_is_refused(world: World):
    alice = world.guest()
    await world.talk(alice)
    assert alice.refusal({"request": "call", "uri": world.peer()}, offer())[0] == 447


async def test_stats_name_both_legs(world: World):
    alice = world.guest()
    await world.talk(alice)
    stats = alice.result({"request": "stats"})
    assert (stats["state"], set(stats["legs"])) == ("stable", {"webrtc", "sip"})


async def test_the_messages_of_a_call_are_drawn(world: World, caplog: pytest.LogCaptureFixture):
    alice = world.guest()
    assert alice.refusal({"request": "ladder"})[0] == 447
    with caplog.at_level("DEBUG", "boringsdp.sip"):
        session, _ = await world.talk(alice)
        session.hang_up()
        await alice.hears("hangup")
    told = alice.result({"request": "ladder"})
    words = [line.split("|", 1)[1].strip("<>-| ") for line in told["ladder"].splitlines()[1:]]
    assert [word for word in words if not word.startswith(("100", "180"))][:4] == ["INVITE SDP", "200 INVITE SDP", "ACK", "BYE"]
    assert any("-- INVITE SDP -" in record.getMessage() for record in caplog.records)


async def test_detaching_hangs_up(world: World):
    alice = world.guest()
    _, ear = await world.talk(alice)
    assert alice.handle.detach(tell=True) is None
    assert (await ear.hears(Ended)).code == 200
    assert world.plugin.masters == {}


async def test_news_for_event_handlers_hold_no_keys(world: World):
    alice = world.guest()
    world.telephone()
    alice.result({"request": "call", "uri": world.peer(), "srtp": "sdes_mandatory"}, offer())
    call, _ = await world.rings()
    key = (call.sdp or b"").decode().partition("inline:")[2].split()[0]
    assert len(key) >= 40
    assert '"event": "calling"' in json.dumps([news.data for news in alice.news])
    assert key not in str(alice.news)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"request": "decline"}, "the call is established; this is for one that comes in and is not answered"),
        ({"request": "accept"}, "the call is established; this is for one that comes in and is not answered"),
        ({"request": "call", "uri": "sip:x@127.0.0.1"}, "the handle has a call, which is established"),
    ],
)
async def test_a_wrong_state_is_told_in_words(world: World, body: dict[str, object], words: str):
    alice = world.guest()
    await world.talk(alice)
    number, text = alice.refusal(body, offer() if body["request"] == "call" else None)
    assert (number, text) == (447, f"Wrong state ({words})")


async def test_who_names_a_suite_gets_sdes(world: World):
    alice = world.guest()
    world.telephone()
    alice.result({"request": "call", "uri": world.peer(), "srtp_profile": "AEAD_AES_128_GCM"}, offer())
    call, _ = await world.rings()
    lines = (call.sdp or b"").decode().splitlines()
    assert [line.split()[1] for line in lines if line.startswith("a=crypto:")] == ["AEAD_AES_128_GCM"]
    assert any(line.startswith("m=audio ") and " RTP/AVP " in line for line in lines)


async def test_the_log_tells_of_a_call_from_whom_to_whom_and_how_it_ended(world: World, caplog: pytest.LogCaptureFixture):
    alice = world.guest()
    with caplog.at_level("INFO", "boringsdp"):
        await world.talk(alice)
        alice.result({"request": "hangup"})
        await alice.hears("hangup")
        world.telephone("carol")
        alice.result({"request": "call", "uri": world.peer("carol")}, offer())
        call, _ = await world.rings()
        call.session.reject(486)
        await alice.hears("hangup")  # of the first call's PeerConnection
        await alice.hears("hangup")
    begun = [vars(record) for record in caplog.records if record.getMessage() == "call attached"]
    over = [vars(record) for record in caplog.records if record.getMessage() == "call ended"]
    assert [(line["direction"], line["from"], line["to"]) for line in begun] == [
        ("out", world.uri("alice"), world.peer()),
        ("out", world.uri("alice"), world.peer("carol")),
    ]
    assert [line["call"] for line in begun] == [line["call"] for line in over]
    assert [line["reason"] for line in over] == ["hung up here", "486 Busy Here"]


async def test_every_message_is_a_line_at_debug(world: World, caplog: pytest.LogCaptureFixture):
    alice = world.guest()
    with caplog.at_level("DEBUG", "boringsdp"):
        await world.talk(alice)
    lines = [(record.getMessage(), vars(record).get("message_line")) for record in caplog.records]
    assert ("sent", f"INVITE {world.peer()}") in lines
    assert ("received", "200 OK to INVITE") in lines
