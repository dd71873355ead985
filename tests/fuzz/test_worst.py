"""
The worst that fits into the limits: work grows with the input, not with its square.

Work is counted, not timed: bytecode instructions that a parser executes for an input and for one twice as long.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from boringsdp.dtls import Association
from boringsdp.errors import SdpError
from boringsdp.ice.stun import MAX_MESSAGE
from boringsdp.janus_api.requests import Refused, parse_envelope
from boringsdp.sdp.lines import MAX_BYTES, MAX_MEDIAS, MAX_SECTION_LINES
from tests.fuzz import corpus, oracles

HEAD = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
GROWTH = 2.3
"""Twice the input may be this much more work."""


def instructions(call: Callable[[], object]) -> int:
    """How many bytecode instructions `call` executes, in Python code of ours and of the library."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


def _lines(line: Callable[[int], str]) -> Callable[[int], str]:
    return lambda n: HEAD + "m=audio 4000 RTP/AVP 0\r\n" + "".join(line(i) + "\r\n" for i in range(n))


SHAPES: dict[str, Callable[[int], str]] = {
    "attributes": _lines(lambda i: f"a=x{i}:y"),
    "candidates": _lines(lambda i: f"a=candidate:{i} 1 udp {i} 192.0.2.7 9 typ host"),
    "cryptos": _lines(lambda i: f"a=crypto:{i} AES_CM_128_HMAC_SHA1_80 inline:{'A' * 40}"),
    "fingerprints": _lines(lambda i: "a=fingerprint:sha-256 " + ":".join(["AB"] * 32)),
    "one format's parameters": _lines(lambda i: f"a=fmtp:0 a{i}=b;c"),
    "feedback for every format": _lines(lambda i: f"a=rtcp-fb:* x{i}"),
    "extensions": _lines(lambda i: f"a=extmap:{i + 1} urn:x{i}"),
    "sources": _lines(lambda i: f"a=ssrc:{i} cname:x"),
    "groups": lambda n: HEAD + "".join(f"a=group:BUNDLE a{i} b c d\r\n" for i in range(n)) + "m=audio 9 RTP/AVP 0\r\na=mid:a1\r\n",
    "white space": lambda n: HEAD + "m=audio" + " " * (6 * n) + "9 RTP/AVP 0\r\n",
    "carriage returns": lambda n: HEAD + "\r\n" * n,
    "one long line": lambda n: HEAD + "a=" + ":" * (6 * n) + "\r\n",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_reading_an_sdp_is_linear(shape: str) -> None:
    small, large = SHAPES[shape](270), SHAPES[shape](540)
    assert len(large.encode()) <= MAX_BYTES
    assert instructions(lambda: oracles.read_sdp(large)) <= GROWTH * instructions(lambda: oracles.read_sdp(small))


def _many_formats(medias: int, formats: int) -> str:
    """As many m-lines with as many dynamic formats, all different codecs, as the limits let through."""
    numbers = [n for n in range(128) if n > 34 and not 64 <= n <= 95][:formats]
    section = [f"a=rtpmap:{n} c{n}/8000" for n in numbers]
    text = HEAD
    for index in range(medias):
        text += "\r\n".join([f"m=audio {4000 + index} RTP/AVP {' '.join(map(str, numbers))}", *section, ""])
    return text


@pytest.mark.parametrize("style", oracles.STYLES, ids=lambda style: f"{style.protocol.value}-{style.sdes.value}")
def test_translating_an_sdp_has_a_bound(style: Any) -> None:
    """The number of m-lines and of formats is bounded, so what grows with their product is, too."""
    worst = max((_many_formats(m, f) for m, f in ((MAX_MEDIAS, 10), (50, 40), (28, 60), (20, 61))), key=len)
    assert len(worst) <= MAX_BYTES
    assert instructions(lambda: oracles.offer_through(worst, style)) < 10_000_000


GROWING = {
    "lines of one format are joined": HEAD + "m=audio 9 RTP/AVP 0\r\n" + ("a=fmtp:0 " + "x" * 5000 + "\r\n") * 2,
    "every m-line of a browser has ICE and DTLS": _many_formats(50, 40),
    "crypto lines are added to the limit's worth of others": HEAD + "m=audio 9 RTP/AVP 0\r\n" + "a=x\r\n" * (MAX_SECTION_LINES - 2),
}


@pytest.mark.parametrize("how", GROWING)
def test_an_sdp_whose_translation_would_exceed_the_limits_is_refused(how: str) -> None:
    """Not written: we could not read it ourselves when its answer comes."""
    oracles.describe(GROWING[how])
    assert any(oracles.offer_through(GROWING[how], style) is None for style in oracles.STYLES)


LIMITS: dict[str, str] = {
    "m-lines": HEAD + "m=audio 9 RTP/AVP 0\r\n" * (MAX_MEDIAS + 1),
    "lines": HEAD + "a=x\r\n" * MAX_SECTION_LINES,
    "bytes": HEAD + ("a=" + "x" * 1000 + "\r\n") * 70,
    "line": HEAD + "a=" + "x" * 9000 + "\r\n",
    "line, in two-byte characters": HEAD + "a=" + "é" * 4500 + "\r\n",
}


@pytest.mark.parametrize("limit", LIMITS)
def test_the_limits_of_an_sdp_hold(limit: str) -> None:
    with pytest.raises(SdpError):
        oracles.describe(LIMITS[limit])


def test_reading_packets_is_linear() -> None:
    """The largest of each kind: no more work for each byte than for the smallest."""
    header = bytes((0x90, 0, 0, 1)) + bytes(8)
    one_byte = [header + b"\xbe\xde" + n.to_bytes(2, "big") + b"\x10\x00\x00\x00" * n for n in (150, 300)]
    padding = [header + b"\x10\x00" + n.to_bytes(2, "big") + bytes(4 * n) for n in (150, 300)]
    reports = [(bytes((0x80, 201, 0, 1)) + bytes(4)) * n for n in (30, 60)]
    nacks = [bytes((0x81, 205)) + (2 + n).to_bytes(2, "big") + bytes(8) + b"\0\1\xff\xff" * n for n in (150, 300)]
    names = [bytes((0x81, 202)) + (2 * n).to_bytes(2, "big") + bytes(4) + b"\x02\0" * (4 * n - 3) + b"\0\0" for n in (30, 60)]
    reads = ((oracles.read_rtp, one_byte), (oracles.read_rtp, padding), *((oracles.read_rtcp, r) for r in (reports, nacks, names)))
    for read, (small, large) in reads:
        assert instructions(lambda read=read, data=large: read(data)) <= GROWTH * instructions(lambda read=read, data=small: read(data))


def test_reading_stun_has_a_bound() -> None:
    transaction = bytes(12)
    worst = (
        b"\0\1" + (MAX_MESSAGE - 20).to_bytes(2, "big") + b"\x21\x12\xa4\x42" + transaction + b"\x80\x01\0\0" * ((MAX_MESSAGE - 20) // 4)
    )
    assert len(worst) == MAX_MESSAGE
    assert instructions(lambda: oracles.read_stun(worst)) < 20_000
    assert oracles.read_stun(worst + b"\x80\x01\0\0") is None


def test_a_datagram_full_of_dtls_records_is_read_at_once() -> None:
    """5,000 empty records in one datagram, to a server, to a client, and to an association that OpenSSL has left."""
    for seed in sum(corpus.dtls_flights(), ()):
        for client in (True, False):
            association = Association(corpus.OURS, client=client)
            association.start(0.0)
            flood = seed + b"\x16\xfe\xfd\0\0\0\0\0\0\0\0\0\0" * 5000
            assert instructions(lambda association=association, flood=flood: oracles.feed_dtls(association, flood, 0.0)) < 200_000


@pytest.mark.parametrize(
    "text", [b"[" * 200_000, b'{"a":' * 100_000, b"9" * 200_000, b'{"transaction":"t","janus":' + b"9" * 200_000 + b"}"]
)
def test_json_bombs_are_refused_in_the_reader(text: bytes) -> None:
    def read() -> None:
        with pytest.raises(Refused):
            parse_envelope(text)

    assert instructions(read) < 5_000
