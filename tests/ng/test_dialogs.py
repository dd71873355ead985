"""Which leg a command means."""

from __future__ import annotations

import pytest

from boringsdp.call import Party
from boringsdp.errors import NgError
from boringsdp.ng.dialogs import MAX_DIALOGS, MAX_LEGS, MAX_NAMES, SPARE_DELETIONS, Dialogs, FarLeg, Place
from boringsdp.ng.requests import Identity


def who(from_tag: str = "", to_tag: str = "", branch: str = "", *, call: str = "c", label: str = "") -> Identity:
    return Identity(call_id=call, from_tag=from_tag, to_tag=to_tag, via_branch=branch, set_label=label)


class World:
    """Dialogs whose commands all succeed."""

    def __init__(self) -> None:
        self.dialogs: Dialogs[int] = Dialogs()
        self.calls = 0

    def offer(self, from_tag: str, to_tag: str = "", branch: str = "", *, new: bool = False, call: str = "c") -> Place[int]:
        identity = who(from_tag, to_tag, branch, call=call)
        place = self.dialogs.for_offer(identity, new_branch=new)
        if place is None:
            self.calls += 1
            return self.dialogs.add(identity, self.calls)
        self.dialogs.offered(place, identity)
        return place

    def answer(self, from_tag: str, to_tag: str, branch: str = "") -> Place[int]:
        identity = who(from_tag, to_tag, branch)
        place = self.dialogs.for_answer(identity)
        self.dialogs.answered(place, identity)
        return place

    def delete(self, from_tag: str = "", to_tag: str = "", branch: str = "", *, honour: bool = False) -> list[str]:
        """What would go: names of legs, `all` for a dialog."""
        found = self.dialogs.to_delete(who(from_tag, to_tag, branch), honour_to_tag=honour)
        return ["all" if leg is None else leg.name for _, leg in found]


@pytest.fixture
def world() -> World:
    return World()


def seen(place: Place[int]) -> tuple[Party, str]:
    return place.party, place.name


def test_the_first_offer_makes_party_a_and_the_answer_names_b(world: World):
    assert seen(world.offer("ta")) == (Party.A, "#")
    assert seen(world.answer("ta", "tb")) == (Party.B, "#")
    (dialog,) = world.dialogs.of("c")
    assert (dialog.tag, dialog.legs["#"].tag, dialog.in_force) == ("ta", "tb", "#")


def test_offers_before_any_answer_are_of_the_same_parties(world: World):
    world.offer("ta")
    assert seen(world.offer("ta")) == (Party.A, "#")
    assert world.calls == 1


@pytest.mark.parametrize("branch", ["", "b1", "never-seen"])
def test_tags_find_the_leg_whatever_the_branch(world: World, branch: str):
    world.offer("ta", branch="b1")
    world.answer("ta", "tb", "b1")
    assert seen(world.offer("ta", "tb", branch)) == (Party.A, "b1")
    assert seen(world.answer("ta", "tb", branch)) == (Party.B, "b1")
    assert seen(world.offer("tb", "ta", branch)) == (Party.B, "b1")
    assert seen(world.answer("tb", "ta", branch)) == (Party.A, "b1")
    assert len(world.dialogs.of("c")[0].legs) == 1


def test_a_reoffer_without_to_tag_and_branch_is_for_the_leg_in_force(world: World):
    world.offer("ta", branch="b1")
    world.offer("ta", branch="b2")
    world.answer("ta", "t1", "b1")
    assert seen(world.offer("ta")) == (Party.A, "b1")


def test_each_branch_has_a_leg_and_answers_find_it(world: World):
    assert world.offer("ta", branch="b1").name == "b1"
    assert world.offer("ta", branch="b2").name == "b2"
    assert world.offer("ta", branch="b1").name == "b1"
    assert world.answer("ta", "t2", "b2").name == "b2"
    assert world.answer("ta", "t1", "b1").name == "b1"
    assert world.answer("ta", "t2", "b2").name == "b2"
    assert world.dialogs.of("c")[0].in_force == "b2"


def test_two_answers_without_branch_are_two_tags_of_one_leg(world: World):
    world.offer("ta")
    assert (world.answer("ta", "t1").name, world.answer("ta", "t2").name) == ("#", "#")
    assert world.dialogs.of("c")[0].legs["#"].tags == ["t1", "t2"]
    assert seen(world.offer("t1", "ta")) == (Party.B, "#")


def test_who_lost_a_fork_on_one_leg_does_not_end_the_call(world: World):
    world.offer("a")
    world.answer("a", "b")
    world.answer("a", "c")
    assert world.delete("b") == []
    assert world.delete("a", "b", honour=True) == []
    assert world.delete("c") == world.delete("a", "c", honour=True) == world.delete("a") == ["all"]


def test_a_reply_with_the_second_via_branch_answers_the_leg_offered_last(world: World):
    """Some scripts name the branch in replies only."""
    world.offer("ta")
    assert world.answer("ta", "tb", "from-the-reply").name == "#"
    assert world.answer("ta", "tb", "from-the-reply").name == "#"


def test_a_late_offer_is_answered_by_the_caller(world: World):
    assert seen(world.offer("tb", "ta")) == (Party.A, "#")
    assert seen(world.answer("tb", "ta")) == (Party.B, "#")
    assert seen(world.offer("ta", "tb")) == (Party.B, "#")


def test_an_answer_with_its_tags_turned_round_is_understood(world: World):
    world.offer("tb")
    assert seen(world.answer("ta", "tb")) == (Party.B, "#")


def test_new_branch_makes_a_leg(world: World):
    world.offer("ta")
    world.answer("ta", "tb")
    assert world.offer("ta", "tc", new=True).leg is None
    assert world.answer("ta", "tc").name != "#"
    assert world.answer("ta", "tb").name == "#"


def test_an_unknown_tag_that_talks_to_a_known_one_is_the_other_party(world: World):
    world.offer("ta")
    world.answer("ta", "tb")
    assert seen(world.offer("tn", "ta")) == (Party.B, "#")
    assert seen(world.offer("tm", "tb")) == (Party.A, "#")


def test_other_tags_with_the_same_call_id_are_a_dialog_of_their_own(world: World):
    world.offer("ta")
    world.answer("ta", "tb")
    assert world.offer("tq").dialog is not world.offer("ta").dialog
    assert world.answer("tq", "tr").dialog is world.dialogs.of("c")[1]
    assert world.delete("tr") == ["all"]
    assert len(world.delete()) == 2


def test_dialogs_are_counted(world: World):
    first, second, other = world.offer("a"), world.offer("x"), world.offer("a", call="d")
    world.offer("a")
    assert len(world.dialogs) == len(list(world.dialogs)) == 3
    for place in (first, other, other, second):
        world.dialogs.forget(place.dialog)
    assert len(world.dialogs) == len(list(world.dialogs)) == 0


def test_what_answers_nothing_is_refused(world: World):
    with pytest.raises(NgError, match="Unknown call-id"):
        world.answer("ta", "tb")
    world.offer("ta")
    with pytest.raises(NgError, match="Invalid dialogue association"):
        world.answer("tx", "ty")


def test_maps_are_bounded(world: World):
    for number in range(MAX_LEGS):
        world.offer("ta", branch=f"b{number}")
    with pytest.raises(NgError, match="Too many branches"):
        world.offer("ta", branch="one more")
    for number in range(1, MAX_DIALOGS):
        world.offer(f"t{number}")
    with pytest.raises(NgError, match="Too many dialogues"):
        world.offer("tz")
    world.offer("ta", call="d")
    for number in range(3 * MAX_NAMES):
        world.dialogs.answered(world.dialogs.for_answer(who("ta", f"t{number}", call="d")), who("ta", f"t{number}", f"v{number}", call="d"))
    (leg,) = world.dialogs.of("d")[0].legs.values()
    assert (len(leg.tags), len(leg.branches), leg.tag) == (MAX_NAMES, MAX_NAMES, f"t{3 * MAX_NAMES - 1}")


def forked(world: World) -> None:
    world.offer("ta", branch="b1")
    world.offer("ta", branch="b2")
    world.answer("ta", "t1", "b1")
    world.answer("ta", "t2", "b2")


@pytest.mark.parametrize(
    ("tags", "gone"),
    [
        (("ta", "", "b1"), ["b1"]),
        (("ta", "", "b2"), ["b2"]),
        (("ta", "", "of-the-bye"), ["all"]),
        (("ta", "t1", ""), ["all"]),
        (("ta",), ["all"]),
        (("t1",), ["b1"]),
        (("t2",), ["all"]),
        (("", "", "b1"), ["b1"]),
        ((), ["all"]),
        (("tz",), []),
    ],
)
def test_what_a_delete_means(world: World, tags: tuple[str, ...], gone: list[str]):
    forked(world)
    assert world.delete(*tags) == gone


def test_a_delete_may_honour_the_to_tag(world: World):
    forked(world)
    assert world.delete("ta", "t1", honour=True) == ["b1"]
    assert world.delete("ta", "tz", honour=True) == []
    assert world.delete("t2", "ta", honour=True) == ["all"]


def test_the_last_branch_takes_the_call_with_it(world: World):
    world.offer("ta", branch="b1")
    world.offer("ta", branch="b2")
    (dialog,) = world.dialogs.of("c")
    world.dialogs.delete_at(dialog, dialog.legs["b1"], 30.0)
    assert world.delete("ta", branch="b2") == ["all"]


def test_a_deletion_waits_and_an_offer_takes_it_back(world: World):
    world.offer("ta")
    (dialog,) = world.dialogs.of("c")
    world.dialogs.delete_at(dialog, None, 30.0)
    assert (world.dialogs.deadline(), world.dialogs.tick(29.9)) == (30.0, [])
    world.offer("ta")
    assert world.dialogs.tick(30.0) == []
    world.dialogs.delete_at(dialog, None, 60.0)
    world.dialogs.delete_at(dialog, None, 70.0)
    assert [gone.dialog for gone in world.dialogs.tick(60.0)] == [dialog]
    world.dialogs.forget(dialog)
    world.dialogs.forget(dialog)
    assert (len(world.dialogs), world.dialogs.tick(100.0)) == (0, [])


def test_deletions_that_no_longer_stand_are_forgotten(world: World):
    for number in range(1000):
        world.offer("ta", call=f"c{number}")
        (dialog,) = world.dialogs.of(f"c{number}")
        world.dialogs.delete_at(dialog, None, 1e6)
        world.dialogs.forget(dialog)
    assert len(world.dialogs._deletions) <= SPARE_DELETIONS + 1


def test_a_branch_that_goes_leaves_the_other_in_force(world: World):
    forked(world)
    (dialog,) = world.dialogs.of("c")
    leg: FarLeg = dialog.legs["b2"]
    world.dialogs.delete_at(dialog, leg, 5.0)
    assert [gone.leg for gone in world.dialogs.tick(5.0)] == [leg]
    world.dialogs.drop(dialog, leg)
    assert (dialog.in_force, dialog.recent) == ("b1", "b1")
    assert seen(world.offer("ta", branch="b2")) == (Party.A, "b2")


def test_parties_are_listed_a_first(world: World):
    forked(world)
    assert [(place.party, place.name, place.tag) for place in world.dialogs.parties("c")] == [
        (Party.A, "b2", "ta"),
        (Party.B, "b1", "t1"),
        (Party.B, "b2", "t2"),
    ]
