"""Whole calls by chance: commands at any time, messages late, out of order and lost. Whatever happens, each side ends once and agrees."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

from boringsdp.errors import Exhausted, WrongState
from boringsdp.sip.message import Message, Request
from boringsdp.sip.session import Prack, SessionSettings, State
from boringsdp.sip.session.events import Cancelled, Ended, Failed, OfferReceived
from tests.support.sip_sessions import OFFER, Side, World, sdp

CALLS = 150
REPEATED = ("SIP/2.0 18", "SIP/2.0 200", "ACK")
"""What sessions repeat; the rest is for transactions to repeat, which are not here."""


class Chance:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.world = World(fate=self.fate)
        self.world.callee_settings = self.settings()
        self.world.forks = self.random.choice([1, 1, 2, 3])
        self.version = 1
        self.lossy = self.random.random() < 0.5

    def settings(self) -> SessionSettings:
        return SessionSettings(
            prack=self.random.choice(list(Prack)),
            session_expires=self.random.choice([0, 90, 1800]),
            min_se=self.random.choice([90, 90, 120]),
            allow=self.random.choice([SessionSettings().allow, ("INVITE", "ACK", "BYE", "CANCEL")]),
        )

    def fate(self, side: Side, message: Message) -> float | None:
        repeated = message.start_line.startswith(REPEATED) and (
            isinstance(message, Request) or "INVITE" in (message.headers.get("CSeq") or "")
        )
        if self.lossy and repeated and self.random.random() < 0.3:
            return None
        return self.random.choice([0.01, 0.01, 0.1, 0.5, self.random.random() * 2])

    def sdp(self, side: Side) -> bytes:
        self.version += 1
        return sdp(side.name, self.version)

    def step(self, side: Side) -> None:
        """Give a side a command that it may or may not allow at that time."""
        choices = {
            "ring": lambda: side.do("ring"),
            "progress": lambda: side.do("progress", self.sdp(side)),
            "accept": lambda: side.do("accept", self.sdp(side)),
            "offer": lambda: side.do("offer", self.sdp(side)),
            "update": lambda: side.do("offer", self.sdp(side), by="UPDATE"),
            "no offer": lambda: side.do("offer", None),
            "info": lambda: side.do("request", "INFO"),
            "refuse": lambda: side.do("refuse"),
            "hang up": lambda: side.do("hang_up") if self.random.random() < 0.1 else None,
            "reject": lambda: side.do("reject", 486) if self.random.random() < 0.1 else None,
        }
        with suppress(WrongState, Exhausted):
            choices[self.random.choice(list(choices))]()

    def answer_all(self) -> None:
        for side in self.world.sides:
            for tag in [*side.session.remote_tags] if not side.done else []:
                with suppress(WrongState):
                    side.do("answer", self.sdp(side), tag=tag)

    def play(self) -> list[Side]:
        self.world.call(self.random.choice([OFFER, OFFER, None]), settings=self.settings())
        for _ in range(40):
            self.world.run(self.random.random())
            for side in [side for side in self.world.sides if not side.done]:
                self.step(side)
            if self.random.random() < 0.7:
                self.answer_all()
        return self.world.sides


@pytest.mark.parametrize("seed", range(CALLS))
def test_whatever_happens_each_side_ends_once_and_agrees(seed):
    chance = Chance(seed)
    world, sides = chance.world, chance.play()
    chance.lossy = False
    for _ in range(8):
        chance.answer_all()
        world.run(10)
    up = [side for side in sides if side.session.state is State.CONFIRMED]
    assert len(up) in (0, 2)
    if up:
        one, other = up
        assert (one.session.local_sdp, one.session.remote_sdp) == (other.session.remote_sdp, other.session.local_sdp)
        up[chance.random.randrange(2)].do("hang_up")
    world.run(300)
    for side in sides:
        if side.done and not side.heard and len(side.responses("INVITE", 421, 422)):
            continue  # refused at the door
        ends = [event for event in side.heard if isinstance(event, (Ended, Failed, Cancelled))]
        assert len(ends) == 1, (side.name, side.session.state, side.heard)
        assert side.done
        late = side.heard[side.heard.index(ends[0]) :]
        assert not [event for event in late if isinstance(event, OfferReceived)]
    assert not [response for side in sides for response in side.responses("BYE", 500)], "a BYE has the highest number"


@pytest.mark.parametrize("seed", range(60))
def test_no_message_that_parses_breaks_a_session(seed):
    """Header lines dropped, doubled, swapped and changed in places: whatever still is a sound message is dealt with."""
    chance = Chance(seed)

    def mangle(octets: bytes) -> bytes:
        dice = chance.random
        if dice.random() < 0.7:
            return octets
        head, _, body = octets.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        at = dice.randrange(1, len(lines))
        match dice.randrange(4):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, lines[dice.randrange(1, len(lines))])
            case 2:
                name, _, value = lines[at].partition(b":")
                where = dice.randrange(len(value) + 1)
                lines[at] = name + b":" + value[:where] + bytes([dice.randrange(33, 127)]) + value[where + 1 :]
            case 3:
                name = lines[at].partition(b":")[0]
                lines[at] = name + b": " + dice.choice([b"", b"0", b"99999999999", b"<sip:", b"x;y=;z", b"sip:a@b", b",", b"timer, 100rel"])
        return b"\r\n".join(lines) + b"\r\n\r\n" + body

    chance.world.mangle = mangle
    for side in chance.play():
        side.do("hang_up")
    chance.world.run(400)
