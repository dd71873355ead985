"""The official janus.js, under Node.js, against both transports."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from boringsdp.call.events import LegClosed, LegConnected, LegReceiving, LegSlow, Party
from boringsdp.janus_api.plugin import Ack
from tests.janus_api.build import Puppet, PuppetPlugin
from tests.janus_api.sockets import running

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "node_modules/janus-gateway/npm/dist/janus.es.js"
CLIENT = Path(__file__).with_name("janus_client.cjs")

EVENTS = {
    "connected": LegConnected(Party.A),
    "receiving": LegReceiving(Party.A, "0", "audio", True, 0),
    "slow": LegSlow(Party.A, "0", "audio", False, 7),
    "closed": LegClosed(Party.A, "close_notify"),
}


class Player(Puppet):
    """Makes call events happen when asked to."""

    def message(self, request):
        if "play" in request.body:
            self.handle.publish(EVENTS[request.body["play"]])
            return Ack()
        return super().message(request)


class PlayerPlugin(PuppetPlugin):
    def attach(self, handle):
        self.handles.append(Player(handle))
        return self.handles[-1]


def node_command() -> list[str]:
    """Node.js with a WebSocket: built in from version 22, behind a flag from 20.10."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node.js 20.10 or later: install nodejs")
    if not LIBRARY.exists():
        pytest.skip("needs janus.js: run `npm ci` in the project's folder")
    for command in ([node], [node, "--experimental-websocket"]):
        probe = subprocess.run([*command, "-e", "process.exit(typeof WebSocket === 'function' ? 0 : 1)"], capture_output=True, timeout=20)
        if probe.returncode == 0:
            return command
    pytest.skip("needs a Node.js with WebSocket, 20.10 or later")


@pytest.mark.interop
@pytest.mark.parametrize("transport", ["websocket", "http"])
async def test_janus_js(transport):
    command = node_command()
    async with running(PlayerPlugin(), opaqueid_in_api=True) as gateway:
        url = gateway.websocket if transport == "websocket" else gateway.base
        process = await asyncio.create_subprocess_exec(*command, str(CLIENT), str(LIBRARY), url, stdout=subprocess.PIPE)
        output, _ = await asyncio.wait_for(process.communicate(), 20)
        told = [json.loads(line) for line in output.splitlines() if line.startswith(b"{")]
        assert process.returncode == 0, told
        expected = "session info handle reply message webrtcState mediaState slowLink webrtcState destroyed"
        assert [item["what"] for item in told if item["what"] not in ("cleanup", "claimed")] == expected.split()
        by_kind = {item["what"]: item for item in told}
        assert ("claimed" in by_kind) == (transport == "websocket")
        assert "janus.plugin.puppet" in by_kind["info"]["plugins"]
        assert by_kind["reply"]["data"] == {"sync": 1}
        assert by_kind["message"]["data"] == {"n": 1}
        assert by_kind["message"]["jsep"]["type"] == "answer"
        assert by_kind["mediaState"] == {"what": "mediaState", "kind": "audio", "receiving": True, "mid": "0"}
        assert by_kind["slowLink"] == {"what": "slowLink", "uplink": False, "lost": 7, "mid": "0"}
        assert by_kind["webrtcState"] == {"what": "webrtcState", "up": False, "reason": "DTLS alert"}
        assert gateway.server.core.session_count == 0
