"""What calls tell by themselves, over a real relay: timeouts with their reason, digits that a telephone sends."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from boringsdp.call import Calls, CallSettings
from boringsdp.ng import notices
from boringsdp.ng.front import NgFront
from boringsdp.ng.notices import Timeout
from boringsdp.ng.settings import NgSettings
from boringsdp.relay import RelaySettings
from tests.call.phone import Phone, port_of
from tests.ng.conftest import Proxy, plain_sdp
from tests.ng.test_front_media import taken
from tests.support.engines import make_relay


@asynccontextmanager
async def serving(**settings: Any) -> AsyncIterator[Proxy]:
    relay = make_relay(RelaySettings(plain_ports=(40000, 40200), port_rest_s=0.0))
    await relay.start()
    calls = Calls(relay, CallSettings())
    front = NgFront(calls, NgSettings(timeout_url="http://127.0.0.1:9/", **settings))
    yield Proxy(front)
    calls.close()
    await front.close()
    await relay.close()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> asyncio.Queue[Timeout]:
    """Timeouts that would be posted."""
    queue: asyncio.Queue[Timeout] = asyncio.Queue()
    monkeypatch.setattr(notices.Notices, "timed_out", lambda _self, notice, _url, **_: queue.put_nowait(notice))
    return queue


@pytest.mark.parametrize(
    ("settings", "answered", "direction", "reason"),
    [
        ({"offer_timeout_s": 0.1}, False, "sendrecv", "offer timeout"),
        ({"media_timeout_s": 0.1}, True, "sendrecv", "media timeout"),
        ({"media_timeout_s": 0.1, "silent_timeout_s": 0.2}, True, "inactive", "silent timeout"),
        ({"final_timeout_s": 0.1}, True, "sendrecv", "final timeout"),
    ],
)
async def test_a_call_that_waits_too_long(
    told: asyncio.Queue[Timeout], settings: dict[str, float], answered: bool, direction: str, reason: str
):
    async with serving(**settings) as proxy:
        taken(proxy.offer("ta", label="caller", sdp=plain_sdp(direction=direction)))
        if answered:
            taken(proxy.answer("ta", "tb", sdp=plain_sdp(4002, direction=direction)))
        notice = await asyncio.wait_for(told.get(), 5)
        assert (notice.reason, notice.call_id, notice.tags[0], notice.labels) == (reason, "c1", "ta", ("caller",))
        assert notice.after == pytest.approx(max(settings.values()), abs=0.01)
        assert proxy.send("query")["error-reason"] == "Unknown call-id"


def press(phone: Phone, port: int, event: int) -> None:
    """A digit of 160 ms as RFC 4733 has it: updates, then its end three times."""
    for number, (duration, end) in enumerate([(160, 0), (640, 0), (1280, 0x80), (1280, 0x80), (1280, 0x80)]):
        head = (
            bytes((0x80, 101 | (0x80 if number == 0 else 0))) + (100 + number).to_bytes(2, "big") + (8000).to_bytes(4, "big") + b"\0\0\0\7"
        )
        phone.socket.sendto(head + bytes((event, end | 10)) + duration.to_bytes(2, "big"), ("127.0.0.1", port))


async def test_a_digit_is_told_to_the_log(told: asyncio.Queue[Timeout]):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
        sink.bind(("127.0.0.1", 0))
        sink.setblocking(False)
        async with serving() as proxy:
            a, b = Phone(), Phone()
            taken(proxy.offer("ta", label="caller", sdp=plain_sdp(a.port), DTMF_log_dest=f"127.0.0.1:{sink.getsockname()[1]}"))
            to_a = taken(proxy.answer("ta", "tb", sdp=plain_sdp(b.port)))
            press(a, port_of(to_a), 11)
            datagram = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sink, 2048), 5)
            digit = json.loads(datagram)
            assert (digit["type"], digit["callid"], digit["source_tag"], digit["tags"]) == ("DTMF", "c1", "ta", ["ta", "tb"])
            assert (digit["event"], digit["duration"], digit["source_ip"]) == (11, 160, "127.0.0.1")
