"""Own ports over the asyncio engine: DTLS in both roles with and without mux, ICE with aioice's full agent, and who answers without."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import aioice
import aioice.ice
import pylibsrtp
import pytest

from boringsdp.dtls import Action, Association, Established, Identity, Transmit, usable_fingerprints
from boringsdp.relay import (
    Connected,
    Dtmf,
    Failed,
    Keys,
    Latch,
    PathChanged,
    PlainTransport,
    Profile,
    Relay,
    RelaySettings,
    RouteRules,
    Stream,
    StreamFormat,
    StreamRules,
    TransportEvent,
    reports,
)
from boringsdp.rtp import rtcp
from tests.support.engines import make_relay

AUDIO = StreamRules(kind="audio", formats={0: StreamFormat(name="PCMU", clock_rate=8000)})
SAME = RouteRules(payload_types={0: 0})
GCM = Profile.AEAD_AES_256_GCM


@pytest.fixture
async def relays() -> AsyncIterator[tuple[Relay, Relay]]:
    async with AsyncExitStack() as stack:
        made = []
        for first in (42000, 42100):
            relay = make_relay(RelaySettings(plain_ports=(first, first + 99)))
            await relay.start()
            stack.push_async_callback(relay.close)
            made.append(relay)
        yield made[0], made[1]


@pytest.fixture(autouse=True)
def _loopback_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])
    monkeypatch.setattr(reports, "FIRST", (0.3, 0.4))
    monkeypatch.setitem(reports.INTERVAL, "audio", 1.0)


class Heard(list[TransportEvent]):
    def __call__(self, event: TransportEvent) -> None:
        self.append(event)


async def until(holds: Callable[[], object], within: float = 8.0) -> None:
    end = time.monotonic() + within
    while not holds():
        assert time.monotonic() < end, "never came"
        await asyncio.sleep(0.01)


def packet(number: int, ssrc: int = 77, payload: bytes = bytes(160)) -> bytes:
    return struct.pack("!BBHII", 0x80, 0, number, number * 160, ssrc) + payload


class Phone:
    """A plain RTP peer on one socket, joined by its relay to `stream`."""

    def __init__(self, relay: Relay, stream: Stream) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.sock.setblocking(False)
        transport = relay.open_plain(lambda event: None)
        mine = transport.add_stream(AUDIO)
        transport.set_remote(self.sock.getsockname())
        relay.connect(mine, stream, SAME)
        relay.connect(stream, mine, SAME)
        self.address = transport.addresses[0]

    async def talk(self, count: int = 30) -> int:
        """Speak, and return how many packets came back."""
        came = 0
        for number in range(count):
            self.sock.sendto(packet(number), self.address)
            await asyncio.sleep(0.01)
        while True:
            try:
                came += self.sock.recv(2048)[1] & 0x7F == 0
            except BlockingIOError:
                return came


def address_of(transport: PlainTransport) -> tuple[str, int]:
    return transport.addresses[0]


# --- DTLS --------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mux", [True, False])
@pytest.mark.parametrize("answer_first", [True, False])
async def test_two_gateways_speak_dtls_on_own_ports(relays: tuple[Relay, Relay], mux: bool, answer_first: bool) -> None:
    one, two = relays
    heard, echoes = Heard(), Heard()
    ours = one.open_plain(heard, secured=True, rtcp_mux=mux)
    theirs = two.open_plain(echoes, secured=True)
    stream, echo = ours.add_stream(AUDIO), theirs.add_stream(AUDIO)
    two.connect(echo, echo, SAME)
    phone = Phone(one, stream)
    fingerprints = ours.fingerprint_of("sha-384"), theirs.fingerprint_of("sha-512")
    if mux:
        theirs.use_rtcp_mux()

    def ours_applied() -> None:
        ours.set_remote(address_of(theirs))
        ours.start([fingerprints[1]], client=True)

    def theirs_applied() -> None:
        theirs.set_remote(address_of(ours))
        theirs.start([fingerprints[0]], client=False)

    (theirs_applied if answer_first else ours_applied)()
    await asyncio.sleep(0.1)
    (ours_applied if answer_first else theirs_applied)()
    await until(lambda: Connected(GCM) in heard and Connected(GCM) in echoes)
    assert await phone.talk() > 20
    for transport in (ours, theirs):
        await until(lambda transport=transport: transport.statistics().rtcp.packets_received > 0)
        assert not transport.statistics().drops.get("unverified")
    ports = two.port_reports(theirs)
    assert len(ports) == (1 if mux else 2)
    assert all("fingerprint-verified" in port.flags and port.suite == "AEAD_AES_256_GCM" for port in ports)
    phone.sock.close()
    ours.close()
    await until(lambda: len(echoes) > 1)
    assert not [event for event in heard + echoes if isinstance(event, Failed)]


async def test_a_hello_from_elsewhere_than_announced(relays: tuple[Relay, Relay]) -> None:
    """The peer stands behind NAT: the hello is answered where it came from, the first authentic packet moves the transport there."""
    one, two = relays
    heard, echoes = Heard(), Heard()
    ours, theirs = one.open_plain(heard, secured=True, rtcp_mux=True), two.open_plain(echoes, secured=True, rtcp_mux=True)
    stream, echo = ours.add_stream(AUDIO), theirs.add_stream(AUDIO)
    two.connect(echo, echo, SAME)
    theirs.set_remote(("127.0.0.1", 9))
    theirs.start([ours.fingerprint_of("sha-256")], client=False)
    ours.set_remote(address_of(theirs))
    ours.start([theirs.fingerprint_of("sha-256")], client=True)
    await until(lambda: Connected(GCM) in heard and Connected(GCM) in echoes)
    assert theirs.statistics().remote == ("127.0.0.1", 9)
    phone = Phone(one, stream)
    assert await phone.talk() > 20
    assert PathChanged(address_of(ours)) in echoes
    phone.sock.close()


async def test_a_wrong_certificate_passes_no_media(relays: tuple[Relay, Relay]) -> None:
    one, two = relays
    heard, echoes = Heard(), Heard()
    ours, theirs = one.open_plain(heard, secured=True), two.open_plain(echoes, secured=True)
    stream, echo = ours.add_stream(AUDIO), theirs.add_stream(AUDIO)
    two.connect(echo, echo, SAME)
    theirs.set_remote(address_of(ours))
    theirs.start([Identity().fingerprint], client=False)
    ours.set_remote(address_of(theirs))
    ours.start([theirs.fingerprint_of("sha-256")], client=True)
    await until(lambda: Failed("fingerprint") in echoes)
    phone = Phone(one, stream)
    assert await phone.talk(10) == 0
    assert echo.statistics().received.packets == 0
    phone.sock.close()


# --- ICE ---------------------------------------------------------------------------------------------------------------------------------


async def agent(transport: PlainTransport, components: int) -> aioice.Connection:
    """A full agent that knows our candidates."""
    assert transport.credentials is not None
    peer = aioice.Connection(ice_controlling=True, components=components)
    peer.remote_is_lite = True
    await peer.gather_candidates()
    peer.remote_username, peer.remote_password = transport.credentials.ufrag, transport.credentials.password
    host, port = transport.addresses[0]
    for component, number in enumerate((port, transport.rtcp_port), 1):
        if component <= components:
            assert number is not None
            await peer.add_remote_candidate(
                aioice.Candidate.from_sdp(f"1 {component} udp {2130706432 - component} {host} {number} typ host")
            )
    await peer.add_remote_candidate(None)
    return peer


def own_address(peer: aioice.Connection, component: int = 1) -> tuple[str, int]:
    [candidate] = [each for each in peer.local_candidates if each.component == component]
    return candidate.host, candidate.port


async def exchange(
    peer: aioice.Connection, out: Callable[[bytes], bytes], inward: Callable[[bytes], bytes], first: int = 0
) -> tuple[int, int]:
    """Speak and report; return how many RTP and RTCP packets came back, each by the component it belongs to."""
    for number in range(first, first + 30):
        await peer.sendto(out(packet(number)), 1)
        await asyncio.sleep(0.01)
    media = told = 0
    end = time.monotonic() + 7
    while time.monotonic() < end and not (media > 20 and told):
        data, component = await asyncio.wait_for(peer.recvfrom(), 7)
        if 191 < data[1] < 224:
            told += 1
            assert component == max(peer._components)
        else:
            assert component == 1
            assert inward(data)[1] == 0
            media += 1
    return media, told


@pytest.mark.parametrize("components", [1, 2])
@pytest.mark.parametrize("secured", [True, False])
async def test_a_full_agent_finds_our_ports(relays: tuple[Relay, Relay], components: int, secured: bool) -> None:
    relay, heard = relays[0], Heard()
    transport = relay.open_plain(heard, ice=True, secured=secured)
    stream = transport.add_stream(AUDIO)
    relay.connect(stream, stream, SAME)
    if components == 1:
        transport.use_rtcp_mux()
    out = inward = bytes
    if secured:
        profile = pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80
        ours, theirs = (Keys(Profile.AES128_CM_SHA1_80, bytes([n]) * 16, bytes([n]) * 14) for n in (1, 2))
        transport.set_keys(ours, theirs)
        inward = pylibsrtp.Session(pylibsrtp.Policy(ours.key + ours.salt, pylibsrtp.Policy.SSRC_ANY_INBOUND, 0, profile)).unprotect
        out = pylibsrtp.Session(pylibsrtp.Policy(theirs.key + theirs.salt, pylibsrtp.Policy.SSRC_ANY_OUTBOUND, 0, profile)).protect
    transport.expect_ice()
    stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stranger.sendto(packet(1, 99), transport.addresses[0])  # who has not checked is not heard
    peer = await agent(transport, components)
    await asyncio.wait_for(peer.connect(), 5)
    await until(lambda: transport.ready)
    media, told = await exchange(peer, out, inward)
    assert media > 20
    assert told
    assert heard[0] == PathChanged(own_address(peer))
    figures = transport.statistics()
    assert (figures.remote, figures.rtcp_remote) == (own_address(peer), own_address(peer, components))
    assert stream.statistics().received.ssrc == 77
    assert {"ice", "confirmed"} <= relay.port_reports(transport)[0].flags
    await peer.close()
    stranger.close()


class Dtls:
    """DTLS by hand over an agent's component."""

    def __init__(self, peer: aioice.Connection, component: int, identity: Identity, theirs: tuple[str, str], *, client: bool) -> None:
        self.peer = peer
        self.component = component
        self.keys: Established | None = None
        self.association = Association(identity, client=client)
        self.association.expect(usable_fingerprints([theirs]), time.monotonic())

    async def perform(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Transmit(datagram):
                    await self.peer.sendto(datagram, self.component)
                case Established():
                    self.keys = action
                case _:
                    raise AssertionError(action)


@pytest.mark.parametrize("components", [1, 2])
@pytest.mark.parametrize("client", [True, False])
async def test_dtls_after_checks_on_each_component(relays: tuple[Relay, Relay], components: int, client: bool) -> None:
    relay, heard, identity = relays[0], Heard(), Identity()
    transport = relay.open_plain(heard, ice=True, secured=True, rtcp_mux=components == 1)
    stream = transport.add_stream(AUDIO)
    relay.connect(stream, stream, SAME)
    transport.start([identity.fingerprint], client=client)
    peer = await agent(transport, components)
    await asyncio.wait_for(peer.connect(), 5)
    sides = {n: Dtls(peer, n, identity, transport.fingerprint_of("sha-256"), client=not client) for n in range(1, components + 1)}
    for side in sides.values():
        await side.perform(side.association.start(time.monotonic()))
    while not all(side.keys for side in sides.values()):
        data, component = await asyncio.wait_for(peer.recvfrom(), 7)
        if 19 < data[0] < 64:
            await sides[component].perform(sides[component].association.receive(data, time.monotonic()))
    await until(lambda: Connected(GCM) in heard)
    established = sides[1].keys
    assert established is not None
    gcm = pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM
    send, receive = established.send, established.receive
    out = pylibsrtp.Session(pylibsrtp.Policy(send.key + send.salt, pylibsrtp.Policy.SSRC_ANY_OUTBOUND, 0, gcm))
    inward = pylibsrtp.Session(pylibsrtp.Policy(receive.key + receive.salt, pylibsrtp.Policy.SSRC_ANY_INBOUND, 0, gcm))
    side = sides[components].keys
    assert side is not None
    control = pylibsrtp.Session(pylibsrtp.Policy(side.receive.key + side.receive.salt, pylibsrtp.Policy.SSRC_ANY_INBOUND, 0, gcm))
    for number in range(30):
        await peer.sendto(out.protect(packet(number)), 1)
        await asyncio.sleep(0.01)
    media, told = 0, b""
    while media < 20 or not told:
        data, component = await asyncio.wait_for(peer.recvfrom(), 7)
        if 191 < data[1] < 224:
            told = control.unprotect_rtcp(data)
            assert component == components
        elif data[0] > 127:
            assert inward.unprotect(data)[1] == 0
            media += 1
    assert isinstance(rtcp.parse_rtcp(told)[0], rtcp.SenderReport)
    await peer.close()


@pytest.mark.parametrize("dtls", [True, False])
async def test_we_offer_ice_and_the_peer_answers_without(relays: tuple[Relay, Relay], dtls: bool) -> None:
    one, two = relays
    heard, echoes = Heard(), Heard()
    ours = one.open_plain(heard, ice=True, secured=dtls)
    theirs = two.open_plain(echoes, secured=dtls)
    stream, echo = ours.add_stream(AUDIO), theirs.add_stream(AUDIO)
    two.connect(echo, echo, SAME)
    phone = Phone(one, stream)
    theirs.set_remote(address_of(ours))
    if dtls:
        theirs.start([ours.fingerprint_of("sha-256")], client=True)
    await asyncio.sleep(0.05)
    ours.set_remote(address_of(theirs), None, Latch.ONCE)
    if dtls:
        ours.start([theirs.fingerprint_of("sha-256")], client=False)
        await until(lambda: Connected(GCM) in heard and Connected(GCM) in echoes)
    assert ours.ready
    assert await phone.talk() > 20
    await until(lambda: ours.statistics().rtcp.packets_received > 0)
    assert "ice" not in one.port_reports(ours)[0].flags
    phone.sock.close()


async def test_an_ice_restart_takes_a_new_agent(relays: tuple[Relay, Relay]) -> None:
    relay, heard = relays[0], Heard()
    transport = relay.open_plain(heard, ice=True)
    stream = transport.add_stream(AUDIO)
    relay.connect(stream, stream, SAME)
    first = await agent(transport, 2)
    await asyncio.wait_for(first.connect(), 5)
    await exchange(first, bytes, bytes)
    transport.restart_ice()
    second = await agent(transport, 2)
    await asyncio.wait_for(second.connect(), 5)
    await until(lambda: PathChanged(own_address(second)) in heard)
    media, told = await exchange(second, bytes, bytes, first=30)
    assert media > 20
    assert told
    assert transport.statistics().rtcp_remote == own_address(second, 2)
    await first.close()
    await second.close()


# --- datagrams ---------------------------------------------------------------------------------------------------------------------------


async def test_faxes_pass_as_they_are(relays: tuple[Relay, Relay]) -> None:
    relay = relays[0]
    loop = asyncio.get_running_loop()
    socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    for sock in socks:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
    one, two = relay.open_raw(Heard()), relay.open_raw(Heard())
    one.set_remote(socks[0].getsockname())
    two.set_remote(("127.0.0.1", 9))  # its NAT changed the port
    relay.join_raw(one, two)
    socks[1].sendto(b"\0\1hello", two.addresses[0])
    assert await asyncio.wait_for(loop.sock_recv(socks[0], 2048), 5) == b"\0\1hello"
    answer: Any = bytes(range(256)) * 4
    socks[0].sendto(answer, one.addresses[0])
    assert await asyncio.wait_for(loop.sock_recv(socks[1], 2048), 5) == answer
    [port] = relay.port_reports(two)
    assert (port.received.packets, port.sent.packets) == (1, 1)
    assert port.remote == socks[1].getsockname()
    for sock in socks:
        sock.close()


# --- blocked, silenced, pierced ----------------------------------------------------------------------------------------------------------


async def test_blocked_and_silenced_media_while_digits_pass(relays: tuple[Relay, Relay]) -> None:
    relay, heard = relays[0], Heard()
    socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    streams = []
    formats = {**AUDIO.formats, 101: StreamFormat(name="telephone-event", clock_rate=8000)}
    for sock in socks:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        transport = relay.open_plain(heard)
        streams.append(transport.add_stream(replace(AUDIO, formats=formats, dtmf_payload_type=101)))
        transport.set_remote(sock.getsockname())
    source, target = streams
    passing = RouteRules(payload_types={0: 0}, telephone_events={101: 8000})
    number = 0

    async def speak(rules: RouteRules) -> list[bytes]:
        """Say something and press 5; return what came out at the other end."""
        nonlocal number
        relay.connect(source, target, rules)
        pressed = number * 160
        for _ in range(10):
            socks[0].sendto(packet(number, payload=b"\x20" * 160), source.transport.addresses[0])
            number += 1
            await asyncio.sleep(0.02)
        for n in range(1, 6):
            event = struct.pack("!BBHIIBBH", 0x80, 101, number, pressed, 77, 5, 0x80 if n > 3 else 0, 160 * min(n, 4))
            socks[0].sendto(event, source.transport.addresses[0])
            number += 1
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.4)
        out = []
        while True:
            try:
                out.append(socks[1].recv(2048))
            except BlockingIOError:
                return out

    def media(came: list[bytes]) -> set[bytes]:
        return {data[12:] for data in came if data[1] & 0x7F == 0}

    def digits(came: list[bytes]) -> int:
        return sum(data[1] == 0xE5 for data in came)

    came = await speak(passing)
    assert (media(came), digits(came)) == ({b"\x20" * 160}, 1)
    came = await speak(replace(passing, media=False))
    assert (media(came), digits(came)) == (set(), 1)
    came = await speak(replace(passing, dtmf=False))
    assert (media(came), digits(came)) == ({b"\x20" * 160}, 0)
    came = await speak(replace(passing, silenced=True))
    assert (media(came), digits(came)) == ({b"\xff" * 160}, 1)
    assert [event.digit for event in heard if isinstance(event, Dtmf)] == ["5"] * 4
    for sock in socks:
        sock.close()


async def test_packets_open_the_way_until_the_peer_speaks(relays: tuple[Relay, Relay]) -> None:
    relay = relays[0]
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.setblocking(False)
    transport = relay.open_plain(Heard())
    transport.add_stream(AUDIO)
    transport.set_remote(sock.getsockname())
    transport.pierce()
    loop = asyncio.get_running_loop()
    for _ in range(2):
        data = await asyncio.wait_for(loop.sock_recv(sock, 2048), 5)
        assert (len(data), data[1] & 0x7F) == (12, 127)
    sock.sendto(packet(1), transport.addresses[0])
    await asyncio.sleep(0.7)
    with pytest.raises(BlockingIOError):
        sock.recv(2048)
    sock.close()
