"""Ten thousand REGISTERs with a wrong password, over real WebSockets: limits are met, and others notice nothing."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter

import aiohttp
import pytest

from boringsdp.sip.message import Response
from boringsdp.sip.parse import parse
from tests.b2bua.desk import contact, register
from tests.b2bua.house import House
from tests.support.sip_browser import url_of

GUESSES, AT_ONCE = 10_000, 250


def guess(number: int, user: str) -> str:
    words = f'username="{user}", realm="example.com", nonce="{"0" * 60}", uri="sip:example.com", response="{secrets.token_hex(16)}"'
    made = register(
        contact("g", "9"), user=user, call_id=secrets.token_hex(4), cseq=number, headers=(("Authorization", f"Digest {words}"),)
    )
    made.headers.prepend("Via", f"SIP/2.0/WS g.invalid;branch=z9hG4bK{secrets.token_hex(6)}")
    return made.to_bytes().decode()


async def guesses(url: str, count: int) -> Counter[int]:
    """Guess as fast as can be; the answers by code, and under 0 how often the connection was closed."""
    heard: Counter[int] = Counter()
    sent = 0
    connector = aiohttp.TCPConnector(local_addr=("127.0.0.9", 0))
    async with aiohttp.ClientSession(connector=connector) as session:
        while sent < count:
            async with session.ws_connect(url, protocols=("sip",)) as socket:
                asked = answered = 0
                while sent < count and not socket.closed:
                    asked, sent = asked + 1, sent + 1
                    try:
                        await socket.send_str(guess(sent, ("alice", "nobody")[sent % 2]))
                    except (ConnectionError, aiohttp.ClientError):
                        break
                    while asked - answered >= AT_ONCE and not socket.closed:
                        answered += await _hear(socket, heard)
                heard[0] += 1
    return heard


async def _hear(socket: aiohttp.ClientWebSocketResponse, heard: Counter[int]) -> int:
    frame = await socket.receive()
    if frame.type is not aiohttp.WSMsgType.TEXT:
        return 0
    message = parse(frame.data.encode()).message
    assert isinstance(message, Response)
    heard[message.code] += 1
    return 1


@pytest.mark.load
async def test_ten_thousand_guesses(house: House):
    alice = await house.phone("alice")
    url = url_of(house.here)
    guessing = asyncio.create_task(guesses(url, GUESSES))
    carol, rounds = await house.phone("carol"), 0
    while not guessing.done():
        alice.calls(carol.uri)
        await carol.takes()
        alice.call.hang_up()
        rounds += 1
        await asyncio.sleep(0.2)  # she is not to meet limits of her own
    heard = await guessing
    assert rounds > 3
    assert heard[401] <= house.front.settings.wrong_passwords
    assert heard[403] > 0
    assert set(heard) <= {0, 401, 403, 503}
    assert heard[0] > 1  # closed, and opened again
    assert len(house.front.domains.bindings) == 2
