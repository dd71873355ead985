"""Two browsers that change their call at the same moment: neither gets 491, for their libraries may end the call over it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
from pathlib import Path

import pytest

from boringsdp.errors import WrongState
from boringsdp.sdp import Direction, describe
from boringsdp.sip.session.events import AnswerReceived, Ended, OfferReceived, OfferRefused
from tests.b2bua.house import House, Phone, talk
from tests.call.phone import CHROMIUM

VIDEO = Path("tests/golden/captured/chromium-offer-audio-video-trickle.sdp").read_bytes().decode()
LISTENS = (Direction.SENDRECV, Direction.RECVONLY)
TALKS = (Direction.SENDRECV, Direction.SENDONLY)


class Person:
    """Somebody at a browser, who holds or not, with video or not; every offer is answered at once."""

    def __init__(self, phone: Phone) -> None:
        self.phone = phone
        self.holds = self.films = False
        self.waits = False
        """For the answer to an offer."""
        self.last: list[Direction] = []
        """Of the media as the gateway has said it last; of live streams only."""
        self.seen, self._version = len(phone.talk.all), 2

    def change(self, *, holds: bool, films: bool = False) -> None:
        self.holds, self.films = holds, self.films or films
        with contextlib.suppress(WrongState):  # an offer is to be answered first: as a browser that waits until it can offer
            self.phone.call.offer(self._sdp("sendonly" if holds else "sendrecv", 1 + self.films))
            self.waits = True

    async def follow(self) -> None:
        while True:
            for event in self.phone.talk.all[self.seen :]:
                self.seen += 1
                if isinstance(event, OfferReceived):
                    self.phone.call.answer(self._answer(event.sdp or b""), tag=event.tag)
                elif isinstance(event, AnswerReceived):
                    self.waits = False
                    self._hear(event.sdp)
            await asyncio.sleep(0.002)

    def _hear(self, sdp: bytes) -> int:
        medias = describe(sdp.decode()).medias
        self.last = [media.direction for media in medias if not media.rejected]
        return len(medias)

    def _answer(self, offer: bytes) -> bytes:
        streams = self._hear(offer)
        talks = self.last[0] in LISTENS
        listens = self.last[0] in TALKS and not self.holds
        direction = {(True, True): "sendrecv", (True, False): "sendonly", (False, True): "recvonly"}.get((talks, listens), "inactive")
        return self._sdp(direction, streams).replace(b"a=setup:actpass", b"a=setup:active")

    def _sdp(self, direction: str, streams: int) -> bytes:
        self._version += 1
        text = re.sub(r"(o=\S+ \S+) \d+", rf"\1 {self._version}", CHROMIUM if streams == 1 else VIDEO)
        return text.replace("a=sendrecv", f"a={direction}").encode()


async def meet(house: House) -> tuple[Person, Person]:
    alice, dave = await house.phone("alice"), await house.phone("dave")
    await talk(alice, dave, dave.uri)
    return Person(alice), Person(dave)


@contextlib.asynccontextmanager
async def following(*people: Person):
    tasks = [asyncio.ensure_future(person.follow()) for person in people]
    try:
        yield
        assert not [task for task in tasks if task.done()], [task.exception() for task in tasks if task.done()]
    finally:
        for task in tasks:
            task.cancel()


async def settled(*people: Person) -> None:
    """Wait until every offer is answered, and nothing more comes."""
    async with asyncio.timeout(2):  # less than any wait after a 491
        seen = -1
        while seen != (now := sum(person.seen for person in people)) or any(person.waits for person in people):
            seen = now
            await asyncio.sleep(0.06)


def refusals(house: House) -> list[str]:
    """What the gateway has refused with 491."""
    (bridge,) = house.front.bridges()
    drawn = [house.here.ladder(call_id) for call_id in bridge.notes.call_ids]
    assert all(drawn)
    return [line for text in drawn for line in text.splitlines() if "|-- 491" in line]


@pytest.mark.parametrize("order", [1, -1], ids=["caller first", "callee first"])
async def test_both_hold_and_resume_at_once(house: House, order: int):
    people = await meet(house)
    async with following(*people):
        for holds in (True, False) * 3:
            for person in people[::order]:
                person.change(holds=holds)
            await settled(*people)
            for person in people:
                assert not person.phone.talk.heard(OfferRefused)
                assert person.last[0] in ((Direction.SENDONLY, Direction.INACTIVE) if holds else (Direction.SENDRECV,))
    assert refusals(house) == []
    people[0].phone.call.hang_up()
    await people[1].phone.hears(Ended)


@pytest.mark.parametrize("seed", range(3))
async def test_both_do_what_they_like_at_any_time(house: House, seed: int):
    chance = random.Random(seed)
    people = await meet(house)
    async with following(*people):
        for _ in range(12):
            for person in chance.sample(people, 2):
                if chance.random() < 0.8 and not person.waits:
                    person.change(holds=chance.random() < 0.5)
                await asyncio.sleep(chance.choice((0, 0, 0.001, 0.003, 0.01)))
            if chance.random() < 0.3:
                await settled(*people)
        await settled(*people)
        for person in people:
            person.change(holds=False)
        await settled(*people)
        assert [person.last for person in people] == [[Direction.SENDRECV]] * 2
    assert not [person for person in people if person.phone.talk.heard(OfferRefused) or person.phone.talk.heard(Ended)]
    assert refusals(house) == []


@pytest.mark.parametrize("order", [1, -1], ids=["caller first", "callee first"])
@pytest.mark.parametrize("filmed", [0, 1])
async def test_a_new_stream_is_asked_for(house: House, order: int, filmed: int):
    """While the other side holds: the hold is what is answered at once."""
    people = await meet(house)
    films, holds = people[filmed], people[1 - filmed]
    async with following(*people):
        for person in people[::order]:
            person.change(holds=person is holds, films=person is films)
        await settled(*people)
        assert len(films.last) == 2, "the answer takes the video"
        assert len(holds.last) == 2, "the offer has the video"
        assert films.last[0] not in TALKS or films.last[0] is Direction.SENDONLY
    assert refusals(house) == []


async def test_a_renewal_that_crosses_an_offer(house: House):
    """What holds is told again, by an offer of the gateway's own; then who changes it is heard on the other side, and is told after."""
    people = await meet(house)
    (bridge,) = house.front.bridges()
    async with following(*people):
        for side, person in zip((bridge.caller, bridge.callee), people, strict=True):
            assert side is not None
            assert bridge.changes.renew(side)
            person.change(holds=True)
            await settled(*people)
            assert person.phone.talk.heard(AnswerReceived)
            other = people[1 - people.index(person)]
            assert other.last[0] in (Direction.SENDONLY, Direction.INACTIVE)
        for side, person in zip((bridge.callee, bridge.caller), people, strict=True):
            assert side is not None
            assert bridge.changes.renew(side)
            person.change(holds=False)
            await settled(*people)
        assert [person.last for person in people] == [[Direction.SENDRECV]] * 2
    assert refusals(house) == []


@pytest.mark.parametrize("order", [1, -1], ids=["caller first", "callee first"])
async def test_a_renewal_that_two_offers_cross(house: House, order: int):
    people = await meet(house)
    (bridge,) = house.front.bridges()
    async with following(*people):
        for holds in (True, False):
            assert bridge.changes.renew(bridge.caller)
            for person in people[::order]:
                person.change(holds=holds)
            await settled(*people)
            for person in people:
                assert person.last[0] in ((Direction.SENDONLY, Direction.INACTIVE) if holds else (Direction.SENDRECV,))
    assert refusals(house) == []
