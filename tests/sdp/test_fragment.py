"""Trickle fragments (RFC 8840)."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boringsdp.errors import SdpError
from boringsdp.sdp import Candidate, FragmentMedia, parse_fragment, write_fragment
from tests.sdp.material import CAPTURED, mutated

FRAGMENT = """a=ice-options:trickle
a=ice-ufrag:8hhY
a=ice-pwd:asd88fgpdd777uzjYhagZg
m=audio 9 RTP/AVP 0
a=mid:1
a=candidate:1 1 UDP 2130706432 192.0.2.1 5000 typ host
a=candidate:2 1 UDP 2130706431 host.local 5001 typ host
a=candidate:nonsense
a=unknown:x
m=audio 9 RTP/AVP 0
a=mid:2
a=ice-ufrag:other
a=ice-pwd:otherpasswordotherpassword
a=end-of-candidates
"""


def test_sections_take_the_session_s_credentials_unless_they_have_their_own() -> None:
    fragment = parse_fragment(FRAGMENT.replace("\n", "\r\n"))
    first, second = fragment.medias
    assert (first.mid, first.index, first.ufrag, first.password) == ("1", 0, "8hhY", "asd88fgpdd777uzjYhagZg")
    assert [(c.host, c.port) for c in first.candidates] == [("192.0.2.1", 5000), ("host.local", 5001)]
    assert (second.mid, second.index, second.ufrag, second.candidates) == ("2", 1, "other", ())
    assert (first.end_of_candidates, second.end_of_candidates) == (False, True)
    assert fragment.trickle
    assert not fragment.ended


def test_an_end_for_all() -> None:
    assert parse_fragment("a=ice-ufrag:x\na=ice-pwd:y\na=end-of-candidates\n").ended
    assert parse_fragment(FRAGMENT.replace("a=unknown:x", "a=end-of-candidates")).ended
    assert not parse_fragment("").ended


def test_sections_without_m_lines() -> None:
    fragment = parse_fragment("a=mid:0\na=candidate:1 1 udp 1 192.0.2.1 1 typ host\na=mid:1\na=candidate:1 1 udp 1 192.0.2.1 2 typ host\n")
    assert [(media.mid, len(media.candidates)) for media in fragment.medias] == [("0", 1), ("1", 1)]


def test_what_we_write_reads_back() -> None:
    candidates = (Candidate.local("192.0.2.9", 4000), Candidate.local("192.0.2.9", 4001, component=2))
    first = FragmentMedia(
        mid="0", index=0, line="m=audio 4000 RTP/AVP 0", ufrag="u", password="p", candidates=candidates, end_of_candidates=True
    )
    second = FragmentMedia(mid="1", index=1, line="m=video 0 RTP/AVP 96", ufrag="u", password="p")
    text = write_fragment([first, second])
    assert text.endswith("\r\n")
    assert text.count("a=ice-ufrag:u") == 1
    read = parse_fragment(text)
    assert read.ice_lite
    assert [(m.mid, m.ufrag, m.password, m.candidates, m.end_of_candidates) for m in read.medias] == [
        ("0", "u", "p", candidates, True),
        ("1", "u", "p", (), False),
    ]
    apart = write_fragment([first, FragmentMedia(mid="1", ufrag="v", password="q")], ice_lite=False)
    assert [(m.ufrag, m.password) for m in parse_fragment(apart).medias] == [("u", "p"), ("v", "q")]


@pytest.mark.parametrize(
    "text", ["x", "a", "=", "a=x\ry\n", "a=x\0", "m=audio\n" * 100, "a=candidate:1 1 udp 1 h 1 typ host\n" * 300, "\u0660=x"]
)
def test_what_is_no_fragment(text: str) -> None:
    with pytest.raises(SdpError):
        parse_fragment(text)


@given(st.text() | st.binary() | mutated())
def test_fragments_parse_or_raise_their_own_error(text: str | bytes) -> None:
    try:
        fragment = parse_fragment(text)
    except SdpError:
        return
    again = parse_fragment(write_fragment(fragment.medias))
    assert [media.candidates for media in again.medias] == [media.candidates for media in fragment.medias]


def test_a_whole_sdp_will_do() -> None:
    fragment = parse_fragment(CAPTURED["chromium-offer-audio-video"])
    assert [media.mid for media in fragment.medias] == ["0", "1"]
    assert all(media.candidates and media.ufrag == "rtjF" for media in fragment.medias)


def test_hostile_fragments_cost_little() -> None:
    started = time.process_time()
    for text in ("a=mid:0\n" * 8000, "a=x\n" * 16000, "a=candidate:" + "1 " * 4000 + "\n"):
        try:
            parse_fragment(text)
        except SdpError:
            continue
    assert time.process_time() - started < 0.25
