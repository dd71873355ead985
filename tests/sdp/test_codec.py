"""sdp/codec.py and sdp/formats.py: when two formats are the same codec, and under which numbers they are offered."""

from __future__ import annotations

import pytest

from boringsdp.sdp import Codec, CodecPolicy, Format
from boringsdp.sdp.codec import h264_profile, parse_encoding
from boringsdp.sdp.formats import formats_to_answer, formats_to_offer, number_formats, pick_event

OPUS = Format(111, Codec("opus", 48000, 2))
PCMU = Format(0, Codec("PCMU", 8000))
EVENT_8 = Format(101, Codec("telephone-event", 8000))
EVENT_48 = Format(110, Codec("telephone-event", 48000))


def h264(fmtp: str, number: int = 97) -> Format:
    return Format(number, Codec("H264", 90000), fmtp)


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        ("opus/48000/2", Codec("opus", 48000, 2)),
        ("G722/8000/1", Codec("G722", 8000)),
        ("PCMU/8000 ", Codec("PCMU", 8000)),
        ("telephone-event/8000/x", Codec("telephone-event", 8000)),
        ("L16/0", None),
        ("L16", None),
        ("/8000", None),
        ("a b/8000", None),
        ("a/²", None),
    ],
)
def test_encodings(text: str, codec: Codec | None) -> None:
    assert parse_encoding(text) == codec


@pytest.mark.parametrize(
    ("profile_level_id", "profile"),
    [
        ("42e01f", "constrained baseline"),
        ("42C00D", "constrained baseline"),
        ("4d801f", "constrained baseline"),
        ("42001f", "baseline"),
        ("4d001f", "main"),
        ("64001f", "high"),
        ("640c1f", "constrained high"),
        ("", "baseline"),
        ("nonsense", "baseline"),
        ("f4001f", "f400"),
    ],
)
def test_h264_profiles(profile_level_id: str, profile: str) -> None:
    assert h264_profile(profile_level_id) == profile


def test_h264_is_the_same_at_another_level_only() -> None:
    base = h264("profile-level-id=42e01f;packetization-mode=1")
    assert base.same_codec(h264("packetization-mode=1; PROFILE-LEVEL-ID=42C00C"))
    assert not base.same_codec(h264("profile-level-id=42e01f"))
    assert not base.same_codec(h264("profile-level-id=64001f;packetization-mode=1"))


def test_names_are_compared_without_case_and_one_channel_is_none() -> None:
    assert Format(9, Codec("g722", 8000, 1)).same_codec(Format(96, Codec("G722", 8000)))
    assert not OPUS.same_codec(Format(96, Codec("opus", 48000)))


def test_answer_to_opus_takes_events_in_its_clock_only() -> None:
    assert formats_to_answer([OPUS, EVENT_48, EVENT_8], [OPUS, EVENT_8], CodecPolicy(), ()) == [
        OPUS,
        Format(110, EVENT_48.codec, "0-15"),
    ]


def test_answer_to_opus_of_a_browser_that_knows_8000_only() -> None:
    assert [f.payload_type for f in formats_to_answer([OPUS, EVENT_8], [OPUS, EVENT_8], CodecPolicy(), ())] == [111, 101]


def test_answer_to_g711_takes_events_in_8000() -> None:
    assert [f.payload_type for f in formats_to_answer([OPUS, PCMU, EVENT_48, EVENT_8], [PCMU, EVENT_8], CodecPolicy(), ())] == [0, 101]


def test_no_events_are_promised_to_a_side_whose_other_side_takes_none() -> None:
    assert formats_to_answer([PCMU, EVENT_8], [PCMU], CodecPolicy(), ()) == [PCMU]


def test_events_follow_the_codecs_that_are_left() -> None:
    offered = formats_to_offer([OPUS, PCMU, EVENT_48], CodecPolicy(remove=frozenset({"OPUS"})), webrtc=False)
    assert [(f.codec.name, f.codec.clock_rate) for f in offered] == [("PCMU", 8000), ("telephone-event", 8000)]


def test_redundancy_is_never_offered() -> None:
    names = ["red", "rtx", "ulpfec", "flexfec-03"]
    formats = [PCMU, *(Format(100 + n, Codec(name, 8000), "apt=0") for n, name in enumerate(names))]
    assert formats_to_offer(formats, CodecPolicy(), webrtc=True) == [PCMU]


def test_numbers_are_kept_then_static_then_the_sources_then_free() -> None:
    wanted = [Format(96, OPUS.codec), Format(97, Codec("PCMA", 8000)), Format(98, Codec("speex", 8000)), Format(72, Codec("iLBC", 8000))]
    numbered = number_formats(wanted, [Format(120, OPUS.codec)], [Format(98, Codec("VP8", 90000))], ())
    assert [f.payload_type for f in numbered] == [120, 8, 96, 97]


def test_a_number_never_changes_its_meaning() -> None:
    numbered = number_formats([Format(96, Codec("VP8", 90000))], [Format(96, Codec("VP9", 90000))], [], ("nack",))
    assert numbered == [Format(97, Codec("VP8", 90000), "", ("nack",))]


def test_when_all_numbers_are_taken_the_codec_is_dropped() -> None:
    taken = [Format(n, Codec(f"x{n}", 8000)) for n in range(128)]
    assert number_formats([Format(96, OPUS.codec)], [], taken, ()) == []


def test_event_of_no_matching_clock() -> None:
    assert pick_event([EVENT_8, EVENT_48], 16000) == EVENT_8
    assert pick_event([EVENT_48], 8000) == EVENT_48
    assert pick_event([PCMU], 8000) is None
