"""Editing attribute lines of a finished text."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boringsdp.errors import SdpError
from boringsdp.sdp import AttributeEdits, SessionDescription, edit
from tests.sdp.material import CAPTURED, mutated

TEXT = "\r\n".join(
    [
        "v=0",
        "o=- 1 1 IN IP4 192.0.2.1",
        "s=-",
        "c=IN IP4 192.0.2.1",
        "t=0 0",
        "a=tool:x",
        "m=audio 4000 RTP/AVP 0 8",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:8 PCMA/8000",
        "a=sendrecv",
        "m=video 4002 RTP/AVP 96",
        "a=rtpmap:96 VP8/90000",
        "a=sendrecv",
        "",
    ]
)


def test_each_section_has_edits_of_its_own() -> None:
    edited = edit(
        TEXT,
        {
            "none": AttributeEdits(remove=("tool",), add=("charset:utf-8",)),
            "audio": AttributeEdits(remove=("rtpmap:8 PCMA/8000",), substitute=(("sendrecv", "sendonly"),)),
            "video": AttributeEdits(add=("content:main", "a=framerate:15")),
        },
    )
    sections = SessionDescription.parse(edited)
    assert list(sections.session) == ["v=0", "o=- 1 1 IN IP4 192.0.2.1", "s=-", "c=IN IP4 192.0.2.1", "t=0 0", "a=charset:utf-8"]
    assert list(sections.medias[0]) == ["m=audio 4000 RTP/AVP 0 8", "a=rtpmap:0 PCMU/8000", "a=sendonly"]
    assert [line for line in sections.medias[1] if line][-2:] == ["a=content:main", "a=framerate:15"]
    assert edited.replace("\r\n", "").count("\n") == 0


def test_a_name_removes_every_line_of_it() -> None:
    assert "a=rtpmap:0" not in edit(TEXT, {"audio": AttributeEdits(remove=("rtpmap",))})
    assert "a=rtpmap:96" in edit(TEXT, {"audio": AttributeEdits(remove=("rtpmap",))})


def test_what_is_not_there_is_no_error() -> None:
    edits = {"audio": AttributeEdits(remove=("nothing",), substitute=(("none", "some"),)), "image": AttributeEdits(add=("x",))}
    assert edit(TEXT, edits) == TEXT
    assert edit(TEXT, {}) == TEXT


def test_what_is_substituted_is_not_substituted_again_but_may_be_removed() -> None:
    edits = AttributeEdits(substitute=(("sendrecv", "sendonly"), ("sendonly", "inactive")))
    assert edit(TEXT, {"audio": edits}).count("a=sendonly") == 1
    assert "a=sendonly" not in edit(TEXT, {"audio": AttributeEdits(substitute=(("sendrecv", "sendonly"),), remove=("sendonly",))})


@pytest.mark.parametrize("attribute", ["x\r\nm=audio 1 RTP/AVP 0", "x\ny", "x\ry", "x\0", "", "a=", "\n"])
@pytest.mark.parametrize("place", ["add", "remove", "old", "new"])
def test_one_line_cannot_become_two(attribute: str, place: str) -> None:
    edits = {
        "add": AttributeEdits(add=(attribute,)),
        "remove": AttributeEdits(remove=(attribute,)),
        "old": AttributeEdits(substitute=((attribute, "x"),)),
        "new": AttributeEdits(substitute=(("sendrecv", attribute),)),
    }[place]
    with pytest.raises(SdpError):
        edit(TEXT, {"audio": edits})


def test_an_edit_that_makes_the_text_unreadable_is_refused() -> None:
    text = TEXT.replace("a=tool:x", "a=tool:x\r\na=group:BUNDLE 0")
    with pytest.raises(SdpError, match="unreadable"):
        edit(text, {"audio": AttributeEdits(add=("mid:0",)), "video": AttributeEdits(add=("mid:0",))})
    with pytest.raises(SdpError):
        edit(TEXT, {"audio": AttributeEdits(add=tuple(f"x{n}" for n in range(300)))})


@given(mutated(), st.lists(st.text(max_size=12), max_size=3), st.lists(st.text(max_size=12), max_size=3))
def test_edits_are_total(text: str, add: list[str], remove: list[str]) -> None:
    try:
        edited = edit(text, {"audio": AttributeEdits(tuple(add), tuple(remove)), "none": AttributeEdits(remove=("tool", *remove))})
    except SdpError:
        return
    SessionDescription.parse(edited)


def test_many_edits_cost_little() -> None:
    edits = AttributeEdits(remove=tuple(f"x{n}" for n in range(100)), substitute=tuple((f"y{n}", "z") for n in range(100)))
    text = CAPTURED["chromium-offer-audio-video-data"]
    started = time.process_time()
    for _ in range(10):
        edit(text, {"none": edits, "audio": edits, "video": edits})
    assert time.process_time() - started < 0.5
