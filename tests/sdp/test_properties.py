"""What holds for every SDP and every sequence of offers and answers."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from boringsdp.errors import SdpError, WrongState
from boringsdp.sdp import (
    PLAIN,
    PLAIN_FEEDBACK,
    SDES_MANDATORY,
    SDES_OPTIONAL,
    WEBRTC,
    CodecPolicy,
    LegMemory,
    LegStyle,
    MediaPlan,
    SessionDescription,
    accept_answer,
    accept_offer,
    describe,
    difference,
    linked,
    make_answer,
    make_offer,
    media_plans,
    needs_for_answer,
    needs_for_offer,
    parse_candidate,
    parse_crypto,
    parse_fingerprint,
    payload_type_map,
)
from tests.sdp.golden import Gateway
from tests.sdp.material import CAPTURED, TEXTS, check_sound, mutated

STYLES = [WEBRTC, PLAIN, PLAIN_FEEDBACK, SDES_OPTIONAL, SDES_MANDATORY]
NAMES = ["opus", "PCMU", "PCMA", "G722", "VP8", "H264", "telephone-event", "CN"]
policies = st.builds(
    CodecPolicy,
    prefer=st.lists(st.sampled_from(NAMES), max_size=3).map(tuple),
    remove=st.frozensets(st.sampled_from(NAMES), max_size=2),
    single=st.booleans(),
)
thorough = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


@thorough
@given(st.text() | st.binary() | mutated())
def test_every_text_parses_or_raises_its_own_error(text: str | bytes) -> None:
    try:
        description = describe(text)
    except SdpError:
        return
    assert description.style
    for media in description.medias:
        assert description.tagged(media)
        assert media.candidates is not None
        for f in media.formats:
            assert f.parameters is not None


@thorough
@given(mutated())
def test_the_line_model_gives_back_every_byte(text: str) -> None:
    try:
        model = SessionDescription.parse(text)
    except SdpError:
        return
    assert str(model) == text


@pytest.mark.parametrize("name", CAPTURED)
def test_captured_texts_come_back_byte_for_byte(name: str) -> None:
    assert str(SessionDescription.parse(CAPTURED[name])) == CAPTURED[name]
    assert describe(CAPTURED[name]).text == CAPTURED[name]


@thorough
@given(st.text(max_size=80))
def test_attribute_values_never_raise(value: str) -> None:
    parse_crypto(value)
    parse_crypto(f"1 AES_CM_128_HMAC_SHA1_80 inline:{value}")
    parse_candidate(value)
    parse_fingerprint(value)


@thorough
@given(mutated(), mutated())
def test_difference_of_any_two_texts(before: str, after: str) -> None:
    try:
        lines = difference(before, after)
    except SdpError:
        return
    assert [line[2:] for line in lines if line[0] != "+"] == [line.removesuffix("\r") for line in before.split("\n") if line.strip("\r")]


def offer_between(a: LegMemory, b: LegMemory, text: str, style: LegStyle | None, policy: CodecPolicy) -> tuple[LegMemory, LegMemory, str]:
    gateway = Gateway()
    a = accept_offer(a, text)
    needs = needs_for_offer(b, style, a, policy)
    written = make_offer(b, style, a, gateway.locals_for("b", needs), policy)
    return a, written.memory, written.text


def echo(leg: LegMemory, text: str, policy: CodecPolicy, party: str = "a") -> LegMemory:
    leg = accept_offer(leg, text)
    return make_answer(leg, None, Gateway().locals_for(party, needs_for_answer(leg, None, policy)), policy).memory


@thorough
@given(mutated(), st.sampled_from(STYLES), policies, policies)
def test_whatever_comes_in_what_we_write_is_sound(text: str, style: LegStyle, policy: CodecPolicy, other: CodecPolicy) -> None:
    """A whole exchange: the peer's answer is what this very code answers as an echo, so that both ends are exercised."""
    try:
        a, b, offer = offer_between(LegMemory(session_id=1), LegMemory(session_id=2), text, style, policy)
    except SdpError:
        return
    check_sound(offer)
    peer = echo(LegMemory(session_id=3), offer, other)
    check_sound(peer.sent)
    assert len(describe(peer.sent).medias) == len(describe(offer).medias)
    try:
        b = accept_answer(b, peer.sent)
    except SdpError:
        assume(False)  # the policies left nothing in common
    written = make_answer(a, b, Gateway().locals_for("a", needs_for_answer(a, b)))
    answer = check_sound(written.text)
    assert len(answer.medias) == len(describe(text).medias)
    check_plans(written.memory, b)
    check_plans(b, written.memory)
    assert LegMemory.from_record(json.loads(json.dumps(written.memory.to_record()))) == written.memory


def check_plans(leg: LegMemory, far: LegMemory) -> None:
    assert leg.received is not None
    sent, far_plans = describe(leg.sent), media_plans(far)
    for plan in media_plans(leg):
        if plan.accepted:
            check_plan(plan, far_plans[plan.counterpart] if plan.counterpart is not None else plan)
            numbers = {f.payload_type for f in sent.medias[plan.slot].formats}
            theirs = {f.payload_type for f in leg.received.medias[plan.slot].formats}
            assert {f.payload_type for f in plan.receive_formats} <= numbers | theirs
            assert {f.payload_type for f in plan.send_formats} <= theirs


def check_plan(plan: MediaPlan, target: MediaPlan) -> None:
    incoming = {f.payload_type: f for f in plan.receive_formats}
    outgoing = {f.payload_type: f for f in target.send_formats}
    mapped = payload_type_map(plan, target)
    for number, other in mapped.codecs.items():
        assert incoming[number].carries_over(outgoing[other]), "only equal codecs are mapped"
        assert not incoming[number].codec.is_event
    for number, clock in mapped.events.items():
        assert incoming[number].codec.is_event
        assert incoming[number].codec.clock_rate == clock
    assert (plan.local_crypto is None) == (plan.remote_crypto is None)
    if plan.dtls:
        assert plan.setup in ("active", "passive")
        assert plan.remote_fingerprints


@thorough
@given(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=6), st.sampled_from(STYLES), st.randoms(use_true_random=False))
def test_slots_versions_and_numbers_over_many_reoffers(texts: list[str], style: LegStyle, random: object) -> None:
    """Any sequence of offers to one leg: slots and mids stay, versions count changes, payload types keep their meaning."""
    a, b = LegMemory(session_id=1), LegMemory(session_id=2)
    for text in texts:
        try:
            a2, b2, offer = offer_between(a, b, text, style, CodecPolicy())
        except SdpError:
            continue
        description = check_sound(offer)
        assert b2.version == b.version + (offer != b.sent) if b.sent else b2.version == 1
        assert (offer == b.sent) == (b2.version == b.version)
        assert description.origin.version == str(b2.version)
        assert description.origin.session_id == "2"
        assert len(b2.slots) >= len(b.slots)
        for old, new in zip(b.slots, b2.slots, strict=False):
            if old.live and old.kind == new.kind:
                assert old.mid == new.mid
                for f in old.fixed:
                    same = [n for n in new.fixed if n.payload_type == f.payload_type]
                    assert all(n.same_codec(f) for n in same), "a payload type changed its meaning"
        peer = echo(LegMemory(session_id=3), offer, CodecPolicy())
        b2 = accept_answer(b2, peer.sent)
        a2 = make_answer(a2, b2, Gateway().locals_for("a", needs_for_answer(a2, b2))).memory
        check_sound(a2.sent)
        check_plans(a2, b2)
        check_plans(b2, a2)
        again = make_offer(b2, style, accept_offer(a2, text), Gateway().locals_for("b", needs_for_offer(b2, style, a2)))
        assert not again.changed, "the same offer again is the same text with the same version"
        a, b = a2, b2


@thorough
@given(st.sampled_from(TEXTS), st.sampled_from(STYLES))
def test_the_other_side_can_reoffer_what_it_answered(text: str, style: LegStyle) -> None:
    """The callee's peer turns its answer into a re-offer: the first leg keeps its slots, mids and numbers."""
    try:
        a, b, offer = offer_between(LegMemory(session_id=1), LegMemory(session_id=2), text, style, CodecPolicy())
    except SdpError:
        return
    peer = echo(LegMemory(session_id=3), offer, CodecPolicy())
    b = accept_answer(b, peer.sent)
    a = make_answer(a, b, Gateway().locals_for("a", needs_for_answer(a, b))).memory
    before = a
    reoffer = peer.sent.replace("a=setup:passive", "a=setup:actpass")
    b = accept_offer(b, reoffer)
    written = make_offer(a, None, b, Gateway().locals_for("a", needs_for_offer(a, None, b)))
    check_sound(written.text)
    assert [slot.mid for slot in written.memory.slots] == [slot.mid for slot in before.slots]
    for old, new in zip(before.slots, describe(written.text).medias, strict=True):
        assert old.live == bool(new.port)
        for f in new.formats:
            assert all(k.same_codec(f) for k in old.fixed if k.payload_type == f.payload_type)


def test_an_answer_before_an_offer_is_out_of_turn() -> None:
    leg = LegMemory(session_id=1)
    with pytest.raises(WrongState):
        accept_answer(leg, TEXTS[0])
    with pytest.raises(WrongState):
        make_answer(leg, None, {})
    with pytest.raises(WrongState):
        media_plans(leg)
    assert linked(leg, leg) == leg


@pytest.mark.parametrize(
    "text",
    [
        "v=0\r\n" + "a=x\r\n" * 1000 + "m=audio 1 RTP/AVP 0\r\n" + "a=rtpmap:96 x/8000\r\n" * 1000,
        "v=0\r\nm=audio 1 RTP/AVP " + " ".join(str(n % 128) for n in range(2000)) + "\r\n",
        "v=0\r\n" + "a=group:BUNDLE " + "a " * 4000 + "\r\n",
        "v=0\r\n" + "".join(f"m=audio 1 RTP/AVP {' '.join(map(str, range(96, 128)))}\r\na=mid:{n}\r\n" for n in range(64)),
        "v=0\r\n"
        + f"m=video 1 RTP/AVP {' '.join(str(n) for n in range(35, 128))}\r\nc=IN IP4 192.0.2.1\r\n"
        + "".join(f"a=rtpmap:{n} H264/90000\r\na=fmtp:{n} {'x=1;' * 150}profile-level-id=00{n:02x}00\r\n" for n in range(35, 128)),
        "v=0\r\nc=IN IP4 192.0.2.1\r\n"
        + "".join(
            f"m=video 1 RTP/AVP {' '.join(str(n) for n in range(35, 128))}\r\n"
            + "".join(f"a=rtpmap:{n} c{n}/90000\r\n" for n in range(35, 128))
            for _ in range(25)
        ),
        "v=0\n" * 16000,
        "v=0\n" + "\n" * 60000,
        "v=0\r\na=fingerprint:sha-256 " + "AB:" * 2000 + "\r\n",
        "v=0\r\nm=audio 1 RTP/AVP 0\r\n" + "a=fmtp:0 " + ";" * 8000 + "\r\n",
        "v=0\r\nm=audio 1 RTP/AVP 0\r\n" + ("a=fmtp:0 " + "x" * 50 + "\r\n") * 900,
    ],
)
def test_hostile_texts_cost_little(text: str) -> None:
    started = time.process_time()
    try:
        leg = echo(LegMemory(session_id=1), text, CodecPolicy())
        assert leg.sent
        offer_between(LegMemory(session_id=1), LegMemory(session_id=2), text, WEBRTC, CodecPolicy())
    except SdpError:
        pass
    assert time.process_time() - started < 0.25
