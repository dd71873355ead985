"""
The torture messages to a whole gateway, over UDP and then over TCP, to a browser's account and to nobody's.

Each is answered with the one code that is right for it here, and a ping is answered after it; in the end nothing is left of any.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from boringsdp import config
from boringsdp.app import Gateway
from boringsdp.sip.endpoint import Endpoint
from boringsdp.sip.flow import Protocol
from boringsdp.sip.uri import SipUri
from tests.load.test_leaks import SETTINGS
from tests.sip.torture.cases import CASES
from tests.sip.torture.test_endpoint import Prober, ask_over_tcp
from tests.support.gateway import free_port
from tests.support.janus_client import JanusClient
from tests.support.sip_endpoints import at

SIP = {"sip.listen": "udp:127.0.0.1:0,tcp:127.0.0.1:0", "sip.sources": "127.0.0.0/8", "sip.t1": "0.05"}
LATE_S = 10.0

CODES = {
    400: "badinv01 clerr ncl scalar02 quotbal ltgtruri lwsruri lwsstart trws escruri regbadct badaspec baddn mismatch01 mismatch02 insuf"
    " multi01 mcl01 ipv6-bad",
    405: "escnull dblreq unksm2 regaut01 cparam01 cparam02 regescrt ipv6-good port-ambiguous port-unambiguous",
    415: "invut",
    416: "unkscm novelsc",
    420: "bext01",
    481: "wsinv via-received-param-with-delim mult-ip-in-header",
    501: "intmeth esc02",
    505: "badvers",
    200: "lwsdisp semiuri transports badbranch zeromf via-received-param-no-delim ipv6-bug-abnf-3-colons ipv6-correct-abnf-2-colons",
    0: "unreason noreason scalarlg bigcode bcast",
}
"""Whoever it is for; 0: no answer. The others are calls and a message, for somebody or for nobody."""
FIXED = {name: code for code, names in CODES.items() for name in names.split()}
OTHERS = ("esc01", "longreq", "mpart01", "baddate", "sdp01", "inv2543", "ipv6-in-sdp", "mult-ip-in-sdp", "ipv4-mapped-ipv6")
NOT_OF_STREAMS = ("clerr", "dblreq", "ncl", "mcl01")
"""What is wrong with them is where they end."""


@asynccontextmanager
async def running() -> AsyncIterator[tuple[Gateway, Endpoint]]:
    gateway = Gateway(config.load(None, {}, SETTINGS | SIP | {"webrtc.port": str(free_port(socket.SOCK_DGRAM))}).config)
    await gateway.start()
    try:
        assert gateway.sip.endpoint is not None
        yield gateway, gateway.sip.endpoint
    finally:
        await gateway.close()


async def decline(janus: JanusClient, handle: int) -> None:
    while True:
        await janus.event(
            handle, lambda event: event.get("plugindata", {}).get("data", {}).get("result", {}).get("event") == "incomingcall", 60
        )
        await janus.message(handle, {"request": "decline", "code": 486})


async def codes_of(us: SipUri, protocol: Protocol) -> dict[str, list[int]]:
    """The final codes that each message gets."""
    codes = {}
    for case in CASES:
        if protocol is Protocol.TCP and case.name in NOT_OF_STREAMS:
            continue
        call_id = f"ping-{protocol.value}-{case.name}"
        to = f"{us.user}@{us.host_port}"
        if protocol is Protocol.TCP:
            octets = case.octets("127.0.0.1:5060", to)
            responses = await ask_over_tcp(us.port or 5060, octets, call_id)
        else:
            transport, prober = await asyncio.get_running_loop().create_datagram_endpoint(
                Prober, local_addr=("127.0.0.1", 0), remote_addr=(us.host, us.port or 5060)
            )
            try:
                responses = await prober.ask(case.octets(prober.here, to), call_id)
                while case.name in OTHERS and not any(response.code >= 200 for response in responses):
                    responses.append(await asyncio.wait_for(prober.came.get(), LATE_S))
            finally:
                transport.close()
        codes[case.name] = [response.code for response in responses if response.code >= 200]
    return codes


async def nothing_left(endpoint: Endpoint) -> None:
    ua = endpoint.ua
    async with asyncio.timeout(LATE_S):
        while ua.counts()["transactions"] or ua.counts()["usages"] or len(ua._answering):
            await asyncio.sleep(0.05)
            ua.tick(endpoint.now())  # what is only remembered is forgotten with the next event


def test_every_message_is_told_of_once() -> None:
    assert sorted([*FIXED, *OTHERS]) == sorted(case.name for case in CASES)


async def test_messages_for_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async with running() as (_, endpoint):
        for protocol in (Protocol.UDP, Protocol.TCP):
            codes = await codes_of(at(endpoint, "ahab", protocol), protocol)
            expected = FIXED | dict.fromkeys(OTHERS, 404)
            assert {name: found for name, found in codes.items() if found != [expected[name]][: bool(expected[name])]} == {}
            await nothing_left(endpoint)
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_messages_for_a_browser(caplog: pytest.LogCaptureFixture) -> None:
    async with running() as (gateway, endpoint):
        host, port = gateway.janus.websocket_addresses[0]
        async with JanusClient(f"ws://{host}:{port}/") as janus:
            handle = await janus.attach("janus.plugin.sip")
            us = at(endpoint, "ahab")
            await janus.message(handle, {"request": "register", "type": "guest", "username": f"sip:ahab@{us.host_port}"})
            declining = asyncio.ensure_future(decline(janus, handle))
            codes = await codes_of(us, Protocol.UDP)
            declining.cancel()
            with suppress(asyncio.CancelledError):
                await declining
            expected = FIXED | dict.fromkeys(OTHERS, 486) | {"mpart01": 200, "esc01": 404}
            expected |= {"ipv6-in-sdp": 488, "mult-ip-in-sdp": 488}  # this gateway has no media on IPv6
            assert {name: found for name, found in codes.items() if found != [expected[name]][: bool(expected[name])]} == {}
            await nothing_left(endpoint)
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []
