"""Codec policies: what names a codec, and what is left."""

from __future__ import annotations

import pytest

from boringsdp.sdp import Codec, CodecPolicy, Format
from boringsdp.sdp.formats import allowed, formats_to_mirror, lenient

FORMATS = [
    Format(111, Codec("opus", 48000, 2)),
    Format(0, Codec("PCMU", 8000)),
    Format(8, Codec("PCMA", 8000)),
    Format(97, Codec("L16", 8000)),
    Format(98, Codec("L16", 16000)),
    Format(63, Codec("red", 48000, 2)),
    Format(13, Codec("CN", 8000)),
    Format(101, Codec("telephone-event", 8000)),
]


def numbers(policy: CodecPolicy) -> list[int]:
    return [f.payload_type for f in formats_to_mirror(FORMATS, policy, webrtc=False)]


@pytest.mark.parametrize(
    ("policy", "left"),
    [
        (CodecPolicy(), [111, 0, 8, 97, 98, 13, 101]),
        (CodecPolicy(remove=frozenset({"opus"})), [0, 8, 97, 98, 13, 101]),
        (CodecPolicy(remove=frozenset({"OPUS/48000"})), [0, 8, 97, 98, 13, 101]),
        (CodecPolicy(remove=frozenset({"opus/48000/2", "pcmu/8000/1"})), [8, 97, 98, 13, 101]),
        (CodecPolicy(remove=frozenset({"opus/48000/1"})), [111, 0, 8, 97, 98, 13, 101]),
        (CodecPolicy(remove=frozenset({"L16/16000", "8"})), [111, 0, 97, 13, 101]),
        (CodecPolicy(remove=frozenset({"telephone-event", "CN/8000"})), [111, 0, 8, 97, 98]),
        (CodecPolicy(remove=frozenset({"all"}), keep=frozenset({"PCMA"})), [8]),
        (CodecPolicy(remove=frozenset({"all"}), keep=frozenset({"0", "telephone-event/8000"})), [0, 101]),
        (CodecPolicy(remove=frozenset({"all"})), []),
        (CodecPolicy(only=frozenset({"l16/8000"})), [97, 13, 101]),
        (CodecPolicy(prefer=("98", "PCMA/8000")), [98, 8, 111, 0, 97, 13, 101]),
    ],
)
def test_names_rates_channels_and_numbers(policy: CodecPolicy, left: list[int]) -> None:
    assert numbers(policy) == left


def test_a_policy_that_leaves_nothing_is_ignored_unless_it_may() -> None:
    nothing = CodecPolicy(remove=frozenset({"all"}), prefer=("PCMA",))
    assert numbers(lenient(nothing, FORMATS)) == [8, 111, 0, 97, 98, 13, 101]
    assert allowed(FORMATS, lenient(CodecPolicy(remove=frozenset({"all"}), may_be_empty=True), FORMATS)) == []
    some = CodecPolicy(remove=frozenset({"all"}), keep=frozenset({"PCMA"}))
    assert lenient(some, FORMATS) is some
    assert lenient(some, [FORMATS[-1]]) != some, "telephone-event alone is no media"
