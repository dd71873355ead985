"""The official janus.js over both transports, and with the other plugin."""

import asyncio

import pytest

from tests.interop.calls import call_from_browser, hear_each_other
from tests.interop.peer import Line

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("browser_name", ["chromium", "firefox"]),
]


async def test_a_call_over_http_long_poll(bare_rig, gateway, phone):
    await bare_rig.connect(gateway.http)
    await call_from_browser(bare_rig, phone, Line("PCMA"))
    await hear_each_other(bare_rig, phone)
    await bare_rig.until("rig.events.some(event => event.name === 'webrtcState' && event.detail.up)")
    await bare_rig.until("rig.events.some(event => event.name === 'mediaState' && event.detail.on)")


async def test_a_fault_in_the_sdp_is_named(rig):
    offer = await rig.offer(media={"audio": True})
    with pytest.raises(Exception, match=r"44[67]"):
        await rig.take_answer(offer.replace("m=audio", "m=?audio", 1))


async def test_echotest_sends_sound_and_picture_back(bare_rig, gateway):
    rig = bare_rig
    await rig.connect(gateway.websocket, "janus.plugin.echotest")
    await rig.call("echo", {"audio": True, "video": True})
    await rig.call("connected")
    await rig.until("rig.seen() && rig.seen().rgb[0] > 150", 15)
    await asyncio.sleep(1)
    await rig.call("forget")
    await rig.call("burst", 900, 0.6)
    await asyncio.sleep(1.7)
    (burst,) = await rig.heard()
    assert burst.frequency == pytest.approx(900, rel=0.02)
    assert burst.seconds == pytest.approx(0.6, abs=0.25)
