"""sdp/describe.py: the typed view, checked by hand and against sdp-transform and aiortc as oracles."""

from __future__ import annotations

import pytest

from boringsdp.errors import SdpError
from boringsdp.sdp import (
    WEBRTC,
    Codec,
    Direction,
    Fingerprint,
    Format,
    Protocol,
    Sdes,
    classify,
    describe,
    difference,
    parse_candidate,
    parse_fingerprint,
    to_json,
)
from tests.sdp.material import CAPTURED

HEAD = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"


def test_session_level_values_are_the_default_of_every_m_line() -> None:
    text = HEAD + (
        "a=sendonly\r\na=ice-ufrag:0012\r\na=ice-pwd:pass\r\na=setup:active\r\na=fingerprint:SHA-256 ab:CD\r\na=extmap:3/recvonly urn:x\r\n"
        "m=audio 5 RTP/AVP 0\r\nm=video 6 RTP/AVP 34\r\nc=IN IP6 2001:db8::1\r\na=recvonly\r\na=ice-ufrag:own\r\n"
    )
    audio, video = describe(text).medias
    assert (audio.direction, video.direction) == (Direction.SENDONLY, Direction.RECVONLY)
    assert (audio.ufrag, video.ufrag, video.password) == ("0012", "own", "pass")
    assert audio.fingerprints == video.fingerprints == (Fingerprint("sha-256", "AB:CD"),)
    assert audio.extensions == (("urn:x", 3),)
    assert (audio.address, video.address) == (("192.0.2.1", 5), ("2001:db8::1", 6))
    assert (audio.rtcp, video.rtcp) == (("192.0.2.1", 6), ("2001:db8::1", 7))


def test_feedback_for_all_formats() -> None:
    media = describe(
        HEAD + "m=video 5 RTP/AVPF 34 96\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:* ccm fir\r\na=rtcp-fb:96 nack  pli\r\n"
    ).medias[0]
    assert media.formats == (
        Format(34, Codec("H263", 90000), "", ("ccm fir",)),
        Format(96, Codec("VP8", 90000), "", ("nack pli", "ccm fir")),
    )


@pytest.mark.parametrize(
    ("section", "direction"),
    [
        ("m=audio 5 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n", Direction.SENDONLY),
        ("m=audio 5 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\na=recvonly\r\n", Direction.INACTIVE),
        ("m=audio 9 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\n", Direction.SENDRECV),
        ("m=audio 0 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n", Direction.SENDRECV),
    ],
)
def test_hold_by_address_is_not_trickle(section: str, direction: Direction) -> None:
    assert describe(HEAD + section).medias[0].direction is direction


def test_bundle_only_with_port_0_is_no_rejection() -> None:
    description = describe(CAPTURED["firefox-offer-max-bundle"])
    audio, video = description.medias
    assert not video.rejected
    assert description.tagged(video) is audio


def test_what_cannot_be_read_is_ignored() -> None:
    media = describe(
        HEAD + "m=audio 5/2 RTP/AVP 0 96 97\r\na=rtpmap:96\r\na=rtpmap:97 x\r\na=ptime:inf\r\na=rtcp:x\r\na=candidate:?\r\n"
    ).medias[0]
    assert [f.payload_type for f in media.formats] == [0]
    assert (media.ptime_ms, media.rtcp, media.candidates) == (0, ("192.0.2.1", 6), ())


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("m=audio", "a kind, a port"),
        ("m=audio x RTP/AVP 0", "no port number"),
        ("m=audio 65536 RTP/AVP 0", "no port number"),
        ("m=audio 5 RTP/AVP 128", "no number from 0 to 127"),
        ("m=audio 5 RTP/AVP ٣", "no number from 0 to 127"),
        ("c=IN IP4", "c= needs"),
        ("c=IN IP4 /3", "no address"),
    ],
)
def test_what_cannot_be_served_names_the_line(line: str, reason: str) -> None:
    with pytest.raises(SdpError, match=reason) as caught:
        describe(f"v=0\r\ns=-\r\n{line}\r\n")
    assert (caught.value.line, caught.value.number) == (line, 3)


def test_two_m_lines_with_one_mid() -> None:
    with pytest.raises(SdpError, match="two m-lines"):
        describe(HEAD + "m=audio 5 RTP/AVP 0\r\na=mid:0\r\nm=audio 6 RTP/AVP 0\r\na=mid:0\r\n")


@pytest.mark.parametrize(
    ("name", "protocol", "sdes", "webrtc"),
    [
        ("chromium-offer-audio", Protocol.DTLS_SAVPF, Sdes.OFF, True),
        ("firefox-offer-audio-video-data", Protocol.DTLS_SAVPF, Sdes.OFF, True),
        ("aiortc-offer-data", Protocol.DTLS_SAVPF, Sdes.OFF, True),
        ("baresip-offer-plain", Protocol.AVP, Sdes.OFF, False),
        ("baresip-offer-ice", Protocol.AVP, Sdes.OFF, False),
        ("baresip-offer-sdes-optional", Protocol.AVP, Sdes.OPTIONAL, False),
        ("baresip-offer-sdes-avpf", Protocol.SAVPF, Sdes.MANDATORY, False),
        ("linphone-offer-sdes", Protocol.SAVP, Sdes.MANDATORY, False),
        ("linphone-offer-avpf", Protocol.AVPF, Sdes.OFF, False),
        ("linphone-offer-dtls", Protocol.DTLS_SAVP, Sdes.OFF, False),
        ("sipp-offer-uac", Protocol.AVP, Sdes.OFF, False),
    ],
)
def test_classification(name: str, protocol: Protocol, sdes: Sdes, webrtc: bool) -> None:
    style = classify(describe(CAPTURED[name]))
    assert (style.protocol, style.sdes, style.webrtc) == (protocol, sdes, webrtc)


def test_a_browser_speaks_webrtc() -> None:
    assert classify(describe(CAPTURED["chromium-offer-audio"])) == WEBRTC


def test_candidates() -> None:
    value = "0012 1 UDP 2122187007 b1f0.local 35699 typ host tcptype active generation 0"
    candidate = parse_candidate(f"a=candidate:{value}")
    assert candidate is not None
    assert (candidate.foundation, candidate.host, candidate.port, candidate.extensions) == (
        "0012",
        "b1f0.local",
        35699,
        "tcptype active generation 0",
    )
    assert str(candidate) == value
    assert parse_candidate("1 1 udp 1 h 65536 typ host") is None
    assert parse_candidate("1 1 udp 1 h 1 type host") is None


def test_fingerprints() -> None:
    assert parse_fingerprint("SHA-256 ab:01") == Fingerprint("sha-256", "AB:01")
    assert parse_fingerprint("sha-256 ab:1") is None
    assert parse_fingerprint("sha-256") is None


@pytest.mark.parametrize("name", CAPTURED)
def test_sdp_transform_sees_the_same(name: str) -> None:
    """An independent reader agrees on what matters; where it is known to be wrong (numbers that are text) it is not asked."""
    description, other = describe(CAPTURED[name]), to_json(CAPTURED[name])
    medias = other["media"]
    assert len(description.medias) == len(medias)
    for ours, theirs in zip(description.medias, medias, strict=True):
        assert (ours.kind, ours.port, ours.protocol_text) == (theirs["type"], theirs["port"], theirs["protocol"])
        assert ours.direction.value == theirs.get("direction", other.get("direction", "sendrecv"))
        assert ours.rtcp_mux == ("rtcpMux" in theirs)
        assert list(ours.candidate_values) == [] or len(ours.candidate_values) == len(theirs["candidates"])
        assert len(ours.cryptos) <= ours.crypto_lines == len(theirs.get("crypto", []))
        if ours.protocol is not None:
            named = {rtp["payload"]: (rtp["codec"].lower(), rtp["rate"]) for rtp in theirs["rtp"]}
            for f in ours.formats:
                assert named.get(f.payload_type, f.codec.key[:2]) == f.codec.key[:2]
        if ours.fingerprints:
            said = theirs.get("fingerprint") or other["fingerprint"]
            assert said["hash"].upper() == ours.fingerprints[-1].value


def test_json_of_what_is_no_sdp() -> None:
    with pytest.raises(SdpError):
        to_json("hello")


def test_difference_for_people() -> None:
    before = HEAD + "m=audio 5 RTP/AVP 0\r\na=sendrecv\r\n"
    assert difference(before, before.replace("sendrecv", "inactive"))[-2:] == ["- a=sendrecv", "+ a=inactive"]


@pytest.mark.parametrize(
    ("line", "raw"),
    [
        ("m=image 4000 udptl t38", True),
        ("m=image 4000 UDPTL t38", True),
        ("m=application 4000 UDP/BFCP *", True),
        ("m=image 4000 UDP/TLS/UDPTL t38", True),
        ("m=text 4000 RTP/AVP 98", True),
        ("m=text 4000 RTP/SAVP 98", False),
        ("m=audio 4000 RTP/AVP 0", False),
        ("m=audio 4000 UDP/TLS/RTP/SAVPF 0", False),
        ("m=application 4000 UDP/DTLS/SCTP webrtc-datachannel", False),
        ("m=application 4000 DTLS/SCTP 5000", False),
        ("m=message 4000 TCP/MSRP *", False),
        ("m=control 4000 TCP/TLS/MRCPv2 1", False),
        ("m=audio 4000 TCP/RTP/AVP 0", False),
    ],
)
def test_what_can_be_copied_unread(line: str, raw: bool) -> None:
    assert describe(f"v=0\r\nc=IN IP4 192.0.2.1\r\n{line}\r\n").medias[0].raw is raw


def test_a_hold_by_zero_address_keeps_what_was_written() -> None:
    media = describe("v=0\r\nc=IN IP4 0.0.0.0\r\nm=audio 4000 RTP/AVP 0\r\n").medias[0]
    assert (media.zero, media.direction, media.stated) == (True, Direction.SENDONLY, Direction.SENDRECV)
