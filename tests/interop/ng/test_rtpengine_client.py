"""The npm package rtpengine-client, which drachtio and jambonz use, over each of its transports."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.interop.kamailio.scenarios import make_backend, running
from tests.interop.rig import NODE_MODULES

pytestmark = pytest.mark.interop

SCRIPT = Path(__file__).with_name("client.cjs")


@pytest.fixture(scope="module")
def backend():
    if shutil.which("node") is None:
        pytest.skip("apt-get install nodejs npm")
    if not (NODE_MODULES / "rtpengine-client").exists():
        pytest.skip("npm ci")
    with running(make_backend()) as started:
        yield started


@pytest.mark.parametrize("transport", ["udp", "tcp", "ws"])
def test_a_call(backend, transport):
    port = {"udp": backend.port, "tcp": backend.tcp_port, "ws": backend.http_port}[transport]
    done = subprocess.run(["node", str(SCRIPT), transport, "127.0.0.1", str(port)], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    replies = json.loads(done.stdout)
    assert replies["ping"] == {"result": "pong"}
    ports = []
    for name in ("offer", "answer"):
        assert replies[name]["result"] == "ok"
        media = next(line for line in replies[name]["sdp"].splitlines() if line.startswith("m=audio "))
        assert media.split()[2] == "RTP/AVP"
        ports.append(int(media.split()[1]))
    assert len({*ports, 41000, 41002}) == 4
    assert replies["query"]["result"] == "ok"
    assert set(replies["query"]["tags"]) == {"near", "far"}
    assert {"RTP", "RTCP"} <= set(replies["query"]["totals"])
    local = [stream["local port"] for tag in ("far", "near") for stream in replies["query"]["tags"][tag]["medias"][0]["streams"][:1]]
    assert local == ports
    assert replies["delete"]["result"] == "ok"
    assert replies["unknown"] == {"result": "error", "error-reason": "Unknown call-id"}
