"""
The native engine does to every datagram what the plane in Python does: whole scenarios are played to both, and after every step all they
sent, reported and counted must be equal, and at the end, and on the way, what they write down.

`FUZZ_SEED=n` gives other scenarios, `FUZZ_SCALE=n` n times as many.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from tests.fuzz.campaign import SCALE, SEED
from tests.relay.differential import crowds
from tests.relay.differential.compare import PLAINLY, MakeSubject, Manner, differences, normal, play, report, shorten
from tests.relay.differential.native_subject import NativeSubject
from tests.relay.differential.scenario import make_scenario
from tests.relay.differential.steps import Scenario, Step
from tests.relay.differential.subject import Outcome, PythonSubject

STEPS = 200
TOGETHER_S = 0.03
"""How long datagrams are collected that come as one batch."""

EVENTS = {
    "AuthFailures", "ConsentLost", "DtlsReceived", "IceRestarted", "MediaReceiving", "NotKept", "PathSelected", "RtcpPathSelected",
    "RtcpReceived", "SsrcSeen", "TelephoneEventReceived",
}  # fmt: skip
DROPS = {
    "address_taken", "duplicate", "empty", "former_ssrc", "jumped", "late", "malformed", "no_address", "no_keys", "not_forwarded",
    "padding_only", "payload_type", "replayed", "send_too_long", "silenced", "stun_ignored", "stun_malformed", "stun_refused",
    "stun_unanswered", "stun_unknown_ufrag", "too_long", "too_many_ssrcs", "unknown_source", "unknown_ssrc", "unverified",
}  # fmt: skip


def seeds(count: float) -> range:
    first = SEED * 1_000_000
    return range(first, first + max(1, round(count * SCALE)))


class Reached:
    """Which kinds of events and drops there were."""

    def __init__(self) -> None:
        self.events: set[str] = set()
        self.drops: set[str] = set()
        self.sent = 0

    def watch(self, outcome: Outcome) -> None:
        self.sent += len(outcome.sent)
        self.events.update(type(event).__name__ for event in outcome.events)
        self.drops.update(outcome.statistics.drops)
        for transport in outcome.statistics.transports.values():
            self.drops.update(transport.drops)

    @property
    def missing(self) -> set[str]:
        return EVENTS - self.events | DROPS - self.drops


def require_equal(scenario: Scenario, makers: tuple[MakeSubject, MakeSubject], reached: Reached, manner: Manner = PLAINLY) -> None:
    difference = play(scenario, makers, manner, reached.watch)
    if difference is not None:
        pytest.fail(report(*shorten(scenario, makers, difference, manner)), pytrace=False)


@pytest.fixture
def native() -> Callable[..., NativeSubject]:
    if importlib.util.find_spec("boringsdp_native") is None:
        pytest.skip("make native (boringsdp_native, which Rust builds)")
    return NativeSubject


@pytest.mark.load
def test_the_native_engine_does_what_the_plane_does(native: Callable[..., NativeSubject]) -> None:
    reached = Reached()
    for seed in seeds(300):
        require_equal(make_scenario(seed, STEPS), (PythonSubject, native), reached)
    assert SCALE < 1 or not reached.missing


@pytest.mark.load
def test_what_comes_together_is_taken_as_if_one_by_one(native: Callable[..., NativeSubject]) -> None:
    for seed in seeds(100):
        scenario = make_scenario(seed, STEPS)
        scenario = replace(scenario, steps=tuple(replace(step, now=step.now // TOGETHER_S * TOGETHER_S) for step in scenario.steps))
        require_equal(scenario, (PythonSubject, native), Reached(), Manner(together=True))


@pytest.mark.load
def test_two_workers_do_what_one_does(native: Callable[..., NativeSubject]) -> None:
    """Each draws for itself, so that all must draw the same; and the plane in Python does not write workers down."""
    for seed in seeds(100):
        scenario = make_scenario(seed, STEPS, workers=2)
        steps = (replace(step, args=(step.args[0][:1], False)) if step.what == "restart" else step for step in scenario.steps)
        scenario = replace(scenario, draws=scenario.draws[:1], steps=tuple(steps))
        require_equal(scenario, (PythonSubject, functools.partial(native, workers=2)), Reached(), Manner(ordered=False))


@pytest.mark.parametrize("crowd", [crowds.many_sources, crowds.many_events], ids=lambda crowd: crowd.__name__)
def test_bounds_are_the_same(native: Callable[..., NativeSubject], crowd: Callable[[], Scenario]) -> None:
    reached = Reached()
    require_equal(crowd(), (PythonSubject, native), reached, Manner(together=True))
    assert reached.drops & {"too_many_ssrcs", "events_full"}


def test_scenarios_reach_everything_and_are_the_same_each_time() -> None:
    reached = Reached()
    for seed in range(80):
        scenario = make_scenario(seed, STEPS)
        assert scenario == make_scenario(seed, STEPS)
        require_equal(scenario, (PythonSubject, PythonSubject), reached)
    assert not reached.missing
    assert reached.sent > 1000


def test_a_difference_is_found_and_made_short() -> None:
    class Wrong(PythonSubject):
        def perform(self, steps: Sequence[Step]) -> Outcome:
            outcome = super().perform(steps)
            return replace(outcome, sent=[(port, to, tos + (steps[0].what == "inject"), data) for port, to, tos, data in outcome.sent])

    makers = PythonSubject, Wrong
    found = 0
    for seed in range(20):
        scenario = make_scenario(seed, STEPS)
        difference = play(scenario, makers)
        if difference is not None:
            shorter, difference = shorten(scenario, makers, difference)
            text = report(shorter, difference)
            assert difference.step.what == "inject"
            assert f"seed {seed}" in text
            assert len([step for step in shorter.steps if not step.needed]) < 12, text
            found += 1
    assert found > 5


@pytest.mark.parametrize(
    ("one", "other"),
    [({"a": 1}, {"a": 2}), ({"a": 1}, {}), ([1, 2], [1]), (b"\x01", b"\x02"), (None, 0), ({"own": ["send"]}, {"own": []})],
)  # fmt: skip
def test_tells_what_differs(one: object, other: object) -> None:
    assert differences(normal(one), normal(other), "it")
    assert not differences(normal(one), normal(one), "it")


def test_the_order_of_sets_and_the_worker_of_a_port_do_not_count() -> None:
    def record(ways: Sequence[str], **more: int) -> dict[str, object]:
        return {"ports": [{"id": 1, **more}], "rtcp_keys": {"own": list(ways)}}

    assert not differences(normal(record(["send", "receive"], worker=1)), normal(record(["receive", "send"])), "")
