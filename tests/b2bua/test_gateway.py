"""Whole calls in a gateway of this process: a browser over the WebSocket of the HTTP port, media with ICE, DTLS and SRTP, its record."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from boringsdp import config
from boringsdp.app import Gateway
from boringsdp.sip.account import IncomingCall, InfoReceived, Registered
from boringsdp.sip.digest import Credentials
from boringsdp.sip.endpoint import Endpoint
from boringsdp.sip.session.events import Answered, AnswerReceived, Confirmed, Ended, OfferReceived, RequestAnswered
from boringsdp.sip.uri import parse_sip_uri
from tests.b2bua.house import DOMAIN, PASSWORD
from tests.load.test_leaks import SETTINGS
from tests.sip_plugin.talk import Telephone, digits_in, hear_each_other, press, silent, without_events
from tests.support.gateway import free_port
from tests.support.ng_peer import KINDS, Peer
from tests.support.sip_endpoints import LOOPBACK, Ear, at, endpoint, settings_of


class Browser(Telephone):
    """A telephone over WebSocket, with WebRTC."""

    def __init__(self, there: Endpoint, user: str, peer: Peer, port: int) -> None:
        self.peer = peer
        self.ear, self.talk = Ear(), Ear()
        self.uri = f"sip:{user}@{DOMAIN}"
        proxy = parse_sip_uri(f"sip:127.0.0.1:{port};transport=ws")
        instance = "urn:uuid:00000000-0000-4000-8000-000000000001"
        settings = settings_of(self.uri, credentials=(Credentials(user, PASSWORD),), outbound_proxy=proxy, instance=instance)
        self.account = there.account(settings, self.ear)
        self.session = None
        self.offer = ""
        self.edit = str


@dataclass
class Place:
    gateway: Gateway
    there: Endpoint
    alice: Browser
    bob: Telephone
    records: Path

    async def record(self) -> dict[str, object]:
        """The one record that has been written."""
        async with asyncio.timeout(5):
            while not self.records.exists():  # noqa: ASYNC110 (a file)
                await asyncio.sleep(0.05)
        made: dict[str, object] = json.loads(self.records.read_text())
        return made


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    (tmp_path / "users").write_text(f"alice:{PASSWORD}\n")
    records = tmp_path / "records.jsonl"
    async with endpoint() as pbx:
        pbx_port = next(listen.port for listen in pbx.addresses())
        file = tmp_path / "gateway.toml"
        file.write_text(
            f'[b2bua]\nrecords = "{records}"\n[b2bua.domains."{DOMAIN}"]\nmode = "registrar"\n'
            f'pbx = ["sip:127.0.0.1:{pbx_port}"]\nusers = "{tmp_path / "users"}"\n'
        )
        own = {"sip.listen": "udp:127.0.0.1:0", "webrtc.port": str(free_port(socket.SOCK_DGRAM))}
        loaded = config.load(file, {}, SETTINGS | own).config
        # All that our own stack sends to an address goes to its root.
        gateway = Gateway(replace(loaded, b2bua=replace(loaded.b2bua, path="/")))
        await gateway.start()
        try:
            async with endpoint(LOOPBACK, "udp:127.0.0.1:0") as there:
                alice = Browser(there, "alice", await Peer.open(KINDS["WebRTC"]), gateway.janus.http_addresses[0][1])
                bob = Telephone(pbx, "bob", await Peer.open(KINDS["AVP"]))
                alice.account.register()
                await alice.ear.hears(Registered)
                yield Place(gateway, there, alice, bob, records)
                alice.peer.close()
                bob.peer.close()
        finally:
            await gateway.close()


async def test_a_browser_talks_with_the_pbx(place: Place):
    alice, bob = place.alice, place.bob
    await alice.calls(f"sip:bob@{DOMAIN}")
    await bob.takes()
    await alice.connected()
    await hear_each_other(alice.peer, bob.peer)
    assert alice.session is not None
    alice.session.hang_up()
    await bob.talk.hears(Ended)
    record = await place.record()
    assert record["result"] == "answered"
    assert [leg["protocol"] for leg in record["legs"]] == ["UDP/TLS/RTP/SAVPF", "RTP/AVP"]  # type: ignore[index, attr-defined]
    for leg in record["legs"]:  # type: ignore[attr-defined]
        assert leg["streams"][0]["packets_received"] > 0
        assert leg["streams"][0]["codec"] == "PCMU/8000"
    assert 'boringsdp_b2bua_ended_total{kind="answered"} 1.0' in place.gateway.metrics.expose().decode()


async def test_the_pbx_talks_with_a_browser(place: Place):
    alice, bob = place.alice, place.bob
    here = place.gateway.sip.endpoint
    assert here is not None
    await bob.calls(str(at(here, "alice")))
    call = await alice.ear.hears(IncomingCall)
    alice.session, alice.offer = call.session, (call.sdp or b"").decode()
    call.session.hear = alice.talk
    call.session.accept(alice.peer.answer(alice.offer).encode())
    await alice.talk.hears(Confirmed)
    await asyncio.gather(alice.peer.connect(), bob.connected())
    await hear_each_other(alice.peer, bob.peer)
    assert bob.session is not None
    bob.session.hang_up()
    await alice.talk.hears(Ended)
    assert (await place.record())["direction"] == "pbx-browser"
    assert not bob.talk.heard(Answered)[1:]


async def test_digits_go_from_info_to_the_media_and_back(place: Place):
    """Each side has its digits in the media: the browser's INFO is pressed there, the telephone's go through."""
    alice, bob = place.alice, place.bob
    await alice.calls(f"sip:bob@{DOMAIN}")
    await bob.takes()
    await alice.connected()
    await hear_each_other(alice.peer, bob.peer)
    assert alice.session is not None
    assert bob.session is not None
    alice.session.send("INFO", content_type="application/dtmf-relay", body=b"Signal=7\r\nDuration=120\r\n")
    assert (await alice.talk.hears(RequestAnswered)).response.code == 200
    async with asyncio.timeout(5):
        while not digits_in(bob.peer.heard):  # noqa: ASYNC110 (packets)
            await asyncio.sleep(0.02)
    assert digits_in(bob.peer.heard) == [7]
    press(bob.peer, 9)
    async with asyncio.timeout(5):
        while not digits_in(alice.peer.heard):  # noqa: ASYNC110 (packets)
            await asyncio.sleep(0.02)
    assert not alice.talk.heard(InfoReceived)


async def test_digits_in_the_media_go_by_info_to_who_takes_no_others(place: Place):
    alice, bob = place.alice, place.bob
    bob.edit = without_events
    await alice.calls(f"sip:bob@{DOMAIN}")
    await bob.takes()
    await alice.connected()
    await hear_each_other(alice.peer, bob.peer)
    press(alice.peer, 3)
    info = await bob.talk.hears(InfoReceived)
    assert info.request.body.startswith(b"Signal=3")
    assert info.request.headers.get("Content-Type") == "application/dtmf-relay"


async def test_media_that_fails_ends_the_call(place: Place):
    """The browser's DTLS says goodbye without a BYE."""
    alice, bob = place.alice, place.bob
    await alice.calls(f"sip:bob@{DOMAIN}")
    await bob.takes()
    await alice.connected()
    await hear_each_other(alice.peer, bob.peer)
    call = next(iter(place.gateway.calls))
    call.close("ice-failed")
    ended = await bob.talk.hears(Ended)
    assert ended.message is not None
    assert ended.message.headers.get("Reason") == 'SIP;cause=500;text="media: ice-failed"'
    await alice.talk.hears(Ended)
    record = await place.record()
    assert (record["ended_by"], record["reason"]) == ("gateway", "media: ice-failed")


async def test_hold_stops_the_media(place: Place):
    alice, bob = place.alice, place.bob
    await alice.calls(f"sip:bob@{DOMAIN}")
    await bob.takes()
    await alice.connected()
    await hear_each_other(alice.peer, bob.peer)
    assert bob.session is not None
    assert alice.session is not None
    bob.peer.version += 1
    bob.session.offer(bob.peer.offer().replace("a=sendrecv", "a=inactive").encode())
    offer = await alice.talk.hears(OfferReceived)
    alice.session.answer(alice.peer.answer((offer.sdp or b"").decode()).replace("a=sendrecv", "a=inactive").encode(), tag=offer.tag)
    await bob.talk.hears(AnswerReceived)
    await silent(alice.peer, bob.peer)


async def test_a_shutdown_says_goodbye(place: Place):
    alice, bob = place.alice, place.bob
    await alice.calls(f"sip:bob@{DOMAIN}")
    await bob.takes()
    await alice.connected()
    await place.gateway.drain(0)
    await place.gateway.close()
    ended = await bob.talk.hears(Ended)
    assert ended.message is not None
    assert "shutdown" in (ended.message.headers.get("Reason") or "")
    assert (await place.record())["reason"] == "shutdown"


async def test_where_phones_connect_is_told(place: Place):
    told = dict(place.gateway.addresses())
    port = place.gateway.janus.http_addresses[0][1]
    assert told["web phones"] == f"ws://127.0.0.1:{port}/  (sip)"
    assert told["domain"].startswith(f"{DOMAIN}: registrar, sip:127.0.0.1:")


@pytest.mark.parametrize(("more", "served", "warned"), [
    ({"b2bua.listen": "ws:127.0.0.1:0", "janus.enabled": "false"}, True, ""),
    ({"janus.enabled": "false"}, True, "no port for web phones"),
    ({"sip.enabled": "false"}, False, "web phones are not served"),
    ({"b2bua.enabled": "false"}, False, ""),
])  # fmt: skip
async def test_it_is_there_or_not(tmp_path: Path, caplog: pytest.LogCaptureFixture, more: dict[str, str], served: bool, warned: str):
    (tmp_path / "users").write_text(f"alice:{PASSWORD}\n")
    file = tmp_path / "gateway.toml"
    file.write_text(f'[b2bua.domains."{DOMAIN}"]\nusers = "{tmp_path / "users"}"\n')
    own = {"sip.listen": "udp:127.0.0.1:0", "webrtc.port": str(free_port(socket.SOCK_DGRAM))}
    gateway = Gateway(config.load(file, {}, SETTINGS | own | more).config)
    await gateway.start()
    try:
        addresses = [where for what, where in gateway.addresses() if what == "web phones"]
        assert (gateway.b2bua.front is not None) is served
        assert bool(addresses) is ("b2bua.listen" in more)
        assert [line.message for line in caplog.records if "web phones" in line.message] == ([warned] if warned else [])
    finally:
        await gateway.close()
