"""What a call holds back, what it reports, and when it gives up."""

from __future__ import annotations

import asyncio
import json

import pytest

from boringsdp.call import Block, CallClosed, CallEvent, CallSettings, CallTimedOut, LegDtmf, LegFailed, Party, State, Timeouts
from boringsdp.errors import WrongState
from boringsdp.relay import RelaySettings
from boringsdp.sdp import PLAIN, SDES_OPTIONAL, THEIR_TEXT, WEBRTC, describe, parse_fragment
from tests.call.conftest import Bench
from tests.call.phone import CHROMIUM, Phone, browser_answer, plain, port_of


@pytest.fixture
def relay_settings() -> RelaySettings:
    return RelaySettings(plain_ports=(40600, 40700), port_rest_s=0.0, ice_timeout_s=0.2, minimum_digit_ms=0)


class Pair:
    """Two telephones in a call of two branches, the second in force."""

    def __init__(self, bench: Bench) -> None:
        self.call = bench.calls.create(bench.news.append)
        self.a, self.first, self.second = Phone(), Phone(), Phone()
        self.to_b = [port_of(self.call.offer(Party.A, plain(self.a.port), to=PLAIN, branch=name)) for name in ("b1", "b2")]
        for name, phone in (("b1", self.first), ("b2", self.second)):
            self.to_a = port_of(self.call.answer(Party.B, plain(phone.port), branch=name))

    async def passes(self, *, back: bool = False) -> bool:
        """Whether media reaches the second telephone (or, back, comes from it)."""
        if back:
            self.second.send(self.to_b[1])
        else:
            self.a.send(self.to_a)
        return not await (self.a if back else self.second).hears_nothing()


async def test_media_of_a_party_is_held_back_and_let_through(bench: Bench):
    pair = Pair(bench)
    pair.call.block(Party.A, Block.MEDIA, True)
    assert (await pair.passes(), await pair.passes(back=True)) == (False, True)
    pair.call.block(Party.A, Block.MEDIA, False)
    pair.call.block(Party.B, Block.MEDIA, True)
    assert (await pair.passes(), await pair.passes(back=True)) == (True, False)


@pytest.mark.parametrize(("branch", "passes"), [("b1", True), ("b2", False)])
async def test_a_block_may_be_about_one_branch(bench: Bench, branch: str, passes: bool):
    pair = Pair(bench)
    pair.call.block(Party.A, Block.MEDIA, True, towards=branch)
    pair.call.block(Party.B, Block.MEDIA, True, branch=branch)
    assert (await pair.passes(), await pair.passes(back=True)) == (passes, passes)
    assert pair.call.blocked(Party.A, Block.MEDIA) is not passes
    pair.call.block(Party.A, Block.MEDIA, False)
    assert await pair.passes()


async def test_a_block_stays_over_a_reoffer(bench: Bench):
    pair = Pair(bench)
    pair.call.block(Party.A, Block.MEDIA, True)
    pair.call.offer(Party.A, plain(pair.a.port, version=2), to=PLAIN)
    pair.call.answer(Party.B, plain(pair.second.port, version=2))
    assert not await pair.passes()


async def test_silence_goes_on_as_a_stream(bench: Bench):
    pair = Pair(bench)
    pair.call.block(Party.A, Block.SILENCE, True)
    pair.a.send(pair.to_a, 0, b"\x12" * 160)
    assert set((await pair.second.receive())[12:]) == {0xFF}
    assert "silenced" in pair.call.report().legs[0].medias[0].flags


async def test_digits_are_held_back_and_still_told(bench: Bench):
    pair = Pair(bench)
    pair.call.block(Party.A, Block.DTMF, True)
    pair.a.press(pair.to_a, 5)
    assert await pair.second.hears_nothing()
    told = [event for event in bench.news if isinstance(event, LegDtmf)]
    assert [(event.party, event.digit, event.branch, event.volume) for event in told] == [(Party.A, "5", "", 10)]
    assert await pair.passes()


async def test_digits_go_to_the_branch_in_force(bench: Bench):
    pair = Pair(bench)
    assert pair.call.send_dtmf(Party.B, "1", 100, 50, -8) == 1
    packet = await pair.second.receive()
    assert (packet[1] & 127, packet[12]) == (101, 1)
    assert await pair.first.hears_nothing()


async def test_a_report_has_every_leg_with_its_ports_and_counts(bench: Bench):
    pair = Pair(bench)
    for _ in range(3):
        assert await pair.passes()
    report = pair.call.report()
    assert [(leg.party, leg.branch, leg.joined) for leg in report.legs] == [
        (Party.A, "", True),
        (Party.B, "b1", False),
        (Party.B, "b2", True),
    ]
    media = report.legs[0].medias[0]
    assert (media.index, media.kind, media.protocol, media.codec) == (1, "audio", "RTP/AVP", "PCMU/8000")
    assert {"initialized"} <= media.flags
    rtp = media.ports[0]
    assert (rtp.local, rtp.remote, rtp.received.packets) == (("127.0.0.1", pair.to_a), ("127.0.0.1", pair.a.port), 3)
    assert report.legs[2].medias[0].ports[0].sent.packets == 3
    assert media.received_ssrcs == (7,)
    assert report.ssrcs[7].packets == 3
    assert report.rtp.packets == 3
    assert report.state == "stable"
    assert 0 < report.created <= report.last_signal


async def test_a_report_before_the_answer_has_the_ports_that_were_told(bench: Bench):
    call = bench.calls.create(bench.news.append)
    offer = call.offer(Party.A, plain(9000), to=PLAIN, branch="b1")
    near, far = call.report().legs
    assert near.medias[0].ports == ()
    assert far.medias[0].ports[0].local == ("127.0.0.1", port_of(offer))


async def test_a_record_is_plain_values(bench: Bench):
    record = json.loads(json.dumps(Pair(bench).call.record()))
    assert record["current"] == "b2"
    assert record["branches"].keys() == {"b1", "b2"}


# --- time ------------------------------------------------------------------------------------------------------------------------------


async def closed(bench: Bench, timeouts: Timeouts, *, direction: str = "sendrecv") -> list[CallEvent]:
    """The last two things that are heard of a call in which nobody speaks."""
    news: asyncio.Queue[CallEvent] = asyncio.Queue()
    call = bench.calls.create(news.put_nowait, timeouts=timeouts)
    call.offer(Party.A, plain(9000, direction=direction), to=PLAIN)
    call.answer(Party.B, plain(9002, direction=direction))
    heard = [await asyncio.wait_for(news.get(), 5) for _ in range(2)]
    assert len(bench.calls) == 0
    return heard


async def test_a_silent_call_is_given_up(bench: Bench):
    assert await closed(bench, Timeouts(media_s=0.1)) == [CallTimedOut("media", 0.1), CallClosed("media-timeout")]


async def test_a_held_call_has_a_timeout_of_its_own(bench: Bench):
    timeouts = Timeouts(media_s=0.01, silent_s=0.1)
    assert await closed(bench, timeouts, direction="inactive") == [CallTimedOut("silence", 0.1), CallClosed("silent-timeout")]


async def test_a_call_ends_after_its_life(bench: Bench):
    assert await closed(bench, Timeouts(final_s=0.1)) == [CallTimedOut("end", 0.1), CallClosed("final-timeout")]


async def test_media_keeps_a_call(bench: Bench):
    call = bench.calls.create(bench.news.append, timeouts=Timeouts(media_s=0.3, each_leg=False))
    a = Phone()
    call.offer(Party.A, plain(a.port), to=PLAIN)
    answer = call.answer(Party.B, plain(9002))
    for _ in range(5):
        a.send(port_of(answer))
        await asyncio.sleep(0.1)
    assert call.state is State.STABLE
    call.close()


class TestFailures:
    """A browser that never sends a check: its leg fails after the ICE timeout of 0.2 s."""

    async def fail(self, bench: Bench, timeouts: Timeouts | None, *, answered: str) -> list[CallEvent]:
        news: list[CallEvent] = []
        call = bench.calls.create(news.append, timeouts=timeouts)
        to_browser = call.offer(Party.A, plain(9000), to=WEBRTC, branch="browser")
        call.offer(Party.A, plain(9000), to=PLAIN, branch="phone")
        for name in ("browser", "phone") if answered == "phone" else ("phone", "browser"):
            sdp = browser_answer(to_browser, "sendrecv") if name == "browser" else plain(9002)
            call.answer(Party.B, sdp, branch=name)
        await asyncio.sleep(0.4)
        return news

    async def test_a_branch_that_is_not_in_force_is_only_told_of(self, bench: Bench):
        assert await self.fail(bench, None, answered="phone") == [LegFailed(Party.B, "ice-failed", "browser")]

    async def test_the_branch_in_force_ends_the_call(self, bench: Bench):
        assert await self.fail(bench, None, answered="browser") == [LegFailed(Party.B, "ice-failed", "browser"), CallClosed("ice-failed")]

    async def test_unless_its_owner_wants_to_be_told_only(self, bench: Bench):
        assert await self.fail(bench, Timeouts(), answered="browser") == [LegFailed(Party.B, "ice-failed", "browser")]


class TestSettings:
    @pytest.fixture
    def settings(self) -> CallSettings:
        return CallSettings(answer_timeout_s=0.05)

    async def test_a_call_whose_owner_says_nothing_has_the_words_of_the_settings(self, bench: Bench):
        call = bench.calls.create(bench.news.append)
        call.offer(Party.A, plain(9000), to=SDES_OPTIONAL)
        await asyncio.sleep(0.2)
        assert bench.news == [CallTimedOut("answer", 0.05), CallClosed("no-answer")]


# --- trickled candidates ---------------------------------------------------------------------------------------------------------------

FRAGMENT = "a=ice-ufrag:theirs\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n"


async def test_a_fragment_for_a_browser_has_our_candidates_and_their_end(bench: Bench):
    call = bench.calls.create(bench.news.append)
    offer = describe(call.offer(Party.A, CHROMIUM, to=WEBRTC, passing=THEIR_TEXT)).medias[0]
    written = parse_fragment(call.fragment(Party.A, FRAGMENT))
    (media,) = written.medias
    assert (media.mid, media.ufrag, media.candidates) == (offer.mid, offer.ufrag, offer.candidates)
    assert "192.0.2.1" not in call.fragment(Party.A, FRAGMENT)
    assert written.ended


async def test_a_fragment_towards_a_telephone_is_nothing(bench: Bench):
    call = bench.calls.create(bench.news.append)
    with pytest.raises(WrongState, match="an offer before its candidates"):
        call.fragment(Party.A, FRAGMENT)
    call.offer(Party.A, CHROMIUM, to=PLAIN)
    assert call.fragment(Party.A, FRAGMENT) == ""
