"""Offers and answers of one dialog (RFC 3264, RFC 6337)."""

from __future__ import annotations

import pytest

from boringsdp.errors import WrongState
from boringsdp.sip.offer_answer import Meaning, OfferAnswer, Phase, same_sdp


def test_our_offer_in_invite_is_answered_by_a_binding_response_alone():
    talk = OfferAnswer(b"offer")
    assert talk.read_response(b"early", binding=False) is Meaning.PREVIEW
    assert talk.phase is Phase.OFFERED
    assert talk.read_response(None, binding=True) is Meaning.NONE
    assert talk.read_response(b"answer", binding=True) is Meaning.ANSWER
    assert (talk.local, talk.remote, talk.phase) == (b"offer", b"answer", Phase.AGREED)
    assert talk.read_response(b"answer", binding=True) is Meaning.REPEATED


def test_without_our_offer_the_binding_response_has_one():
    talk = OfferAnswer()
    assert talk.read_response(b"early", binding=False) is Meaning.NONE
    assert talk.read_response(b"offer", binding=True) is Meaning.OFFER
    assert talk.phase is Phase.ASKED
    assert talk.read_response(b"offer", binding=True) is Meaning.REPEATED
    talk.answer(b"answer")
    assert (talk.local, talk.remote) == (b"answer", b"offer")


def test_an_sdp_in_a_response_to_invite_is_no_answer_to_our_update():
    talk = OfferAnswer(b"offer")
    talk.read_response(b"answer", binding=True)
    talk.offer(b"update")
    assert talk.read_response(b"answer", binding=True) is Meaning.REPEATED
    assert talk.phase is Phase.OFFERED
    talk.answered(b"second")
    assert (talk.local, talk.remote) == (b"update", b"second")


def test_a_withdrawn_offer_leaves_what_held():
    talk = OfferAnswer(b"offer")
    talk.read_response(b"answer", binding=True)
    for begin in (lambda: talk.offer(b"new"), lambda: talk.offered(b"new")):
        begin()
        talk.withdraw()
        assert (talk.local, talk.remote, talk.phase) == (b"offer", b"answer", Phase.AGREED)


def test_one_offer_at_a_time():
    talk = OfferAnswer(b"offer")
    for wrong in (lambda: talk.offer(b"x"), lambda: talk.offered(b"x"), lambda: talk.answer(b"x")):
        with pytest.raises(WrongState):
            wrong()
    talk.answered(b"answer")
    with pytest.raises(WrongState):
        talk.answered(b"answer")


def test_a_preview_settles_only_what_invite_offered():
    talk = OfferAnswer(b"offer")
    assert talk.settle_by_preview() is None
    talk.read_response(b"early", binding=False)
    assert talk.settle_by_preview() == b"early"
    assert talk.remote == b"early"
    talk.offer(b"update")
    assert talk.settle_by_preview() is None


def test_the_same_sdp_in_other_line_ends_is_the_same():
    assert same_sdp(b"v=0\r\no=- 1 1\r\n", b"v=0\no=- 1 1\n")
    assert not same_sdp(b"v=0\r\no=- 1 1\r\n", b"v=0\r\no=- 1 2\r\n")
    assert not same_sdp(b"v=0\r\no=- 1 1\r\na=sendrecv\r\n", b"v=0\r\no=- 1 1\r\na=sendonly\r\n"), "though o= is the same"
    assert not same_sdp(None, None)
