"""Two calls at once in the web phone, and transfers, clicked in real browsers."""

from __future__ import annotations

import pytest

from tests.interop.phone.tab import connect, hear_each_other, says

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("browser_name", ["chromium", "firefox"]),
]


async def test_a_call_waits_and_the_two_are_swapped(alice, bob, carol):
    await connect(alice, bob)
    await carol.dial("alice")
    await alice.shows("party", "Carol", 2)
    await hear_each_other(alice, bob)
    await alice.click("answer", 2)
    await alice.reaches(2, "active")
    await alice.reaches(1, "held")
    await bob.shows("remark", "put you on hold")
    await hear_each_other(alice, carol, (2, 1))
    await says(alice, bob, silence=True)
    await alice.click("swap")
    await alice.reaches(1, "active")
    await alice.reaches(2, "held")
    await hear_each_other(alice, bob)
    await says(alice, carol, silence=True)
    await bob.click("hang-up", 1)
    await alice.reaches(1, "")
    await alice.click("hold", 2)  # resume
    await hear_each_other(alice, carol, (2, 1))


async def test_a_waiting_call_is_declined_and_the_other_goes_on(alice, bob, carol):
    await connect(alice, bob)
    await carol.dial("alice")
    await alice.click("decline", 2)
    await carol.shows("notice-error", "declined")
    assert await alice.state(1) == "active"
    await hear_each_other(alice, bob)


async def test_blind_transfer(alice, bob, carol):
    await connect(alice, bob)
    await alice.click("transfer", 1)
    await alice.write("transfer-target", "carol", 1)
    await alice.click("transfer-now", 1)
    await carol.click("answer", 1)
    await alice.shows("notice-info", "transferred to carol")
    await alice.reaches(1, "")
    await carol.reaches(1, "active")
    await bob.until("phone.lines.length === 1 && phone.lines[0].state === 'active'")
    (line,) = await bob.get("phone.lines.map(one => one.number)")
    await hear_each_other(bob, carol, (line, 1))


async def test_blind_transfer_to_the_echo(alice, bob):
    await connect(alice, bob)
    await alice.click("transfer", 1)
    await alice.write("transfer-target", "echo", 1)
    await alice.click("transfer-now", 1)
    await alice.shows("notice-info", "transferred to echo")
    await alice.reaches(1, "")
    await bob.until("phone.lines.length === 1 && phone.lines[0].state === 'active'")
    (line,) = await bob.get("phone.lines.map(one => one.number)")
    await says(bob, bob, line)


async def test_the_echo_is_not_transferred(alice):
    await alice.dial("echo")
    await alice.reaches(1, "active")
    await alice.click("transfer", 1)
    await alice.write("transfer-target", "bob", 1)
    await alice.click("transfer-now", 1)
    await alice.shows("notice-error", "The transfer to bob failed. The server does not allow it for this call.")
    await says(alice, alice)


async def test_blind_transfer_to_nobody(alice, bob):
    await connect(alice, bob)
    await alice.click("transfer", 1)
    await alice.write("transfer-target", "nobody", 1)
    await alice.click("transfer-now", 1)
    await alice.shows("notice-error", "The transfer to nobody failed")
    await alice.until("!phone.lines[0].transfer")
    await hear_each_other(alice, bob)


async def test_attended_transfer(alice, bob, carol):
    await connect(alice, bob)
    await alice.click("transfer", 1)
    await alice.write("transfer-target", "carol", 1)
    await alice.click("consult", 1)
    await alice.reaches(1, "held")
    await carol.click("answer", 1)
    await alice.reaches(2, "active")
    await hear_each_other(alice, carol, (2, 1))
    assert "Connect Bob with" in await alice.text("join")
    await alice.click("join")
    await alice.until("phone.lines.length === 0")
    for tab in (bob, carol):
        await tab.until("phone.lines.length === 1 && phone.lines[0].state === 'active'")
    (of_bob,) = await bob.get("phone.lines.map(one => one.number)")
    (of_carol,) = await carol.get("phone.lines.map(one => one.number)")
    await hear_each_other(bob, carol, (of_bob, of_carol))
