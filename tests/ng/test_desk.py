"""Requests of all transports: who is executed when, and who gets which reply."""

from __future__ import annotations

from typing import Any

from boringsdp.ng.desk import Desk, Send
from boringsdp.ng.settings import Limits

SOURCE = ("192.0.2.9", 5060)
PING = b"d7:command4:pinge"
PONG = b"d6:result4:ponge"
LIST = b"d7:command4:liste"


class World:
    def __init__(self, **limits: int) -> None:
        self.executed: list[tuple[dict[str, Any], object]] = []
        self.desk: Desk[str] = Desk(self._execute, Limits(**limits))

    def _execute(self, request: dict[str, Any], source: object) -> dict[str, Any]:
        self.executed.append((request, source))
        return {"result": "pong"} if request.get("command") == "ping" else {"result": "ok", "number": len(self.executed)}

    def give(self, data: bytes, waiter: str = "a", *, repeats: bool = True, now: float = 0.0) -> dict[str, bytes]:
        return said(self.desk.receive(data, SOURCE, waiter, now, repeats=repeats))


def said(actions: list[Send[str]]) -> dict[str, bytes]:
    return {action.to: action.data for action in actions}


def test_requests_are_executed_in_turn_with_their_source():
    world = World()
    assert world.give(b"1 " + LIST) == world.give(b'2 {"command":"list"}', "b") == {}
    assert (world.desk.waiting, world.executed) == (2, [])
    assert said(world.desk.work(0.1)) == {"a": b"1 d6:result2:ok6:numberi1ee"}
    assert said(world.desk.work(0.2)) == {"b": b'2 {"result":"ok","number":2}'}
    assert world.executed == [({"command": "list"}, SOURCE)] * 2


def test_a_ping_does_not_wait():
    world = World()
    world.give(b"1 " + LIST)
    assert world.give(b"2 " + PING, "b") == {"b": b"2 " + PONG}
    assert world.desk.waiting == 1


def test_a_repeated_request_is_executed_once_and_answered_alike_whoever_sends_it():
    world = World()
    assert world.give(b"1 " + LIST, "a") == {}
    assert world.give(b"1 " + LIST, "b", now=1.0) == {}
    reply = b"1 d6:result2:ok6:numberi1ee"
    assert said(world.desk.work(1.1)) == {"a": reply, "b": reply}
    assert world.give(b"1 garbage", "c", now=2.0) == {"c": reply}
    assert (len(world.executed), world.desk.repeated) == (1, 2)


def test_what_has_no_cookie_has_no_reply():
    world = World()
    for data in (b"", b"x", PING, b" " + PING, b"x" * 513 + b" " + PING):
        assert world.give(data) == {}
    assert (world.desk.silent, world.executed) == (5, [])


def test_what_cannot_be_read_is_refused_at_once_and_alike_when_it_comes_again():
    world = World()
    refused = {"a": b"1 d6:result5:error12:error-reason22:Invalid NG data formate"}
    assert world.give(b"1 x") == refused
    assert world.give(b"1 " + PING) == refused
    assert world.give(b"2 {") == {"a": b'2 {"result":"error","error-reason":"Failed to parse JSON document"}'}
    assert world.executed == []


def test_without_cookies_every_copy_is_executed():
    world = World()
    for number in (1, 2):
        assert world.desk.receive_plain(LIST, SOURCE, "a", 0.0) == []
        assert said(world.desk.work(0.0)) == {"a": b"d6:result2:ok6:numberi%dee" % number}
    assert said(world.desk.receive_plain(b"", SOURCE, "a", 0.0)) == {"a": b"d6:result5:error12:error-reason25:Invalid data (no payload)e"}
    assert world.desk.cached == 0


def test_too_many_requests_are_dropped_or_refused_and_pings_go_on():
    world = World(queued_requests=2)
    busy = {"a": b"4 d6:result5:error12:error-reason17:Too many requestse"}
    world.give(b"1 " + LIST)
    world.give(b"2 " + LIST)
    assert world.give(b"3 " + LIST) == {}
    assert world.give(b"4 " + LIST, repeats=False) == busy
    assert world.give(b"5 " + PING) == {"a": b"5 " + PONG}
    assert world.desk.dropped == 2
    world.desk.work(0.0)
    assert world.give(b"3 " + LIST) == {}
    assert world.desk.waiting == 2


def test_octets_that_wait_are_bounded():
    world = World(queued_bytes=100)
    world.give(b"1 d7:command4:list1:a60:" + b"x" * 60 + b"e")
    world.give(b"2 d7:command4:list1:a60:" + b"x" * 60 + b"e")
    assert (world.desk.waiting, world.desk.dropped) == (1, 1)


def test_too_many_copies_of_one_request_are_not_kept():
    world = World(waiters_per_request=2)
    for waiter in "abc":
        assert world.give(b"1 " + LIST, waiter) == {}
    assert world.give(b"1 " + LIST, "d", repeats=False) == {"d": b"1 d6:result5:error12:error-reason17:Too many requestse"}
    assert list(said(world.desk.work(0.0))) == ["a", "b"]


def test_requests_are_counted_by_names_that_exist():
    world = World()
    world.give(b"1 " + PING)
    world.give(b"2 x")
    for number, command in enumerate((b"4:list", b"7:invents", b"l4:liste", b"i5e")):
        world.give(b"c%d d7:command%se" % (number, command))
        world.desk.work(0.0)
    assert dict(world.desk.requests) == {("ping", "pong"): 1, ("other", "error"): 1, ("list", "ok"): 1, ("other", "ok"): 3}


def test_old_replies_are_forgotten_by_the_clock():
    world = World()
    world.give(b"1 " + PING)
    assert world.desk.deadline() == 30.0
    assert world.desk.tick(30.0) == world.desk.tick(60.0) == []
    assert (world.desk.cached, world.desk.deadline()) == (0, None)
