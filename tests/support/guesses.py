"""
Passwords guessed over WebSockets, as fast as can be.

    python -m tests.support.guesses ws://127.0.0.1:8080/ 10000
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
from collections import Counter

import aiohttp

from boringsdp.sip.message import Response
from boringsdp.sip.parse import parse
from tests.b2bua.desk import contact, register

AT_ONCE = 250


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


def main() -> None:
    print(json.dumps(asyncio.run(guesses(sys.argv[1], int(sys.argv[2])))))


if __name__ == "__main__":
    main()
