"""The routing scripts under kamailio/, loaded as Kamailio loads them, with a double in the place of KSR."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType

import pytest

KAMAILIO = Path(__file__).parents[2] / "kamailio"
OURS = ("kemi_routing", "sdp_only", "proxy", "sdp_proxy")

# Kamailio puts the folder of its script into the path. The stubs are those of the source tree, not those that are installed.
sys.path[:0] = [str(KAMAILIO / folder) for folder in ("kemi-python", "sdp-only", "kemi-stubs")]

from kemi_tools.double import Double  # noqa: E402

Load = Callable[[str, Double], ModuleType]


@pytest.fixture
def load() -> Iterator[Load]:
    """Returns a module of the scripts, with a double of KSR: each test gets modules of its own, for they keep the KSR that they import."""
    before = _taken_out()
    found: Double | None = None
    with ExitStack() as stack:

        def loaded(name: str, ksr: Double) -> ModuleType:
            nonlocal found
            if ksr is not found:
                found = ksr
                _taken_out()
                stack.enter_context(ksr.installed())
            return importlib.import_module(name)

        yield loaded
    _taken_out()
    sys.modules.update(before)


def _taken_out() -> dict[str, ModuleType]:
    return {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in OURS}
