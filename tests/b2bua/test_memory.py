"""Calls that have ended leave nothing that only the garbage collector could free: its full pass stops all media."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter

from boringsdp.sip.session.events import Ended, Failed, Ringing
from tests.b2bua.house import House, Phone, talk

CALLS = 5


def alive() -> Counter[str]:
    """Our objects by class that a call may leave."""
    names = (f"{type(thing).__module__}.{type(thing).__qualname__}" for thing in gc.get_objects())
    return Counter(name for name in names if name.startswith(("boringsdp.b2bua", "boringsdp.call", "boringsdp.sip.session")))


async def round_of_calls(alice: Phone, bob: Phone, house: House) -> None:
    for number in range(CALLS):
        await talk(alice, bob, bob.uri)
        (alice if number % 2 else bob).call.hang_up()
        await (bob if number % 2 else alice).hears(Ended)
        alice.calls(bob.uri)
        call = await bob.rings()
        call.session.ring()
        await alice.hears(Ringing)
        if number % 2:
            call.session.reject(486)
        else:
            alice.call.hang_up()
        await alice.hears(Failed if number % 2 else Ended)
    await asyncio.sleep(0.3)
    house.records.clear()
    for phone in (alice, bob):
        phone.talk.news.clear()
        phone.talk.all.clear()
        phone.ear.news.clear()
        phone.ear.all.clear()
        phone.session = None


async def test_nothing_is_left(house: House):
    alice, bob = await house.phone("alice"), house.telephone("bob")
    await round_of_calls(alice, bob, house)
    gc.collect()
    gc.disable()
    try:
        before = alive()
        await round_of_calls(alice, bob, house)
        left = alive() - before
        lingering = ("boringsdp.sip.session",)  # for what comes again of an INVITE, 32 s long
        assert not {name: count for name, count in left.items() if not name.startswith(lingering)}
    finally:
        gc.enable()
