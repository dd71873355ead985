"""The SIP plugin in a whole gateway: over WebSocket, with ICE and DTLS, called by a telephone."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pytest

from bench.webrtc_peer import Peer
from boringsdp import config
from boringsdp.app import Gateway
from boringsdp.dtls import Identity
from boringsdp.janus_api.plugin import ENTRY_POINT_GROUP
from boringsdp.sip.account import IncomingCall
from boringsdp.sip.session.events import Confirmed, Ended
from tests.call.phone import CHROMIUM, Phone, plain, port_of
from tests.load.test_leaks import SETTINGS
from tests.support.gateway import free_port
from tests.support.janus_client import JanusClient
from tests.support.sip_endpoints import Ear, at, endpoint, settings_of

SIP = {"sip.listen": "udp:127.0.0.1:0", "sip.sources": "127.0.0.0/8"}


@pytest.fixture
async def gateway(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gateway]:
    installed = {entry.name: entry for entry in entry_points(group=ENTRY_POINT_GROUP)}
    ours = EntryPoint("janus.plugin.sip", "boringsdp.sip_plugin:SipPlugin", ENTRY_POINT_GROUP)
    found = tuple((installed | {ours.name: ours}).values())
    monkeypatch.setattr("boringsdp.janus_api.plugins.entry_points", lambda group: found)
    made = Gateway(config.load(None, {}, SETTINGS | SIP | {"webrtc.port": str(free_port(socket.SOCK_DGRAM))}).config)
    await made.start()
    try:
        yield made
    finally:
        await made.close()


def named(name: str) -> Any:
    return lambda event: event.get("plugindata", {}).get("data", {}).get("result", {}).get("event") == name


async def test_a_call_from_offer_to_digits_and_hang_up(gateway: Gateway):
    host, port = gateway.janus.websocket_addresses[0]
    async with endpoint() as there, JanusClient(f"ws://{host}:{port}/") as janus:
        peer, phone, ear = await Peer.open(Identity()), Phone(), Ear()
        try:
            there.account(settings_of(at(there, "bob")), ear)
            handle = await janus.attach("janus.plugin.sip")
            assert gateway.sip.endpoint is not None
            identity = str(at(gateway.sip.endpoint, "alice"))
            await janus.message(handle, {"request": "register", "type": "guest", "username": identity})
            call = {"request": "call", "uri": str(at(there, "bob"))}
            await janus.message(handle, call, {"type": "offer", "sdp": peer.offer})
            came = await ear.hears(IncomingCall)
            talk = came.session.hear = Ear()
            came.session.accept(plain(phone.port).encode())
            await talk.hears(Confirmed)
            accepted = await janus.event(handle, named("accepted"))
            await peer.connect(accepted["jsep"]["sdp"])
            await janus.named(handle, "webrtcup")
            phone.press(port_of((came.sdp or b"").decode()), 5)
            digit = (await janus.event(handle, named("dtmf")))["plugindata"]["data"]
            assert (digit["result"]["signal"], digit["call_id"]) == ("5", came.session.call_id)
            stats = (await janus.message(handle, {"request": "stats"}))["plugindata"]["data"]["result"]
            assert (stats["legs"]["webrtc"]["ice"], stats["legs"]["sip"]["streams"][0]["codec"]) == ("connected", "PCMU/8000")
            came.session.hang_up()
            over = await janus.event(handle, named("hangup"))
            assert over["plugindata"]["data"]["result"] == {"event": "hangup", "code": 200, "reason": "Session Terminated"}
            assert (await janus.named(handle, "hangup"))["reason"] == "Close PC"
            assert len(gateway.calls) == 0
        finally:
            peer.close()
            phone.close()


async def test_a_wrong_fingerprint_ends_the_sip_call_too(gateway: Gateway):
    host, port = gateway.janus.websocket_addresses[0]
    async with endpoint() as there, JanusClient(f"ws://{host}:{port}/") as janus:
        peer, ear = await Peer.open(Identity()), Ear()
        there.account(settings_of(at(there, "bob")), ear)
        handle = await janus.attach("janus.plugin.sip")
        assert gateway.sip.endpoint is not None
        await janus.message(handle, {"request": "register", "type": "guest", "username": str(at(gateway.sip.endpoint, "alice"))})
        fingerprint = peer.offer.index("a=fingerprint:sha-256 ") + len("a=fingerprint:sha-256 ")
        lying = peer.offer[:fingerprint] + "00:00" + peer.offer[fingerprint + 5 :]
        await janus.message(handle, {"request": "call", "uri": str(at(there, "bob"))}, {"type": "offer", "sdp": lying})
        came = await ear.hears(IncomingCall)
        talk = came.session.hear = Ear()
        came.session.accept(plain(9000).encode())
        accepted = await janus.event(handle, named("accepted"))
        connecting = asyncio.ensure_future(peer.connect(accepted["jsep"]["sdp"]))
        assert (await janus.named(handle, "hangup"))["reason"] == "DTLS error"
        assert (await talk.hears(Ended)).code == 200
        await janus.event(handle, named("hangup"))
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)
        peer.close()


async def test_closing_ends_calls_and_complains_of_nothing(gateway: Gateway, caplog: pytest.LogCaptureFixture):
    host, port = gateway.janus.websocket_addresses[0]
    async with endpoint() as there, JanusClient(f"ws://{host}:{port}/") as janus:
        ear = Ear()
        there.account(settings_of(at(there, "bob")), ear)
        handle = await janus.attach("janus.plugin.sip")
        assert gateway.sip.endpoint is not None
        await janus.message(handle, {"request": "register", "type": "guest", "username": str(at(gateway.sip.endpoint, "alice"))})
        await janus.message(handle, {"request": "call", "uri": str(at(there, "bob"))}, {"type": "offer", "sdp": CHROMIUM})
        came = await ear.hears(IncomingCall)
        talk = came.session.hear = Ear()
        came.session.accept(plain(9000).encode())
        await talk.hears(Confirmed)
        await gateway.close()
        assert (await talk.hears(Ended)).code == 200
    assert [record.getMessage() for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []
