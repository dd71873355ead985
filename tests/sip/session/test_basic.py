"""Calls without accidents, from both sides."""

from __future__ import annotations

import pytest

from boringsdp.errors import WrongState
from boringsdp.sip.session import State
from boringsdp.sip.session.events import Answered, By, Cancelled, Confirmed, Ended, Failed, Ringing
from tests.support.sip_sessions import ANSWER, OFFER, World, established


def test_a_call_is_made_answered_and_ended_by_the_caller():
    world = World()
    caller = world.call()
    world.run(0.1)
    callee = world.callees[0]
    assert callee.session.sdp == OFFER
    callee.do("ring")
    world.run(0.1)
    assert caller.last(Ringing).tag == callee.session.local_tag
    callee.do("accept", ANSWER)
    world.run(0.1)
    assert caller.last(Answered).sdp == ANSWER
    assert callee.last(Confirmed).sdp is None
    assert (caller.session.state, callee.session.state) == (State.CONFIRMED, State.CONFIRMED)
    assert callee.times("SIP/2.0 200") == [0.2], "an acknowledged 2xx is not repeated"
    caller.do("hang_up", [("Reason", 'Q.850;cause=16;text="bye"')])
    assert caller.last(Ended).by is By.LOCAL
    world.run(0.1)
    assert (callee.last(Ended).by, callee.last(Ended).reason) == (By.REMOTE, "bye")
    assert callee.done
    assert not caller.done, "it lingers for 2xx that come again"
    world.run(40)
    assert caller.done


def test_the_callee_hangs_up():
    world = World()
    caller, callee = established(world)
    callee.do("hang_up")
    world.run(40)
    assert (caller.last(Ended).by, callee.last(Ended).by) == (By.REMOTE, By.LOCAL)
    assert caller.done
    assert callee.done


@pytest.mark.parametrize("code", [302, 404, 486, 603])
def test_a_refusal_is_told_to_both(code):
    world = World()
    caller = world.call()
    world.run(0.1)
    world.callees[0].do("reject", code, headers=[("Contact", "<sip:other@example.org>")])
    world.run(0.1)
    failed = caller.last(Failed)
    assert failed.code == code
    assert failed.response is not None
    assert world.callees[0].last(Ended).code == code
    assert caller.done
    assert world.callees[0].done


def test_hanging_up_before_the_answer_cancels():
    world = World()
    caller = world.call()
    world.run(0.1)
    world.callees[0].do("ring")
    world.run(0.1)
    caller.do("hang_up", [("Reason", "SIP;cause=200")])
    assert caller.session.state is State.CANCELLING
    world.run(0.1)
    assert world.callees[0].last(Cancelled).reason == "SIP;cause=200"
    assert (caller.last(Ended).by, caller.last(Ended).code) == (By.LOCAL, 487)
    assert caller.done
    assert world.callees[0].done


def test_hanging_up_an_incoming_call_refuses_it():
    world = World()
    caller = world.call()
    world.run(0.1)
    world.callees[0].do("hang_up", code=486)
    world.run(0.1)
    assert caller.last(Failed).code == 486


def test_commands_out_of_turn_are_wrong_and_hang_up_never_is():
    world = World()
    caller, callee = established(world)
    for command, *args in (
        ("accept", ANSWER),
        ("ring",),
        ("progress", ANSWER),
        ("reject", 486),
        ("start",),
        ("answer", ANSWER),
        ("refuse",),
    ):
        with pytest.raises(WrongState):
            callee.do(command, *args)
    caller.do("hang_up")
    caller.do("hang_up")
    assert len(caller.requests("BYE")) == 1
    for command, *args in (("request", "INFO"), ("offer", OFFER), ("answer", OFFER), ("refuse",), ("start",)):
        with pytest.raises(WrongState):
            caller.do(command, *args)


def test_an_invite_without_offer_gets_it_in_the_2xx_and_the_answer_in_the_ack():
    world = World()
    caller = world.call(None)
    world.run(0.1)
    callee = world.callees[0]
    with pytest.raises(WrongState):
        callee.do("accept")
    callee.do("accept", ANSWER)
    world.run(0.1)
    assert caller.session.state is State.ANSWERED
    assert caller.last(Answered).sdp is None
    assert not caller.requests("ACK"), "the ACK waits for the answer"
    world.run(1)
    assert len(callee.responses("INVITE", 200)) > 1
    caller.do("answer", OFFER)
    world.run(0.1)
    assert callee.last(Confirmed).sdp == OFFER
    assert (caller.session.remote_sdp, callee.session.remote_sdp) == (ANSWER, OFFER)
    assert len(caller.requests("ACK")) == 1
    world.run(60)
    assert (caller.session.state, callee.session.state) == (State.CONFIRMED, State.CONFIRMED)


def test_facts_show_who_talks_with_whom():
    world = World()
    caller, callee = established(world)
    facts, others = caller.session.facts, callee.session.facts
    assert (facts.local_uri, facts.remote_uri, facts.remote_target) == ("sip:alice@example.com", "sip:bob@example.org", "sip:bob@192.0.2.2")
    assert (others.local_uri, others.remote_uri, others.remote_target) == (
        "sip:bob@example.org",
        "sip:alice@example.com",
        "sip:alice@192.0.2.1",
    )
    assert (facts.local_tag, facts.remote_tag) == (others.remote_tag, others.local_tag)
    assert "UPDATE" in facts.peer_allows
    assert {"100rel", "timer"} <= others.peer_supports
