"""SIP over WebSocket (RFC 7118), both roles, and clients of others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import WSMsgType, web

from boringsdp.sip.flow import Protocol, Target
from boringsdp.sip.transport import GateSettings, TlsSettings
from tests.sip.transport.certificates import Authority
from tests.sip.transport.side import Side, answer, limits, message, side

WS, WSS = Protocol.WS, Protocol.WSS


def address(server: Side, protocol: Protocol = WS) -> str:
    target = server.target(protocol, path="/any/path")
    host = f"[{target.host}]" if ":" in target.host else target.host
    return f"{protocol.value.lower()}://{host}:{target.port}{target.path}"


@asynccontextmanager
async def phone(server: Side) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """Somebody else's client."""
    async with aiohttp.ClientSession() as session, session.ws_connect(address(server), protocols=("sip",)) as socket:
        yield socket


async def told(socket: aiohttp.ClientWebSocketResponse) -> object:
    """What the server says next."""
    async with asyncio.timeout(5):
        return (await socket.receive()).data


@pytest.mark.parametrize("listen", ["ws:127.0.0.1:0", "ws:[::1]:0", "ws:0.0.0.0:0"])
async def test_there_and_back_over_one_connection(listen: str) -> None:
    async with side(listen, replies=lambda data: answer()) as server, side(token=lambda octets: "c0ffee") as client:
        target = server.target(WS, name="sip.example.com", path="/ws")
        for number in range(3):
            client.transports.send(message(number), target, number)
        assert await client.hears(3) == [answer()] * 3
        assert [data for data, _ in server.heard] == [message(number) for number in range(3)]
        flow, back = client.heard[0][1], server.heard[0][1]
        assert (flow.local, flow.remote, flow.protocol) == (back.remote, back.local, WS)
        assert client.transports.flow(target) == flow
        assert server.transports.peer(back).path == "/ws"
        assert client.transports.sent_by(target) == "c0ffee.invalid"
        assert client.transports.contact_address(flow) == ("c0ffee.invalid", 0, WS)
        assert server.transports.sent_by(back) == f"{'[::1]' if ':' in target.host else '127.0.0.1'}:{target.port}"
        server.transports.send(message(7), back, 7)
        await client.hears(4)
        assert client.heard[3] == (message(7), flow)


async def test_secure_and_verified(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    there = TlsSettings(certificate=authority.issue("ws.pem", "sip.example.com"))
    async with side("wss:127.0.0.1:0", tls=there, replies=lambda data: answer()) as server:
        async with side(tls=TlsSettings(authorities=authority.path)) as client:
            client.transports.send(message(), server.target(WSS, "sip.example.com"), 1)
            await client.hears()
            assert client.transports.peer(client.heard[0][1]).names == ("sip.example.com",)
            client.transports.send(message(), server.target(WSS, "other.example.com"), 2)
            await client.until(lambda: client.failures)
            assert client.failures == [(2, "the certificate is not for other.example.com but for sip.example.com")]
        async with side() as client:
            client.transports.send(message(), server.target(WSS, "sip.example.com"), 3)
            await client.until(lambda: client.failures)
            assert "certificate verify failed" in client.failures[0][1]
        assert len(server.heard) == 1


async def test_text_and_binary_and_pings_of_web_phones() -> None:
    async with side("ws:127.0.0.1:0", replies=lambda data: answer()) as server, aiohttp.ClientSession() as session:
        async with session.ws_connect(address(server), protocols=("sip",), origin="https://phone.example.com") as socket:
            assert socket.protocol == "sip"
            await socket.send_str(message(1).decode())
            assert await told(socket) == answer().decode()
            await socket.send_bytes(message(2))
            assert await told(socket) == answer().decode()
            await socket.send_str("\r\n\r\n")
            assert await told(socket) == "\r\n"
            server.transports.send(message(3, b"\xff\xfe"), server.heard[0][1])
            assert await told(socket) == message(3, b"\xff\xfe")
            assert server.transports.peer(server.heard[0][1]).origin == "https://phone.example.com"
        assert [data for data, _ in server.heard] == [message(1), message(2)]
        await server.until(lambda: server.closings)


async def test_no_content_length_is_needed() -> None:
    bare = b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/WS x.invalid;branch=z9hG4bK1\r\n\r\n"
    async with side("ws:127.0.0.1:0") as server, phone(server) as socket:
        await socket.send_bytes(bare)
        assert await server.hears() == [bare]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-WebSocket-Protocol": "janus-protocol"}, 426),
        ({}, 426),
        ({"Sec-WebSocket-Protocol": "sip", "Origin": "https://evil.example.com"}, 403),
        ({"Sec-WebSocket-Protocol": "chat, sip", "Origin": "https://good.example.com"}, 101),
    ],
)
async def test_who_may_upgrade(headers: dict[str, str], status: int) -> None:
    async with side("ws:127.0.0.1:0", origins=("https://good.example.com",)) as server, aiohttp.ClientSession() as session:
        if "Origin" not in headers:
            headers = {**headers, "Origin": "https://good.example.com"}
        try:
            async with session.ws_connect(address(server), headers=headers):
                found = 101
        except aiohttp.WSServerHandshakeError as error:
            found = error.status
        assert found == status
        async with session.get(address(server).replace("ws:", "http:"), headers={"Origin": "https://good.example.com"}) as plain:
            assert plain.status == 426


async def test_a_path_of_its_own() -> None:
    async with side("ws:127.0.0.1:0", websocket_path="/sip") as server, aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError, match="404"):
            await session.ws_connect(address(server), protocols=("sip",))
        async with session.ws_connect(address(server).replace("/any/path", "/sip"), protocols=("sip",)) as socket:
            assert socket.protocol == "sip"


async def test_on_a_route_of_somebody_elses_server() -> None:
    async with side("udp:127.0.0.1:0", replies=lambda data: answer(), gate=GateSettings(ban_after=1)) as server:
        application = web.Application()
        application.router.add_get("/phones", server.transports.websockets().handle)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(f"ws://{host}:{port}/phones", protocols=("sip",)) as socket:
                await socket.send_str(message().decode())
                assert await told(socket) == answer().decode()
                assert server.transports.contact_address(server.heard[0][1]) == (host, port, WS)
                await socket.send_str("hello")
                assert (await socket.receive()).type in (WSMsgType.CLOSED, WSMsgType.CLOSE, WSMsgType.ERROR, WSMsgType.CLOSING)
            with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
                await session.ws_connect(f"ws://{host}:{port}/phones", protocols=("sip",))
        assert server.transports.counts["not SIP"] == 1
        await runner.cleanup()


@pytest.mark.parametrize(
    ("lines", "host"),
    [
        (["203.0.113.7"], "203.0.113.7"),
        (["10.9.9.9, 2001:db8::7"], "2001:db8::7"),
        (["10.9.9.9", "203.0.113.8"], "203.0.113.8"),
        (["nobody"], "127.0.0.1"),
        ([], "127.0.0.1"),
    ],
)
async def test_a_proxy_says_who_has_connected(lines: list[str], host: str) -> None:
    async with side("udp:127.0.0.1:0") as server:
        application = web.Application()
        application.router.add_get("/phones", server.transports.websockets(forwarded=True).handle)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"ws://127.0.0.1:{runner.addresses[0][1]}/phones"
        headers = [("X-Forwarded-For", line) for line in lines]
        async with aiohttp.ClientSession() as session, session.ws_connect(url, protocols=("sip",), headers=headers) as socket:
            await socket.send_str(message().decode())
            await server.hears()
            assert server.heard[0][1].remote[0] == host
        await server.until(lambda: server.closings)
        assert server.transports._pool._sources == {}
        await runner.cleanup()


async def test_a_message_that_is_too_long_ends_the_connection() -> None:
    async with side("ws:127.0.0.1:0") as server, phone(server) as socket:
        await socket.send_bytes(message(1, b"x" * 70_000))
        assert (await socket.receive()).type is WSMsgType.CLOSE
        assert socket.close_code == 1009
    assert server.heard == []


async def test_who_connects_and_never_upgrades_has_little_time() -> None:
    async with side("ws:127.0.0.1:0", limits=limits(handshake_s=0.1, connections_per_source=1)) as server:
        target = server.target(WS)
        reader, writer = await asyncio.open_connection(target.host, target.port)
        refused, second = await asyncio.open_connection(target.host, target.port)
        assert await refused.read() == b""
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        assert server.transports.counts == {"too many connections of one source": 1, "handshake failed": 1}
        writer.close()
        second.close()
        async with aiohttp.ClientSession() as session, session.ws_connect(address(server), protocols=("sip",)) as socket:
            await socket.send_str(message().decode())
            await server.hears()


async def test_who_is_refused_is_disconnected() -> None:
    async with side("ws:127.0.0.1:0") as server:
        target = server.target(WS)
        reader, writer = await asyncio.open_connection(target.host, target.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        async with asyncio.timeout(5):
            assert (await reader.read()).startswith(b"HTTP/1.1 426 ")
        writer.close()
        assert server.transports._pool._accepted == 0


async def test_a_web_phone_that_does_not_read_is_given_up() -> None:
    async with side("ws:127.0.0.1:0", limits=limits(unsent=200_000)) as server, phone(server) as socket:
        await socket.send_str(message().decode())
        await server.hears()
        flow = server.heard[0][1]
        for _ in range(2000):
            if server.closings:
                break
            server.transports.send(message(2, b"x" * 60_000), flow, 2)
            await asyncio.sleep(0)
        await server.until(lambda: server.closings and server.failures)
        assert server.closings[0][1] == "does not take what it is sent"


async def test_a_server_that_does_not_speak_sip() -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        return socket

    application = web.Application()
    application.router.add_get("/", handle)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    async with side() as client:
        client.transports.send(message(), Target(WS, host, port), 1)
        client.transports.send(message(), Target(WS, host, port, path="/nowhere"), 2)
        await client.until(lambda: len(client.failures) == 2)
        assert dict(client.failures)[1] == "Protocol not supported"
    await runner.cleanup()


async def test_closing_goes_to_both_sides() -> None:
    async with side() as client:
        async with side("ws:127.0.0.1:0") as server:
            target = server.target(WS)
            client.transports.send(message(1), target, 1)
            await server.hears()
            client.transports.send(message(2), target, 2)
            client.transports.drop(client.transports.flow(target))  # type: ignore[arg-type]
            await server.hears(2)
            await server.until(lambda: server.closings)
            await client.until(lambda: client.closings)
            assert client.closings[0][1] == "closed by us"
            client.transports.send(message(3), target, 3)
            await server.hears(3)
        await client.until(lambda: len(client.closings) == 2)
        await client.until(lambda: 3 in dict(client.failures))
