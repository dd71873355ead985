"""A stream is cut into the same messages however it was cut into pieces."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boringsdp.sip.framing import LINE_END, LONGEST, PING, Broken, StreamFramer

OPTIONS = b"OPTIONS sip:a@example.com SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nContent-Length: 0\r\n\r\n"
MESSAGE = b"MESSAGE sip:a@example.com SIP/2.0\r\nl : 7\r\nSubject: x\r\n\r\n\r\nhello"
ANSWER = b"SIP/2.0 200 OK\r\nCONTENT-LENGTH:\r\n  3 \r\nServer: y\r\n\r\nabc"


def cut(*pieces: bytes, longest: int = LONGEST) -> list[bytes | str]:
    """What a framer makes of a stream; the cause it breaks for comes last, behind what there was of that message."""
    framer = StreamFramer(longest=longest)
    found: list[bytes | str] = []
    try:
        for piece in pieces:
            framer.feed(piece)
            while (message := framer.next()) is not None:
                found.append(message)
    except Broken as broken:
        found += [broken.message, broken.cause]
    return found


def octets(stream: bytes) -> list[bytes]:
    return [bytes([octet]) for octet in stream]


@pytest.mark.parametrize(
    ("stream", "found"),
    [
        (OPTIONS, [OPTIONS]),
        (MESSAGE + ANSWER + OPTIONS, [MESSAGE, ANSWER, OPTIONS]),
        (PING + OPTIONS + LINE_END, [LINE_END, LINE_END, OPTIONS, LINE_END]),
        (OPTIONS[:-1], []),
        (b"INVITE sip:a SIP/7.0\r\nTo: x\r\n\r\nACK", [b"INVITE sip:a SIP/7.0\r\nTo: x\r\n\r\n"]),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", [b"", "not SIP"]),
        (b"\x16\x03\x01\x02\x00\x01", [b"", "not SIP"]),
        (b"\r\x00", [b"", "not SIP"]),
        (b"\r\n\n", [LINE_END, b"", "not SIP"]),
        (b"A" * 9000, [b"", "start line too long"]),
        (OPTIONS[:-4].replace(b": 0", b": 5 5") + PING, [OPTIONS.replace(b": 0", b": 5 5"), "bad length"]),
        (OPTIONS.replace(b"Via", b"l: 1\r\nVia"), [OPTIONS.replace(b"Via", b"l: 1\r\nVia"), "bad length"]),
        (OPTIONS.replace(b"Via", b"l: 0\r\nVia"), [OPTIONS.replace(b"Via", b"l: 0\r\nVia")]),
        (OPTIONS.replace(b": 0", b": -1"), [OPTIONS.replace(b": 0", b": -1"), "bad length"]),
        (OPTIONS.replace(b": 0", b": 65536"), [OPTIONS.replace(b": 0", b": 65536"), "message too long"]),
        (OPTIONS[:-4] + b"\r\nA: " + b"b" * LONGEST, [b"", "head too long"]),
        (OPTIONS.replace(b"Via", b"X-Content-Length: 9\r\nVia"), [OPTIONS.replace(b"Via", b"X-Content-Length: 9\r\nVia")]),
    ],
)
def test_the_same_at_once_and_octet_by_octet(stream: bytes, found: list[bytes | str]) -> None:
    assert cut(stream) == found
    assert cut(*octets(stream)) == found


WHOLE = [OPTIONS, MESSAGE, ANSWER, PING, LINE_END]
PARTS = st.sampled_from([*WHOLE, b"SIP/", b"l:", b" 3", b"\r", b"\n", b"x", b"Z sip:q SIP/2.0\r\n", b"\0"])


@given(st.lists(PARTS, max_size=8), st.lists(st.integers(0, 400), max_size=8))
def test_any_stream_cut_anywhere(parts: list[bytes], places: list[int]) -> None:
    stream = b"".join(parts)
    at = [0, *sorted(min(place, len(stream)) for place in places), len(stream)]
    whole = cut(stream, longest=200)
    assert cut(*(stream[a:b] for a, b in itertools.pairwise(at)), longest=200) == whole
    assert cut(*octets(stream), longest=200) == whole


def test_keeps_what_is_not_whole_and_says_how_much() -> None:
    framer = StreamFramer()
    framer.feed(MESSAGE[:-1])
    assert framer.next() is None
    assert len(framer) == len(MESSAGE) - 1
    framer.feed(MESSAGE[-1:])
    assert framer.next() == MESSAGE
    assert len(framer) == 0


@pytest.mark.parametrize("unit", [b"A: b\r\n", b" \r\n", b"l:\r\n ", b"l: 0\r\n", b"\r\n l"])
def test_time_is_linear_in_the_length_of_a_head(unit: bytes) -> None:
    def seconds(count: int) -> float:
        stream = b"OPTIONS sip:a SIP/2.0\r\nA: b" + LINE_END + unit * count
        best = 9.0
        for _ in range(5):
            began = time.perf_counter()
            cut(stream, longest=10 * LONGEST)
            cut(stream + b"x" + PING, longest=10 * LONGEST)
            best = min(best, time.perf_counter() - began)
        return best

    assert seconds(40_000) < 5 * seconds(20_000) + 0.001
