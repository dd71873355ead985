"""A peer program that is missing skips its tests here, and fails them where every peer is required."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

MAY_SKIP = "tests/fuzz/"
"""The fuzz campaigns add up what they did, and skip the sum when only some of them ran."""


REAL_TIME = ("tests/interop/", "tests/demo/", "tests/load/", "tests/ng/", "tests/relay/")
"""
Programs, or threads, talk to each other here in real time: on a machine that is busy elsewhere a tone comes late or a port is taken
meanwhile. Such a test gets two more tries; the summary counts them (`rerun`), and what is really broken fails all three.
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith(REAL_TIME):
            item.add_marker(pytest.mark.flaky(reruns=2, reruns_delay=1))


def peers_required() -> bool:
    """Whether a missing peer is a failure: in CI, or when asked for."""
    return any(os.environ.get(name, "").lower() not in ("", "0", "false") for name in ("CI", "BORINGSDP_REQUIRE_PEERS"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and peers_required() and not hasattr(report, "wasxfail") and not item.nodeid.startswith(MAY_SKIP):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: skipped where every peer is required: {report.longrepr}"
    return report
