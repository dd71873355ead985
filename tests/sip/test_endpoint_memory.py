"""What is left of a call that is over: nothing, and without the garbage collector, whose full passes come seldom."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator
from dataclasses import replace

import pytest

from boringsdp.sip.account import IncomingCall
from boringsdp.sip.session import SessionSettings
from boringsdp.sip.session.events import Answered, Confirmed, Ended
from boringsdp.sip.timers import TimerSettings
from tests.support.sip_endpoints import ANSWER, LOOPBACK, OFFER, Ear, at, endpoint, settings_of

T1 = 0.003
HASTY = replace(LOOPBACK, session=SessionSettings(t1=T1), timers=TimerSettings(t1=T1))


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("end", ["caller", "callee"])
async def test_a_call_that_is_over_is_freed_at_once(end: str) -> None:
    async with endpoint(HASTY) as here, endpoint(HASTY) as there:
        bob, hear, seen = Ear(), Ear(), Ear()
        there.account(settings_of(at(there, "bob")), bob)
        out = here.account(settings_of(at(here, "alice")), Ear()).invite(at(there, "bob"), OFFER, hear=hear)
        came = await bob.hears(IncomingCall)
        came.session.hear = seen
        came.session.accept(ANSWER)
        await hear.hears(Answered)
        await seen.hears(Confirmed)
        (out if end == "caller" else came.session).hang_up()
        await hear.hears(Ended)
        await seen.hears(Ended)
        cores = weakref.ref(out.core), weakref.ref(came.session.core)
        await asyncio.sleep(80 * T1)
        del out, came
        bob.news.clear()
        bob.all.clear()
        assert [core() for core in cores] == [None, None]
