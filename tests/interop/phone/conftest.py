"""Where the web phone's page is served, and by whom its calls are passed on."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from aiohttp import web

from boringsdp.demo.phones import FOLDER, Phones, PhoneSettings, User
from tests.interop.browsers import Browser
from tests.interop.conftest import Gateway, free_port, running_gateway
from tests.interop.phone.sip_server import SipServer
from tests.interop.phone.tab import PhoneTab, open_tab
from tests.interop.rig import NODE_MODULES

USERS = (User("alice", "a", "Alice"), User("bob", "b", "Bob"))
DOMAIN = "phones.example"
CONFIGURATION = """
[b2bua]
grace = 10.0
routing = "boringsdp.demo.routing:DemoRouting"
records = "{folder}/records"

[b2bua.domains."{domain}"]
mode = "registrar"
users = "{folder}/users"
"""


@dataclass
class Place:
    """A served phone: the address of its page, and the SIP server if it is one without media."""

    url: str
    server: SipServer | None = None


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def library() -> None:
    """JsSIP beside the page."""
    if (FOLDER / "lib" / "jssip.js").exists():
        return
    node = shutil.which("node")
    if node is None or not (NODE_MODULES / "jssip").exists():
        pytest.skip("npm ci (JsSIP and esbuild)")
    process = await asyncio.create_subprocess_exec(node, str(FOLDER / "bundle.mjs"))
    assert await process.wait() == 0


@contextlib.asynccontextmanager
async def serve(websocket: str = "", domain: str = DOMAIN, janus: int = 0) -> AsyncIterator[Place]:
    """
    The page. `websocket` is who passes calls on; without it a SIP server that leaves the media to others. `janus` is the gateway's port.
    """
    server = SipServer()
    settings = PhoneSettings(websocket=websocket or "/sip", domain=domain, users=USERS)
    app = web.Application()
    app.add_routes(Phones(settings, lambda: janus, lambda: "").routes())
    app.router.add_get("/sip", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield Place(f"http://127.0.0.1:{runner.addresses[0][1]}/phone/", server)
    finally:
        await runner.cleanup()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def front(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """The gateway as the registrar of a domain with three users. Their calls' records are lines of JSON beside its log."""
    folder = tmp_path_factory.mktemp("front")
    folder.joinpath("users").write_text("".join(f"{name}:{name[0]}\n" for name in ("alice", "bob", "carol")))
    folder.joinpath("gateway.toml").write_text(CONFIGURATION.format(domain=DOMAIN, folder=folder))
    async with running_gateway(folder / "log", f"--config={folder}/gateway.toml", f"--sip.listen=udp:127.0.0.1:{free_port()}") as started:
        yield started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def place(library: None, front: Gateway) -> AsyncIterator[Place]:
    """The page, and calls straight to the gateway."""
    async with serve(front.http.replace("http://", "ws://").replace("/janus", "/sip")) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def alice(browser: Browser, place: Place) -> AsyncIterator[PhoneTab]:
    """A tab of the browser under test, logged in."""
    async with open_tab(browser, place.url, "alice") as tab:
        yield tab


@pytest_asyncio.fixture(loop_scope="session")
async def carol(chromium: Browser, place: Place) -> AsyncIterator[PhoneTab]:
    """A third one, who writes name and password."""
    async with open_tab(chromium, place.url, "carol") as tab:
        yield tab


@pytest_asyncio.fixture(loop_scope="session")
async def bob(chromium: Browser, place: Place) -> AsyncIterator[PhoneTab]:
    """The other side, always in Chromium."""
    async with open_tab(chromium, place.url, "bob") as tab:
        yield tab
