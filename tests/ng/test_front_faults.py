"""What is logged and told about media that fails, and what is not: a call that was hung up."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from boringsdp.call import CallClosed, CallTimedOut, LegClosed, LegConsentLost, LegFailed, Party
from boringsdp.metrics import Metrics
from boringsdp.ng import faults
from boringsdp.ng.front import NgFront
from boringsdp.ng.notices import Notices
from boringsdp.ng.settings import NgSettings
from tests.call.phone import Phone, port_of
from tests.ng.conftest import FakeCalls, Proxy, plain_sdp
from tests.ng.test_front_media import flows, taken
from tests.ng.test_front_media import proxy as real

__all__ = ["real"]


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def answered(front: NgFront) -> Proxy:
    proxy = Proxy(front)
    proxy.offer("ta")
    proxy.answer("ta", "tb")
    return proxy


async def test_what_was_asked_in_vain_is_logged_once_per_call(calls: FakeCalls, caplog: pytest.LogCaptureFixture):
    front = NgFront(calls, NgSettings())  # type: ignore[arg-type]
    proxy = Proxy(front)
    for _ in range(3):
        assert proxy.offer("ta", flags=["always-transcode"])["warning"]
    Proxy(front, "c2").offer("ta", flags=["always-transcode"])
    proxy.send("delete", from_tag="nobody", call_id="c9")
    told = [record for record in caplog.records if record.getMessage() == "asked in vain"]
    assert [(record.call, record.command) for record in told] == [("c1", "offer"), ("c2", "offer")]  # type: ignore[attr-defined]
    assert "no transcoding" in told[0].what  # type: ignore[attr-defined]
    await front.close()


async def test_a_browser_that_hangs_up_is_no_fault(calls: FakeCalls, caplog: pytest.LogCaptureFixture):
    front = NgFront(calls, NgSettings(delete_delay_s=30.0))  # type: ignore[arg-type]
    proxy = answered(front)
    call = calls.calls["c1"]
    call.owner(LegClosed(Party.A, "dtls-alert"))
    assert "last error" not in proxy.send("query")
    proxy.send("delete", from_tag="ta")
    call.owner(LegConsentLost(Party.A))
    call.owner(LegFailed(Party.B, "dtls-timeout", "#"))
    assert "last error" not in proxy.send("query")
    call.close("deleted")
    assert warnings_in(caplog) == []
    await front.close()


async def test_a_call_that_is_deleted_does_not_time_out(calls: FakeCalls, monkeypatch: pytest.MonkeyPatch):
    told: list[Any] = []
    monkeypatch.setattr(Notices, "timed_out", lambda _self, notice, _url, **_: told.append(notice))
    metrics = Metrics()
    settings = NgSettings(delete_delay_s=30.0, timeout_url="http://127.0.0.1:9/")
    front = NgFront(calls, settings, metrics=metrics)  # type: ignore[arg-type]
    proxy = answered(front)
    proxy.send("delete", from_tag="ta")
    call = calls.calls["c1"]
    call.owner(CallTimedOut("media", 20.0))
    call.close("media-timeout")
    assert told == []
    assert b"ng_timeouts" not in metrics.expose()
    totals = proxy.send("statistics")["statistics"]["totalstatistics"]
    assert (totals["regularterminatedsessions"], totals["timeoutsessions"]) == (1, 0)
    await front.close()


async def test_the_summary_comes_with_the_delete(calls: FakeCalls, caplog: pytest.LogCaptureFixture):
    front = NgFront(calls, NgSettings(delete_delay_s=30.0))  # type: ignore[arg-type]
    proxy = answered(front)
    calls.calls["c1"].owner(LegFailed(Party.B, "dtls-timeout", "#"))
    proxy.send("delete", from_tag="ta")
    proxy.send("delete", from_tag="tb")
    assert warnings_in(caplog) == ["media fails", "media failed"]
    calls.calls["c1"].owner(CallClosed("deleted"))
    assert warnings_in(caplog) == ["media fails", "media failed"]
    await front.close()


async def test_missing_media_is_logged_soon(real: Proxy, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(faults, "LOOK_AFTER_S", 0.1)
    monkeypatch.setattr("boringsdp.ng.diagnosis.PATIENCE_S", 0.0)
    taken(real.offer("ta", sdp=plain_sdp(4000)))
    taken(real.answer("ta", "tb", sdp=plain_sdp(4002), SIP_code=183))
    await asyncio.sleep(0.2)
    assert warnings_in(caplog) == []
    for _ in range(2):
        taken(real.answer("ta", "tb", sdp=plain_sdp(4002), SIP_code=200))
        await asyncio.sleep(0.2)
    told = [(record.tag, record.reason[:21]) for record in caplog.records if record.getMessage() == "no media"]  # type: ignore[attr-defined]
    assert told == [("ta", "audio: no packet came"), ("tb", "audio: no packet came")]


async def test_no_report_is_made_of_a_call_that_is_heard(real: Proxy, monkeypatch: pytest.MonkeyPatch):
    looked: list[object] = []
    monkeypatch.setattr(faults, "LOOK_AFTER_S", 0.05)
    monkeypatch.setattr(faults, "complaints_of", lambda dialog, _report: looked.append(dialog) or [])
    a, b = Phone(), Phone()
    to_b = port_of(taken(real.offer("ta", sdp=plain_sdp(a.port))))
    to_a = port_of(taken(real.answer("ta", "tb", sdp=plain_sdp(b.port))))
    await flows(a, to_a, b)
    await asyncio.sleep(0.1)
    assert len(looked) == 1  # nothing came from the other
    await flows(b, to_b, a)
    taken(real.answer("ta", "tb", sdp=plain_sdp(b.port)))
    await asyncio.sleep(0.1)
    assert len(looked) == 1


async def test_each_call_is_looked_at_in_its_turn(real: Proxy, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(faults, "LOOK_AFTER_S", 0.1)
    monkeypatch.setattr("boringsdp.ng.diagnosis.PATIENCE_S", 0.0)
    for call in ("1", "2", "3"):
        taken(real.offer("ta", sdp=plain_sdp(4000), call_id=call))
        taken(real.answer("ta", "tb", sdp=plain_sdp(4002), call_id=call))
        await asyncio.sleep(0.03)
    real.send("delete", from_tag="ta", call_id="1")
    caplog.clear()
    await asyncio.sleep(0.2)
    told = [(record.call, record.tag) for record in caplog.records if record.getMessage() == "no media"]  # type: ignore[attr-defined]
    assert told == [("2", "ta"), ("2", "tb"), ("3", "ta"), ("3", "tb")]


async def test_nothing_is_looked_for_after_delete(real: Proxy, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(faults, "LOOK_AFTER_S", 0.05)
    taken(real.offer("ta", sdp=plain_sdp(4000)))
    taken(real.answer("ta", "tb", sdp=plain_sdp(4002)))
    real.send("delete", from_tag="ta")
    await asyncio.sleep(0.15)
    assert warnings_in(caplog) == []


@pytest.mark.parametrize(
    ("command", "keys", "warning"),
    [
        ("offer", {"ICE": "remov"}, "ICE=remov is not known"),
        ("offer", {"replace": ["orgin"]}, "replace-orgin is not known"),
        ("offer", {"flags": ["replace-orgin"]}, "replace-orgin is not known"),
        ("delete", {"delete_delay": "abc"}, "delete-delay=abc is not known"),
        ("list", {"limit": "x"}, "limit=x is not known"),
        ("offer", {"flags": ["some-flag"], "some_key": "x"}, None),
    ],
)
def test_values_that_are_not_known_are_told(proxy: Proxy, command: str, keys: dict[str, Any], warning: str | None):
    proxy.offer("ta")
    reply = proxy.send(command, from_tag="ta", sdp=plain_sdp(), **keys)
    assert (reply["result"], reply.get("warning")) == ("ok", warning)
