"""SIPVicious, what scanners and their imitators use, against an endpoint: nothing is found out, nothing breaks."""

from __future__ import annotations

import asyncio
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from boringsdp.sip.account import RequestAnswered
from boringsdp.sip.endpoint import Endpoint
from boringsdp.sip.settings import SipSettings
from tests.support.sip_endpoints import LOOPBACK, Ear, at, endpoint, settings_of

pytestmark = pytest.mark.interop
KNOWN = range(100, 110)
STRICT = SipSettings(transport=LOOPBACK.transport)
PATIENCE_S = 60.0


def tool(name: str) -> str:
    """The path of one of its programs, which may stand beside Python."""
    found = shutil.which(f"sipvicious_{name}") or shutil.which(f"sipvicious_{name}", path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip("pip install sipvicious")
    return found


@pytest_asyncio.fixture
async def target() -> AsyncIterator[tuple[Endpoint, list[Any]]]:
    """An endpoint with ten accounts that trusts nobody, and what any of them hears."""
    news: list[Any] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with endpoint(STRICT, f"udp:127.0.0.1:{port}") as made:
        for user in KNOWN:
            made.account(settings_of(f"sip:{user}@127.0.0.1"), news.append)
        yield made, news


async def attack(made: Endpoint, name: str, *args: str) -> str:
    """Run a tool against the endpoint and return all it says."""
    port = made.addresses()[0].port
    running = await asyncio.create_subprocess_exec(
        tool(name), *args, "127.0.0.1", "-p", str(port), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(PATIENCE_S):
        output, _ = await running.communicate()
    return output.decode(errors="replace")


async def ping(made: Endpoint) -> int:
    """What an OPTIONS of another endpoint gets."""
    async with endpoint() as here:
        ear = Ear()
        here.account(settings_of("sip:pinger@127.0.0.1"), ear).request("OPTIONS", at(made, "anybody"))
        return (await ear.hears(RequestAnswered)).response.code


async def test_it_is_found_but_not_told_from_others(target: tuple[Endpoint, list[Any]]) -> None:
    made, _ = target
    text = await attack(made, "svmap")
    assert str(made.addresses()[0].port) in text
    assert "BoringSDP" not in text
    assert await ping(made) == 200


@pytest.mark.parametrize("method", ["REGISTER", "INVITE", "OPTIONS"])
async def test_no_user_is_found(target: tuple[Endpoint, list[Any]], method: str) -> None:
    made, news = target
    text = await attack(made, "svwar", "-m", method, "-e", "95-115")
    assert not any(str(user) in text for user in KNOWN)
    assert "found nothing" in text
    assert news == []
    assert await ping(made) == 200


async def test_no_password_is_tried(target: tuple[Endpoint, list[Any]]) -> None:
    made, _ = target
    text = await attack(made, "svcrack", "-u", str(KNOWN[0]), "-r", "1-50")
    assert "found nothing" in text
    assert await ping(made) == 200
