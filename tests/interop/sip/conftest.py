"""The gateway as a SIP endpoint, a PBX, telephones, and people at browsers."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.interop.browsers import Browser
from tests.interop.conftest import Gateway, running_gateway
from tests.interop.kamailio import phone as phones
from tests.interop.kamailio import sipp as sipps
from tests.interop.kamailio.phone import Phone, free_ports, running_phone
from tests.interop.kamailio.sipp import Sipp, running_sipp
from tests.interop.rig import NODE_MODULES, Rig, serve_static
from tests.interop.sip import janus, registrar
from tests.interop.sip.registrar import Registrar, running_registrar
from tests.interop.sip.script import listening
from tests.interop.sip.user import User
from tests.support.certificate import make_certificate

NAMES = itertools.count(1)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the PBXs show and the gateway trusts."""
    return make_certificate(tmp_path_factory.mktemp("tls"), "127.0.0.1", "::1")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sip_gateway(tmp_path_factory: pytest.TempPathFactory, certificate: Path) -> AsyncIterator[Gateway]:
    """Ours, listening for SIP on both families; or Janus where the environment says so."""
    if os.environ.get(janus.VARIABLE) == "janus":
        async with janus.running_janus() as started:
            yield started
        return
    port, other = free_ports()[0], free_ports()[0]
    listen = [*(f"{kind}:127.0.0.1:{port}" for kind in ("udp", "tcp")), *(f"{kind}:[::1]:{other}" for kind in ("udp", "tcp"))]
    flags = (f"--sip.listen={','.join(listen)}", f"--sip.tls_ca={certificate}", "--rtp.address_v6=::1")
    async with running_gateway(tmp_path_factory.mktemp("sip-gateway") / "log", *flags) as started:
        yield started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def pbx(certificate: Path) -> AsyncIterator[Registrar]:
    """A PBX on IPv4 loopback with MD5 digest."""
    async with need_registrar("127.0.0.1", certificate=certificate) as started:
        yield started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def pbx_sha256(certificate: Path) -> AsyncIterator[Registrar]:
    """A PBX on IPv4 loopback with SHA-256 digest."""
    async with need_registrar("127.0.0.1", certificate=certificate, algorithm="SHA-256") as started:
        yield started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def pbx_v6(certificate: Path) -> AsyncIterator[Registrar]:
    """A PBX on IPv6 loopback with MD5 digest."""
    async with need_registrar("[::1]", certificate=certificate) as started:
        yield started


@contextlib.asynccontextmanager
async def need_registrar(host: str, **options: Any) -> AsyncIterator[Registrar]:
    if problem := registrar.missing():
        pytest.skip(problem)
    async with running_registrar(host, **options) as started:
        yield started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sip_page() -> AsyncIterator[str]:
    """Address of the page with the SIP rig."""
    if not (NODE_MODULES / "janus-gateway").exists():
        pytest.skip("npm ci (the official janus.js)")
    runner, address = await serve_static()
    yield f"{address}/static/sip.html"
    await runner.cleanup()


class Company:
    """Makes people and telephones for one test; all are gone after it."""

    def __init__(self, pbx: Registrar, gateway: Gateway, page: str, stack: contextlib.AsyncExitStack) -> None:
        self.pbx, self.gateway, self._page, self._stack = pbx, gateway, page, stack

    async def user(self, browser: Browser, name: str | None = None) -> User:
        """Somebody at a browser, attached to the SIP plugin, not registered."""
        rig = Rig(await browser.new_page())
        self._stack.push_async_callback(rig.page.close)
        await rig.load(self._page)
        await rig.connect(self.gateway.websocket, "janus.plugin.sip")
        self._stack.push_async_callback(_leave, rig)
        return User(rig, name or self.name())

    async def registered(self, browser: Browser, *, pbx: Registrar | None = None, **options: Any) -> User:
        """Somebody who is registered at the PBX."""
        user, at = await self.user(browser), pbx or self.pbx
        told = await user.register(at, **options)
        assert told["event"] == "registered", (told, at.log.read_text()[-1500:], self.gateway.log.read_text()[-1500:])
        return user

    async def helper(self, browser: Browser, master: User) -> User:
        """A further line of somebody's, in a page of its own."""
        user = await self.user(browser, master.user)
        master_id = await master.rig.get("rig.masterId")
        await user.ask("register", type="helper", username=self.uri(master), master_id=master_id)
        assert (await user.until("registered"))["helper"] is True
        return user

    async def phone(self, *, pbx: Registrar | None = None, account: str = "", transport: str = "udp", **options: Any) -> Phone:
        """A telephone registered at the PBX."""
        if problem := phones.missing():
            pytest.skip(problem)
        at = pbx or self.pbx
        proxy = at.tls if transport == "tls" else at.domain
        started = running_phone(self.name(), proxy, account=f";auth_pass={at.secret}{account}", transport=transport, **options)
        return await self._stack.enter_async_context(started)

    @contextlib.asynccontextmanager
    async def sipp(self, script: str) -> AsyncIterator[Sipp]:
        """One of the scripts that speak (kamailio/sipp/), on a port of its own; called without the PBX."""
        if problem := sipps.missing():
            pytest.skip(problem)
        port = free_ports()[0]
        async with running_sipp(None, script, f"sipp@127.0.0.1:{port}", port=port) as phone:  # type: ignore[arg-type]
            await listening(port)
            yield phone

    def name(self) -> str:
        """A user that nobody was before."""
        return f"person{next(NAMES)}"

    def uri(self, who: User | Phone, pbx: Registrar | None = None) -> str:
        """Whom to call."""
        return f"sip:{who.user}@{(pbx or self.pbx).domain}"


async def _leave(rig: Rig) -> None:
    with contextlib.suppress(Exception):
        await rig.call("hangup", seconds=5)


@pytest_asyncio.fixture(loop_scope="session")
async def company(pbx: Registrar, sip_gateway: Gateway, sip_page: str) -> AsyncIterator[Company]:
    async with contextlib.AsyncExitStack() as stack:
        try:
            yield Company(pbx, sip_gateway, sip_page, stack)
        except Exception as error:
            error.add_note(f"gateway: {sip_gateway.log.read_text(errors='replace')[-3000:]}")
            raise
