"""Whole SIP dialogs, registrations and subscriptions whose messages are damaged on their way, from both sides."""

from __future__ import annotations

import pytest

from tests.fuzz.campaign import Case, cases, check_count, told
from tests.fuzz.sip_world import World, leftovers

pytestmark = pytest.mark.load

EACH = 40
QUIET_S = 3_000.0
"""After which nothing is left of what has ended: transactions linger 32 s, their timers too, and refused registrations try again."""


def _live(case: Case) -> None:
    world = World(case.rng)
    rounds = 0
    while world.thrown < EACH:
        rounds += 1
        assert rounds < 5_000, "nobody says anything"
        agent = case.rng.choice(world.agents)
        entries = [entry for entry in agent.entries if agent.ua.entry(entry.number) is not None]
        agent.entries = entries
        if not entries or (len(entries) < 4 and case.rng.random() < 0.2):
            agent.start()
        else:
            agent.act(case.rng.choice(entries))
        world.run(case.rng.choice((0.005, 0.1, 0.1, 1.0, 40.0)))
        case.input = world.last
    world.hostile = 0.0
    for _ in range(3):
        for agent in world.agents:
            agent.leave()
        world.run(QUIET_S)
    for agent in world.agents:
        agent.ua.tick(world.now)  # what is only remembered is forgotten with the next event
        assert leftovers(agent.ua) == {}, [entry.usage for entry in agent.ua.entries()]
    case.count(world.thrown, took=world.taken)


def test_dialogs_live_with_damaged_messages_and_leave_nothing() -> None:
    for case in cases("sip-dialogs", EACH):
        with told(case):
            _live(case)
    check_count("sip-dialogs", least_taken=0.1, most_taken=0.8)
