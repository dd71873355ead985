"""Calls that send to ports of the gateway itself: any tree of them, and no ring."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import dataclass, field

import pytest

from boringsdp.call import CallEvent, Calls, DestinationPolicy, Party
from boringsdp.call.call import Call
from boringsdp.call.joints import FARTHEST, Address, Joint, Joints
from boringsdp.call.settings import CallSettings
from boringsdp.errors import SdpError
from boringsdp.sdp import PLAIN
from tests.call.conftest import Bench
from tests.call.phone import Phone, plain, port_of


@dataclass(eq=False)
class Fake:
    """A leg of a call."""

    call: list[Joint]
    ports: set[Address] = field(default_factory=set)
    aims: frozenset[Address] = frozenset()

    def mates(self) -> list[Joint]:
        return self.call


class Net:
    """Calls of two legs; leg 2n and 2n+1 are of call n, each has the port of its number."""

    def __init__(self, calls: int) -> None:
        self.joints = Joints()
        self.legs: list[Fake] = []
        for _ in range(calls):
            both: list[Joint] = []
            for _ in range(2):
                leg = Fake(both)
                both.append(leg)
                self.joints.told(leg, ("h", len(self.legs)))
                self.legs.append(leg)

    def loops(self, leg: int, *aims: int, host: str = "h") -> bool:
        return self.joints.loops(self.legs[leg], frozenset((host, aim) for aim in aims))


def test_calls_in_a_row_are_none() -> None:
    net = Net(4)
    assert not any(net.loops(leg, leg + 1) or net.loops(leg + 1, leg) for leg in (1, 3, 5))


@pytest.mark.parametrize("length", [2, 3, 5])
def test_the_last_of_a_ring_is_refused(length: int) -> None:
    net = Net(length)
    assert not any(net.loops(2 * n + 1, 2 * n + 2) for n in range(length - 1))
    assert net.loops(2 * length - 1, 0)
    assert net.loops(0, 2 * length - 1), "in the other direction too: it would latch"
    assert not net.loops(0), "elsewhere"


def test_itself_and_its_own_call_are_refused() -> None:
    net = Net(1)
    assert net.loops(0, 0)
    assert net.loops(0, 1)
    assert net.loops(0, 0, host="as announced elsewhere")


def test_several_streams_of_the_same_two_legs_are_one_way() -> None:
    net = Net(2)
    net.joints.told(net.legs[2], ("h", 100))
    assert not net.loops(1, 2, 100)
    assert not net.loops(2, 1)


def test_who_is_aimed_at_may_not_close_a_ring_either() -> None:
    """A port that nobody had is named in advance."""
    net = Net(2)
    assert not net.loops(0, 90)
    assert not net.loops(1, 91)
    net.joints.told(net.legs[2], ("h", 90))
    net.joints.told(net.legs[3], ("h", 91))
    assert [net.loops(2), net.loops(3)] == [True, True]


def test_what_has_ended_is_forgotten() -> None:
    net = Net(2)
    assert not net.loops(1, 2)
    assert net.loops(3, 0)
    net.joints.forget(net.legs[2])
    assert not net.loops(3, 0)
    for leg in net.legs:
        net.joints.forget(leg)
    assert (net.joints._at, net.joints._aimed) == ({}, {})


def test_nobody_follows_a_chain_without_end() -> None:
    net = Net(60)
    assert [n for n in reversed(range(59)) if net.loops(2 * n + 1, 2 * n + 2)] == [59 - 1 - FARTHEST // 2]


class TestCalls:
    @pytest.fixture
    def settings(self) -> CallSettings:
        destinations = DestinationPolicy.of(own_hosts=("127.0.0.1",), own_ports=(40000, 40200))
        return CallSettings(max_calls=4, answer_timeout_s=60.0, destinations=destinations)

    def call(self, calls: Calls) -> Call:
        news: list[CallEvent] = []
        return calls.create(news.append)

    async def test_two_calls_that_name_each_others_ports_make_no_ring(self, bench: Bench) -> None:
        one, two = self.call(bench.calls), self.call(bench.calls)
        a, b = Phone(), Phone()
        offered = one.offer(Party.A, plain(a.port), to=PLAIN)
        through = two.offer(Party.A, plain(port_of(offered)), to=PLAIN)
        back = two.answer(Party.B, plain(b.port))
        answered = one.answer(Party.B, plain(port_of(back)))
        a.send(port_of(answered), 0, b"through both" * 10)
        assert (await b.receive())[12:] == b"through both" * 10
        again = one.offer(Party.A, plain(port_of(through), version=2), to=PLAIN)
        with pytest.raises(SdpError, match="packets would go round"):
            one.answer(Party.B, plain(port_of(back), version=2))
        assert again
        a.send(port_of(answered), 0, b"as before" * 10)
        assert (await b.receive())[12:] == b"as before" * 10

    async def test_a_call_that_is_over_stands_in_nobodys_way_and_is_freed(self, bench: Bench) -> None:
        gc.disable()
        try:
            one, two = self.call(bench.calls), self.call(bench.calls)
            offered = one.offer(Party.A, plain(9000), to=PLAIN)
            two.offer(Party.A, plain(port_of(offered)), to=PLAIN)
            two.answer(Party.B, plain(9002))
            for call in (one, two):
                call.close()
            del call, one, two
            await asyncio.sleep(0)
            assert bench.calls._joints._at == {}
            assert bench.calls._joints._aimed == {}
        finally:
            gc.enable()
