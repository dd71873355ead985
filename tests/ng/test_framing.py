"""Messages on a stream: where they end, however they come."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from boringsdp.ng.framing import MOST_STEPS, Broken, StreamFramer

PING = b"d7:command4:pinge"
DEEP = b"d1:a" + b"l" * 20 + b"i-5e3:ee:" + b"e" * 20 + b"e"
JSON = b'{"command":"ping","a":"}]\\"{\\\\","b":[{"c":[]}, "\\u007d"]}'


def cut(pieces: list[bytes], longest: int = 4096) -> tuple[list[bytes], bytes | None]:
    """Whole messages, and what was left of the one at which the stream broke."""
    framer, found = StreamFramer(longest=longest, longest_cookie=16), []
    try:
        for piece in pieces:
            framer.feed(piece)
            while (message := framer.next()) is not None:
                found.append(message)
    except Broken as broken:
        return found, broken.message
    return found, None


@pytest.mark.parametrize("body", [PING, DEEP, JSON, b"de", b"{}", b'{"a":"\\\\"}', b"d1:a5:eeeeee"])
@pytest.mark.parametrize("between", [b"", b"\n", b"\r\n\r\n"])
def test_messages_follow_each_other(body: bytes, between: bytes):
    stream = b"one " + body + between + b"two " + PING + between
    assert cut([stream]) == ([b"one " + body, b"two " + PING], None)


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (b" " + PING, b""),
        (b"a-cookie-that-is-too-long " + PING, b""),
        (b"c xyz", b"c x"),
        (b"c  " + PING, b"c  "),
        (b"c l4:pinge", b"c l"),
        (b"c d7:commandXX", b"c d7:commandX"),
        (b"c d7x", b"c d7x"),
        (b"c d1:ai5xe", b"c d1:ai5x"),
        (b"c d9999999:a", b"c d9999"),
    ],
)
def test_a_stream_that_cannot_be_followed_breaks(stream: bytes, message: bytes):
    assert cut([b"ok " + PING + stream]) == ([b"ok " + PING], message)


def test_what_is_kept_is_bounded():
    framer = StreamFramer(longest=1000)
    framer.feed(b'c {"' + b"x" * 1200)
    with pytest.raises(Broken):
        framer.next()
    framer = StreamFramer()
    framer.feed(b"c {" + b"{}" * MOST_STEPS)
    with pytest.raises(Broken) as broken:
        framer.next()
    assert broken.value.message == b"c {"


STREAMS = some.lists(
    some.sampled_from([b"a " + PING, b"b " + DEEP, b"c " + JSON, b"\n", b"d de", b"e {}", b"f d3:abci5ee", b"g xx", b"h d5e", b" "])
    | some.text('d e1:a{}"\\', max_size=8).map(str.encode),
    max_size=6,
).map(b"".join)


def test_a_long_message_may_come_octet_by_octet():
    message = b'c {"a":"' + b"x" * (MOST_STEPS + 10) + b'"}'
    assert cut([message[at : at + 1] for at in range(len(message))], 2 * MOST_STEPS) == ([message], None)


@given(STREAMS, some.randoms())
@example(b"1 {a " + DEEP + DEEP, random.Random(1))
def test_the_cuts_do_not_matter(stream: bytes, chance: random.Random):
    whole = cut([stream], 64)
    assert cut([stream[at : at + 1] for at in range(len(stream))], 64) == whole
    cuts = sorted(chance.randrange(len(stream) + 1) for _ in range(4))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert cut(pieces, 64) == whole
