"""Web phones and their gateway: one process with the pages, SIP over WebSocket, three users, and media on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from boringsdp.b2bua.front import Front
from boringsdp.b2bua.settings import B2buaSettings, DomainSettings, Mode
from boringsdp.call import Calls, CallSettings
from boringsdp.demo.phones import FOLDER, Phones, PhoneSettings, User
from boringsdp.relay import RelaySettings
from boringsdp.sip.endpoint import Endpoint
from boringsdp.sip.settings import SipSettings
from boringsdp.sip.transport import TransportSettings
from tests.interop.conftest import own_address
from tests.interop.rig import NODE_MODULES
from tests.support.engines import make_relay

DOMAIN = "demo.invalid"
USERS = tuple(User(name, name[0], name.title()) for name in ("alice", "bob", "carol"))


@dataclass
class House:
    """A gateway with its pages."""

    front: Front
    endpoint: Endpoint
    address: str
    """Of the pages, with a final slash."""


@contextlib.asynccontextmanager
async def running_house(folder: Path, *domains: DomainSettings) -> AsyncIterator[House]:
    """A gateway; without `domains` one whose users it knows itself."""
    users = folder / "users"
    users.write_text("".join(f"{user.user}:{user.password}\n" for user in USERS))
    relay = make_relay(RelaySettings(webrtc_hosts=(own_address(),), plain_hosts=("127.0.0.1",), plain_ports=(42000, 42200)))
    await relay.start()
    endpoint = Endpoint(SipSettings(transport=TransportSettings(listen=("udp:127.0.0.1:0", "tcp:127.0.0.1:0"))))
    await endpoint.start()
    own = domains or (DomainSettings(name=DOMAIN, mode=Mode.REGISTRAR, users=str(users)),)
    front = Front(B2buaSettings(domains={each.name: each for each in own}), endpoint, Calls(relay, CallSettings()))
    await front.start()
    app = web.Application()
    settings = PhoneSettings(websocket="/sip", domain=own[0].name, users=USERS)
    app.add_routes(Phones(settings, lambda: 0, lambda: "").routes())
    app.router.add_get("/sip", endpoint.websockets().handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield House(front, endpoint, f"http://127.0.0.1:{runner.addresses[0][1]}/")
    finally:
        await front.close()
        await runner.cleanup()
        await endpoint.close()
        await relay.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def libraries() -> None:
    """JsSIP and SIP.js beside the pages."""
    if all((FOLDER / "lib" / name).exists() for name in ("jssip.js", "sip.js")):
        return
    node = shutil.which("node")
    if node is None or not (NODE_MODULES / "jssip").exists():
        pytest.skip("npm ci (JsSIP, SIP.js and esbuild)")
    process = await asyncio.create_subprocess_exec(node, str(FOLDER / "bundle.mjs"))
    assert await process.wait() == 0


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def house(libraries: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with running_house(tmp_path_factory.mktemp("house")) as made:
        yield made
