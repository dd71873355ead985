"""A front for web phones with what it needs, in one process on loopback: browsers that are our own stack over WebSocket, a PBX on UDP."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from boringsdp.b2bua.front import Front
from boringsdp.b2bua.policy import Routing
from boringsdp.b2bua.record import CallRecord
from boringsdp.b2bua.settings import B2buaSettings, DomainSettings, Mode
from boringsdp.call import Calls, CallSettings
from boringsdp.relay import RelaySettings
from boringsdp.sip.account import IncomingCall, Registered
from boringsdp.sip.digest import Credentials
from boringsdp.sip.endpoint import Endpoint
from boringsdp.sip.facades import Account, Session
from boringsdp.sip.flow import Protocol
from boringsdp.sip.session.events import Answered, Confirmed
from boringsdp.sip.uri import parse_sip_uri
from tests.call.phone import CHROMIUM, browser_answer, plain
from tests.support.engines import make_relay
from tests.support.sip_endpoints import LOOPBACK, Ear, at, endpoint, settings_of

DOMAIN = "example.com"
PASSWORD = "pa55word"
PATIENCE_S = 5.0
PORTS = itertools.count(9000, 2)
Event = TypeVar("Event")


class Phone:
    """Somebody with a SIP account: at a browser, or at the PBX. Its SDPs are texts; no media flows."""

    def __init__(self, there: Endpoint, account: Account, ear: Ear, uri: str, *, browser: bool) -> None:
        self.there = there
        self.account = account
        self.ear = ear
        self.uri = uri
        self.browser = browser
        self.talk = Ear()
        self.session: Session | None = None
        self.offered = b""

    def offer(self) -> bytes:
        return (CHROMIUM if self.browser else plain(next(PORTS))).encode()

    def answer(self, offer: bytes | None = None, direction: str = "sendrecv") -> bytes:
        if self.browser:
            return browser_answer((self.offered if offer is None else offer).decode(), direction).encode()
        return plain(next(PORTS), direction=direction).encode()

    def calls(self, uri: str, sdp: bytes | None = b"", **more: Any) -> Session:
        """Calls; without an SDP where it is None."""
        self.talk = Ear()
        self.session = self.account.invite(uri, self.offer() if sdp == b"" else sdp, hear=self.talk, **more)
        return self.session

    async def rings(self) -> IncomingCall:
        """The next call."""
        call = await self.ear.hears(IncomingCall)
        self.talk = call.session.hear = Ear()
        self.session, self.offered = call.session, call.sdp or b""
        return call

    async def takes(self) -> IncomingCall:
        """Answers the next call."""
        call = await self.rings()
        call.session.accept(self.answer() if call.sdp is not None else self.offer())
        await self.talk.hears(Confirmed)
        return call

    async def hears(self, kind: type[Event]) -> Event:
        return await self.talk.hears(kind)

    async def until(self, heard: Callable[[Ear], Any], within_s: float = PATIENCE_S) -> None:
        """Wait for something of what is heard in its call."""
        async with asyncio.timeout(within_s):
            while not heard(self.talk):  # noqa: ASYNC110 (rare, and other tasks hear it)
                await asyncio.sleep(0.01)

    @property
    def call(self) -> Session:
        assert self.session is not None
        return self.session


@dataclass
class House:
    """`here` is the gateway's endpoint, `pbx` that of the PBX."""

    front: Front
    here: Endpoint
    pbx: Endpoint
    calls: Calls
    stack: contextlib.AsyncExitStack
    records: list[CallRecord] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def phone(self, user: str = "alice", password: str = PASSWORD, **more: Any) -> Phone:
        """A browser that has registered, with a WebSocket of its own."""
        there = await self.stack.enter_async_context(endpoint(LOOPBACK, "udp:127.0.0.1:0"))
        proxy = at(self.here, "", Protocol.WS)
        identity = f"sip:{user}@{DOMAIN}"
        ear = Ear()
        settings = settings_of(
            identity,
            credentials=(Credentials(user, password),),
            outbound_proxy=replace(proxy, user=None),
            instance=f"urn:uuid:00000000-0000-4000-8000-{next(PORTS):012d}",
            **more,
        )
        account = there.account(settings, ear)
        account.register()
        await ear.hears(Registered)
        return Phone(there, account, ear, identity, browser=True)

    def telephone(self, user: str = "bob") -> Phone:
        """Somebody at the PBX."""
        ear = Ear()
        uri = at(self.pbx, user)
        return Phone(self.pbx, self.pbx.account(settings_of(uri), ear), ear, f"sip:{user}@{DOMAIN}", browser=False)

    def number(self, user: str) -> str:
        """Where the PBX calls a user here."""
        return str(at(self.here, user))

    async def record(self) -> CallRecord:
        """The next record."""
        async with asyncio.timeout(PATIENCE_S):
            while not self.records:
                self.came.clear()
                await self.came.wait()
        return self.records.pop(0)


class Watched:
    """A policy that another decides for, whose records are kept."""

    def __init__(self, routing: Routing) -> None:
        self.routing = routing
        self.tell: Callable[[CallRecord], None] = lambda record: None

    def from_browser(self, asked: Any) -> Any:
        return self.routing.from_browser(asked)

    def from_pbx(self, asked: Any) -> Any:
        return self.routing.from_pbx(asked)

    def record(self, record: CallRecord) -> None:
        self.tell(record)
        self.routing.record(record)


@contextlib.asynccontextmanager
async def running_house(
    folder: Path, *, make_routing: Callable[[B2buaSettings], Routing], domain: dict[str, Any] | None = None, **more: Any
) -> AsyncIterator[House]:
    """A front with a registrar domain and its PBX; `domain` and `more` change their settings."""
    users = folder / "users"
    users.write_text("".join(f"{name}:{PASSWORD}\n" for name in ("alice", "carol", "dave")))
    relay = make_relay(RelaySettings(plain_ports=(41000, 41400), port_rest_s=0.0))
    await relay.start()
    stack = contextlib.AsyncExitStack()
    try:
        async with endpoint(LOOPBACK, "ws:127.0.0.1:0", "udp:127.0.0.1:0", "tcp:127.0.0.1:0") as here, endpoint() as pbx:
            calls = Calls(relay, CallSettings(max_calls=50))
            own = DomainSettings(name=DOMAIN, mode=Mode.REGISTRAR, pbx=(replace(at(pbx, ""), user=None),), users=str(users))
            own = replace(own, **(domain or {}))
            settings = B2buaSettings(domains={DOMAIN: own}, **more)
            watched = Watched(make_routing(settings))
            front = Front(settings, here, calls, watched)
            house = House(front, here, pbx, calls, stack)

            def keep(record: CallRecord) -> None:
                house.records.append(record)
                house.came.set()

            watched.tell = keep
            await front.start()
            async with stack:
                yield house
            await front.close()
    finally:
        await relay.close()


async def talk(caller: Phone, callee: Phone, uri: str) -> None:
    """One calls the other, which answers."""
    caller.calls(uri)
    await callee.takes()
    await caller.hears(Answered)


__all__ = ["DOMAIN", "House", "Phone", "parse_sip_uri", "running_house", "talk"]
