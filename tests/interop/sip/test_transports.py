"""Our transports towards Kamailio: all five, both families, certificates, keep-alives."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from boringsdp.sip.flow import Protocol, Target
from boringsdp.sip.transport import TlsSettings
from tests.interop.kamailio.phone import free_ports
from tests.interop.sip.registrar import _listening, missing
from tests.sip.transport.certificates import Authority
from tests.sip.transport.side import Side, side
from tests.support.processes import end

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
