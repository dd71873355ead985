from __future__ import annotations

from dataclasses import replace

import pytest

from boringsdp.errors import Exhausted, JanusError, SdpError, WrongState
from boringsdp.janus_api.actions import HandleDetached, PluginFailed, SessionEnd, SessionEnded
from boringsdp.janus_api.plugin import EndOfCandidates, RemoteCandidate
from boringsdp.janus_api.requests import Path
from boringsdp.janus_api.settings import Limits
from tests.janus_api.build import ANSWER, OFFER, DataPlugin, World, code, world


def test_ping_and_info_need_nothing_but_a_transaction():
    api = World()
    assert api.ask("ping") == [{"janus": "pong", "transaction": "t"}]
    (info,) = api.ask("info")
    assert info["janus"] == "server_info"
    assert info["accepting-new-sessions"] is True
    assert api.raw('{"janus": "PING", "transaction": "u"}') == [{"janus": "pong", "transaction": "u"}]


def test_create_has_no_session_id_at_the_top():
    assert World().ask("create") == [{"janus": "success", "transaction": "t", "data": {"id": 1001}}]


def test_create_with_an_id_of_the_clients_choice():
    api = World()
    assert api.create(id=77) == 77
    assert code(api.ask("create", id=77)) == 468
    assert code(api.ask("create", id=-1)) == 467
    assert code(api.ask("create", id=0)) == 467
    assert code(api.ask("create", id="77")) == 467


def test_attach_message_and_event_in_order():
    api = World()
    session_id = api.create()
    assert api.ask("attach", session_id=session_id, plugin="janus.plugin.puppet") == [
        {"janus": "success", "session_id": session_id, "transaction": "t", "data": {"id": 1002}}
    ]
    assert api.ask("message", session_id=session_id, handle_id=1002, body={"push": {"a": 1}, "hint": "wait"}) == [
        {"janus": "ack", "session_id": session_id, "transaction": "t", "hint": "wait"},
        {
            "janus": "event",
            "session_id": session_id,
            "transaction": "t",
            "sender": 1002,
            "plugindata": {"plugin": "janus.plugin.puppet", "data": {"a": 1}},
        },
    ]


def test_synchronous_success():
    api = World()
    session_id = api.create()
    handle_id, _ = api.attach(session_id)
    assert api.ask("message", session_id=session_id, handle_id=handle_id, body={"success": {"b": 2}}) == [
        {
            "janus": "success",
            "session_id": session_id,
            "transaction": "t",
            "sender": handle_id,
            "plugindata": {"plugin": "janus.plugin.puppet", "data": {"b": 2}},
        }
    ]


def test_opaque_id_goes_into_events_when_asked_for():
    api = world(opaqueid_in_api=True)
    session_id = api.create()
    handle_id, _ = api.attach(session_id, opaque_id="me")
    ack, event = api.ask("message", session_id=session_id, handle_id=handle_id, body={"push": {}})
    assert "opaque_id" not in ack
    assert event["opaque_id"] == "me"
    (reply,) = api.ask("message", session_id=session_id, handle_id=handle_id, body={"success": {}})
    assert reply["opaque_id"] == "me"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", 454),
        ("{", 454),
        (b"\xff\xfe", 454),
        ("[" * 100_000, 454),
        ("[]", 455),
        ("1", 455),
        ("null", 455),
        ("{}", 456),
        ('{"janus": "ping"}', 456),
        ('{"transaction": "t"}', 456),
        ('{"janus": 1, "transaction": "t"}', 467),
        ('{"janus": "ping", "transaction": 1}', 467),
        ('{"janus": "ping", "transaction": null}', 456),
        ('{"janus": "ping", "transaction": "t", "session_id": "1"}', 467),
        ('{"janus": "ping", "transaction": "t", "session_id": -1}', 467),
        ('{"janus": "ping", "transaction": "t", "session_id": 1.5}', 467),
        ('{"janus": "ping", "transaction": "t", "session_id": true}', 467),
        ('{"janus": "nonsense", "transaction": "t"}', 453),
        ('{"janus": "attach", "transaction": "t"}', 457),
        ('{"janus": "message", "transaction": "t"}', 457),
        ('{"janus": "ping", "transaction": "t", "session_id": 5}', 458),
        ('{"janus": "nonsense", "transaction": "t", "session_id": 5}', 458),
        ('{"janus": "message", "transaction": "t", "handle_id": 5}', 458),
    ],
)
def test_errors_without_a_session(text, wanted):
    assert code(World().raw(text)) == wanted


def test_errors_echo_what_could_be_read():
    api = World()
    assert api.raw("{}") == [{"janus": "error", "error": {"code": 456, "reason": "Missing mandatory element (transaction)"}}]
    (reply,) = api.ask("keepalive", session_id=5)
    assert reply["transaction"] == "t"
    assert reply["session_id"] == 5
    (reply,) = api.raw('{"transaction": "t", "janus": 3}')
    assert reply["transaction"] == "t"
    assert "janus" in reply["error"]["reason"]


@pytest.mark.parametrize(
    ("verb", "at_handle", "wanted"),
    [
        ("create", False, 457),
        ("info", False, 457),
        ("message", False, 457),
        ("trickle", False, 457),
        ("nonsense", False, 453),
        ("attach", True, 457),
        ("destroy", True, 457),
        ("claim", True, 457),
        ("ping", True, 457),
        ("nonsense", True, 453),
    ],
)
def test_verbs_at_the_wrong_level(verb, at_handle, wanted):
    api = World()
    session_id = api.create()
    ids = {"session_id": session_id} | ({"handle_id": api.attach(session_id)[0]} if at_handle else {})
    assert code(api.ask(verb, **ids)) == wanted


def test_unknown_handle_comes_before_unknown_verb():
    api = World()
    assert code(api.ask("nonsense", session_id=api.create(), handle_id=9)) == 459


def test_ids_in_path_and_body():
    api = World()
    post = api.connect(lasting=False)
    session_id = api.create(post)
    assert api.ask("keepalive", post, Path(session_id))[0]["janus"] == "ack"
    assert api.ask("keepalive", post, Path(session_id), session_id=session_id)[0]["janus"] == "ack"
    assert code(api.ask("keepalive", post, Path(session_id), session_id=session_id + 1)) == 457
    assert code(api.ask("keepalive", post, Path(session_id, 4), handle_id=5)) == 457


def test_attach_errors():
    api = world(limits=Limits(handles_per_session=1))
    session_id = api.create()
    assert code(api.ask("attach", session_id=session_id)) == 456
    assert code(api.ask("attach", session_id=session_id, plugin=1)) == 467
    assert code(api.ask("attach", session_id=session_id, plugin="janus.plugin.puppet", opaque_id=1)) == 467
    assert code(api.ask("attach", session_id=session_id, plugin="janus.plugin.none")) == 460
    api.plugin.fails = Exhausted("handles")
    assert code(api.ask("attach", session_id=session_id, plugin="janus.plugin.puppet")) == 461
    api.plugin.fails = None
    api.attach(session_id)
    assert code(api.ask("attach", session_id=session_id, plugin="janus.plugin.puppet")) == 461


def test_message_errors():
    api = World()
    session_id = api.create()
    handle_id, puppet = api.attach(session_id)

    def send(**more):
        return api.ask("message", session_id=session_id, handle_id=handle_id, **more)

    assert code(send()) == 456
    assert code(send(body=[])) == 467
    assert code(send(body={}, jsep="offer")) == 467
    assert code(send(body={}, jsep={"sdp": "v=0"})) == 456
    assert code(send(body={}, jsep={"type": 1, "sdp": "v=0"})) == 467
    assert code(send(body={}, jsep={"type": "pranswer", "sdp": "v=0"})) == 464
    assert code(send(body={}, jsep={"type": "offer"})) == 456
    assert code(send(body={}, jsep={"type": "offer", "sdp": 1})) == 467
    assert code(send(body={}, jsep={"type": "offer", "sdp": "hello"})) == 465
    assert code(send(body={}, jsep=OFFER | {"trickle": "no"})) == 467
    assert code(send(body={}, jsep=OFFER | {"e2ee": 1})) == 467
    assert code(send(body={}, jsep=OFFER | {"rid_order": "x"})) == 467
    assert code(send(body={}, jsep=OFFER | {"svc": [1]})) == 467
    assert code(send(body={}, jsep=ANSWER)) == 469
    assert puppet.requests == []
    assert not puppet.handle.has_peer_connection


def test_plugin_exceptions_become_errors_and_leave_the_negotiation_as_it_was():
    api = World()
    session_id = api.create()
    handle_id, puppet = api.attach(session_id)
    expected = {
        SdpError("no audio"): 465,
        WrongState("closed", "open"): 471,
        JanusError(490, "odd"): 490,
        Exhausted("ports"): 462,
        ZeroDivisionError(): 462,
    }
    for problem, wanted in expected.items():
        puppet.fails["message"] = problem
        assert code(api.ask("message", session_id=session_id, handle_id=handle_id, body={}, jsep=OFFER)) == wanted
        assert not puppet.handle.has_peer_connection
    (failure,) = [item for item in api.news if isinstance(item, PluginFailed)]
    assert isinstance(failure.error, ZeroDivisionError)
    puppet.fails.clear()
    assert api.ask("message", session_id=session_id, handle_id=handle_id, body={})[0]["janus"] == "ack"


def test_what_json_cannot_hold_is_the_plugins_fault():
    api = World()
    session_id = api.create()
    handle_id, puppet = api.attach(session_id)

    def answer(request):
        puppet.handle.push({"x": object()})

    puppet.message = answer
    assert code(api.ask("message", session_id=session_id, handle_id=handle_id, body={})) == 462
    assert api.ask("keepalive", session_id=session_id)[0]["janus"] == "ack"


def test_offer_answer_and_renegotiation():
    api = World()
    session_id = api.create()
    handle_id, puppet = api.attach(session_id)

    def send(body, jsep=None):
        more = {} if jsep is None else {"jsep": jsep}
        return api.ask("message", session_id=session_id, handle_id=handle_id, body=body, **more)

    _, event = send({"answer": "v=0\r\na"}, OFFER)
    assert event["jsep"] == {"type": "answer", "sdp": "v=0\r\na"}
    assert puppet.requests[-1].jsep.update is False
    send({}, OFFER | {"e2ee": True, "trickle": False, "rid_order": "hml"})
    assert puppet.requests[-1].jsep.update is True
    assert puppet.requests[-1].jsep.e2ee is True
    assert puppet.requests[-1].jsep.trickle is False
    assert code(send({}, ANSWER)) == 469
    send({"offer": "v=0\r\nb"})
    assert puppet.handle.awaits_answer
    assert send({}, ANSWER)[0]["janus"] == "ack"
    assert puppet.requests[-1].jsep.update is True
    assert code(send({}, ANSWER)) == 469


def test_offer_of_ours_first():
    api = World()
    session_id = api.create()
    handle_id, puppet = api.attach(session_id)
    _, event = api.ask("message", session_id=session_id, handle_id=handle_id, body={"offer": "v=0\r\n"})
    assert event["jsep"]["type"] == "offer"
    assert api.ask("message", session_id=session_id, handle_id=handle_id, body={}, jsep=ANSWER)[0]["janus"] == "ack"
    assert puppet.requests[-1].jsep.update is False


def test_trickle_shapes():
    api = World()
    session_id = api.create()
    handle_id, puppet = api.attach(session_id)
    api.ask("message", session_id=session_id, handle_id=handle_id, body={}, jsep=OFFER)

    def trickle(**more):
        return api.ask("trickle", session_id=session_id, handle_id=handle_id, **more)

    first = {"candidate": "candidate:1 1 udp 1 192.0.2.1 1 typ host", "sdpMid": "0", "extra": 1}
    assert trickle(candidate=first) == [{"janus": "ack", "session_id": session_id, "transaction": "t"}]
    assert puppet.trickled == [RemoteCandidate(first["candidate"], "0", None)]
    puppet.trickled.clear()
    trickle(candidates=[first, {"candidate": 1, "sdpMid": "0"}, {"candidate": "", "sdpMLineIndex": 0}, {"completed": True}])
    assert puppet.trickled == [RemoteCandidate(first["candidate"], "0", None), RemoteCandidate("", None, 0), EndOfCandidates()]
    puppet.trickled.clear()
    assert trickle(candidate=None)[0]["janus"] == "ack"
    assert trickle(candidate={"completed": True})[0]["janus"] == "ack"
    assert puppet.trickled == [EndOfCandidates(), EndOfCandidates()]
    assert code(trickle()) == 456
    assert code(trickle(candidate=first, candidates=[first])) == 454
    assert code(trickle(candidates=first)) == 467
    assert code(trickle(candidate={"sdpMid": "0"})) == 456
    assert code(trickle(candidate={"candidate": "x"})) == 456
    assert code(trickle(candidate={"candidate": 7, "sdpMid": "0"})) == 467
    assert code(trickle(candidate={"candidate": "x", "sdpMid": 0})) == 467
    puppet.fails["trickle"] = WrongState("none", "some")
    assert code(trickle(candidate=first)) == 466


def test_early_candidates_wait_for_the_description():
    api = World()
    session_id = api.create()
    handle_id, puppet = api.attach(session_id)

    def trickle(name):
        api.ask("trickle", session_id=session_id, handle_id=handle_id, candidate={"candidate": name, "sdpMid": "0"})

    trickle("old")
    api.now = 40.0
    trickle("young")
    assert puppet.trickled == []
    api.now = 50.0
    api.ask("message", session_id=session_id, handle_id=handle_id, body={}, jsep=OFFER)
    assert [candidate.candidate for candidate in puppet.trickled] == ["young"]


def test_early_candidates_are_limited():
    api = world(limits=Limits(early_candidates=3))
    session_id = api.create()
    handle_id, puppet = api.attach(session_id)
    for _ in range(5):
        candidate = {"candidate": "c", "sdpMid": "0"}
        assert api.ask("trickle", session_id=session_id, handle_id=handle_id, candidate=candidate)[0]["janus"] == "ack"
    api.ask("message", session_id=session_id, handle_id=handle_id, body={}, jsep=OFFER)
    assert len(puppet.trickled) == 3


def test_no_trickle_without_peer_connections():
    api = World()
    session_id = api.create()
    handle_id, _ = api.attach(session_id, DataPlugin.package)
    assert code(api.ask("trickle", session_id=session_id, handle_id=handle_id, candidate=None)) == 466


def test_hangup_of_the_peer_connection():
    api = World()
    session_id = api.create()
    handle_id, puppet = api.attach(session_id)
    assert api.ask("hangup", session_id=session_id, handle_id=handle_id) == [
        {"janus": "success", "session_id": session_id, "transaction": "t"}
    ]
    api.ask("message", session_id=session_id, handle_id=handle_id, body={}, jsep=OFFER)
    assert api.ask("hangup", session_id=session_id, handle_id=handle_id) == [
        {"janus": "success", "session_id": session_id, "transaction": "t"},
        {"janus": "hangup", "session_id": session_id, "sender": handle_id, "reason": "Janus API"},
    ]
    assert puppet.hangups == ["Janus API"]
    api.ask("message", session_id=session_id, handle_id=handle_id, body={}, jsep=OFFER)
    ack, hangup = api.ask("message", session_id=session_id, handle_id=handle_id, body={"close": True})
    assert ack["janus"] == "ack"
    assert hangup["reason"] == "Close PC"


def test_detach():
    api = World()
    session_id = api.create()
    handle_id, puppet = api.attach(session_id)
    api.ask("message", session_id=session_id, handle_id=handle_id, body={}, jsep=OFFER)
    assert api.ask("detach", session_id=session_id, handle_id=handle_id) == [
        {"janus": "success", "session_id": session_id, "transaction": "t"},
        {"janus": "hangup", "session_id": session_id, "sender": handle_id, "reason": "Detach"},
        {"janus": "detached", "session_id": session_id, "sender": handle_id},
    ]
    assert (puppet.hangups, puppet.detached) == (["Detach"], 1)
    assert code(api.ask("detach", session_id=session_id, handle_id=handle_id)) == 459
    puppet.handle.push({"too": "late"})
    puppet.handle.close_pc()
    api.flush()
    assert api.take() == []


def test_detach_of_a_plugin_that_fails_is_an_error_but_done():
    api = World()
    session_id = api.create()
    handle_id, puppet = api.attach(session_id)
    puppet.fails["detach"] = RuntimeError()
    error, detached = api.ask("detach", session_id=session_id, handle_id=handle_id)
    assert error["error"]["code"] == 463
    assert detached["janus"] == "detached"
    assert code(api.ask("detach", session_id=session_id, handle_id=handle_id)) == 459


def test_a_plugin_ends_a_handle():
    api = World()
    session_id = api.create()
    handle_id, puppet = api.attach(session_id)
    api.ask("message", session_id=session_id, handle_id=handle_id, body={}, jsep=OFFER)
    puppet.handle.end()
    puppet.handle.end()
    api.flush()
    assert api.take() == [
        {"janus": "hangup", "session_id": session_id, "sender": handle_id, "reason": "Detach"},
        {"janus": "detached", "session_id": session_id, "sender": handle_id},
    ]
    assert (puppet.hangups, puppet.detached) == (["Detach"], 1)
    assert code(api.ask("keepalive", session_id=session_id, handle_id=handle_id)) == 459
    assert [news for news in api.news if isinstance(news, HandleDetached)] == [HandleDetached(session_id, handle_id, puppet.handle.package)]


def test_a_plugin_ends_handles_while_their_session_ends():
    api = World()
    session_id = api.create()
    (_, first), (second_id, second) = api.attach(session_id), api.attach(session_id)
    first.ends = second.handle
    api.ask("destroy", session_id=session_id)
    assert second.detached == 1
    assert sum(isinstance(news, HandleDetached) and news.handle_id == second_id for news in api.news) == 1


def test_destroy_tells_nothing_but_success():
    api = World()
    session_id = api.create()
    handle_id, puppet = api.attach(session_id)
    api.ask("message", session_id=session_id, handle_id=handle_id, body={}, jsep=OFFER)
    assert api.ask("destroy", session_id=session_id) == [{"janus": "success", "session_id": session_id, "transaction": "t"}]
    assert (puppet.hangups, puppet.detached) == (["Detach"], 1)
    assert code(api.ask("keepalive", session_id=session_id)) == 458
    assert api.core.session_count == 0
    assert SessionEnded(session_id, SessionEnd.DESTROYED, 0) in api.news


def test_keepalive_also_with_a_handle():
    api = World()
    session_id = api.create()
    handle_id, _ = api.attach(session_id)
    for ids in ({"session_id": session_id}, {"session_id": session_id, "handle_id": handle_id}):
        assert api.ask("keepalive", **ids) == [{"janus": "ack", "session_id": session_id, "transaction": "t"}]


def test_draining_refuses_new_sessions_only():
    api = World()
    session_id = api.create()
    api.core.accepting = False
    assert code(api.ask("create")) == 472
    assert api.ask("info")[0]["accepting-new-sessions"] is False
    api.attach(session_id)


def test_too_many_sessions():
    api = world(limits=Limits(sessions=2))
    first = api.create()
    api.create()
    assert code(api.ask("create")) == 472
    api.ask("destroy", session_id=first)
    api.create()


def test_too_many_sessions_of_one_connection():
    api = world(limits=Limits(sessions_per_connection=2))
    api.create()
    api.create()
    assert code(api.ask("create")) == 472
    api.create(api.connect())


def test_pushes_between_requests_ask_to_be_fetched():
    api = World()
    session_id = api.create()
    _, puppet = api.attach(session_id)
    before = api.readied
    puppet.handle.push({"n": 1})
    assert api.readied == before + 1
    assert api.take() == []
    api.flush()
    assert [event["plugindata"]["data"] for event in api.take()] == [{"n": 1}]


def test_close_ends_everything():
    api = World()
    for _ in range(3):
        _, puppet = api.attach(api.create())
    api.run(api.core.close(api.now))
    assert api.core.session_count == api.core.handle_count == 0
    assert puppet.detached == 1
    assert api.core.deadline() is None or api.core.tick(1e9) == []


def test_record_is_plain_and_survives_a_failing_plugin():
    api = World()
    session_id = api.create()
    handle_id, puppet = api.attach(session_id)
    assert api.core.record()[str(session_id)]["handles"] == {str(handle_id): {"plugin": "janus.plugin.puppet", "requests": 0}}
    puppet.fails["query"] = RuntimeError()
    assert api.core.record()[str(session_id)]["handles"] == {str(handle_id): {"plugin": "janus.plugin.puppet"}}


def test_one_failing_handle_costs_no_other():
    api = World()
    session_id = api.create()
    _, bad = api.attach(session_id)
    good_id, good = api.attach(session_id)
    bad.fails = dict.fromkeys(("message", "hangup", "detach", "trickle"), RuntimeError("broken"))
    assert code(api.ask("message", session_id=session_id, handle_id=bad.handle.handle_id, body={})) == 462
    assert api.ask("message", session_id=session_id, handle_id=good_id, body={})[0]["janus"] == "ack"
    api.ask("destroy", session_id=session_id)
    assert good.detached == 1


def test_settings_are_plain():
    assert replace(World().settings, session_timeout=5).session_timeout == 5
