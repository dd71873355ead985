"""Many short calls, one after the other: all end, and leave nothing behind."""

import asyncio

import pytest

from tests.interop.kamailio.party import need, party_at
from tests.interop.kamailio.scenarios import SCENARIOS

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="session")]

CALLS, PER_SECOND, TALK_MS = 50, 10, 500


async def test_fifty_calls_through_each_kamailio(sheet, backend):
    before = backend.open_files()
    await asyncio.gather(*(fifty_calls(need(name), sheet, backend) for name in sorted(SCENARIOS)))
    for _ in range(50):
        left, files = await backend.calls(), backend.open_files()
        if not left and files <= before:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"the gateway still has {left} and {files} files, not {before}")


async def fifty_calls(scenario, sheet, backend):
    async with party_at(scenario, backend, sheet) as party:
        called = await party.sipp("silent.xml", more=("-m", str(CALLS)))
        caller = await party.sipp("caller.xml", calls=called.user, more=("-m", str(CALLS), "-r", str(PER_SECOND), "-d", str(TALK_MS)))
        await asyncio.gather(called.done(30), caller.done(30))
