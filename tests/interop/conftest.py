"""Peers and the gateway, each started once in a session."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.interop import browsers, peer
from tests.interop.browsers import Browser
from tests.interop.peer import PlainPeer, plain_peer
from tests.interop.rig import NODE_MODULES, Rig, serve_static
from tests.support.engines import engine_arguments

ARTIFACTS = Path(__file__).with_name("artifacts")


@dataclass(frozen=True)
class Gateway:
    """A running `boringsdp serve`: where its WebSocket and its HTTP API are."""

    websocket: str
    http: str
    log: Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def own_address() -> str:
    """This machine's address on the way to others: Firefox pairs no loopback candidate with any of its own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


@pytest.fixture(scope="session")
def gstreamer() -> None:
    """Debian's GStreamer and its Python binding."""
    if problem := peer.missing():
        pytest.skip(problem)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    program = browsers.find(browsers.CHROMIUM)
    if program is None:
        pytest.skip("apt-get install chromium")
    async with browsers.chromium(program) as browser:
        yield browser


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def firefox() -> AsyncIterator[Browser]:
    program = browsers.find(browsers.FIREFOX)
    if program is None:
        pytest.skip("apt-get install firefox-esr")
    if browsers.find(("pulseaudio",)) is None:
        pytest.skip("apt-get install pulseaudio (Firefox's WebAudio needs a sound device, if only a silent one)")
    async with browsers.firefox(program) as browser:
        yield browser


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def pages() -> AsyncIterator[str]:
    """Address of the rig's page."""
    if not (NODE_MODULES / "janus-gateway").exists():
        pytest.skip("npm ci (the official janus.js)")
    runner, address = await serve_static()
    yield f"{address}/static/index.html"
    await runner.cleanup()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """The gateway as its users start it, on loopback."""
    async with running_gateway(tmp_path_factory.mktemp("gateway") / "log") as started:
        yield started


@contextlib.asynccontextmanager
async def running_gateway(log: Path, *flags: str) -> AsyncIterator[Gateway]:
    """A gateway that browsers reach, plain media on loopback; `flags` are added to its command line. Raises AssertionError with its log."""
    websocket, http = free_port(), free_port()
    command = [
        *(sys.executable, "-m", "boringsdp", "serve"),
        *(f"--webrtc.addresses={own_address()}", "--webrtc.port=0", "--rtp.address=127.0.0.1", "--rtp.allow=127.0.0.0/8,::1/128"),
        *("--janus.websocket_host=127.0.0.1", f"--janus.websocket_port={websocket}"),
        *("--janus.http_host=127.0.0.1", f"--janus.http_port={http}", "--log.level=info", "--limits.drain=0", "--ng.listen="),
        *engine_arguments(),
        *flags,
    ]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("BORINGSDP_")}
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(*command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment)
        try:
            await _listening(process, websocket, log)
            await _listening(process, http, log)
            yield Gateway(f"ws://127.0.0.1:{websocket}", f"http://127.0.0.1:{http}/janus", log)
        finally:
            if process.returncode is None:
                process.terminate()
                await asyncio.wait_for(process.wait(), 20)
    assert "Traceback" not in log.read_text(), log.read_text()[-5000:]


async def _listening(process: asyncio.subprocess.Process, port: int, log: Path) -> None:
    for _ in range(200):
        if process.returncode is not None:
            break
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"the gateway does not listen on {port}:\n{log.read_text()}")


@pytest.fixture
def browser(request: pytest.FixtureRequest, browser_name: str) -> Browser:
    """The browser that the test is parametrised with."""
    found: Browser = request.getfixturevalue(browser_name)
    return found


@pytest_asyncio.fixture(loop_scope="session")
async def bare_rig(browser: Browser, pages: str) -> AsyncIterator[Rig]:
    """A page of the browser under test, not yet attached to anything."""
    made = Rig(await browser.new_page())
    await made.load(pages)
    yield made
    with contextlib.suppress(Exception):
        await made.call("hangup", seconds=5)
    await made.page.close()


@pytest_asyncio.fixture(loop_scope="session")
async def rig(bare_rig: Rig, gateway: Gateway) -> Rig:
    """A page of the browser under test with the NoSIP plugin attached over WebSocket."""
    await bare_rig.connect(gateway.websocket)
    return bare_rig


@pytest_asyncio.fixture(loop_scope="session")
async def phone(gstreamer: None) -> AsyncIterator[PlainPeer]:
    """A plain RTP peer with room for audio and video."""
    async with plain_peer(medias=2) as made:
        yield made
