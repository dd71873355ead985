"""
Every transport protocol towards rtpengine, in both directions, with packets through.

    phone a ── RTP/AVP ── gateway ── what is tried ── rtpengine ── RTP/AVP ── phone b
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.call.phone import Phone
from tests.ng.conftest import plain_sdp
from tests.ng.test_front_media import taken
from tests.ng.test_front_transports import PROTOCOLS, gateway, talk
from tests.support.gateway import free_port
from tests.support.ng_client import NgClient

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("rtpengine") is None, reason="needs rtpengine: apt install rtpengine-daemon"),
]
PLAIN = {"transport_protocol": "RTP/AVP", "ICE": "remove", "rtcp_mux": ["demux"]}


@pytest.fixture(scope="module")
def rtpengine() -> Iterator[NgClient]:
    """One rtpengine on loopback, in user space and without a configuration file."""
    port = free_port(socket.SOCK_DGRAM)
    arguments = ["--interface=127.0.0.1", f"--listen-ng=127.0.0.1:{port}", "--port-min=45000", "--port-max=45400", "--log-level=3"]
    process = subprocess.Popen(
        ["rtpengine", "--config-file=none", "--table=-1", "--foreground", "--log-stderr", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    client = NgClient(("127.0.0.1", port))
    try:
        _wait_until_up(client)
        yield client
    finally:
        client.close()
        process.terminate()
        process.wait()


def _wait_until_up(client: NgClient) -> None:
    limit = time.monotonic() + 10
    while time.monotonic() < limit:
        try:
            client.ask("ping")
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("rtpengine did not come up")


def options(protocol: str, mux: str, ice: str) -> dict[str, Any]:
    return {"transport_protocol": protocol, "ICE": ice, "rtcp_mux": [mux]}


@pytest.mark.parametrize("ice", ["remove", "force"])
@pytest.mark.parametrize("mux", ["demux", "offer", "require"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_we_offer(rtpengine: NgClient, protocol: str, mux: str, ice: str):
    who = {"call_id": f"we {protocol} {mux} {ice}", "from_tag": "ta"}
    async with gateway() as ours:
        a, b = Phone(), Phone()
        middle = taken(ours.offer("ta", sdp=plain_sdp(a.port), **options(protocol, mux, ice)))
        to_b = taken(await rtpengine.request("offer", **who, sdp=middle, **PLAIN))
        back = taken(await rtpengine.request("answer", **who, to_tag="tb", sdp=plain_sdp(b.port)))
        to_a = taken(ours.answer("ta", "tb", sdp=back))
        await talk(a, to_a, b, to_b)
        await rtpengine.request("delete", **who, **{"delete delay": 0})
        a.close()
        b.close()


@pytest.mark.parametrize("ice", ["remove", "force"])
@pytest.mark.parametrize("mux", ["demux", "offer", "require"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_rtpengine_offers(rtpengine: NgClient, protocol: str, mux: str, ice: str):
    who = {"call_id": f"it {protocol} {mux} {ice}", "from_tag": "tb"}
    async with gateway() as ours:
        a, b = Phone(), Phone()
        middle = taken(await rtpengine.request("offer", **who, sdp=plain_sdp(b.port), **options(protocol, mux, ice)))
        to_a = taken(ours.offer("tb", sdp=middle, **PLAIN))
        back = taken(ours.answer("tb", "ta", sdp=plain_sdp(a.port)))
        to_b = taken(await rtpengine.request("answer", **who, to_tag="ta", sdp=back))
        await talk(a, to_a, b, to_b)
        await rtpengine.request("delete", **who, **{"delete delay": 0})
        a.close()
        b.close()


def keys(value: Any, path: str = "") -> set[str]:
    """All keys of a reply as paths; tags and SSRCs are named by what they are."""
    if isinstance(value, list):
        return {key for each in value for key in keys(each, path)}
    if not isinstance(value, dict):
        return set()
    named = path.rpartition("/")[2] in ("tags", "SSRC") or not path
    found = set() if named and path else {f"{path}/{key}" for key in value}
    return found | {key for name, each in value.items() for key in keys(each, f"{path}/{'*' if named and path else name}")}


async def test_query_and_statistics_have_what_rtpengines_have(rtpengine: NgClient):
    who = {"call_id": "c1", "from_tag": "ta", "to_tag": "tb"}
    sides = []
    async with gateway() as ours:
        for ask in (rtpengine.request, _of(ours)):
            a, b = Phone(), Phone()
            to_b = taken(await ask("offer", call_id="c1", from_tag="ta", via_branch="b1", label="A", metadata="m", sdp=plain_sdp(a.port)))
            to_a = taken(await ask("answer", **who, via_branch="b1", label="B", sdp=plain_sdp(b.port)))
            await talk(a, to_a, b, to_b)
            told = await ask("query", call_id="c1")
            sides.append(keys(told) | {f"flags {flag}" for tag in told["tags"].values() for flag in tag["medias"][0]["flags"]})
            statistics = (await ask("statistics"))["statistics"]
            sides[-1] |= {key for name in ("currentstatistics", "totalstatistics", "mos") for key in keys(statistics[name], f"/{name}")}
            await ask("delete", call_id="c1", **{"delete delay": 0})
    theirs, gateways = sides
    assert theirs - gateways <= {"flags ICE controlling"}


def _of(proxy: Any) -> Any:
    async def request(command: str, **keys: Any) -> dict[str, Any]:
        reply: dict[str, Any] = proxy.send(command, **keys)
        return reply

    return request
