"""Timeouts over HTTP and digits over UDP: what is written, to whom, and that nothing waits."""

from __future__ import annotations

import asyncio
import json
import socket
import xmlrpc.client
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from boringsdp.call import CallTimedOut, LegDtmf, Party
from boringsdp.ng import notices
from boringsdp.ng.front import NgFront
from boringsdp.ng.notices import Digit, Notices, Timeout, written, written_digit
from boringsdp.ng.settings import NgSettings
from tests.ng.conftest import FakeCalls, Proxy

CLIENT = ("127.0.0.1", 5000)
TIMEOUT = Timeout(call_id="c1", reason="media timeout", after=60.0, tags=("ta", "tb"), labels=("caller",), wallclock=1700000000.0)


@dataclass
class Hook:
    """An HTTP server that keeps what is posted."""

    url: str = ""
    status: int = 200
    posts: asyncio.Queue[tuple[str, bytes]] = field(default_factory=asyncio.Queue)

    async def take(self, request: web.Request) -> web.Response:
        self.posts.put_nowait((request.content_type, await request.read()))
        return web.Response(status=self.status, headers={"Location": self.url} if self.status == 302 else {})

    async def next(self) -> tuple[str, bytes]:
        return await asyncio.wait_for(self.posts.get(), 5)


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    hook = Hook()
    app = web.Application()
    app.router.add_post("/{path:.*}", hook.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    hook.url = f"http://127.0.0.1:{runner.addresses[0][1]}/RPC2"
    yield hook
    await runner.cleanup()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "PAUSE_S", 0.01)


def calls_of(form: str) -> list[tuple[str | None, tuple[object, ...]]]:
    found = []
    for content_type, body in written(TIMEOUT, form):
        assert content_type == "text/xml"
        values, name = xmlrpc.client.loads(body)
        found.append((name, values))
    return found


def test_json():
    ((content_type, body),) = written(TIMEOUT, "json")
    assert content_type == "application/json"
    assert json.loads(body) == {
        "event": "timeout", "reason": "media timeout", "after": 60.0, "call-id": "c1", "from-tag": "ta", "to-tag": "tb",
        "tags": ["ta", "tb"], "labels": ["caller"], "timestamp": 1700000000.0, "errors": [],
    }  # fmt: skip


def test_xml_rpc():
    assert calls_of("kamailio") == [("dlg.terminate_dlg", ("c1", "ta", "tb"))]
    assert calls_of("call-id") == [("teardown", ("c1",))]
    assert calls_of("sems") == [("di", ("sbc", "postControlCmd", tag, "teardown")) for tag in ("ta", "tb")]


def test_names_that_are_no_text_do_not_break_the_writing():
    odd = Timeout(call_id="c\udcff\x00<", reason="media timeout", after=1.0, tags=())
    assert json.loads(written(odd, "json")[0][1])["call-id"] == "c??<"
    assert xmlrpc.client.loads(written(odd, "kamailio")[0][1])[0][0] == "c??<"


def test_digit():
    digit = Digit(
        call_id="c1",
        tag="ta",
        label="caller",
        tags=("ta", "tb"),
        digit="#",
        duration_ms=120,
        volume=10,
        source_ip="192.0.2.7",
        wallclock=5.9,
    )
    assert json.loads(written_digit(digit)) == {
        "callid": "c1", "source_tag": "ta", "source_label": "caller", "tags": ["ta", "tb"], "type": "DTMF", "timestamp": 5,
        "source_ip": "192.0.2.7", "event": 11, "duration": 120, "volume": 10,
    }  # fmt: skip


class TestDestinations:
    @pytest.mark.parametrize(
        ("configured", "callback", "url"),
        [
            ("", "", ""),
            ("http://192.0.2.1/x", "", "http://192.0.2.1/x"),
            ("http://%%:8080/RPC2", "", "http://127.0.0.1:8080/RPC2"),
            ("http://%%:8080/RPC2", "127.0.0.2", "http://127.0.0.2:8080/RPC2"),
            ("", "127.0.0.1", "http://127.0.0.1/RPC2"),
            ("", "127.0.0.1:5060", "http://127.0.0.1:5060/RPC2"),
            ("", "http://127.0.0.1:99/hook", "http://127.0.0.1:99/hook"),
            ("http://hook.example/a", "https://hook.example/b", "https://hook.example/b"),
        ],
    )
    def test_where_a_timeout_is_told(self, configured: str, callback: str, url: str):
        assert Notices(NgSettings(timeout_url=configured)).callback_url(callback, CLIENT) == url

    @pytest.mark.parametrize("callback", ["192.0.2.9", "http://169.254.169.254/latest", "http://localhost/", "http://", "x y", "[::1"])
    def test_where_not(self, callback: str):
        with pytest.raises(ValueError, match=r".+"):
            Notices(NgSettings()).callback_url(callback, CLIENT)

    def test_the_access_list_names_others(self):
        told = Notices(NgSettings(acl=("192.0.2.0/24",)))
        assert told.callback_url("192.0.2.9", CLIENT) == "http://192.0.2.9/RPC2"
        assert not told.allows("198.51.100.1", CLIENT)


async def test_a_timeout_is_posted(hook: Hook):
    told = Notices(NgSettings())
    told.timed_out(TIMEOUT, hook.url)
    assert (await hook.next())[0] == "application/json"
    told.timed_out(TIMEOUT, hook.url, named=True)
    content_type, body = await hook.next()
    assert (content_type, b"dlg.terminate_dlg" in body) == ("text/xml", True)
    await told.close()


@pytest.mark.parametrize("status", [500, 302])
async def test_failures_are_tried_again_and_counted(hook: Hook, status: int):
    counted: asyncio.Queue[str] = asyncio.Queue()
    hook.status = status
    told = Notices(NgSettings(), counted.put_nowait)
    told.timed_out(TIMEOUT, hook.url)
    assert await asyncio.wait_for(counted.get(), 5) == "failed"
    assert hook.posts.qsize() == notices.TRIES
    await told.close()


async def test_what_cannot_be_told_is_dropped(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(notices, "QUEUED", 3)
    counted: list[str] = []
    told = Notices(NgSettings(), counted.append)
    for _ in range(5):
        told.timed_out(TIMEOUT, "http://127.0.0.1:9/")
    assert counted == ["dropped"] * 2
    await told.close()


class TestFront:
    async def test_tells_why_a_call_ended(self, calls: FakeCalls, hook: Hook):
        front = NgFront(calls, NgSettings(timeout_url=hook.url))  # type: ignore[arg-type]
        proxy = Proxy(front)
        proxy.offer("ta", label="caller")
        proxy.answer("ta", "tb")
        call = calls.calls["c1"]
        call.owner(CallTimedOut("media", 60.0))
        call.close("media-timeout")
        told = json.loads((await hook.next())[1])
        assert (told["reason"], told["after"], told["tags"], told["labels"]) == ("media timeout", 60.0, ["ta", "tb"], ["caller"])
        await front.close()

    async def test_says_nothing_about_a_call_that_was_deleted(self, calls: FakeCalls, hook: Hook):
        front = NgFront(calls, NgSettings(timeout_url=hook.url, delete_delay_s=0))  # type: ignore[arg-type]
        Proxy(front).offer("ta")
        Proxy(front).send("delete")
        await asyncio.sleep(0.1)
        assert hook.posts.empty()
        await front.close()

    async def test_calls_back_whom_the_request_names(self, calls: FakeCalls, hook: Hook):
        front = NgFront(calls, NgSettings())  # type: ignore[arg-type]
        reply = Proxy(front).offer("ta", xmlrpc_callback=hook.url.removeprefix("http://").removesuffix("/RPC2"))
        assert "warning" not in reply
        calls.calls["c1"].close("offer-timeout")
        assert b"<methodName>dlg.terminate_dlg</methodName>" in (await hook.next())[1]
        await front.close()

    async def test_refuses_to_call_elsewhere(self, calls: FakeCalls):
        front = NgFront(calls, NgSettings())  # type: ignore[arg-type]
        reply = Proxy(front).offer("ta", xmlrpc_callback="192.0.2.9", DTMF_log_dest="192.0.2.9:99")
        assert reply["result"] == "ok"
        assert "xmlrpc-callback: 192.0.2.9 is not allowed" in reply["warning"]
        assert "DTMF-log-dest 192.0.2.9 is not allowed" in reply["warning"]
        await front.close()

    @pytest.mark.parametrize("per_call", [True, False])
    async def test_tells_digits(self, calls: FakeCalls, per_call: bool):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
            sink.bind(("127.0.0.1", 0))
            sink.settimeout(5)
            settings = NgSettings(dtmf_log=None if per_call else sink.getsockname())
            front = NgFront(calls, settings)  # type: ignore[arg-type]
            keys = {"DTMF_log_dest": f"127.0.0.1:{sink.getsockname()[1]}"} if per_call else {}
            Proxy(front).offer("ta", label="caller", **keys)
            Proxy(front).answer("ta", "tb")
            calls.calls["c1"].owner(LegDtmf(Party.A, "5", 160))
            told = json.loads(sink.recv(2048))
            assert (told["callid"], told["source_tag"], told["source_label"]) == ("c1", "ta", "caller")
            assert (told["event"], told["duration"], told["tags"]) == (5, 160, ["ta", "tb"])
            await front.close()
