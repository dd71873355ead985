"""Digits by INFO and in the media: what is read, what is sent, what is the same digit again; then whole calls."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boringsdp.call import Call, Party
from boringsdp.call.digits import KEYS, TYPES, Digit, Echoes, InfoQueue, read_digit, takes_events, wants_picture
from boringsdp.sdp import describe
from boringsdp.sip.account import InfoReceived
from tests.call.phone import plain
from tests.interop.sip.agent import Agent
from tests.sip_plugin.conftest import World
from tests.sip_plugin.talk import Telephone, Town, digits_in, hear_each_other, press, without_events


@pytest.mark.parametrize(
    ("kind", "body", "digit"),
    [
        ("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", Digit("5", 160)),
        ("application/dtmf-relay", "Signal= 5\r\nDuration= 250", Digit("5", 250)),
        ("Application/DTMF-Relay; charset=utf-8", "duration=90\nsignal = *\n", Digit("*", 90)),
        ("application/dtmf-relay", "Signal=#", Digit("#")),
        ("application/dtmf-relay", "Signal=10\r\nDuration=160", Digit("*", 160)),
        ("application/dtmf-relay", "Signal=11", Digit("#")),
        ("application/dtmf-relay", "Signal=12", Digit("A")),
        ("application/dtmf-relay", "Signal=d\r\nDuration=0", Digit("D", 1)),
        ("application/dtmf-relay", "Signal=1\r\nDuration=99999", Digit("1", 5000)),
        ("application/dtmf-relay", "Signal=1\r\nDuration=long", Digit("1")),
        ("application/dtmf", "7", Digit("7")),
        ("application/dtmf", "*\r\n", Digit("*")),
        ("application/dtmf", "Signal=8\r\nDuration=100", Digit("8", 100)),
        ("application/dtmf-relay", "Signal=16", None),
        ("application/dtmf-relay", "Signal=!", None),
        ("application/dtmf-relay", "Signal=123", None),
        ("application/dtmf-relay", "Signal=\u0665", None),
        ("application/dtmf-relay", "Duration=160", None),
        ("application/dtmf-relay", "", None),
        ("text/plain", "Signal=5", None),
        ("", "5", None),
    ],
)
def test_what_an_info_says(kind: str, body: str, digit: Digit | None):
    assert read_digit(kind, body) == digit


@given(st.sampled_from([*TYPES, "application/DTMF;x"]), st.text(max_size=300) | st.text("Signal=Duration*#:0123456789 \r\n", max_size=40))
def test_whatever_an_info_says_it_is_one_digit_or_none(kind: str, body: str):
    digit = read_digit(kind, body)
    assert digit is None or (digit.key in KEYS and len(digit.key) == 1 and 1 <= digit.duration_ms <= 5000)


@pytest.mark.parametrize(
    ("kind", "body", "wanted"),
    [
        ("application/media_control+xml", "<media_control><vc_primitive><to_encoder><picture_fast_update/>", True),
        ("Application/Media_Control+XML; charset=utf-8", "<picture_fast_update/>", True),
        ("application/media_control+xml", "<media_control/>", False),
        ("text/plain", "<picture_fast_update/>", False),
    ],
)
def test_who_wants_a_picture(kind: str, body: str, wanted: bool):
    assert wants_picture(kind, body) is wanted


async def test_a_key_frame_is_asked_of_the_browser(world: World, monkeypatch: pytest.MonkeyPatch):
    asked: list[Party] = []
    monkeypatch.setattr(Call, "request_key_frame", lambda _, party: asked.append(party))
    alice = world.guest()
    session, _ = await world.talk(alice)
    session.send("INFO", (), content_type="application/media_control+xml", body=b"<media_control/>")
    await alice.hears("info")
    assert asked == []
    session.send("INFO", (), content_type="application/media_control+xml", body=b"<picture_fast_update/>")
    await alice.hears("info")
    assert asked == [Party.A]


def test_our_own_are_read_back():
    assert read_digit("application/dtmf-relay", Digit("#", 320).body.decode()) == Digit("#", 320)


def test_a_digit_that_comes_both_ways_is_heard_once():
    echoes = Echoes()
    came = [("5", "media", 0.0), ("5", "info", 0.2), ("5", "media", 0.5), ("5", "info", 0.6), ("6", "info", 0.7), ("6", "info", 0.9)]
    assert [echoes.new(*each) for each in came] == [True, False, True, False, True, True]
    assert echoes.new("6", "media", 1.0) is False
    assert echoes.new("7", "info", 1.0)
    assert echoes.new("7", "media", 3.1), "too late to be the same"


def test_digits_go_one_at_a_time():
    queue = InfoQueue()
    assert queue.add([Digit("1"), Digit("2")]) == Digit("1")
    assert queue.add([Digit("3")]) is None
    assert queue.answered(200) == Digit("2")
    assert queue.answered(200) == Digit("3")
    assert queue.answered(200) is None
    assert queue.add([Digit("4"), Digit("5")]) == Digit("4")
    assert queue.answered(415) is None, "the peer takes none"
    assert queue.add([Digit("6")]) == Digit("6")


def test_too_many_digits_are_dropped():
    queue = InfoQueue()
    queue.add([Digit("1")] * 500)
    sent = 1
    while queue.answered(200) is not None:
        sent += 1
    assert sent == InfoQueue.LIMIT


@pytest.mark.parametrize(("sdp", "takes"), [(plain(9000), True), (plain(9000, formats="0"), False), (plain(0), False)])
def test_who_takes_events(sdp: str, takes: bool):
    assert takes_events(describe(sdp)) is takes
    assert takes_events(describe(sdp.replace("a=rtpmap:101 telephone-event/8000\r\n", "").replace(" 101", ""))) is False
    assert takes_events(None) is False


# --- in calls ------------------------------------------------------------------------------------------------------------------------


async def infos(phone: Telephone, count: int) -> list[str]:
    """The bodies of so many INFOs that the telephone gets."""
    came = [(await phone.talk.hears(InfoReceived)).request for _ in range(count)]
    assert {request.headers.get("Content-Type") for request in came} == {"application/dtmf-relay"}
    return [request.body.decode() for request in came]


async def called(town: Town, kind: str = "AVP", *, events: bool = True, **more: Any) -> tuple[Agent, Telephone]:
    """An agent in a call that it placed to a telephone."""
    agent, phone = await town.agent(**more), await town.phone(kind)
    phone.edit = str if events else without_events
    await agent.place(phone.uri, **({"srtp": SRTP[kind]} if kind in SRTP else {}))
    await phone.takes()
    await agent.answered()
    await hear_each_other(agent.peer, phone.peer)
    return agent, phone


SRTP = {"SAVP": "sdes_mandatory", "DTLS-SAVP": "dtls"}


@pytest.mark.parametrize("outgoing", [True, False])
async def test_keys_go_by_info_to_a_peer_without_telephone_event(town: Town, outgoing: bool):
    agent, phone = await town.agent(), await town.phone()
    phone.edit = without_events
    if outgoing:
        await agent.place(phone.uri)
        await phone.takes()
        told = await agent.answered()
    else:
        await phone.calls(town.uri_of(agent))
        told = await agent.take()
        await phone.connected()
    assert takes_events(describe(told["jsep"]["sdp"])), "else a browser sends no digits"
    await hear_each_other(agent.peer, phone.peer)
    event = next(f.payload_type for f in describe(told["jsep"]["sdp"]).medias[0].formats if f.codec.is_event)
    for digit in (5, 10, 11):
        press(agent.peer, digit, event)
        await asyncio.sleep(0.1)
    assert await infos(phone, 3) == [f"Signal={key}\r\nDuration=100\r\n" for key in "5*#"]
    await agent.ask("dtmf", digits="12", duration=200)
    assert (await agent.result("dtmfsent"))["digits"] == 2
    assert await infos(phone, 2) == ["Signal=1\r\nDuration=200\r\n", "Signal=2\r\nDuration=200\r\n"]
    assert digits_in(phone.peer.heard) == []


@pytest.mark.parametrize(("events", "mode"), [(True, "auto"), (True, "rfc4733"), (False, "rfc4733"), (True, "info")])
async def test_the_application_chooses_how_keys_go(town: Town, events: bool, mode: str):
    agent, phone = await called(town, events=events, dtmf=mode)
    press(agent.peer, 7)
    await asyncio.sleep(0.3)
    assert digits_in(phone.peer.heard) == ([7] if events and mode != "info" else [])
    assert len(phone.talk.heard(InfoReceived)) == (mode == "info")
    await hear_each_other(agent.peer, phone.peer)


async def test_a_call_overrides_its_account(town: Town):
    agent, phone = await town.agent(dtmf="info"), await town.phone()
    await agent.place(phone.uri, dtmf="rfc4733")
    await phone.takes()
    await agent.answered()
    press(agent.peer, 3)
    await asyncio.sleep(0.3)
    assert digits_in(phone.peer.heard) == [3]
    assert phone.talk.heard(InfoReceived) == []


@pytest.mark.parametrize("kind", ["AVP", "SAVP", "DTLS-SAVP"])
async def test_digits_of_the_peer_are_told_once_each(town: Town, kind: str):
    agent, phone = await called(town, kind)
    press(phone.peer, 9)
    told = await agent.result("dtmf")
    assert (told["signal"], told["sender"], told["duration"]) == ("9", phone.uri, 800)
    assert phone.session is not None
    phone.session.send("INFO", (), content_type="application/dtmf-relay", body=b"Signal=9\r\nDuration=100\r\n")
    assert (await agent.result("info"))["type"] == "application/dtmf-relay"
    phone.session.send("INFO", (), content_type="application/dtmf", body=b"11")
    told = await agent.result("dtmf")
    assert (told["signal"], told["sender"], told["duration"]) == ("#", phone.uri, 160 * 8)
    press(phone.peer, 9)
    assert (await agent.result("dtmf"))["signal"] == "9"
    await asyncio.sleep(0.4)
    assert digits_in(agent.peer.heard) == [9, 9], "not by INFO: nobody asked for it"


async def test_digits_by_info_sound_at_the_browser_where_that_is_wanted(town: Town):
    agent, phone = await called(town, dtmf_tones=True)
    assert phone.session is not None
    phone.session.send("INFO", (), content_type="application/dtmf-relay", body=b"Signal= 4\r\nDuration= 120\r\n")
    assert (await agent.result("dtmf"))["signal"] == "4"
    await asyncio.sleep(0.4)
    assert digits_in(agent.peer.heard) == [4]


async def test_digits_without_a_call_are_refused(town: Town):
    agent, phone = await called(town, dtmf="info")
    assert phone.session is not None
    phone.session.hang_up()
    await agent.until("hangup")
    await agent.ask("dtmf", digits="12")
    assert (await agent.result("error"))["error_code"] == 447
