"""What the calls of these tests have in common."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.interop.kamailio.phone import BURST_S, CYCLE_S, Phone
from tests.interop.kamailio.sipp import Sipp
from tests.interop.kamailio.webphone import WebPhone
from tests.interop.tones import Burst

WEB_BURST_S = 0.5
STRETCH_S = 0.25
"""How much longer a burst may sound than it is: a browser's jitter buffer stretches speech whose next packet is late."""
SETTLE_S = 0.5
"""A browser plays what gathered while the media began faster, and a tone with it."""


LIBRARIES = ("jssip", "sipjs")


def with_each_library(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """The test with JsSIP and with SIP.js, both at once to save time; a note on the failure says which it was."""

    @functools.wraps(test)
    async def both(**arguments: Any) -> None:
        async def one(library: str) -> None:
            try:
                await test(library=library, **arguments)
            except Exception as error:
                error.add_note(f"with {library}")
                raise

        results = await asyncio.gather(*map(one, LIBRARIES), return_exceptions=True)
        for failure in filter(None, results):
            raise failure

    signature = inspect.signature(test)
    both.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[each for each in signature.parameters.values() if each.name != "library"]
    )
    return both


async def hear_each_other(web: WebPhone, phone: Phone, *, web_hz: float = 700, seconds: float = 8) -> None:
    """The browser's burst is found at the phone and the phone's in the browser, each with its pitch and length, and no other."""
    await asyncio.sleep(SETTLE_S)
    await asyncio.gather(heard_by_phone(web, phone, web_hz, seconds), heard_by_web(web, phone, seconds))


async def heard_by_phone(web: WebPhone, phone: Phone, web_hz: float, seconds: float = 8) -> None:
    """The phone hears the browser's burst."""
    since = phone.mark()
    await web.do("burst", web_hz, WEB_BURST_S)
    await asyncio.sleep(WEB_BURST_S + 0.2)
    found: list[Burst] = []
    for _ in range(round(seconds / 0.2)):
        found = phone.heard(since)
        data, rate = phone.samples(since)
        if found and found[0].start + WEB_BURST_S + 0.1 < len(data) / 2 / rate:
            break
        await asyncio.sleep(0.2)
    assert len(found) == 1, f"{phone.user} heard {found}; {await web.do('statistics')}"
    assert found[0].frequency == pytest.approx(web_hz, rel=0.02)
    assert found[0].seconds == pytest.approx(WEB_BURST_S, abs=0.1), found


async def webs_hear_each_other(first: WebPhone, second: WebPhone) -> None:
    """A burst each way between two browsers."""
    await asyncio.sleep(1)
    await asyncio.gather(first.do("forget"), second.do("forget"))
    await asyncio.gather(first.do("burst", 700, 0.5), second.do("burst", 1100, 0.5))
    await asyncio.sleep(1.5)
    assert [burst.frequency for burst in await first.heard()] == [pytest.approx(1100, rel=0.02)]
    assert [burst.frequency for burst in await second.heard()] == [pytest.approx(700, rel=0.02)]


async def phones_hear_each_other(first: Phone, second: Phone, seconds: float = 8) -> None:
    """Each phone hears whole bursts of the other's."""
    await asyncio.sleep(SETTLE_S)
    for here, there in ((first, second), (second, first)):
        since = here.mark()
        whole: list[Burst] = []
        for _ in range(round(seconds / 0.2)):
            await asyncio.sleep(0.2)
            data, rate = here.samples(since)
            whole = [one for one in here.heard(since) if one.start > 0.1 and one.start + BURST_S + 0.15 < len(data) / 2 / rate]
            if whole:
                break
        assert whole, f"{here.user} heard {here.heard(since)}"
        assert [one.frequency for one in whole] == [pytest.approx(there.frequency, rel=0.02)] * len(whole)
        assert -0.12 < whole[-1].seconds - BURST_S < STRETCH_S, whole


async def heard_by_web(web: WebPhone, phone: Phone | Sipp, seconds: float = 8) -> None:
    """The browser hears the phone's bursts."""
    await web.do("forget")
    whole: list[Burst] = []
    found: list[Burst] = []
    for _ in range(round(seconds / 0.2)):
        await asyncio.sleep(0.2)
        data, rate = await web.samples()
        found = await web.heard()
        end = len(data) / 2 / rate
        whole = [one for one in found if one.start > 0.1 and one.start + BURST_S + 0.15 < end]
        # What gathered while the media began is played faster, a tone with it: the next one is whole again.
        if whole and end > CYCLE_S and -0.12 < whole[-1].seconds - BURST_S < STRETCH_S:
            break
    assert whole, f"{web.user} heard {found}; {await web.do('statistics')}"
    assert [one.frequency for one in whole] == [pytest.approx(phone.frequency, rel=0.02)] * len(whole)
    assert -0.12 < whole[-1].seconds - BURST_S < STRETCH_S, whole


async def dialled(web: WebPhone, phone: Phone, digits: str) -> None:
    """The phone gets digits that the browser sends within its media (RFC 4733)."""
    before = phone.digits()
    await web.do("dial", digits)
    for _ in range(60):
        if len(phone.digits()) >= len(before + digits):
            break
        await asyncio.sleep(0.1)
    assert phone.digits() == before + digits


async def quiet(web: WebPhone, seconds: float = 1.3) -> None:
    """The browser hears nothing for longer than a phone is ever silent."""
    await asyncio.sleep(0.4)
    await web.do("forget")
    await asyncio.sleep(seconds)
    assert not await web.heard()


async def directed(web: WebPhone, *wanted: str) -> None:
    """Waits until the browser's only transceiver goes a wanted way."""
    for _ in range(50):
        now = await web.do("directions")
        if now[0] in wanted:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{now}, not {wanted}")


async def place(caller: WebPhone | Phone, callee: str, domain: str) -> None:
    """Calls a user."""
    if isinstance(caller, WebPhone):
        await caller.do("call", callee)
    else:
        await caller.do("dial", f"sip:{callee}@{domain}")


async def take(callee: WebPhone | Phone) -> None:
    """Waits for the ring, and answers."""
    if isinstance(callee, WebPhone):
        await callee.until("incoming")
        await callee.do("answer")
    else:
        await callee.until("CALL_INCOMING")
        await callee.do("accept")


async def talking(*parties: WebPhone | Phone) -> None:
    """Waits until each says that the call is up."""
    for party in parties:
        if isinstance(party, WebPhone):
            await party.until("confirmed")
            await party.connected()
        else:
            await party.until("CALL_ESTABLISHED")


async def hang_up(who: WebPhone | Phone, other: WebPhone | Phone) -> None:
    """Ends the call on one side and sees it end on the other."""
    await who.do("hangup")
    for party in (who, other):
        await (party.until("ended") if isinstance(party, WebPhone) else party.until("CALL_CLOSED"))
