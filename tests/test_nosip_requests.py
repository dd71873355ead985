"""NoSIP requests at the door: typed, or refused with the plugin's code and the element named."""

from __future__ import annotations

from typing import Any

import pytest

from boringsdp.errors import JanusError
from boringsdp.janus_api.plugin import JsepType
from boringsdp.nosip_plugin import Dtmf, Forward, Generate, KeyFrame, Process, Srtp, parse_request
from boringsdp.sdp import Sdes

SDP = "v=0\r\n"


def test_process_carries_type_sdp_and_srtp():
    request = parse_request({"request": "Process", "type": "OFFER", "sdp": SDP, "srtp": "sdes_optional", "info": "free text"})
    assert request == Process(JsepType.OFFER, SDP, Srtp("sdes_optional", None), update=False)


@pytest.mark.parametrize(
    ("mode", "sdes", "protocol"),
    [(None, Sdes.OFF, "RTP/AVP"), ("sdes_optional", Sdes.OPTIONAL, "RTP/AVP"), ("sdes_mandatory", Sdes.MANDATORY, "RTP/SAVP")],
)
def test_srtp_decides_how_the_peer_is_offered(mode: str | None, sdes: Sdes, protocol: str):
    request = parse_request({"request": "generate"} | ({"srtp": mode} if mode else {}))
    assert isinstance(request, Generate)
    assert (request.srtp.style.sdes, request.srtp.style.protocol.value) == (sdes, protocol)


def test_a_profile_is_the_only_suite_offered():
    request = parse_request({"request": "generate", "srtp": "sdes_mandatory", "srtp_profile": "AEAD_AES_256_GCM"})
    assert isinstance(request, Generate)
    assert request.srtp.style.suites == ("AEAD_AES_256_GCM",)


def test_small_requests():
    assert parse_request({"request": "keyframe", "peer": True}) == KeyFrame(user=False, peer=True)
    assert parse_request({"request": "dtmf", "digits": "1a#", "duration": 200}) == Dtmf("1A#", 200)
    assert parse_request({"request": "stop_rtp_forward", "stream_id": 7}) == Forward(7)


@pytest.mark.parametrize(
    ("body", "code", "element"),
    [
        ({}, 440, "body"),
        ({"request": "fly"}, 442, "request"),
        ({"srtp": "sdes_optional"}, 443, "request"),
        ({"request": 5}, 444, "request"),
        ({"request": "process", "sdp": SDP}, 443, "type"),
        ({"request": "process", "type": "offer"}, 443, "sdp"),
        ({"request": "process", "type": "pranswer", "sdp": SDP}, 446, "type"),
        ({"request": "process", "type": "offer", "sdp": 1}, 444, "sdp"),
        ({"request": "generate", "srtp": "zrtp"}, 444, "srtp"),
        ({"request": "generate", "srtp_profile": "NULL"}, 444, "srtp_profile"),
        ({"request": "generate", "info": {}}, 444, "info"),
        ({"request": "generate", "update": "yes"}, 444, "update"),
        ({"request": "recording"}, 443, "action"),
        ({"request": "recording", "action": "pause", "audio": True}, 444, "action"),
        ({"request": "recording", "action": "start"}, 444, "audio"),
        ({"request": "keyframe", "user": 1}, 444, "user"),
        ({"request": "dtmf", "digits": ""}, 444, "digits"),
        ({"request": "dtmf", "digits": "12E"}, 444, "digits"),
        ({"request": "dtmf", "digits": "1" * 65}, 444, "digits"),
        ({"request": "dtmf", "digits": "1", "duration": 10}, 444, "duration"),
        ({"request": "rtp_forward"}, 443, "streams"),
        ({"request": "stop_rtp_forward"}, 443, "stream_id"),
    ],
)
def test_what_is_wrong_is_named(body: dict[str, Any], code: int, element: str):
    with pytest.raises(JanusError) as caught:
        parse_request(body)
    assert (caught.value.code, caught.value.element) == (code, element)
    assert element in caught.value.reason or code in (440, 442)
