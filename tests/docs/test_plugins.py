"""The package of docs/plugins.md, in a gateway: found, attached to, answering as the text says, and bringing up a PeerConnection."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.webrtc_peer import Peer
from boringsdp.dtls import Identity
from tests.support.gateway import Gateway, running_gateway
from tests.support.janus_client import JanusClient

TEXT = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


PROJECT, TABLE = blocks("toml")
ACK, GREETING, REFUSAL = (json.loads(block) for block in blocks("json"))


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway in whose environment the package is installed, as far as Python can tell."""
    folder = tmp_path_factory.mktemp("site")
    project = tomllib.loads(PROJECT)
    for module, text in zip(project["tool"]["setuptools"]["py-modules"], blocks("python"), strict=True):
        folder.joinpath(f"{module}.py").write_text(text)
    about = folder / "hello-0.0.1.dist-info"
    about.mkdir()
    about.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: hello\nVersion: 0.0.1\n")
    ((group, entries),) = project["project"]["entry-points"].items()
    about.joinpath("entry_points.txt").write_text(f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items()))
    file = folder / "boringsdp.toml"
    file.write_text(TABLE.replace("good morning", "hello"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        with running_gateway(f"--config={file}") as made:
            yield made


def without_ids(message: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name not in ("session_id", "sender", "transaction")}


def test_the_start_up_lists_them(gateway: Gateway):
    (line,) = re.findall(r"^  plugins  .*$", TEXT, re.MULTILINE)
    assert line in gateway.log.splitlines()


@pytest.mark.interop
def test_the_commands_bring_what_the_text_says(gateway: Gateway):
    if shutil.which("curl") is None:
        pytest.skip("apt-get install curl")
    script = blocks("sh")[0].replace("http://127.0.0.1:8088", gateway.http)
    done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found, rest = [], done.stdout.strip()
    while rest:
        message, end = json.JSONDecoder().raw_decode(rest)
        found.append(message)
        rest = rest[end:].strip()
    assert [message.keys() for message in found] == [ACK.keys(), GREETING.keys()]
    assert [without_ids(message) for message in found] == [without_ids(ACK), without_ids(GREETING)]


async def test_a_request_without_name_is_refused_as_shown(gateway: Gateway):
    async with JanusClient(gateway.websocket) as janus:
        event = await janus.message(await janus.attach("janus.plugin.hello"), {})
    assert (event.keys(), without_ids(event)) == (REFUSAL.keys(), without_ids(REFUSAL))


async def test_the_mirror_brings_a_peer_connection_up_and_ends_with_it(gateway: Gateway):
    browser = await Peer.open(Identity())
    try:
        async with JanusClient(gateway.websocket) as janus:
            handle = await janus.attach("janus.plugin.mirror")
            assert (await janus.message(handle, {}))["plugindata"]["data"]["error_code"] == 501
            refused = await janus.message(handle, {}, {"type": "offer", "sdp": "v=0\r\nm=audio x RTP/AVP 0\r\n"})
            assert refused["error"]["code"] == 465, refused
            event = await janus.message(handle, {}, {"type": "offer", "sdp": browser.offer})
            assert event["plugindata"]["data"] == {"mirror": "event", "result": "ok"}
            await browser.connect(event["jsep"]["sdp"])
            await janus.named(handle, "webrtcup")
            assert (await janus.request("hangup", handle_id=handle))["janus"] == "success"
            await janus.named(handle, "hangup")
    finally:
        browser.close()
    assert "Traceback" not in gateway.log
