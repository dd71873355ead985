"""The HTTP transport over real sockets."""

from __future__ import annotations

import asyncio
import json

import pytest

from boringsdp.janus_api.settings import Access, Authentication, Limits
from tests.janus_api.build import OFFER
from tests.janus_api.sockets import running


async def test_a_session_from_create_to_destroy():
    async with running() as gateway:
        session_id = await gateway.create()
        handle_id = await gateway.attach(session_id)
        polling = asyncio.create_task(poll(gateway, session_id))
        await asyncio.sleep(0.05)
        reply = await gateway.post(f"/{session_id}/{handle_id}", janus="message", body={"push": {"x": 1}})
        assert reply == {"janus": "ack", "session_id": session_id, "transaction": "t"}
        (event,) = await polling
        assert event["plugindata"]["data"] == {"x": 1}
        assert (await gateway.post(f"/{session_id}", janus="destroy"))["janus"] == "success"


async def poll(gateway, session_id, query="rid=1&maxev=10"):
    async with gateway.client.get(f"{gateway.base}/{session_id}?{query}") as response:
        assert response.status == 200
        return await response.json()


async def test_object_or_array():
    async with running(long_poll_timeout=0.1) as gateway:
        session_id = await gateway.create()
        await gateway.attach(session_id)
        for query in ("", "maxev=1", "maxev=x", "maxev=0", "maxev=-3"):
            assert await poll(gateway, session_id, query) == {"janus": "keepalive"}
        assert await poll(gateway, session_id, "maxev=2") == [{"janus": "keepalive"}]
        for number in range(3):
            gateway.plugin.handles[0].handle.push({"n": number})
        assert len(await poll(gateway, session_id, "maxev=2")) == 2
        assert (await poll(gateway, session_id, ""))["plugindata"]["data"] == {"n": 2}


async def test_info_and_ping():
    async with running() as gateway:
        for verb, answer in (("info", "server_info"), ("ping", "pong")):
            async with gateway.client.get(f"{gateway.base}/{verb}") as response:
                assert (await response.json())["janus"] == answer
            async with gateway.client.post(f"{gateway.base}/{verb}", json={"janus": verb, "transaction": "t"}) as response:
                assert response.status == 400
            assert (await gateway.post(janus=verb))["janus"] == answer
        info = await gateway.post(janus="info")
        assert info["plugins"]["janus.plugin.puppet"] == {
            "name": "Puppet",
            "author": "tests",
            "description": "Does as it is told",
            "version_string": "0.0.3",
            "version": 3,
        }
        assert set(info["transports"]) == {"janus.transport.http", "janus.transport.websockets"}
        assert {"events", "loggers", "ice-lite", "session-timeout", "api_secret", "auth_token", "server-name"} <= set(info)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/janus", 404),
        ("GET", "/janus/", 404),
        ("GET", "/", 404),
        ("GET", "/janusx", 404),
        ("GET", "/janus/5", 404),
        ("GET", "/janus/abc", 404),
        ("GET", "/janus/1/2/3", 404),
        ("POST", "/janus/1/2/3", 404),
        ("POST", "/other", 404),
    ],
)
async def test_paths(method, path, status):
    async with running() as gateway, gateway.client.request(method, gateway.http + path, data=b"{}") as response:
        assert response.status == status
        polled = path in ("/janus/5", "/janus/abc")
        assert ("Janus API" in await response.text()) != polled
        assert bool(await response.read()) != polled


async def test_get_of_a_handle_leads_to_its_session():
    async with running() as gateway, gateway.client.get(f"{gateway.base}/5/6?x=1", allow_redirects=False) as response:
        assert response.status == 302
        assert response.headers["Location"] == "/janus/5"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_other_methods(method):
    async with running() as gateway, gateway.client.request(method, gateway.base) as response:
        assert response.status == 200
        assert (await response.json())["error"]["code"] == 450


async def test_errors_come_with_status_200():
    async with running() as gateway:
        for path, body, wanted in (("", b"{", 454), ("", b"[]", 455), ("", b"", 452), ("/x", b"{}", 458), ("/0", b"{}", 458)):
            async with gateway.client.post(gateway.base + path, data=body) as response:
                assert response.status == 200
                assert (await response.json())["error"]["code"] == wanted
        assert (await gateway.post("/5", janus="keepalive"))["error"]["code"] == 458
        session_id = await gateway.create()
        assert (await gateway.post(f"/{session_id}", janus="keepalive", session_id=1))["error"]["code"] == 457
        assert (await gateway.post(f"/{session_id}/9", janus="message", body={}))["error"]["code"] == 459


async def test_a_beacon_is_plain_text():
    async with running() as gateway:
        session_id = await gateway.create()
        body = json.dumps({"janus": "destroy", "transaction": "t"})
        headers = {"Content-Type": "text/plain;charset=UTF-8"}
        async with gateway.client.post(f"{gateway.base}/{session_id}", data=body, headers=headers) as response:
            assert (await response.json())["janus"] == "success"
        assert gateway.server.core.session_count == 0


async def test_too_large():
    async with running(limits=Limits(message_size=1000)) as gateway:
        async with gateway.client.post(gateway.base, data=b"x" * 2000) as response:
            assert response.status == 413
            assert (await response.json())["error"]["code"] == 450
        await gateway.create()


async def test_a_poll_that_was_given_up_takes_no_events():
    async with running() as gateway:
        session_id = await gateway.create()
        await gateway.attach(session_id)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await poll(gateway, session_id)
        await asyncio.sleep(0.1)
        gateway.plugin.handles[0].handle.push({"n": 1})
        assert (await poll(gateway, session_id))[0]["plugindata"]["data"] == {"n": 1}


async def test_an_idle_session_times_out_and_says_so():
    async with running(session_timeout=0.2, long_poll_timeout=0.1) as gateway:
        session_id = await gateway.create()
        for _ in range(4):
            assert await poll(gateway, session_id) == [{"janus": "keepalive"}]
        await asyncio.sleep(0.4)
        async with gateway.client.get(f"{gateway.base}/{session_id}") as response:
            assert response.status == 404


async def test_secret_of_polls():
    async with running(authentication=Authentication(api_secret="s")) as gateway:
        for query, status in (("", 403), ("?apisecret=x", 403), ("?apisecret=s", 404), ("?apisecret=s&token=x", 404)):
            async with gateway.client.get(f"{gateway.base}/5{query}") as response:
                assert response.status == status
                assert await response.read() == b""


async def test_cors():
    async with running() as gateway:
        asked = {"Origin": "https://a", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
        async with gateway.client.options(gateway.base, headers=asked) as response:
            assert response.status == 200
            assert response.headers["Access-Control-Allow-Origin"] == "*"
            assert response.headers["Access-Control-Allow-Methods"] == "POST"
            assert response.headers["Access-Control-Allow-Headers"] == "content-type"
            assert response.headers["Access-Control-Max-Age"] == "86400"
        async with gateway.client.get(gateway.base + "/ping") as response:
            assert response.headers["Access-Control-Allow-Origin"] == "*"
            assert response.headers["Server"] == "BoringSDP"


async def test_enforced_cors():
    async with running(access=Access(allow_origin="https://a", enforce_cors=True)) as gateway:
        for headers, status in (
            ({}, 403),
            ({"Origin": "https://b"}, 403),
            ({"Origin": "https://a"}, 200),
            ({"Referer": "https://a/x"}, 200),
        ):
            async with gateway.client.get(gateway.base + "/ping", headers=headers) as response:
                assert response.status == status


async def test_another_base_path():
    for base_path, path in (("/", ""), ("api/v1/", "/api/v1")):
        async with running(base_path=base_path) as gateway:
            async with gateway.client.post(gateway.http + path + "/", json={"janus": "create", "transaction": "t"}) as response:
                session_id = (await response.json())["data"]["id"]
            async with gateway.client.post(
                f"{gateway.http}{path}/{session_id}", json={"janus": "keepalive", "transaction": "t"}
            ) as response:
                assert (await response.json())["janus"] == "ack"


async def test_reply_before_events_even_when_both_are_due_at_once():
    async with running() as gateway:
        session_id = await gateway.create()
        handle_id = await gateway.attach(session_id)
        for number in range(20):
            body = {"push": {"n": number}, "answer": "v=0"}
            jsep = OFFER | {"sdp": "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"}
            reply = await gateway.post(f"/{session_id}/{handle_id}", janus="message", body=body, jsep=jsep)
            assert reply["janus"] == "ack"
        events = await poll(gateway, session_id, "maxev=100")
        assert [event["plugindata"]["data"]["n"] for event in events] == list(range(20))
