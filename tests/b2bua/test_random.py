"""Calls in which each side does whatever comes to its mind: every one ends on both sides, once, with one record and nothing left."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from typing import Any

import pytest

from boringsdp.errors import BoringError
from boringsdp.sip.account import IncomingCall
from boringsdp.sip.session.events import OfferReceived
from tests.b2bua.house import House, Phone
from tests.call.phone import CHROMIUM, plain

SEEDS = range(int(os.environ.get("FUZZ_SEED") or 0), int(os.environ.get("FUZZ_SEED") or 0) + int(os.environ.get("FUZZ_SCALE") or 1) * 4)
STEPS = 25


class Whims:
    """One side of a call; the answers it owes are given, or not."""

    def __init__(self, phone: Phone, chance: random.Random) -> None:
        self.phone = phone
        self.chance = chance
        self.version = 1
        self.open: list[OfferReceived] = []

    def sdp(self) -> bytes:
        self.version += 1
        direction = self.chance.choice(("sendrecv", "sendonly", "inactive", "recvonly"))
        if self.phone.browser:
            text = CHROMIUM.replace("a=sendrecv", f"a={direction}")
            return text.replace(" 2 IN IP4", f" {self.version} IN IP4").encode()
        formats = self.chance.choice(("0 101", "8 101", "0 8 101"))
        return plain(9000 + 2 * self.chance.randrange(400), direction=direction, formats=formats, version=self.version).encode()

    def act(self) -> None:
        """Do something, which may be out of turn."""
        session = self.phone.session
        if session is None:
            return
        self.open += [event for event in self.phone.talk.news if isinstance(event, OfferReceived)]
        self.phone.talk.news.clear()
        offered = self.open.pop(0) if self.open else None
        acts: list[Any] = [
            lambda: session.ring(),
            lambda: session.progress(self.sdp()),
            lambda: session.accept(self.phone.answer() if self.phone.offered else self.sdp()),
            lambda: session.offer(self.sdp()),
            lambda: session.offer(None),
            lambda: session.offer(self.sdp(), by="UPDATE"),
            lambda: session.send("INFO", content_type="application/dtmf-relay", body=b"Signal=5\r\n"),
            lambda: session.send("MESSAGE", content_type="text/plain", body=b"Hi"),
        ]
        if self.chance.random() < 0.05:
            acts = [lambda: session.hang_up(), lambda: session.reject(486), lambda: session.reject(603)]
        if offered is not None and self.chance.random() < 0.8:
            acts = [lambda: session.answer(self.phone.answer(offered.sdp) if offered.sdp else self.sdp(), tag=offered.tag)]
        elif offered is not None:
            acts = [lambda: session.refuse(488, tag=offered.tag)]
        with contextlib.suppress(BoringError, AssertionError, IndexError):
            self.chance.choice(acts)()


@pytest.mark.parametrize("seed", SEEDS)
async def test_whatever_they_do_it_ends(house: House, seed: int, caplog: pytest.LogCaptureFixture):
    chance = random.Random(seed)
    alice, bob = await house.phone("alice"), house.telephone("bob")
    for number in range(4):
        caller, callee, uri = (alice, bob, bob.uri) if chance.random() < 0.5 else (bob, alice, house.number("alice"))
        caller.session = callee.session = None
        caller.calls(uri, None if chance.random() < 0.2 else b"")
        try:
            async with asyncio.timeout(2):
                call = await callee.ear.hears(IncomingCall)
        except TimeoutError:
            raise AssertionError(f"call {number} did not come: {caller.talk.all}") from None
        callee.session, callee.offered = call.session, call.sdp or b""
        call.session.hear = callee.talk = type(callee.talk)()
        sides = [Whims(caller, chance), Whims(callee, chance)]
        for _ in range(STEPS):
            chance.choice(sides).act()
            await asyncio.sleep(chance.choice((0, 0, 0.002, 0.01)))
        chance.choice(sides).phone.call.hang_up()
        sides[0].phone.call.hang_up()
        async with asyncio.timeout(10):
            while not (caller.call.over and callee.call.over and not house.front.bridges()):  # noqa: ASYNC110 (several wait)
                await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    assert len(house.calls) == 0
    assert len(house.records) == 4
    assert not [line for line in caplog.records if line.levelname == "ERROR"]
    assert {record.result for record in house.records} <= {"answered", "cancelled", "failed"}
    assert not [session for account in (alice.account, bob.account) for session in account.sessions]
