"""Commands over real calls and a real relay on loopback, with packets through."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest

from boringsdp.call import Calls, CallSettings
from boringsdp.ng.front import NgFront
from boringsdp.ng.settings import NgSettings
from boringsdp.relay import RelaySettings
from boringsdp.sdp import describe
from tests.call.phone import Phone, port_of
from tests.ng.conftest import Proxy, plain_sdp
from tests.support.engines import make_relay

DELAY_S = 0.1


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    relay = make_relay(RelaySettings(plain_ports=(40000, 40200), port_rest_s=0.0))
    await relay.start()
    calls = Calls(relay, CallSettings())
    front = NgFront(calls, NgSettings(delete_delay_s=DELAY_S))
    yield Proxy(front)
    calls.close()
    await front.close()
    await relay.close()


@pytest.fixture
def phones() -> list[Phone]:
    return [Phone() for _ in range(3)]


def sdp_of(phone: Phone, **facts: Any) -> str:
    return plain_sdp(phone.port, **facts)


def taken(reply: dict[str, Any]) -> str:
    assert reply["result"] == "ok", reply
    sdp: str = reply["sdp"]
    return sdp


async def flows(source: Phone, port: int, target: Phone) -> None:
    """What `source` sends to our `port` arrives at `target`, each packet once."""
    payload = bytes([source.port & 0xFF, target.port & 0xFF]) * 80
    for _ in range(3):
        source.send(port, payload=payload)
    assert [(await target.receive())[12:] for _ in range(3)] == [payload] * 3


async def test_plain_to_plain(proxy: Proxy, phones: list[Phone]):
    a, b, _ = phones
    to_b = taken(proxy.offer("ta", sdp=sdp_of(a)))
    to_a = taken(proxy.answer("ta", "tb", sdp=sdp_of(b)))
    assert describe(to_b).medias[0].address != ("127.0.0.1", a.port)
    await flows(a, port_of(to_a), b)
    await flows(b, port_of(to_b), a)
    tags = proxy.send("query")["tags"]
    streams = {tag: facts["medias"][0]["streams"] for tag, facts in tags.items()}
    assert (streams["ta"][0]["local port"], streams["tb"][0]["local port"]) == (port_of(to_a), port_of(to_b))
    assert streams["ta"][0]["endpoint"] == {"family": "IPv4", "address": "127.0.0.1", "port": a.port}
    assert streams["ta"][0]["stats"]["packets"] == streams["tb"][0]["stats"]["packets"] == 3
    assert streams["ta"][0]["SSRC"] == 7
    gone = proxy.send("delete", from_tag="ta", delete_delay=0)
    assert gone["totals"]["RTP"]["packets"] == 6


async def test_a_reinvite_keeps_the_ports(proxy: Proxy, phones: list[Phone]):
    a, b, _ = phones
    to_b = taken(proxy.offer("ta", via_branch="b1", sdp=sdp_of(a)))
    to_a = taken(proxy.answer("ta", "tb", "b1", sdp=sdp_of(b)))
    assert port_of(taken(proxy.offer("ta", "tb", "b2", sdp=sdp_of(a, direction="sendonly")))) == port_of(to_b)
    assert port_of(taken(proxy.answer("ta", "tb", "b2", sdp=sdp_of(b, direction="recvonly")))) == port_of(to_a)
    assert port_of(taken(proxy.offer("tb", "ta", "b3", sdp=sdp_of(b)))) == port_of(to_a)
    assert port_of(taken(proxy.answer("tb", "ta", "b3", sdp=sdp_of(a)))) == port_of(to_b)
    await flows(a, port_of(to_a), b)
    await flows(b, port_of(to_b), a)


async def test_two_branches_and_the_last_answer_counts(proxy: Proxy, phones: list[Phone]):
    a, first, second = phones
    to_first = taken(proxy.offer("ta", via_branch="b1", sdp=sdp_of(a)))
    to_second = taken(proxy.offer("ta", via_branch="b2", sdp=sdp_of(a)))
    assert port_of(to_first) != port_of(to_second)
    early = taken(proxy.answer("ta", "t1", "b1", sdp=sdp_of(first)))
    await flows(first, port_of(to_first), a)
    await flows(a, port_of(early), first)
    final = taken(proxy.answer("ta", "t2", "b2", sdp=sdp_of(second)))
    assert port_of(final) == port_of(early)
    await flows(a, port_of(final), second)
    await flows(second, port_of(to_second), a)
    first.send(port_of(to_first))
    assert await a.hears_nothing()
    tags = proxy.send("query")["tags"]
    assert [peer["tag"] for peer in tags["ta"]["subscriptions"]] == ["t2"]
    assert tags["t1"]["subscriptions"] == []


async def test_the_branch_that_fails_leaves_the_other(proxy: Proxy, phones: list[Phone]):
    a, first, second = phones
    taken(proxy.offer("ta", via_branch="b1", sdp=sdp_of(a)))
    to_second = taken(proxy.offer("ta", via_branch="b2", sdp=sdp_of(a)))
    taken(proxy.answer("ta", "t1", "b1", sdp=sdp_of(first)))
    proxy.send("delete", from_tag="ta", via_branch="b1", delete_delay="0")
    final = taken(proxy.answer("ta", "t2", "b2", sdp=sdp_of(second)))
    await flows(a, port_of(final), second)
    await flows(second, port_of(to_second), a)
    assert list(proxy.send("query")["tags"]) == ["ta", "t2"]


async def test_a_late_offer(proxy: Proxy, phones: list[Phone]):
    a, b, _ = phones
    to_a = taken(proxy.offer("tb", "ta", sdp=sdp_of(b)))
    to_b = taken(proxy.answer("tb", "ta", sdp=sdp_of(a)))
    await flows(a, port_of(to_a), b)
    await flows(b, port_of(to_b), a)
    assert port_of(taken(proxy.offer("ta", "tb", sdp=sdp_of(a)))) == port_of(to_b)


async def test_deleted_and_revived(proxy: Proxy, phones: list[Phone]):
    a, b, _ = phones
    to_b = taken(proxy.offer("ta", sdp=sdp_of(a)))
    to_a = taken(proxy.answer("ta", "tb", sdp=sdp_of(b)))
    assert proxy.send("delete", from_tag="ta")["result"] == "ok"
    assert port_of(taken(proxy.offer("ta", "tb", sdp=sdp_of(a)))) == port_of(to_b)
    taken(proxy.answer("ta", "tb", sdp=sdp_of(b)))
    await asyncio.sleep(2 * DELAY_S)
    await flows(a, port_of(to_a), b)
    proxy.send("delete", from_tag="tb", delete_delay=0)
    assert proxy.send("list")["calls"] == []


async def test_blocked_media_and_silence(proxy: Proxy, phones: list[Phone]):
    a, b, _ = phones
    to_b = taken(proxy.offer("ta", sdp=sdp_of(a)))
    to_a = taken(proxy.answer("ta", "tb", sdp=sdp_of(b)))
    assert proxy.send("block media", from_tag="ta", flags=["directional"])["result"] == "ok"
    a.send(port_of(to_a))
    assert await b.hears_nothing()
    await flows(b, port_of(to_b), a)
    proxy.send("unblock media", from_tag="ta", flags=["directional"])
    await flows(a, port_of(to_a), b)
    proxy.send("silence media", from_tag="ta", flags=["directional"])
    a.send(port_of(to_a), payload=b"\x12" * 160)
    assert (await b.receive())[12:] != b"\x12" * 160


async def test_digits_are_played_to_the_other_side(proxy: Proxy, phones: list[Phone]):
    a, b, _ = phones
    to_b = taken(proxy.offer("ta", sdp=sdp_of(a)))
    to_a = taken(proxy.answer("ta", "tb", sdp=sdp_of(b)))
    await flows(a, port_of(to_a), b)
    await flows(b, port_of(to_b), a)
    assert proxy.send("play DTMF", from_tag="ta", code="5")["result"] == "ok"
    for _ in range(10):
        packet = await b.receive()
        if packet[1] & 0x7F == 101:
            break
    assert packet[12] == 5


async def test_a_text_of_ours_comes_back_untouched(proxy: Proxy, phones: list[Phone]):
    once = taken(proxy.offer("ta", sdp=sdp_of(phones[0]), flags=["loop protect"]))
    assert "a=boringsdp:" in once
    assert taken(proxy.offer("tz", sdp=once, flags=["loop protect"])) == once
    assert proxy.send("list")["calls"] == ["c1"]


async def test_attributes_are_edited(proxy: Proxy, phones: list[Phone]):
    edits = {
        "none": {"add": ["tool:ours"]},
        "audio": {"add": ["ptime:20"], "remove": ["rtcp"], "substitute": [["sendrecv", "sendonly"]]},
    }
    sdp = taken(proxy.offer("ta", sdp=sdp_of(phones[0]), sdp_attr=edits))
    assert all(f"a={line}\r\n" in sdp for line in ("tool:ours", "ptime:20", "sendonly"))
    assert "a=rtcp:" not in sdp


async def test_edits_that_are_none_are_refused_before_anything_happens(proxy: Proxy, phones: list[Phone]):
    reply = proxy.offer("ta", sdp=sdp_of(phones[0]), sdp_attr={"audio": {"add": ["x\r\nm=audio 1 RTP/AVP 0"]}})
    assert reply["result"] == "error"
    assert proxy.send("list")["calls"] == []


async def test_media_is_removed_from_the_offer_and_refused_in_the_answer(proxy: Proxy, phones: list[Phone]):
    a, b, video = phones
    both = sdp_of(a) + f"m=video {video.port} RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"
    to_b = taken(proxy.offer("ta", sdp=both, sdp_media_remove=["video"]))
    assert [media.kind for media in describe(to_b).medias] == ["audio"]
    to_a = taken(proxy.answer("ta", "tb", sdp=sdp_of(b)))
    assert [(media.kind, media.port == 0) for media in describe(to_a).medias] == [("audio", False), ("video", True)]
    await flows(a, port_of(to_a), b)


async def test_ice_that_was_refused_is_not_offered_again_before_a_reset(proxy: Proxy, phones: list[Phone]):
    a, b, _ = phones
    assert "ice-ufrag" in taken(proxy.offer("ta", sdp=sdp_of(a), ICE="force"))
    to_a = taken(proxy.answer("ta", "tb", sdp=sdp_of(b)))
    await flows(a, port_of(to_a), b)
    assert "ice-ufrag" not in taken(proxy.offer("ta", "tb", sdp=sdp_of(a), ICE="force"))
    taken(proxy.answer("ta", "tb", sdp=sdp_of(b)))
    assert "ice-ufrag" in taken(proxy.offer("ta", "tb", sdp=sdp_of(a), ICE="force", flags=["reset"]))


async def test_who_lost_the_fork_does_not_keep_the_winner_from_offering(proxy: Proxy, phones: list[Phone]):
    a, first, _ = phones
    taken(proxy.offer("ta", via_branch="b1", sdp=sdp_of(a)))
    taken(proxy.offer("ta", via_branch="b2", sdp=sdp_of(a)))
    to_a = taken(proxy.answer("ta", "t1", "b1", sdp=sdp_of(first)))
    assert port_of(taken(proxy.offer("t1", "ta", "b9", sdp=sdp_of(first)))) == port_of(to_a)
    taken(proxy.answer("t1", "ta", "b9", sdp=sdp_of(a)))
    await flows(a, port_of(to_a), first)


async def test_a_reinvite_that_was_refused_elsewhere_is_forgotten(proxy: Proxy, phones: list[Phone]):
    a, b, _ = phones
    to_b = taken(proxy.offer("ta", sdp=sdp_of(a)))
    to_a = taken(proxy.answer("ta", "tb", sdp=sdp_of(b)))
    taken(proxy.offer("ta", "tb", sdp=sdp_of(a, direction="inactive")))
    assert port_of(taken(proxy.offer("tb", "ta", sdp=sdp_of(b)))) == port_of(to_a)
    taken(proxy.answer("tb", "ta", sdp=sdp_of(a)))
    await flows(a, port_of(to_a), b)
    await flows(b, port_of(to_b), a)


async def test_the_same_offer_and_answer_again_change_nothing(proxy: Proxy, phones: list[Phone]):
    """An INVITE is resent with another cookie; a 200 repeats the SDP of the 183."""
    a, b, _ = phones
    to_b, again = (taken(proxy.offer("ta", sdp=sdp_of(a))) for _ in range(2))
    assert again == to_b
    to_a, again = (taken(proxy.answer("ta", "tb", sdp=sdp_of(b))) for _ in range(2))
    assert again == to_a
    await flows(a, port_of(to_a), b)
    await flows(b, port_of(to_b), a)


async def test_a_branch_that_answers_after_its_delete_lives_on(proxy: Proxy, phones: list[Phone]):
    a, first, second = phones
    taken(proxy.offer("ta", via_branch="b1", sdp=sdp_of(a)))
    taken(proxy.offer("ta", via_branch="b2", sdp=sdp_of(a)))
    taken(proxy.answer("ta", "t1", "b1", sdp=sdp_of(first)))
    proxy.send("delete", from_tag="ta", via_branch="b2")
    to_a = taken(proxy.answer("ta", "t2", "b2", sdp=sdp_of(second)))
    await asyncio.sleep(2 * DELAY_S)
    await flows(a, port_of(to_a), second)


async def test_two_phones_on_one_leg(proxy: Proxy, phones: list[Phone]):
    """A proxy that forks without naming branches: both phones get the same SDP, and the latest answer counts."""
    a, first, second = phones
    to_both = taken(proxy.offer("ta", sdp=sdp_of(a)))
    assert port_of(taken(proxy.offer("ta", sdp=sdp_of(a)))) == port_of(to_both)
    early = taken(proxy.answer("ta", "t1", sdp=sdp_of(first)))
    await flows(a, port_of(early), first)
    final = taken(proxy.answer("ta", "t2", sdp=sdp_of(second)))
    await flows(a, port_of(final), second)
    await flows(second, port_of(to_both), a)
    assert proxy.send("query")["tags"]["t2"]["tag-aliases"] == ["t1"]


async def test_a_deleted_call_goes_without_garbage_collection(proxy: Proxy, phones: list[Phone]):
    """Full collections stop all media, so calls must not need them."""
    gc.collect()
    gc.disable()
    try:
        taken(proxy.offer("ta", sdp=sdp_of(phones[0])))
        taken(proxy.answer("ta", "tb", sdp=sdp_of(phones[1])))
        call = weakref.ref(proxy.front._dialogs.of("c1")[0].call)
        proxy.send("delete", delete_delay=0)
        await asyncio.sleep(0.05)
        assert call() is None
    finally:
        gc.enable()
