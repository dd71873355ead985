"""docs/nosip.md names what nosip_plugin.py serves, no more and no less, and its JSON is that of a running gateway."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from bench.webrtc_peer import Peer
from boringsdp import config, nosip_plugin
from boringsdp.app import Gateway
from boringsdp.demo.echo_peer import EchoPeer
from boringsdp.dtls import Identity
from tests.load.test_leaks import SETTINGS
from tests.support.gateway import free_port
from tests.support.janus_client import JanusClient

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "nosip.md").read_text()
CODE = Path(nosip_plugin.__file__).read_text()
BLOCKS = [json.loads(block) for block in re.findall(r"^```json\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)]
REQUESTS = [block for block in BLOCKS if "request" in block]
RESULTS = {block["event"]: block for block in BLOCKS if "event" in block}
NOT_YET = {"recording": 449, "rtp_forward": 448, "stop_rtp_forward": 451}


def shape(value: Any) -> Any:
    """The names in a JSON value, without what stands under them."""
    if isinstance(value, dict):
        return {key: shape(below) for key, below in value.items()}
    return [shape(below) for below in value] if isinstance(value, list) else None


def test_requests_are_those_of_the_code():
    assert sorted(block["request"] for block in REQUESTS) == sorted(nosip_plugin.READERS)
    assert re.findall(r"^### (\w+)$", TEXT.partition("## Events")[0], re.MULTILINE) == [block["request"] for block in REQUESTS]


def test_events_are_those_of_the_code():
    assert set(RESULTS) == set(re.findall(r'"event": "(\w+)"', CODE))


def test_error_codes_are_those_of_the_code():
    codes = {int(code) for code in re.findall(r"^[A-Z_]+ = (4\d\d)$", CODE, re.MULTILINE)}
    assert {int(code) for code in re.findall(r"^\| (4\d\d) \|", TEXT, re.MULTILINE)} == codes | {441}


@pytest.mark.parametrize("body", REQUESTS, ids=lambda body: str(body["request"]))
def test_requests_can_be_read(body: dict[str, Any]):
    nosip_plugin.parse_request(body)


@pytest.fixture
async def janus() -> AsyncIterator[JanusClient]:
    changes = {"webrtc.port": str(free_port(socket.SOCK_DGRAM)), "media.timeout": "3", "limits.answer_timeout": "1"}
    gateway = Gateway(config.load(None, {}, SETTINGS | changes).config)
    await gateway.start()
    try:
        host, port = gateway.janus.websocket_addresses[0]
        async with JanusClient(f"ws://{host}:{port}/") as client:
            yield client
    finally:
        await gateway.close()


def called(name: str) -> Callable[[dict[str, Any]], bool]:
    """Whether a message is the plugin's event of that name."""
    return lambda message: message["janus"] == "event" and message["plugindata"]["data"].get("result", {}).get("event") == name


async def test_events_have_the_members_of_a_running_gateway(janus: JanusClient):
    handle = await janus.attach("janus.plugin.nosip")
    browser, peer = await Peer.open(Identity()), EchoPeer()
    seen: dict[str, Any] = {}

    def note(event: dict[str, Any]) -> dict[str, Any]:
        result = event["plugindata"]["data"]["result"]
        seen[result["event"]] = result
        return dict(result)

    try:
        offer = {"type": "offer", "sdp": browser.offer}
        sdp = note(await janus.message(handle, {"request": "generate", "srtp": "sdes_optional"}, offer))["sdp"]
        answered = await janus.message(handle, {"request": "process", "type": "answer", "sdp": peer.answer(sdp)[1]})
        note(answered)
        await browser.connect(answered["jsep"]["sdp"])
        await janus.named(handle, "webrtcup")
        for body in REQUESTS:
            if body["request"] not in {"generate", "process", "hangup", *NOT_YET}:
                note(await janus.message(handle, body))
        note(await janus.event(handle, called("media_timeout")))
        for body in REQUESTS:
            if body["request"] in NOT_YET:
                data = (await janus.message(handle, body))["plugindata"]["data"]
                assert data["error_code"] == NOT_YET[body["request"]]
        await janus.message(handle, {"request": "generate"}, offer)
        note(await janus.event(handle, called("timeout")))
        note(await janus.message(handle, {"request": "hangup"}))
    finally:
        browser.close()
        peer.close()
    expected = {name: shape(result) for name, result in RESULTS.items() if name != "dtmf"}
    expected["processed"].pop("srtp", None)
    seen["processed"].pop("srtp", None)
    assert {name: shape(result) for name, result in seen.items()} == expected


async def test_the_error_of_the_text(janus: JanusClient):
    handle = await janus.attach("janus.plugin.nosip")
    shown = next(block for block in BLOCKS if "error_code" in block)
    assert (await janus.message(handle, {"request": "stats"}))["plugindata"]["data"] == shown
