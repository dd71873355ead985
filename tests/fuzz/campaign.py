"""
Runs numbered cases of a target, so that each can be run again alone, and counts them.

A case's random source depends on FUZZ_SEED, the target and the case number and on nothing else. When one fails, the report says how to run
just that one: `FUZZ_SEED=1 FUZZ_ONLY=stun:4711 pytest tests/fuzz`. A case of a target with state is an episode of many inputs.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

SEED = int(os.environ.get("FUZZ_SEED", "") or 1)
SCALE = float(os.environ.get("FUZZ_SCALE", "") or 1.0)
"""Multiplies every target's cases, for a long run at home."""
ONLY = os.environ.get("FUZZ_ONLY", "")

INPUTS: dict[str, int] = {
    "sdp-read": 20_000,
    "sdp-offer": 12_000,
    "sdp-answer": 10_000,
    "stun": 40_000,
    "rtp": 30_000,
    "rtcp": 30_000,
    "dtls": 10_000,
    "janus": 12_000,
    "plane": 100_000,
    "relay": 20_000,
    "ng": 100_000,
    "sip-messages": 30_000,
    "sip-dialogs": 100_000,
    "sip-endpoint": 20_000,
    "sip-plugin": 10_000,
}
"""Malformed inputs of each target in one run."""

ran: dict[str, int] = {}
"""Malformed inputs that were really given to each target in this session."""

taken: dict[str, int] = {}
"""How many of them were half valid enough to be served: a campaign that is refused at the door tests only the door."""


@dataclass(slots=True)
class Case:
    """One case: where its chance comes from, and what it is throwing just now (for the report)."""

    target: str
    number: int
    rng: random.Random
    input: object = None

    def count(self, inputs: int = 1, *, took: int = 0) -> None:
        ran[self.target] = ran.get(self.target, 0) + inputs
        taken[self.target] = taken.get(self.target, 0) + took


def cases(target: str, inputs_each: int = 1) -> Iterator[Case]:
    """The cases of a target that make its number of inputs, `inputs_each` at a time; only the one that FUZZ_ONLY names, when it does."""
    wanted, _, number = ONLY.partition(":")
    if wanted:
        numbers = range(int(number), int(number) + 1) if wanted == target else range(0)
    else:
        numbers = range(-(-int(INPUTS[target] * SCALE) // inputs_each))
    for n in numbers:
        yield Case(target, n, random.Random(f"{SEED}/{target}/{n}"))


@contextmanager
def told(case: Case) -> Iterator[None]:
    """Say how to run the case again when it fails, and what it threw."""
    try:
        yield
    except BaseException as problem:
        shown = repr(case.input)
        problem.add_note(f"again: FUZZ_SEED={SEED} FUZZ_ONLY={case.target}:{case.number} python -m pytest tests/fuzz")
        problem.add_note(f"input ({type(case.input).__name__}): {shown[:6000]}{'…' if len(shown) > 6000 else ''}")
        problem.add_note(f"once understood, keep it in tests/fuzz/regressions/{case.target}/")
        raise


def check_count(target: str, *, least_taken: float, most_taken: float) -> None:
    """A campaign ran all of its inputs, and neither nothing nor everything of them was served (shares from 0 to 1)."""
    if ONLY:
        return
    assert ran[target] >= int(INPUTS[target] * SCALE)
    share = taken[target] / ran[target]
    assert least_taken <= share <= most_taken, f"{target}: {share:.1%} were served"
