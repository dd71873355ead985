"""The plain RTP peer as a test sees it: SDP in and out by a small template, GStreamer behind it (gst_peer.py).

The SDP here is read and written by a few regular expressions on purpose: a peer that shared the gateway's parser would share its mistakes.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import json
import os
import re
import secrets
import subprocess
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.interop.tones import Burst, bursts, samples_of

PYTHON = "/usr/bin/python3"
PROGRAM = str(Path(__file__).with_name("gst_peer.py"))
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": os.environ.get("HOME", "/"), "LANG": "C.UTF-8"}
RATE = 16000

RTPMAPS = {"PCMU": "PCMU/8000", "PCMA": "PCMA/8000", "G722": "G722/8000", "opus": "opus/48000/2", "VP8": "VP8/90000", "H264": "H264/90000"}
STATIC = {"PCMU": 0, "PCMA": 8, "G722": 9}
FMTP = {"H264": "profile-level-id=42e01f;packetization-mode=1", "opus": "useinbandfec=1"}
KEY_SIZES = {"AES_CM_128_HMAC_SHA1_80": 30, "AES_CM_128_HMAC_SHA1_32": 30, "AEAD_AES_128_GCM": 28, "AEAD_AES_256_GCM": 44}


class PeerError(Exception):
    """The SDP from the gateway does not hold what the peer was told to expect."""


@dataclass(frozen=True)
class Heard:
    """One m-line as the gateway wrote it."""

    kind: str
    port: int
    protocol: str
    formats: tuple[int, ...]
    rtpmaps: dict[int, str]
    fmtps: dict[int, str]
    direction: str
    host: str
    rtcp_port: int
    cryptos: dict[str, tuple[int, str]]
    lines: tuple[str, ...]

    def find(self, codec: str, clock: int | None = None) -> int | None:
        """The payload type of a codec, static ones without rtpmap too."""
        for pt in self.formats:
            name = self.rtpmaps.get(pt, next((RTPMAPS[key] for key, number in STATIC.items() if number == pt), ""))
            parts = name.split("/")
            if parts[0].lower() == codec.lower() and (clock is None or int(parts[1]) == clock):
                return pt
        return None


def hear(sdp: str) -> list[Heard]:
    """The m-lines of an SDP."""
    head, *sections = re.split(r"\r?\n(?=m=)", sdp.strip() + "\r\n")
    session_host = re.search(r"^c=IN IP[46] (\S+)", head, re.M)
    found = []
    for section in sections:
        lines = tuple(section.split("\r\n")) if "\r\n" in section else tuple(section.split("\n"))
        kind, port, protocol, *formats = lines[0][2:].split()
        host = re.search(r"^c=IN IP[46] (\S+)", section, re.M) or session_host
        rtcp = re.search(r"^a=rtcp:(\d+)", section, re.M)
        direction = re.search(r"^a=(sendrecv|sendonly|recvonly|inactive)\s*$", section, re.M) or re.search(
            r"^a=(sendrecv|sendonly|recvonly|inactive)\s*$", head, re.M
        )
        found.append(
            Heard(
                kind=kind,
                port=int(port),
                protocol=protocol,
                formats=tuple(int(one) for one in formats if one.isdigit()),
                rtpmaps={int(pt): name for pt, name in re.findall(r"^a=rtpmap:(\d+) (\S+)", section, re.M)},
                fmtps={int(pt): value.strip() for pt, value in re.findall(r"^a=fmtp:(\d+) (.*)$", section, re.M)},
                direction=direction[1] if direction else "sendrecv",
                host=host[1] if host else "",
                rtcp_port=int(rtcp[1]) if rtcp else int(port) + 1,
                cryptos={
                    suite: (int(tag), key) for tag, suite, key in re.findall(r"^a=crypto:(\d+) (\S+) inline:([^|\s]+)", section, re.M)
                },
                lines=lines,
            )
        )
    return found


@dataclass(frozen=True)
class Line:
    """What the peer says for one m-line."""

    codec: str
    events: int | None = 8000
    """Clock of the telephone-event format, None for none; audio only."""
    pt: int | None = None
    direction: str = "sendrecv"
    suite: str | None = None
    feedback: bool = False

    @property
    def kind(self) -> str:
        return "video" if self.codec in ("VP8", "H264") else "audio"

    @property
    def clock(self) -> int:
        return int(RTPMAPS[self.codec].split("/")[1])


@dataclass
class PlainPeer:
    """A phone that speaks RTP and nothing else."""

    process: asyncio.subprocess.Process
    folder: Path
    host: str
    ports: list[list[int]]
    lines: list[Line] = field(default_factory=list)
    version: int = 0
    answered: list[tuple[Line, Heard]] = field(default_factory=list)
    keys: dict[int, str] = field(default_factory=dict)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _take: int = 0

    async def do(self, name: str, **arguments: Any) -> dict[str, Any]:
        """The answer to one command. Raises PeerError."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        async with self._lock:
            self.process.stdin.write(json.dumps({"do": name, **arguments}).encode() + b"\n")
            await self.process.stdin.drain()
            line = await asyncio.wait_for(self.process.stdout.readline(), 20)
        answer: dict[str, Any] = json.loads(line or b'{"error": "the peer died"}')
        if "error" in answer:
            raise PeerError(answer["error"])
        return answer

    # --- signalling ----------------------------------------------------------------------------------------------------

    async def answer(self, offer: str, *lines: Line) -> str:
        """The answer to `offer`, media running. Raises PeerError when the offer lacks what `lines` want."""
        heard = hear(offer)
        chosen: list[tuple[Line, Heard]] = []
        texts = []
        for index, one in enumerate(heard):
            line = next((want for want in lines if want.kind == one.kind and want not in [used for used, _ in chosen]), None)
            if line is None or one.port == 0 or index >= len(self.ports):
                texts.append(f"m={one.kind} 0 {one.protocol} {' '.join(map(str, one.formats)) or '0'}\r\n")
                continue
            pt = one.find(line.codec)
            if pt is None:
                raise PeerError(f"no {line.codec} in the offer: {one.lines}")
            line = replace(line, pt=pt)
            chosen.append((line, one))
            texts.append(self._media(index, line, one, answering=True))
        self.answered = chosen
        self.lines = [line for line, _ in chosen]
        await self._configure()
        return self._head() + "".join(texts)

    async def offer(self, *lines: Line) -> str:
        """An offer; `take_answer` starts the media."""
        self.lines = [
            replace(line, pt=line.pt if line.pt is not None else STATIC.get(line.codec, 96 + index)) for index, line in enumerate(lines)
        ]
        return self._head() + "".join(self._media(index, line, None, answering=False) for index, line in enumerate(self.lines))

    async def take_answer(self, answer: str) -> list[Heard]:
        """Starts what was offered; the m-lines of the answer. Raises PeerError when it is no answer to the last offer."""
        heard = hear(answer)
        if len(heard) != len(self.lines):
            raise PeerError(f"{len(heard)} m-lines answer {len(self.lines)}")
        for line, one in zip(self.lines, heard, strict=True):
            if one.port and one.find(line.codec) != line.pt:
                raise PeerError(f"{line.codec} {line.pt} was offered, the answer says {one.lines}")
        self.answered = [(line, one) for line, one in zip(self.lines, heard, strict=True) if one.port]
        await self._configure()
        return heard

    def _head(self) -> str:
        self.version += 1
        return f"v=0\r\no=peer 4711 {self.version} IN IP4 {self.host}\r\ns=-\r\nc=IN IP4 {self.host}\r\nt=0 0\r\n"

    def _media(self, index: int, line: Line, offered: Heard | None, *, answering: bool) -> str:
        formats = [(line.pt, RTPMAPS[line.codec], FMTP.get(line.codec))]
        if line.kind == "audio" and line.events is not None:
            event_pt = offered.find("telephone-event", line.events) if offered else 101
            if event_pt is not None:
                formats.append((event_pt, f"telephone-event/{line.events}", "0-15"))
            elif answering:
                raise PeerError(f"no telephone-event/{line.events} in the offer: {offered and offered.lines}")
        protocol = offered.protocol if offered else ("RTP/SAVP" if line.suite else "RTP/AVP") + ("F" if line.feedback else "")
        text = f"m={line.kind} {self.ports[index][0]} {protocol} {' '.join(str(pt) for pt, _, _ in formats)}\r\n"
        for pt, name, fmtp in formats:
            text += f"a=rtpmap:{pt} {name}\r\n" + (f"a=fmtp:{pt} {fmtp}\r\n" if fmtp else "")
        if line.suite:
            if offered is not None and line.suite not in offered.cryptos:
                raise PeerError(f"no {line.suite} in the offer: {offered.lines}")
            if index not in self.keys:
                self.keys[index] = secrets.token_hex(KEY_SIZES[line.suite])
            key = base64.b64encode(bytes.fromhex(self.keys[index])).decode()
            text += f"a=crypto:{offered.cryptos[line.suite][0] if offered else 1} {line.suite} inline:{key}\r\n"
        if line.feedback:
            text += f"a=rtcp-fb:{line.pt} nack pli\r\na=rtcp-fb:{line.pt} ccm fir\r\n"
        if line.kind == "audio":
            text += "a=ptime:20\r\n"
        return text + f"a={line.direction}\r\n"

    async def _configure(self) -> None:
        medias = []
        self._take += 1
        for index, (line, heard) in enumerate(self.answered):
            event_pt = heard.find("telephone-event", line.events) if line.events and line.kind == "audio" else None
            srtp = None
            if line.suite:
                if line.suite not in heard.cryptos:
                    raise PeerError(f"no {line.suite} came: {heard.lines}")
                theirs = base64.b64decode(heard.cryptos[line.suite][1] + "==")
                srtp = {"suite": line.suite, "send": self.keys[index], "receive": theirs.hex()}
            medias.append(
                {
                    "kind": line.kind,
                    "name": line.codec,
                    "pt": line.pt,
                    "clock": line.clock,
                    "remote": [heard.host, heard.port, heard.rtcp_port],
                    "send": "send" in line.direction and heard.direction in ("sendrecv", "recvonly"),
                    "receive_pts": {str(line.pt): [line.codec, line.clock]},
                    "event_pts": [] if event_pt is None else [event_pt],
                    "feedback": line.feedback,
                    "record": str(self.folder / f"heard-{self._take}.raw"),
                    "srtp": srtp,
                }
            )
        await self.do("configure", medias=medias)

    # --- media ---------------------------------------------------------------------------------------------------------

    def recorded(self) -> bytes:
        """All that was heard since the last negotiation: 16-bit mono at 16 kHz."""
        path = self.folder / f"heard-{self._take}.raw"
        return path.read_bytes() if path.exists() else b""

    def heard(self, *, since: int = 0) -> list[Burst]:
        """The tones in what was heard, from byte `since` of the recording on."""
        return bursts(samples_of(self.recorded()[since:]), RATE)

    async def digits(self) -> list[dict[str, Any]]:
        """The RFC 4733 trains that arrived, one entry each: event, milliseconds, packets, ends."""
        packets = (await self.do("events"))["packets"]
        trains: dict[tuple[int, int, int], list[dict[str, Any]]] = {}
        for packet in packets:
            trains.setdefault((packet["ssrc"], packet["timestamp"], packet["event"]), []).append(packet)
        clock = next((line.events for line in self.lines if line.kind == "audio"), 8000) or 8000
        return [
            {
                "digit": "0123456789*#ABCD"[event] if event < 16 else str(event),
                "ms": max(one["duration"] for one in train) * 1000 / clock,
                "packets": len(train),
                "ends": sum(one["end"] for one in train),
                "marked": [one["marker"] for one in train],
                "span_ms": (train[-1]["at"] - train[0]["at"]) * 1000,
            }
            for (_, _, event), train in trains.items()
        ]


@functools.cache
def missing() -> str | None:
    """What to install before the peer can run, None when all is there."""
    advice = "apt-get install $(cat tests/interop/debian-packages.txt)"
    if not os.path.exists(PYTHON):
        return f"{PYTHON} is missing, Debian's own Python: {advice}"
    check = subprocess.run([PYTHON, PROGRAM, "--check"], capture_output=True, text=True, env=ENVIRONMENT)
    return f"GStreamer is incomplete ({check.stderr.strip().splitlines()[-1]}): {advice}" if check.returncode else None


@contextlib.asynccontextmanager
async def plain_peer(*, medias: int = 1, host: str = "127.0.0.1") -> AsyncIterator[PlainPeer]:
    """A peer with ports for that many m-lines."""
    with tempfile.TemporaryDirectory(prefix="boringsdp-peer-") as folder:
        process = await asyncio.create_subprocess_exec(
            *(PYTHON, PROGRAM),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=ENVIRONMENT,
            limit=1 << 22,
        )
        peer = PlainPeer(process, Path(folder), host, [])
        try:
            peer.ports = (await peer.do("open", host=host, medias=medias))["ports"]
            yield peer
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                await asyncio.wait_for(process.wait(), 5)
            except TimeoutError:
                process.kill()
                await process.wait()
