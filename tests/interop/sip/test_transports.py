"""Our transports towards Kamailio: all five, both families, certificates, keep-alives."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from boringsdp.sip.account import IncomingCall
from boringsdp.sip.digest import Credentials
from boringsdp.sip.endpoint import Endpoint
from boringsdp.sip.facades import Account
from boringsdp.sip.flow import Protocol, Target
from boringsdp.sip.register import Registered, Unregistered
from boringsdp.sip.session.events import Answered, By, Confirmed, Ended
from boringsdp.sip.settings import PolicySettings, SipSettings
from boringsdp.sip.transport import TlsSettings, TransportSettings
from boringsdp.sip.uri import SipUri
from tests.interop.kamailio.phone import free_ports
from tests.interop.sip.registrar import Registrar, _listening, missing, running_registrar
from tests.sip.transport.certificates import Authority
from tests.sip.transport.side import Side, side
from tests.support.processes import end
from tests.support.sip_endpoints import ANSWER, OFFER, Ear, settings_of

pytestmark = pytest.mark.interop

CONFIGURATION = Path(__file__).with_name("transports.cfg")
NAME = "sip.example.com"


@contextlib.asynccontextmanager
async def kamailio(host: str, folder: Path) -> AsyncIterator[int]:
    """Kamailio on a port (TLS on the next) of a host; `authority.pem` in the folder has signed its certificate."""
    if problem := missing():
        pytest.skip(problem)
    if not list(Path("/usr/lib").glob("**/kamailio/modules/websocket.so")):
        pytest.skip("apt-get install kamailio-websocket-modules")
    authority, (port, _), log = Authority(folder), free_ports(), folder / "log"
    certificate = authority.issue("server.pem", f"sip:{NAME}")
    command = [
        *("kamailio", "-DD", "-E", "-f", str(CONFIGURATION), "-w", str(folder), "-Y", str(folder), "-m", "32", "-M", "8"),
        *("-l", f"udp:{host}:{port}", "-l", f"tcp:{host}:{port}", "-l", f"tls:{host}:{port + 1}"),
        *("-A", f'TLS_KEY="{certificate}"', "-A", f'TLS_CERTIFICATE="{certificate}"'),
    ]
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        await _listening(process, host.strip("[]"), port, log)
        yield port
    finally:
        await end(process, 5)


async def asked(client: Side, target: Target) -> str:
    """What OPTIONS to a target brings: the status line, or why it failed."""
    via = f"SIP/2.0/{target.protocol.value} {client.transports.sent_by(target)};rport;branch=z9hG4bK{len(client.heard)}"
    lines = ["From: <sip:a@example.com>;tag=1", "To: <sip:b@example.com>", "Call-ID: 1@h", "CSeq: 1 OPTIONS", "Max-Forwards: 70"]
    request = "\r\n".join([f"OPTIONS sip:b@{NAME} SIP/2.0", f"Via: {via}", *lines, "Content-Length: 0", "", ""]).encode()
    before = len(client.heard)
    client.transports.send(request, target, 1)
    await client.until(lambda: len(client.heard) > before or client.failures)
    return client.failures.pop()[1] if client.failures else client.heard[-1][0].split(b"\r\n")[0].decode()


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
async def test_kamailio_is_reached_by_every_transport_and_answers_pings(host: str, tmp_path: Path) -> None:
    tls = TlsSettings(authorities=tmp_path / "authority.pem")
    async with kamailio(host, tmp_path) as port, side(f"udp:{host}:0", f"tcp:{host}:0", tls=tls, keepalive_stream_s=0.5) as client:
        for protocol in Protocol:
            target = Target(protocol, host.strip("[]"), port + protocol.secure, NAME, "/")
            assert await asked(client, target) == "SIP/2.0 200 OK", protocol
            client.transports.keep_alive(target)
            assert client.transports.flow(target) == client.heard[-1][1]
        connections = client.transports._pool.connections()
        assert [connection.flow.protocol for connection in connections] == [Protocol.TCP, Protocol.TLS, Protocol.WS, Protocol.WSS]
        await client.polls(lambda: all(connection.liveness._answers for connection in connections))
        assert client.closings == []


async def test_the_certificate_of_kamailio_must_be_for_the_domain(tmp_path: Path) -> None:
    tls = TlsSettings(authorities=tmp_path / "authority.pem")
    async with kamailio("127.0.0.1", tmp_path) as port, side(tls=tls) as client:
        for protocol in (Protocol.TLS, Protocol.WSS):
            wrong = Target(protocol, "127.0.0.1", port + 1, "other.example.com")
            assert await asked(client, wrong) == f"the certificate is not for other.example.com but for {NAME}"


def at(pbx: Registrar, protocol: Protocol) -> SipUri:
    """The PBX itself, by a transport."""
    port = pbx.port + protocol.secure
    return SipUri("sip", None, pbx.host.strip("[]"), port, (("transport", protocol.value.lower()),))


async def registered(endpoint: Endpoint, pbx: Registrar, user: str, protocol: Protocol) -> tuple[Account, Ear]:
    ear = Ear()
    settings = settings_of(
        SipUri("sip", user, pbx.host.strip("[]"), pbx.port),
        credentials=(Credentials(user, pbx.secret),),
        protocol=protocol,
        registrar=at(pbx, protocol),
        outbound_proxy=at(pbx, protocol),
    )
    account = endpoint.account(settings, ear)
    account.register()
    await ear.hears(Registered)
    return account, ear


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
@pytest.mark.parametrize("protocol", [Protocol.TCP, Protocol.TLS])
async def test_calls_both_ways_through_a_proxy_where_we_do_not_listen(host: str, protocol: Protocol) -> None:
    """The proxy sends the BYE of the called one to the caller's Contact: it finds the connection that came from there."""
    if problem := missing():
        pytest.skip(problem)
    async with running_registrar(host) as pbx, contextlib.AsyncExitStack() as stack:
        transport = TransportSettings(listen=(f"udp:{host}:0",), tls=TlsSettings(authorities=pbx.certificate))
        settings = SipSettings(transport=transport, policy=PolicySettings(sources=("127.0.0.0/8", "::1/128")))
        here, there = [await stack.enter_async_context(started(settings)) for _ in range(2)]
        alice, _ = await registered(here, pbx, "alice", protocol)
        bob, bobs = await registered(there, pbx, "bob", protocol)
        caller, callee = Ear(), Ear()
        alice.invite(SipUri("sip", "bob", pbx.host.strip("[]"), pbx.port), OFFER, hear=caller)
        came = await bobs.hears(IncomingCall)
        came.session.hear = callee
        came.session.accept(ANSWER)
        await caller.hears(Answered)
        await callee.hears(Confirmed)
        came.session.hang_up()
        assert (await caller.hears(Ended)).by is By.REMOTE
        bob.unregister()
        alice.unregister()
        await bobs.hears(Unregistered)


@contextlib.asynccontextmanager
async def started(settings: SipSettings) -> AsyncIterator[Endpoint]:
    endpoint = Endpoint(settings)
    await endpoint.start()
    try:
        yield endpoint
    finally:
        await endpoint.close()
