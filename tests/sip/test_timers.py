"""The heap of deadlines, and the times that follow from T1, T2 and T4."""

from __future__ import annotations

import random

import pytest

from boringsdp.sip.timers import SLACK, Timers, TimerSettings


def test_times_follow_from_t1_and_t2() -> None:
    assert (TimerSettings().timeout, TimerSettings().d, TimerSettings().late_trying) == (32.0, 32.0, 3.5)
    slow = TimerSettings(t1=1.0, t2=4.0)
    assert (slow.timeout, slow.d, slow.late_trying) == (64.0, 64.0, 3.0)
    fast = TimerSettings(t1=0.1, t2=0.4)
    assert (round(fast.timeout, 6), fast.d) == (6.4, 32.0)


@pytest.mark.parametrize("times", [{"t1": 0.0}, {"t1": -1.0}, {"t2": 0.0}, {"t1": float("nan")}, {"t4": -1.0}, {"c": 0.0}])
def test_times_that_would_never_pass_are_refused(times: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="T1"):
        TimerSettings(**times)


def test_due_in_order_of_time_then_of_setting() -> None:
    timers: Timers[str] = Timers()
    for key, at in (("late", 3.0), ("first", 1.0), ("second", 1.0)):
        timers.set(key, at)
    assert timers.deadline() == 1.0
    assert timers.next_due(0.9) is None
    assert [timers.next_due(2.0) for _ in range(3)] == ["first", "second", None]
    assert (timers.deadline(), len(timers)) == (3.0, 1)


def test_moved_and_taken_away() -> None:
    timers: Timers[str] = Timers()
    timers.set("a", 1.0)
    timers.set("a", 5.0)
    timers.set("b", 2.0)
    timers.set("b", None)
    timers.set("never", None)
    assert timers.deadline() == 5.0
    timers.set("a", 1.0)
    assert [timers.next_due(9.0), timers.next_due(9.0)] == ["a", None]
    assert timers.deadline() is None


def test_agrees_with_a_plain_dict_and_stays_small() -> None:
    dice = random.Random(7)
    timers: Timers[int] = Timers()
    plain: dict[int, float] = {}
    now = 0.0
    for _ in range(20_000):
        key = dice.randrange(50)
        at = None if dice.random() < 0.3 else now + dice.random() * 10
        timers.set(key, at)
        plain.pop(key, None)
        if at is not None:
            plain[key] = at
        now += 0.01
        while (due := timers.next_due(now)) is not None:
            assert plain.pop(due) <= now
        assert timers.deadline() == min(plain.values(), default=None)
        assert len(timers._heap) <= 2 * len(plain) + 2 * SLACK
    assert len(timers) == len(plain)
