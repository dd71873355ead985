"""docs/architecture.md: its diagram of whose turn it is shows the table of the code, and the modules that it names exist."""

from __future__ import annotations

import re
from pathlib import Path

from boringsdp.call.negotiation import TRANSITIONS, Move, State

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "architecture.md").read_text()


def test_the_diagram_of_turns_is_the_table():
    (diagram,) = re.findall(r"^stateDiagram-v2\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    drawn = {(State(state), Move(move)): State(target) for state, target, move in re.findall(r"(\w+) --> (\w+): (\w+)", diagram)}
    assert drawn == {(state, move): target for (state, move), target in TRANSITIONS.items() if move is not Move.CLOSE}
    assert re.findall(r"\[\*\] --> (\w+)", diagram) == [State.IDLE.value]


def test_the_modules_of_the_table_exist():
    folder, missing, found = "", [], 0
    for place, modules in re.findall(r"^\| (?:`(\w+)/`)? ?\| (`[^|]+`) \|", TEXT, re.MULTILINE):
        folder = place or folder
        for name in re.findall(r"`(\w+)`", modules):
            path = ROOT / "boringsdp" / folder / name
            missing += [] if path.is_dir() or path.with_suffix(".py").exists() else [path]
            found += 1
    assert missing == []
    assert found > 50
