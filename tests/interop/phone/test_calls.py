"""The web phone's calls, clicked in real browsers: to be answered, refused, given up, held and muted."""

from __future__ import annotations

import asyncio

import pytest

from tests.interop.phone.tab import connect, hear_each_other, says

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("browser_name", ["chromium", "firefox"]),
]


async def test_two_tabs_call_each_other(alice, bob):
    await alice.dial("bob")
    await bob.shows("party", "Alice", 1)
    assert "Incoming call" in await bob.text("line-state", 1)
    await alice.reaches(1, "ringing")
    assert 440 in await bob.get("ears.tones")
    assert 425 in await alice.get("ears.tones")
    assert "Alice calls" in await bob.get("document.title")
    await bob.click("answer", 1)
    for tab in (alice, bob):
        await tab.reaches(1, "active")
    await hear_each_other(alice, bob)
    await bob.click("hang-up", 1)
    for tab in (alice, bob):
        await tab.reaches(1, "")
        assert await tab.get("[...document.querySelectorAll('[data-testid=history-row]')].map(one => one.dataset.outcome)") == ["answered"]
    await alice.shows("history-row", "Bob")
    assert await alice.get("[...document.querySelectorAll('.notice.error')].map(one => one.innerText)") == []


async def test_declined(alice, bob):
    await alice.dial("bob")
    await bob.click("decline", 1)
    await alice.shows("notice-error", "declined")
    for tab, outcome in ((alice, "failed"), (bob, "declined")):
        await tab.reaches(1, "")
        assert await tab.get("phone.history.records[0].outcome") == outcome


async def test_given_up(alice, bob):
    await alice.dial("bob")
    await bob.reaches(1, "incoming")
    await alice.click("hang-up", 1)
    for tab, outcome in ((alice, "cancelled"), (bob, "missed")):
        await tab.reaches(1, "")
        assert await tab.get("phone.history.records[0].outcome") == outcome
    await asyncio.sleep(0.2)
    assert await bob.get("ears.notified") == []  # not switched on


async def test_nobody_by_that_name(alice):
    await alice.dial("nobody")
    await alice.shows("notice-error", "Nobody is known there")
    await alice.reaches(1, "")


async def test_hold_and_resume(alice, bob):
    await connect(alice, bob)
    await hear_each_other(alice, bob)
    await alice.click("hold", 1)
    await bob.shows("remark", "put you on hold")
    await alice.reaches(1, "held")
    await says(alice, bob, silence=True)
    await says(bob, alice, silence=True)
    await alice.click("hold", 1)
    await alice.reaches(1, "active")
    await hear_each_other(alice, bob)
    await bob.click("hold", 1)
    await alice.shows("remark", "put you on hold")
    await bob.reaches(1, "held")
    await bob.click("hold", 1)
    await bob.reaches(1, "active")
    await hear_each_other(alice, bob)


async def test_mute(alice, bob):
    await connect(alice, bob)
    await alice.click("mute", 1)
    await alice.shows("remark", "muted")
    await says(alice, bob, silence=True)
    await says(bob, alice)
    await alice.click("mute", 1)
    await hear_each_other(alice, bob)


async def test_digits_by_info(alice, bob):
    await alice.click("open-settings")
    await alice.write("digits", "info")
    await alice.click("close-settings")
    await connect(alice, bob)
    await alice.click("keypad", 1)
    for key in ("tone-5", "tone-pound"):
        await alice.click(key, 1)
    await alice.until("ears.came.filter(text => text.startsWith('SIP/2.0 200') && /^CSeq: \\d+ INFO/m.test(text)).length === 2")
    assert await alice.text("sent-digits", 1) == "5#"


async def test_a_video_call_is_answered_with_video(alice, bob):
    await alice.write("target", "bob")
    await alice.click("call-video")
    await bob.reaches(1, "incoming")
    assert "Incoming video call" in await bob.text("line-state", 1)
    await bob.click("answer-video", 1)
    await bob.until("(seen => seen && seen[0] > 150 && seen[2] < 90)(ears.seen(1))")
    await alice.until("(seen => seen && seen[2] > 150 && seen[0] < 90)(ears.seen(1))")
    await hear_each_other(alice, bob)
    await alice.hang_up()


async def test_video(alice, bob):
    await connect(alice, bob)
    await alice.click("video", 1)
    red = "(seen => seen && seen[0] > 150 && seen[2] < 90)(ears.seen(1))"
    blue = "(seen => seen && seen[2] > 150 && seen[0] < 90)(ears.seen(1))"
    await bob.until(red)
    await bob.click("video", 1)
    await alice.until(blue)
    await hear_each_other(alice, bob)
    await alice.click("video", 1)
    await bob.until("!ears.seen(1)")
    await hear_each_other(alice, bob)
    await alice.hang_up()
    assert await bob.get("phone.history.records[0].video") is True
