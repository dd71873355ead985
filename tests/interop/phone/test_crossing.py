"""Both sides change the call at the same moment: it goes on, and each has what it asked for."""

from __future__ import annotations

import asyncio

import pytest

from tests.interop.phone.tab import PhoneTab, connect, hear_each_other, says

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("browser_name", ["chromium", "firefox"]),
]
GAPS_MS = (0, 0, 10, 30, 0, 80)


async def press_both(first: PhoneTab, second: PhoneTab, gap_ms: float) -> None:
    """Presses Hold, or Resume, on one page and then on the other."""
    for tab in (first, second):
        await tab.until("!document.querySelector('[data-testid=line-1] [data-testid=hold]').disabled")
    press = "setTimeout(() => document.querySelector('[data-testid=line-1] [data-testid=hold]').click(), {})"
    await asyncio.gather(first.get(press.format(50)), second.get(press.format(50 + gap_ms)))


async def both_are(first: PhoneTab, second: PhoneTab, state: str, *, held: bool) -> None:
    for tab in (first, second):
        await tab.reaches(1, state)
        await tab.until(f"phone.lines[0].remoteHeld === {str(held).lower()}")


@pytest.mark.parametrize("video", [False, True], ids=["audio", "video"])
async def test_both_press_hold_and_resume_at_once(alice: PhoneTab, bob: PhoneTab, video: bool):
    if video:
        await alice.write("target", "bob")
        await alice.click("call-video")
        await bob.click("answer-video", 1)
        for tab in (alice, bob):
            await tab.reaches(1, "active")
    else:
        await connect(alice, bob)
    for number, gap_ms in enumerate(GAPS_MS):
        pair = (alice, bob) if number % 2 else (bob, alice)
        await press_both(*pair, gap_ms)
        await both_are(*pair, "held", held=True)
        await press_both(*pair, gap_ms)
        await both_are(*pair, "active", held=False)
    await hear_each_other(alice, bob)
    if video:
        await bob.until("(seen => seen && seen[0] > 150 && seen[2] < 90)(ears.seen(1))")
        await alice.until("(seen => seen && seen[2] > 150 && seen[0] < 90)(ears.seen(1))")
    await alice.hang_up()


async def test_one_holds_while_the_other_shows_the_camera(alice: PhoneTab, bob: PhoneTab):
    await connect(alice, bob)
    for tab in (alice, bob):
        await tab.get("navigator.mediaDevices.getUserMedia({ video: true }).then(() => 1)")
    await asyncio.gather(alice.get("(phone.showCamera(true), 1)"), bob.get("(phone.hold(), 1)"))
    await bob.reaches(1, "held")
    await alice.until("!phone.lines[0].changing")
    await says(bob, alice, silence=True)
    await bob.click("hold", 1)
    await bob.reaches(1, "active")
    await bob.until("(seen => seen && seen[0] > 150 && seen[2] < 90)(ears.seen(1))")
    await hear_each_other(alice, bob)
    await alice.hang_up()
