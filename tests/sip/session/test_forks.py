"""An INVITE that several answer: early dialogs, the first 2xx and those that come later."""

from __future__ import annotations

from boringsdp.sip import headers as views
from boringsdp.sip.message import Request
from boringsdp.sip.session import State
from boringsdp.sip.session.events import Answered, By, DialogEnded, DialogMade, EarlyMedia, Ended, Failed, Proceeding, Ringing
from tests.support.sip_sessions import ANSWER, DELAY, OFFER, World, sdp

CONTACT = ("Contact", "<sip:phone@192.0.2.9>")


def forked(count: int = 2) -> World:
    world = World()
    world.forks = count
    world.call()
    world.run(0.1)
    assert len(world.callees) == count
    return world


def test_each_early_dialog_is_told_with_its_tag_and_its_media():
    world = forked()
    caller, (one, two) = world.sides[0], world.callees
    one.do("ring")
    one.do("progress", sdp("one", 1), reliable=False)
    two.do("progress", sdp("two", 1), reliable=False)
    world.run(0.1)
    assert [event.tag for event in caller.told(DialogMade)] == [one.session.local_tag, two.session.local_tag]
    assert [(event.tag, event.sdp, event.final) for event in caller.told(EarlyMedia)] == [
        (one.session.local_tag, sdp("one", 1), False),
        (two.session.local_tag, sdp("two", 1), False),
    ]
    assert set(caller.session.remote_tags) == {one.session.local_tag, two.session.local_tag}


def test_the_same_early_media_again_is_told_once():
    world = forked(1)
    caller, callee = world.sides[0], world.callees[0]
    callee.do("progress", ANSWER, reliable=False)
    world.run(130)
    assert len(callee.responses("INVITE", 183)) == 3, "once a minute for the proxies"
    assert len(caller.told(EarlyMedia)) == 1


def test_the_first_2xx_wins_and_the_other_early_dialog_ends():
    world = forked()
    caller, (one, two) = world.sides[0], world.callees
    one.do("ring")
    two.do("progress", ANSWER, reliable=False)
    world.run(0.1)
    one.do("accept", sdp("one", 1))
    world.run(0.1)
    assert [(event.tag, event.by) for event in caller.told(DialogEnded)] == [(two.session.local_tag, By.FORK)]
    assert caller.last(Answered).sdp == sdp("one", 1), "the SDP of the one that answers, not of the other's early media"
    assert caller.session.remote_tags == (one.session.local_tag,)


def test_a_later_2xx_of_another_fork_gets_ack_and_bye():
    world = forked()
    caller, (one, two) = world.sides[0], world.callees
    one.do("ring")
    two.do("ring")
    world.run(0.1)
    one.do("accept", ANSWER)
    two.do("accept", ANSWER)
    world.run(0.5)
    assert len(caller.told(Answered)) == 1
    assert two.last(Ended).by is By.REMOTE
    assert one.session.state is State.CONFIRMED
    (bye,) = caller.requests("BYE")
    assert views.to(bye).tag == two.session.local_tag
    assert bye.uri == "sip:bob1@192.0.2.2"


def test_a_2xx_of_another_fork_after_our_bye_is_ended_too():
    world = forked()
    caller, (one, two) = world.sides[0], world.callees
    one.do("accept", ANSWER)
    world.run(0.1)
    caller.do("hang_up")
    world.run(1)
    two.do("accept", ANSWER)
    world.run(1)
    assert two.last(Ended).by is By.REMOTE
    assert len(caller.told(Ended)) == 1
    world.run(60)
    assert caller.done


def test_a_stray_2xx_that_comes_again_is_acknowledged_again_but_ended_once():
    lost: list[Request] = []

    def fate(side, message):
        second = isinstance(message, Request) and bool(world.callees[1:]) and views.to(message).tag == world.callees[1].session.local_tag
        if second and message.method == "ACK" and not lost:
            lost.append(message)
            return None
        if isinstance(message, Request) and message.method == "BYE":
            return 3.0
        return DELAY

    world = World(fate=fate)
    world.forks = 2
    caller = world.call()
    world.run(0.1)
    one, two = world.callees
    one.do("accept", ANSWER)
    two.do("accept", ANSWER)
    world.run(10)
    acks = [ack for ack in caller.requests("ACK") if views.to(ack).tag == two.session.local_tag]
    assert len(acks) == 2
    assert acks[0].to_bytes() == acks[1].to_bytes()
    assert len(caller.requests("BYE")) == 1
    assert two.done


def test_the_to_tag_may_change_between_18x_and_200():
    world = forked(1)
    caller, callee = world.sides[0], world.callees[0]
    callee.do("ring")
    world.run(0.1)
    world.give_response(caller, "INVITE", 200, tag="other", headers=[CONTACT], body=ANSWER)
    assert [event.tag for event in caller.told(DialogMade)] == [callee.session.local_tag, "other"]
    assert caller.last(DialogEnded).tag == callee.session.local_tag
    assert caller.last(Answered).tag == "other"
    assert caller.requests("ACK")[0].uri == "sip:phone@192.0.2.9"
    caller.do("request", "INFO")
    assert views.to(caller.requests("INFO")[0]).tag == "other"


def test_the_2xx_says_the_route_set_anew():
    """RFC 3261 §13.2.2.4: what an early response said of the route may have been less."""
    world = World()
    caller = world.call()
    world.give_response(caller, "INVITE", 180, tag="one", headers=[CONTACT])
    routes = [("Record-Route", "<sip:p2.example.org;lr>"), ("Record-Route", "<sip:p1.example.org;lr>")]
    world.give_response(caller, "INVITE", 200, tag="one", headers=[CONTACT, *routes], body=ANSWER)
    for method in ("ACK", "INFO"):
        if method == "INFO":
            caller.do("request", "INFO")
        assert caller.requests(method)[0].headers.all("Route") == ["<sip:p1.example.org;lr>", "<sip:p2.example.org;lr>"]


def test_199_ends_an_early_dialog():
    world = World()
    caller = world.call()
    world.give_response(caller, "INVITE", 180, tag="one", headers=[CONTACT])
    world.give_response(caller, "INVITE", 199, tag="one")
    assert caller.last(DialogEnded).tag == "one"
    assert caller.session.remote_tags == ()
    assert caller.session.state is State.PROCEEDING


def test_a_refusal_ends_all_early_dialogs():
    world = World()
    caller = world.call()
    for tag in ("one", "two"):
        world.give_response(caller, "INVITE", 180, tag=tag, headers=[CONTACT])
    world.give_response(caller, "INVITE", 486, tag="three")
    assert [event.tag for event in caller.told(DialogEnded)] == ["one", "two"]
    assert caller.last(Failed).code == 486
    assert caller.done


def test_early_dialogs_have_a_limit():
    world = World()
    caller = world.call()
    limit = 32
    for number in range(limit + 5):
        world.give_response(caller, "INVITE", 180, tag=f"t{number}", headers=[CONTACT])
    assert len(caller.session.remote_tags) == limit
    assert len(caller.told(Ringing)) == limit
    assert len(caller.told(Proceeding)) == 5
    world.give_response(caller, "INVITE", 200, tag="winner", headers=[CONTACT], body=ANSWER)
    assert caller.session.remote_tags == ("winner",)


def test_a_100_makes_no_dialog_and_a_2xx_without_tag_one_of_rfc_2543():
    world = World()
    caller = world.call()
    world.give_response(caller, "INVITE", 100)
    assert not caller.told(DialogMade)
    world.give_response(caller, "INVITE", 200, body=ANSWER)
    assert caller.last(Answered).tag == ""
    caller.do("hang_up")
    assert caller.requests("BYE")[0].uri == "sip:bob@example.org", "no Contact: the Request-URI is the target"


def test_an_early_dialog_gets_the_requests_that_name_it():
    world = forked()
    caller, (one, two) = world.sides[0], world.callees
    one.do("progress", sdp("one", 1))
    two.do("progress", sdp("two", 1))
    world.run(0.1)
    two.do("offer", sdp("two", 2))
    world.run(0.1)
    caller.do("answer", OFFER, tag=two.session.local_tag)
    world.run(0.1)
    assert two.session.remote_sdp == OFFER
    assert two.session.local_sdp == sdp("two", 2)
    assert one.session.local_sdp == sdp("one", 1)


def test_a_late_2xx_of_an_early_dialog_that_had_requests_is_ended_under_its_next_number():
    world = forked()
    caller, (one, two) = world.sides[0], world.callees
    two.do("progress", ANSWER)
    world.run(0.1)
    assert len(caller.requests("PRACK")) == 1
    one.do("accept", ANSWER)
    two.do("accept", ANSWER)
    world.run(0.5)
    (bye,) = caller.requests("BYE")
    assert views.cseq(bye).number == 3
    assert two.last(Ended).by is By.REMOTE


def test_a_183_without_sdp_is_told_as_progress_of_its_dialog():
    world = World()
    caller = world.call()
    world.give_response(caller, "INVITE", 183, tag="one", headers=[CONTACT])
    told = caller.last(Proceeding)
    assert (told.code, told.tag) == (183, "one")
    world.give_response(caller, "INVITE", 183, tag="one", headers=[CONTACT], body=ANSWER)
    assert len(caller.told(Proceeding)) == 1
    assert caller.last(EarlyMedia).sdp == ANSWER


def test_a_2xx_whose_route_cannot_be_read_fails_the_call():
    world = World()
    caller = world.call()
    world.give_response(caller, "INVITE", 200, tag="one", headers=[CONTACT, ("Record-Route", '<sip:a;lr>, "open')], body=ANSWER)
    assert caller.last(Failed).code == 502
    world.run(40)
    assert caller.done
