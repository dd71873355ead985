"""Bencode: what is read, what is refused, and that nothing is lost."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from boringsdp.errors import NgError
from boringsdp.ng.bencode import LIMITS, BencodeLimits, parse_bencode, write_bencode

BYTES_AS_TEXT = some.binary(max_size=20).map(lambda data: data.decode("utf-8", "surrogateescape"))
TREES = some.recursive(
    BYTES_AS_TEXT | some.integers(-(1 << 63), (1 << 63) - 1),
    lambda inner: some.lists(inner, max_size=5) | some.dictionaries(BYTES_AS_TEXT, inner, max_size=5),
    max_leaves=30,
)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"d7:command4:pinge", {"command": "ping"}),
        (b"de", {}),
        (b"le", []),
        (b"0:", ""),
        (b"i-5e", -5),
        (b"i-0e", 0),
        (b"d1:bi1e1:ali2e1:xee", {"b": 1, "a": [2, "x"]}),
        (b"i" + b"9" * 40 + b"e", (1 << 63) - 1),
        (b"i-" + b"9" * 40 + b"e", -(1 << 63)),
        (b"d1:a1:x1:a1:ye", {"a": "x"}),
        (b"d1:ai1eetrailing octets", {"a": 1}),
        ("d1:k2:ée".encode(), {"k": "é"}),
        (b"d1:k2:\xff\x00e", {"k": "\udcff\x00"}),
    ],
)
def test_what_is_read(data: bytes, value: Any):
    assert parse_bencode(data) == value


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"d", b"l", b"i", b"ie", b"i5", b"i5.5e", b"i05e", b"i--5e", b"i+5e", b"i 5e", b"5", b"5:ab", b"05:abcde", b"00:", b"-1:"),
        *(b"x", b"e", b"d1:ae", b"di1e1:ae", b"dle1:ae", b"d1:a1:b", b"l1:a", b"99999999999:a", b"1 :a", "d١:ai1ee".encode()),
        *(b"l" * 33 + b"e" * 33, b"i" + b"1" * 70 + b"e", b"l" + b"i1e" * LIMITS.values + b"e"),
    ],
)
def test_what_is_refused(data: bytes):
    with pytest.raises(NgError, match=r"^Could not decode bencode dictionary$"):
        parse_bencode(data)


def test_limits_are_the_callers():
    assert parse_bencode(b"lllleeee", BencodeLimits(depth=4)) == [[[[]]]]
    with pytest.raises(NgError):
        parse_bencode(b"lllleeee", BencodeLimits(depth=3))


@given(TREES)
def test_what_is_written_is_read_again(tree: Any):
    assert parse_bencode(write_bencode(tree)) == tree


@given(some.binary(max_size=60) | some.text("dlie0123456789:-ax", max_size=60).map(str.encode))
def test_any_octets_are_read_or_refused(data: bytes):
    with contextlib.suppress(NgError):
        value = parse_bencode(data)
        assert parse_bencode(write_bencode(value)) == value


def test_values_that_bencode_lacks():
    assert write_bencode({"yes": True, "none": None, "half": 0.5, "whole": 2.0, "raw": b"\x00"}) == (
        b"d3:yesi1e4:none0:4:half3:0.55:wholei2e3:raw1:\x00e"
    )
    assert write_bencode(["\ud800"]) == b"l3:\xef\xbf\xbde"
    assert write_bencode(("a",)) == b"l1:ae"
