from __future__ import annotations

from boringsdp.ice.candidate import foundation, local_preferences, priority
from boringsdp.ice.lite import LiteResponder
from boringsdp.ice.stun import Attribute, parse_error_code, parse_stun
from tests.support.media_peer import ice_check

HERE = ("192.0.2.1", 4000)


def responder() -> LiteResponder:
    return LiteResponder("ufrag", "password-of-22-letters")


def judge(core: LiteResponder, ufrag: str = "ufrag", password: str = "password-of-22-letters", **options: bool) -> tuple[bool, bool, bool]:
    checked = core.receive(parse_stun(ice_check(ufrag, password, **options)), HERE)
    return checked.valid, checked.nominated, checked.restarted


def test_a_good_check() -> None:
    assert judge(responder()) == (True, False, False)
    assert judge(responder(), use_candidate=True) == (True, True, False)


def test_bad_checks_are_answered_with_an_error() -> None:
    assert judge(responder(), password="wrong") == (False, False, False)
    checked = responder().receive(parse_stun(ice_check("ufrag", "password-of-22-letters", controlled=True)), HERE)
    reply = parse_stun(checked.reply)
    assert parse_error_code(reply.attributes[Attribute.ERROR_CODE]) == 487
    assert reply.verify(b"password-of-22-letters")


def test_a_restart_takes_both_until_the_new_is_used() -> None:
    core = responder()
    assert core.restart("fresh", "another-password-here!") is None
    assert judge(core) == (True, False, False)
    assert judge(core, "fresh", "another-password-here!") == (True, False, True)
    assert judge(core, "fresh", "another-password-here!") == (True, False, False)
    assert core.credentials == {"fresh": "another-password-here!"}
    assert not judge(core)[0]


def test_a_fingerprint_is_echoed_not_imposed_on_errors() -> None:
    for fingerprint in (True, False):
        request = ice_check("ufrag", "wrong", fingerprint=fingerprint)
        reply = parse_stun(responder().receive(parse_stun(request), HERE).reply)
        assert (Attribute.FINGERPRINT in reply.attributes) is fingerprint
        assert len(reply.data) <= len(request)


def test_candidate_arithmetic() -> None:
    assert priority("host") == 2130706431
    assert priority("srflx", 100, 2) == (100 << 24) + (100 << 8) + 254
    assert local_preferences(["192.0.2.1", "2001:db8::1", "192.0.2.2"]) == [65534, 65535, 65533]
    assert foundation("host", "192.0.2.1") == foundation("host", "192.0.2.1") != foundation("host", "192.0.2.2")
