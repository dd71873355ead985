"""Plays a scenario to two engines, says where they differ, and makes it as short as it can be while they still do."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from boringsdp.relay.engine import Event
from tests.relay.differential.steps import Scenario, Step
from tests.relay.differential.subject import Outcome, Snapshot, Subject

MakeSubject = Callable[[Sequence[int], Snapshot | None, float], Subject]
"""From random numbers, and what an engine wrote down with the time at which it is taken up."""

MAX_PLAYS = 400
"""Runs that making a scenario shorter may take."""


@dataclass(slots=True)
class Difference:
    """The step at which two engines went apart, after how many, and what each made of it."""

    at: int
    step: Step
    what: list[str]


@dataclass(slots=True, frozen=True)
class Manner:
    """How a scenario is played."""

    together: bool = False
    """Datagrams of the same moment come as a batch."""
    ordered: bool = True
    """What leaves and what is reported has an order over all ports and transports."""


PLAINLY = Manner()


def play(
    scenario: Scenario, makers: tuple[MakeSubject, MakeSubject], manner: Manner = PLAINLY, watch: Callable[[Outcome], None] | None = None
) -> Difference | None:
    """Where the engines first differ; None when they are equal to the end."""
    one, other = (make(scenario.draws, None, 0.0) for make in makers)
    at = 0
    for steps in _turns(scenario.steps, manner):
        at, step = at + len(steps), steps[-1]
        if step.what in ("snapshot", "restart"):
            records = one.snapshot(step.now), other.snapshot(step.now)
            what = differences(normal(records[0]), normal(records[1]), "snapshot")
            if not what and step.what == "restart":
                draws, crossed = step.args
                if crossed:
                    records = records[1], records[0]
                one, other = (make(draws, record, step.now) for make, record in zip(makers, records, strict=True))
        else:
            steps = [_resolve(step, one) for step in steps]
            outcome, theirs = one.perform(steps), other.perform(steps)
            if watch is not None:
                watch(outcome)
            if not manner.ordered:
                outcome, theirs = _unordered(outcome), _unordered(theirs)
            what = differences(outcome, theirs, "")
        if what:
            return Difference(at, step, what)
    now = scenario.steps[-1].now if scenario.steps else 0.0
    last = differences(normal(one.snapshot(now)), normal(other.snapshot(now)), "snapshot")
    return Difference(at, Step(now, "snapshot"), last) if last else None


def _turns(steps: Sequence[Step], manner: Manner) -> Iterator[list[Step]]:
    """The steps, each by itself or those of one batch together."""
    if not manner.together:
        yield from ([step] for step in steps)
        return
    for (_, what), group in itertools.groupby(steps, lambda step: (step.now, step.what)):
        if what == "receive":
            yield list(group)
        else:
            yield from ([step] for step in group)


def _unordered(outcome: Outcome) -> Outcome:
    """Each port's datagrams and each transport's or stream's events in order, but not one's before another's: their workers do not wait."""
    sent = sorted(outcome.sent, key=lambda sent: sent[0])
    return replace(outcome, sent=sent, events=sorted(outcome.events, key=_whose))


def _whose(event: Event) -> tuple[int, int]:
    stream = getattr(event, "stream", 0)
    return stream, 0 if stream else getattr(event, "transport", 0)


def _resolve(step: Step, subject: Subject) -> Step:
    """`resend` names packets by how long ago they were sent."""
    if step.what != "resend":
        return step
    stream, back = step.args
    last = subject.last_sequence(stream)
    return replace(step, args=(stream, tuple((last - number) & 0xFFFF for number in back)))


def normal(record: Any) -> Any:
    """A snapshot without what has no order or no meaning for the other engine: sets are sorted, a port's worker is left out."""
    if isinstance(record, dict):
        return {
            key: sorted(value) if key in ("own", "keyed") and isinstance(value, list) else normal(value)
            for key, value in record.items() if key != "worker"
        }  # fmt: skip
    return [normal(value) for value in record] if isinstance(record, list) else record


def differences(one: Any, other: Any, where: str) -> list[str]:
    """Every place where two values are not the same, as lines."""
    if type(one) is type(other) and one == other:
        return []
    if type(one) is type(other) and (names := _field_names(one)):
        return [line for name in names for line in differences(getattr(one, name), getattr(other, name), f"{where}.{name}")]
    if isinstance(one, dict) and isinstance(other, dict):
        keys = [*one, *(key for key in other if key not in one)]
        return [line for key in keys for line in differences(one.get(key, ...), other.get(key, ...), f"{where}[{key!r}]")]
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)) and len(one) == len(other):
        return [
            line for index, pair in enumerate(zip(one, other, strict=True)) for line in differences(pair[0], pair[1], f"{where}[{index}]")
        ]
    if isinstance(one, (int, float)) and isinstance(other, (int, float)) and one == other:
        return []
    return [f"{where or 'it'}:", f"    python  {_show(one)}", f"    native  {_show(other)}"]


def _field_names(value: Any) -> Sequence[str]:
    return [field.name for field in fields(value)] if is_dataclass(value) else getattr(value, "_fields", ())


def _show(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else "nothing" if value is ... else repr(value)


def shorten(
    scenario: Scenario, makers: tuple[MakeSubject, MakeSubject], difference: Difference, manner: Manner = PLAINLY
) -> tuple[Scenario, Difference]:
    """The scenario with as many steps left out as possible so that the engines still differ."""
    steps, size, plays = list(scenario.steps[: difference.at]), len(scenario.steps) // 2, 0
    while size and plays < MAX_PLAYS:
        end = len(steps)
        while end > 0 and plays < MAX_PLAYS:
            begin = max(0, end - size)
            fewer = [step for index, step in enumerate(steps) if step.needed or not begin <= index < end]
            plays += 1
            if len(fewer) < len(steps) and (found := play(replace(scenario, steps=tuple(fewer)), makers, manner)) is not None:
                steps, difference = fewer[: found.at], found
                end = min(begin, len(steps))
            else:
                end = begin
        size //= 2
    return replace(scenario, steps=tuple(steps)), difference


def report(scenario: Scenario, difference: Difference) -> str:
    """All that is needed to see it again."""
    steps = "\n".join(f"  {step}" for step in scenario.steps)
    return (
        f"seed {scenario.seed}: the engines differ after {difference.at} steps, at {difference.step.what}\n"
        + "\n".join(difference.what) + f"\nafter these steps, with random numbers {scenario.draws}:\n{steps}"
    )  # fmt: skip
