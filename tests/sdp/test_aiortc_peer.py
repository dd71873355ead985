"""An independent WebRTC stack takes what we write: aiortc as callee and as caller, through re-offers, with nothing sent."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

from boringsdp.sdp import (
    WEBRTC,
    CodecPolicy,
    LegMemory,
    accept_answer,
    accept_offer,
    make_answer,
    make_offer,
    media_plans,
    needs_for_answer,
    needs_for_offer,
)
from tests.sdp.golden import Gateway
from tests.sdp.material import CAPTURED, check_sound

PHONE = (
    "v=0\r\no=- 1 {version} IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0 8\r\na={direction}\r\n"
    "m=video 6002 RTP/AVP 99\r\na=rtpmap:99 VP8/90000\r\n"
)


@pytest.fixture
async def peer() -> AsyncIterator[RTCPeerConnection]:
    connection = RTCPeerConnection()
    yield connection
    await connection.close()


async def answer_of(peer: RTCPeerConnection, offer: str) -> str:
    await peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
    answer = await peer.createAnswer()
    await peer.setLocalDescription(answer)
    return str(peer.localDescription.sdp)


async def test_a_phone_calls_aiortc_then_holds(peer: RTCPeerConnection) -> None:
    peer.addTrack(AudioStreamTrack())
    phone, leg, gateway = LegMemory(session_id=1), LegMemory(session_id=2), Gateway()
    for version, direction in ((1, "sendrecv"), (2, "sendonly"), (3, "sendrecv")):
        phone = accept_offer(phone, PHONE.format(version=version, direction=direction))
        offer = make_offer(leg, WEBRTC, phone, gateway.locals_for("b", needs_for_offer(leg, WEBRTC, phone)))
        check_sound(offer.text)
        leg = accept_answer(offer.memory, await answer_of(peer, offer.text))
        answer = make_answer(phone, leg, gateway.locals_for("a", needs_for_answer(phone, leg)))
        check_sound(answer.text)
        phone = answer.memory
    audio, video = media_plans(leg)
    assert audio.accepted
    assert audio.dtls
    assert {f.codec.name for f in audio.send_formats} == {"PCMU", "PCMA"}
    assert video.accepted
    assert video.transport_slot == 0
    assert not video.receive, "aiortc has no video to send"


@pytest.mark.parametrize("video", [False, True])
async def test_aiortc_calls_a_phone(peer: RTCPeerConnection, video: bool) -> None:
    peer.addTrack(AudioStreamTrack())
    if video:
        peer.addTrack(VideoStreamTrack())
    await peer.setLocalDescription(await peer.createOffer())
    leg = accept_offer(LegMemory(session_id=1), peer.localDescription.sdp)
    answer = make_answer(leg, None, Gateway().locals_for("a", needs_for_answer(leg, None)), CodecPolicy(only=frozenset({"PCMA", "VP8"})))
    check_sound(answer.text)
    await peer.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
    assert [plan.accepted for plan in media_plans(answer.memory)] == [True] * (1 + video)


@pytest.mark.parametrize(
    "name", ["baresip-offer-video", "linphone-offer-plain", "sipp-offer-uac", "chromium-offer-audio-video", "firefox-offer-audio"]
)
async def test_aiortc_takes_offers_made_from_real_ones(peer: RTCPeerConnection, name: str) -> None:
    peer.addTrack(AudioStreamTrack())
    source, leg = accept_offer(LegMemory(session_id=1), CAPTURED[name]), LegMemory(session_id=2)
    offer = make_offer(leg, WEBRTC, source, Gateway().locals_for("b", needs_for_offer(leg, WEBRTC, source)))
    leg = accept_answer(offer.memory, await answer_of(peer, offer.text))
    assert media_plans(leg)[0].accepted
