"""Messages: cookies, both formats, and refusals word for word as rtpengine's callers know them."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from boringsdp.errors import NgError
from boringsdp.ng.message import Format, format_of, parse_body, split_cookie, write_body

BENCODE, JSON, DICTIONARY = "Could not decode bencode dictionary", "Failed to parse JSON document", "Could not decode JSON dictionary"
NO_FORMAT, NO_PAYLOAD = "Invalid NG data format", "Invalid data (no payload)"
PLAIN_TREES = some.recursive(
    some.text(max_size=10) | some.integers(-(1 << 53), 1 << 53),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("data", "split"),
    [
        (b"5323_6 d7:command4:pinge", (b"5323_6", b"d7:command4:pinge")),
        (b"c  de", (b"c", b" de")),
        (b"c ", (b"c", b"")),
        (b"\n\x00 de", (b"\n\x00", b"de")),
        (b"", None),
        (b" de", None),
        (b"cookie", None),
        (b"x" * 512 + b" de", (b"x" * 512, b"de")),
        (b"x" * 513 + b" de", None),
    ],
)
def test_the_cookie_is_all_before_the_first_space(data: bytes, split: tuple[bytes, bytes] | None):
    assert split_cookie(data) == split


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", NO_PAYLOAD),
        (b" d7:command4:pinge", NO_FORMAT),
        (b"x", NO_FORMAT),
        (b"l4:pinge", NO_FORMAT),
        (b'["ping"]', NO_FORMAT),
        (b"\xef\xbb\xbf{}", NO_FORMAT),
        (b"d", BENCODE),
        (b"d7:command4:pin", BENCODE),
        (b"{", JSON),
        (b'{"command":"ping"', JSON),
        (b'{"command":"ping",}', JSON),
        (b'{"command":"ping"} x', JSON),
        (b'{"a":NaN}', JSON),
        (b'{"a":Infinity}', JSON),
        (b'{"a":1e999}', JSON),
        (b'{"a":"\\ud800"}', JSON),
        (b'{"\\udc00":1}', JSON),
        (b'{"a":"\xff"}', JSON),
        (b'{"a":"\x01"}', JSON),
        (b'{"a":' + b"9" * 5000 + b"}", JSON),
        (b'{"a":' * 20_000, JSON),
        (b'{"a":null}', DICTIONARY),
        (b'{"a":' + b"[" * 50 + b"]" * 50 + b"}", DICTIONARY),
        (b'{"a":[' + b"1," * 30_000 + b"1]}", DICTIONARY),
    ],
)
def test_refusals(body: bytes, reason: str):
    with pytest.raises(NgError) as refused:
        parse_body(body)
    assert refused.value.reason == reason


def test_json_values_are_those_of_bencode():
    body = b'{"yes":true,"no":false,"whole":2.0,"half":2.5,"big":1e300,"huge":123456789012345678901234567890,"a":1,"a":2,"t":"p\\u0069ng"}'
    huge = 123456789012345678901234567890
    assert parse_body(body) == {"yes": 1, "no": 0, "whole": 2, "half": "2.5", "big": "1e+300", "huge": huge, "a": 2, "t": "ping"}


def test_a_refusal_is_written_like_the_request_or_in_bencode():
    assert [format_of(body) for body in (b"{", b"d", b"", b"[")] == [Format.JSON, Format.BENCODE, Format.BENCODE, Format.BENCODE]


def test_octets_of_a_bencode_client_can_be_told_in_json():
    assert json.loads(write_body({"calls": ["a\udcff"], "\udc80": {"b": ("\udcff",)}}, Format.JSON)) == {
        "calls": ["a\ufffd"],
        "\ufffd": {"b": ["\ufffd"]},
    }
    assert write_body({"calls": ["a\udcff"]}, Format.BENCODE) == b"d5:callsl2:a\xffee"


@given(some.dictionaries(some.text(max_size=8), PLAIN_TREES, max_size=5), some.sampled_from(Format))
def test_what_is_written_is_read_again(tree: dict[str, Any], form: Format):
    assert parse_body(write_body(tree, form)) == tree


@given(some.binary(max_size=60) | some.text('{}[]",:\\u0d8tfn19.e- ', max_size=60).map(lambda text: b"{" + text.encode()))
def test_any_octets_are_read_or_refused(body: bytes):
    with contextlib.suppress(NgError):
        value = parse_body(body)
        assert parse_body(write_body(value, format_of(body))) == value
