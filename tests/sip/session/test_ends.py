"""How calls end when messages cross, are late or never come."""

from __future__ import annotations

import pytest

from boringsdp.errors import Exhausted
from boringsdp.sip.message import Request
from boringsdp.sip.session import SessionSettings, State
from boringsdp.sip.session.events import (
    Answered,
    By,
    Cancelled,
    Confirmed,
    DialogEnded,
    Ended,
    Failed,
    OfferReceived,
    RequestAnswered,
    RequestReceived,
)
from tests.support.sip_sessions import ANSWER, DELAY, OFFER, World, established, sdp

CONTACT = ("Contact", "<sip:phone@192.0.2.9>")


def test_the_2xx_is_repeated_at_t1_to_t2_until_its_ack():
    world = World(fate=lambda side, message: None if message.start_line.startswith("ACK") and world.now < 13 else DELAY)
    caller = world.call()
    world.run(0.1)
    callee = world.callees[0]
    callee.do("accept", ANSWER)
    world.run(60)
    assert callee.times("SIP/2.0 200") == [0.1, 0.6, 1.6, 3.6, 7.6, 11.6, 15.6]
    assert callee.session.state is State.CONFIRMED
    assert len({ack.to_bytes() for ack in caller.requests("ACK")}) == 1, "the same ACK for each"
    assert len(caller.told(Answered)) == 1
    assert len(callee.told(Confirmed)) == 1


def test_without_ack_for_64_t1_the_callee_ends_the_call():
    world = World(fate=lambda side, message: None if message.start_line.startswith("ACK") else DELAY)
    caller = world.call()
    world.run(0.1)
    callee = world.callees[0]
    callee.do("accept", ANSWER)
    world.run(60)
    assert callee.times("BYE") == [32.1]
    assert (callee.last(Ended).by, caller.last(Ended).by) == (By.TIMER, By.REMOTE)
    assert caller.done
    assert callee.done


def test_hanging_up_before_the_ack_waits_for_it():
    world = World(fate=lambda side, message: 2.0 if message.start_line.startswith("ACK") else DELAY)
    caller = world.call()
    world.run(0.1)
    callee = world.callees[0]
    callee.do("accept", ANSWER)
    callee.do("hang_up")
    assert callee.session.state is State.LEAVING
    world.run(1)
    assert not callee.requests("BYE")
    world.run(2)
    assert callee.times("BYE") == [2.11]
    assert (callee.last(Ended).by, caller.last(Ended).by) == (By.LOCAL, By.REMOTE)


def test_hanging_up_before_an_ack_that_never_comes_waits_for_its_time_limit():
    world = World(fate=lambda side, message: None if message.start_line.startswith("ACK") else DELAY)
    world.call()
    world.run(0.1)
    callee = world.callees[0]
    callee.do("accept", ANSWER)
    callee.do("hang_up")
    world.run(40)
    assert callee.times("BYE") == [32.1]
    assert callee.last(Ended).by is By.LOCAL


def test_a_200_that_crosses_the_cancel_is_acknowledged_and_ended():
    world = World()
    caller = world.call()
    world.run(0.1)
    callee = world.callees[0]
    callee.do("ring")
    world.run(0.1)
    callee.do("accept", ANSWER)
    caller.do("hang_up")
    world.run(0.1)
    assert len(caller.requests("ACK")) == 1
    assert len(caller.requests("BYE")) == 1
    assert not caller.told(Answered)
    assert caller.last(Ended).by is By.LOCAL
    assert callee.last(Ended).by is By.REMOTE
    assert not callee.told(Cancelled)


def test_hanging_up_before_any_provisional_response():
    world = World(fate=lambda side, message: None)
    caller = world.call()
    caller.do("hang_up")
    assert caller.session.state is State.CANCELLING
    caller.do("hang_up")
    world.run(1)
    world.give_response(caller, "INVITE", 487)
    assert caller.last(Ended).code == 487


def test_an_invite_cancelled_but_never_answered_is_given_up_64_t1_later():
    world = World(fate=lambda side, message: None)
    caller = world.call()
    world.give_response(caller, "INVITE", 180, tag="one", headers=[CONTACT])
    world.run(1)
    caller.do("hang_up")
    world.run(31.9)
    assert not caller.told(Ended)
    world.run(0.2)
    assert caller.last(Ended).by is By.LOCAL
    assert caller.last(DialogEnded).tag == "one"
    assert caller.done


def test_a_cancel_held_for_a_provisional_response_counts_from_there():
    world = World(fate=lambda side, message: None)
    caller = world.call()
    caller.do("hang_up")
    world.run(20)
    world.give_response(caller, "INVITE", 100)
    world.run(31.9)
    assert not caller.done
    world.run(0.2)
    assert caller.done


def test_a_retransmitted_200_after_our_bye_is_acknowledged():
    world = World(fate=lambda side, message: None if message.start_line.startswith("ACK") and world.now < 0.3 else DELAY)
    caller = world.call()
    world.run(0.1)
    world.callees[0].do("accept", ANSWER)
    world.run(0.1)
    caller.do("hang_up")
    acks = len(caller.requests("ACK"))
    world.give_response(caller, "INVITE", 200, tag=world.callees[0].session.local_tag, headers=[CONTACT], body=ANSWER)
    assert len(caller.requests("ACK")) == acks + 1
    assert len(caller.told(Ended)) == 1


def test_byes_that_cross_are_both_answered():
    world = World()
    caller, callee = established(world)
    caller.do("hang_up")
    callee.do("hang_up")
    world.run(0.1)
    assert caller.responses("BYE", 200)
    assert callee.responses("BYE", 200)
    assert (caller.last(Ended).by, callee.last(Ended).by) == (By.LOCAL, By.LOCAL)
    assert (len(caller.told(Ended)), len(callee.told(Ended))) == (1, 1)
    assert callee.done


def test_a_bye_before_the_answer_takes_the_call_back():
    world = World()
    caller = world.call()
    world.run(0.1)
    callee = world.callees[0]
    callee.do("ring")
    world.run(0.1)
    dialog = caller.session.dialog
    assert dialog is not None
    world.give_request(callee, dialog.request("BYE"), 900)
    assert callee.responses("BYE", 200)
    assert callee.responses("INVITE", 487)
    assert callee.last(Cancelled)
    assert callee.done


def test_a_bye_ends_only_the_early_dialog_that_it_names():
    world = World()
    world.forks = 2
    caller = world.call()
    world.run(0.1)
    one, two = world.callees
    one.do("ring")
    two.do("ring")
    world.run(0.1)
    dialog = one.session.dialog
    assert dialog is not None
    world.give_request(caller, dialog.request("BYE"), 900)
    assert caller.last(DialogEnded).tag == one.session.local_tag
    assert caller.session.remote_tags == (two.session.local_tag,)
    assert not caller.told(Ended)


def test_a_bye_while_the_ack_is_missing_ends_the_call():
    world = World(fate=lambda side, message: None if message.start_line.startswith("ACK") else DELAY)
    caller, callee = established(world)
    caller.do("hang_up")
    world.run(10)
    assert callee.last(Ended).by is By.REMOTE
    assert len(callee.times("SIP/2.0 200")) == 2, "one to INVITE, one to BYE; neither again"


def test_a_bye_refuses_the_re_invite_that_waits_for_an_answer():
    world = World()
    caller, callee = established(world)
    caller.do("offer", sdp("alice", 2))
    world.run(0.1)
    callee.do("hang_up")
    assert callee.responses("INVITE", 487)
    world.run(0.1)
    assert caller.last(Ended).by is By.REMOTE
    assert callee.last(Ended).by is By.LOCAL


def test_a_re_invite_answered_after_our_bye_is_acknowledged():
    world = World()
    caller, callee = established(world)
    caller.do("offer", sdp("alice", 2))
    world.run(0.1)
    world.fate = lambda side, message: 1.0 if message.start_line.startswith("BYE") else DELAY
    caller.do("hang_up")
    callee.do("answer", sdp("bob", 2))
    world.run(0.5)
    assert len(caller.requests("ACK")) == 2
    world.run(2)
    assert callee.last(Ended).by is By.REMOTE


def test_requests_after_the_end_get_481_and_a_bye_200():
    world = World()
    caller, callee = established(world)
    dialog = callee.session.dialog
    assert dialog is not None
    caller.do("hang_up")
    world.give_request(caller, dialog.request("INFO"), 900)
    assert caller.responses("INFO", 481)
    world.give_request(caller, dialog.request("BYE"), 901)
    assert caller.responses("BYE", 200)


def test_a_bye_without_an_answer_is_over_at_the_local_408():
    world = World()
    caller, _ = established(world)
    world.run(40)
    world.fate = lambda side, message: None
    caller.do("hang_up")
    assert not caller.done
    world.give_response(caller, "BYE", 408)
    assert caller.done


@pytest.mark.parametrize("code", [408, 503])
def test_a_call_that_reaches_nobody_fails(code):
    world = World(fate=lambda side, message: None)
    caller = world.call()
    world.give_response(caller, "INVITE", code)
    assert caller.last(Failed).code == code
    assert caller.done


def test_ringing_has_a_limit_on_both_sides():
    world = World()
    world.callee_settings = SessionSettings(ring_limit=60)
    caller = world.call()
    world.run(61)
    assert (world.callees[0].last(Ended).by, world.callees[0].last(Ended).code) == (By.TIMER, 480)
    assert caller.last(Failed).code == 480
    caller = world.call(settings=SessionSettings(ring_limit=10), call_id="second")
    world.run(0.1)
    world.callees[1].do("ring")
    world.run(11)
    assert (caller.last(Ended).by, caller.last(Ended).code) == (By.TIMER, 408)
    assert world.callees[1].last(Cancelled)


def test_an_invite_that_expires_is_ended_by_487():
    world = World()
    caller = world.call(headers=[("Expires", "20")])
    world.run(19)
    assert not world.callees[0].done
    world.run(2)
    assert caller.last(Failed).code == 487


def test_an_offer_in_the_2xx_that_nobody_answers_is_given_up():
    world = World(fate=lambda side, message: None if side.name == "bob" and message.start_line.startswith("BYE") else DELAY)
    caller = world.call(None)
    world.run(0.1)
    world.callees[0].do("accept", OFFER)
    world.run(40)
    assert caller.last(Ended).by is By.TIMER
    assert world.callees[0].last(Ended)
    assert caller.requests("ACK")[0].body == b""


@pytest.mark.parametrize("command", ["hang_up", "refuse"])
def test_an_offer_in_the_2xx_that_is_not_wanted_is_acknowledged_and_ended(command):
    world = World()
    caller = world.call(None)
    world.run(0.1)
    world.callees[0].do("accept", OFFER)
    world.run(0.1)
    assert caller.told(OfferReceived)
    caller.do(command)
    world.run(0.1)
    assert [message.method for _, message in caller.sent if isinstance(message, Request)] == ["INVITE", "ACK", "BYE"]
    assert caller.last(Ended).by is By.LOCAL


def test_a_2xx_without_any_answer_is_acknowledged_and_ended():
    world = World()
    caller = world.call()
    world.give_response(caller, "INVITE", 200, tag="one", headers=[CONTACT])
    assert caller.last(Failed).code == 488
    assert [message.method for _, message in caller.sent if isinstance(message, Request)] == ["INVITE", "ACK", "BYE"]


def test_a_2xx_without_answer_after_an_unreliable_one_takes_that():
    world = World()
    caller = world.call()
    world.give_response(caller, "INVITE", 183, tag="one", headers=[CONTACT], body=ANSWER)
    world.give_response(caller, "INVITE", 200, tag="one", headers=[CONTACT])
    assert caller.last(Answered).sdp == ANSWER


def test_an_ack_without_the_answer_it_owes_ends_the_call():
    world = World()
    caller = world.call(None)
    world.run(0.1)
    callee = world.callees[0]
    callee.do("accept", OFFER)
    world.run(0.1)
    caller.do("hang_up")
    world.run(0.1)
    assert callee.last(Ended).code in (200, 488)
    assert len(callee.told(Ended)) == 1


def test_requests_in_the_dialog_are_told_and_answered():
    world = World()
    caller, callee = established(world)
    number = caller.do("request", "INFO", [("Info-Package", "dtmf")], "application/dtmf-relay", b"Signal=1\r\n")
    world.run(0.1)
    event = callee.last(RequestReceived)
    assert (event.request.method, event.request.body) == ("INFO", b"Signal=1\r\n")
    world.give_response(caller, "INFO", 200)
    answered = caller.last(RequestAnswered)
    assert (answered.number, answered.response.code) == (number, 200)


def test_requests_that_wait_have_a_limit():
    world = World(fate=lambda side, message: DELAY if "INFO" not in message.start_line else None)
    caller, _ = established(world)
    for _ in range(64):
        caller.do("request", "INFO")
    with pytest.raises(Exhausted):
        caller.do("request", "INFO")
    world.give_response(caller, "INFO", 200)
    caller.do("request", "INFO")


def test_a_refusal_ends_the_update_that_waits_for_an_answer():
    world = World()
    caller = world.call()
    world.run(0.1)
    callee = world.callees[0]
    callee.do("progress", ANSWER)
    world.run(0.1)
    caller.do("offer", sdp("alice", 2))
    world.run(0.1)
    callee.do("reject", 486)
    assert callee.responses("UPDATE", 487)
    world.run(0.1)
    assert caller.last(Failed).code == 486
