"""One party and several branches of the other: parallel and serial forks, and who is heard."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from boringsdp.call import Block, CallClosed, CallEvent, CallTimedOut, Party, State, Timeouts
from boringsdp.call.settings import CallSettings
from boringsdp.errors import Exhausted, SdpError, WrongState
from boringsdp.relay import RelaySettings
from boringsdp.sdp import PLAIN, SDES_MANDATORY, WEBRTC, describe
from tests.call.conftest import Bench
from tests.call.phone import CHROMIUM, Phone, browser_answer, plain, port_of, version_of


@pytest.fixture
def settings() -> CallSettings:
    return CallSettings(max_calls=8, answer_timeout_s=60.0)


def ports_used(bench: Bench) -> int:
    return int(bench.relay.statistics()["ports_used"])


async def test_a_parallel_fork_moves_media_to_the_branch_that_answered_last(bench: Bench):
    call = bench.calls.create(bench.news.append)
    a, first, second = Phone(), Phone(), Phone()
    offers = [call.offer(Party.A, plain(a.port), to=PLAIN, branch=name) for name in ("b1", "b2")]
    assert port_of(offers[0]) != port_of(offers[1])
    early = call.answer(Party.B, plain(first.port), branch="b1", tag="one")
    a.send(port_of(early), payload=b"early" * 32)
    assert (await first.receive())[12:] == b"early" * 32
    final = call.answer(Party.B, plain(second.port), branch="b2", tag="two")
    assert port_of(early) == port_of(final)
    assert (call.branches, call.current, call.tags) == (("b1", "b2"), "b2", ("two",))
    a.send(port_of(final), payload=b"final" * 32)
    assert (await second.receive())[12:] == b"final" * 32
    assert await first.hears_nothing()
    first.send(port_of(offers[0]), payload=b"loser" * 32)
    second.send(port_of(offers[1]), payload=b"winner" * 32)
    assert (await a.receive())[12:] == b"winner" * 32
    assert await a.hears_nothing()


async def test_branches_may_speak_differently(bench: Bench):
    call = bench.calls.create(bench.news.append)
    a, phone = Phone(), Phone()
    to_browser = call.offer(Party.A, plain(a.port), to=WEBRTC, branch="browser")
    to_phone = call.offer(Party.A, plain(a.port), to=PLAIN, branch="phone")
    secured = call.offer(Party.A, plain(a.port), to=SDES_MANDATORY, branch="secured")
    assert ("a=fingerprint" in to_browser, "a=fingerprint" in to_phone, "a=crypto" in secured) == (True, False, True)
    early = call.answer(Party.B, browser_answer(to_browser, "sendrecv"), branch="browser")
    final = call.answer(Party.B, plain(phone.port), branch="phone")
    assert port_of(early) == port_of(final)
    phone.send(port_of(to_phone))
    assert await a.receive()


async def test_a_browser_that_calls_sees_one_transport_whoever_answers(bench: Bench):
    call = bench.calls.create(bench.news.append)
    for name in ("b1", "b2"):
        call.offer(Party.A, CHROMIUM, to=PLAIN, branch=name)
    medias = [describe(call.answer(Party.B, plain(9000 + 2 * n), branch=name)).medias[0] for n, name in enumerate(("b1", "b2"))]
    assert medias[0].ufrag == medias[1].ufrag
    assert medias[0].password == medias[1].password
    assert medias[0].fingerprints == medias[1].fingerprints
    assert medias[0].port == medias[1].port
    assert bench.relay.statistics()["transports"] == 3


async def test_a_dropped_branch_gives_its_ports_back_and_is_not_missed(bench: Bench):
    call = bench.calls.create(bench.news.append)
    a, second = Phone(), Phone()
    call.offer(Party.A, plain(a.port), to=PLAIN, branch="b1")
    to_second = call.offer(Party.A, plain(a.port), to=PLAIN, branch="b2")
    call.answer(Party.B, plain(second.port), branch="b2")
    used = ports_used(bench)
    call.drop_branch("b1")
    assert ports_used(bench) == used - 1
    assert (call.branches, call.current, call.state) == (("b2",), "b2", State.STABLE)
    second.send(port_of(to_second))
    assert await a.receive()
    with pytest.raises(WrongState, match="no such branch"):
        call.drop_branch("b1")


async def test_dropping_the_current_branch_falls_back_to_the_one_before(bench: Bench):
    call = bench.calls.create(bench.news.append)
    a, first, second = Phone(), Phone(), Phone()
    to_first = call.offer(Party.A, plain(a.port, formats="0 8 101"), to=PLAIN, branch="b1")
    call.offer(Party.A, plain(a.port, formats="0 8 101"), to=PLAIN, branch="b2")
    told = call.answer(Party.B, plain(first.port, formats="0"), branch="b1")
    assert version_of(call.answer(Party.B, plain(second.port, formats="8"), branch="b2")) == version_of(told) + 1
    call.drop_branch("b2")
    assert call.current == "b1"
    a.send(port_of(told), 0, b"to b1" * 32)
    assert (await first.receive())[12:] == b"to b1" * 32
    first.send(port_of(to_first), 0, b"from 1" * 32)
    assert (await a.receive())[12:] == b"from 1" * 32
    again = call.offer(Party.B, plain(first.port, formats="0", direction="sendonly", version=2), to=PLAIN)
    assert port_of(again) == port_of(told)
    assert version_of(again) > version_of(told)


async def test_what_the_fallback_had_beyond_the_other_is_not_missed_by_mistake(bench: Bench):
    """The first branch took video, the second did not, so party A's video port is gone."""
    video = "m=video 9100 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"
    call = bench.calls.create(bench.news.append)
    a, first = Phone(), Phone()
    offer = plain(a.port) + video
    to_first = call.offer(Party.A, offer, to=PLAIN, branch="b1")
    call.offer(Party.A, offer, to=PLAIN, branch="b2")
    call.answer(Party.B, plain(first.port) + video, branch="b1")
    call.answer(Party.B, plain(9002) + video.replace("9100", "0"), branch="b2")
    call.drop_branch("b2")
    first.send(port_of(to_first))
    assert await a.receive()
    assert [stream["kind"] for stream in call.statistics()["legs"]["a"]["streams"]] == ["audio"]


async def test_a_serial_fork_goes_on_with_the_same_ports_for_the_caller(bench: Bench):
    call = bench.calls.create(bench.news.append)
    a, second = Phone(), Phone()
    call.offer(Party.A, plain(a.port), to=PLAIN, branch="b1")
    early = call.answer(Party.B, plain(9000), branch="b1")
    call.drop_branch("b1")
    assert (call.current, call.branches, call.state) == (None, (), State.IDLE)
    to_second = call.offer(Party.A, plain(a.port), to=PLAIN, branch="b2")
    final = call.answer(Party.B, plain(second.port), branch="b2")
    assert port_of(early) == port_of(final)
    second.send(port_of(to_second))
    assert await a.receive()


async def test_a_serial_fork_whose_first_branch_never_answered(bench: Bench):
    call = bench.calls.create(bench.news.append)
    call.offer(Party.A, plain(9000), to=PLAIN, branch="b1")
    call.drop_branch("b1")
    assert ports_used(bench) == 0
    call.offer(Party.A, plain(9000), to=PLAIN, branch="b2")
    assert call.answer(Party.B, plain(9002), branch="b2")


async def test_the_winner_may_reoffer_while_the_loser_is_not_yet_gone(bench: Bench):
    call = bench.calls.create(bench.news.append)
    for name in ("b1", "b2"):
        call.offer(Party.A, plain(9000), to=PLAIN, branch=name)
    answer = call.answer(Party.B, plain(9002), branch="b1")
    hold = call.offer(Party.B, plain(9002, direction="sendonly", version=2), to=PLAIN, branch="b1")
    assert port_of(hold) == port_of(answer)
    with pytest.raises(WrongState, match="glare"):
        call.answer(Party.B, plain(9004), branch="b2")
    call.drop_branch("b2")
    assert "a=recvonly" in call.answer(Party.A, plain(9000, direction="recvonly", version=2))


async def test_while_a_branch_offers_nobody_else_may(bench: Bench):
    call = bench.calls.create(bench.news.append)
    for name in ("b1", "b2"):
        call.offer(Party.A, plain(9000), to=PLAIN, branch=name)
        call.answer(Party.B, plain(9002), branch=name)
    call.offer(Party.B, plain(9002, version=2), to=PLAIN, branch="b1")
    assert (call.pending_of("b1"), call.pending_of("b2")) == (Party.B, None)
    for party in Party:
        with pytest.raises(WrongState, match="glare"):
            call.offer(party, plain(9008), to=PLAIN, branch="b2")
    call.reject("b1")
    assert call.offer(Party.B, plain(9002, version=3), to=PLAIN, branch="b2")


async def test_a_reoffer_on_one_branch_leaves_the_other_its_offer(bench: Bench):
    call = bench.calls.create(bench.news.append)
    a, first, second = Phone(), Phone(), Phone()
    for name in ("b1", "b2"):
        call.offer(Party.A, plain(a.port), to=PLAIN, branch=name)
    call.answer(Party.B, plain(first.port), branch="b1")
    call.offer(Party.A, plain(a.port, direction="sendonly", version=2), to=PLAIN, branch="b1")
    answer = call.answer(Party.B, plain(second.port), branch="b2")
    assert (call.current, call.pending_of("b1")) == ("b2", Party.A)
    a.send(port_of(answer))
    assert await second.receive()
    assert "a=sendonly" not in answer
    call.reject("b1")
    hold = call.offer(Party.B, plain(second.port, direction="sendonly", version=2), to=PLAIN, branch="b2")
    assert port_of(hold) == port_of(answer)
    assert call.answer(Party.A, plain(a.port, direction="recvonly", version=3), branch="b2")


@pytest.mark.parametrize("bad", ["nonsense", plain(9004, formats="18")])
async def test_a_bad_answer_on_one_branch_costs_no_other(bench: Bench, bad: str):
    call = bench.calls.create(bench.news.append)
    a, first = Phone(), Phone()
    for name in ("b1", "b2"):
        call.offer(Party.A, plain(a.port), to=PLAIN, branch=name)
    answer = call.answer(Party.B, plain(first.port), branch="b1")
    before = (call.record(), ports_used(bench))
    with pytest.raises(SdpError):
        call.answer(Party.B, bad, branch="b2")
    assert _without_times(call.record()) == _without_times(before[0])
    assert ports_used(bench) == before[1]
    a.send(port_of(answer))
    assert await first.receive()


async def test_a_refused_offer_leaves_the_one_before_waiting(bench: Bench):
    call = bench.calls.create(bench.news.append)
    call.offer(Party.A, plain(9000), to=PLAIN, branch="b1")
    before = call.record()
    with pytest.raises(SdpError):
        call.offer(Party.A, plain(0), to=WEBRTC, branch="b1")
    with pytest.raises(SdpError):
        call.offer(Party.A, plain(0), to=WEBRTC, branch="b2")
    assert _without_times(call.record()) == _without_times(before)
    assert call.answer(Party.B, plain(9002), branch="b1")


class TestTwoPairsOfPorts:
    @pytest.fixture
    def relay_settings(self) -> RelaySettings:
        return RelaySettings(plain_ports=(40300, 40303), port_rest_s=0.0)

    async def test_a_branch_too_many_for_the_ports_costs_nothing(self, bench: Bench):
        call = bench.calls.create(bench.news.append)
        call.offer(Party.A, plain(9000), to=PLAIN, branch="b1")
        call.offer(Party.A, plain(9000), to=PLAIN, branch="b2")
        with pytest.raises(Exhausted, match="ports"):
            call.offer(Party.A, plain(9000), to=PLAIN, branch="b3")
        assert (call.branches, ports_used(bench)) == (("b1", "b2"), 2)
        with pytest.raises(Exhausted, match="ports"):
            call.answer(Party.B, plain(9002), branch="b1")
        call.drop_branch("b2")
        assert call.answer(Party.B, plain(9002), branch="b1")


async def test_an_ice_restart_is_answered_once_however_many_answer(bench: Bench):
    restarted = CHROMIUM.replace("a=ice-ufrag:", "a=ice-ufrag:x").replace("a=ice-pwd:", "a=ice-pwd:x")
    call = bench.calls.create(bench.news.append)
    call.offer(Party.A, CHROMIUM, to=PLAIN)
    before = describe(call.answer(Party.B, plain(9000))).medias[0].ufrag
    call.offer(Party.A, restarted, to=PLAIN)
    early = describe(call.answer(Party.B, plain(9000), tag="one")).medias[0].ufrag
    final = describe(call.answer(Party.B, plain(9000), tag="one")).medias[0].ufrag
    assert before != early == final


async def test_a_bundle_keeps_its_transport_whatever_each_branch_takes_of_it(bench: Bench):
    """The first branch takes audio and video, the second only video; its m-line leads the bundle then, on the same transport."""
    both = Path("tests/golden/captured/chromium-offer-audio-video-trickle.sdp").read_bytes().decode()
    video = "m=video 9100 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"
    call = bench.calls.create(bench.news.append)
    for name in ("b1", "b2"):
        call.offer(Party.A, both, to=PLAIN, branch=name)
    first = describe(call.answer(Party.B, plain(9002) + video, branch="b1"))
    second = describe(call.answer(Party.B, plain(0) + video, branch="b2"))
    assert [media.port != 0 for media in second.medias] == [False, True]
    assert second.medias[1].ufrag == first.medias[1].ufrag
    assert second.medias[1].setup == first.medias[1].setup


async def test_an_unanswered_branch_does_not_end_the_call_while_another_may_answer(bench: Bench):
    news: asyncio.Queue[CallEvent] = asyncio.Queue()
    call = bench.calls.create(news.put_nowait, timeouts=Timeouts(answer_s=0.2))
    call.offer(Party.A, plain(9000), to=PLAIN, branch="b1")
    await asyncio.sleep(0.1)
    call.offer(Party.A, plain(9000), to=PLAIN, branch="b2")
    assert await asyncio.wait_for(news.get(), 5) == CallTimedOut("answer", 0.2, "b1")
    assert call.pending is Party.A
    assert await asyncio.wait_for(news.get(), 5) == CallTimedOut("answer", 0.2, "b2")
    assert await asyncio.wait_for(news.get(), 5) == CallClosed("offer-timeout")
    assert ports_used(bench) == 0


def _without_times(record: dict[str, object]) -> object:
    """A record without what the clock changes."""
    if isinstance(record, dict):
        return {name: _without_times(value) for name, value in record.items() if name not in ("created", "last_signal", "quality")}
    return record


# --- one branch --------------------------------------------------------------------------------------------------------------------------


async def test_either_party_may_reoffer_in_turn_and_ports_stay(bench: Bench):
    call = bench.calls.create(bench.news.append)
    a, b = Phone(), Phone()
    to_b = call.offer(Party.A, plain(a.port), to=PLAIN, branch="b1", tag="from")
    to_a = call.answer(Party.B, plain(b.port), branch="b1", tag="to")
    again_to_a = call.offer(Party.B, plain(b.port, version=2), to=PLAIN, branch="b1", tag="to")
    again_to_b = call.answer(Party.A, plain(a.port, version=2), branch="b1", tag="from")
    last_to_b = call.offer(Party.A, plain(a.port, version=3), to=PLAIN)
    last_to_a = call.answer(Party.B, plain(b.port, version=3))
    assert {port_of(each) for each in (to_a, again_to_a, last_to_a)} == {port_of(to_a)}
    assert {port_of(each) for each in (to_b, again_to_b, last_to_b)} == {port_of(to_b)}
    a.send(port_of(to_a))
    b.send(port_of(to_b))
    assert await a.receive()
    assert await b.receive()


async def test_the_same_offer_again_changes_nothing(bench: Bench):
    call = bench.calls.create(bench.news.append)
    texts = []
    for _ in range(3):
        texts += [(call.offer(Party.A, plain(9000), to=PLAIN), call.answer(Party.B, plain(9002)))]
    assert texts[0] == texts[1] == texts[2]
    assert ports_used(bench) == 2


async def test_the_same_offer_again_before_its_answer(bench: Bench):
    call = bench.calls.create(bench.news.append)
    assert call.offer(Party.A, plain(9000), to=PLAIN, branch="b1") == call.offer(Party.A, plain(9000), to=PLAIN, branch="b1")
    assert call.answer(Party.B, plain(9002), branch="b1")
    assert ports_used(bench) == 2


async def test_an_early_answer_and_a_final_one_that_differs(bench: Bench):
    call = bench.calls.create(bench.news.append)
    a, early, final = Phone(), Phone(), Phone()
    call.offer(Party.A, plain(a.port, formats="0 8 101"), to=PLAIN)
    first = call.answer(Party.B, plain(early.port, formats="0"), tag="one")
    assert call.answer(Party.B, plain(early.port, formats="0"), tag="one") == first
    second = call.answer(Party.B, plain(final.port, formats="8"), tag="one")
    assert (port_of(second), version_of(second)) == (port_of(first), version_of(first) + 1)
    a.send(port_of(second), 8)
    assert await final.receive()


async def test_many_tags_are_not_all_remembered(bench: Bench):
    call = bench.calls.create(bench.news.append)
    call.offer(Party.A, plain(9000), to=PLAIN)
    for number in range(40):
        call.answer(Party.B, plain(9002), tag=str(number))
    assert call.tags == tuple(str(number) for number in range(8, 40))


async def test_a_late_offer_comes_from_the_branch(bench: Bench):
    """An INVITE without SDP: the callee offers, the caller answers in its ACK; later the caller offers."""
    call = bench.calls.create(bench.news.append)
    a, b = Phone(), Phone()
    to_a = call.offer(Party.B, plain(b.port), to=PLAIN, branch="b1")
    to_b = call.answer(Party.A, plain(a.port), branch="b1")
    assert (call.current, call.state) == ("b1", State.STABLE)
    b.send(port_of(to_b))
    a.send(port_of(to_a))
    assert await a.receive()
    assert await b.receive()
    assert port_of(call.offer(Party.A, plain(a.port, version=2), to=PLAIN)) == port_of(to_b)


async def test_branches_are_bounded(bench: Bench):
    call = bench.calls.create(bench.news.append)
    for number in range(64):
        call.offer(Party.A, plain(9000), to=PLAIN, branch=f"b{number}")
    with pytest.raises(Exhausted, match="branches"):
        call.offer(Party.A, plain(9000), to=PLAIN, branch="one more")
    assert call.offer(Party.A, plain(9000), to=PLAIN, branch="b3")


async def test_a_closed_call_takes_nothing_more(bench: Bench):
    call = bench.calls.create(bench.news.append)
    call.offer(Party.A, plain(9000), to=PLAIN, branch="b1")
    call.answer(Party.B, plain(9002), branch="b1")
    call.close()
    for command in (
        lambda: call.offer(Party.A, plain(9000), to=PLAIN, branch="b1"),
        lambda: call.offer(Party.A, plain(9000), to=PLAIN, branch="b2"),
        lambda: call.answer(Party.B, plain(9002), branch="b1"),
        call.reject,
    ):
        with pytest.raises(WrongState):
            command()
    call.block(Party.A, Block.MEDIA, True)
    call.set_direction(Party.A, audio=False)
    assert (ports_used(bench), bench.relay.statistics()["transports"]) == (0, 0)
    assert bench.news == [CallClosed("closed")]
