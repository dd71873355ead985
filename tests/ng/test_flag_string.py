"""The flag string `rtpp-flags`: words, keys, brackets; total and linear."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boringsdp.ng.flag_string import MAX_DEPTH, parse_flag_string

CASES: dict[str, list[tuple[str, Any]]] = {
    "": [],
    "   ": [],
    "trust-address replace-origin": [("trust-address", None), ("replace-origin", None)],
    "ICE=force  RTP/AVP\tvia-branch=1": [("ICE", "force"), ("RTP/AVP", None), ("via-branch", "1")],
    "direction=pub direction=priv": [("direction", "pub"), ("direction", "priv")],
    "a=b=c": [("a", "b=c")],
    "a= b": [("a", ""), ("b", None)],
    "sdp-media-remove=[video message image] x": [("sdp-media-remove", ["video", "message", "image"]), ("x", None)],
    "list=[ a b ] x": [("list", ["a", "b"]), ("x", None)],
    "codec=[transcode=[PCMA PCMU] strip=[EVS]] x": [("codec", {"transcode": ["PCMA", "PCMU"], "strip": ["EVS"]}), ("x", None)],
    "codec=[ transcode=[ PCMA ] strip=[EVS ]]": [("codec", {"transcode": ["PCMA"], "strip": ["EVS"]})],
    "sdp-attr=[audio=[substitute=[[a b] [c d]]]]": [("sdp-attr", {"audio": {"substitute": [["a", "b"], ["c", "d"]]}})],
    "extmap=[strip=[urn:x urn:y]]": [("extmap", {"strip": ["urn:x", "urn:y"]})],
    "DTMF-log-dest=[2001:db8::1]:9090 x": [("DTMF-log-dest", "[2001:db8::1]:9090"), ("x", None)],
    "empty=[] x": [("empty", []), ("x", None)],
    "open=[a [b": [("open", ["a", ["b"]])],
    "surplus=a]] x": [("surplus", "a"), ("x", None)],
}


@pytest.mark.parametrize("text", CASES, ids=repr)
def test_flag_string(text: str):
    assert parse_flag_string(text) == CASES[text]


def test_brackets_deeper_than_the_limit_are_read_as_if_absent():
    value: Any = dict(parse_flag_string("a=" + "[" * 50 + "x" + "]" * 50 + " b=c"))
    assert value["b"] == "c"
    depth = 0
    inner = value["a"]
    while isinstance(inner, list):
        inner, depth = inner[0], depth + 1
    assert (inner, depth) == ("x", MAX_DEPTH)


@given(st.text(alphabet="a=[] :1-./\té", max_size=60) | st.text(max_size=60))
def test_any_text_is_read(text: str):
    for key, value in parse_flag_string(text):
        assert isinstance(key, str)
        assert value is None or isinstance(value, str | list | dict)


@pytest.mark.parametrize("piece", ["[", "]", "=", "a=", "a=[ ", "[a ", "a", " ", "[1:", "[::1]", "[::1]:", "a=[b=["])
def test_time_grows_with_the_length_and_not_its_square(piece: str):
    started = time.process_time()
    parse_flag_string(piece * (60_000 // len(piece)))
    assert time.process_time() - started < 1.0
