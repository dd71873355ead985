"""Codec policies: what names a codec, and what is left."""

from __future__ import annotations

import pytest

from boringsdp.sdp import Codec, CodecPolicy, Format
from boringsdp.sdp.formats import allowed, formats_to_answer, formats_to_mirror, formats_to_offer, lenient

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


class TestOwnEvents:
    """telephone-event is agreed with each leg by itself."""

    OWN = CodecPolicy(own_events=True)
    SILENT = tuple(f for f in FORMATS if not f.codec.is_event)

    @pytest.mark.parametrize(("policy", "clocks"), [(CodecPolicy(), []), (OWN, [48000, 8000])])
    def test_it_is_offered_though_the_source_has_none(self, policy: CodecPolicy, clocks: list[int]) -> None:
        offered = formats_to_offer(self.SILENT, policy, webrtc=True, audio=True)
        assert [f.codec.clock_rate for f in offered if f.codec.is_event] == clocks
        assert not any(f.codec.is_event for f in formats_to_offer(self.SILENT, policy, webrtc=True)), "no video"

    @pytest.mark.parametrize(("policy", "answered"), [(CodecPolicy(), []), (OWN, [101])])
    def test_it_is_answered_though_the_other_refused_it(self, policy: CodecPolicy, answered: list[int]) -> None:
        answer = formats_to_answer(FORMATS, self.SILENT[1:2], policy, ())
        assert [f.payload_type for f in answer if f.codec.is_event] == answered
        assert not any(f.codec.is_event for f in formats_to_answer(self.SILENT, self.SILENT, policy, ())), "nobody offered it"

    def test_what_is_removed_stays_removed(self) -> None:
        policy = CodecPolicy(own_events=True, remove=frozenset({"telephone-event"}))
        assert not any(f.codec.is_event for f in formats_to_offer(FORMATS, policy, webrtc=False, audio=True))
        assert not any(f.codec.is_event for f in formats_to_answer(FORMATS, FORMATS, policy, ()))
