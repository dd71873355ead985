"""Fifty calls at once from aiortc peers, three times over: they all hear their own tone, and nothing is left behind."""

from __future__ import annotations

import asyncio
import fractions
import re
import urllib.request
from dataclasses import dataclass, field
from typing import cast

import aioice.ice
import numpy as np
import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamTrack
from av import AudioFrame

from tests.support.gateway import Gateway, running_gateway
from tests.support.janus_client import JanusClient

CALLS = 50
ROUNDS = 3
RATE = 8000
FRAME = 160
MEDIA_S = 4.0
MEMORY_SLACK = 4_000_000
"""Bytes that the allocator may keep from a third round; fifty leaked calls would be more than 5 MB. Objects are counted in test_leaks."""

GONE = ("calls_active", "janus_handles", "relay_transports", "relay_streams", "relay_ports_used", "relay_handshakes_under_way")
SAME = ("process_tasks",)

pytestmark = pytest.mark.load


class Tone(AudioStreamTrack):
    """A sine of `hz`, 8 kHz mono, in 20 ms frames in real time."""

    def __init__(self, hz: int) -> None:
        super().__init__()
        self._hz = hz
        self._position = 0
        self._next = 0.0

    async def recv(self) -> AudioFrame:
        loop = asyncio.get_running_loop()
        self._next = max(self._next + 0.02, loop.time() - 0.2) if self._next else loop.time()
        await asyncio.sleep(max(0.0, self._next - loop.time()))
        ticks = np.arange(self._position, self._position + FRAME)
        samples = (np.sin(2 * np.pi * self._hz * ticks / RATE) * 8000).astype(np.int16)
        frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._position, fractions.Fraction(1, RATE)
        self._position += FRAME
        return frame


@dataclass
class Heard:
    """What came back, as samples."""

    samples: list[np.ndarray] = field(default_factory=list)

    async def listen(self, track: MediaStreamTrack) -> None:
        while True:
            frame = await track.recv()
            assert isinstance(frame, AudioFrame)
            self.samples.append(frame.to_ndarray().reshape(-1))

    def frequency(self) -> float:
        """The strongest frequency of the last second, in Hz."""
        samples = np.concatenate(self.samples)[-RATE:]
        spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
        return float(np.argmax(spectrum)) * RATE / len(samples)


class Echo(asyncio.DatagramProtocol):
    """The plain peer: sends every RTP packet back where it came from."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._transport.sendto(data, addr)


def plain_answer(port: int) -> str:
    return (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"
    )


async def one_call(janus: JanusClient, hz: int) -> float:
    """Place a call, let media flow, hang up; returns the frequency that came back."""
    loop = asyncio.get_running_loop()
    handle = await janus.attach("janus.plugin.nosip")
    browser, heard = RTCPeerConnection(), Heard()
    listening: list[asyncio.Task[None]] = []
    browser.on("track", lambda track: listening.append(asyncio.create_task(heard.listen(track))))
    browser.addTrack(Tone(hz))
    echo, _ = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
    try:
        await browser.setLocalDescription(await browser.createOffer())
        offer = {"type": "offer", "sdp": browser.localDescription.sdp}
        generated = (await janus.message(handle, {"request": "generate"}, offer))["plugindata"]["data"]
        assert "error" not in generated, generated
        port = echo.get_extra_info("sockname")[1]
        processed = await janus.message(handle, {"request": "process", "type": "answer", "sdp": plain_answer(port)})
        await browser.setRemoteDescription(RTCSessionDescription(processed["jsep"]["sdp"], "answer"))
        await janus.named(handle, "webrtcup", 60)
        await asyncio.sleep(MEDIA_S)
        return heard.frequency()
    finally:
        await janus.request("detach", handle_id=handle)
        await browser.close()
        echo.close()
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)


def metric(gateway: Gateway, name: str) -> float:
    """One figure of the gateway's own /metrics, summed over its labels."""
    with urllib.request.urlopen(f"{gateway.http}/metrics", timeout=10) as page:
        text = page.read().decode()
    values = re.findall(rf"^{name}(?:{{[^}}]*}})? ([0-9.e+]+)$", text, re.MULTILINE)
    assert values, f"no metric {name}"
    return sum(map(float, values))


@pytest.fixture
def loopback_ice(monkeypatch: pytest.MonkeyPatch) -> None:
    """aioice never gathers loopback addresses; here there are no others to be used."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])


@pytest.mark.usefixtures("loopback_ice")
async def test_fifty_calls_three_times_leave_nothing_behind():
    with running_gateway() as gateway:
        levels: list[dict[str, float]] = []
        for _ in range(ROUNDS):
            async with JanusClient(gateway.websocket) as janus:
                tones = [400 + 20 * number for number in range(CALLS)]
                heard = await asyncio.gather(*(one_call(janus, hz) for hz in tones), return_exceptions=True)
                assert [failure for failure in heard if isinstance(failure, BaseException)] == []
                assert [round(hz / 4) * 4 for hz in heard] == [round(hz / 4) * 4 for hz in tones]
                assert metric(gateway, "boringsdp_calls_created_total") == CALLS * (len(levels) + 1)
            await asyncio.sleep(2.0)
            # Files first: asking for a figure opens a connection, which the gateway may not have closed yet when the answer is here.
            left = {"open files": gateway.open_files(), "memory": gateway.memory()}
            levels.append(left | {name: metric(gateway, f"boringsdp_{name}") for name in GONE + SAME})
        for level in levels:
            assert {name: level[name] for name in GONE} == dict.fromkeys(GONE, 0), level
        second, last = levels[1], levels[-1]
        for name in (*SAME, "open files"):
            assert last[name] <= levels[0][name], (name, levels)
        grown = last["memory"] - second["memory"]
        assert grown < MEMORY_SLACK, f"the third round left {grown:.0f} bytes behind: {levels}"
