"""Requests of any content, and clients and telephones that do anything in any order: never an error of our own, nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boringsdp.errors import JanusError, LocalError
from boringsdp.janus_api.actions import PluginFailed
from boringsdp.janus_api.plugin import Jsep
from boringsdp.sip.account import IncomingCall, ReferReceived
from boringsdp.sip.facades import Session
from boringsdp.sip.session.events import OfferReceived
from boringsdp.sip_plugin.reading import READERS, parse_request
from tests.call.phone import CHROMIUM, plain
from tests.sip_plugin.conftest import Client, World, answer, offer

KEYS = [
    "username", "type", "secret", "ha1_secret", "proxy", "headers", "uri", "event", "content", "code", "digit", "direction", "master_id",
    "srtp", "refer_id", "identities", "incoming_header_prefixes", "contact_params", "action", "audio", "streams", "call_id", "to",
]  # fmt: skip
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=20), st.sampled_from(["sip:a@b", "tel:+1", "guest", "helper", "sip:[::1]"]),
    st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3), st.lists(st.text(max_size=5), max_size=3),
)  # fmt: skip


@given(st.sampled_from(sorted(READERS)), st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6))
@settings(max_examples=300, deadline=None)
def test_requests_are_read_or_refused(name: str, members: dict[str, Any]):
    with contextlib.suppress(JanusError):
        parse_request({"request": name, **members})


class Chaos:
    """A client with a helper line, a telephone, and what they may do."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.dice = random.Random(seed)
        self.lines = [world.guest(helpers_on_demand=True), world.client()]
        master_id = next(iter(world.plugin.masters))
        self.lines[1].result({"request": "register", "type": "helper", "username": world.uri("alice"), "master_id": master_id})
        self.account = world.telephone()
        self.sessions: list[Session] = []
        self.offers: list[tuple[Session, str]] = []
        self.refers: list[Any] = []
        self.version = 1
        world.ear._then = self.hear

    def hear(self, event: Any) -> None:
        if isinstance(event, IncomingCall):
            self.keep(event.session)

    def keep(self, session: Session) -> None:
        self.sessions.append(session)
        session.hear = lambda event: self.hear_session(session, event)

    def hear_session(self, session: Session, event: Any) -> None:
        match event:
            case OfferReceived(tag=tag):
                self.offers.append((session, tag))
            case ReferReceived(refer=refer):
                refer.later()
                self.refers.append(refer)

    def sdp(self) -> bytes:
        self.version += 1
        direction = self.dice.choice(["sendrecv", "sendonly", "recvonly", "inactive"])
        formats = self.dice.choice(["0 101", "8", "0 8", "99"])
        return plain(9000 + self.dice.randrange(2), formats=formats, direction=direction, version=self.version).encode()

    def jsep(self, client: Client) -> Jsep | None:
        """An offer, an answer to the last offer that the client heard, or nothing."""
        offers = [event for event in client.events if event.get("jsep", {}).get("type") == "offer"]
        match self.dice.randrange(3):
            case 0 if offers:
                return answer(offers[-1])
            case 1:
                return offer(CHROMIUM.replace("a=sendrecv", self.dice.choice(["a=sendrecv", "a=recvonly"])))
        return None

    def ask(self) -> None:
        client = self.dice.choice(self.lines)
        if self.dice.random() < 0.5 and self.ask_in_turn(client):
            return
        bodies: list[dict[str, Any]] = [
            {"request": "call", "uri": self.world.peer(), "autoaccept_reinvites": self.dice.random() < 0.5},
            *[{"request": name} for name in ("accept", "progress", "update", "hangup", "hold", "unhold", "decline", "send_ringing")],
            {"request": "accept", "autoaccept_reinvites": False},
            {"request": "transfer", "uri": self.world.peer("carol")},
            {"request": "message", "content": "x"},
            {"request": "dtmf", "digits": "1"},
            {"request": self.dice.choice(["reset", "stats", "keyframe", "dtmf_info"]), "digit": "1"},
        ]
        try:
            client.ask(self.dice.choice(bodies), self.jsep(client))
        except JanusError as refused:
            assert refused.code in (465, 469, 471), refused  # noqa: PT017

    def ask_in_turn(self, client: Client) -> bool:
        """What a sensible application would ask now, if anything."""
        offers = [event for event in client.events if event.get("jsep", {}).get("type") == "offer"]
        phone = client.handle._side.call
        with contextlib.suppress(JanusError):
            if phone is None:
                client.ask({"request": "call", "uri": self.world.peer(), "autoaccept_reinvites": self.dice.random() < 0.5}, offer())
            elif phone.state.value == "invited":
                auto = self.dice.random() < 0.5
                client.ask({"request": "accept", "autoaccept_reinvites": auto}, answer(offers[-1]) if phone.offered else offer())
            elif phone.open.name in ("PEER", "BROWSER") and offers:
                client.ask({"request": "update"}, answer(offers[-1]))
            else:
                return False
            return True
        return False

    def act(self) -> None:
        """The telephone does something, in turn or not."""
        if self.dice.random() < 0.2 or not self.sessions:
            if len(self.sessions) > 40:
                return
            session = self.account.invite(self.world.uri("alice"), self.dice.choice([None, self.sdp()]), hear=lambda event: None)
            self.keep(session)
            return
        session = self.dice.choice(self.sessions)
        session2, tag = self.dice.choice(self.offers) if self.offers else (session, "")
        acts: list[Callable[[], object]] = [
            lambda: self.sessions[-1].accept(self.sdp()),
            lambda: session2.answer(plain(9000, version=self.version).encode(), tag=tag),
            lambda: self.sessions[-1].offer(self.dice.choice([None, self.sdp()])),
            session.ring,
            lambda: session.progress(self.sdp()),
            lambda: session.accept(self.sdp()),
            lambda: session.reject(486),
            lambda: session.offer(self.dice.choice([None, self.sdp()])),
            lambda: session2.answer(self.sdp(), tag=tag),
            lambda: session2.refuse(488, tag=tag),
            session.hang_up,
            lambda: session.send("INFO", content_type="a/b", body=b"x"),
            lambda: session.refer(self.world.peer("carol"), hear=lambda event: None),
            lambda: self.refers and self.refers.pop().reject(603),
        ]
        with contextlib.suppress(LocalError):  # out of turn
            self.dice.choice(acts)()


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_they_do(world: World, seed: int, caplog: pytest.LogCaptureFixture):
    chaos = Chaos(world, seed)
    for _ in range(60):
        chaos.ask() if chaos.dice.random() < 0.5 else chaos.act()
        for _ in range(chaos.dice.randrange(6)):
            await asyncio.sleep(0)
    for session in chaos.sessions:
        if not session.over:
            session.hang_up()
    for client in chaos.lines:
        client.ask({"request": "reset"})
    async with asyncio.timeout(5):
        while len(world.plugin.calls) or not all(line.handle._side.idle for line in chaos.lines):
            await asyncio.sleep(0.01)
            for client in chaos.lines:
                client.ask({"request": "reset"})
    failures = [news for client in chaos.lines for news in client.news if isinstance(news, PluginFailed)]
    assert failures == [], failures[0].error
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []
