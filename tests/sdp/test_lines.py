"""sdp/lines.py: sections of raw lines, edits that touch only their lines, limits."""

from __future__ import annotations

import pytest

from boringsdp.errors import SdpError
from boringsdp.sdp import SessionDescription

HEAD = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nx=odd type\r\n"
TEXT = HEAD + "m=audio 1 RTP/AVP 0\r\na=b\r\na=ptime:20\nm=video 2 RTP/AVP 96\r\na=mid:01"


def test_mixed_line_ends_and_unknown_lines_stay() -> None:
    model = SessionDescription.parse(TEXT)
    assert str(model) == TEXT
    assert [len(section.lines) for section in (model.session, *model.medias)] == [5, 3, 2]
    assert list(model.medias[0]) == ["m=audio 1 RTP/AVP 0", "a=b", "a=ptime:20"]


def test_numbers_stay_text() -> None:
    assert SessionDescription.parse(TEXT).medias[1].attribute("mid") == "01"


def test_an_edit_touches_only_its_line() -> None:
    audio = SessionDescription.parse(TEXT).medias[0]
    assert audio.replaced("a=ptime:", "a=ptime:40").lines == ("m=audio 1 RTP/AVP 0\r", "a=b\r", "a=ptime:40")
    assert audio.without("a=b").lines == ("m=audio 1 RTP/AVP 0\r", "a=ptime:20")
    assert audio.appended("a=c").lines == (*audio.lines, "a=c\r")
    assert audio.replaced("a=none", "a=x") == audio


def test_attributes_by_whole_name() -> None:
    section = SessionDescription.parse("v=0\na=rtcp-mux\na=rtcp:9\na=rtcp:10\n").session
    assert section.attributes("rtcp") == ("9", "10")
    assert section.attribute("rtcp-mux") == ""
    assert section.attribute("rtc") is None


def test_latin_1_is_read() -> None:
    assert "Jürgen" in str(SessionDescription.parse("v=0\r\ns=Jürgen\r\n".encode("latin-1")))


@pytest.mark.parametrize(
    ("text", "number", "reason"),
    [
        ("", 1, "begins with v=0"),
        ("v=1\r\n", 1, "begins with v=0"),
        ("v=0\r\nhello\r\n", 2, "x=value"),
        ("v=0\r\n a=b\r\n", 2, "x=value"),
        ("v=0\r\na=b\rc\r\n", 2, "control character"),
        ("v=0\r\na=b\0\r\n", 2, "control character"),
        ("v=0\r\na=" + "x" * 9000 + "\r\n", 2, "longer than 8192 bytes"),
        ("v=0\r\n" + "a=x\r\n" * 1025, 1, "1024 lines"),
        ("v=0\r\n" + "m=audio 0 RTP/AVP 0\r\n" * 65, 66, "64 m-lines"),
        ("v=0\r\n" + "a=x\r\n" * 20000, 0, "65536 bytes"),
        ("v=0\r\ns=\ud800\r\n", 0, "surrogates"),
    ],
)
def test_what_is_no_sdp_names_its_line(text: str, number: int, reason: str) -> None:
    with pytest.raises(SdpError, match=reason) as caught:
        SessionDescription.parse(text)
    assert caught.value.number == number


def test_limits_are_inclusive() -> None:
    assert len(SessionDescription.parse("v=0\r\n" + "m=audio 0 RTP/AVP 0\r\n" * 64).medias) == 64
    assert SessionDescription.parse("v=0\r\na=" + "x" * 8000 + "\r\n")
