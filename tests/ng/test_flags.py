"""One word, many spellings: each flag alone as proxies write it, in the list, in the flag string, as a key."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from boringsdp.ng.parse import parse_request
from boringsdp.ng.requests import CodecOptions, Description, Ice, Learning, SdesOptions, SdpEdits

OFFER = {"command": "offer", "sdp": "v=0\r\n", "call-id": "c", "from-tag": "f"}
PLAIN = parse_request(OFFER)

FLAGS: dict[str, dict[str, Any]] = {
    "trust address": {},
    "symmetric": {},
    "recrypt": {},
    "no-tls-id": {},
    "SIP source address": {"sip_source_address": True},
    "asymmetric": {"asymmetric": True},
    "strict source": {"strict_source": True},
    "media handover": {"media_handover": True},
    "port latching": {"port_latching": True},
    "no port latching": {"port_latching": False},
    "reset": {"reset": True},
    "trickle ICE": {"trickle": True},
    "fragment": {"fragment": True},
    "generate mid": {"generate_mid": True},
    "no rtcp attribute": {"rtcp_attribute": "never"},
    "full rtcp attribute": {"rtcp_attribute": "full"},
    "original sendrecv": {"original_sendrecv": True},
    "loop protect": {"loop_protect": True},
    "reject ICE": {"reject_ice": True},
    "single codec": {"single_codec": True},
    "allow no codec media": {"allow_no_codec_media": True},
    "inject DTMF": {},
    "block DTMF": {"block_dtmf": True},
    "generate RTCP": {},
    "pierce NAT": {"pierce_nat": True},
    "strip extmap": {"extmap_strip": frozenset({"all"})},
    "new branch": {"new_branch": True},
    "provisional": {"provisional": True},
    "debug": {"debug": True},
    "debugging": {"debug": True},
    "fatal": {"fatal": True},
    "RTP/AVP": {"protocol": "RTP/AVP"},
    "RTP/AVPF": {"protocol": "RTP/AVPF"},
    "RTP/SAVP": {"protocol": "RTP/SAVP"},
    "RTP/SAVPF": {"protocol": "RTP/SAVPF"},
    "UDP/TLS/RTP/SAVP": {"protocol": "UDP/TLS/RTP/SAVP"},
    "UDP/TLS/RTP/SAVPF": {"protocol": "UDP/TLS/RTP/SAVPF"},
    "RTP": {"protocol": "RTP/AVP"},
    "SRTP": {"protocol": "RTP/SAVP"},
    "AVPF": {"protocol": "RTP/AVPF"},
    "DTLS": {"protocol": "UDP/TLS/RTP/SAVP"},
    "internal": {"direction": ("internal", "")},
    "SDES-off": {"sdes": SdesOptions(off=True)},
    "SDES-no": {"sdes": SdesOptions(off=True)},
    "SDES-no-AES_CM_128_HMAC_SHA1_32": {"sdes": SdesOptions(without=frozenset({"AES_CM_128_HMAC_SHA1_32"}))},
    "SDES-only-AES_CM_128_HMAC_SHA1_80": {"sdes": SdesOptions(only=("AES_CM_128_HMAC_SHA1_80",))},
    "SDES-order:AES_CM_128_HMAC_SHA1_80;AEAD_AES_128_GCM;": {"sdes": SdesOptions(order=("AES_CM_128_HMAC_SHA1_80", "AEAD_AES_128_GCM"))},
    "SDES-offerer_pref:AEAD_AES_128_GCM;": {"sdes": SdesOptions(offerer_preference=("AEAD_AES_128_GCM",))},
    "SDES-pad": {"sdes": SdesOptions(pad=True)},
    "pad crypto": {"sdes": SdesOptions(pad=True)},
    "SDES-lifetime": {"sdes": SdesOptions(lifetime=True)},
    "SDES-static": {"sdes": SdesOptions(static=True)},
    "SDES-prefer": {"sdes": SdesOptions(prefer=True)},
    "SDES-nonew": {"sdes": SdesOptions(no_new=True)},
    "SDES-encrypted_srtp": {},
    "OSRTP-offer": {"osrtp": frozenset({"offer"})},
    "OSRTP-offer-RFC": {"osrtp": frozenset({"offer"})},
    "OSRTP-accept": {"osrtp": frozenset({"accept"})},
    "OSRTP-accept-RFC": {"osrtp": frozenset({"accept-RFC"})},
    "rtcp-mux-offer": {"rtcp_mux": frozenset({"offer"})},
    "rtcp-mux-require": {"rtcp_mux": frozenset({"require"})},
    "rtcp-mux-demux": {"rtcp_mux": frozenset({"demux"})},
    "rtcp-mux-accept": {"rtcp_mux": frozenset({"accept"})},
    "rtcp-mux-reject": {"rtcp_mux": frozenset({"reject"})},
    "replace-origin": {"replace": frozenset({"origin"})},
    "replace-origin-full": {"replace": frozenset({"origin-full"})},
    "replace-session-connection": {"replace": frozenset({"session-connection"})},
    "replace-session connection": {"replace": frozenset({"session-connection"})},
    "replace-username": {"replace": frozenset({"username"})},
    "replace-session-name": {"replace": frozenset({"session-name"})},
    "replace-SDP-version": {"replace": frozenset({"SDP-version"})},
    "replace-force-increment-sdp-ver": {"replace": frozenset({"force-increment-sdp-ver"})},
    "replace-zero-address": {"replace": frozenset({"zero-address"})},
    "ICE-force": {"ice": Ice.FORCE},
    "ICE-remove": {"ice": Ice.REMOVE},
    "ICE-default": {},
    "ICE-optional": {"ice": Ice.OPTIONAL},
    "ICE-lite-both": {},
    "DTLS-off": {"dtls": "off"},
    "DTLS-passive": {"dtls": "passive"},
    "DTLS-reverse-active": {"dtls_reverse": "active"},
    "DTLS-fingerprint-SHA-512": {"fingerprint_hash": "sha-512"},
    "bundle-accept": {"bundle": frozenset({"accept"})},
    "endpoint-learning-heuristic": {"learning": Learning.HEURISTIC},
    "extmap-strip-urn:x": {"extmap_strip": frozenset({"urn:x"})},
    "extmap-mask-all": {"extmap_mask": frozenset({"all"})},
    "sdp-media-remove-video": {"media_remove": frozenset({"video"})},
    "codec-strip-PCMA": {"codec": CodecOptions(strip=("PCMA",))},
    "codec-strip-all": {"codec": CodecOptions(strip=("all",))},
    "codec-except-PCMU": {"codec": CodecOptions(keep=("PCMU",))},
    "codec-offer-opus/48000/2": {"codec": CodecOptions(offer=("opus/48000/2",))},
    "codec-mask-opus": {"codec": CodecOptions(mask=("opus",))},
    "codec-accept-PCMU": {"codec": CodecOptions(accept=("PCMU",)), "ignored": ("codec-accept",)},
    "codec-consume-opus": {"codec": CodecOptions(consume=("opus",))},
    "codec-ignore-opus": {"codec": CodecOptions(ignore=("opus",)), "ignored": ("codec-ignore",)},
    "codec-transcode-PCMU": {"codec": CodecOptions(transcode=("PCMU",))},
    "transcode-PCMU": {"codec": CodecOptions(transcode=("PCMU",))},
    "codec-strip-telephone-event": {"codec": CodecOptions(strip=("telephone-event",))},
    "codec-set-opus/48000/2/32000": {"codec": CodecOptions(set=("opus/48000/2/32000",)), "ignored": ("codec-set",)},
    "transcode-iLBC/8000/1///mode--30": {"codec": CodecOptions(transcode=("iLBC/8000/1///mode=30",))},
    "sdp-attr-add-audio-ptime:20": {"sdp_edits": {"audio": SdpEdits(add=("ptime:20",))}},
    "sdp-attr-remove-video-rtpmap:101..H264/90000": {"sdp_edits": {"video": SdpEdits(remove=("rtpmap:101 H264/90000",))}},
    "sdp-attr-substitute-none-sendrecv>sendonly": {"sdp_edits": {"none": SdpEdits(substitute=(("sendrecv", "sendonly"),))}},
    "sdp-attr-add-global-x": {"sdp_edits": {"none": SdpEdits(add=("x",))}},
    "WebRTC": {
        "webrtc": True,
        "protocol": "UDP/TLS/RTP/SAVPF",
        "ice": Ice.FORCE,
        "trickle": True,
        "rtcp_mux": frozenset({"offer", "require"}),
        "rtcp_attribute": "never",
        "sdes": SdesOptions(off=True),
        "generate_mid": True,
    },
    "detect DTMF": {"detect_dtmf": True},
    "NAT-wait": {"nat_wait": True},
    "reuse codecs": {"ignored": ("reuse-codecs",)},
    "static codecs": {"ignored": ("static-codecs",)},
    "something-new": {"ignored": ("something-new",)},
    "record call": {"warnings": ("recording is not available",)},
    "always transcode": {"warnings": ("there is no transcoding: codecs are passed on or not",)},
    "T38-decode": {"warnings": ("T.38 is passed through, never converted",)},
    "T.38-force": {"warnings": ("T.38 is passed through, never converted",)},
    "SDES-unencrypted_srtp": {"warnings": ("SDES-unencrypted_srtp is not available: media is encrypted and authenticated",)},
    "OSRTP-accept-legacy": {
        "osrtp": frozenset({"accept-legacy"}),
        "warnings": ("OSRTP with every m-line twice (legacy) is not available; RFC 8643 is",),
    },
}


def differences(request: object) -> dict[str, Any]:
    """What a request has that the plainest offer has not."""
    assert isinstance(request, Description)
    return {f.name: getattr(request, f.name) for f in fields(request) if getattr(request, f.name) != getattr(PLAIN, f.name)}


@pytest.mark.parametrize("flag", FLAGS)
def test_flag_in_the_list(flag: str):
    assert differences(parse_request(OFFER | {"flags": [flag]})) == FLAGS[flag]


@pytest.mark.parametrize("flag", FLAGS)
def test_flag_with_hyphens_in_the_flag_string(flag: str):
    assert differences(parse_request(OFFER | {"rtpp-flags": f"  {flag.replace(' ', '-')} "})) == FLAGS[flag]


@pytest.mark.parametrize("flag", FLAGS)
def test_flag_as_the_only_word_of_a_string(flag: str):
    assert differences(parse_request(OFFER | {"flags": flag.replace(" ", "-")})) == FLAGS[flag]


@pytest.mark.parametrize("flag", FLAGS)
def test_flag_in_a_template(flag: str):
    request = parse_request(OFFER | {"template": "mine"}, {"mine": flag.replace(" ", "-")})
    assert differences(request) == FLAGS[flag]


@pytest.mark.parametrize(
    ("words", "protocol"),
    [
        ("RTP AVP", "RTP/AVP"),
        ("RTP AVPF", "RTP/AVPF"),
        ("SRTP AVP", "RTP/SAVP"),
        ("SRTP AVPF", "RTP/SAVPF"),
        ("AVPF SRTP", "RTP/SAVPF"),
        ("DTLS AVPF", "UDP/TLS/RTP/SAVPF"),
        ("DTLS SRTP AVPF", "UDP/TLS/RTP/SAVPF"),
        ("DTLS AVP", "UDP/TLS/RTP/SAVP"),
        ("SRTP RTP", "RTP/AVP"),
        ("AVPF AVP", "RTP/AVP"),
    ],
)
def test_words_about_the_protocol_combine(words: str, protocol: str):
    assert differences(parse_request(OFFER | {"flags": words.split()})) == {"protocol": protocol}
    assert differences(parse_request(OFFER | {"rtpp-flags": words})) == {"protocol": protocol}


def test_flags_add_up_and_the_later_value_counts():
    request = parse_request(OFFER | {"flags": ["codec-strip-PCMA", "codec-strip-GSM", "replace-origin", "ICE-remove", "ICE-force"]})
    assert differences(request) == {
        "codec": CodecOptions(strip=("PCMA", "GSM")),
        "replace": frozenset({"origin"}),
        "ice": Ice.FORCE,
    }


def test_explicit_words_count_more_than_webrtc():
    request = parse_request(OFFER | {"flags": ["WebRTC"], "ICE": "optional", "rtcp-mux": ["demux"], "transport-protocol": "RTP/SAVPF"})
    assert isinstance(request, Description)
    assert (request.ice, request.rtcp_mux, request.protocol) == (Ice.OPTIONAL, frozenset({"demux"}), "RTP/SAVPF")
