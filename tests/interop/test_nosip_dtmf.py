"""Digits pressed in the browser arrive at the plain peer: each once, in order, as long as it was pressed."""

import asyncio

import pytest

from tests.interop.calls import call_from_browser, call_from_phone
from tests.interop.peer import Line

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="session")]

DIGITS = "0123456789*#ABCD"
DURATION_MS, GAP_MS = 120, 80

CASES = [
    ("chromium", "PCMU", 8000),
    ("chromium", "opus", 8000),
    ("chromium", "opus", 48000),
    ("firefox", "PCMU", 8000),
    # Firefox offers no telephone-event/48000.
    ("firefox", "opus", 8000),
]


async def dial(rig, phone):
    await rig.call("dial", DIGITS, DURATION_MS, GAP_MS)
    await asyncio.sleep(len(DIGITS) * (DURATION_MS + GAP_MS) / 1000 + 1.5)
    trains = await phone.digits()
    assert "".join(train["digit"] for train in trains) == DIGITS, trains
    for train in trains:
        assert train["ms"] == pytest.approx(DURATION_MS, abs=35), train
        assert train["ends"] == 3, train
        assert train["marked"][0], train
        assert not any(train["marked"][1:]), train
    told = [message["result"] for message in await rig.events("message") if message.get("result", {}).get("event") == "dtmf"]
    assert "".join(one["digit"] for one in told) == DIGITS
    assert {one["leg"] for one in told} == {"webrtc"}


@pytest.mark.parametrize(("browser_name", "codec", "clock"), CASES)
async def test_digits_of_a_calling_browser(rig, phone, codec, clock):
    await call_from_browser(rig, phone, Line(codec, events=clock))
    await dial(rig, phone)


@pytest.mark.parametrize(("browser_name", "codec"), [("chromium", "PCMU"), ("chromium", "opus"), ("firefox", "PCMU"), ("firefox", "opus")])
async def test_digits_of_a_called_browser(rig, phone, codec):
    await call_from_phone(rig, phone, Line(codec))
    await dial(rig, phone)
