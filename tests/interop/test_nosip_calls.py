"""Calls between a browser with the official janus.js and a plain RTP peer, through `janus.plugin.nosip`: each hears the other's tone."""

import asyncio

import pytest

from tests.interop.calls import call_from_browser, call_from_phone, hear_each_other
from tests.interop.peer import Line, hear

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="session")]

BROWSERS = ["chromium", "firefox"]
SUITES = ["AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32", "AEAD_AES_128_GCM", "AEAD_AES_256_GCM"]


@pytest.mark.parametrize("codec", ["PCMU", "PCMA", "G722", "opus"])
@pytest.mark.parametrize("browser_name", BROWSERS)
async def test_a_browser_calls(rig, phone, codec):
    offer = await call_from_browser(rig, phone, Line(codec))
    assert hear(offer)[0].protocol == "RTP/AVP"
    assert not [line for line in offer.splitlines() if line.startswith(("a=candidate", "a=ice-", "a=fingerprint", "a=setup", "a=group"))]
    await hear_each_other(rig, phone)
    assert {"up": True} in await rig.events("webrtcState")
    assert {"medium": "audio", "on": True, "mid": "0"} in await rig.events("mediaState")


@pytest.mark.parametrize("codec", ["PCMU", "PCMA", "G722", "opus"])
@pytest.mark.parametrize("browser_name", BROWSERS)
async def test_a_browser_is_called(rig, phone, codec):
    await call_from_phone(rig, phone, Line(codec))
    await hear_each_other(rig, phone)


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("browser_name", BROWSERS)
async def test_a_browser_calls_with_sdes(rig, phone, suite):
    offer = await call_from_browser(rig, phone, Line("PCMA", suite=suite), srtp="sdes_mandatory", srtp_profile=suite)
    assert hear(offer)[0].protocol == "RTP/SAVP"
    await hear_each_other(rig, phone)


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("browser_name", BROWSERS)
async def test_a_browser_is_called_with_sdes(rig, phone, suite):
    answer = await call_from_phone(rig, phone, Line("opus", suite=suite), srtp="sdes_mandatory")
    assert list(hear(answer)[0].cryptos) == [suite]
    await hear_each_other(rig, phone)


@pytest.mark.parametrize("browser_name", BROWSERS)
async def test_rtcp_of_both_sides_agrees_with_what_flowed(rig, phone):
    await call_from_browser(rig, phone, Line("PCMU"))
    await asyncio.sleep(7)
    (media,) = (await phone.do("statistics"))["medias"]
    reports = [source for source in media["remote"] if source.get("have-rb")]
    assert reports, f"the phone got no receiver report: {media}"
    assert reports[0]["rb-packetslost"] == 0
    assert [source for source in media["remote"] if source.get("have-sr")], f"the phone got no sender report: {media}"
    statistics = await rig.call("statistics")
    (remote,) = [one for one in statistics if one["type"] == "remote-inbound-rtp"]
    assert remote["packetsLost"] == 0
    assert [one for one in statistics if one["type"] == "remote-outbound-rtp"], "the browser got no sender report"


@pytest.mark.parametrize("browser_name", BROWSERS)
async def test_hangup_ends_the_call_on_both_ends(rig, phone):
    await call_from_browser(rig, phone, Line("PCMU"))
    await rig.page.evaluate("async () => rig.handle.send({message: {request: 'hangup'}})")
    await rig.until("rig.events.some(event => event.name === 'cleanup')")
    await asyncio.sleep(0.5)
    before = sum((await phone.do("statistics"))["medias"][0]["received"].values())
    await asyncio.sleep(0.5)
    assert sum((await phone.do("statistics"))["medias"][0]["received"].values()) == before
