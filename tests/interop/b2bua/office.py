"""A gateway for web phones with one domain, within the test's process; its pages, its users, and the lines of its records file."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from boringsdp.b2bua import records
from boringsdp.b2bua.front import Front
from boringsdp.b2bua.settings import B2buaSettings, DomainSettings, Mode
from boringsdp.call import Calls, CallSettings
from boringsdp.demo.phones import Phones, PhoneSettings, User
from boringsdp.relay import RelaySettings
from boringsdp.sip.account import Registered
from boringsdp.sip.digest import Credentials
from boringsdp.sip.endpoint import Endpoint
from boringsdp.sip.flow import Protocol
from boringsdp.sip.settings import SipSettings
from boringsdp.sip.transport import TransportSettings
from boringsdp.sip.transport.settings import TlsSettings
from boringsdp.sip.uri import parse_sip_uri
from tests.interop.b2bua.web_user import WebUser
from tests.interop.conftest import own_address
from tests.support.engines import make_relay
from tests.support.sip_endpoints import LOOPBACK, Ear, endpoint, settings_of

DOMAIN = "office.example"
USERS = tuple(User(name, name[0], name.title()) for name in ("alice", "bob", "carol"))
INSTANCES = itertools.count(1)
RECORD_S = 6.0
LISTEN = ("udp:127.0.0.1:0", "tcp:127.0.0.1:0", "udp:[::1]:0", "tcp:[::1]:0", "ws:127.0.0.1:0")
Record = dict[str, Any]


@dataclass
class Office:
    """`pages` is where the web phone's page is, `sip` where the PBX calls users (host and port, UDP)."""

    front: Front
    here: Endpoint
    stack: contextlib.AsyncExitStack
    pages: str
    file: Path
    read: int = 0

    async def web_user(self, user: str = "alice", password: str = "", *, register: bool = True) -> WebUser:
        """Somebody at a web phone with a WebSocket of their own, registered."""
        there = await self.stack.enter_async_context(endpoint(LOOPBACK, "udp:127.0.0.1:0"))
        ear, identity = Ear(), f"sip:{user}@{DOMAIN}"
        settings = settings_of(
            identity,
            credentials=(Credentials(user, password or user[0]),),
            outbound_proxy=parse_sip_uri(f"sip:127.0.0.1:{self._port(Protocol.WS)};transport=ws"),
            instance=f"urn:uuid:00000000-0000-4000-8000-{next(INSTANCES):012d}",
        )
        made = WebUser(there, there.account(settings, ear), ear, identity)
        self.stack.callback(made.close)
        if register:
            made.account.register()
            await ear.hears(Registered)
        return made

    @property
    def sip(self) -> str:
        return f"127.0.0.1:{self._port(Protocol.UDP)}"

    def _port(self, protocol: Protocol) -> int:
        return next(listen.port for listen in self.here.addresses() if listen.protocol is protocol)

    async def record(self) -> Record:
        """The next line of the records file."""
        return (await self.records(1))[0]

    async def records(self, count: int) -> list[Record]:
        """The next lines of the records file."""
        try:
            async with asyncio.timeout(RECORD_S):
                while len(lines := self._lines()) < self.read + count:  # noqa: ASYNC110 (a file)
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"{len(self._lines())} records; calls: {list(self.front.bridges())}") from None
        self.read += count
        return [json.loads(line) for line in lines[self.read - count : self.read]]

    def _lines(self) -> list[str]:
        return self.file.read_text().splitlines() if self.file.exists() else []


@contextlib.asynccontextmanager
async def running_office(
    folder: Path, *, domain: dict[str, Any] | None = None, authorities: Path | None = None, **more: Any
) -> AsyncIterator[Office]:
    """A gateway; `domain` are settings of its domain (a registrar's, by default), `more` those of the front. At its end no call is left."""
    number = next(INSTANCES)
    users, file = folder / f"users{number}", folder / f"records{number}"
    users.write_text("".join(f"{user.user}:{user.password}\n" for user in USERS))
    relay = make_relay(
        RelaySettings(webrtc_hosts=(own_address(),), plain_hosts=("127.0.0.1", "::1"), plain_ports=(42000, 42400), port_rest_s=0.0)
    )
    await relay.start()
    here = Endpoint(SipSettings(transport=TransportSettings(listen=LISTEN, tls=TlsSettings(authorities=authorities))))
    await here.start()
    own = {"mode": Mode.REGISTRAR, "users": str(users), **(domain or {})}
    own["pbx"] = tuple(parse_sip_uri(uri) for uri in own.get("pbx", ()))
    settings = B2buaSettings(domains={DOMAIN: DomainSettings(name=DOMAIN, **own)}, records=str(file), **more)
    calls = Calls(relay, CallSettings())
    front = Front(settings, here, calls)
    await front.start()
    app = web.Application()
    app.add_routes(Phones(PhoneSettings(websocket="/sip", domain=DOMAIN, users=USERS), lambda: 0, lambda: "").routes())
    app.router.add_get("/sip", here.websockets().handle)
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "LAST_MESSAGES_S", 0.3)
        try:
            async with contextlib.AsyncExitStack() as stack:
                office = Office(front, here, stack, f"http://127.0.0.1:{runner.addresses[0][1]}/", file)
                yield office
                async with asyncio.timeout(PATIENCE_S):
                    while len(calls) or list(front.bridges()):  # noqa: ASYNC110 (what ends with packets)
                        await asyncio.sleep(0.02)
        finally:
            await front.close()
            await runner.cleanup()
            await here.close()
            await relay.close()


PATIENCE_S = 5.0
