"""Telephones that leave out the m-lines they do not serve, instead of disabling them (RFC 3264 §6)."""

from __future__ import annotations

import pytest

from boringsdp.call import Party
from boringsdp.errors import SdpError
from boringsdp.sdp import PLAIN, THEIR_TEXT, WEBRTC, LegStyle, describe
from tests.call.conftest import Bench
from tests.call.phone import CHROMIUM, plain

VIDEO = "m=video 9100 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"
BROWSER = CHROMIUM.replace("a=group:BUNDLE 0", "a=group:BUNDLE 0 v")
SECOND = CHROMIUM[CHROMIUM.index("m=audio") :].replace("m=audio", "m=video").replace("a=mid:0", "a=mid:v")
BROWSER += SECOND.replace("opus/48000/2", "VP8/90000")


def ports(sdp: str) -> list[tuple[str, bool]]:
    return [(media.kind, media.port != 0) for media in describe(sdp).medias]


@pytest.mark.parametrize(("offer", "to"), [(plain(9000) + VIDEO, PLAIN), (BROWSER, PLAIN), (plain(9000) + VIDEO, WEBRTC)])
async def test_an_answer_without_video_refuses_it(bench: Bench, offer: str, to: LegStyle):
    call = bench.calls.create(bench.news.append)
    told = call.offer(Party.A, offer, to=to, passing=THEIR_TEXT)
    answer = plain(9002)
    if to is WEBRTC:
        answer = CHROMIUM.replace("actpass", "active").replace("a=mid:0", f"a=mid:{describe(told).medias[0].mid}")
    assert ports(call.answer(Party.B, answer, passing=THEIR_TEXT)) == [("audio", True), ("video", False)]


async def test_a_re_offer_without_video_disables_it(bench: Bench):
    call = bench.calls.create(bench.news.append)
    call.offer(Party.A, plain(9000) + VIDEO, to=PLAIN, passing=THEIR_TEXT)
    call.answer(Party.B, plain(9002) + VIDEO, passing=THEIR_TEXT)
    again = call.offer(Party.B, plain(9002, version=2), to=PLAIN, passing=THEIR_TEXT)
    assert ports(again) == [("audio", True), ("video", False)]
    assert ports(call.answer(Party.A, plain(9000, version=2), passing=THEIR_TEXT)) == [("audio", True), ("video", False)]


async def test_an_answer_to_another_m_line_is_still_refused(bench: Bench):
    call = bench.calls.create(bench.news.append)
    call.offer(Party.A, plain(9000) + VIDEO, to=PLAIN, passing=THEIR_TEXT)
    with pytest.raises(SdpError, match="video in answer to audio"):
        call.answer(Party.B, plain(9002)[: plain(9002).index("m=")] + VIDEO, passing=THEIR_TEXT)
