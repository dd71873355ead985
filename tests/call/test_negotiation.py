"""Whose turn it is: turns, glare, rollback and the answer timer."""

from __future__ import annotations

import pytest

from boringsdp.call.events import Party
from boringsdp.call.negotiation import TRANSITIONS, Negotiation, NoAnswer, State
from boringsdp.errors import WrongState


def offered(by: Party = Party.A) -> Negotiation:
    core = Negotiation(answer_timeout_s=60.0)
    core.offer(by, now=0.0)
    return core


def stable() -> Negotiation:
    core = offered()
    core.answer(Party.B, now=1.0)
    return core


def test_an_answer_makes_the_call_stable_and_stops_the_timer():
    core = stable()
    assert (core.state, core.pending, core.deadline()) == (State.STABLE, None, None)


def test_either_party_may_reoffer_once_stable():
    for party in Party:
        core = stable()
        core.offer(party, now=2.0)
        core.answer(party.other, now=3.0)
        assert core.state is State.STABLE


def test_glare_is_refused_and_changes_nothing():
    core = offered(Party.A)
    with pytest.raises(WrongState, match="glare"):
        core.offer(Party.B, now=1.0)
    assert (core.state, core.pending) == (State.OFFERED, Party.A)


def test_a_second_offer_of_the_same_party_replaces_the_first():
    core = offered(Party.A)
    core.offer(Party.A, now=30.0)
    assert core.deadline() == 90.0


def test_one_cannot_answer_oneself_or_nothing():
    with pytest.raises(WrongState):
        offered(Party.A).answer(Party.A, now=1.0)
    with pytest.raises(WrongState):
        Negotiation(60.0).answer(Party.B, now=1.0)


def test_a_forked_offer_takes_several_answers():
    core = stable()
    core.answer(Party.B, now=2.0)
    assert core.state is State.STABLE


def test_rejecting_a_reoffer_keeps_what_was_in_force():
    core = stable()
    core.offer(Party.B, now=2.0)
    core.reject(now=3.0)
    assert core.state is State.STABLE
    with pytest.raises(WrongState):
        core.reject(now=3.0)


def test_an_unanswered_offer_is_dropped_by_its_timer():
    core = offered()
    assert core.tick(59.9) == []
    assert core.tick(60.0) == [NoAnswer(Party.A, 60.0)]
    assert (core.state, core.deadline()) == (State.IDLE, None)


def test_an_offer_may_wait_for_ever():
    core = Negotiation(answer_timeout_s=0.0)
    core.offer(Party.A, now=0.0)
    assert core.deadline() is None


def test_a_closed_call_takes_nothing():
    core = stable()
    core.close(now=2.0)
    with pytest.raises(WrongState):
        core.offer(Party.A, now=3.0)
    with pytest.raises(WrongState):
        core.answer(Party.B, now=3.0)


def test_every_waiting_state_has_a_timer():
    for (state, move), target in TRANSITIONS.items():
        core = Negotiation(5.0)
        core.state, core.offerer = state, Party.A
        core._move(move, now=0.0)
        assert (core.deadline() is not None) == (target in (State.OFFERED, State.REOFFERED))
