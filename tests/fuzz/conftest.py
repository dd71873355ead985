"""Says after the run how many malformed inputs (and replayed or forged ones) each target was given, and how many of them it served."""

from __future__ import annotations

from typing import Any

from tests.fuzz import campaign


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if campaign.ran:
        terminalreporter.section(f"fuzz, seed {campaign.SEED}")
        for target, inputs in campaign.ran.items():
            share = campaign.taken[target] / max(inputs, 1)
            terminalreporter.line(f"{target:12} {inputs:9,} malformed or hostile inputs, {share:6.1%} half valid enough to be served")
        terminalreporter.line(f"{'together':12} {sum(campaign.ran.values()):9,}")
