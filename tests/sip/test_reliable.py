"""Reliable provisional responses by themselves (RFC 3262)."""

from __future__ import annotations

from boringsdp.sip.message import Response
from boringsdp.sip.reliable import MAX_QUEUED, Order, Reliability, ReliableOrder


def provisional(body: bytes = b"") -> Response:
    return Response(183, "Session Progress", body=body)


def test_each_gets_the_next_rseq_and_waits_for_the_one_before():
    ours = Reliability(7, 0.5)
    first = ours.send(provisional(), 0.0)
    assert first is not None
    assert (first.headers.get("RSeq"), first.headers.get("Require")) == ("7", "100rel")
    assert ours.send(provisional(b"sdp"), 0.0) is None
    assert ours.waiting_with_sdp
    assert ours.acknowledged(8) is None
    assert ours.acknowledged(7) is first
    assert ours.acknowledged(7) is None
    second = ours.next(1.0)
    assert second is not None
    assert second.headers.get("RSeq") == "8"
    assert ours.next(1.0) is None


def test_it_is_repeated_with_doubled_intervals_and_expires_after_64_t1():
    ours = Reliability(1, 0.5)
    ours.send(provisional(), 0.0)
    times = []
    while (at := ours.deadline()) is not None and not ours.expired(at):
        assert ours.tick(at - 0.001) is None
        assert ours.tick(at) is not None
        times.append(at)
    assert times == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert ours.deadline() == 32.0


def test_a_final_response_stops_it_and_its_prack_is_still_known():
    ours = Reliability(5, 0.5)
    ours.send(provisional(), 0.0)
    ours.send(provisional(b"sdp"), 0.0)
    ours.stop()
    assert not ours.waiting_with_sdp
    assert ours.next(1.0) is None
    assert ours.deadline() is None
    assert ours.acknowledged_late(5)
    assert not ours.acknowledged_late(6)


def test_the_queue_has_a_limit():
    ours = Reliability(1, 0.5)
    for _ in range(MAX_QUEUED + 1):
        assert not ours.full
        ours.send(provisional(), 0.0)
    assert ours.full


def test_order_of_the_peers():
    order = ReliableOrder()
    taken = [order.take(number) for number in (3, 3, 2, 5, 4, 5)]
    assert taken == [
        Order.NEXT,
        Order.AGAIN,
        Order.AGAIN,
        Order.AHEAD,
        Order.NEXT,
        Order.NEXT,
    ]
