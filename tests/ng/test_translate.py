"""From NG's words to what a call is told: one table row a rule."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from boringsdp.call import LegOptions
from boringsdp.ng.parse import parse_request
from boringsdp.ng.requests import Description
from boringsdp.ng.translate import SUITE_ORDER, Plan, plan_answer, plan_offer
from boringsdp.relay import Latch
from boringsdp.sdp import (
    PLAIN,
    SDES_MANDATORY,
    SDES_OPTIONAL,
    SUITES,
    THEIR_TEXT,
    WEBRTC,
    Codec,
    CodecPolicy,
    LegStyle,
    OriginPart,
    Protocol,
    Sdes,
)

OFFER = {"command": "offer", "sdp": "v=0\r\n", "call-id": "c", "from-tag": "f"}
ANSWER = OFFER | {"command": "answer", "to-tag": "t"}

PHONE = PLAIN
BROWSER = WEBRTC
TO_PHONE = {"transport-protocol": "RTP/AVP", "ICE": "remove"}
TO_BROWSER = {"transport-protocol": "UDP/TLS/RTP/SAVPF", "ICE": "force"}


def read(keys: dict[str, Any], base: dict[str, Any] = OFFER) -> Description:
    request = parse_request(base | keys)
    assert isinstance(request, Description)
    return request


def offer(keys: dict[str, Any], source: LegStyle = PHONE, target: LegStyle | None = None, **facts: Any) -> Plan:
    return plan_offer(read(keys), source, target, **facts)


def answer(keys: dict[str, Any], source: LegStyle = PHONE, target: LegStyle | None = BROWSER, **facts: Any) -> Plan:
    return plan_answer(read(keys, ANSWER), source, target, **facts)


def differences(value: object, base: object) -> dict[str, Any]:
    assert type(value) is type(base)
    return {f.name: getattr(value, f.name) for f in fields(value) if getattr(value, f.name) != getattr(base, f.name)}  # type: ignore[arg-type]


QUIET = replace(PLAIN, trickle=False)
"""A leg without ICE does not speak of trickling."""
ALL_SUITES = {"suites": SUITE_ORDER}
BOTH_KEYINGS = {"sdes": Sdes.MANDATORY, "dtls": True, **ALL_SUITES}
FEWER = tuple(suite for suite in SUITE_ORDER if suite != "AES_CM_128_HMAC_SHA1_32")

STYLES: list[tuple[dict[str, Any], LegStyle, dict[str, Any]]] = [
    # transport-protocol: the sender's own unless said
    ({}, PHONE, {}),
    ({}, BROWSER, differences(BROWSER, QUIET)),
    ({"transport-protocol": "RTP/AVP"}, PHONE, {}),
    ({"transport-protocol": "RTP/AVPF"}, PHONE, {"protocol": Protocol.AVPF}),
    ({"transport-protocol": "RTP/SAVP"}, PHONE, {"protocol": Protocol.SAVP, **BOTH_KEYINGS}),
    ({"transport-protocol": "RTP/SAVPF"}, PHONE, {"protocol": Protocol.SAVPF, **BOTH_KEYINGS}),
    ({"transport-protocol": "UDP/TLS/RTP/SAVP"}, PHONE, {"protocol": Protocol.DTLS_SAVP, "dtls": True}),
    ({"transport-protocol": "UDP/TLS/RTP/SAVPF"}, PHONE, {"protocol": Protocol.DTLS_SAVPF, "dtls": True}),
    # browsers: what they cannot do without comes with UDP/TLS/RTP/SAVPF and ICE
    (TO_BROWSER, PHONE, differences(WEBRTC, QUIET)),
    ({"flags": ["WebRTC"]}, PHONE, differences(WEBRTC, QUIET)),
    (TO_BROWSER | {"rtcp-mux": ["offer"], "flags": ["generate mid"]}, PHONE, differences(WEBRTC, QUIET)),
    (TO_BROWSER | {"rtcp-mux": ["require"], "SDES": "off"}, PHONE, differences(WEBRTC, QUIET)),
    (TO_BROWSER | {"rtcp-mux": ["demux"]}, PHONE, differences(replace(WEBRTC, rtcp_mux=False), QUIET)),
    (TO_BROWSER | {"bundle": ["reject"]}, PHONE, differences(replace(WEBRTC, bundle=False), QUIET)),
    (
        {"transport-protocol": "RTP/SAVPF", "ICE": "force", "SDES": "off"},
        PHONE,
        differences(replace(WEBRTC, protocol=Protocol.SAVPF), QUIET),
    ),
    (
        {"transport-protocol": "RTP/SAVPF", "ICE": "force"},
        PHONE,
        differences(replace(WEBRTC, protocol=Protocol.SAVPF), QUIET) | BOTH_KEYINGS,
    ),
    (
        {"transport-protocol": "RTP/SAVPF", "ICE": "force", "rtcp-mux": ["require"]},
        PHONE,
        differences(replace(WEBRTC, protocol=Protocol.SAVPF, rtcp_mux_only=True), QUIET) | BOTH_KEYINGS,
    ),
    (TO_PHONE, BROWSER, {"rtcp_mux": True}),
    (TO_PHONE | {"rtcp-mux": ["demux"]}, BROWSER, {}),
    # ICE
    ({"ICE": "default"}, PHONE, {}),
    ({"ICE": "force"}, PHONE, {"ice": True}),
    ({"ICE": "optional"}, PHONE, {"ice": True, "ice_optional": True}),
    ({"ICE": "force", "flags": ["trickle ICE"]}, PHONE, {"ice": True, "trickle": True}),
    ({"ICE": "remove"}, BROWSER, {"protocol": Protocol.DTLS_SAVPF, "dtls": True, "rtcp_mux": True}),
    # keys
    ({"transport-protocol": "RTP/SAVP", "DTLS": "off"}, PHONE, {"protocol": Protocol.SAVP, "sdes": Sdes.MANDATORY, **ALL_SUITES}),
    ({"transport-protocol": "RTP/SAVP", "SDES": "off"}, PHONE, {"protocol": Protocol.SAVP, "dtls": True}),
    (
        {"transport-protocol": "RTP/SAVP", "DTLS": "off", "SDES": ["no-AES_CM_128_HMAC_SHA1_32", "pad", "lifetime", "prefer"]},
        PHONE,
        {
            "protocol": Protocol.SAVP,
            "sdes": Sdes.MANDATORY,
            "suites": FEWER,
            "sdes_pad": True,
            "sdes_lifetime": True,
            "sdes_preferred": True,
        },
    ),
    (
        {"transport-protocol": "RTP/SAVP", "DTLS": "off", "SDES": ["only-AES_CM_128_HMAC_SHA1_80"]},
        PHONE,
        {"protocol": Protocol.SAVP, "sdes": Sdes.MANDATORY, "suites": ("AES_CM_128_HMAC_SHA1_80",)},
    ),
    (
        {"transport-protocol": "RTP/SAVP", "DTLS": "off", "SDES": ["only-NULL_HMAC_SHA1_80"]},
        PHONE,
        {"protocol": Protocol.SAVP, "sdes": Sdes.MANDATORY, "suites": SUITE_ORDER[:1]},
    ),
    (
        {"transport-protocol": "RTP/SAVP", "DTLS": "off", "SDES": ["order:AES_CM_128_HMAC_SHA1_80"]},
        PHONE,
        {
            "protocol": Protocol.SAVP,
            "sdes": Sdes.MANDATORY,
            "suites": ("AES_CM_128_HMAC_SHA1_80", "AEAD_AES_256_GCM", "AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_32"),
        },
    ),
    (
        {"DTLS": "off"},
        replace(SDES_MANDATORY, suites=("AES_CM_128_HMAC_SHA1_32",)),
        {
            "protocol": Protocol.SAVP,
            "sdes": Sdes.MANDATORY,
            "suites": ("AES_CM_128_HMAC_SHA1_32", "AEAD_AES_256_GCM", "AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_80"),
        },
    ),
    (
        {"DTLS": "off", "SDES": ["nonew"]},
        replace(SDES_MANDATORY, suites=("AES_CM_128_HMAC_SHA1_32",)),
        {"protocol": Protocol.SAVP, "sdes": Sdes.MANDATORY, "suites": ("AES_CM_128_HMAC_SHA1_32",)},
    ),
    ({"transport-protocol": "RTP/AVP"}, SDES_MANDATORY, {}),
    # opportunistic SRTP: asked for, passed through, or not
    ({"OSRTP": ["offer"]}, PHONE, {"sdes": Sdes.OPTIONAL, "osrtp": True, **ALL_SUITES}),
    (
        {},
        SDES_OPTIONAL,
        {
            "sdes": Sdes.OPTIONAL,
            "osrtp": True,
            "suites": ("AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32", "AEAD_AES_256_GCM", "AEAD_AES_128_GCM"),
        },
    ),
    ({"SDES": ["off"]}, SDES_OPTIONAL, {}),
    # the rest
    ({"rtcp-mux": ["offer"]}, PHONE, {"rtcp_mux": True}),
    ({"rtcp-mux": ["require"]}, PHONE, {"rtcp_mux": True, "rtcp_mux_only": True}),
    ({"rtcp-mux": ["accept"]}, replace(PHONE, rtcp_mux=True), {"rtcp_mux": True}),
    ({}, replace(PHONE, rtcp_mux=True), {"rtcp_mux": True}),
    ({"rtcp-mux": ["reject", "offer"]}, PHONE, {"rtcp_mux": True}),
    ({"rtcp-mux": ["reject"]}, replace(PHONE, rtcp_mux=True), {}),
    (TO_BROWSER | {"rtcp-mux": ["reject"]}, replace(PHONE, rtcp_mux=True), differences(WEBRTC, QUIET)),
    ({"bundle": ["offer"]}, PHONE, {"bundle": True, "mids": True}),
    ({"bundle": ["require"]}, PHONE, {"bundle": True, "mids": True}),
    ({"flags": ["generate mid"]}, PHONE, {"mids": True}),
    ({"DTLS": "passive"}, PHONE, {"setup": "passive"}),
    ({"DTLS": "active"}, PHONE, {"setup": "active"}),
    ({"DTLS-fingerprint": "SHA-512"}, PHONE, {"fingerprint_hash": "sha-512"}),
]


@pytest.mark.parametrize(("keys", "source", "expected"), STYLES, ids=repr)
def test_style_of_an_offer(keys: dict[str, Any], source: LegStyle, expected: dict[str, Any]):
    plan = offer(keys, source)
    assert (differences(plan.to, QUIET), plan.warnings) == (expected, ())


def test_our_suites_are_all_that_we_speak():
    assert sorted(SUITE_ORDER) == sorted(SUITES)


def test_a_re_offer_keeps_what_the_leg_has():
    assert offer({}, PHONE, BROWSER).to == WEBRTC
    assert offer({}, BROWSER, PHONE).to == QUIET
    assert offer({"transport-protocol": "RTP/AVP", "ICE": "remove"}, PHONE, BROWSER).to.protocol is Protocol.AVP


def test_a_re_offer_keeps_the_keys_that_were_agreed():
    suites = ("AES_CM_128_HMAC_SHA1_32",)
    sdes = offer({"transport-protocol": "RTP/SAVP"}, PHONE, replace(SDES_MANDATORY, suites=suites)).to
    assert (sdes.dtls, sdes.sdes, sdes.suites[0]) == (False, Sdes.MANDATORY, suites[0])
    dtls = offer({}, PHONE, replace(PLAIN, protocol=Protocol.SAVP, dtls=True)).to
    assert (dtls.dtls, dtls.sdes) == (True, Sdes.OFF)
    anew = offer({"flags": ["reset"]}, PHONE, SDES_MANDATORY).to
    assert (anew.dtls, anew.sdes, anew.reset) == (True, Sdes.MANDATORY, True)
    other = offer({"SDES": "off"}, PHONE, SDES_MANDATORY)
    assert (other.to.dtls, other.to.sdes, other.warnings) == (True, Sdes.OFF, ())
    assert offer({}, PHONE, SDES_OPTIONAL).to.osrtp


def test_a_peer_that_refused_ice_is_not_offered_it_again_until_reset():
    assert not offer(TO_BROWSER, ice_refused=True).to.ice
    assert not offer({"ICE": "optional"}, ice_refused=True).to.ice
    assert offer(TO_BROWSER | {"flags": ["reset"]}, ice_refused=True).to.ice


@pytest.mark.parametrize(
    ("keys", "warning"),
    [
        ({"transport-protocol": "UDP/TLS/RTP/SAVPF", "DTLS": "off"}, "DTLS=off does not go with UDP/TLS/RTP/SAVPF: DTLS is offered"),
        (
            {"transport-protocol": "RTP/SAVP", "DTLS": "off", "SDES": "off"},
            "RTP/SAVP needs SDES or DTLS, and both are off: SDES is offered",
        ),
    ],
)
def test_contradictions_are_answered_with_a_warning(keys: dict[str, Any], warning: str):
    plan = offer(keys)
    assert plan.warnings == (warning,)
    assert plan.to.dtls or plan.to.sdes is Sdes.MANDATORY


PASSING: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"replace": ["origin"]}, {"origin": frozenset({OriginPart.ADDRESS})}),
    ({"replace": ["session-connection"]}, {}),
    ({"replace": ["origin", "SDP-version"]}, {"origin": frozenset({OriginPart.ADDRESS, OriginPart.VERSION})}),
    ({"replace": ["username"]}, {"origin": frozenset({OriginPart.USERNAME})}),
    ({"replace": ["origin-full"]}, {"origin": frozenset(OriginPart)}),
    ({"replace": ["session-name"]}, {"session_name": True}),
    ({"replace": ["force-increment-sdp-ver"]}, {"force_version": True, "origin": frozenset({OriginPart.VERSION})}),
    ({"replace": ["zero-address"]}, {"zero_address": True}),
    ({"flags": ["original sendrecv"]}, {"original_direction": True}),
    ({"flags": ["no rtcp attribute"]}, {"rtcp_attribute": "never"}),
    ({"flags": ["full rtcp attribute"]}, {"rtcp_attribute": "full"}),
    ({"flags": ["strip extmap"]}, {"extensions": ()}),
    ({"extmap": {"strip": ["urn:3gpp:video-orientation"]}}, {"extensions": ("urn:ietf:params:rtp-hdrext:ssrc-audio-level",)}),
    ({"extmap": {"mask": "all"}}, {"extensions": ()}),
    ({"sdp-media-remove": ["video"]}, {"remove_media": frozenset({"video"})}),
    ({"flags": ["loop protect"]}, {"loop_mark": "0123456789ab"}),
]


@pytest.mark.parametrize(("keys", "expected"), PASSING, ids=repr)
def test_what_of_the_text_goes_on(keys: dict[str, Any], expected: dict[str, Any]):
    base = replace(THEIR_TEXT, rtcp_attribute="always")
    assert differences(offer(keys, loop_mark="0123456789ab").passing, replace(base, feedback=True)) == expected
    assert differences(answer(keys, target=PHONE, loop_mark="0123456789ab").passing, base) == expected


def test_a_protocol_counts_for_every_m_line():
    assert not offer({"transport-protocol": "RTP/AVP"}).passing.feedback


def test_a_leg_begins_in_the_sender_s_family_and_keeps_its_own():
    assert offer({}, family="IP6").there.family == "IP6"
    assert offer({"address-family": "IP4"}, family="IP6").there.family == "IP4"
    assert offer({}, target=PHONE, family="IP6").there.family == ""


def test_towards_a_muxed_peer_rtcp_is_named_only_where_needed():
    assert offer(TO_BROWSER).passing.rtcp_attribute == "needed"
    assert offer({"flags": ["WebRTC"]}).passing.rtcp_attribute == "never"


OPTIONS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({}, {}, {}),
    ({"direction": ["priv", "pub"]}, {"interface": "priv"}, {"interface": "pub"}),
    ({"to-interface": "pub"}, {}, {"interface": "pub"}),
    ({"direction": ["internal", "external"]}, {"family": "IP4"}, {"family": "IP6"}),
    ({"address-family": "IP6"}, {}, {"family": "IP6"}),
    ({"media-address": "203.0.113.9"}, {}, {"announce": "203.0.113.9"}),
    ({"received-from": ["IP4", "192.0.2.7"]}, {}, {}),
    ({"received-from": ["IP4", "192.0.2.7"], "flags": ["SIP source address"]}, {"source_address": "192.0.2.7"}, {}),
    ({"received-from": ["IP4", "192.0.2.7"], "flags": ["SIP source address", "trust address"]}, {}, {}),
    ({"flags": ["asymmetric"]}, {"latch": Latch.ASYMMETRIC}, {}),
    ({"flags": ["strict source"]}, {}, {}),
    ({"flags": ["media handover"]}, {"latch": Latch.FOLLOW}, {"latch": Latch.FOLLOW}),
    ({"endpoint-learning": "immediate"}, {"latch": Latch.ONCE}, {"latch": Latch.ONCE}),
    ({"endpoint-learning": "delayed"}, {"latch": Latch.DELAYED}, {"latch": Latch.DELAYED}),
    ({"endpoint-learning": "heuristic"}, {"latch": Latch.HEURISTIC}, {"latch": Latch.HEURISTIC}),
    ({"endpoint-learning": "off"}, {"latch": Latch.ASYMMETRIC}, {"latch": Latch.ASYMMETRIC}),
    ({"endpoint-learning": "off", "flags": ["strict source"]}, {"latch": Latch.STRICT}, {"latch": Latch.STRICT}),
    ({"flags": ["port latching"]}, {"relatch": True}, {}),
    ({"flags": ["no port latching"]}, {}, {}),
    ({"flags": ["pierce NAT"]}, {"pierce": True}, {}),
    ({"flags": ["NAT-wait"]}, {"wait": True}, {}),
    ({"TOS": 184}, {"tos": 184}, {"tos": 184}),
    ({"TOS": -1}, {}, {}),
    ({"TOS": 256}, {}, {}),
    ({"label": "caller", "metadata": "m"}, {"label": "caller", "metadata": "m"}, {}),
]


@pytest.mark.parametrize(("keys", "here", "there"), OPTIONS, ids=repr)
def test_options_of_both_legs(keys: dict[str, Any], here: dict[str, Any], there: dict[str, Any]):
    for plan in (offer(keys, interfaces={"priv", "pub"}), answer(keys, interfaces={"priv", "pub"})):
        assert differences(plan.here, LegOptions()) == here
        assert differences(plan.there, LegOptions()) == there
        assert plan.warnings == ()


def test_an_unknown_interface_is_the_default_one_and_named():
    plan = offer({"direction": ["nowhere", "pub"]}, interfaces={"pub"})
    assert (plan.here.interface, plan.there.interface) == ("", "pub")
    assert plan.warnings == ('there is no interface "nowhere": the default one is used',)
    assert offer({"direction": ["internal", "external"]}, interfaces={"internal", "external"}).here.interface == "internal"


OPUS, PCMU, PCMA, G722 = Codec("opus", 48000, 2), Codec("PCMU", 8000), Codec("PCMA", 8000), Codec("G722", 8000)
EVENT = Codec("telephone-event", 8000)

CODECS: list[tuple[dict[str, Any], list[Codec], CodecPolicy]] = [
    ({}, [OPUS, PCMU], CodecPolicy()),
    ({"strip": ["PCMA", "8"]}, [PCMU, PCMA], CodecPolicy(remove=frozenset({"PCMA", "8"}))),
    ({"strip": ["all"], "except": ["PCMU"]}, [OPUS, PCMU], CodecPolicy(remove=frozenset({"all"}), keep=frozenset({"PCMU"}))),
    ({"strip": ["full"], "except": ["PCMU"]}, [OPUS, PCMU], CodecPolicy(remove=frozenset({"all"}), keep=frozenset({"PCMU"}))),
    (
        {"strip": ["all"], "offer": ["PCMA", "PCMU"]},
        [PCMU, PCMA],
        CodecPolicy(remove=frozenset({"all"}), keep=frozenset({"PCMU", "PCMA"}), prefer=("PCMA", "PCMU")),
    ),
    ({"offer": ["PCMA"]}, [PCMU, PCMA], CodecPolicy(prefer=("PCMA",))),
    ({"except": ["PCMA"]}, [PCMU, PCMA], CodecPolicy()),
    ({"strip": ["all"]}, [PCMU], CodecPolicy(remove=frozenset({"all"}))),
    ({"mask": ["opus"]}, [OPUS, PCMU], CodecPolicy(remove=frozenset({"opus"}))),
    ({"mask": ["opus/48000/2"]}, [OPUS, PCMU], CodecPolicy(remove=frozenset({"opus/48000/2"}))),
    # a browser's offer towards a phone, as scripts commonly write it
    (
        {"mask": ["all"], "transcode": ["PCMU", "PCMA"]},
        [OPUS, G722, PCMU, PCMA, EVENT],
        CodecPolicy(only=frozenset({"PCMU", "PCMA"}), prefer=("PCMU", "PCMA")),
    ),
    (
        {"mask": ["all"], "transcode": ["PCMU"]},
        [OPUS, PCMU, Codec("telephone-event", 48000), EVENT],
        CodecPolicy(only=frozenset({"PCMU"}), prefer=("PCMU",), remove=frozenset({"telephone-event/48000"})),
    ),
    (
        {"mask": ["all"], "transcode": ["PCMU"]},
        [OPUS, PCMU, Codec("telephone-event", 48000)],
        CodecPolicy(only=frozenset({"PCMU"}), prefer=("PCMU",)),
    ),
    ({"mask": ["opus"], "transcode": ["PCMU"]}, [OPUS, PCMU], CodecPolicy(remove=frozenset({"opus"}))),
    ({"consume": ["opus"], "transcode": ["PCMU"]}, [OPUS, PCMU], CodecPolicy(remove=frozenset({"opus"}))),
    ({"transcode": ["opus"]}, [OPUS, PCMU], CodecPolicy()),
    (
        {"strip": ["all"], "transcode": ["opus/48000/2/32000"]},
        [OPUS, PCMU],
        CodecPolicy(remove=frozenset({"all"}), keep=frozenset({"opus/48000/2"}), prefer=("opus/48000/2",)),
    ),
    ({"accept": ["PCMU"], "set": ["opus/48000/2/16000"], "ignore": ["x"]}, [OPUS], CodecPolicy()),
]


@pytest.mark.parametrize(("codec", "offered", "policy"), CODECS, ids=repr)
def test_codecs(codec: dict[str, Any], offered: list[Codec], policy: CodecPolicy):
    plan = offer({"codec": codec}, offered=offered)
    assert (plan.policy, plan.warnings) == (policy, ())


MISSING = "there is no transcoding, and the offer has no {}: the call goes on in a codec both have"


@pytest.mark.parametrize(
    ("codec", "offered", "policy", "missing"),
    [
        ({"transcode": ["opus"]}, [PCMU, PCMA], CodecPolicy(), "opus"),
        # hiding what the source has in favour of what it has not would leave nothing in common
        ({"mask": ["PCMA"], "transcode": ["opus"]}, [PCMA, Codec("G729", 8000)], CodecPolicy(), "opus"),
        ({"mask": ["all"], "transcode": ["PCMU", "G729"]}, [OPUS, PCMU], CodecPolicy(only=frozenset({"PCMU"}), prefer=("PCMU",)), "G729"),
        ({"strip": ["G729"], "transcode": ["opus"]}, [PCMA], CodecPolicy(remove=frozenset({"G729"})), "opus"),
    ],
    ids=repr,
)
def test_codecs_to_transcode_to_are_kept_where_the_source_has_them(
    codec: dict[str, Any], offered: list[Codec], policy: CodecPolicy, missing: str
):
    plan = offer({"codec": codec}, offered=offered)
    assert plan.policy == policy
    assert plan.warnings == (MISSING.format(missing),)


def test_media_without_a_codec_is_allowed_when_asked():
    assert offer({"flags": ["allow no codec media"]}).policy.may_be_empty


BOTH = LegStyle(protocol=Protocol.SAVP, dtls=True)
"""What a peer with fingerprint and crypto lines under RTP/SAVP is taken for."""
ICE_PHONE = replace(PLAIN, ice=True)
MUXED_PHONE = replace(PHONE, rtcp_mux=True)
PREFERRED = ("AES_CM_128_HMAC_SHA1_32", "AEAD_AES_256_GCM", "AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_80")

ANSWERS: list[tuple[dict[str, Any], LegStyle, dict[str, Any], dict[str, Any]]] = [
    ({}, BROWSER, {}, {}),
    ({"transport-protocol": "accept"}, BROWSER, {}, {}),
    ({"transport-protocol": "UDP/TLS/RTP/SAVPF", "ICE": "force"}, BROWSER, {}, {}),
    ({"transport-protocol": "RTP/AVP"}, replace(PHONE, protocol=Protocol.AVPF), {}, {}),
    ({"DTLS": "passive"}, BROWSER, {}, {"setup": "passive"}),
    ({"DTLS": "active"}, BROWSER, {}, {"setup": "active"}),
    ({}, BROWSER, {"DTLS-reverse": "passive"}, {"setup": "passive"}),
    ({}, BROWSER, {"DTLS": "passive"}, {"setup": "passive"}),
    ({"DTLS": "active"}, BROWSER, {"DTLS-reverse": "passive"}, {"setup": "active"}),
    ({"DTLS-fingerprint": "sha-512"}, BROWSER, {}, {"fingerprint_hash": "sha-512"}),
    ({"ICE": "remove"}, ICE_PHONE, {}, {"refuse_ice": True}),
    ({}, ICE_PHONE, {"flags": ["reject ICE"]}, {"refuse_ice": True}),
    ({"ICE": "optional"}, ICE_PHONE, {}, {"ice_optional": True}),
    ({"ICE": "remove"}, PHONE, {}, {}),
    ({"DTLS": "off"}, BOTH, {}, {"refuse_dtls": True}),
    ({"SDES": "off"}, BOTH, {}, {"sdes": Sdes.OFF}),
    ({"SDES": ["prefer", "pad", "lifetime"]}, BOTH, {}, {"sdes_preferred": True, "sdes_pad": True, "sdes_lifetime": True}),
    ({}, BOTH, {"SDES": ["prefer"]}, {"sdes_preferred": True}),
    ({"SDES": "off"}, SDES_OPTIONAL, {}, {"sdes": Sdes.OFF}),
    ({}, SDES_MANDATORY, {}, {"sdes": Sdes.MANDATORY}),
    (
        {},
        SDES_MANDATORY,
        {"SDES": ["offerer_pref:AES_CM_128_HMAC_SHA1_32;NULL_HMAC_SHA1_80"]},
        {"sdes": Sdes.MANDATORY, "answer_suites": PREFERRED},
    ),
    ({"OSRTP": ["accept"]}, PHONE, {}, {"osrtp": True}),
    ({}, PHONE, {"OSRTP": ["accept-RFC"]}, {"osrtp": True}),
    ({"OSRTP": ["accept"]}, BROWSER, {}, {}),
    ({}, MUXED_PHONE, {"rtcp-mux": ["reject"]}, {"refuse_rtcp_mux": True}),
    ({"rtcp-mux": ["reject"]}, MUXED_PHONE, {}, {"refuse_rtcp_mux": True}),
    ({"rtcp-mux": ["reject"]}, BROWSER, {}, {}),
    ({"rtcp-mux": ["demux"]}, MUXED_PHONE, {}, {}),
]


@pytest.mark.parametrize(("keys", "offerer", "earlier", "expected"), ANSWERS, ids=repr)
def test_style_of_an_answer(keys: dict[str, Any], offerer: LegStyle, earlier: dict[str, Any], expected: dict[str, Any]):
    plan = answer(keys, target=offerer, offer=read(earlier))
    usual = replace(offerer, sdes=Sdes.OPTIONAL, trickle=offerer.webrtc)
    assert (differences(plan.to, usual), plan.warnings) == (expected, ())


@pytest.mark.parametrize(
    ("keys", "offerer", "warning"),
    [
        ({"ICE": "remove"}, BROWSER, "ICE=remove towards an offerer with ICE and DTLS is ignored: a browser would refuse the answer"),
        (
            {"transport-protocol": "RTP/AVP"},
            BROWSER,
            "transport-protocol RTP/AVP in an answer: the offer had UDP/TLS/RTP/SAVPF, which stays",
        ),
        ({"DTLS": "off"}, BROWSER, "DTLS=off towards an offerer that has nothing else is ignored"),
        ({"SDES": "off"}, SDES_MANDATORY, "SDES=off towards an offerer that has nothing else is ignored"),
    ],
)
def test_in_answers_the_offer_decides(keys: dict[str, Any], offerer: LegStyle, warning: str):
    plan = answer(keys, target=offerer)
    usual = answer({}, target=offerer).to
    assert (plan.to, plan.warnings) == (usual, (warning,))


def test_an_answer_keeps_the_codec_policy_of_the_offer():
    agreed = CodecPolicy(only=frozenset({"PCMU"}))
    assert answer({}, agreed=agreed).policy == agreed
    assert answer({"flags": ["single codec"]}, agreed=agreed).policy == replace(agreed, single=True)
    assert answer({"codec": {"strip": ["PCMU"]}}, agreed=agreed).policy == agreed
