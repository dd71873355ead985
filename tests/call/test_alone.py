"""Offers and answers with one party only: our own hold, re-INVITEs answered for the browser, and their failures."""

from __future__ import annotations

import pytest

from boringsdp.call import Call, Party, State
from boringsdp.errors import SdpError, WrongState
from boringsdp.sdp import PLAIN, WEBRTC, Direction, describe
from tests.call.conftest import Bench
from tests.call.phone import CHROMIUM, Phone, browser_answer, plain, port_of, version_of


def stated(sdp: str) -> str:
    return describe(sdp).medias[0].direction.value


def phones_talk(bench: Bench) -> tuple[Call, Phone, Phone, str, str]:
    """Two telephones on a call: it, both, and what each was told."""
    call, a, b = bench.calls.create(bench.news.append), Phone(), Phone()
    to_b = call.offer(Party.A, plain(a.port), to=PLAIN)
    to_a = call.answer(Party.B, plain(b.port))
    return call, a, b, to_a, to_b


async def heard(phone: Phone, other: Phone, port: int) -> bool:
    other.send(port)
    return not await phone.hears_nothing()


async def test_our_hold_is_offered_to_one_side_only_and_media_follows(bench: Bench):
    call, a, b, to_a, to_b = phones_talk(bench)
    assert await heard(b, a, port_of(to_a))
    call.limit(Party.B, Direction.INACTIVE)
    held = call.alone.offer(Party.B)
    assert (stated(held), port_of(held), version_of(held)) == ("inactive", port_of(to_b), version_of(to_b) + 1)
    assert call.pending is Party.A
    call.alone.settle(Party.B, plain(b.port, direction="inactive", version=2))
    assert call.state is State.STABLE
    assert not await heard(b, a, port_of(to_a))
    assert not await heard(a, b, port_of(to_b))
    call.limit(Party.B, Direction.SENDRECV)
    assert stated(call.alone.offer(Party.B)) == "sendrecv"
    call.alone.settle(Party.B, plain(b.port, version=3))
    assert await heard(b, a, port_of(to_a))
    assert await heard(a, b, port_of(to_b))


async def test_a_re_offer_is_answered_with_what_the_other_side_said(bench: Bench):
    call, a, b, to_a, to_b = phones_talk(bench)
    moved = Phone()
    answer = call.alone.answer(Party.B, plain(moved.port, version=2))
    assert (stated(answer), port_of(answer)) == ("sendrecv", port_of(to_b))
    assert await heard(moved, a, port_of(to_a))
    assert stated(call.alone.answer(Party.B, plain(moved.port, direction="sendonly", version=3))) == "recvonly"
    assert not await heard(moved, a, port_of(to_a))
    assert await heard(a, moved, port_of(to_b))
    assert stated(call.alone.answer(Party.B, plain(moved.port, version=4))) == "sendrecv"
    assert await heard(moved, a, port_of(to_a))
    b.close()


async def test_our_hold_limits_answers_too(bench: Bench):
    call, _a, b, _to_a, _to_b = phones_talk(bench)
    call.limit(Party.B, Direction.SENDONLY)
    assert stated(call.alone.answer(Party.B, plain(b.port, version=2))) == "sendonly"


async def test_a_re_offer_without_common_codec_changes_nothing(bench: Bench):
    call, a, b, to_a, _ = phones_talk(bench)
    with pytest.raises(SdpError):
        call.alone.answer(Party.B, plain(b.port, formats="9", version=2))
    assert call.state is State.STABLE
    assert await heard(b, a, port_of(to_a))


async def test_a_refused_offer_of_ours_is_taken_back(bench: Bench):
    call, a, b, to_a, to_b = phones_talk(bench)
    call.limit(Party.B, Direction.INACTIVE)
    call.alone.offer(Party.B)
    call.reject()
    call.limit(Party.B, Direction.SENDRECV)
    assert (call.state, call.pending) == (State.STABLE, None)
    assert await heard(b, a, port_of(to_a))
    assert version_of(call.alone.offer(Party.B)) == version_of(to_b) + 2


async def test_one_exchange_at_a_time(bench: Bench):
    call, a, b, _to_a, _to_b = phones_talk(bench)
    call.alone.offer(Party.B)
    for wrong in (
        lambda: call.alone.offer(Party.B),
        lambda: call.alone.answer(Party.B, plain(b.port, version=2)),
        lambda: call.offer(Party.A, plain(a.port, version=2), to=PLAIN),
        lambda: call.offer(Party.B, plain(b.port, version=2), to=PLAIN),
        lambda: call.answer(Party.B, plain(b.port, version=2)),
        lambda: call.alone.settle(Party.A, plain(a.port, version=2)),
    ):
        with pytest.raises(WrongState):
            wrong()
    call.alone.settle(Party.B, plain(b.port, version=2))
    with pytest.raises(WrongState):
        call.answer(Party.B, plain(b.port, version=3))
    assert call.offer(Party.A, plain(a.port, version=2), to=PLAIN)


async def test_nothing_alone_before_the_first_answer(bench: Bench):
    call = bench.calls.create(bench.news.append)
    call.offer(Party.A, plain(9000), to=PLAIN)
    with pytest.raises(WrongState):
        call.alone.offer(Party.B)


async def test_a_browser_is_offered_what_the_other_side_can_do_now(bench: Bench):
    call = bench.calls.create(bench.news.append)
    call.offer(Party.A, CHROMIUM, to=PLAIN)
    call.answer(Party.B, plain(9000, formats="0 101"))
    call.answer(Party.B, plain(9000, formats="8 101"), tag="other")
    offer = call.alone.offer(Party.A)
    assert [f.codec.name for f in describe(offer).medias[0].formats] == ["PCMA", "telephone-event"]
    call.alone.settle(Party.A, browser_answer(offer, "sendrecv"))
    assert call.state is State.STABLE


async def test_an_unheld_answer_does_not_say_that_the_peer_holds(bench: Bench):
    call = bench.calls.create(bench.news.append)
    call.offer(Party.A, CHROMIUM, to=PLAIN)
    b = Phone()
    answer = call.answer(Party.B, plain(b.port, direction="sendonly"), unheld=True)
    assert stated(answer) == "sendrecv"


async def test_a_late_offer_goes_to_the_caller_in_the_browsers_name(bench: Bench):
    """An INVITE without SDP: the browser offers, the ACK has the answer."""
    call = bench.calls.create(bench.news.append)
    offer = call.offer(Party.A, CHROMIUM, to=PLAIN)
    assert describe(offer).medias[0].protocol_text == "RTP/AVP"
    assert "a=ice-lite" in call.answer(Party.B, plain(9000))
    assert describe(call.alone.offer(Party.B)).medias[0].protocol_text == "RTP/AVP"


async def test_of_twins_one_is_answered_and_the_other_refused(bench: Bench):
    call = bench.calls.create(bench.news.append)
    key = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n"
    twins = plain(9000) + plain(9002).partition("t=0 0\r\n")[2].replace("RTP/AVP", "RTP/SAVP") + key
    offer = call.offer(Party.B, twins, to=WEBRTC)
    assert len(describe(offer).medias) == 1
    answer = describe(call.answer(Party.A, browser_answer(offer, "sendrecv")))
    assert [(media.protocol_text, media.rejected) for media in answer.medias] == [("RTP/AVP", True), ("RTP/SAVP", False)]
    again = twins.replace("o=- 7 1", "o=- 7 2")
    assert [media.rejected for media in describe(call.alone.answer(Party.B, again)).medias] == [True, False]
