"""What goes by a connection is found without a look at all the rest."""

from __future__ import annotations

from boringsdp.sip.by_flow import ByFlow
from boringsdp.sip.flow import Flow, Protocol, Target


def flow(number: int) -> Flow:
    return Flow(Protocol.WS, ("192.0.2.1", 8088), ("198.51.100.7", 40_000 + number), number)


def test_what_goes_by_a_connection():
    ways = ByFlow()
    for number, which in ((3, 1), (1, 1), (2, 2)):
        ways.set(number, flow(which))
    assert (ways.of(flow(1)), ways.of(flow(2)), ways.of(flow(3))) == ([1, 3], [2], [])
    ways.set(1, flow(2))
    ways.set(2, flow(2))
    assert (ways.of(flow(1)), ways.of(flow(2))) == ([3], [1, 2])


def test_nothing_is_kept_of_what_is_over_or_led_elsewhere():
    ways = ByFlow()
    ways.set(1, flow(1))
    ways.set(2, Target(Protocol.UDP, "192.0.2.9", 5060))
    ways.set(3, None)
    assert len(ways) == 1
    ways.set(1, None)
    ways.set(1, None)
    assert not len(ways)
    assert not ways._numbers
