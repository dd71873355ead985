"""Malformed input at every parser: its own error or a result in bounds, and nothing else."""

from __future__ import annotations

import pytest

from tests.fuzz import corpus, oracles
from tests.fuzz.campaign import cases, check_count, told
from tests.fuzz.mutations import mutate_octets, mutate_sdp, mutate_sdp_octets

pytestmark = pytest.mark.load


def test_sdp_is_read_or_refused() -> None:
    texts = corpus.sdps()
    for case in cases("sdp-read"):
        mutate = mutate_sdp if case.rng.random() < 0.8 else mutate_sdp_octets
        case.input = mutate(case.rng, case.rng.choice(texts), texts)
        took = False
        with told(case):
            took = oracles.read_sdp(case.input) is not None
        case.count(took=took)
    check_count("sdp-read", least_taken=0.2, most_taken=0.9)


def test_offers_go_through_or_are_refused() -> None:
    texts = corpus.sdps()
    for case in cases("sdp-offer"):
        case.input = mutate_sdp(case.rng, case.rng.choice(texts), texts)
        took = False
        with told(case):
            took = oracles.offer_through(case.input, case.rng.choice(oracles.STYLES)) is not None
        case.count(took=took)
    check_count("sdp-offer", least_taken=0.2, most_taken=0.9)


def test_answers_and_reoffers_go_through_or_are_refused() -> None:
    """Mutated answers to real exchanges, and mutated re-offers after them."""
    exchanges = []
    for text in corpus.sdps_named("offer", "ffmpeg"):
        for style in oracles.STYLES:
            begun = oracles.offer_through(text, style)
            if begun is not None:
                answer = oracles.answer_of(begun[2])
                agreed = oracles.answer_through(begun[0], begun[1], answer)
                assert agreed is not None
                exchanges.append((text, begun, answer, agreed))
    answers = tuple(answer for _, _, answer, _ in exchanges)
    for case in cases("sdp-answer"):
        offer, (asked, offered, _), answer, (ours, theirs) = case.rng.choice(exchanges)
        took = False
        with told(case):
            if case.rng.random() < 0.7:
                case.input = mutate_sdp(case.rng, answer, answers)
                took = oracles.answer_through(asked, offered, case.input) is not None
            else:
                case.input = mutate_sdp(case.rng, offer, answers)
                took = oracles.reoffer_through(ours, theirs, case.input)
        case.count(took=took)
    check_count("sdp-answer", least_taken=0.2, most_taken=0.9)


@pytest.mark.parametrize(
    ("target", "messages", "read"),
    [
        ("stun", corpus.stun_messages(), oracles.read_stun),
        ("rtp", corpus.rtp_packets(), oracles.read_rtp),
        ("rtcp", corpus.rtcp_compounds(), oracles.read_rtcp),
    ],
    ids=["stun", "rtp", "rtcp"],
)
def test_packets_are_read_or_refused(target, messages, read) -> None:
    for case in cases(target):
        case.input = mutate_octets(case.rng, case.rng.choice(messages), messages)
        if target == "stun" and len(case.input) >= 20 and case.rng.random() < 0.5:
            case.input = corpus.repaired(case.input)
        took = False
        with told(case):
            took = bool(read(case.input))
        case.count(took=took)
    check_count(target, least_taken=0.05, most_taken=0.95)
