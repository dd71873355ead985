"""The torture messages to a whole endpoint over UDP: each answered as the RFCs say, and a ping after each."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from boringsdp.sip import headers as views
from boringsdp.sip.account import IncomingCall
from boringsdp.sip.flow import Protocol
from boringsdp.sip.framing import StreamFramer
from boringsdp.sip.message import Response
from boringsdp.sip.parse import parse
from tests.sip.torture.case import Case, ordinary
from tests.sip.torture.cases import CASES
from tests.support.sip_endpoints import at, endpoint, settings_of

PATIENCE_S = 5.0


class Prober(asyncio.DatagramProtocol):
    """A socket that sends octets and takes responses apart."""

    def __init__(self) -> None:
        self.came: asyncio.Queue[Response] = asyncio.Queue()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: object) -> None:
        parsed = parse(data)
        assert isinstance(parsed.message, Response), data
        self.came.put_nowait(parsed.message)

    @property
    def here(self) -> str:
        host, port = self.transport.get_extra_info("sockname")
        return f"{host}:{port}"

    async def ask(self, octets: bytes, call_id: str) -> list[Response]:
        """Send octets and then a ping, and return the responses before that of the ping; final ones of the ping's own call end it."""
        self.transport.sendto(octets)
        ping = (
            ordinary("OPTIONS sip:pequod.example SIP/2.0", call=call_id).replace("@HERE@", self.here).replace("@US@", "ahab@pequod.example")
        )
        self.transport.sendto(ping.encode())
        before = []
        async with asyncio.timeout(PATIENCE_S):
            while True:
                response = await self.came.get()
                if response.headers.get("Call-ID") == f"{call_id}@nantucket.example":
                    assert response.code == 200
                    assert response.headers.get("CSeq") == "51 OPTIONS"
                    return before
                before.append(response)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_message_is_answered_and_a_ping_after_it(case: Case) -> None:
    def hear(event: object) -> None:
        if isinstance(event, IncomingCall):
            event.session.reject(486)

    async with endpoint() as there:
        us = at(there, "ahab")
        there.account(settings_of(us), hear)
        transport, prober = await asyncio.get_running_loop().create_datagram_endpoint(
            Prober, local_addr=("127.0.0.1", 0), remote_addr=(us.host, us.port or 5060)
        )
        try:
            responses = await prober.ask(case.octets(prober.here, f"{us.user}@{us.host_port}"), "ping-" + case.name)
        finally:
            transport.close()
        finals = [response for response in responses if response.code >= 200]
        assert {response.code for response in finals} <= case.answers
        assert bool(finals) is bool(case.answers)
        for response in finals:
            if response.code == 420:
                assert views.tokens(response, "Unsupported") == ("neverheardofthis", "norofthis")
            if response.code == 415:
                assert response.headers.get("Accept")
            if response.code in (405, 501):
                assert "INVITE" in views.tokens(response, "Allow")


UNFRAMED = frozenset(("clerr", "ncl", "mcl01"))
"""After these nobody knows where the next message begins."""


async def ask_over_tcp(port: int, octets: bytes, call_id: str) -> list[Response]:
    """Send octets over a new connection and then, where that can be, a ping; return the responses before that of the ping."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    ping = Case("ping", "", "", ordinary("OPTIONS sip:pequod.example SIP/2.0", call=call_id), frozenset((200,)))
    writer.write(octets + ping.octets("127.0.0.1:5060"))
    framer, before = StreamFramer(), []
    try:
        async with asyncio.timeout(PATIENCE_S):
            while data := await reader.read(65_536):
                framer.feed(data)
                while (message := framer.next()) is not None:
                    response = parse(message).message
                    assert isinstance(response, Response)
                    if response.headers.get("Call-ID") == f"{call_id}@nantucket.example":
                        return before
                    before.append(response)
        return before
    finally:
        writer.close()


@pytest.mark.parametrize("case", [case for case in CASES if case.name != "dblreq"], ids=lambda case: case.name)
async def test_a_message_is_answered_over_tcp_and_a_ping_after_it(case: Case) -> None:
    async with endpoint() as there:
        us = at(there, "ahab", Protocol.TCP)
        there.account(settings_of(us), lambda event: event.session.reject(486) if isinstance(event, IncomingCall) else None)
        octets = case.octets("127.0.0.1:5060", f"{us.user}@{us.host_port}")
        if case.name == "clerr":
            # On a stream the rest of the body is still to come: the ping is part of it.
            octets = octets.replace(b": 9999", b": 99999")
        finals = [response for response in await ask_over_tcp(us.port or 5060, octets, "ping-" + case.name) if response.code >= 200]
        assert {response.code for response in finals} <= case.answers | {513}
        assert bool(finals) is bool(case.answers)
        if case.name in UNFRAMED:
            assert await ask_over_tcp(us.port or 5060, b"", "ping-again") == []
