"""WebSockets that misbehave: they meet limits and clear answers, and others notice nothing."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import WSMsgType

from boringsdp.sip.account import FlowLost, IncomingRequest
from boringsdp.sip.conduct import ConductSettings
from boringsdp.sip.digest import Credentials
from boringsdp.sip.digest_server import Challenger, Verdict
from boringsdp.sip.endpoint import Endpoint
from boringsdp.sip.flow import Protocol
from boringsdp.sip.message import Response
from boringsdp.sip.parse import parse
from boringsdp.sip.transport.settings import Limits
from tests.support.sip_browser import Browser, browser
from tests.support.sip_endpoints import LOOPBACK, Ear, endpoint, settings_of

GOOD = 'Digest username="alice", realm="example.com", nonce="n", uri="sip:example.com", response="0"'


class Registrar:
    """Challenges everybody, and tells the endpoint of wrong passwords."""

    def __init__(self, here: Endpoint) -> None:
        self._here = here
        self._challenger = Challenger("example.com", lambda _: Credentials("alice", secret="right"))
        self.ear = Ear(self._hear)
        here.serve_browsers(settings_of("sip:gateway@example.com", own_headers=("WWW-Authenticate", "X-*")), self.ear)

    def _hear(self, event: object) -> None:
        self.ear.news.clear()
        if not isinstance(event, IncomingRequest):
            return
        now = self._here.now()
        verdict, _ = self._challenger.check(event.request, now)
        if verdict is Verdict.WRONG:
            self._here.blame(event.incoming.flow, "wrong password")
        code = {Verdict.GOOD: 200, Verdict.WRONG: 403}.get(verdict, 401)
        event.incoming.answer(code, headers=self._challenger.challenge(now) if code == 401 else [])


@asynccontextmanager
async def world(conduct: ConductSettings | None = None, limits: Limits | None = None) -> AsyncIterator[tuple[Endpoint, Registrar]]:
    settings = replace(LOOPBACK, browsers=conduct or ConductSettings())
    if limits is not None:
        settings = replace(settings, transport=replace(settings.transport, limits=limits))
    async with endpoint(settings, "ws:127.0.0.1:0") as here:
        yield here, Registrar(here)


async def is_served(phone: Browser) -> None:
    """Somebody who behaves is answered."""
    await phone.ask("REGISTER")
    await phone.gets(401)


async def until_closed(phone: Browser) -> tuple[Counter[int], int | None]:
    """Read on; returns the codes that were answered, and with which code it was closed."""
    codes: Counter[int] = Counter()
    async with asyncio.timeout(60):
        async for frame in phone.socket:
            if frame.type is WSMsgType.TEXT:
                message = parse(frame.data.encode()).message
                assert isinstance(message, Response)
                codes[message.code] += 1
    return codes, phone.socket.close_code


@pytest.mark.parametrize(
    ("garbage", "times"),
    [
        ("hello", 10),
        ("\x00\x01\x02", 10),
        ("GET / HTTP/1.1\r\n\r\n", 10),
        ("{}", 10),
        ("SIP/2.0", 10),
        ("REGISTER sip:a SIP/2.0\r\n\r\n", 100),
    ],
)
async def test_garbage_ends_its_connection_alone(garbage: str, times: int) -> None:
    async with world() as (here, registrar), browser(here, "mallory") as mallory, browser(here) as phone:
        await is_served(phone)
        for _ in range(times):
            await mallory.socket.send_str(garbage)
        assert (await until_closed(mallory))[1] == 1008
        await is_served(phone)
        del registrar


async def test_some_garbage_is_forgiven() -> None:
    async with world() as (here, _), browser(here) as phone:
        for _ in range(9):
            await phone.socket.send_str("hello")
        await is_served(phone)


@pytest.mark.parametrize("data", [b"x" * 70_000, b"REGISTER sip:a SIP/2.0\r\n" + b"X: y\r\n" * 20_000])
async def test_an_oversize_frame_ends_its_connection_alone(data: bytes) -> None:
    async with world() as (here, _), browser(here, "mallory") as mallory, browser(here) as phone:
        await mallory.socket.send_bytes(data)
        assert (await until_closed(mallory))[1] == 1009
        await is_served(phone)


async def test_text_that_is_none_ends_its_connection_alone() -> None:
    async with world() as (here, _), browser(here, "mallory") as mallory, browser(here) as phone:
        await mallory.socket._writer.send_frame(b"\xff\xfe\xff", WSMsgType.TEXT)
        assert (await until_closed(mallory))[1] == 1007
        await is_served(phone)


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("CSeq: 1 INVITE\r\n", 400, "CSeq"),
        ("CSeq: x REGISTER\r\n", 400, "CSeq"),
        ("CSeq: 1 REGISTER\r\nContact: <sip:a\r\n", 400, "Contact"),
        ("CSeq: 1 REGISTER\r\nMax-Forwards: 0\r\n", 483, ""),
        ("CSeq: 1 REGISTER\r\nRequire: telepathy\r\n", 420, ""),
    ],
)
async def test_what_is_wrong_is_said(line: str, code: int, said: str) -> None:
    async with world() as (here, _), browser(here) as phone:
        await phone.socket.send_str(
            "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/WS a.invalid;branch=z9hG4bKa\r\nFrom: <sip:a@example.com>;tag=a\r\n"
            f"To: <sip:a@example.com>\r\nCall-ID: a\r\n{line}\r\n"
        )
        answer = await phone.gets(code)
        assert said in (answer.headers.get("Warning") or "")


async def test_half_handshakes_have_little_time_and_few_places() -> None:
    async with world(limits=Limits(handshake_s=0.2, connections_per_source=5)) as (here, _), browser(here) as phone:
        port = next(listen.port for listen in here.addresses() if listen.protocol is Protocol.WS)
        halves = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
        for _, writer in halves:
            with contextlib.suppress(OSError):
                writer.write(b"GET /sip HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n")
        await is_served(phone)
        async with asyncio.timeout(5):
            for reader, writer in halves:
                with contextlib.suppress(OSError):
                    assert await reader.read() == b""
                writer.close()
        drops = here.statistics()["drops"]
        assert isinstance(drops, dict)
        assert drops["handshake failed"] == 4
        assert drops["too many connections of one source"] == 16
        async with browser(here, "bob") as late:
            await is_served(late)


async def test_who_asks_too_often_is_told_to_wait() -> None:
    async with world(ConductSettings(per_second=0.001, burst=3, refused=5)) as (here, registrar), browser(here) as phone:
        for _ in range(3):
            await is_served(phone)
        await phone.ask("REGISTER")
        assert (await phone.gets(503)).headers.get("Retry-After")
        for _ in range(4):
            await phone.ask("MESSAGE", "sip:b@example.com")
        codes, closed = await until_closed(phone)
        assert (codes, closed) == ({503: 4}, 1008)
        assert [type(event) for event in registrar.ear.all[-1:]] == [FlowLost]
        async with browser(here) as again:
            await is_served(again)


async def test_ten_thousand_wrong_passwords() -> None:
    async with world() as (here, registrar), browser(here, "mallory") as mallory, browser(here) as phone:

        async def guess() -> None:
            with contextlib.suppress(OSError, ConnectionError):
                for number in range(10_000):
                    await mallory.ask("REGISTER", cseq=number + 1, headers=(("Authorization", line),))

        await mallory.ask("REGISTER")
        nonce = ((await mallory.gets(401)).headers.get("WWW-Authenticate") or "").split('nonce="')[1].split('"')[0]
        line = (
            f'Digest username="alice", realm="example.com", nonce="{nonce}", uri="sip:example.com", response="{"0" * 64}", '
            'algorithm=SHA-256, cnonce="c", nc=00000001, qop=auth'
        )
        guessing = asyncio.ensure_future(guess())
        slowest = 0.0
        reading = asyncio.ensure_future(until_closed(mallory))
        while not reading.done():
            began = time.perf_counter()
            await is_served(phone)
            slowest = max(slowest, time.perf_counter() - began)
            await asyncio.sleep(0.05)
        codes, closed = await reading
        guessing.cancel()
        assert closed == 1008
        assert set(codes) <= {401, 403, 503}
        assert codes[403] <= ConductSettings().bad
        assert sum(isinstance(event, IncomingRequest) for event in registrar.ear.all) < 1000
        assert slowest < 1.0
        await is_served(phone)
