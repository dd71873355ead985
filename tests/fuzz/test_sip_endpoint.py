"""Damaged messages at whole endpoints, up to what fronts hear and do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.fuzz.campaign import Case, cases, check_count, told
from tests.fuzz.sip_fronts import Front, LoopNetwork
from tests.fuzz.sip_world import leftovers
from tests.support.clock import run_in_virtual_time

pytestmark = pytest.mark.load

EACH = 40
QUIET_S = 3_000.0


class Failures(logging.Handler):
    """Every error that is logged: what escapes a core is caught and logged by its shell."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(self.format(record))


@contextmanager
def logged() -> Iterator[Failures]:
    """What is logged as an error meanwhile."""
    failures = Failures()
    logging.getLogger().addHandler(failures)
    try:
        yield failures
    finally:
        logging.getLogger().removeHandler(failures)


async def _live(case: Case, failures: Failures) -> None:
    rng = case.rng
    network = LoopNetwork(rng)
    fronts = [Front(network, "192.0.2.1", "alice"), Front(network, "192.0.2.2", "bob")]
    rounds = 0
    while network.thrown < EACH and not failures.records:
        rounds += 1
        assert rounds < 5_000, "nobody says anything"
        front, other = rng.sample(fronts, 2)
        sessions = front.account.sessions
        if not sessions or (len(sessions) < 4 and rng.random() < 0.2):
            front.start(other)
        else:
            front.act(rng.choice(sessions))
        await asyncio.sleep(rng.choice((0.005, 0.1, 0.1, 1.0, 40.0)))
        case.input = network.last
    network.hostile = 0.0
    for front in fronts:
        front.account.close()
    await asyncio.sleep(QUIET_S)
    for front in fronts:
        front.endpoint.ua.tick(network.now)
        assert leftovers(front.endpoint.ua) == {}, [entry.usage for entry in front.endpoint.ua.entries()]
        assert not front.endpoint._accounts
        assert not front.endpoint._tasks
        await front.endpoint.close()
    assert not failures.records, failures.records[0]
    case.count(network.thrown, took=network.taken)


def test_endpoints_live_with_damaged_messages_and_leave_nothing() -> None:
    with logged() as failures:
        for case in cases("sip-endpoint", EACH):
            failures.records.clear()
            with told(case):
                run_in_virtual_time(_live(case, failures))
    check_count("sip-endpoint", least_taken=0.1, most_taken=0.8)
