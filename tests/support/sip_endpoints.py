"""Endpoints on loopback, and ears that keep what they hear."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar

from boringsdp.sip.account import AccountSettings
from boringsdp.sip.endpoint import Endpoint
from boringsdp.sip.flow import Protocol, Target
from boringsdp.sip.locate import Place
from boringsdp.sip.settings import PolicySettings, SipSettings
from boringsdp.sip.transport import TransportSettings
from boringsdp.sip.transport.locator import Locator
from boringsdp.sip.uri import SipUri, parse_sip_uri

News = TypeVar("News")
PATIENCE_S = 5.0
LOOPBACK = SipSettings(
    transport=TransportSettings(listen=("udp:127.0.0.1:0", "tcp:127.0.0.1:0")),
    policy=PolicySettings(sources=("127.0.0.0/8", "::1/128")),
)
OFFER = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\n"
ANSWER = b"v=0\r\no=- 2 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40002 RTP/AVP 8\r\n"


class Names(Locator):
    """Hosts as told, nothing else."""

    def __init__(self, **hosts: list[Target]) -> None:
        self.hosts = hosts

    async def locate(self, place: Place, *, want: Protocol | None = None) -> list[Target]:
        return self.hosts.get(place.host.partition(".")[0], [])


class Ear:
    """`ear` is what to give as `hear`; `await ear.hears(Kind)` returns the next news of that kind, and drops what came before it."""

    patience_s = PATIENCE_S

    def __init__(self, then: Callable[[Any], None] | None = None) -> None:
        self.news: list[Any] = []
        self.all: list[Any] = []
        self.then = then
        self._came = asyncio.Event()

    def __call__(self, event: Any) -> None:
        self.news.append(event)
        self.all.append(event)
        self._came.set()
        if self.then is not None:
            self.then(event)

    async def hears(self, kind: type[News]) -> News:
        async with asyncio.timeout(self.patience_s):
            while True:
                while self.news:
                    event = self.news.pop(0)
                    if isinstance(event, kind):
                        return event
                self._came.clear()
                await self._came.wait()

    def heard(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.all if isinstance(event, kind)]


@asynccontextmanager
async def endpoint(settings: SipSettings = LOOPBACK, *listen: str, **hosts: list[Target]) -> AsyncIterator[Endpoint]:
    """A started endpoint, on other addresses when some are given."""
    if listen:
        settings = replace(settings, transport=replace(settings.transport, listen=listen))
    made = Endpoint(settings, locator=Names(**hosts))
    await made.start()
    try:
        yield made
    finally:
        await made.close()


def at(made: Endpoint, user: str, protocol: Protocol = Protocol.UDP) -> SipUri:
    """The URI of a user at an endpoint."""
    found = next(listen for listen in made.addresses() if listen.protocol is protocol)
    params = () if protocol is Protocol.UDP else (("transport", protocol.value.lower()),)
    return SipUri("sip", user, found.host, found.port, params)


def settings_of(identity: SipUri | str, **more: Any) -> AccountSettings:
    return AccountSettings(identity=parse_sip_uri(identity) if isinstance(identity, str) else identity, **more)
