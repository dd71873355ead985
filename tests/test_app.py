"""The gateway, whole, in this process: what it serves, how it starts and how it ends."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import aiohttp
import pytest

from boringsdp import app, demo_part
from boringsdp.app import Gateway
from boringsdp.call import CallEvent
from boringsdp.config import Config, ConfigErrors, load
from boringsdp.errors import ConfigError
from boringsdp.janus_api.plugin import ENTRY_POINT_GROUP
from boringsdp.ng.client import exchange
from boringsdp.ng.requests import Learning
from boringsdp.ng.settings import NgSettings
from tests.support.engines import engine_flags

LOCAL = {
    "webrtc.addresses": "127.0.0.1",
    "webrtc.port": "0",
    "rtp.address": "127.0.0.1",
    "rtp.allow": "127.0.0.0/8",
    "janus.websocket_host": "127.0.0.1",
    "janus.websocket_port": "0",
    "janus.http_host": "127.0.0.1",
    "janus.http_port": "0",
    "ng.listen": "127.0.0.1:0",
}


def configuration(**changes: str) -> Config:
    return load(flags=LOCAL | engine_flags() | {key.replace("__", "."): value for key, value in changes.items()}).config


@asynccontextmanager
async def running(*, demo: bool = False, **changes: str) -> AsyncIterator[tuple[Gateway, str]]:
    gateway = Gateway(configuration(**changes), demo=demo)
    await gateway.start()
    host, port = gateway.janus.http_addresses[0]
    try:
        yield gateway, f"http://{host}:{port}"
    finally:
        await gateway.close()


def hear(event: CallEvent) -> None:
    pass


async def test_two_gateways_live_in_one_process_and_leave_nothing():
    async with running() as (first, _), running() as (second, _):
        assert first.janus.http_addresses != second.janus.http_addresses
    await asyncio.sleep(0)
    gc.collect()  # what other tests left is none of this one's
    gc.disable()  # nor may it close what a gateway leaves
    try:
        before, tasks = descriptors(), len(asyncio.all_tasks())
        for _ in range(3):
            async with running(demo=True):
                pass
        await settled(lambda: descriptors() <= before and len(asyncio.all_tasks()) <= tasks)
        assert (descriptors(), len(asyncio.all_tasks())) == (before, tasks)
    finally:
        gc.enable()
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        gc.collect()
    assert descriptors() == before


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def settled(done: Callable[[], bool]) -> None:
    """Return when what closes in the background has closed, or after two seconds."""
    end = asyncio.get_running_loop().time() + 2
    while not done() and asyncio.get_running_loop().time() < end:  # noqa: ASYNC110 (nothing tells of it)
        await asyncio.sleep(0.01)


async def test_metrics_tell_of_calls_sessions_and_errors():
    async with running() as (gateway, base), aiohttp.ClientSession() as client:
        gateway.calls.create(hear)
        async with client.post(f"{base}/janus", json={"janus": "create", "transaction": "1"}) as reply:
            assert (await reply.json(content_type=None))["janus"] == "success"
        async with client.post(f"{base}/janus", json={"janus": "nonsense", "transaction": "1"}) as reply:
            assert (await reply.json(content_type=None))["janus"] == "error"
        async with client.get(f"{base}/metrics") as reply:
            text = await reply.text()
            assert "Access-Control-Allow-Origin" not in reply.headers
    assert "boringsdp_calls_active 1.0" in text
    assert "boringsdp_janus_sessions 1.0" in text
    assert 'boringsdp_janus_errors_total{code="' in text
    assert "boringsdp_calls_created_total 1.0" in text
    assert "boringsdp_relay_transports 0.0" in text
    assert "boringsdp_relay_packets_received_total 0.0" in text


async def test_the_janus_api_can_be_off(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture):
    config = configuration(janus__enabled="false", janus__http_host="", janus__websocket_host="", ng__http="127.0.0.1:0")
    gateway = Gateway(config)
    await gateway.start()
    try:
        assert (gateway.janus.websocket_addresses, gateway.janus.http_addresses) == ((), ())
        assert await ng(gateway, {"command": "ping"}) == {"result": "pong"}
        app._announce(gateway, demo=False)
        host, port = gateway.ng_server.http_addresses[0]
        async with aiohttp.ClientSession() as client, client.get(f"http://{host}:{port}/metrics") as reply:
            assert "boringsdp_calls_active 0.0" in await reply.text()
    finally:
        await gateway.close()
    told = capsys.readouterr().out
    assert "off (janus.enabled)" in told
    assert f"metrics        http://{host}:{port}/metrics" in told
    assert "janus.plugin" not in told
    assert "open to everyone" not in caplog.text


async def test_a_port_that_the_janus_api_would_have_may_be_taken_when_it_is_off():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        gateway = Gateway(configuration(janus__enabled="false", janus__http_port=str(taken.getsockname()[1])))
        await gateway.start()
        await gateway.close()


async def test_drain_waits_for_calls_and_takes_no_more_sessions():
    async with running() as (gateway, base), aiohttp.ClientSession() as client:
        call = gateway.calls.create(hear)
        draining = asyncio.ensure_future(gateway.drain(10))
        await asyncio.sleep(0.05)
        async with client.post(f"{base}/janus", json={"janus": "create", "transaction": "1"}) as reply:
            assert (await reply.json(content_type=None))["janus"] == "error"
        assert not draining.done()
        call.close("done")
        await asyncio.wait_for(draining, 2)


async def test_drain_ends_when_its_time_is_over():
    async with running() as (gateway, _):
        gateway.calls.create(hear)
        await asyncio.wait_for(gateway.drain(0), 2)
        assert len(gateway.calls) == 1


async def test_a_second_signal_ends_at_once(capsys: pytest.CaptureFixture[str]):
    async with running() as (gateway, _):
        gateway.calls.create(hear)
        signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
        ending = asyncio.ensure_future(app._until_told(gateway, signals, 3600))
        signals.put_nowait(signal.SIGTERM)
        await asyncio.sleep(0.05)
        assert not ending.done()
        assert "waiting up to 3600 s for 1 call; a second signal ends now" in capsys.readouterr().err
        signals.put_nowait(signal.SIGINT)
        await asyncio.wait_for(ending, 2)


async def test_the_demo_does_not_wait_for_calls():
    async with running(demo=True) as (gateway, _):
        gateway.calls.create(hear)
        signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
        signals.put_nowait(signal.SIGINT)
        await asyncio.wait_for(app._until_told(gateway, signals, 0), 1)


async def test_an_address_that_is_not_ours_is_named():
    for key, hint in (("webrtc.addresses", "webrtc.advertised"), ("rtp.address", "rtp.advertised"), ("janus.http_host", "")):
        gateway = Gateway(configuration(**{key.replace(".", "__"): "192.0.2.77"}))
        with pytest.raises(ConfigError) as caught:
            await gateway.start()
        assert caught.value.key == key
        assert "192.0.2.77: this machine has no such address" in caught.value.reason
        assert caught.value.reason.endswith(hint)
        await gateway.close()


async def test_an_advertised_address_belongs_to_one_that_is_listened_on():
    everywhere = replace(configuration(), webrtc=replace(configuration().webrtc, addresses=(), advertised={"192.0.2.77": "203.0.113.9"}))
    gateway = Gateway(everywhere)
    with pytest.raises(ConfigError, match=r"^webrtc\.advertised: 192\.0\.2\.77 is not one of the addresses listened on \(\d+\."):
        await gateway.start()
    await gateway.close()


async def test_the_banner_names_the_real_media_port():
    async with running() as (gateway, _):
        ports = {address.split(" (")[0].rpartition(":")[2] for what, address in gateway.addresses() if what == "WebRTC media"}
    assert ports
    assert "0" not in ports


async def test_the_banner_shows_what_can_be_pasted_and_which_plugins_failed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    broken = EntryPoint("janus.plugin.broken", "nowhere:Nothing", ENTRY_POINT_GROUP)
    found = (*entry_points(group=ENTRY_POINT_GROUP), broken)
    monkeypatch.setattr("boringsdp.janus_api.plugins.entry_points", lambda group: found)
    known = {socket.AF_INET: "192.0.2.7", socket.AF_INET6: None}
    monkeypatch.setattr("boringsdp.listening.default_address", lambda family=socket.AF_INET: known[family])
    async with running(janus__http_host="", janus__websocket_host="0.0.0.0") as (gateway, _):
        where = [address for what, address in gateway.addresses() if what in ("Janus API", "metrics")]
        app._announce(gateway, demo=False)
    assert not any("0.0.0.0" in address or "::" in address for address in where)
    hosts = ["ws://127.0.0.1", "ws://192.0.2.7", *2 * ["http://127.0.0.1"], *2 * ["http://192.0.2.7"]]
    assert [address.rpartition(":")[0] for address in where] == hosts
    told = capsys.readouterr().out
    assert "janus.plugin.echotest, janus.plugin.nosip" in told
    assert "; failed: janus.plugin.broken" in told


async def test_the_api_can_ask_for_a_secret():
    async with running(janus__api_secret="sesame") as (_, base), aiohttp.ClientSession() as client:
        async with client.post(f"{base}/janus", json={"janus": "create", "transaction": "1"}) as reply:
            assert (await reply.json(content_type=None))["error"]["code"] == 403
        async with client.post(f"{base}/janus", json={"janus": "create", "transaction": "1", "apisecret": "sesame"}) as reply:
            assert (await reply.json(content_type=None))["janus"] == "success"


def test_every_setting_reaches_its_part():
    config = configuration(
        rtp__latch="strict",
        rtp__advertised="203.0.113.5",
        webrtc__advertised="127.0.0.1=203.0.113.6",
        janus__tokens="alpha",
        janus__disabled_plugins="janus.plugin.echotest",
        nosip__codecs="PCMU",
        media__close_on_timeout="false",
    )
    # One local address on both sides, known by another name on each.
    assert dict(app.relay_settings(config).advertised) == {"127.0.0.1": "203.0.113.6"}
    assert dict(app.relay_settings(config).plain_advertised) == {"127.0.0.1": "203.0.113.5"}
    assert app.call_settings(config).latch.value == "strict"
    assert app.call_settings(config).close_on_media_timeout is False
    janus = app.janus_settings(config)
    assert janus.authentication.token_auth
    assert janus.disabled_plugins == {"janus.plugin.echotest"}
    assert janus.plugins["janus.plugin.nosip"]["codecs"] == ("PCMU",)


def test_the_demo_needs_no_configuration_and_keeps_what_is_configured():
    plain = demo_part.demo_config(load())
    assert "127.0.0.1" in plain.webrtc.addresses
    assert (plain.rtp.address, plain.janus.http_host, plain.janus.websocket_host) == ("127.0.0.1", "127.0.0.1", "127.0.0.1")
    assert "127.0.0.0/8" in plain.rtp.allow
    assert plain.sip.sources == ("127.0.0.0/8",)
    assert demo_part.demo_config(load(flags={"janus.enabled": "false"})).janus.enabled
    kept = demo_part.demo_config(load(flags={"webrtc.addresses": "192.0.2.1", "rtp.address": "192.0.2.2", "demo.host": "0.0.0.0"}))
    assert kept.webrtc.addresses == ("192.0.2.1",)
    assert kept.rtp.address == "192.0.2.2"
    assert kept.rtp.allow == kept.sip.sources == ()
    assert kept.janus.http_host == "0.0.0.0"


def test_the_demo_listens_for_ng_where_nobody_else_does(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(demo_part, "can_bind", lambda host, port=0: True)
    assert demo_part.demo_config(load()).ng.listen == ("127.0.0.1:2223",)
    monkeypatch.setattr(demo_part, "can_bind", lambda host, port=0: not port)
    assert demo_part.demo_config(load()).ng.listen == ()
    assert demo_part.demo_config(load(flags={"ng.listen": "127.0.0.1:2224"})).ng.listen == ("127.0.0.1:2224",)


# --- the demo's resources ----------------------------------------------------------------------------------------------------------------

OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 5004 RTP/AVP 0\r\n"


async def test_the_demo_serves_its_page_and_an_echo_peer():
    async with running(demo=True) as (gateway, base), aiohttp.ClientSession(base) as client:
        async with client.get("/") as reply:
            assert reply.url.path == "/demo/"
            assert "default-src 'self'" in reply.headers["Content-Security-Policy"]
            page = await reply.text()
        for name in ("main.js", "style.css", "icon.svg"):
            assert name in page
            async with client.get(f"/demo/{name}") as reply:
                assert reply.status == 200
        async with client.get("/demo/settings") as reply:
            assert (await reply.json())["websocket_port"] == gateway.janus.websocket_addresses[0][1]
        async with client.post("/demo/echo", json={"sdp": OFFER, "delay_ms": 50}) as reply:
            call = await reply.json()
            assert "m=audio" in call["sdp"]
        async with client.get(f"/demo/echo/{call['call']}") as reply:
            assert (await reply.json())["delay_ms"] == 50
        async with client.delete(f"/demo/echo/{call['call']}") as reply:
            assert reply.status == 200
        async with client.get(f"/demo/echo/{call['call']}") as reply:
            assert reply.status == 404
        async with client.post("/demo/compare", json={"before": OFFER, "after": ""}) as reply:
            assert {row["change"] for row in (await reply.json())["rows"]} == {"removed"}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/demo/echo", b"", 400),
        ("/demo/echo", b"[]", 400),
        ("/demo/echo", b'{"sdp": 5}', 400),
        ("/demo/echo", b"[" * 50_000, 400),
        ("/demo/echo", json.dumps({"sdp": "v=0"}).encode(), 422),
        ("/demo/echo", json.dumps({"sdp": OFFER, "call": "unknown"}).encode(), 404),
        ("/demo/echo/offer", b'{"codecs": "PCMU"}', 400),
        ("/demo/echo/unknown/answer", json.dumps({"sdp": OFFER}).encode(), 404),
        ("/demo/compare", b'{"before": ""}', 400),
    ],
)
async def test_the_demo_refuses_what_it_does_not_understand(path: str, body: bytes, status: int):
    headers = {"Content-Type": "application/json"}
    async with running(demo=True) as (_, base), aiohttp.request("POST", base + path, data=body, headers=headers) as reply:
        assert (reply.status, list(await reply.json())) == (status, ["error"])


async def test_other_sites_pages_cannot_use_the_demo():
    async with running(demo=True) as (_, base), aiohttp.ClientSession(base) as client:
        async with client.post("/demo/echo", data=json.dumps({"sdp": OFFER}), headers={"Content-Type": "text/plain"}) as reply:
            assert reply.status == 400
        preflight = {"Origin": "https://example.org", "Access-Control-Request-Method": "POST"}
        async with client.options("/demo/echo", headers=preflight) as reply:
            assert reply.status == 403
            assert "Access-Control-Allow-Origin" not in reply.headers
        async with client.get("/demo/settings", headers={"Origin": "https://example.org"}) as reply:
            assert "Access-Control-Allow-Origin" not in reply.headers


def test_plain_legs_have_an_address_of_each_family_unless_one_is_chosen(monkeypatch: pytest.MonkeyPatch):
    known = {socket.AF_INET: "192.0.2.7", socket.AF_INET6: "2001:db8::7"}
    monkeypatch.setattr("boringsdp.app.default_address", lambda family=socket.AF_INET: known[family])
    chosen = {"rtp.address": "192.0.2.8"}
    assert app.relay_settings(load().config).plain_hosts == ("192.0.2.7", "2001:db8::7")
    assert app.relay_settings(load(flags=chosen).config).plain_hosts == ("192.0.2.8",)
    assert app.relay_settings(load(flags=chosen | {"rtp.address_v6": "2001:db8::8"}).config).plain_hosts == ("192.0.2.8", "2001:db8::8")
    with pytest.raises(ConfigErrors, match=r"rtp\.address_v6: must be an IPv6 address, not '192\.0\.2\.8'"):
        load(flags={"rtp.address_v6": "192.0.2.8"})


def test_every_key_of_the_janus_section_reaches_the_api():
    flags = {"janus.hangup_on_failed": "yes", "janus.opaqueid_in_api": "yes", "janus.session_timeout": "7", "janus.max_handles": "3"}
    settings = app.janus_settings(load(flags=flags).config)
    assert (settings.hangup_on_failed, settings.opaqueid_in_api) == (True, True)
    assert (settings.session_timeout, settings.limits.handles_per_session) == (7.0, 3)


# --- NG --------------------------------------------------------------------------------------------------------------------------------


OFFER = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"


async def ng(gateway: Gateway, request: dict[str, object]) -> dict[str, Any]:
    to = gateway.ng_server.udp_addresses[0]
    return await asyncio.to_thread(exchange, to, request)


async def test_ng_is_served_counted_and_ends_with_the_gateway():
    async with running(ng__tcp="127.0.0.1:0", ng__http="127.0.0.1:0") as (gateway, base), aiohttp.ClientSession() as client:
        assert await ng(gateway, {"command": "ping"}) == {"result": "pong"}
        offer = {"command": "offer", "call-id": "1", "from-tag": "a", "sdp": OFFER}
        reply = await ng(gateway, offer)
        assert (reply["result"], reply["sdp"][:4]) == ("ok", "v=0\r")
        assert len(gateway.calls) == gateway.ng.sessions == 1
        async with client.get(f"{base}/metrics") as answer:
            text = await answer.text()
        assert 'boringsdp_ng_requests_total{command="offer",result="ok"} 1.0' in text
        assert "boringsdp_ng_sessions 1.0" in text
        where = dict(address.split(":", 1) for what, address in gateway.addresses() if what == "NG")
        assert list(where) == ["udp 127.0.0.1", "tcp 127.0.0.1", "http"]
        host, port = gateway.ng_server.http_addresses[0]
        async with client.get(f"http://{host}:{port}/metrics") as answer:
            assert answer.status == 200


async def test_drain_takes_no_new_ng_calls_and_serves_those_that_are_there():
    async with running() as (gateway, _):
        offer = {"command": "offer", "call-id": "1", "from-tag": "a", "sdp": OFFER, "supports": ["load limit"]}
        assert (await ng(gateway, offer))["result"] == "ok"
        draining = asyncio.ensure_future(gateway.drain(10))
        await asyncio.sleep(0.01)
        assert (await ng(gateway, offer | {"call-id": "2"}))["result"] == "load limit"
        assert (await ng(gateway, {"command": "query", "call-id": "1"}))["result"] == "ok"
        assert (await ng(gateway, {"command": "delete", "call-id": "1", "delete delay": 0}))["result"] == "ok"
        await asyncio.wait_for(draining, 2)


@pytest.mark.parametrize(
    ("key", "kind"), [("ng.listen", socket.SOCK_DGRAM), ("ng.tcp", socket.SOCK_STREAM), ("ng.http", socket.SOCK_STREAM)]
)
async def test_an_ng_port_that_is_taken_is_named(key: str, kind: socket.SocketKind):
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        gateway = Gateway(configuration(rtp__port_min="10000", rtp__port_max="11999", **{key.replace(".", "__"): where}))
        with pytest.raises(ConfigError, match=f"{key}: cannot listen on (udp|tcp) {where}: address already in use"):
            await gateway.start()
        await gateway.close()


async def test_an_interface_that_is_not_ours_is_named():
    gateway = Gateway(configuration(ng__interfaces="out=192.0.2.77"))
    with pytest.raises(
        ConfigError, match=r"^ng\.interfaces: cannot listen on 192\.0\.2\.77: this machine has no such address; .*local!public"
    ):
        await gateway.start()
    await gateway.close()


def test_interfaces_are_listened_on_and_announced():
    config = configuration(ng__interfaces="in=127.0.0.2,out=127.0.0.3!203.0.113.9/127.0.0.4,both=127.0.0.1")
    settings = app.relay_settings(config)
    assert settings.interfaces == {"in": ("127.0.0.2",), "out": ("127.0.0.3", "127.0.0.4"), "both": ("127.0.0.1",)}
    assert settings.plain_hosts == settings.webrtc_hosts == ("127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4")
    assert settings.advertised == settings.plain_advertised == {"127.0.0.3": "203.0.113.9"}
    assert settings.interface_advertised["out"] == {"127.0.0.3": "203.0.113.9", "127.0.0.4": "127.0.0.4"}
    assert app.ng_settings(config).interfaces == settings.interfaces


def test_one_address_is_announced_differently_on_each_interface():
    config = configuration(
        webrtc__addresses="127.0.0.1",
        webrtc__advertised="127.0.0.1=198.51.100.1",
        ng__interfaces="in=127.0.0.1/::1,out=127.0.0.1!203.0.113.9/::1!2001:db8::9,all=0.0.0.0",
    )
    settings = app.relay_settings(config)
    assert settings.interface_advertised == {
        "in": {"127.0.0.1": "127.0.0.1", "::1": "::1"},
        "out": {"127.0.0.1": "203.0.113.9", "::1": "2001:db8::9"},
        "all": {},
    }
    assert (settings.advertised, settings.plain_advertised) == ({"127.0.0.1": "198.51.100.1"}, {})
    assert settings.webrtc_hosts == ("127.0.0.1", "::1", "0.0.0.0")


async def test_each_interface_and_what_it_announces_is_told_at_start():
    async with running(ng__interfaces="in=127.0.0.1,out=127.0.0.1!203.0.113.9") as (gateway, _):
        told = [where for what, where in gateway.addresses() if what == "interface"]
    assert told == ["in: 127.0.0.1", "out: 127.0.0.1 (announced as 203.0.113.9)"]


def test_every_key_of_the_ng_section_reaches_the_front():
    flags = {
        "ng.listen": "127.0.0.1:1,[::1]:2",
        "ng.tcp": "127.0.0.1:3",
        "ng.http": "127.0.0.1:4",
        "ng.acl": "127.0.0.0/8",
        "ng.delete_delay": "1",
        "ng.offer_timeout": "2",
        "ng.media_timeout": "3",
        "ng.silent_timeout": "4",
        "ng.final_timeout": "5",
        "ng.max_sessions": "6",
        "ng.tos": "184",
        "ng.endpoint_learning": "off",
        "ng.templates": "x=ICE=remove",
        "ng.timeout_url": "http://127.0.0.1/x",
        "ng.timeout_format": "kamailio",
        "ng.dtmf_log": "127.0.0.1:7",
    }
    settings = app.ng_settings(load(flags=flags).config)
    assert settings == NgSettings(
        udp=(("127.0.0.1", 1), ("::1", 2)),
        tcp=(("127.0.0.1", 3),),
        http=(("127.0.0.1", 4),),
        acl=("127.0.0.0/8",),
        delete_delay_s=1,
        offer_timeout_s=2,
        media_timeout_s=3,
        silent_timeout_s=4,
        final_timeout_s=5,
        max_sessions=6,
        tos=184,
        learning=Learning.OFF,
        templates={"x": "ICE=remove"},
        timeout_url="http://127.0.0.1/x",
        timeout_format="kamailio",
        dtmf_log=("127.0.0.1", 7),
    )
