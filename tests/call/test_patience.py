"""How long a call waits for media, and altogether; without a network or a clock."""

from __future__ import annotations

from dataclasses import dataclass, field

from boringsdp.call.options import Timeouts
from boringsdp.call.patience import GaveUp, Heard, Patience


@dataclass
class Legs:
    """What the core is told when it asks; `asked` counts."""

    a: Heard = field(default_factory=lambda: Heard("a", True, 0.0))
    b: Heard = field(default_factory=lambda: Heard("b", True, 0.0))
    asked: int = 0

    def __call__(self) -> list[Heard]:
        self.asked += 1
        return [self.a, self.b]


def run_out(core: Patience) -> tuple[float, list[GaveUp]]:
    """Run the core to its end: when it gave up, and on what."""
    now = 0.0
    for _ in range(1000):
        at = core.deadline()
        if at is None:
            return now, []
        now = at
        if given_up := core.tick(now):
            return now, given_up
    raise AssertionError("it goes on for ever")


def test_a_call_without_any_packet_is_given_up_after_its_media_timeout():
    core = Patience(Timeouts(media_s=60.0), Legs(), 0.0)
    assert core.deadline() is None
    core.changed(10.0)
    assert run_out(core) == (70.0, [GaveUp("media", 60.0)])
    assert core.deadline() is None


def test_the_last_packet_counts_not_when_it_was_looked_at():
    legs = Legs()
    core = Patience(Timeouts(media_s=60.0, each_leg=False), legs, 0.0)
    core.changed(0.0)
    core.tick(30.0)
    legs.b = Heard("b", True, 41.5)
    core.tick(core.deadline() or 0.0)
    assert run_out(core) == (101.5, [GaveUp("media", 60.0)])


def test_one_silent_leg_is_enough_only_where_that_was_asked_for():
    for each_leg, end in ((True, 60.0), (False, 150.0)):
        legs = Legs(b=Heard("b", True, 90.0))
        core = Patience(Timeouts(media_s=60.0, each_leg=each_leg), legs, 0.0)
        core.changed(0.0)
        assert run_out(core) == (end, [GaveUp("media", 60.0)])


def test_a_leg_on_hold_is_not_missed_but_the_other_is():
    legs = Legs(a=Heard("a", False, 0.0), b=Heard("b", True, 30.0))
    core = Patience(Timeouts(media_s=60.0), legs, 0.0)
    core.changed(0.0)
    assert run_out(core) == (90.0, [GaveUp("media", 60.0)])


def test_when_all_is_held_the_other_timeout_counts_from_then_on():
    legs = Legs()
    core = Patience(Timeouts(media_s=60.0, silent_s=600.0), legs, 0.0)
    core.changed(0.0)
    core.tick(30.0)
    legs.a, legs.b = Heard("a", False, 20.0), Heard("b", False, 20.0)
    core.changed(40.0)
    assert run_out(core) == (640.0, [GaveUp("silence", 600.0)])


def test_a_held_call_without_a_silent_timeout_waits_for_ever():
    legs = Legs(a=Heard("a", False, 0.0), b=Heard("b", False, 0.0))
    core = Patience(Timeouts(media_s=60.0), legs, 0.0)
    core.changed(0.0)
    assert core.deadline() is None


def test_after_a_hold_the_media_timeout_begins_anew():
    legs = Legs(a=Heard("a", False, 0.0), b=Heard("b", False, 0.0))
    core = Patience(Timeouts(media_s=60.0), legs, 0.0)
    core.changed(0.0)
    legs.a, legs.b = Heard("a", True, 0.0), Heard("b", True, 0.0)
    core.changed(500.0)
    assert run_out(core) == (560.0, [GaveUp("media", 60.0)])


def test_a_branch_that_takes_over_has_its_own_time():
    legs = Legs(b=Heard("b one", True, 5.0))
    core = Patience(Timeouts(media_s=60.0), legs, 0.0)
    core.changed(0.0)
    legs.a, legs.b = Heard("a", True, 50.0), Heard("b two", True, 0.0)
    core.changed(50.0)
    assert run_out(core) == (110.0, [GaveUp("media", 60.0)])


def test_a_call_has_a_life_of_its_own():
    core = Patience(Timeouts(media_s=0.0, final_s=7200.0), Legs(), 100.0)
    assert run_out(core) == (7300.0, [GaveUp("end", 7200.0)])


def test_it_asks_rarely():
    legs = Legs()
    core = Patience(Timeouts(media_s=60.0, final_s=3600.0), legs, 0.0)
    core.changed(0.0)
    while (now := core.deadline()) is not None and not core.tick(now):
        legs.a = legs.b = Heard("a", True, now)
    assert legs.asked < 70
