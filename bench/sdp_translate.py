"""
CPU time of SDP work, in microseconds: parse an offer and write its counterpart, and a whole offer/answer exchange.

    python bench/sdp_translate.py
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from pathlib import Path

from boringsdp.sdp import (
    PLAIN,
    WEBRTC,
    Candidate,
    Fingerprint,
    LegMemory,
    LegStyle,
    LocalMedia,
    LocalTransport,
    accept_answer,
    accept_offer,
    describe,
    make_answer,
    make_offer,
    media_plans,
)

CAPTURED = Path(__file__).parent.parent / "tests" / "golden" / "captured"
ANSWER = """\
v=0
o=- 1 1 IN IP4 192.0.2.9
s=-
c=IN IP4 192.0.2.9
t=0 0
m=audio 6000 RTP/AVP 0 126
a=rtpmap:126 telephone-event/8000
"""
PLAIN_LOCAL = {n: LocalMedia(transport=LocalTransport(host="198.51.100.1", port=40000 + 2 * n)) for n in range(4)}
WEBRTC_TRANSPORT = LocalTransport(
    host="203.0.113.1",
    port=10000,
    ufrag="gatewayufrag",
    password="gatewaypasswordgatewaypass",
    candidates=(Candidate.local("203.0.113.1", 10000),),
    fingerprints=(Fingerprint("sha-256", ":".join(["AB"] * 32)),),
)
WEBRTC_LOCAL = {n: LocalMedia(transport=WEBRTC_TRANSPORT, ssrc=1000 + n, cname="cname") for n in range(4)}


def cpu_us(job: Callable[[], object], seconds: float = 0.5) -> float:
    """Return the CPU time of one run of `job` in microseconds, the best of five rounds."""
    job()
    started, runs = time.process_time(), 0
    while time.process_time() - started < seconds / 5:
        job()
        runs += 1
    best = float("inf")
    for _ in range(5):
        started = time.process_time()
        for _ in range(runs):
            job()
        best = min(best, (time.process_time() - started) / runs * 1e6)
    return best


def translate(text: str, style: LegStyle, local: dict[int, LocalMedia]) -> Callable[[], object]:
    return lambda: make_offer(LegMemory(session_id=2), style, accept_offer(LegMemory(session_id=1), text), local)


def exchange(text: str) -> None:
    a = accept_offer(LegMemory(session_id=1), text)
    b = accept_answer(make_offer(LegMemory(session_id=2), PLAIN, a, PLAIN_LOCAL).memory, ANSWER)
    a = make_answer(a, b, WEBRTC_LOCAL).memory
    media_plans(a), media_plans(b)


def main() -> None:
    gc.collect()
    gc.freeze()
    print(f"{'SDP work':<58} {'lines':>6} {'CPU µs':>8}   target")
    for name, style, local, target in (
        ("chromium-offer-audio", PLAIN, PLAIN_LOCAL, "100"),
        ("firefox-offer-audio", PLAIN, PLAIN_LOCAL, "100"),
        ("baresip-offer-plain", WEBRTC, WEBRTC_LOCAL, "100"),
        ("chromium-offer-audio-video", PLAIN, PLAIN_LOCAL, ""),
    ):
        text = (CAPTURED / f"{name}.sdp").read_bytes().decode()
        lines = text.count("\n")
        print(f"{'parse ' + name:<58} {lines:>6} {cpu_us(lambda text=text: describe(text)):>8.1f}")  # type: ignore[misc]
        job = cpu_us(translate(text, style, local))
        print(f"{'parse ' + name + ', write its counterpart':<58} {lines:>6} {job:>8.1f}   {target}")
    text = (CAPTURED / "chromium-offer-audio.sdp").read_bytes().decode()
    print(f"{'whole exchange: offer, counterpart, answer, answer, plans':<58} {'':>6} {cpu_us(lambda: exchange(text)):>8.1f}")


if __name__ == "__main__":
    main()
