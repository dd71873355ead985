"""The life of sessions and long polls, in virtual time."""

from __future__ import annotations

import pytest

from boringsdp.janus_api.actions import SessionEnd, SessionEnded
from boringsdp.janus_api.settings import Limits
from tests.janus_api.build import OFFER, World, code, world


def ends(api: World) -> list[SessionEnd]:
    return [item.why for item in api.news if isinstance(item, SessionEnded)]


def test_an_idle_session_times_out_after_60_s():
    api = World()
    session_id = api.create()
    _, puppet = api.attach(session_id)
    api.advance(59.9)
    assert api.take() == []
    api.advance(60.0)
    assert api.take() == [{"janus": "timeout", "session_id": session_id}]
    assert puppet.detached == 1
    assert ends(api) == [SessionEnd.TIMED_OUT]
    assert api.core.deadline() is None


@pytest.mark.parametrize("verb", ["keepalive", "nonsense", "attach"])
def test_any_request_that_finds_the_session_keeps_it(verb):
    api = World()
    session_id = api.create()
    for at in range(25, 500, 25):
        api.advance(float(at))
        api.ask(verb, session_id=session_id)
    assert api.core.session_count == 1
    api.advance(500 + 60)
    assert api.core.session_count == 0


def test_timeout_0_means_never():
    api = world(session_timeout=0)
    api.create()
    assert api.core.deadline() is None
    api.advance(1e6)
    assert api.core.session_count == 1


def test_timers_do_not_pile_up():
    api = World()
    post = api.connect(lasting=False)
    session_id = api.create(post)
    for number in range(200):
        api.now += 20
        api.poll(number, session_id)
        api.advance(api.now + 31)
        api.ask("keepalive", session_id=session_id)
    assert api.core.session_count == 1
    assert len(api.core._timers) < 10


def test_a_lost_connection_ends_its_sessions_at_once():
    api = World()
    session_id = api.create()
    other = api.create(api.connect())
    _, puppet = api.attach(session_id)
    api.run(api.core.disconnected(api.socket, api.now))
    assert puppet.detached == 1
    assert ends(api) == [SessionEnd.TRANSPORT_LOST]
    assert api.ask("keepalive", session_id=other)[0]["janus"] == "ack"


def test_reclaim_time_counts_from_the_loss():
    api = world(reclaim_session_timeout=10)
    session_id = api.create()
    api.advance(50.0)
    api.run(api.core.disconnected(api.socket, api.now))
    api.advance(59.9)
    assert api.core.session_count == 1
    api.advance(60.0)
    assert api.core.session_count == 0
    assert ends(api) == [SessionEnd.TRANSPORT_LOST]
    assert code(api.ask("claim", api.connect(), session_id=session_id)) == 458


def test_claim_moves_the_session_and_what_waited_for_it():
    api = world(reclaim_session_timeout=10)
    session_id = api.create()
    _, puppet = api.attach(session_id)
    api.run(api.core.disconnected(api.socket, api.now))
    puppet.handle.push({"n": 1})
    puppet.handle.push({"n": 2})
    api.flush()
    assert api.take() == []
    new = api.connect()
    reply, *events = api.ask("claim", new, session_id=session_id)
    assert reply == {"janus": "success", "session_id": session_id, "transaction": "t"}
    assert [event["plugindata"]["data"]["n"] for event in events] == [1, 2]
    api.advance(30.0)
    assert api.core.session_count == 1
    puppet.handle.push({"n": 3})
    api.flush()
    assert len(api.take(new)) == 1
    api.run(api.core.disconnected(new, api.now))
    api.advance(41.0)
    assert api.core.session_count == 0


def test_claim_from_a_living_connection_leaves_the_old_one_without():
    api = World()
    session_id = api.create()
    _, puppet = api.attach(session_id)
    new = api.connect()
    api.ask("claim", new, session_id=session_id)
    puppet.handle.push({})
    api.flush()
    assert api.take() == []
    assert len(api.take(new)) == 1
    api.run(api.core.disconnected(api.socket, api.now))
    assert api.core.session_count == 1
    assert api.core.owned_by(new) == 1


def test_claim_by_the_owner_changes_nothing():
    api = World()
    session_id = api.create()
    assert api.ask("claim", session_id=session_id)[0]["janus"] == "success"
    assert api.core.owned_by(api.socket) == 1
    api.run(api.core.disconnected(api.socket, api.now))
    assert api.core.session_count == 0


def test_events_for_a_lost_client_are_limited():
    api = world(reclaim_session_timeout=10, limits=Limits(queued_events=3))
    session_id = api.create()
    _, puppet = api.attach(session_id)
    api.run(api.core.disconnected(api.socket, api.now))
    for number in range(5):
        puppet.handle.push({"n": number})
    api.flush()
    _, *events = api.ask("claim", api.connect(), session_id=session_id)
    assert [event["plugindata"]["data"]["n"] for event in events] == [2, 3, 4]


# Long polls


def polled(api: World):
    session_id = api.create(api.connect(lasting=False))
    handle_id, puppet = api.attach(session_id)
    return session_id, handle_id, puppet


def test_poll_takes_what_waits():
    api = World()
    session_id, _, puppet = polled(api)
    for number in range(4):
        puppet.handle.push({"n": number})
    api.flush()
    api.poll(1, session_id, 3)
    assert [event["plugindata"]["data"]["n"] for event in api.polls[1]] == [0, 1, 2]
    api.poll(2, session_id, 3)
    assert len(api.polls[2]) == 1


def test_poll_for_one_gets_an_object():
    api = World()
    session_id, _, puppet = polled(api)
    puppet.handle.push({"n": 0})
    puppet.handle.push({"n": 1})
    api.flush()
    for number, most in ((1, 1), (2, 0)):
        api.poll(number, session_id, most)
        assert api.polls[number]["plugindata"]["data"] == {"n": number - 1}


def test_waiting_poll_gets_what_one_request_pushed_together():
    api = World()
    session_id, handle_id, _ = polled(api)
    api.poll(1, session_id)
    post = api.connect(lasting=False)
    (ack,) = api.ask("message", post, session_id=session_id, handle_id=handle_id, body={"push": {}, "close": 1}, jsep=OFFER)
    assert ack["janus"] == "ack"
    assert [event["janus"] for event in api.polls[1]] == ["event", "hangup"]


def test_poll_ends_with_a_keepalive_after_30_s():
    api = World()
    session_id, _, _ = polled(api)
    api.poll(1, session_id, 10)
    api.poll(2, session_id, 1)
    api.advance(29.9)
    assert api.polls == {}
    api.advance(30.0)
    assert api.polls == {1: [{"janus": "keepalive"}], 2: {"janus": "keepalive"}}


def test_polls_keep_a_session_alive():
    api = World()
    session_id, _, _ = polled(api)
    for number in range(10):
        api.poll(number, session_id)
        api.advance(api.now + 30)
    assert api.core.session_count == 1
    api.advance(api.now + 60)
    assert api.core.session_count == 0


def test_events_go_to_the_oldest_of_several_polls():
    api = World()
    session_id, _, puppet = polled(api)
    api.poll(1, session_id)
    api.poll(2, session_id)
    puppet.handle.push({})
    api.flush()
    assert list(api.polls) == [1]


def test_too_many_polls_end_the_oldest():
    api = world(limits=Limits(polls_per_session=2))
    session_id, _, _ = polled(api)
    for number in range(3):
        api.poll(number, session_id)
    assert api.polls == {0: [{"janus": "keepalive"}]}


def test_a_poll_whose_client_has_gone_takes_no_events():
    api = World()
    session_id, _, puppet = polled(api)
    api.poll(1, session_id)
    api.run(api.core.poll_gone(1, session_id, api.now))
    puppet.handle.push({"n": 1})
    api.flush()
    assert api.polls == {}
    api.poll(2, session_id)
    assert len(api.polls[2]) == 1
    api.run(api.core.poll_gone(2, session_id, api.now))
    api.run(api.core.poll_gone(3, 999, api.now))


def test_poll_of_an_unknown_or_unpolled_session():
    api = World()
    api.poll(1, 5)
    api.poll(2, api.create())
    assert api.polls == {1: 404, 2: 404}


def test_polls_end_with_the_session():
    api = World()
    session_id, _, _ = polled(api)
    api.poll(1, session_id)
    api.ask("destroy", session_id=session_id)
    assert api.polls == {1: [{"janus": "keepalive"}]}


def test_claim_from_http_to_websocket_and_back():
    api = World()
    session_id, _, puppet = polled(api)
    api.poll(1, session_id)
    api.ask("claim", session_id=session_id)
    assert api.polls == {1: [{"janus": "keepalive"}]}
    puppet.handle.push({"n": 1})
    api.flush()
    assert len(api.take()) == 1
    api.poll(2, session_id)
    assert api.polls[2] == 404
    api.ask("claim", api.connect(lasting=False), session_id=session_id)
    api.run(api.core.disconnected(api.socket, api.now))
    puppet.handle.push({"n": 2})
    api.flush()
    api.poll(3, session_id)
    assert api.polls[3][0]["plugindata"]["data"] == {"n": 2}


def test_events_for_a_client_that_does_not_poll_are_limited():
    api = world(limits=Limits(queued_events=2))
    session_id, _, puppet = polled(api)
    for number in range(5):
        puppet.handle.push({"n": number})
    api.flush()
    api.poll(1, session_id)
    assert [event["plugindata"]["data"]["n"] for event in api.polls[1]] == [3, 4]
    api.ask("destroy", session_id=session_id)
    assert next(item for item in api.news if isinstance(item, SessionEnded)).dropped_events == 3
