"""Phones that call, transfer and take over each other's calls as it comes to their minds: at the end nothing is left of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from typing import Any

import pytest

from boringsdp.b2bua.plan import Kind
from boringsdp.b2bua.settings import Refer as Way
from boringsdp.errors import BoringError
from boringsdp.sip.account import FlowAbandoned, IncomingCall, ReferReceived
from boringsdp.sip.facades import Session
from boringsdp.sip.session.events import OfferReceived
from tests.b2bua.house import House, Phone
from tests.call.phone import browser_answer

FIRST = int(os.environ.get("FUZZ_SEED") or 0)
SEEDS = range(FIRST, FIRST + int(os.environ.get("FUZZ_SCALE") or 1) * 6)
STEPS = 60


class Whims:
    """A phone with any number of calls."""

    def __init__(self, phone: Phone, chance: random.Random) -> None:
        self.phone = phone
        self.chance = chance
        self.sessions: list[Session] = []
        self.coming: list[tuple[Session, bytes]] = []
        phone.ear.then = self._hear

    @property
    def up(self) -> list[Session]:
        return [session for session in self.sessions if not session.over and session.dialog is not None]

    def _hear(self, event: Any) -> None:
        if isinstance(event, IncomingCall):
            event.session.hear = self._hears(event.session)
            self.coming.append((event.session, event.sdp or b""))

    def _hears(self, session: Session) -> Any:
        def hear(event: Any) -> None:
            if isinstance(event, ReferReceived) and self.chance.random() < 0.7:
                with contextlib.suppress(BoringError):
                    self._calls(event.refer.target, refer=event.refer)
            elif isinstance(event, OfferReceived):
                with contextlib.suppress(BoringError, AssertionError, IndexError):
                    if self.chance.random() < 0.9:
                        session.answer(self._answer(event.sdp), tag=event.tag)
                    else:
                        session.refuse(488, tag=event.tag)

        return hear

    def _answer(self, offer: bytes | None) -> bytes:
        if not offer:
            return self.phone.offer()
        return browser_answer(offer.decode(), "sendrecv").encode() if self.phone.browser else self.phone.answer(offer)

    def answers(self) -> None:
        """Do something about a call that has come."""
        session, offer = self.coming.pop(0)
        self.sessions.append(session)
        what = self.chance.random()
        if what < 0.2:
            session.reject(self.chance.choice((486, 603, 480)))
        elif what < 0.4:
            session.ring()
            self.coming.append((session, offer))
        else:
            session.accept(self._answer(offer))

    def act(self, others: list[Whims], uris: dict[Whims, str]) -> None:
        """Do something, which may be out of turn."""
        other = self.chance.choice([each for each in others if each is not self])
        mine, theirs = self.up, other.up
        acts: list[Any] = []
        if len(mine) < 2:
            acts += [lambda: self._calls(uris[other])] * 2
        if mine:
            one = self.chance.choice(mine)
            acts += [lambda: one.refer(uris[other], hear=lambda event: None)] * 3
            acts += [lambda: one.offer(self.phone.offer()), lambda: one.hang_up()]
        if len(mine) > 1:
            acts += [lambda: mine[0].refer(uris[other], hear=lambda event: None, replaces=mine[1])] * 4
        if theirs:
            named = self.chance.choice(theirs)
            acts.append(lambda: self._calls(uris[other], headers=[("Replaces", named.replaces_text)]))
        if self.coming and self.chance.random() < 0.7:
            acts = [self.answers]
        with contextlib.suppress(BoringError, AssertionError, IndexError):
            self.chance.choice(acts)()

    def _calls(self, uri: str, **more: Any) -> None:
        ears: list[Any] = []
        session = self.phone.account.invite(
            uri, None if self.chance.random() < 0.1 else self.phone.offer(), hear=lambda event: ears[0](event) if ears else None, **more
        )
        ears.append(self._hears(session))
        self.sessions.append(session)


def lose(house: House, chance: random.Random) -> None:
    """A browser that is in some call does not come back."""
    sides = [side for bridge in house.front.bridges() for side in (bridge.caller, bridge.callee) if side is not None]
    flows = [side.session.flow for side in sides if side.kind is Kind.BROWSER and side.session.flow is not None]
    if flows:
        house.front.hear_web(FlowAbandoned(chance.choice(flows)))


@pytest.fixture
def front_settings(seed: int) -> dict[str, Any]:
    return {"refer": (Way.LOCAL, Way.AUTO, Way.PASS)[seed % 3]}


@pytest.mark.parametrize("seed", SEEDS)
async def test_whoever_transfers_whom_it_ends(house: House, seed: int, caplog: pytest.LogCaptureFixture):
    chance = random.Random(seed)
    browsers = [await house.phone(name) for name in ("alice", "carol", "dave")]
    people = [Whims(phone, chance) for phone in (*browsers, house.telephone("bob"), house.telephone("erin"))]
    uris = {each: each.phone.uri for each in people}
    inside = {each: house.number(each.phone.uri[4:].partition("@")[0]) for each in people}
    for _ in range(STEPS):
        one = chance.choice(people)
        if chance.random() < 0.02:
            lose(house, chance)
        one.act(people, uris if one.phone.browser else inside)
        await asyncio.sleep(chance.choice((0, 0, 0.002, 0.01)))
    async with asyncio.timeout(15):
        while house.front.bridges() or len(house.front.transfers):
            for each in people:
                for session in [*each.sessions, *each.phone.account.sessions, *(session for session, _ in each.coming)]:
                    session.hang_up()
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.1)
    assert len(house.calls) == 0
    assert not [line.getMessage() for line in caplog.records if line.levelname == "ERROR"]
