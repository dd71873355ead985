"""The NoSIP plugin over real calls and a real relay, driven through the Janus core's own handle by a client of the API."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bench.webrtc_peer import Peer
from boringsdp import config
from boringsdp.app import Gateway
from boringsdp.dtls import Identity
from boringsdp.sdp import describe
from tests.load.test_leaks import SETTINGS
from tests.support.gateway import free_port
from tests.support.janus_client import JanusClient

CHROMIUM = Path("tests/golden/captured/chromium-offer-audio-trickle.sdp").read_bytes().decode()
WITH_DATA = Path("tests/golden/captured/chromium-offer-audio-video-data-trickle.sdp").read_bytes().decode()


def telephone(crypto: bool = False, *, protocol: str = "RTP/AVP", direction: str = "sendrecv", version: int = 1) -> str:
    key = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20\r\n" if crypto else ""
    return (
        f"v=0\r\no=- 1 {version} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        f"m=audio 9000 {protocol} 0 101\r\na=rtpmap:101 telephone-event/8000\r\na={direction}\r\n{key}"
    )


@pytest.fixture
async def janus(unused_settings: dict[str, str]) -> AsyncIterator[JanusClient]:
    gateway = Gateway(config.load(None, {}, unused_settings).config)
    await gateway.start()
    try:
        host, port = gateway.janus.websocket_addresses[0]
        async with JanusClient(f"ws://{host}:{port}/") as client:
            yield client
    finally:
        await gateway.close()


@pytest.fixture
def unused_settings() -> dict[str, str]:
    return SETTINGS | {"webrtc.port": str(free_port(socket.SOCK_DGRAM))}


def result(event: dict[str, Any]) -> dict[str, Any]:
    data = event["plugindata"]["data"]
    assert "error" not in data, data
    return dict(data["result"])


def error(event: dict[str, Any]) -> tuple[int, str]:
    data = event["plugindata"]["data"]
    return data["error_code"], data["error"]


def offer(sdp: str = CHROMIUM) -> dict[str, str]:
    return {"type": "offer", "sdp": sdp}


async def test_browser_offers_peer_answers(janus: JanusClient):
    handle = await janus.attach("janus.plugin.nosip")
    generated = result(await janus.message(handle, {"request": "generate", "info": "mine"}, offer()))
    assert {"event", "type", "sdp", "unique_id", "call_id"} == generated.keys()
    assert (generated["event"], generated["type"]) == ("generated", "offer")
    assert describe(generated["sdp"]).medias[0].protocol_text == "RTP/AVP"
    event = await janus.message(handle, {"request": "process", "type": "answer", "sdp": telephone()})
    processed = result(event)
    assert processed == {"event": "processed", "unique_id": generated["unique_id"], "call_id": generated["call_id"]}
    assert event["jsep"]["type"] == "answer"
    assert "a=ice-lite" in event["jsep"]["sdp"]


async def test_peer_offers_and_a_second_round_is_an_update(janus: JanusClient):
    handle = await janus.attach("janus.plugin.nosip")
    event = await janus.message(handle, {"request": "process", "type": "offer", "sdp": telephone(crypto=True)})
    assert result(event)["srtp"] == "sdes_optional"
    assert event["jsep"]["type"] == "offer"
    formats = " ".join(str(f.payload_type) for f in describe(event["jsep"]["sdp"]).medias[0].formats)
    answer = re.sub(r"(m=audio 9 \S+) .*", rf"\1 {formats}", CHROMIUM).replace("actpass", "active")
    generated = result(await janus.message(handle, {"request": "generate"}, {"type": "answer", "sdp": answer}))
    assert (generated["type"], "update" in generated) == ("answer", False)
    assert "a=crypto:1 AES_CM_128_HMAC_SHA1_80" in generated["sdp"]
    again = await janus.message(handle, {"request": "process", "type": "offer", "sdp": telephone(crypto=True, version=2), "update": True})
    assert result(again)["update"] is True
    generated = result(await janus.message(handle, {"request": "generate"}, {"type": "answer", "sdp": answer}))
    assert generated["update"] is True


@pytest.mark.parametrize(("mode", "profile"), [("sdes_optional", "RTP/AVP"), ("sdes_mandatory", "RTP/SAVP")])
async def test_srtp_options_shape_the_offer(janus: JanusClient, mode: str, profile: str):
    handle = await janus.attach("janus.plugin.nosip")
    body = {"request": "generate", "srtp": mode, "srtp_profile": "AEAD_AES_128_GCM"}
    media = describe(result(await janus.message(handle, body, offer()))["sdp"]).medias[0]
    assert (media.protocol_text, [crypto.suite for crypto in media.cryptos]) == (profile, ["AEAD_AES_128_GCM"])


async def test_a_data_channel_is_refused_by_port_0_and_the_call_goes_on(janus: JanusClient):
    handle = await janus.attach("janus.plugin.nosip")
    generated = result(await janus.message(handle, {"request": "generate"}, offer(WITH_DATA)))
    assert [media.kind for media in describe(generated["sdp"]).medias] == ["audio", "video"]
    answer = telephone() + "m=video 0 RTP/AVP 96\r\n"
    event = await janus.message(handle, {"request": "process", "type": "answer", "sdp": answer})
    assert [media.port != 0 for media in describe(event["jsep"]["sdp"]).medias] == [True, False, False]


async def test_mandatory_srtp_is_never_given_up(janus: JanusClient):
    handle = await janus.attach("janus.plugin.nosip")
    process = {"request": "process", "type": "offer", "sdp": telephone(), "srtp": "sdes_mandatory"}
    assert error(await janus.message(handle, process)) == (450, "SDES-SRTP required (srtp), but the peer's SDP has no usable crypto")
    assert result(await janus.message(handle, process | {"sdp": telephone(crypto=True)}))["event"] == "processed"


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({"request": "process", "type": "answer", "sdp": telephone()}, 445, "no call"),
        ({"request": "process", "type": "offer", "sdp": "v=0\r\nm=audio x RTP/AVP 0\r\n"}, 446, "line 2"),
        ({"request": "process", "type": "offer", "sdp": telephone().replace("m=audio", "m=image")}, 447, "audio"),
        (
            {"request": "process", "type": "offer", "sdp": telephone().replace("IP4 127.0.0.1", "IP4 224.0.0.1")},
            447,
            "(224.0.0.1) is not allowed as a destination; rtp.allow names",
        ),
        ({"request": "generate"}, 446, "jsep"),
        ({"request": "keyframe", "user": True}, 445, "no call"),
        ({"request": "recording", "action": "start", "audio": True}, 449, "Recording"),
        ({"request": "rtp_forward", "streams": []}, 448, "forwarding"),
        ({"request": "stop_rtp_forward", "stream_id": 1}, 451, "1"),
        ({"request": "nonsense"}, 442, "nonsense"),
    ],
)
async def test_errors_are_named_and_the_handle_lives_on(janus: JanusClient, body: dict[str, Any], code: int, words: str):
    handle = await janus.attach("janus.plugin.nosip")
    number, text = error(await janus.message(handle, body))
    assert number == code
    assert words in text
    assert result(await janus.message(handle, {"request": "generate"}, offer()))["event"] == "generated"


async def test_stats_of_a_call_that_is_not_answered_know_who_the_browser_is(janus: JanusClient):
    handle = await janus.attach("janus.plugin.nosip")
    await janus.message(handle, {"request": "generate"}, offer())
    legs = result(await janus.message(handle, {"request": "stats"}))["legs"]
    assert (legs["webrtc"]["webrtc"], legs["webrtc"]["ice"], legs["plain"]["webrtc"]) == (True, "new", False)


async def test_digits_need_telephone_event(janus: JanusClient):
    handle = await janus.attach("janus.plugin.nosip")
    await janus.message(handle, {"request": "generate"}, offer())
    without = telephone().replace(" 0 101", " 0").replace("a=rtpmap:101 telephone-event/8000\r\n", "")
    await janus.message(handle, {"request": "process", "type": "answer", "sdp": without})
    number, text = error(await janus.message(handle, {"request": "dtmf", "digits": "12"}))
    assert (number, text) == (445, "Wrong state: the peer did not agree to telephone-event")


async def test_the_log_tells_whose_call_it_is_and_what_was_refused(janus: JanusClient, caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO", "boringsdp")
    handle = await janus.attach("janus.plugin.nosip")
    generated = result(await janus.message(handle, {"request": "generate"}, offer()))
    await janus.message(handle, {"request": "process", "type": "answer", "sdp": "v=0\r\nm=audio x RTP/AVP 0\r\n"})
    await janus.request("detach", handle_id=handle)
    lines = {line.getMessage(): line.__dict__ for line in caplog.records}
    attached, refused = lines["call attached"], lines["request refused"]
    assert (attached["call"], attached["session"], attached["handle"]) == (generated["call_id"], janus.session_id, handle)
    assert (refused["levelname"], refused["session"], refused["handle"], refused["code"]) == ("WARNING", janus.session_id, handle, 446)
    assert "line 2" in refused["reason"]
    assert "peer connection ended" not in lines  # it never came up


async def test_glare_is_a_wrong_state(janus: JanusClient):
    handle = await janus.attach("janus.plugin.nosip")
    await janus.message(handle, {"request": "generate"}, offer())
    number, text = error(await janus.message(handle, {"request": "process", "type": "offer", "sdp": telephone()}))
    assert (number, "glare" in text) == (445, True)


async def test_a_call_comes_up_shows_its_figures_and_is_hung_up(janus: JanusClient):
    handle = await janus.attach("janus.plugin.nosip")
    peer = await Peer.open(Identity())
    try:
        await janus.message(handle, {"request": "generate"}, offer(peer.offer))
        event = await janus.message(handle, {"request": "process", "type": "answer", "sdp": telephone()})
        await peer.connect(event["jsep"]["sdp"])
        await janus.named(handle, "webrtcup")
        figures = result(await janus.message(handle, {"request": "stats"}))
        assert figures["legs"].keys() == {"webrtc", "plain"}
        assert (figures["legs"]["webrtc"]["ice"], figures["legs"]["webrtc"]["dtls"]) == ("connected", "connected")
        assert figures["legs"]["plain"]["streams"][0]["codec"] == "PCMU/8000"
        assert result(await janus.message(handle, {"request": "keyframe", "user": True, "peer": True})) == {"event": "keyframesent"}
        assert result(await janus.message(handle, {"request": "dtmf", "digits": "12"})) == {"event": "dtmfsent", "digits": 2}
        assert result(await janus.message(handle, {"request": "listforwarders"})) == {"event": "forwarders", "rtp_forwarders": []}
        assert (await janus.request("message", handle_id=handle, body={"request": "hangup"}))["janus"] == "ack"
        assert (await janus.named(handle, "hangup"))["reason"] == "Close PC"
        reply, *others = [each for each in janus.seen(handle) if each["janus"] in ("hangup", "event")]  # came before the hangup
        assert (result(reply), others) == ({"event": "hangingup"}, [])
    finally:
        peer.close()


async def test_a_wrong_fingerprint_ends_the_call(janus: JanusClient):
    handle = await janus.attach("janus.plugin.nosip")
    peer = await Peer.open(Identity())
    try:
        lying = re.sub(r"(a=fingerprint:sha-256 )..:..", r"\g<1>00:00", peer.offer)
        await janus.message(handle, {"request": "generate"}, offer(lying))
        event = await janus.message(handle, {"request": "process", "type": "answer", "sdp": telephone()})
        connecting = asyncio.ensure_future(peer.connect(event["jsep"]["sdp"]))
        assert (await janus.named(handle, "hangup"))["reason"] == "DTLS error"
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)
    finally:
        peer.close()


class TestSilentPeer:
    """With a short media timeout, a peer that sends nothing ends the call, and the client is told why."""

    @pytest.fixture
    def unused_settings(self) -> dict[str, str]:
        return SETTINGS | {"webrtc.port": str(free_port(socket.SOCK_DGRAM)), "media.timeout": "1"}

    async def test_a_silent_peer_ends_in_a_media_timeout(self, janus: JanusClient):
        handle = await janus.attach("janus.plugin.nosip")
        await janus.message(handle, {"request": "generate"}, offer())
        await janus.message(handle, {"request": "process", "type": "answer", "sdp": telephone()})
        timeout = result(await janus.named(handle, "event"))
        assert (timeout["event"], timeout["leg"], timeout["seconds"]) == ("media_timeout", "plain", 1.0)
        assert (await janus.named(handle, "hangup"))["reason"] == "Close PC"
