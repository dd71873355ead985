"""Connections that take the place of others, in virtual time."""

from __future__ import annotations

from boringsdp.sip.actions import Transmit
from boringsdp.sip.flow import Flow, Protocol
from boringsdp.sip.message import Response
from boringsdp.sip.succession import MAX_OCTETS, MAX_PAST, MAX_WAITING, Successions


def flow(number: int) -> Flow:
    return Flow(Protocol.WS, ("127.0.0.1", 80), ("127.0.0.1", 40_000 + number), number)


def message(data: bytes, to: Flow) -> Transmit:
    return Transmit(Response(200, "OK"), data, to)


def lost(seconds: float = 30.0) -> Successions:
    core = Successions()
    core.keep(flow(1), seconds)
    assert core.lose(flow(1), 100.0)
    return core


def test_what_is_not_kept_is_gone() -> None:
    core = Successions()
    assert not core.lose(flow(1), 0.0)
    assert not core.waits(flow(1))
    assert core.deadline() is None


def test_kept_no_more() -> None:
    core = Successions()
    core.keep(flow(1), 30)
    core.keep(flow(1), 0)
    assert not core.lose(flow(1), 0.0)
    assert len(core) == 0


def test_what_waits_goes_to_the_successor_once_and_in_order() -> None:
    core = lost()
    for data in (b"1", b"2", b"1"):
        assert core.hold(message(data, flow(1)), flow(1))
    assert core.waits(flow(1))
    assert [held.data for held in core.succeed(flow(1), flow(2))] == [b"1", b"2"]
    assert core.current(flow(1)) == flow(2)
    assert not core.waits(flow(1))
    assert core.deadline() is None
    assert core.succeed(flow(1), flow(2)) == []


def test_the_successor_is_kept_as_long() -> None:
    core = lost(30.0)
    core.succeed(flow(1), flow(2))
    assert core.lose(flow(2), 200.0)
    assert core.deadline() == 230.0
    assert core.waits(flow(1))


def test_time_is_up_once() -> None:
    core = lost(30.0)
    assert core.deadline() == 130.0
    assert core.tick(129.9) == []
    assert core.tick(130.0) == [flow(1)]
    assert core.abandon(flow(1))
    assert not core.abandon(flow(1))
    assert (len(core), core.deadline()) == (0, None)


def test_too_much_does_not_wait() -> None:
    core = lost()
    assert all(core.hold(message(str(number).encode(), flow(1)), flow(1)) for number in range(MAX_WAITING))
    assert not core.hold(message(b"more", flow(1)), flow(1))
    core = lost()
    assert core.hold(message(b"x" * MAX_OCTETS, flow(1)), flow(1))
    assert not core.hold(message(b"y", flow(1)), flow(1))


def test_chains_are_short_and_end_with_their_last() -> None:
    core = Successions()
    core.keep(flow(0), 30)
    for number in range(1, 1000):
        core.lose(flow(number - 1), float(number))
        core.succeed(flow(number - 1), flow(number))
        assert len(core) <= MAX_PAST + 1
        assert core.current(flow(max(0, number - MAX_PAST))) == flow(number)
    assert core.current(flow(0)) == flow(0)
    core.keep(flow(999), 0)
    core.lose(flow(999), 2000.0)
    assert len(core) == 0


def test_two_lost_connections_become_one() -> None:
    core = Successions()
    for number in (1, 2):
        core.keep(flow(number), 30)
        core.lose(flow(number), 0.0)
    core.succeed(flow(1), flow(3))
    core.succeed(flow(2), flow(3))
    assert {core.current(flow(number)) for number in (1, 2, 3)} == {flow(3)}
    core.succeed(flow(3), flow(4))
    assert {core.current(flow(number)) for number in (1, 2, 3)} == {flow(4)}
