"""Changes of a call that cross, overlap, or miss their ACK (RFC 3261 §14, RFC 5407)."""

from __future__ import annotations

import pytest

from boringsdp.errors import WrongState
from boringsdp.sip import headers as views
from boringsdp.sip.message import Response
from boringsdp.sip.session import SessionSettings, State
from boringsdp.sip.session.events import (
    AnswerReceived,
    By,
    Ended,
    OfferReceived,
    OfferRefused,
    OfferWithdrawn,
)
from tests.support.sip_sessions import ANSWER, DELAY, OFFER, World, established, sdp

NO_UPDATE = SessionSettings(allow=("INVITE", "ACK", "BYE", "CANCEL", "PRACK"))


def test_one_offer_at_a_time():
    world = World()
    caller, callee = established(world)
    caller.do("offer", sdp("alice", 2))
    with pytest.raises(WrongState):
        caller.do("offer", sdp("alice", 3))
    world.run(0.1)
    with pytest.raises(WrongState):
        callee.do("offer", sdp("bob", 2))


def test_an_update_that_is_not_answered_in_time_gets_504():
    world = World()
    caller, callee = established(world)
    caller.do("offer", sdp("alice", 2), by="UPDATE")
    world.run(12)
    assert callee.times("SIP/2.0 504") == [10.21]
    assert callee.last(OfferWithdrawn)
    assert caller.last(OfferRefused).code == 504
    with pytest.raises(WrongState):
        callee.do("answer", ANSWER)


def test_glare_of_re_invites_is_settled_by_the_timers():
    """Both get 491; the owner of the Call-ID waits 2.1 to 4 s, the other up to 2 s (RFC 3261 §14.1)."""
    world = World()
    caller, callee = established(world)
    caller.do("offer", sdp("alice", 2))
    callee.do("offer", sdp("bob", 2))
    world.run(0.1)
    assert caller.responses("INVITE", 491)
    assert callee.responses("INVITE", 491)
    assert not caller.told(OfferRefused)
    began = world.now - 0.1
    world.run(2.05)
    (again,) = [at for at in callee.times("INVITE") if at > began]
    assert again - began <= 2.1
    assert caller.last(OfferReceived).sdp == sdp("bob", 2)
    caller.do("answer", sdp("alice", 3))
    world.run(3)
    second = [at for at in caller.times("INVITE") if at > began]
    assert len(second) == 1
    assert 2.1 <= second[0] - began <= 4.1
    callee.do("answer", sdp("bob", 3))
    world.run(0.1)
    assert caller.session.local_sdp == sdp("alice", 2)
    assert callee.session.local_sdp == sdp("bob", 3)


def test_glare_of_updates_too():
    world = World()
    caller, callee = established(world)
    caller.do("offer", sdp("alice", 2), by="UPDATE")
    callee.do("offer", sdp("bob", 2), by="UPDATE")
    world.run(2.1)
    assert caller.last(OfferReceived).sdp == sdp("bob", 2)
    caller.do("answer", sdp("alice", 3))
    world.run(3)
    assert callee.last(OfferReceived).sdp == sdp("alice", 2)
    callee.do("answer", sdp("bob", 3))
    world.run(1)
    assert caller.last(AnswerReceived).sdp == sdp("bob", 3)


def test_an_offer_that_waits_after_491_is_replaced_by_a_newer_one():
    world = World()
    caller, callee = established(world)
    caller.do("offer", sdp("alice", 2))
    callee.do("offer", sdp("bob", 2))
    world.run(0.1)
    caller.do("offer", sdp("alice", 9))
    world.run(2.5)
    caller.do("answer", sdp("alice", 3))
    world.run(4)
    assert callee.last(OfferReceived).sdp == sdp("alice", 9)
    assert [request.body for request in caller.requests("INVITE")] == [OFFER, sdp("alice", 2), sdp("alice", 9)]


def test_an_offer_refused_by_491_for_ever_is_told_at_last():
    world = World()
    caller, _ = established(world)
    world.fate = lambda side, message: None
    caller.do("offer", sdp("alice", 2))
    for _ in range(10):
        world.give_response(caller, "INVITE", 491)
        world.run(5)
    assert caller.last(OfferRefused).code == 491
    assert len(caller.requests("INVITE")) == 11


def test_a_second_re_invite_before_the_answer_gets_500_with_retry_after():
    world = World()
    caller, callee = established(world)
    caller.do("offer", sdp("alice", 2))
    world.run(0.1)
    dialog = caller.session.dialog
    assert dialog is not None
    world.give_request(callee, dialog.request("INVITE", [], "application/sdp", sdp("alice", 3)), 900)
    (refusal,) = callee.responses("INVITE", 500)
    assert 0 <= int(refusal.headers.get("Retry-After") or -1) < 10
    world.give_request(callee, dialog.request("UPDATE", [], "application/sdp", sdp("alice", 3)), 901)
    assert callee.responses("UPDATE", 500)
    callee.do("answer", sdp("bob", 2))
    world.run(0.1)
    assert caller.last(AnswerReceived).sdp == sdp("bob", 2)


def test_our_offer_waits_as_long_as_a_500_asks():
    world = World()
    caller, callee = established(world)
    world.fate = lambda side, message: None
    caller.do("offer", sdp("alice", 2))
    world.give_response(caller, "INVITE", 500, headers=[("Retry-After", "7")])
    world.fate = lambda side, message: DELAY
    world.run(8)
    assert [round(at - 0.2, 2) for at in caller.times("INVITE")][-1] == 7.0
    assert callee.last(OfferReceived).sdp == sdp("alice", 2)


def test_an_offer_during_our_own_refresh_waits_for_it():
    world = World()
    world.callee_settings = SessionSettings(allow=NO_UPDATE.allow, session_expires=0)
    caller, callee = established(world, settings=SessionSettings(session_expires=100))
    asked = views.session_expires(callee.responses("INVITE", 200)[0])
    assert asked is not None
    refresher, other = (caller, callee) if asked.refresher == "uac" else (callee, caller)
    world.fate = lambda side, message: 0.2
    world.run(49.9)
    assert refresher.requests("UPDATE"), "the refresh is under way"
    refresher.do("offer", sdp("late", 2))
    assert sdp("late", 2) not in [request.body for request in refresher.requests("INVITE")]
    world.run(2)
    assert [request.body for request in refresher.requests("INVITE")][-1] == sdp("late", 2)
    assert other.last(OfferReceived).sdp == sdp("late", 2)


def test_the_2xx_to_a_re_invite_is_repeated_until_its_ack():
    lose = True

    def fate(side, message):
        return None if message.start_line.startswith("ACK") and lose and world.now > 0.15 else DELAY

    world = World(fate=fate)
    caller, callee = established(world)
    lose = False
    world.run(1)
    lose = True
    caller.do("offer", sdp("alice", 2))
    world.run(0.1)
    callee.do("answer", sdp("bob", 2))
    start = world.now
    world.run(4)
    assert [round(at - start, 2) for at in callee.times("SIP/2.0 200") if at >= start] == [0.0, 0.5, 1.5, 3.5]
    lose = False
    world.run(40)
    assert callee.session.state is State.CONFIRMED
    again = [ack for ack in caller.requests("ACK") if views.cseq(ack).number == 2]
    assert len(again) == 5
    assert len({ack.to_bytes() for ack in again}) == 1


def test_a_re_invite_whose_ack_never_comes_ends_the_call():
    world = World()
    caller, callee = established(world)
    world.fate = lambda side, message: None if message.start_line.startswith("ACK") else DELAY
    caller.do("offer", sdp("alice", 2))
    world.run(0.1)
    callee.do("answer", sdp("bob", 2))
    world.run(40)
    assert (callee.last(Ended).by, caller.last(Ended).by) == (By.TIMER, By.REMOTE)


def test_a_cancelled_re_invite_is_withdrawn():
    world = World()
    caller, callee = established(world)
    caller.do("offer", sdp("alice", 2))
    world.run(0.1)
    number = next(n for n, (_, _, request, _) in world._transactions.items() if request.body == sdp("alice", 2))
    world.perform(callee, callee.session.receive_cancel(number, caller.requests("INVITE")[-1], world.now))
    world.run(0.1)
    assert callee.responses("INVITE", 487)
    assert callee.last(OfferWithdrawn)
    assert caller.last(OfferRefused).code == 487
    assert callee.session.state is State.CONFIRMED


def test_a_re_invite_while_the_first_ack_is_missing_stands_for_it():
    world = World(fate=lambda side, message: None if message.start_line.startswith("ACK") else DELAY)
    caller, callee = established(world)
    assert callee.session.state is State.ACCEPTED
    caller.do("offer", sdp("alice", 2))
    world.run(0.05)
    assert callee.session.state is State.CONFIRMED
    assert callee.last(OfferReceived).sdp == sdp("alice", 2)


def test_a_re_invite_while_the_answer_in_the_first_ack_is_missing_gets_491():
    world = World(fate=lambda side, message: None if message.start_line.startswith("ACK") else DELAY)
    caller = world.call(None)
    world.run(0.1)
    callee = world.callees[0]
    callee.do("accept", ANSWER)
    world.run(0.1)
    caller.do("answer", OFFER)
    caller.do("offer", sdp("alice", 2))
    world.run(0.05)
    assert callee.responses("INVITE", 491)
    assert callee.session.state is State.ACCEPTED


def test_a_low_cseq_gets_500():
    world = World()
    caller, callee = established(world)
    caller.do("request", "INFO")
    world.run(0.1)
    dialog = caller.session.dialog
    assert dialog is not None
    dialog.sequence.number -= 1
    world.give_request(callee, dialog.request("MESSAGE"), 900)
    assert callee.responses("MESSAGE", 500)
    world.give_request(callee, dialog.request("MESSAGE"), 901)
    assert len(callee.responses("MESSAGE")) == 1, "the next one is told, not answered"


def test_a_re_invite_that_is_not_answered_is_cancelled():
    world = World()
    caller, callee = established(world, settings=SessionSettings(ring_limit=60))
    caller.do("offer", sdp("alice", 2))
    world.run(59)
    assert not caller.requests("CANCEL")
    world.run(2)
    assert caller.last(OfferRefused).code == 487
    assert callee.last(OfferWithdrawn)
    assert caller.session.state is State.CONFIRMED


def test_a_re_invite_that_a_bye_leaves_open_is_cancelled_before_the_session_is_forgotten():
    world = World()
    caller, callee = established(world)
    world.run(40)
    caller.do("offer", sdp("alice", 2))
    world.run(0.1)
    world.fate = lambda side, message: None if message.start_line.startswith("SIP/2.0 487") else DELAY
    callee.do("hang_up")
    world.run(30)
    assert not caller.done
    world.run(3)
    assert caller.done
    assert len(caller.requests("CANCEL")) == 1


def test_an_ack_without_the_answer_to_our_late_offer_is_told():
    world = World()
    caller, callee = established(world)
    caller.do("offer", None)
    world.run(0.1)
    world.fate = lambda side, message: None
    callee.do("answer", sdp("bob", 2))
    dialog = caller.session.dialog
    assert dialog is not None
    world.give_request(callee, dialog.ack(2), None)
    assert callee.last(OfferRefused).code == 488
    assert callee.session.local_sdp == ANSWER


def test_an_offer_while_the_ack_of_the_peers_re_invite_is_missing_follows_it():
    world = World()
    caller, callee = established(world)
    caller.do("offer", sdp("alice", 2))
    world.run(0.1)
    callee.do("answer", sdp("bob", 2))
    callee.do("offer", sdp("bob", 3))
    assert not callee.requests("INVITE")
    world.run(0.1)
    assert caller.last(OfferReceived).sdp == sdp("bob", 3)


def test_a_retry_that_is_due_while_the_owner_is_asked_waits_for_the_answer():
    world = World()
    caller, callee = established(world)
    caller.do("offer", sdp("alice", 2))
    callee.do("offer", sdp("bob", 2))
    world.run(10)
    assert caller.last(OfferReceived).sdp == sdp("bob", 2)
    assert sdp("alice", 2) not in [request.body for request in caller.requests("INVITE")[2:]]
    caller.do("answer", sdp("alice", 3))
    world.run(2)
    assert callee.last(OfferReceived).sdp == sdp("alice", 2)


class TestKept:
    """Of a peer whose library ends the call over a second 491: its re-INVITE waits for the end of ours."""

    @pytest.fixture
    def world(self) -> World:
        world = World()
        world.callee_settings = SessionSettings(keeps_crossing=4.0)
        return world

    def test_a_re_invite_that_crosses_goes_first(self, world):
        """The peer has refused ours by 491, which goes again as soon as its own is acknowledged."""
        browser, ours = established(world)
        browser.do("offer", sdp("alice", 2))
        ours.do("offer", sdp("bob", 2))
        world.run(0.1)
        assert not ours.responses("INVITE", 491)
        assert browser.responses("INVITE", 491)
        assert ours.last(OfferReceived).sdp == sdp("alice", 2)
        ours.do("answer", sdp("bob", 3))
        world.run(0.1)
        assert browser.last(AnswerReceived).sdp == sdp("bob", 3)
        assert browser.last(OfferReceived).sdp == sdp("bob", 2)
        browser.do("answer", sdp("alice", 3))
        world.run(40)
        assert ours.last(AnswerReceived).sdp == sdp("alice", 3)
        assert (browser.session.state, ours.session.state) == (State.CONFIRMED, State.CONFIRMED)

    def test_what_replaces_ours_meanwhile_is_sent(self, world):
        browser, ours = established(world)
        browser.do("offer", sdp("alice", 2))
        ours.do("offer", sdp("bob", 2))
        world.run(0.1)
        ours.do("answer", sdp("bob", 3))
        ours.do("offer", sdp("bob", 4))
        world.run(0.1)
        assert [event.sdp for event in browser.told(OfferReceived)] == [sdp("bob", 4)]

    def test_it_gets_491_when_ours_takes_too_long(self, world):
        browser, ours = established(world)
        world.fate = lambda side, message: None if side is browser and isinstance(message, Response) else DELAY
        browser.do("offer", sdp("alice", 2))
        ours.do("offer", sdp("bob", 2))
        began = world.now
        world.run(5)
        assert ours.times("SIP/2.0 491") == [pytest.approx(began + 4, abs=0.1)]

    def test_it_ends_with_the_call(self, world):
        browser, ours = established(world)
        world.fate = lambda side, message: None if side is browser and isinstance(message, Response) else DELAY
        browser.do("offer", sdp("alice", 2))
        ours.do("offer", sdp("bob", 2))
        world.run(0.1)
        ours.do("hang_up")
        world.run(0.1)
        assert ours.responses("INVITE", 487)
