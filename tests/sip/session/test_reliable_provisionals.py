"""PRACK (RFC 3262) and the offers and answers it carries (RFC 6337)."""

from __future__ import annotations

import pytest

from boringsdp.errors import WrongState
from boringsdp.sip import headers as views
from boringsdp.sip.message import Request
from boringsdp.sip.session import Prack, SessionSettings, State
from boringsdp.sip.session.events import (
    Answered,
    AnswerReceived,
    By,
    Cancelled,
    Confirmed,
    EarlyMedia,
    Ended,
    Failed,
    OfferReceived,
    OfferRefused,
    Ringing,
)
from tests.support.sip_sessions import ANSWER, DELAY, OFFER, Side, World, sdp

CONTACT = ("Contact", "<sip:phone@192.0.2.9>")
RELIABLE = ("Require", "100rel")


def ringing(world: World, **kwargs) -> tuple[Side, Side]:
    caller = world.call(**kwargs)
    world.run(0.1)
    return caller, world.callees[0]


def test_prack_is_offered_and_used_for_early_media():
    world = World()
    caller, callee = ringing(world)
    assert "100rel" in views.tokens(caller.session.invite, "Supported")
    assert "Require" not in caller.session.invite.headers
    callee.do("progress", ANSWER)
    world.run(0.1)
    (early,) = caller.told(EarlyMedia)
    assert (early.sdp, early.final) == (ANSWER, True)
    (prack,) = caller.requests("PRACK")
    rack = views.rack(prack)
    assert rack is not None
    assert (rack.rseq, rack.cseq, rack.method) == (
        views.rseq(callee.responses("INVITE", 183)[0]),
        views.cseq(caller.session.invite).number,
        "INVITE",
    )
    assert callee.responses("PRACK", 200)
    world.run(5)
    assert len(callee.responses("INVITE", 183)) == 1, "acknowledged: not repeated"


def test_a_200_without_sdp_after_a_reliable_183_with_one():
    world = World()
    caller, callee = ringing(world)
    callee.do("progress", ANSWER)
    world.run(0.1)
    callee.do("accept", ANSWER)
    world.run(0.1)
    assert callee.responses("INVITE", 200)[0].body == b""
    assert caller.last(Answered).sdp == ANSWER
    assert callee.last(Confirmed).sdp is None


def test_a_reliable_response_is_repeated_at_t1_doubling_until_its_prack():
    def fate(side, message):
        return None if message.start_line.startswith("SIP/2.0 183") and world.now < 3 else DELAY

    world = World(fate=fate)
    caller, callee = ringing(world)
    callee.do("progress", ANSWER)
    world.run(20)
    assert callee.times("SIP/2.0 183") == [0.1, 0.6, 1.6, 3.6]
    assert len({response.to_bytes() for response in callee.responses("INVITE", 183)}) == 1
    assert len(caller.told(EarlyMedia)) == 1


def test_a_reliable_response_whose_prack_is_lost_is_not_told_twice():
    def fate(side, message):
        return None if isinstance(message, Request) and message.method == "PRACK" and world.now < 1 else DELAY

    world = World(fate=fate)
    caller, callee = ringing(world)
    callee.do("progress", ANSWER)
    world.run(0.7)
    assert len(callee.responses("INVITE", 183)) == 2
    assert len(caller.told(EarlyMedia)) == 1
    assert len(caller.requests("PRACK")) == 1, "PRACK is repeated by its transaction, not by us"


def test_without_prack_for_64_t1_the_call_is_refused():
    world = World(fate=lambda side, message: None if message.start_line.startswith("PRACK") else DELAY)
    caller, callee = ringing(world)
    callee.do("progress", ANSWER)
    world.run(40)
    assert (callee.last(Ended).by, callee.last(Ended).code) == (By.TIMER, 504)
    assert callee.times("SIP/2.0 504") == [32.1]
    assert caller.last(Failed).code == 504


def test_a_second_reliable_response_waits_for_the_prack_of_the_first():
    world = World()
    caller, callee = ringing(world, settings=SessionSettings(prack=Prack.REQUIRED))
    assert "100rel" in views.tokens(caller.session.invite, "Require")
    callee.do("progress", ANSWER)
    callee.do("ring")
    assert len(callee.responses("INVITE")) == 1
    world.run(0.1)
    first, second = (views.rseq(response) for response in callee.responses("INVITE"))
    assert second == (first or 0) + 1
    assert len(caller.told(Ringing)) == 1
    assert len(caller.requests("PRACK")) == 2


def test_the_2xx_waits_for_the_prack_of_an_sdp():
    world = World(fate=lambda side, message: 0.5 if message.start_line.startswith("PRACK") else DELAY)
    caller, callee = ringing(world)
    callee.do("progress", ANSWER)
    callee.do("accept")
    assert callee.session.state is State.ACCEPTING
    world.run(0.3)
    assert not callee.responses("INVITE", 200)
    world.run(1)
    assert callee.session.state is State.CONFIRMED
    assert caller.session.state is State.CONFIRMED


def test_an_invite_cancelled_while_its_2xx_waits_for_prack():
    world = World(fate=lambda side, message: None if message.start_line.startswith("PRACK") else DELAY)
    caller, callee = ringing(world)
    callee.do("progress", ANSWER)
    callee.do("accept")
    caller.do("hang_up")
    world.run(0.1)
    caller.do("hang_up")
    world.run(1)
    assert callee.last(Cancelled)
    assert caller.last(Ended).code == 487


def test_prack_of_an_unreliable_or_unknown_response_gets_481():
    world = World()
    caller, callee = ringing(world)
    callee.do("progress", ANSWER, reliable=False)
    world.run(0.1)
    assert not caller.requests("PRACK")
    dialog = caller.session.dialog
    assert dialog is not None
    for rack in ("1 1 INVITE", "nonsense", "1 99 INVITE", "1 1 UPDATE"):
        world.give_request(callee, dialog.request("PRACK", [("RAck", rack)]), 900)
        assert callee.responses("PRACK")[-1].code == 481


def test_a_prack_that_comes_after_the_200_is_answered():
    world = World(fate=lambda side, message: 0.5 if message.start_line.startswith("PRACK") else DELAY)
    caller, callee = ringing(world)
    callee.do("progress", None, reliable=True)
    callee.do("accept", ANSWER)
    world.run(0.1)
    assert caller.session.state is State.CONFIRMED
    world.run(1)
    assert callee.responses("PRACK", 200)
    assert len(callee.responses("INVITE", 183)) == 1


def test_a_200_to_prack_that_comes_after_that_to_invite_changes_nothing():
    world = World(
        fate=lambda side, message: 0.5 if message.start_line.startswith("SIP/2.0 200") and views.cseq(message).method == "PRACK" else DELAY
    )
    caller, callee = ringing(world)
    callee.do("progress", ANSWER)
    world.run(0.1)
    callee.do("accept")
    world.run(2)
    assert caller.session.state is State.CONFIRMED
    assert len(caller.told(Answered)) == 1


def test_a_183_with_the_offer_and_the_answer_in_prack():
    world = World()
    caller, callee = ringing(world, offer=None)
    callee.do("progress", OFFER)
    world.run(0.1)
    assert caller.last(OfferReceived).sdp == OFFER
    assert not caller.requests("PRACK"), "it waits for the answer"
    caller.do("answer", ANSWER)
    world.run(0.1)
    assert caller.requests("PRACK")[0].body == ANSWER
    assert callee.last(AnswerReceived).sdp == ANSWER
    callee.do("accept")
    world.run(0.1)
    assert callee.responses("INVITE", 200)[0].body == b""
    assert caller.last(Answered).sdp == OFFER, "the peer's SDP that holds"
    assert caller.session.state is State.CONFIRMED


def test_an_offer_in_a_183_needs_a_peer_that_knows_100rel():
    world = World()
    _, callee = ringing(world, offer=None, settings=SessionSettings(prack=Prack.OFF))
    with pytest.raises(WrongState):
        callee.do("progress", OFFER)
    with pytest.raises(WrongState):
        callee.do("progress", None, reliable=True)


def test_a_peer_that_requires_100rel_gets_its_180_reliably():
    world = World()
    caller, callee = ringing(world, settings=SessionSettings(prack=Prack.REQUIRED))
    callee.do("ring")
    world.run(0.1)
    assert views.rseq(callee.responses("INVITE", 180)[0])
    assert caller.requests("PRACK")


def test_a_caller_without_the_100rel_that_we_require_gets_421():
    world = World()
    world.callee_settings = SessionSettings(prack=Prack.REQUIRED)
    caller, callee = ringing(world, settings=SessionSettings(prack=Prack.OFF))
    (refusal,) = callee.responses("INVITE", 421)
    assert refusal.headers.get("Require") == "100rel"
    assert callee.session.state is State.ENDED
    assert not callee.told(Ended)
    assert caller.last(Failed).code == 421


def test_all_that_we_answer_before_the_2xx_is_reliable_where_we_require_it():
    world = World()
    world.callee_settings = SessionSettings(prack=Prack.REQUIRED)
    caller, callee = ringing(world)
    callee.do("ring")
    world.run(0.1)
    callee.do("progress", ANSWER)
    world.run(0.1)
    assert [response.code for response in callee.responses("INVITE") if "RSeq" in response.headers] == [180, 183]
    assert len(caller.requests("PRACK")) == 2
    callee.do("accept")
    world.run(0.1)
    assert caller.session.state is State.CONFIRMED


def test_without_prack_in_our_settings_nothing_is_reliable():
    world = World()
    world.callee_settings = SessionSettings(prack=Prack.OFF)
    _, callee = ringing(world)
    callee.do("progress", ANSWER)
    assert "RSeq" not in callee.responses("INVITE", 183)[0].headers
    assert "100rel" not in views.tokens(callee.responses("INVITE", 183)[0], "Supported")


def test_an_offer_in_prack():
    world = World()
    caller, callee = ringing(world)
    callee.do("progress", ANSWER)
    world.run(0.1)
    caller.do("offer", sdp("alice", 2), by="PRACK")
    callee.do("progress", None, 183, reliable=True)
    world.run(0.1)
    assert caller.requests("PRACK")[1].body == sdp("alice", 2)
    assert callee.last(OfferReceived).sdp == sdp("alice", 2)
    callee.do("answer", sdp("bob", 2))
    world.run(0.1)
    assert caller.last(AnswerReceived).sdp == sdp("bob", 2)
    callee.do("accept")
    world.run(0.1)
    assert (caller.session.local_sdp, caller.session.remote_sdp) == (sdp("alice", 2), sdp("bob", 2))
    assert (callee.session.local_sdp, callee.session.remote_sdp) == (sdp("bob", 2), sdp("alice", 2))


def test_an_offer_in_prack_that_is_refused():
    world = World()
    caller, callee = ringing(world)
    callee.do("progress", ANSWER)
    world.run(0.1)
    caller.do("offer", sdp("alice", 2), by="PRACK")
    callee.do("progress", None, 183, reliable=True)
    world.run(0.1)
    callee.do("refuse", 488)
    world.run(0.1)
    assert caller.last(OfferRefused).code == 488
    assert caller.session.local_sdp == OFFER


def test_reliable_responses_out_of_order_wait_for_the_missing_one():
    world = World()
    caller = world.call()

    def response(rseq: int, code: int = 183) -> None:
        world.give_response(caller, "INVITE", code, tag="one", headers=[CONTACT, RELIABLE, ("RSeq", str(rseq))])

    response(10)
    response(12, 180)
    assert (len(caller.requests("PRACK")), len(caller.told(Ringing))) == (1, 0)
    response(11)
    response(12, 180)
    assert (len(caller.requests("PRACK")), len(caller.told(Ringing))) == (3, 1)
    response(11)
    assert len(caller.requests("PRACK")) == 3


def test_each_early_dialog_counts_rseq_by_itself():
    world = World()
    caller = world.call()
    for tag, rseq in (("one", 10), ("two", 5), ("one", 11), ("two", 6)):
        world.give_response(caller, "INVITE", 183, tag=tag, headers=[CONTACT, RELIABLE, ("RSeq", str(rseq))])
    assert [(views.to(prack).tag, views.cseq(prack).number) for prack in caller.requests("PRACK")] == [
        ("one", 2),
        ("two", 2),
        ("one", 3),
        ("two", 3),
    ]


def test_an_offer_in_a_183_that_is_refused_is_acknowledged_without_answer():
    world = World()
    caller, callee = ringing(world, offer=None)
    callee.do("progress", OFFER)
    world.run(0.1)
    caller.do("refuse")
    world.run(0.1)
    assert caller.requests("PRACK")[0].body == b""
    assert not callee.told(AnswerReceived)
    callee.do("reject", 488)
    world.run(0.1)
    assert caller.last(Failed).code == 488


def test_a_re_invite_may_be_answered_by_a_reliable_183_with_an_rseq_of_its_own():
    world = World()
    caller, callee = ringing(world)
    callee.do("progress", ANSWER)
    world.run(0.1)
    callee.do("accept")
    world.run(0.1)
    world.fate = lambda side, message: None
    caller.do("offer", sdp("alice", 2))
    tag = callee.session.local_tag
    for rseq in (1, 1):
        world.give_response(caller, "INVITE", 183, tag=tag, headers=[CONTACT, RELIABLE, ("RSeq", str(rseq))], body=sdp("bob", 2))
    assert [answer.sdp for answer in caller.told(AnswerReceived)] == [sdp("bob", 2)]
    assert len(caller.requests("PRACK")) == 2, "one of the first INVITE, one of this"
    world.give_response(caller, "INVITE", 200, tag=tag, headers=[CONTACT])
    assert len(caller.told(AnswerReceived)) == 1
    assert not caller.told(OfferRefused)
    assert caller.session.remote_sdp == sdp("bob", 2)
    caller.do("offer", sdp("alice", 3))
