"""The small phone on janus.js and the SIP plugin: two people of the demo call each other with it."""

from __future__ import annotations

import pytest

from tests.interop.small_phones.conftest import Comer
from tests.interop.small_phones.person import connect, dial, hear_each_other, hears_itself, hears_nothing_of

PAGE, ACCOUNT = "/phone-janus/", {"password": ""}

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("browser_name", ["chromium", "firefox"]),
]


async def test_the_echo_is_called_as_a_telephone_of_this_machine(comes: Comer):
    alice = await comes("alice")
    await alice.click("call-echo")
    await alice.calls("up")
    await hears_itself(alice)
    await alice.click("end")
    await alice.calls()


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


async def test_a_call_is_transferred(comes: Comer):
    alice, bob, carol = await comes("alice"), await comes("bob"), await comes("carol")
    await connect(alice, bob)
    await alice.fill("transfer-to", "carol")
    await alice.click("transfer-go")
    await carol.calls("incoming")
    await carol.click("answer")
    await carol.calls("up")
    await alice.calls()
    await bob.calls("up")
    await hear_each_other(bob, carol)
    await carol.click("end")
    await bob.calls()


async def test_a_microphone_that_is_not_allowed_is_said_in_words(comes: Comer):
    alice, bob = await comes("alice"), await comes("bob")
    await alice.without_microphone()
    await alice.click("call-bob")
    await alice.says("The microphone is not allowed")
    await alice.calls()
    await bob.click("call-alice")
    await alice.calls("incoming")
    await alice.click("answer")
    await alice.says("The microphone is not allowed")
    for one in (alice, bob):
        await one.calls()
