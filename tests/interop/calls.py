"""What calls between a browser and the plain peer have in common."""

from __future__ import annotations

import asyncio

import pytest

from tests.interop.peer import Line, PlainPeer
from tests.interop.rig import Rig


async def hear_each_other(rig: Rig, phone: PlainPeer, *, browser_hz: float = 700, phone_hz: float = 1100) -> None:
    """A burst from each side, of different pitch and length, is found on the other and nothing else is."""
    queued = await drain(rig)
    await rig.call("forget")
    since = len(phone.recorded())
    await asyncio.gather(rig.call("burst", browser_hz, 0.6), phone.do("burst", frequency=phone_hz, seconds=0.8))
    await asyncio.sleep(1.6 + queued)
    # What still waits in the browser's jitter buffer is played faster, and a tone with it.
    for who, found, frequency, seconds, tolerance in (
        ("the phone", phone.heard(since=since), browser_hz, 0.6, 0.1),
        ("the browser", await rig.heard(), phone_hz, 0.8, 0.1 + min(queued, 0.3)),
    ):
        assert len(found) == 1, f"{who} heard {found}; phone: {await phone.do('statistics')}; browser: {await rig.get('rig.events')}"
        assert found[0].frequency == pytest.approx(frequency, rel=0.02), who
        assert found[0].seconds == pytest.approx(seconds, abs=tolerance), f"{who} heard {found}; {queued} s were queued"


async def drain(rig: Rig) -> float:
    """Waits for the browser's jitter buffer to come down from what gathered while media began; the seconds that are left in it."""
    queued = None
    for _ in range(16):
        queued = await rig.call("queued")
        if queued is not None and queued < 0.12:
            return float(queued)
    return float(queued or 0)


async def call_from_browser(rig: Rig, phone: PlainPeer, *lines: Line, **extra: str) -> str:
    """The browser calls; the plain offer that it became. `extra` goes into the plugin's requests."""
    offer = await rig.offer(media={"audio": True, "video": len(lines) > 1}, extra=extra)
    answer = await phone.answer(offer, *lines)
    await rig.take_answer(answer, **extra)
    await settle(rig, phone)
    return offer


async def call_from_phone(rig: Rig, phone: PlainPeer, *lines: Line, **extra: str) -> str:
    """The phone calls; the plain answer of the browser's. `extra` goes into the plugin's requests."""
    offer = await phone.offer(*lines)
    answer = await rig.answer(offer, media={"audio": True, "video": len(lines) > 1}, extra=extra, processExtra=extra)
    await phone.take_answer(answer)
    await settle(rig, phone)
    return answer


async def settle(rig: Rig, phone: PlainPeer) -> None:
    """Waits until media flows both ways."""
    await rig.call("connected")
    await rig.until("rig.tapped.length > 20")
    for _ in range(50):
        if phone.recorded():
            break
        await asyncio.sleep(0.1)
