"""The WebSocket transport over real sockets."""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import ssl

import aiohttp
import pytest
import uvloop

from boringsdp.janus_api.settings import Access, Authentication, Limits, Listener
from tests.janus_api.build import OFFER
from tests.janus_api.sockets import running
from tests.support.certificate import make_certificate

SIGNED = Authentication(token_auth=True, token_auth_secret="s")


async def until(condition, seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_a_session_from_create_to_destroy():
    async with running() as gateway:
        socket = await gateway.connect()
        assert socket.ws.protocol == "janus-protocol"
        session_id = await socket.create()
        handle_id = await socket.attach(session_id)
        ids = {"session_id": session_id, "handle_id": handle_id}
        ack = await socket.ask("message", **ids, body={"push": {"x": 1}, "answer": "v=0\r\n"}, jsep=OFFER | {"sdp": SDP})
        assert ack == {"janus": "ack", "session_id": session_id, "transaction": "t"}
        event = await socket.ws.receive_json()
        assert event["jsep"] == {"type": "answer", "sdp": "v=0\r\n"}
        gateway.plugin.handles[0].handle.push({"news": 1})
        assert (await socket.ws.receive_json(timeout=5))["plugindata"]["data"] == {"news": 1}
        assert (await socket.ask("destroy", session_id=session_id))["janus"] == "success"
        assert gateway.plugin.handles[0].detached == 1


SDP = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"


async def test_an_unreadable_sdp_is_465():
    async with running() as gateway:
        socket = await gateway.connect()
        session_id = await socket.create()
        ids = {"session_id": session_id, "handle_id": await socket.attach(session_id)}
        reply = await socket.ask("message", **ids, body={}, jsep={"type": "offer", "sdp": "hello"})
        assert reply["error"]["code"] == 465
        assert "hello" in reply["error"]["reason"]


@pytest.mark.parametrize("protocols", [(), ("janus-admin-protocol",), ("sip",)])
async def test_other_subprotocols_are_refused(protocols):
    async with running() as gateway:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await gateway.client.ws_connect(gateway.websocket, protocols=protocols)
        assert refused.value.status == 403


async def test_one_of_several_subprotocols_is_enough():
    async with running() as gateway:
        ws = await gateway.client.ws_connect(gateway.websocket, protocols=("sip", "janus-protocol"))
        assert ws.protocol == "janus-protocol"


async def test_plain_http_is_refused():
    async with running() as gateway, gateway.client.get(gateway.websocket.replace("ws", "http", 1)) as response:
        assert response.status == 403


async def test_origins_are_enforced():
    async with running(access=Access(allow_origin="https://a.example", enforce_cors=True)) as gateway:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await gateway.connect(origin="https://b.example")
        await (await gateway.connect(origin="https://a.example")).create()


async def test_bad_json_is_an_error_and_no_more():
    async with running() as gateway:
        socket = await gateway.connect()
        await socket.ws.send_str("{")
        assert (await socket.ws.receive_json())["error"]["code"] == 454
        await socket.ws.send_bytes(b"\xff\x00")
        assert (await socket.ws.receive_json())["error"]["code"] == 454
        await socket.create()


async def test_a_message_that_is_too_large_ends_the_connection():
    async with running(limits=Limits(message_size=1000)) as gateway:
        socket = await gateway.connect()
        await socket.ws.send_str("x" * 2000)
        message = await socket.ws.receive(timeout=5)
        assert message.type is aiohttp.WSMsgType.CLOSE
        assert message.data == aiohttp.WSCloseCode.MESSAGE_TOO_BIG


async def test_a_closed_socket_ends_its_sessions():
    async with running() as gateway:
        socket = await gateway.connect()
        await socket.attach(await socket.create())
        await socket.ws.close()
        await until(lambda: gateway.server.core.session_count == 0)
        assert gateway.plugin.handles[0].detached == 1


async def test_an_aborted_socket_leaves_its_sessions_to_be_claimed():
    async with running(reclaim_session_timeout=30) as gateway:
        socket = await gateway.connect()
        session_id = await socket.create()
        await socket.attach(session_id)
        socket.ws._response.connection.transport.abort()
        await until(lambda: gateway.server.core.record()[str(session_id)]["lost"])
        gateway.plugin.handles[0].handle.push({"missed": 1})
        again = await gateway.connect()
        assert await again.ask("claim", session_id=session_id) == {"janus": "success", "session_id": session_id, "transaction": "t"}
        assert (await again.ws.receive_json(timeout=5))["plugindata"]["data"] == {"missed": 1}


async def test_a_client_that_does_not_answer_pings_is_disconnected():
    async with running(ping_interval=0.2) as gateway:
        alive = await gateway.connect()
        dead = await gateway.connect(autoping=False)
        await alive.create()
        await dead.create()
        keep_reading = asyncio.create_task(alive.ws.receive())
        await until(lambda: gateway.server.core.session_count == 1)
        await asyncio.sleep(0.5)
        assert gateway.server.core.session_count == 1
        keep_reading.cancel()


async def test_a_client_that_does_not_read_is_disconnected():
    async with running(limits=Limits(queued_sends=50)) as gateway:
        host, port = gateway.server.websocket_addresses[0]
        reader, writer = await asyncio.open_connection(host, port, limit=1024)
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            f"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: janus-protocol\r\n\r\n".encode()
        )
        await reader.readuntil(b"\r\n\r\n")

        def send(text: bytes) -> None:
            writer.write(bytes((0x81, 0x80 | 126)) + len(text).to_bytes(2, "big") + bytes(4) + text)

        send(b'{"janus":"create","transaction":"t"}')
        await until(lambda: gateway.server.core.session_count == 1)
        (session_id,) = gateway.server.core.record()
        send(b'{"janus":"attach","transaction":"t","plugin":"janus.plugin.puppet","session_id":' + session_id.encode() + b"}")
        await until(lambda: gateway.plugin.handles)
        reader._transport.pause_reading()
        try:
            for _ in range(2000):
                gateway.plugin.handles[0].handle.push({"x": "y" * 50_000})
                await asyncio.sleep(0)
                if gateway.server.core.session_count == 0:
                    break
            await until(lambda: gateway.server.core.session_count == 0)
        finally:
            writer.transport.abort()


def test_the_same_on_uvloop():
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(test_a_client_that_does_not_read_is_disconnected())


async def test_many_requests_at_once_are_all_answered_in_order():
    async with running(limits=Limits(queued_sends=100)) as gateway:
        socket = await gateway.connect()
        for number in range(2000):
            await socket.ws.send_json({"janus": "ping", "transaction": str(number)})
        assert [(await socket.ws.receive_json())["transaction"] for _ in range(2000)] == [str(number) for number in range(2000)]


async def test_everyones_api_is_warned_of(caplog: pytest.LogCaptureFixture):
    wide = (Listener("0.0.0.0", 0),)
    guards = ({"access": Access(acl=("10.",))}, {"authentication": Authentication(api_secret="s")}, {"authentication": SIGNED})
    with caplog.at_level(logging.WARNING):
        for guarded in ({"websockets": (Listener("127.0.0.1", 0),)}, *({"websockets": wide, **guard} for guard in guards)):
            async with running(**guarded):
                assert "is open to everyone" not in caplog.text
        async with running(websockets=wide):
            assert "janus api is open to everyone who can reach it" in caplog.text


async def test_too_many_connections():
    async with running(limits=Limits(websocket_connections=1)) as gateway:
        first = await gateway.connect()
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await gateway.connect()
        assert refused.value.status == 503
        await first.create()


async def test_clients_that_come_and_go_leave_nothing_behind():
    async with running() as gateway:
        before = None
        for _ in range(3):
            sockets = [await gateway.connect() for _ in range(20)]
            for socket in sockets:
                await socket.attach(await socket.create())
            for socket in sockets:
                await socket.ws.close()
            await until(lambda: gateway.server.core.session_count == 0)
            await asyncio.sleep(0.05)
            tasks = len(asyncio.all_tasks())
            assert before is None or tasks <= before
            before = tasks
        assert gateway.server.core.handle_count == 0
        assert gateway.server.core.deadline() is None or len(gateway.server.core._timers) <= 60


async def test_draining_and_closing():
    async with running() as gateway:
        socket = await gateway.connect()
        session_id = await socket.create()
        gateway.server.drain()
        assert (await socket.ask("create"))["error"]["code"] == 472
        await socket.attach(session_id)
        await gateway.server.close()
        assert (await socket.ws.receive(timeout=5)).data == aiohttp.WSCloseCode.GOING_AWAY
        assert gateway.plugin.handles[0].detached == 1


async def test_tls(tmp_path):
    certificate = make_certificate(tmp_path)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate)
    client = ssl.create_default_context(cafile=str(certificate))
    async with running(tls=(server, client)) as gateway:
        assert gateway.websocket.startswith("wss:")
        await (await gateway.connect()).create()
        await gateway.create()
