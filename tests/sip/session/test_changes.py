"""Changes of a call that is up or early: re-INVITE, UPDATE, and what happens when both want one (RFC 3261 §14, RFC 3311, RFC 6337)."""

from __future__ import annotations

import pytest

from boringsdp.errors import WrongState
from boringsdp.sip import headers as views
from boringsdp.sip.session import SessionSettings, State
from boringsdp.sip.session.events import (
    Answered,
    AnswerReceived,
    By,
    Ended,
    OfferReceived,
    OfferRefused,
    Refreshed,
    RequestAnswered,
)
from tests.support.sip_sessions import ANSWER, OFFER, Side, World, established, sdp

NO_UPDATE = SessionSettings(allow=("INVITE", "ACK", "BYE", "CANCEL", "PRACK"))


def early(world: World) -> tuple[Side, Side]:
    """A call with offer and answer exchanged reliably, not answered."""
    caller = world.call()
    world.run(0.1)
    world.callees[0].do("progress", ANSWER)
    world.run(0.1)
    return caller, world.callees[0]


@pytest.mark.parametrize("who", [0, 1])
@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_either_side_offers_anew(who, method):
    world = World()
    sides = established(world)
    one, other = sides[who], sides[1 - who]
    before = len(one.requests("ACK"))
    one.do("offer", sdp("one", 2), by=method)
    world.run(0.1)
    assert other.last(OfferReceived).sdp == sdp("one", 2)
    other.do("answer", sdp("other", 2))
    world.run(0.1)
    assert one.last(AnswerReceived).sdp == sdp("other", 2)
    assert (one.session.local_sdp, one.session.remote_sdp) == (sdp("one", 2), sdp("other", 2))
    assert (other.session.local_sdp, other.session.remote_sdp) == (sdp("other", 2), sdp("one", 2))
    assert len(one.requests("ACK")) == before + (method == "INVITE")
    world.run(40)
    assert (one.session.state, other.session.state) == (State.CONFIRMED, State.CONFIRMED)


@pytest.mark.parametrize("who", [0, 1])
def test_a_re_invite_without_offer(who):
    world = World()
    sides = established(world)
    one, other = sides[who], sides[1 - who]
    one.do("offer", None)
    world.run(0.1)
    assert other.last(OfferReceived).sdp is None
    other.do("answer", sdp("other", 2))
    world.run(0.1)
    assert one.last(OfferReceived).sdp == sdp("other", 2)
    with pytest.raises(WrongState):
        one.do("offer", sdp("one", 3))
    one.do("answer", sdp("one", 2))
    world.run(0.1)
    assert other.last(AnswerReceived).sdp == sdp("one", 2)
    assert (one.session.local_sdp, one.session.remote_sdp) == (sdp("one", 2), sdp("other", 2))
    one.do("offer", sdp("one", 3))
    world.run(0.1)
    assert other.last(OfferReceived).sdp == sdp("one", 3)


def test_a_refused_offer_leaves_what_was_agreed():
    world = World()
    caller, callee = established(world)
    for method in ("INVITE", "UPDATE"):
        caller.do("offer", sdp("alice", 2), by=method)
        world.run(0.1)
        callee.do("refuse", 488)
        world.run(0.1)
        assert caller.last(OfferRefused).code == 488
        assert (caller.session.local_sdp, callee.session.remote_sdp) == (OFFER, OFFER)
    caller.do("offer", sdp("alice", 3))
    world.run(0.1)
    callee.do("answer", sdp("bob", 3))
    world.run(0.1)
    assert caller.session.remote_sdp == sdp("bob", 3)


def test_an_early_update_goes_both_ways():
    world = World()
    caller, callee = early(world)
    for one, other, version in ((caller, callee, 2), (callee, caller, 3)):
        one.do("offer", sdp(one.name, version))
        world.run(0.1)
        assert one.requests("UPDATE")
        other.do("answer", sdp(other.name, version))
        world.run(0.1)
        assert one.last(AnswerReceived).sdp == sdp(other.name, version)
    callee.do("accept")
    world.run(0.1)
    assert caller.last(Answered).sdp == sdp("bob", 3), "what the last UPDATE agreed on"
    assert caller.session.local_sdp == sdp("alice", 3)


def test_an_early_update_needs_an_answer_before_it():
    world = World()
    caller = world.call()
    world.run(0.1)
    world.callees[0].do("ring")
    world.run(0.1)
    with pytest.raises(WrongState):
        caller.do("offer", sdp("alice", 2))
    with pytest.raises(WrongState):
        world.callees[0].do("offer", sdp("bob", 2))


def test_update_only_to_a_peer_that_allows_it():
    world = World()
    world.callee_settings = NO_UPDATE
    caller, _ = established(world)
    with pytest.raises(WrongState):
        caller.do("offer", sdp("alice", 2), by="UPDATE")
    caller.do("offer", sdp("alice", 2))
    assert caller.requests("INVITE")[-1].body == sdp("alice", 2)


def test_the_same_sdp_again_is_answered_by_itself():
    world = World()
    caller, callee = established(world)
    for method in ("INVITE", "UPDATE"):
        caller.do("offer", OFFER, by=method)
        world.run(0.1)
        assert not callee.told(OfferReceived)
        assert callee.last(Refreshed).by is By.REMOTE
        assert caller.last(AnswerReceived).sdp == ANSWER
    world.run(40)
    assert caller.session.state is State.CONFIRMED


def test_an_update_without_sdp_refreshes_the_target():
    world = World()
    caller, callee = established(world)
    dialog = caller.session.dialog
    assert dialog is not None
    world.give_request(callee, dialog.request("UPDATE", contact="<sip:alice@192.0.2.77>"), 900)
    assert callee.responses("UPDATE", 200)
    assert callee.session.facts.remote_target == "sip:alice@192.0.2.77"
    callee.do("request", "INFO")
    assert callee.requests("INFO")[0].uri == "sip:alice@192.0.2.77"


def test_a_re_invite_moves_both_targets():
    world = World()
    caller, callee = established(world)
    caller.session.contact = "<sip:alice@192.0.2.50>"
    callee.session.contact = "<sip:bob@192.0.2.60>"
    caller.do("offer", sdp("alice", 2))
    world.run(0.1)
    assert callee.session.facts.remote_target == "sip:alice@192.0.2.1", "not before the 2xx"
    callee.do("answer", sdp("bob", 2))
    world.run(0.1)
    assert callee.session.facts.remote_target == "sip:alice@192.0.2.50"
    assert caller.session.facts.remote_target == "sip:bob@192.0.2.60"
    assert caller.requests("ACK")[-1].uri == "sip:bob@192.0.2.60"


@pytest.mark.parametrize(("code", "by", "byes"), [(481, By.REMOTE, 0), (408, By.TIMER, 1)])
@pytest.mark.parametrize("method", ["INVITE", "UPDATE", "INFO"])
def test_481_and_408_in_the_dialog_end_it(code, by, byes, method):
    world = World()
    caller, _ = established(world)
    world.fate = lambda side, message: None
    if method == "INFO":
        caller.do("request", "INFO")
    else:
        caller.do("offer", sdp("alice", 2), by=method)
    world.give_response(caller, method, code)
    ended = caller.last(Ended)
    assert (ended.by, ended.code) == (by, code)
    assert len(caller.requests("BYE")) == byes
    if method == "INFO":
        assert caller.last(RequestAnswered).response.code == code


def test_an_unknown_dialog_gets_481():
    world = World()
    caller, callee = established(world)
    dialog = caller.session.dialog
    assert dialog is not None
    stranger = dialog.request("INFO")
    stranger.headers.set("From", "<sip:eve@example.com>;tag=eve")
    world.give_request(callee, stranger, 900)
    assert callee.responses("INFO", 481)


def test_both_sides_number_their_requests_by_themselves():
    world = World()
    caller, callee = established(world)
    caller.do("request", "INFO")
    callee.do("request", "INFO")
    callee.do("request", "MESSAGE", content_type="text/plain", body=b"hi")
    assert views.cseq(caller.requests("INFO")[0]).number == 2
    assert [views.cseq(callee.requests(method)[0]).number for method in ("INFO", "MESSAGE")] == [1, 2]


def test_the_time_limit_of_an_answered_update_is_not_that_of_a_re_invite():
    world = World()
    caller, callee = established(world)
    caller.do("offer", sdp("alice", 2), by="UPDATE")
    world.run(5)
    callee.do("answer", sdp("bob", 2))
    world.run(1)
    caller.do("offer", sdp("alice", 3))
    world.run(30)
    callee.do("answer", sdp("bob", 3))
    world.run(1)
    assert caller.last(AnswerReceived).sdp == sdp("bob", 3)


def test_a_late_offer_of_a_re_invite_that_is_refused_ends_the_call():
    """Its 2xx has been sent: only ACK and BYE can follow (RFC 3261 §14.1)."""
    world = World()
    caller, callee = established(world)
    caller.do("offer", None)
    world.run(0.1)
    callee.do("answer", sdp("bob", 2))
    world.run(0.1)
    caller.do("refuse", 488)
    world.run(0.1)
    assert caller.last(Ended).code == 488
    assert len(caller.requests("ACK")) == 2
    assert callee.last(Ended).by is By.REMOTE


def test_a_2xx_to_our_re_invite_without_an_answer_is_a_refusal():
    world = World()
    caller, callee = established(world)
    world.fate = lambda side, message: None
    caller.do("offer", sdp("alice", 2))
    world.give_response(caller, "INVITE", 200, tag=callee.session.local_tag)
    assert caller.last(OfferRefused).code == 488
    assert len(caller.requests("ACK")) == 2
    assert (caller.session.local_sdp, caller.session.remote_sdp) == (OFFER, ANSWER)
    caller.do("offer", sdp("alice", 3))
