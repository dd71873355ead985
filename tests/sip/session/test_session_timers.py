"""Session timers in calls (RFC 4028): who refreshes how, 422 and its retry, and what ends a call that is not refreshed."""

from __future__ import annotations

import pytest

from boringsdp.sip import headers as views
from boringsdp.sip.session import SessionSettings, State
from boringsdp.sip.session.events import AnswerReceived, By, Ended, Failed, OfferReceived, OfferRefused, Refreshed
from tests.support.sip_sessions import ANSWER, DELAY, OFFER, Side, World, established, sdp

CONTACT = ("Contact", "<sip:phone@192.0.2.9>")
NO_UPDATE = ("INVITE", "ACK", "BYE", "CANCEL")


def refresher_of(caller: Side, callee: Side) -> tuple[Side, Side]:
    asked = views.session_expires(callee.responses("INVITE", 200)[0])
    assert asked is not None
    return (caller, callee) if asked.refresher == "uac" else (callee, caller)


def test_timers_are_on_by_default():
    world = World()
    caller, callee = established(world)
    asked = views.session_expires(caller.session.invite)
    assert asked is not None
    assert asked.seconds == 1800
    assert "timer" in views.tokens(caller.session.invite, "Supported")
    given = views.session_expires(callee.responses("INVITE", 200)[0])
    assert given is not None
    assert given.seconds == 1800
    assert "timer" in views.tokens(callee.responses("INVITE", 200)[0], "Require")


def test_the_refresher_sends_update_at_half_time_and_both_are_told():
    world = World()
    one, other = refresher_of(*established(world, settings=SessionSettings(session_expires=100)))
    world.run(49)
    assert not one.requests("UPDATE")
    world.run(2)
    (update,) = one.requests("UPDATE")
    assert update.body == b""
    assert one.last(Refreshed).by is By.LOCAL
    assert other.last(Refreshed).by is By.REMOTE
    world.run(1000)
    assert one.session.state is State.CONFIRMED
    assert 20 <= len(one.requests("UPDATE")) <= 22


def test_the_refresher_stays_who_it_is():
    world = World()
    one, other = refresher_of(*established(world, settings=SessionSettings(session_expires=100)))
    other.do("offer", sdp("other", 2))
    world.run(0.1)
    one.do("answer", sdp("one", 2))
    world.run(200)
    assert one.requests("UPDATE")
    assert not other.requests("UPDATE")


def test_a_peer_without_update_is_refreshed_by_the_same_sdp_again():
    world = World()
    world.callee_settings = SessionSettings(allow=NO_UPDATE, session_expires=0)
    caller = world.call(settings=SessionSettings(session_expires=100, allow=NO_UPDATE))
    world.run(0.1)
    world.callees[0].do("accept", ANSWER)
    world.run(0.1)
    one, other = refresher_of(caller, world.callees[0])
    world.run(60)
    again = one.requests("INVITE")[-1]
    assert again.body == one.session.local_sdp
    assert one.requests("ACK")
    assert not other.told(OfferReceived)
    assert not one.told(AnswerReceived)
    assert other.last(Refreshed).by is By.REMOTE
    world.run(300)
    assert one.session.state is State.CONFIRMED


def test_without_refresh_the_call_ends_before_the_interval_does():
    world = World()
    one, other = refresher_of(*established(world, settings=SessionSettings(session_expires=90)))
    began = world.now - 0.1
    world.fate = lambda side, message: None
    world.run(90)
    assert [round(at - began, 1) for at in other.times("BYE")] == [60.0]
    assert (other.last(Ended).by, other.last(Ended).reason) == (By.TIMER, "session timer")
    assert one.last(Ended).by is By.TIMER


def test_an_interval_too_small_for_the_callee_is_asked_for_again():
    world = World()
    world.callee_settings = SessionSettings(min_se=600)
    caller = world.call(settings=SessionSettings(session_expires=100))
    world.run(0.1)
    first, second = world.callees
    assert first.done
    assert not first.heard
    assert views.min_se(first.responses("INVITE", 422)[0]) == 600
    again = caller.requests("INVITE")[1]
    asked = views.session_expires(again)
    assert asked is not None
    assert (asked.seconds, views.min_se(again)) == (600, 600)
    assert views.call_id(again) == views.call_id(caller.requests("INVITE")[0])
    assert views.cseq(again).number == 2
    assert views.from_(again).tag == caller.session.local_tag
    second.do("accept", ANSWER)
    world.run(0.1)
    assert caller.session.state is State.CONFIRMED


def test_a_422_that_asks_for_nothing_new_fails_the_call():
    world = World()
    caller = world.call()
    world.give_response(caller, "INVITE", 422, headers=[("Min-SE", "90")])
    assert caller.last(Failed).code == 422


def test_422_without_end_fails_at_last():
    world = World(fate=lambda side, message: None)
    caller = world.call()
    for number in range(10):
        if not caller.done:
            world.give_response(caller, "INVITE", 422, headers=[("Min-SE", str(2000 + number))])
    assert caller.last(Failed).code == 422
    assert len(caller.requests("INVITE")) == 4


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_422_in_the_dialog_is_tried_again_at_once(method):
    world = World()
    caller, callee = established(world)
    world.fate = lambda side, message: None
    caller.do("offer", sdp("alice", 2), by=method)
    world.give_response(caller, method, 422, headers=[("Min-SE", "3000")])
    again = caller.requests(method)[-1]
    asked = views.session_expires(again)
    assert asked is not None
    assert (asked.seconds, again.body) == (3000, sdp("alice", 2))
    assert not caller.told(OfferRefused)
    dialog = caller.session.dialog
    assert dialog is not None
    world.give_request(callee, dialog.request(method, [("Session-Expires", "80"), ("Supported", "timer")]), 900)
    assert views.min_se(callee.responses(method, 422)[0]) == 90


def test_session_expires_in_the_200_without_require_is_kept():
    world = World(fate=lambda side, message: None)
    caller = world.call()
    lines = [CONTACT, ("Session-Expires", "100;refresher=uac"), ("Allow", "INVITE, UPDATE")]
    world.give_response(caller, "INVITE", 200, tag="one", headers=lines, body=ANSWER)
    world.run(51)
    assert len(caller.requests("UPDATE")) == 1


def test_a_200_without_session_expires_needs_no_refresh():
    world = World(fate=lambda side, message: None)
    caller = world.call()
    world.give_response(caller, "INVITE", 200, tag="one", headers=[CONTACT], body=ANSWER)
    world.run(4000)
    assert caller.session.state is State.CONFIRMED
    assert len(caller.sent) == 2


def test_a_refresh_that_meets_the_peers_offer_is_sent_again():
    world = World()
    one, other = refresher_of(*established(world, settings=SessionSettings(session_expires=100)))
    world.run(49)
    one.do("offer", None)
    world.run(0.1)
    world.run(3)
    assert not one.requests("UPDATE")
    other.do("answer", sdp("other", 2))
    world.run(0.1)
    one.do("answer", sdp("one", 2))
    world.run(60)
    assert one.requests("UPDATE")
    world.run(300)
    assert other.session.state is State.CONFIRMED


def test_a_refresh_that_is_refused_is_tried_until_the_interval_is_over():
    world = World()
    one, other = refresher_of(*established(world, settings=SessionSettings(session_expires=200)))
    world.fate = lambda side, message: None if side is one else DELAY

    def refuse() -> None:
        if one.requests("UPDATE"):
            world.give_response(one, "UPDATE", 500)

    for _ in range(200):
        before = len(one.requests("UPDATE"))
        world.run(1)
        if len(one.requests("UPDATE")) > before:
            refuse()
    assert len(one.requests("UPDATE")) > 3
    assert not one.told(OfferRefused), "nobody made that offer"
    assert one.last(Ended).by is By.TIMER
    assert other.last(Ended).by in (By.TIMER, By.REMOTE)


def test_a_session_without_timers_on_our_side_keeps_those_of_the_peer():
    world = World()
    world.callee_settings = SessionSettings(session_expires=0)
    caller, callee = established(world, settings=SessionSettings(session_expires=100))
    one, _ = refresher_of(caller, callee)
    world.run(51)
    assert one.requests("UPDATE")


def test_no_timer_when_neither_side_wants_one():
    world = World()
    world.callee_settings = SessionSettings(session_expires=0)
    caller, callee = established(world, settings=SessionSettings(session_expires=0))
    assert "Session-Expires" not in caller.session.invite.headers
    assert "Session-Expires" not in callee.responses("INVITE", 200)[0].headers
    world.run(40)
    assert callee.session.deadline() is None
    assert caller.session.deadline() is None


def test_refreshes_leave_the_sdp_alone():
    world = World()
    caller, callee = established(world, settings=SessionSettings(session_expires=100))
    world.run(300)
    assert (caller.session.local_sdp, caller.session.remote_sdp) == (OFFER, ANSWER)
    assert (callee.session.local_sdp, callee.session.remote_sdp) == (ANSWER, OFFER)
