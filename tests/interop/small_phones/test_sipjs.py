"""The small phone on SIP.js: it registers at the gateway, calls, is called, holds, dials digits and transfers, by SIP over WebSocket."""

from __future__ import annotations

import pytest

from tests.interop.small_phones.conftest import OFFICE, Comer
from tests.interop.small_phones.person import connect, dial, hear_each_other, hears_itself, hears_nothing_of

PAGE, ACCOUNT = "/phone-sipjs/", {"domain": OFFICE}

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("browser_name", ["chromium", "firefox"]),
]


async def test_two_clicks_to_the_echo(comes: Comer):
    alice = await comes("alice")
    await alice.click("call-echo")
    await alice.calls("up")
    await hears_itself(alice)
    await alice.click("hold")
    await alice.calls("held")
    await alice.click("hold")
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

    for one, other in ((alice, bob), (bob, alice)):
        await one.click("hold")
        await one.calls("held")
        await other.says("the other side holds")
        await hears_nothing_of(one, other)
        await one.click("hold")
        await one.calls("up")
        await hear_each_other(alice, bob)

    await dial(alice, bob, "5#1")
    await alice.click("mute")
    await hears_nothing_of(bob, alice)
    await alice.click("mute")
    await hear_each_other(alice, bob)

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
    await alice.fill("transfer-to", f"carol@{OFFICE}")
    await alice.click("transfer-go")
    await carol.calls("incoming")
    await carol.click("answer")
    await carol.calls("up")
    await alice.calls()
    await bob.calls("up")
    await hear_each_other(bob, carol)
    await carol.click("end")
    await bob.calls()


async def test_a_call_is_transferred_to_the_echo(comes: Comer):
    alice, bob = await comes("alice"), await comes("bob")
    await connect(alice, bob)
    await alice.click("hold")
    await alice.calls("held")
    await alice.fill("transfer-to", "echo")
    await alice.click("transfer-go")
    await alice.calls()
    await bob.calls("up")
    await hears_itself(bob)
    await bob.click("end")
    await bob.calls()


async def test_a_transfer_that_is_declined_leaves_the_call(comes: Comer):
    alice, bob, carol = await comes("alice"), await comes("bob"), await comes("carol")
    await connect(alice, bob)
    await alice.fill("transfer-to", f"carol@{OFFICE}")
    await alice.click("transfer-go")
    await carol.calls("incoming")
    await carol.click("end")
    await alice.says("not transferred: 603")
    await hear_each_other(alice, bob)
    await alice.click("end")
    await bob.calls()


async def test_a_call_is_joined_with_another(comes: Comer):
    """Attended transfer: bob speaks with carol before alice does."""
    alice, bob, carol = await comes("alice"), await comes("bob"), await comes("carol")
    await connect(alice, bob)
    await bob.click("hold")
    await bob.calls("held")
    await connect(bob, carol, f"carol@{OFFICE}")
    await bob.calls("up", "held")
    await bob.click("join")
    await bob.calls()
    for one in (alice, carol):
        await one.calls("up")
    await hear_each_other(alice, carol)
    await carol.click("end")
    await alice.calls()


async def test_a_lost_connection_keeps_the_call(comes: Comer):
    alice, bob = await comes("alice"), await comes("bob")
    await connect(alice, bob)
    await alice.page.evaluate("() => { window.lost = window.phone.agent.transport.ws; window.lost.close(4000); }")
    await alice.until("() => window.phone.agent.transport.isConnected() && window.phone.agent.transport.ws !== window.lost")
    await alice.ready()
    await alice.calls("up")
    await hear_each_other(alice, bob)
    await bob.click("hold")
    await bob.calls("held")
    await alice.says("the other side holds")
    await alice.click("end")
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
