"""Chromium and Firefox take every kind of text we write: first offers and answers, hold, media removed and added again, ICE restart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from boringsdp.sdp import (
    DEFAULT_POLICY,
    OWN_TEXT,
    PLAIN,
    THEIR_TEXT,
    WEBRTC,
    CodecPolicy,
    LegMemory,
    LegStyle,
    Passing,
    Written,
    accept_answer,
    accept_offer,
    make_answer,
    make_offer,
    media_plans,
    needs_for_answer,
    needs_for_offer,
)
from tests.interop import browsers
from tests.sdp.golden import Gateway
from tests.sdp.material import CAPTURED, check_sound

pytestmark = pytest.mark.interop

NEW_PEER = """async () => {
    const context = new AudioContext(), canvas = document.createElement('canvas');
    canvas.getContext('2d').fillRect(0, 0, 10, 10);
    window.sound = () => context.createMediaStreamDestination().stream.getTracks()[0];
    window.picture = () => canvas.captureStream(5).getTracks()[0];
    window.pc = new RTCPeerConnection();
}"""
OFFER = """async ({change}) => {
    await eval('(async () => {' + change + '})()');
    await pc.setLocalDescription(await pc.createOffer());
    return pc.localDescription.sdp;
}"""
TAKE = "async ({sdp}) => { await pc.setRemoteDescription({type: 'answer', sdp}); return pc.signalingState; }"
ANSWER = """async ({sdp, change}) => {
    await pc.setRemoteDescription({type: 'offer', sdp});
    await eval('(async () => {' + change + '})()');
    await pc.setLocalDescription(await pc.createAnswer());
    return pc.localDescription.sdp;
}"""


@pytest.fixture(params=["chromium", "firefox"])
async def page(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    program = browsers.find(browsers.CHROMIUM if request.param == "chromium" else browsers.FIREFOX)
    if program is None:
        pytest.skip(f"needs {request.param}: apt-get install {'chromium' if request.param == 'chromium' else 'firefox-esr'}")
    launch = browsers.chromium if request.param == "chromium" else browsers.firefox
    async with launch(program) as browser:
        opened = await browser.new_page()
        await opened.goto("data:text/html,<title>sdp</title>")
        await opened.evaluate(NEW_PEER)
        yield opened


async def test_answers_to_a_browser(page: Any) -> None:
    leg, gateway = LegMemory(session_id=1), Gateway()
    for change, accepted in (
        ("pc.addTrack(sound()); pc.addTrack(picture()); pc.createDataChannel('chat')", [True, True, False]),
        ("pc.getTransceivers()[0].direction = 'sendonly'", [True, True, False]),
        ("pc.getTransceivers()[0].direction = 'sendrecv'", [True, True, False]),
        ("pc.getTransceivers()[1].stop()", [True, False, False]),
        ("pc.addTrack(picture())", [True, True, False]),
        ("pc.restartIce()", [True, True, False]),
        ("pc.getTransceivers()[0].stop()", [False, True, False]),
    ):
        leg = accept_offer(leg, await page.evaluate(OFFER, {"change": change}))
        answer = make_answer(leg, None, gateway.locals_for("a", needs_for_answer(leg, None)), CodecPolicy(single=True))
        check_sound(answer.text)
        leg = answer.memory
        assert await page.evaluate(TAKE, {"sdp": answer.text}) == "stable", change
        assert [plan.accepted for plan in media_plans(leg)][:3] == accepted, change


def offered(leg: LegMemory, style: LegStyle, source: LegMemory, party: str, passing: Passing) -> Written:
    needs = needs_for_offer(leg, style, source, passing=passing)
    return checked(make_offer(leg, style, source, Gateway().locals_for(party, needs), DEFAULT_POLICY, passing), passing)


def answered(leg: LegMemory, source: LegMemory, party: str, passing: Passing) -> Written:
    needs = needs_for_answer(leg, source, passing=passing)
    return checked(make_answer(leg, source, Gateway().locals_for(party, needs), passing=passing), passing)


def checked(written: Written, passing: Passing) -> Written:
    if not passing.mirror:
        check_sound(written.text)
    return written


PASSING = pytest.mark.parametrize("passing", [OWN_TEXT, THEIR_TEXT], ids=["own", "theirs"])

VIDEO = "m=video 6002 RTP/AVP 99\r\na=rtpmap:99 VP8/90000\r\n"
NO_VIDEO = "m=video 0 RTP/AVP 99\r\n"
HEAD = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
AUDIO = "m=audio 6000 RTP/AVP 96 8 0 101\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n"


@PASSING
async def test_offers_to_a_browser(page: Any, passing: Passing) -> None:
    phone, leg = LegMemory(session_id=1), LegMemory(session_id=2)
    for text, change, accepted in (
        (AUDIO + VIDEO, "pc.addTrack(sound()); pc.addTrack(picture())", [True, True]),
        (AUDIO + "a=sendonly\r\n" + VIDEO, "", [True, True]),
        (AUDIO + NO_VIDEO, "", [True, False]),
        (AUDIO + VIDEO, "pc.addTrack(picture())", [True, True]),
        (AUDIO.replace("96 8 0", "8"), "", [True, False]),
    ):
        sections = text if text.count("m=") == 2 else text + NO_VIDEO
        phone = accept_offer(phone, HEAD + sections)
        offer = offered(leg, WEBRTC, phone, "b", passing)
        leg = accept_answer(offer.memory, await page.evaluate(ANSWER, {"sdp": offer.text, "change": change}))
        assert [plan.accepted for plan in media_plans(leg)] == accepted
        phone = answered(phone, leg, "a", passing).memory
    # Now the other way round over the same connection: the browser holds, the phone's answer comes back.
    leg = accept_offer(leg, await page.evaluate(OFFER, {"change": "pc.getTransceivers()[0].direction = 'sendonly'"}))
    offer = offered(phone, PLAIN, leg, "a", passing)
    phone = accept_answer(offer.memory, HEAD + AUDIO + "a=recvonly\r\n" + NO_VIDEO)
    answer = answered(leg, phone, "b", passing)
    assert await page.evaluate(TAKE, {"sdp": answer.text}) == "stable"
    assert not media_plans(answer.memory)[0].send


@PASSING
@pytest.mark.parametrize("name", ["baresip-offer-video", "linphone-offer-plain", "linphone-offer-sdes", "sipp-offer-uac", "ffmpeg-h264"])
async def test_offers_made_from_real_ones(page: Any, name: str, passing: Passing) -> None:
    source, leg = accept_offer(LegMemory(session_id=1), CAPTURED[name]), LegMemory(session_id=2)
    offer = offered(leg, WEBRTC, source, "b", passing)
    answer = await page.evaluate(ANSWER, {"sdp": offer.text, "change": "pc.addTrack(sound())"})
    assert media_plans(accept_answer(offer.memory, answer))


ODD = (
    "a=X-odd:1\r\na=group:LS a v\r\n"
    "m=message 9 TCP/MSRP *\r\na=path:msrp://192.0.2.9:2855/x;tcp\r\n"
    "m=audio 6000 RTP/AVP 8 0 101\r\ni=voice\r\nb=AS:80\r\na=mid:a\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"
    "a=silenceSupp:off - - - -\r\na=curr:qos local none\r\na=extmap:1/sendonly urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n"
    "m=image 6004 udptl t38\r\na=T38FaxVersion:0\r\n"
    "m=video 6002 RTP/AVP 99\r\na=mid:v\r\na=rtpmap:99 VP8/90000\r\na=imageattr:99 send [x=320,y=240]\r\n"
    "m=video 0 RTP/AVP 31\r\n"
)


async def test_a_mirror_of_what_a_browser_does_not_know(page: Any) -> None:
    phone, leg = accept_offer(LegMemory(session_id=1), HEAD + ODD), LegMemory(session_id=2)
    offer = offered(leg, WEBRTC, phone, "b", THEIR_TEXT)
    change = "pc.addTrack(sound()); pc.addTrack(picture())"
    leg = accept_answer(offer.memory, await page.evaluate(ANSWER, {"sdp": offer.text, "change": change}))
    assert [plan.accepted for plan in media_plans(leg)] == [False, True, False, True, False]
    answer = answered(phone, leg, "a", THEIR_TEXT)
    assert [section.split()[1] for section in answer.text.split("\r\nm=")[1:]] == ["0", "40002", "0", "40006", "0"]


async def test_a_browser_s_offer_mirrored_to_another_browser_s_style_and_back(page: Any) -> None:
    """What comes back to a browser of its own words through two translations is still an answer it takes."""
    change = "pc.addTrack(sound()); pc.addTrack(picture()); pc.createDataChannel('chat')"
    near = accept_offer(LegMemory(session_id=1), await page.evaluate(OFFER, {"change": change}))
    far = offered(LegMemory(session_id=2), WEBRTC, near, "b", THEIR_TEXT)
    peer = accept_offer(LegMemory(session_id=3), far.text)
    peer_answer = make_answer(peer, None, Gateway().locals_for("a", needs_for_answer(peer, None)))
    back = answered(near, accept_answer(far.memory, peer_answer.text), "a", THEIR_TEXT)
    assert await page.evaluate(TAKE, {"sdp": back.text}) == "stable"
    assert [plan.accepted for plan in media_plans(back.memory)] == [True, True, False]
