"""Legs that go from call to call: transfers, take-overs, and those that come to nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from boringsdp.call import Call, CallEvent, LegDtmf, Party, State
from boringsdp.call.settings import CallSettings
from boringsdp.errors import SdpError, WrongState
from boringsdp.sdp import PLAIN, describe
from tests.call.conftest import Bench
from tests.call.phone import CHROMIUM, Phone, browser_answer, fax, plain, port_of, version_of


@pytest.fixture
def settings() -> CallSettings:
    return CallSettings(max_calls=8, answer_timeout_s=60.0)


def stated(sdp: str) -> str:
    return describe(sdp).medias[0].direction.value


def codecs(sdp: str) -> list[str]:
    return [f.codec.name for f in describe(sdp).medias[0].formats if f.codec.carries_media]


class Talk:
    """Two telephones on a call: it, both, and what each was told last."""

    def __init__(self, bench: Bench, formats: str = "0 101") -> None:
        self.call, self.a, self.b = bench.calls.create(bench.news.append), Phone(), Phone()
        self.to_b = self.call.offer(Party.A, plain(self.a.port, formats=formats), to=PLAIN)
        self.to_a = self.call.answer(Party.B, plain(self.b.port, formats=formats))


async def both_heard(one: tuple[Phone, str], other: tuple[Phone, str]) -> bool:
    """Whether two telephones hear each other at the ports that they were told."""
    for (speaker, told), (listener, _) in ((one, other), (other, one)):
        speaker.send(port_of(told))
        if await listener.hears_nothing():
            return False
    return True


def transferred(bench: Bench, talk: Talk, stays: Party, target: Phone, formats: str = "0 101", more: str = "") -> tuple[Call, str]:
    """One party goes on with `target`, who was offered what the party can; the call, and what the target was told."""
    joined = bench.calls.create(bench.news.append)
    to_target = joined.alone.invite(talk.call.alone.ability(stays), PLAIN)
    joined.alone.settle(Party.B, plain(target.port, formats=formats) + more)
    joined.take_over(Party.A, talk.call.hand_over(stays))
    talk.call.close()
    return joined, to_target


@pytest.mark.parametrize("stays", [Party.A, Party.B])
async def test_either_party_goes_on_with_another_at_the_same_port(bench: Bench, stays: Party):
    talk, target = Talk(bench), Phone()
    stayer, told, left = (talk.a, talk.to_a, talk.b) if stays is Party.A else (talk.b, talk.to_b, talk.a)
    joined, to_target = transferred(bench, talk, stays, target)
    assert joined.state is State.STABLE
    assert await both_heard((stayer, told), (target, to_target))
    assert await left.hears_nothing()
    again = joined.alone.offer(Party.A, renewed=True)
    assert again == told, "nothing is new to who stays"
    joined.alone.settle(Party.A, plain(stayer.port, version=2))
    assert await both_heard((stayer, told), (target, to_target))
    joined.close()
    assert bench.relay.statistics()["transports"] == 0


async def test_media_goes_on_until_the_target_has_answered(bench: Bench):
    talk, target = Talk(bench), Phone()
    ringing = bench.calls.create(bench.news.append)
    ringing.alone.invite(talk.call.alone.ability(Party.A), PLAIN)
    assert await both_heard((talk.a, talk.to_a), (talk.b, talk.to_b))
    ringing.close()
    assert await both_heard((talk.a, talk.to_a), (talk.b, talk.to_b))
    target.close()


async def test_who_is_there_first_hears_early_media_of_each_fork(bench: Bench):
    talk, first, second = Talk(bench), Phone(), Phone()
    second.skip(100)
    joined = bench.calls.create(bench.news.append)
    joined.take_over(Party.A, talk.call.hand_over(Party.A))
    talk.call.close()
    to_target = joined.alone.invite(joined.alone.ability(Party.A), PLAIN)
    for phone in (first, second, second):
        joined.alone.settle(Party.B, plain(phone.port))
        assert await both_heard((talk.a, talk.to_a), (phone, to_target))
    assert await first.hears_nothing()
    joined.alone.settle(Party.B, plain(second.port))
    joined.alone.offer(Party.A, renewed=True)
    with pytest.raises(WrongState):
        joined.alone.settle(Party.B, plain(first.port))


async def test_two_calls_become_one_and_nobody_stays_on_hold(bench: Bench):
    """Attended: who has put both on hold joins them."""
    one, two = Talk(bench), Talk(bench)
    for talk, holder, held in ((one, Party.B, Party.A), (two, Party.A, Party.B)):
        phones = {Party.A: talk.a, Party.B: talk.b}
        talk.call.offer(holder, plain(phones[holder].port, direction="sendonly", version=2), to=PLAIN)
        talk.call.answer(held, plain(phones[held].port, direction="recvonly", version=2))
    call = one.call
    call.hand_over(Party.B).close()
    call.take_over(Party.B, two.call.hand_over(Party.B))
    two.call.close()
    for party, phone in ((Party.A, one.a), (Party.B, two.b)):
        assert stated(call.alone.offer(party, renewed=True)) == "sendrecv"
        call.alone.settle(party, plain(phone.port, version=3))
    assert await both_heard((one.a, one.to_a), (two.b, two.to_b))
    assert await one.b.hears_nothing()
    assert await two.a.hears_nothing()


async def test_who_holds_the_other_goes_on_holding(bench: Bench):
    talk, target = Talk(bench), Phone()
    talk.call.offer(Party.A, plain(talk.a.port, direction="sendonly", version=2), to=PLAIN)
    talk.call.answer(Party.B, plain(talk.b.port, direction="recvonly", version=2))
    joined = bench.calls.create(bench.news.append)
    assert stated(joined.alone.invite(talk.call.alone.ability(Party.A), PLAIN)) == "sendonly"
    target.close()


async def test_codecs_are_agreed_anew(bench: Bench):
    one, two = Talk(bench, "0 8 101"), Talk(bench, "8 101")
    call = one.call
    call.answer(Party.B, plain(one.b.port, formats="0 101"))
    call.hand_over(Party.B).close()
    call.take_over(Party.B, two.call.hand_over(Party.A))
    two.call.close()
    to_a = call.alone.offer(Party.A, renewed=True)
    assert codecs(to_a) == ["PCMA"]
    call.alone.settle(Party.A, plain(one.a.port, formats="8 101", version=2))
    one.a.send(port_of(to_a), payload_type=8)
    assert (await two.a.receive())[1] & 127 == 8


async def test_who_comes_with_an_offer_takes_a_place_over(bench: Bench):
    """An INVITE with Replaces: its offer goes to the one who stays, as a re-offer."""
    talk, target = Talk(bench), Phone()
    joined = bench.calls.create(bench.news.append)
    joined.take_over(Party.A, talk.call.hand_over(Party.A))
    to_a = joined.offer(Party.B, plain(target.port), to=PLAIN)
    assert to_a == talk.to_a, "nothing is new to who stays"
    to_target = joined.answer(Party.A, plain(talk.a.port, version=2))
    assert await both_heard((talk.a, talk.to_a), (target, to_target))
    assert await talk.b.hears_nothing()


async def test_who_is_not_taken_goes_back(bench: Bench):
    talk, target = Talk(bench), Phone()
    joined = bench.calls.create(bench.news.append)
    joined.take_over(Party.A, talk.call.hand_over(Party.A))
    joined.offer(Party.B, plain(target.port), to=PLAIN)
    with pytest.raises(WrongState):
        joined.hand_over(Party.A)
    joined.reject()
    talk.call.take_over(Party.A, joined.hand_over(Party.A))
    joined.close()
    assert await both_heard((talk.a, talk.to_a), (talk.b, talk.to_b))
    assert talk.call.offer(Party.B, plain(talk.b.port, version=2), to=PLAIN) == talk.to_a


async def test_an_offer_of_the_renewed_counts_on_from_the_last(bench: Bench):
    talk, target = Talk(bench, "0 8 101"), Phone()
    joined, _ = transferred(bench, talk, Party.A, target, "8 101")
    again = joined.alone.offer(Party.A, renewed=True)
    assert (codecs(again), port_of(again), version_of(again)) == (["PCMA"], port_of(talk.to_a), version_of(talk.to_a) + 1)
    assert describe(again).origin.session_id == describe(talk.to_a).origin.session_id


async def test_what_only_one_has_is_refused_or_offered(bench: Bench):
    talk, target = Talk(bench), Phone()
    video = "m=video {} RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"
    talk.call.offer(Party.A, plain(talk.a.port, version=2) + video.format(9002), to=PLAIN)
    talk.call.answer(Party.B, plain(talk.b.port, version=2) + video.format(9004))
    joined, to_target = transferred(bench, talk, Party.A, target, more=video.format(0))
    assert [media.kind for media in describe(to_target).medias] == ["audio", "video"]
    assert [media.rejected for media in describe(joined.alone.offer(Party.A, renewed=True)).medias] == [False, True]


async def test_a_browser_keeps_its_transport(bench: Bench):
    call, target = bench.calls.create(bench.news.append), Phone()
    call.offer(Party.A, CHROMIUM, to=PLAIN)
    told = call.answer(Party.B, plain(9000))
    joined = bench.calls.create(bench.news.append)
    to_target = joined.alone.invite(call.alone.ability(Party.A), PLAIN)
    assert describe(to_target).medias[0].protocol_text == "RTP/AVP"
    joined.take_over(Party.A, call.hand_over(Party.A))
    call.close()
    joined.alone.settle(Party.B, plain(target.port))
    again = joined.alone.offer(Party.A, renewed=True)
    for line in ("a=fingerprint", "a=ice-ufrag", "a=ice-pwd", "a=candidate"):
        assert [each for each in again.splitlines() if each.startswith(line)] == [
            each for each in told.splitlines() if each.startswith(line)
        ]
    joined.alone.settle(Party.A, browser_answer(again, "sendrecv"))
    assert joined.state is State.STABLE
    target.close()


async def test_fax_does_not_meet_speech(bench: Bench):
    talk, call = Talk(bench), bench.calls.create(bench.news.append)
    call.alone.invite(talk.call.alone.ability(Party.A), PLAIN)
    with pytest.raises(SdpError):
        call.alone.settle(Party.B, fax(9000))


async def test_out_of_turn(bench: Bench):
    talk = Talk(bench)
    fresh = bench.calls.create(bench.news.append)
    offering = bench.calls.create(bench.news.append)
    offering.offer(Party.A, plain(9000), to=PLAIN)
    wrong: list[Callable[[], object]] = [
        lambda: fresh.hand_over(Party.A),
        lambda: fresh.alone.ability(Party.A),
        lambda: fresh.alone.settle(Party.B, plain(9000)),
        lambda: offering.hand_over(Party.A),
        lambda: offering.hand_over(Party.B),
        lambda: offering.take_over(Party.A, talk.call.hand_over(Party.A)),
        lambda: offering.take_over(Party.B, talk.call.hand_over(Party.B)),
        lambda: talk.call.alone.invite(talk.call.alone.ability(Party.A), PLAIN),
    ]
    for each in wrong:
        with pytest.raises(WrongState):
            each()


async def test_the_news_of_a_leg_go_where_it_is(bench: Bench):
    talk, target = Talk(bench), Phone()
    heard: list[CallEvent] = []
    joined = bench.calls.create(heard.append)
    joined.take_over(Party.A, talk.call.hand_over(Party.B))
    joined.alone.invite(joined.alone.ability(Party.A), PLAIN)
    talk.call.close()
    joined.alone.settle(Party.B, plain(target.port))
    talk.b.press(port_of(talk.to_b), 5)
    while (await target.receive())[1] & 127 != 101:
        pass
    for _ in range(50):
        await target.receive()
        if any(isinstance(news, LegDtmf) for news in heard):
            break
    assert [(news.party, news.digit) for news in heard if isinstance(news, LegDtmf)] == [(Party.A, "5")]
