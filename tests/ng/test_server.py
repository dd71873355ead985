"""NG's transports on real sockets of loopback, with a small stand-in for the front."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvloop

from boringsdp.ng.reception import Reception
from boringsdp.ng.server import NgServer
from boringsdp.ng.settings import Address, Limits, NgSettings
from tests.support.certificate import make_certificate

LOOPBACK = ("127.0.0.1", 0)
PING, PONG = b"d7:command4:pinge", b"d6:result4:ponge"
JSON = {"Content-Type": "application/json"}
NG = {"Content-Type": "application/x-rtpengine-ng"}
WAIT_S = 5.0


class Front:
    """Executes nothing but what the tests ask for; `before` runs first."""

    def __init__(self) -> None:
        self.executed: list[tuple[dict[str, Any], Address | None]] = []
        self.before: Callable[[dict[str, Any]], None] = lambda request: None

    def execute(self, request: dict[str, Any], source: Address | None) -> dict[str, Any]:
        if request.get("command") == "ping":
            return {"result": "pong"}
        self.executed.append((request, source))
        self.before(request)
        return {"result": "ok", "echo": request.get("echo", ""), "fill": "x" * int(request.get("fill", 0))}


@asynccontextmanager
async def running(front: Front | None = None, **settings: Any) -> AsyncIterator[NgServer]:
    server = NgServer(NgSettings(**{"udp": (LOOPBACK,), "tcp": (LOOPBACK,), "http": (LOOPBACK,)} | settings), (front or Front()).execute)
    await server.start()
    try:
        async with asyncio.timeout(2 * WAIT_S):
            yield server
    finally:
        await server.close()


async def heard(reader: asyncio.StreamReader) -> bytes:
    """What comes until the other side ends the connection, one way or the other."""
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


class Datagrams:
    """A connected UDP client, as Kamailio's are."""

    def __init__(self, to: Address) -> None:
        self._socket = socket.socket(socket.AF_INET6 if ":" in to[0] else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.connect(to)

    def send(self, data: bytes) -> None:
        self._socket.send(data)

    async def receive(self, seconds: float = WAIT_S) -> bytes:
        async with asyncio.timeout(seconds):
            return await asyncio.get_running_loop().sock_recv(self._socket, 65_535)

    async def ask(self, data: bytes) -> bytes:
        self.send(data)
        return await self.receive()

    def __enter__(self) -> Datagrams:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


# --- UDP ---------------------------------------------------------------------------------------------------------------------------------


async def test_udp_answers_in_the_requests_format():
    front = Front()
    async with running(front) as server:
        with Datagrams(server.udp_addresses[0]) as client:
            assert await client.ask(b"1_1 " + PING) == b"1_1 " + PONG
            assert await client.ask(b'1_2 {"command":"ping"}') == b'1_2 {"result":"pong"}'
            reply = await client.ask(b"1_3 d7:command4:list4:echo2:\xff\xfee")
            assert reply == b"1_3 d6:result2:ok4:echo2:\xff\xfe4:fill0:e"
    assert front.executed[0][1] is not None
    assert front.executed[0][1][0] == "127.0.0.1"


async def test_udp_is_silent_about_what_has_no_cookie():
    async with running() as server:
        with Datagrams(server.udp_addresses[0]) as client:
            for data in (b"", PING, b" " + PING, b"nothing"):
                client.send(data)
            assert await client.ask(b"c " + PING) == b"c " + PONG
            with pytest.raises(TimeoutError):
                await client.receive(0.05)


async def test_a_request_that_comes_again_is_executed_once_from_wherever():
    front = Front()
    async with running(front) as server:
        with Datagrams(server.udp_addresses[0]) as client, Datagrams(server.udp_addresses[0]) as other:
            client.send(b"c d7:command4:liste")
            client.send(b"c d7:command4:liste")
            first = await client.receive()
            assert await client.receive() == first
            assert await other.ask(b"c whatever") == first
            reader, writer = await asyncio.open_connection(*server.tcp_addresses[0])
            writer.write(b"c de")
            assert await reader.readexactly(len(first)) == first
            writer.close()
    assert len(front.executed) == 1


async def test_large_datagrams_go_both_ways():
    async with running() as server:
        with Datagrams(server.udp_addresses[0]) as client:
            sdp = b"s" * 40_000
            reply = await client.ask(b"c d7:command5:offer4:echo40000:" + sdp + b"e")
            assert sdp in reply
            reply = await client.ask(b"d d7:command5:query4:filli65000ee")
            assert len(reply) > 65_000
            reply = await client.ask(b"e d7:command5:query4:filli70000ee")
            assert reply == b"e d6:result5:error12:error-reason33:Reply is too large for a datagrame"


@pytest.mark.parametrize(("host", "asked"), [("0.0.0.0", "127.0.0.2"), ("::", "::1"), ("::1", "::1")])
async def test_replies_come_from_the_address_that_was_asked(host: str, asked: str):
    async with running(udp=((host, 0),), tcp=(), http=()) as server:
        with Datagrams((asked, server.udp_addresses[0][1])) as client:  # connected: hears no other address
            assert await client.ask(b"c " + PING) == b"c " + PONG


async def test_pings_are_answered_while_many_requests_wait():
    front = Front()
    front.before = lambda request: time.sleep(0.002)
    async with running(front, limits=Limits(queued_requests=1000)) as server:
        with Datagrams(server.udp_addresses[0]) as busy, Datagrams(server.udp_addresses[0]) as watch:
            for number in range(300):
                busy.send(b"%d d7:command5:offere" % number)
            await asyncio.sleep(0)
            start = time.monotonic()
            for number in range(5):
                assert await watch.ask(b"ping%d " % number + PING) == b"ping%d " % number + PONG
            taken = time.monotonic() - start
            assert server.statistics()["requests_waiting"] > 50
            assert taken < 0.3


async def test_one_failing_request_costs_nobody_else_anything(caplog: pytest.LogCaptureFixture):
    def fail(request: dict[str, Any]) -> None:
        if request["command"] == "query":
            raise RuntimeError("a bug")

    front = Front()
    front.before = fail
    async with running(front) as server:
        with Datagrams(server.udp_addresses[0]) as client:
            assert await client.ask(b"a d7:command5:querye") == b"a d6:result5:error12:error-reason14:Internal errore"
            assert (await client.ask(b"b d7:command4:liste")).startswith(b"b d6:result2:ok")
    assert "ng request failed" in caplog.text


async def test_strangers_are_not_heard():
    async with running(acl=("192.0.2.0/24",)) as server:
        with Datagrams(server.udp_addresses[0]) as client:
            client.send(b"c " + PING)
            with pytest.raises(TimeoutError):
                await client.receive(0.05)
        reader, writer = await asyncio.open_connection(*server.tcp_addresses[0])
        assert await heard(reader) == b""
        writer.close()
        base = "http://{}:{}".format(*server.http_addresses[0])
        async with aiohttp.ClientSession() as client, client.get(f"{base}/ping") as reply:
            assert reply.status == 403
    async with running(acl=("127.0.0.0/8",), tcp=(), http=()) as server:
        with Datagrams(server.udp_addresses[0]) as client:
            assert await client.ask(b"c " + PING) == b"c " + PONG


async def test_everyones_port_is_warned_of(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        async with running(udp=(("0.0.0.0", 0),), tcp=(), http=(), acl=("10.0.0.0/8",)), running():
            assert "ng is open" not in caplog.text
        async with running(udp=(("0.0.0.0", 0),), tcp=(), http=()):
            assert "ng is open to everyone who can reach it; set ng.acl" in caplog.text


async def test_nothing_is_left_open_when_an_address_cannot_be_had():
    with socket.socket() as taken:
        taken.bind(LOOPBACK)
        taken.listen()
        server = NgServer(NgSettings(udp=(LOOPBACK,), tcp=(taken.getsockname(),)), Front().execute)
        with pytest.raises(OSError, match="in use"):
            await server.start()
        await server.close()


# --- TCP ---------------------------------------------------------------------------------------------------------------------------------


async def test_tcp_messages_follow_each_other_however_they_are_cut():
    async with running() as server:
        reader, writer = await asyncio.open_connection(*server.tcp_addresses[0])
        for octet in b'a d7:command4:pinge\nb {"command":"ping"}c d7:command4:ping':
            writer.write(bytes((octet,)))
            await asyncio.sleep(0)
        first = b'a d6:result4:pongeb {"result":"pong"}'
        assert await reader.readexactly(len(first)) == first
        writer.write(b"e")
        assert await reader.readuntil(b"c d6:result4:ponge")
        writer.close()


async def test_a_tcp_client_that_speaks_something_else_is_told_and_closed():
    async with running() as server:
        for sent, reply in (
            (b"c xyz", b"c d6:result5:error12:error-reason22:Invalid NG data formate"),
            (b"GET / HTTP/1.1\r\n\r\n", b"GET d6:result5:error12:error-reason22:Invalid NG data formate"),
            (b" " + PING, b""),
            (b"x" * 600, b""),
        ):
            reader, writer = await asyncio.open_connection(*server.tcp_addresses[0])
            writer.write(sent)
            async with asyncio.timeout(WAIT_S):
                assert await reader.read() == reply
            writer.close()


async def test_a_tcp_client_may_shut_down_its_side_and_hear_what_it_asked():
    async with running() as server:
        reader, writer = await asyncio.open_connection(*server.tcp_addresses[0])
        writer.write(b"a d7:command4:liste")
        writer.write_eof()
        async with asyncio.timeout(WAIT_S):
            assert await reader.read() == b"a d6:result2:ok4:echo0:4:fill0:e"
        writer.close()


async def test_a_tcp_client_may_ask_much_at_once():
    front = Front()
    async with running(front, limits=Limits(requests_per_connection=4)) as server:
        reader, writer = await asyncio.open_connection(*server.tcp_addresses[0])
        writer.write(b"".join(b"%d d7:command4:liste" % number for number in range(500)))
        async with asyncio.timeout(WAIT_S):
            for number in range(500):
                reply = b"%d d6:result2:ok4:echo0:4:fill0:e" % number
                assert await reader.readexactly(len(reply)) == reply
        writer.close()
    assert len(front.executed) == 500


async def test_a_tcp_client_that_does_not_read_is_disconnected():
    async with running(limits=Limits(unsent_bytes=100_000)) as server:
        reader, writer = await asyncio.open_connection(*server.tcp_addresses[0], limit=1024)
        number = 0
        while number < 400 and (number < 2 or server.statistics()["connections"]):
            writer.write(b"%d d7:command4:list4:filli200000ee" % number)
            await asyncio.sleep(0.002)
            number += 1
        assert server.statistics()["connections"] == 0
        writer.transport.abort()
        del reader


async def test_tcp_connections_are_bounded():
    async with running(limits=Limits(connections=1)) as server:
        reader, writer = await asyncio.open_connection(*server.tcp_addresses[0])
        writer.write(b"a " + PING)
        await reader.readuntil(PONG)
        second, other = await asyncio.open_connection(*server.tcp_addresses[0])
        assert await heard(second) == b""
        other.close()
        writer.close()


# --- HTTP and WebSocket ------------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def web(front: Front | None = None, **settings: Any) -> AsyncIterator[aiohttp.ClientSession]:
    async with running(front, udp=(), tcp=(), **settings) as server, session_with(server) as client:
        yield client


def session_with(server: NgServer) -> aiohttp.ClientSession:
    return aiohttp.ClientSession("http://{}:{}".format(*server.http_addresses[0]))


@pytest.mark.parametrize(
    ("path", "headers", "body", "status", "reply", "kind"),
    [
        ("/ng", NG, b"c " + PING, 200, b"c " + PONG, "application/x-rtpengine-ng"),
        ("/ng", NG, b'c {"command":"ping"}', 200, b'c {"result":"pong"}', "application/x-rtpengine-ng"),
        ("/ng", NG, b"c x", 200, b"c d6:result5:error12:error-reason22:Invalid NG data formate", "application/x-rtpengine-ng"),
        ("/ng", NG, b"nocookie", 400, b"no cookie\n", "text/plain"),
        ("/ng-plain", NG, PING, 200, PONG, "application/x-rtpengine-ng"),
        ("/ng-plain", JSON, b'{"command":"ping"}', 200, b'{"result":"pong"}', "application/json"),
        ("/ng-plain", JSON, b"{", 200, b'{"result":"error","error-reason":"Failed to parse JSON document"}', "application/json"),
        ("/ng-plain", {"Content-Type": "text/plain"}, b'{"command":"ping"}', 415, None, "text/plain"),
        ("/ng-plain", JSON | {"Origin": "https://example.org"}, b'{"command":"ping"}', 403, None, None),
        ("/ng-plain", JSON, b" " * 300_000, 413, None, None),
        ("/other", NG, b"c " + PING, 404, None, None),
    ],
)
async def test_http(path: str, headers: dict[str, str], body: bytes, status: int, reply: bytes | None, kind: str | None):
    async with web() as client, client.post(path, data=body, headers=headers) as response:
        assert response.status == status
        assert reply is None or await response.read() == reply
        assert kind is None or response.content_type == kind


async def test_http_ping_and_pages_of_others():
    async with web() as client:
        async with client.get("/ping") as reply:
            assert (reply.status, await reply.text()) == (200, "pong\n")
        async with client.options("/ng-plain", headers={"Origin": "null"}) as reply:
            assert reply.status == 403
        async with client.options("/ng-plain") as reply:
            assert reply.status in (404, 405)
            assert "Access-Control-Allow-Origin" not in reply.headers


async def test_https_and_wss(tmp_path: Path):
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(make_certificate(tmp_path))
    async with running(tls=server_side) as server, aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as client:
        host, port = server.http_addresses[0]
        async with client.get(f"https://{host}:{port}/ping") as response:
            assert await response.text() == "pong\n"
        async with client.ws_connect(f"wss://{host}:{port}/", protocols=("ng.rtpengine.com",)) as websocket:
            await websocket.send_bytes(b"c " + PING)
            assert (await websocket.receive()).data == b"c " + PONG
        with pytest.raises(aiohttp.ClientError):
            await client.get(f"http://{host}:{port}/ping")


async def test_http_waits_for_the_one_execution():
    front = Front()
    async with web(front) as client:

        async def ask() -> bytes:
            async with client.post("/ng", data=b"c d7:command4:liste", headers=NG) as reply:
                return await reply.read()

        replies = await asyncio.gather(*(ask() for _ in range(5)))
    assert len(set(replies)) == len(front.executed) == 1


async def test_websockets_with_and_without_cookie():
    async with web() as client:
        async with client.ws_connect("/", protocols=("ng.rtpengine.com",)) as socket:
            await socket.send_bytes(b"a " + PING)
            assert (await socket.receive()).data == b"a " + PONG
            await socket.send_str("no-cookie")
            await socket.send_str('b {"command":"ping"}')
            assert (await socket.receive()).data == b'b {"result":"pong"}'
        async with client.ws_connect("/anywhere", protocols=("ng-plain.rtpengine.com",)) as socket:
            await socket.send_str('{"command":"list","echo":"é"}')
            assert (await socket.receive()).data == '{"result":"ok","echo":"é","fill":""}'.encode()
            await socket.send_bytes(PING)
            assert (await socket.receive()).data == PONG


@pytest.mark.parametrize("cookie", [True, False])
async def test_a_websocket_client_has_its_share_of_the_queue_and_no_more(cookie: bool, monkeypatch: pytest.MonkeyPatch):
    async with running(limits=Limits(requests_per_connection=4, queued_requests=50)) as server:
        with monkeypatch.context() as busy:
            busy.setattr(Reception, "_go_on", lambda self: None)
            protocol = "ng.rtpengine.com" if cookie else "ng-plain.rtpengine.com"
            client = session_with(server)
            socket = await client.ws_connect("/", protocols=(protocol,))
            for number in range(100):
                await socket.send_bytes(b"%d d7:command4:liste" % number if cookie else b"d7:command4:liste")
            await asyncio.sleep(0.1)
            assert server.statistics()["requests_waiting"] == 4
        with Datagrams(server.udp_addresses[0]) as other:
            await other.ask(b"other d7:command4:liste")
        async with asyncio.timeout(WAIT_S):
            for _ in range(100):
                assert b"6:result2:ok" in (await socket.receive()).data
        await client.close()


@pytest.mark.parametrize(
    ("protocols", "headers", "status"),
    [(("janus-protocol",), {}, 400), ((), {}, 400), (("ng.rtpengine.com",), {"Origin": "https://example.org"}, 403)],
)
async def test_websockets_of_others_are_refused(protocols: tuple[str, ...], headers: dict[str, str], status: int):
    async with web() as client:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect("/", protocols=protocols, headers=headers)
        assert refused.value.status == status


async def test_a_websocket_with_the_servers_own_name_as_origin_is_served():
    own = {"Origin": "http://127.0.0.1"}
    async with web() as client, client.ws_connect("/", protocols=("ng.rtpengine.com",), headers=own) as socket:
        await socket.send_bytes(b"a " + PING)
        assert (await socket.receive()).data == b"a " + PONG


async def test_closing_ends_websockets():
    server = NgServer(NgSettings(udp=(), http=(LOOPBACK,)), Front().execute)
    await server.start()
    async with session_with(server) as client, client.ws_connect("/", protocols=("ng.rtpengine.com",)) as socket:
        await server.close()
        assert (await socket.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)


# --- the other loop ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "scenario",
    [
        test_udp_answers_in_the_requests_format,
        test_large_datagrams_go_both_ways,
        test_pings_are_answered_while_many_requests_wait,
        test_strangers_are_not_heard,
        test_tcp_messages_follow_each_other_however_they_are_cut,
        test_a_tcp_client_that_speaks_something_else_is_told_and_closed,
        test_a_tcp_client_may_ask_much_at_once,
        test_a_tcp_client_that_does_not_read_is_disconnected,
        test_http_waits_for_the_one_execution,
        test_websockets_with_and_without_cookie,
        test_closing_ends_websockets,
    ],
)
def test_the_same_on_uvloop(scenario: Callable[[], Coroutine[Any, Any, None]]):
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())
