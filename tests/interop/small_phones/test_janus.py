"""The small phone on janus.js and the SIP plugin: two people of the demo call each other with it."""

from __future__ import annotations

import pytest

from tests.interop.small_phones.conftest import Comer
from tests.interop.small_phones.person import dial, hear_each_other, hears_nothing_of

PAGE, LIBRARY = "/phone-janus/", "janus.js"

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("browser_name", ["chromium", "firefox"]),
]


async def test_two_tabs_call_each_other(comes: Comer):
    alice, bob = await comes("alice"), await comes("bob")
    await alice.click("call-bob")
    await bob.calls("incoming")
    assert await bob.text("other") == "Alice"
    await alice.calls("ringing")
    await bob.click("answer")
    for one in (alice, bob):
        await one.calls("up")
    await hear_each_other(alice, bob)

    await alice.click("hold")
    await alice.calls("held")
    await bob.says("the other side holds")
    await hears_nothing_of(alice, bob)
    await alice.click("hold")
    await alice.calls("up")
    await hear_each_other(alice, bob)

    await alice.click("mute")
    await hears_nothing_of(bob, alice)
    await alice.click("mute")

    await dial(alice, bob, "5#1")
    await bob.says("they pressed 5#1")

    await bob.click("end")
    for one in (alice, bob):
        await one.calls()


async def test_a_call_is_declined_or_given_up(comes: Comer):
    alice, bob = await comes("alice"), await comes("bob")
    await alice.click("call-bob")
    await bob.calls("incoming")
    await bob.click("end")
    await alice.says("603")
    await bob.calls()
    await bob.click("call-alice")
    await alice.calls("incoming")
    await bob.click("end")
    await alice.calls()
