"""Whole calls in a gateway of this process: agents with ICE, DTLS and SRTP on one side, telephones with media of any kind on the other."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from boringsdp import config
from boringsdp.app import Gateway
from boringsdp.sip.account import IncomingCall
from boringsdp.sip.endpoint import Endpoint
from boringsdp.sip.facades import Account, Session
from boringsdp.sip.session.events import Answered, Confirmed
from tests.interop.sip.agent import Agent
from tests.load.test_leaks import SETTINGS
from tests.support.gateway import free_port
from tests.support.janus_client import JanusClient
from tests.support.ng_peer import KINDS, Peer
from tests.support.sip_endpoints import Ear, at, endpoint, settings_of

NUMBERS = itertools.count(1)
LIMIT_S = 5.0


class Telephone:
    """A SIP account with media of its own. `kind` is a name of `KINDS`."""

    def __init__(self, there: Endpoint, user: str, peer: Peer) -> None:
        self.peer = peer
        self.ear = Ear()
        self.uri = str(at(there, user))
        self.account: Account = there.account(settings_of(self.uri), self.ear)
        self.talk = Ear()
        self.session: Session | None = None
        self.offer = ""
        self.edit: Callable[[str], str] = str
        """What is done to its own SDPs before they go."""

    async def rings(self) -> Session:
        """The next call."""
        call = await self.ear.hears(IncomingCall)
        call.session.hear = self.talk
        self.session, self.offer = call.session, (call.sdp or b"").decode()
        return call.session

    async def takes(self) -> None:
        """Answers what rings."""
        session = await self.rings()
        session.accept(self.edit(self.peer.answer(self.offer)).encode())
        await self.talk.hears(Confirmed)
        await self.peer.connect()

    async def calls(self, uri: str) -> None:
        """Calls; the answer is taken by `connected`."""
        self.session = self.account.invite(uri, self.edit(self.peer.offer()).encode(), hear=self.talk)

    async def connected(self) -> None:
        """Waits for the answer and opens the way."""
        answered = await self.talk.hears(Answered)
        assert answered.sdp is not None
        self.peer.take_answer(answered.sdp.decode())
        await self.peer.connect()


@dataclass
class Town:
    """A gateway, a Janus client, telephones."""

    gateway: Gateway
    janus: JanusClient
    there: Endpoint
    stack: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    @property
    def here(self) -> Endpoint:
        """The gateway's own endpoint."""
        assert self.gateway.sip.endpoint is not None
        return self.gateway.sip.endpoint

    async def agent(self, **more: Any) -> Agent:
        """Somebody at a browser with an account that needs no registrar; called at `uri_of`."""
        agent = await Agent.attach(self.janus, f"agent{next(NUMBERS)}")
        self.stack.callback(agent.close)
        await agent.guest(self.uri_of(agent), **more)
        return agent

    async def phone(self, kind: str = "AVP", **more: Any) -> Telephone:
        """A telephone."""
        phone = Telephone(self.there, f"phone{next(NUMBERS)}", await Peer.open(KINDS[kind], **more))
        self.stack.callback(phone.peer.close)
        return phone

    def uri_of(self, agent: Agent) -> str:
        """Where an agent is called."""
        return str(at(self.here, agent.user))


@contextlib.asynccontextmanager
async def running_town(**settings: str) -> AsyncIterator[Town]:
    """A gateway, with further settings where they are given, and its peers; gone afterwards."""
    own = {"sip.listen": "udp:127.0.0.1:0", "sip.sources": "127.0.0.0/8", "webrtc.port": str(free_port(socket.SOCK_DGRAM))}
    gateway = Gateway(config.load(None, {}, SETTINGS | own | settings).config)
    await gateway.start()
    try:
        host, port = gateway.janus.websocket_addresses[0]
        async with endpoint() as there, JanusClient(f"ws://{host}:{port}/") as janus:
            town = Town(gateway, janus, there)
            async with town.stack:
                yield town
    finally:
        await gateway.close()


async def hear_each_other(one: Peer, other: Peer) -> None:
    """What either says from now on is heard by the other, word for word, and nothing that fails to verify."""
    for speaker, listener in ((one, other), (other, one)):
        words = [bytes([next(NUMBERS) % 256]) * 160 for _ in range(5)]
        seen = len(listener.heard)
        async with asyncio.timeout(LIMIT_S):
            while not set(words) <= set(listener.heard[seen:]):
                for word in words:
                    speaker.speak(word)
                    await asyncio.sleep(0.01)
        assert not listener.faults, listener.faults


async def silent(speaker: Peer, listener: Peer) -> None:
    """What the speaker says does not reach the listener."""
    seen = len(listener.heard)
    for number in range(5):
        speaker.speak(bytes([number]) * 160)
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    assert len(listener.heard) == seen


def without_events(sdp: str) -> str:
    """Of a telephone that knows no telephone-event."""
    return sdp.replace(" 0 101\r\n", " 0\r\n").replace("a=rtpmap:101 telephone-event/8000\r\n", "")


def press(peer: Peer, digit: int, payload_type: int = 101, clock: int = 8000) -> None:
    """A whole telephone-event of 100 ms."""
    timestamp = peer.sequence * 160
    for end, ticks in ((0, clock // 50), (0x80, clock // 10), (0x80, clock // 10), (0x80, clock // 10)):
        peer.sequence += 1
        head = struct.pack("!BBHII", 0x80, payload_type, peer.sequence & 0xFFFF, timestamp, peer.ssrc)
        peer.send(head + bytes((digit, end | 10)) + ticks.to_bytes(2, "big"))


def digits_in(payloads: list[bytes]) -> list[int]:
    """The ends of telephone-events among what was heard, each once."""
    ends = [payload[0] for payload in payloads if len(payload) == 4 and payload[1] & 0x80]
    return ends[::3]
