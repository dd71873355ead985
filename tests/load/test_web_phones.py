"""Five hundred web phones are registered, a hundred of them talk, all hang up and log out: nothing is left of it."""

from __future__ import annotations

import asyncio
import json
import sys

import pytest

from tests.load.test_fifty_calls import metric
from tests.support.gateway import Gateway
from tests.support.web_crowd import Crowd, Voice, WebPhone, few_at_once, heard_by, running_crowd, talk

USERS, CALLS, TALK_S = 500, 100, 3.0
FIRST = ("calls", "is called")
"""Those who try the gateway before all others."""
BESIDE, GUESSES = 20, 10_000
SHARE = 0.98
"""Of a call's words that must come back: a machine that is busy elsewhere may drop datagrams."""
GONE = (
    "b2bua_bindings",
    "b2bua_calls",
    "calls_active",
    "relay_transports",
    "relay_streams",
    "relay_ports_used",
    "relay_handshakes_under_way",
)

pytestmark = pytest.mark.load


def levels(gateway: Gateway) -> dict[str, float]:
    """Files first: asking for a figure opens a connection."""
    return {"open files": gateway.open_files()} | {name: metric(gateway, f"boringsdp_{name}") for name in (*GONE, "process_tasks")}


async def settled(gateway: Gateway, before: dict[str, float]) -> dict[str, float]:
    """What there is once it is no more than before, or after ten seconds."""
    now = levels(gateway)
    for _ in range(40):
        if all(now[name] <= before[name] for name in now):
            break
        await asyncio.sleep(0.25)
        now = levels(gateway)
    return now


async def hang_up_all(crowd: Crowd, phones: list[WebPhone]) -> None:
    """Half of the phones hang up; the PBX hangs up the other half's calls. Returns when every phone has heard the end."""
    ours, theirs = phones[: len(phones) // 2], phones[len(phones) // 2 :]
    ends = [asyncio.ensure_future(phone.ended()) for phone in theirs]
    await few_at_once(phone.hang_up() for phone in ours)
    for session in tuple(crowd.pbx.calls):
        if not session.over:
            session.hang_up()
    assert {end.code for end in await asyncio.gather(*ends)} == {200}


async def levels_after_a_call(crowd: Crowd) -> dict[str, float]:
    """What there is once two have called and gone: what the gateway opens once for all calls is open then."""
    first = await crowd.grow(len(FIRST))
    await crowd.connect(first)
    await talk(voices_of(first), 0.2)
    await hang_up_all(crowd, first)
    await few_at_once(phone.log_out() for phone in first)
    await asyncio.sleep(2.0)
    return levels(crowd.gateway)


def voices_of(phones: list[WebPhone]) -> list[Voice]:
    return [phone.voice for phone in phones if phone.voice is not None]


async def test_five_hundred_are_registered_and_a_hundred_talk():
    async with running_crowd(USERS + len(FIRST)) as crowd:
        before = await levels_after_a_call(crowd)
        phones = await crowd.grow(USERS)
        assert metric(crowd.gateway, "boringsdp_b2bua_bindings") == USERS
        talking = phones[::5]
        assert len(talking) == CALLS
        await crowd.connect(talking)
        assert metric(crowd.gateway, "boringsdp_b2bua_calls") == CALLS
        voices = voices_of(talking)
        await talk(voices, TALK_S)
        heard = heard_by(voices)
        print(heard)
        assert heard.strange == ()
        assert heard.share > SHARE
        await hang_up_all(crowd, talking)
        await few_at_once(phone.log_out() for phone in phones)
        after = await settled(crowd.gateway, before)
        assert {name: after[name] for name in GONE} == dict.fromkeys(GONE, 0)
        assert {name: (before[name], after[name]) for name in after if after[name] > before[name]} == {}
        assert not crowd.pbx.calls


async def test_calls_notice_nothing_of_ten_thousand_wrong_passwords():
    async with running_crowd(BESIDE) as crowd:
        phones = await crowd.grow(BESIDE)
        await crowd.connect(phones)
        voices = voices_of(phones)
        await talk(voices, 1.0)
        assert heard_by(voices).share > SHARE
        guessing = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.guesses", crowd.url, str(GUESSES)), stdout=asyncio.subprocess.PIPE
        )
        told = asyncio.ensure_future(guessing.communicate())
        while not told.done():
            await talk(voices, 1.0)
        answers = json.loads((await told)[0])
        heard = heard_by(voices)
        print(answers, heard)
        assert guessing.returncode == 0
        assert answers["403"] > 0
        assert answers.get("401", 0) <= 20
        assert heard.strange == ()
        assert heard.share > SHARE
        assert metric(crowd.gateway, "boringsdp_b2bua_bindings") == BESIDE
        assert metric(crowd.gateway, "boringsdp_b2bua_calls") == BESIDE
        await few_at_once(phone.log_in() for phone in phones)
        await hang_up_all(crowd, phones)
