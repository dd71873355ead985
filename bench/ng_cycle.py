"""
What Kamailio's commands cost: CPU milliseconds per offer, answer and delete of a WebRTC to RTP call, and how soon they are answered.

Run as `python -m bench.ng_cycle [cycles] [--media calls]`. When rtpengine is installed (Debian: `apt-get install rtpengine-daemon`) it does
the same in the same run, for the ratio. No ICE and no DTLS; with `--media`, plain calls carry media beside the requests, to see whether
either has to wait for the other.
"""

from __future__ import annotations

import argparse
import socket
import time
from pathlib import Path
from typing import Any

from bench.media_load import MediaLoad
from bench.rtpengine import running_rtpengine
from boringsdp.ng.bencode import parse_bencode, write_bencode
from tests.support.gateway import Gateway, running_gateway

CAPTURED = Path(__file__).parent.parent / "tests" / "golden" / "captured"
ANSWER = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9000 RTP/AVP 0 8 126\r\n"
    "a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:126 telephone-event/8000\r\n"
)
TO_PHONE = {"ICE": "remove", "DTLS": "off", "transport-protocol": "RTP/AVP", "rtcp-mux": ["demux"], "replace": ["origin"]}
TO_BROWSER = {"ICE": "force", "transport-protocol": "UDP/TLS/RTP/SAVPF", "rtcp-mux": ["require"], "replace": ["origin"]}
WARM_UP = 200
RATE = 200
RATE_S = 5.0


class Client:
    """A proxy's worker: one request at a time over UDP."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", port))
        self._socket.settimeout(5.0)
        self._count = 0

    def request(self, message: dict[str, Any]) -> dict[str, Any]:
        self._count += 1
        cookie = f"{id(self)}_{self._count}".encode()
        self._socket.send(cookie + b" " + write_bencode(message))
        answered, _, body = self._socket.recv(65536).partition(b" ")
        assert answered == cookie
        reply = parse_bencode(body)
        assert isinstance(reply, dict)
        if reply["result"] not in ("ok", "pong"):
            raise RuntimeError(f"{message['command']}: {reply}")
        return reply

    def close(self) -> None:
        self._socket.close()


def cycle(client: Client, offer: str, number: int) -> list[float]:
    """One call from offer to delete; returns how long each reply took, in seconds."""
    who = {"call-id": f"bench-{number}", "from-tag": f"a{number}"}
    taken = []
    for message in (
        {"command": "offer", **who, **TO_PHONE, "sdp": offer},
        {"command": "answer", **who, **TO_BROWSER, "to-tag": f"b{number}", "sdp": ANSWER},
        {"command": "delete", **who, "delete-delay": 0},
    ):
        began = time.perf_counter()
        client.request(message)
        taken.append(time.perf_counter() - began)
    return taken


def plain_call(client: Client, number: int, near: int, far: int) -> tuple[tuple[str, int], tuple[str, int]]:
    """Set up a call between plain telephones at two ports; returns where the gateway hears the first and the second."""
    who, told = {"call-id": f"media-{number}", "from-tag": f"m{number}"}, {"replace": ["origin"]}
    offered = client.request({"command": "offer", **who, **told, "sdp": ANSWER.replace("9000", str(near))})
    answered = client.request({"command": "answer", **who, **told, "to-tag": f"n{number}", "sdp": ANSWER.replace("9000", str(far))})
    at_far, at_near = (int(reply["sdp"].partition("m=audio ")[2].partition(" ")[0]) for reply in (offered, answered))
    return ("127.0.0.1", at_near), ("127.0.0.1", at_far)


def measure(name: str, process: Gateway, cycles: int, media_calls: int) -> None:
    offer = (CAPTURED / "chromium-offer-audio.sdp").read_bytes().decode()
    client = Client(process.ng_port)
    for number in range(WARM_UP):
        cycle(client, offer, number)
    cpu = process.cpu_s()
    for number in range(WARM_UP, WARM_UP + cycles):
        cycle(client, offer, number)
    print(f"{name:<12} CPU per offer, answer and delete    {(process.cpu_s() - cpu) / cycles * 1e3:.2f} ms")
    sustain(name, client, offer, WARM_UP + cycles)
    if media_calls:
        load = MediaLoad()
        near, far = load.near.getsockname()[1], load.far.getsockname()[1]
        calls = [plain_call(client, number, near, far) for number in range(media_calls)]
        load.start(calls, RATE_S)
        print(f"{name:<12} media of {media_calls} calls alone: {load.result()}")
        load.start(calls, RATE_S)
        sustain(name, client, offer, WARM_UP + cycles + int(RATE * RATE_S))
        print(f"{name:<12} media of {media_calls} calls beside them: {load.result()}")
        load.close()
    client.close()


def sustain(name: str, client: Client, offer: str, first: int) -> None:
    """Begin `RATE` calls a second and say how soon replies come."""
    began, taken = time.perf_counter(), []
    for number in range(int(RATE * RATE_S)):
        time.sleep(max(0.0, began + number / RATE - time.perf_counter()))
        taken += cycle(client, offer, first + number)
    taken.sort()
    done = len(taken) / 3 / (time.perf_counter() - began)
    print(
        f"{name:<12} {done:.0f} calls a second for {RATE_S:.0f} s: replies after {taken[len(taken) // 2] * 1e3:.2f} ms (median), "
        f"{taken[int(len(taken) * 0.99)] * 1e3:.2f} ms (99th percentile), {taken[-1] * 1e3:.1f} ms (worst)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU per offer, answer and delete over the NG protocol.")
    parser.add_argument("cycles", nargs="?", type=int, default=1000)
    parser.add_argument("--media", type=int, default=0, metavar="CALLS", help="let so many plain calls carry media beside the requests")
    options = parser.parse_args()
    with running_gateway("--rtp.port_rest=0", "--log.level=warning") as gateway:
        measure("BoringSDP", gateway, options.cycles, options.media)
    try:
        with running_rtpengine() as rtpengine:
            measure("rtpengine", rtpengine, options.cycles, options.media)
    except FileNotFoundError:
        print("rtpengine is not installed (Debian: apt-get install rtpengine-daemon); no comparison")


if __name__ == "__main__":
    main()
