"""What holds for every text that a proxy's relay makes from the other leg's."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boringsdp.errors import SdpError
from boringsdp.sdp import (
    DEFAULT_POLICY,
    PLAIN,
    THEIR_TEXT,
    WEBRTC,
    CodecPolicy,
    Description,
    LegMemory,
    LegStyle,
    OriginPart,
    Passing,
    Protocol,
    Sdes,
    accept_answer,
    accept_offer,
    describe,
    loop_marks,
    make_answer,
    make_offer,
    media_plans,
    needs_for_answer,
    needs_for_offer,
)
from tests.sdp.golden import Gateway
from tests.sdp.material import CAPTURED, TEXTS, mutated

KEYED = [
    {"sdes": Sdes.MANDATORY},
    {"dtls": True},
    {"dtls": True, "sdes": Sdes.MANDATORY},
    {"dtls": True, "sdes": Sdes.MANDATORY, "sdes_preferred": True},
]


@st.composite
def styles(draw: st.DrawFn) -> LegStyle:
    """Every way a leg can speak: profile, keying, ICE, rtcp-mux, BUNDLE."""
    protocol = draw(st.sampled_from(list(Protocol)))
    style = LegStyle(
        protocol=protocol,
        ice=draw(st.booleans()),
        ice_optional=draw(st.booleans()),
        rtcp_mux=draw(st.booleans()),
        rtcp_mux_only=draw(st.booleans()),
        mids=draw(st.booleans()),
        trickle=draw(st.booleans()),
        sdes_pad=draw(st.booleans()),
        sdes_lifetime=draw(st.booleans()),
    )
    style = replace(style, bundle=style.mids and style.rtcp_mux and draw(st.booleans()))
    if protocol.value.startswith("UDP/TLS/"):
        return replace(style, dtls=True)
    if protocol.secure:
        return replace(style, **draw(st.sampled_from(KEYED)))
    keys = draw(st.sampled_from([{}, {"sdes": Sdes.OPTIONAL}, {"dtls": True, "osrtp": True}]))
    return replace(style, **keys)


passings = st.builds(
    Passing,
    mirror=st.just(True),
    session_lines=st.booleans(),
    attributes=st.booleans(),
    origin=st.frozensets(st.sampled_from(list(OriginPart))),
    session_name=st.booleans(),
    zero_address=st.booleans(),
    original_direction=st.booleans(),
    rtcp_attribute=st.sampled_from(["needed", "always", "full", "never"]),
    extensions=st.sampled_from([(), THEIR_TEXT.extensions]),
    loop_mark=st.sampled_from(["", "0123456789ab"]),
)
thorough = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


def check_mirrored(text: str, source: Description) -> Description:
    """Assert what holds for every mirrored text, and return its view."""
    assert text.endswith("\r\n")
    assert "\n" not in text.replace("\r\n", "")
    description = describe(text)
    for media, theirs in zip(description.medias, source.medias, strict=True):
        assert media.kind == theirs.kind or (media.kind == "audio" and not media.port)
    mids = [media.mid for media in description.medias if media.mid]
    assert len(mids) == len(set(mids))
    for group in description.bundle:
        members = [media for media in description.medias if media.mid in group]
        assert len(members) == len(group)
        assert len({media.port for media in members}) == 1
    for section in text.split("\r\nm=")[1:]:
        first, *lines = section.split("\r\n")
        if first.split()[1] != "0" and first.split()[2] in [protocol.value for protocol in Protocol]:
            for line in lines:
                assert not line.endswith("/0") or not line.startswith("a=rtpmap:")
                if line.startswith(("a=rtpmap:", "a=fmtp:", "a=rtcp-fb:")):
                    assert line.partition(":")[2].split(" ")[0] in ("*", *first.split()[3:]), f"{line} is about nothing in {first}"
    for media in description.medias:
        if media.port and not media.raw:
            assert media.codecs
            assert bool(media.ufrag) == bool(media.password)
            assert media.protocol is not None
            if media.protocol.secure:
                assert media.fingerprints or media.cryptos
    return description


def offer(
    a: LegMemory, b: LegMemory, text: str, style: LegStyle | None, passing: Passing, policy: CodecPolicy = DEFAULT_POLICY
) -> tuple[LegMemory, LegMemory, str]:
    a = accept_offer(a, text)
    needs = needs_for_offer(b, style, a, policy, passing)
    written = make_offer(b, style, a, Gateway().locals_for("b", needs), policy, passing)
    return a, written.memory, written.text


def answered_by_us(text: str) -> str:
    """Another gateway of ours answers, as an endpoint."""
    peer = accept_offer(LegMemory(session_id=3), text, LegStyle(sdes=Sdes.OPTIONAL, osrtp=True))
    return make_answer(peer, None, Gateway().locals_for("a", needs_for_answer(peer, None))).text


@thorough
@given(mutated(), styles(), passings, st.booleans())
def test_every_translation_can_be_read(text: str, style: LegStyle, passing: Passing, may_be_empty: bool) -> None:
    policy = CodecPolicy(remove=frozenset({"all"}), keep=frozenset({"opus/48000", "VP8"}), may_be_empty=may_be_empty)
    try:
        a, b, sent = offer(LegMemory(session_id=1), LegMemory(session_id=2), text, style, passing, policy)
    except SdpError:
        return
    assert a.received is not None
    written = check_mirrored(sent, a.received)
    assert loop_marks(written) >= ({passing.loop_mark} if passing.loop_mark else set())
    assert LegMemory.from_record(a.to_record()) == a
    assert LegMemory.from_record(b.to_record()) == b


@thorough
@given(st.sampled_from(TEXTS), styles(), passings)
def test_whole_exchanges_in_every_style(text: str, style: LegStyle, passing: Passing) -> None:
    try:
        a, b, sent = offer(LegMemory(session_id=1), LegMemory(session_id=2), text, style, passing)
    except SdpError:
        return
    b = accept_answer(b, answered_by_us(sent))
    needs = needs_for_answer(a, b, passing=passing)
    answer = make_answer(a, b, Gateway().locals_for("a", needs), passing=passing)
    assert b.received is not None
    check_mirrored(answer.text, b.received)
    for plan in media_plans(b):
        if plan.accepted and not plan.raw:
            secure = plan.dtls or plan.local_crypto is not None
            assert secure or not plan.protocol.secure
            assert not plan.dtls or (plan.setup and plan.remote_fingerprints)
            assert plan.ice or plan.remote is not None or not style.ice
    again_a, again_b, again = offer(answer.memory, b, text, style, passing)
    assert again == sent or style.rtcp_mux or style.ice, "the same offer again is the same text"
    assert LegMemory.from_record(again_a.to_record()) == again_a
    assert LegMemory.from_record(again_b.to_record()) == again_b


TERMINATED = ("a=ssrc:", "a=rtcp-rsize", "a=rtcp-fb:", "a=zrtp-hash:", "a=crypto:", "a=ice-", "a=candidate:", "a=rtcp:", "a=rtcp-mux")
"""What a relay that ends RTCP, keys and ICE does not pass."""


@pytest.mark.parametrize("name", [name for name in CAPTURED if name.startswith(("baresip-offer", "linphone", "sipp-offer"))])
def test_plain_to_plain_changes_addresses_only(name: str) -> None:
    text = CAPTURED[name]
    source = describe(text)
    _, _, sent = offer(LegMemory(session_id=1), LegMemory(session_id=2), text, PLAIN, THEIR_TEXT)
    before = [line for line in text.split("\r\n") if not line.startswith(("c=", "m=", *TERMINATED, "a=setup", "a=fingerprint"))]
    after = [line for line in sent.split("\r\n") if not line.startswith(("c=", "m=", "a=rtcp-fb:"))]
    rest = iter(after)
    assert all(line in rest for line in before), "every other line stays, in its order"
    added = [line for line in after if line not in before]
    assert all(line == "a=sendrecv" or line.startswith("a=rtpmap:") for line in added), added
    for media, theirs in zip(describe(sent).medias, source.medias, strict=True):
        assert media.format_texts == theirs.format_texts


def test_a_mirror_of_nothing_is_an_error() -> None:
    with pytest.raises(SdpError):
        offer(LegMemory(session_id=1), LegMemory(session_id=2), "v=0\r\n", PLAIN, THEIR_TEXT)
    text = "v=0\r\nc=IN IP4 192.0.2.1\r\nm=video 4000 RTP/AVP 31\r\n"
    with pytest.raises(SdpError):
        offer(LegMemory(session_id=1), LegMemory(session_id=2), text, PLAIN, replace(THEIR_TEXT, remove_media=frozenset({"video"})))


@pytest.mark.parametrize("style", [PLAIN, WEBRTC], ids=["plain", "webrtc"])
@pytest.mark.parametrize(
    "text",
    [
        "v=0\r\n" + "a=x\r\n" * 1000 + "m=audio 1 RTP/AVP 0\r\n" + "a=rtpmap:96 x/8000\r\n" * 1000,
        "v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 1 RTP/AVP 0\r\n" + "a=rtcp-fb:* x\r\n" * 1000,
        "v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 1 RTP/AVP 0\r\n" + "a=extmap:1 x\r\n" * 1000,
        "v=0\r\n" + "m=image 1 udptl t38\r\n" * 64,
        "v=0\r\n" + "".join(f"m=audio 1 RTP/AVP {' '.join(map(str, range(96, 128)))}\r\na=mid:{n}\r\n" for n in range(64)),
        f"v=0\r\nc=IN IP4 192.0.2.1\r\nm=video 1 RTP/AVP {' '.join(str(n) for n in range(35, 128))}\r\n"
        + "".join(f"a=rtpmap:{n} H264/90000\r\na=fmtp:{n} {'x=1;' * 150}profile-level-id=00{n:02x}00\r\n" for n in range(35, 128)),
        "v=0\r\nc=IN IP4 192.0.2.1\r\n"
        + "".join(
            f"m=video 1 RTP/AVP {' '.join(str(n) for n in range(35, 128))}\r\n"
            + "".join(f"a=rtpmap:{n} c{n}/90000\r\n" for n in range(35, 128))
            for _ in range(25)
        ),
    ],
)
def test_hostile_texts_cost_little(text: str, style: LegStyle) -> None:
    policy = CodecPolicy(remove=frozenset(f"codec{n}/8000" for n in range(5000)), prefer=tuple(f"c{n}" for n in range(5000)))
    started = time.process_time()
    try:
        a, b, sent = offer(LegMemory(session_id=1), LegMemory(session_id=2), text, style, THEIR_TEXT, policy)
        accept_offer(a, text)
        assert sent == b.sent
    except SdpError:
        pass
    assert time.process_time() - started < 0.25
