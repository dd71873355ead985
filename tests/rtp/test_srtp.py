from __future__ import annotations

import pylibsrtp
import pytest

from boringsdp.errors import SrtpError
from boringsdp.rtp import srtp
from boringsdp.rtp.keys import Keys, Profile
from boringsdp.rtp.packet import HEADER
from boringsdp.rtp.srtp import SrtpReceiver, SrtpSender
from tests.support.media_peer import fresh_keys

REPORT = bytes.fromhex("80c9000100001234")


def packet(sequence: int, payload: bytes = b"payload", ssrc: int = 5) -> bytes:
    return HEADER.pack(0x80, 0, sequence & 0xFFFF, sequence * 160 & 0xFFFFFFFF, ssrc) + payload


@pytest.mark.parametrize("profile", list(Profile))
def test_agrees_with_libsrtp(profile: Profile) -> None:
    keys = fresh_keys(profile)
    number = getattr(pylibsrtp.Policy, f"SRTP_PROFILE_{profile.name}")
    policy = pylibsrtp.Policy(key=keys.key + keys.salt, ssrc_type=pylibsrtp.Policy.SSRC_ANY_INBOUND, srtp_profile=number)
    session = pylibsrtp.Session(policy)
    sender = SrtpSender(keys)
    assert session.unprotect(sender.protect(packet(1))) == packet(1)
    assert session.unprotect_rtcp(sender.protect_rtcp(REPORT)) == REPORT


def test_the_public_interface_of_pylibsrtp_does_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another release of pylibsrtp may hide what the direct way uses."""
    monkeypatch.setattr(srtp, "_transform", lambda session, name, limit: srtp._public_transform(getattr(session, name), limit))
    keys = fresh_keys()
    sender, receiver = SrtpSender(keys), SrtpReceiver(keys)
    protected = sender.protect(packet(1))
    assert receiver.unprotect(protected) == packet(1)
    for data, reason in ((protected, "replayed"), (protected[:-1] + b"x", "replayed"), (b"\x80", "malformed"), (bytes(1600), "too_long")):
        with pytest.raises(SrtpError, match=reason):
            receiver.unprotect(data)
    with pytest.raises(SrtpError, match="too_long"):
        sender.protect(packet(2, bytes(1345)))


def test_names_what_was_wrong() -> None:
    keys = fresh_keys()
    sender, receiver = SrtpSender(keys), SrtpReceiver(keys)
    good = sender.protect(packet(2000))
    broken = sender.protect(packet(2001))
    with pytest.raises(SrtpError, match="unverified"):
        receiver.unprotect(broken[:-1] + bytes((broken[-1] ^ 1,)))
    receiver.unprotect(good)
    old = packet(100) + bytes(16)
    for data, reason in ((good, "replayed"), (old, "replayed"), (b"\x80\x00" + bytes(3), "malformed"), (bytes(1501), "too_long")):
        with pytest.raises(SrtpError, match=reason):
            receiver.unprotect(data)


@pytest.mark.parametrize("profile", list(Profile))
def test_the_mki_stands_where_it_belongs(profile: Profile) -> None:
    """RFC 3711 §3.1: before the authentication tag; GCM has no tag of its own, so last (RFC 7714)."""
    plain_keys = fresh_keys(profile)
    keys = Keys(profile, plain_keys.key, plain_keys.salt, b"MKI!")
    with_mki, without = SrtpSender(keys).protect(packet(1)), SrtpSender(plain_keys).protect(packet(1))
    tag = {Profile.AES128_CM_SHA1_80: 10, Profile.AES128_CM_SHA1_32: 4}.get(profile, 0)
    end = len(without) - tag
    assert with_mki == without[:end] + b"MKI!" + without[end:]
    receiver = SrtpReceiver(keys)
    assert receiver.unprotect(with_mki) == packet(1)
    with pytest.raises(SrtpError, match="unverified"):
        receiver.unprotect(without)


def test_fast_forward_reaches_any_rollover() -> None:
    keys = fresh_keys()
    index = 66 * 65536 + 1234
    sender = SrtpSender(fresh_keys())
    sender.rekey(keys, {5: index})
    receiver = SrtpReceiver(keys, {5: index})
    assert receiver.unprotect(sender.protect(packet(index + 1))) == packet(index + 1)
    with pytest.raises(SrtpError):
        SrtpReceiver(keys).unprotect(sender.protect(packet(index + 2)))


def test_old_keys_expire() -> None:
    one, two = fresh_keys(), fresh_keys()
    old = SrtpSender(one)
    receiver = SrtpReceiver(one)
    receiver.unprotect(old.protect(packet(1)))
    receiver.rekey(two, {}, now=100.0)
    receiver.unprotect(old.protect(packet(2)))
    assert receiver.unprotect_rtcp(old.protect_rtcp(REPORT)) == REPORT
    receiver.tick(now=109.0)
    receiver.unprotect(old.protect(packet(3)))
    receiver.tick(now=110.0)
    with pytest.raises(SrtpError, match="unverified"):
        receiver.unprotect(old.protect(packet(4)))
    assert receiver.unprotect(SrtpSender(two).protect(packet(5))) == packet(5)


def test_nothing_is_taken_twice_while_the_rollover_counter_is_in_doubt() -> None:
    keys, index = fresh_keys(), 3 * 65536 + 7
    receiver, sender = SrtpReceiver(fresh_keys()), SrtpSender(fresh_keys())
    sender.rekey(keys, {5: index})
    receiver.rekey(keys, {5: index}, now=100.0)
    report = sender.protect_rtcp(REPORT)
    assert receiver.unprotect_rtcp(report) == REPORT
    with pytest.raises(SrtpError, match="replayed"):
        receiver.unprotect_rtcp(report)
    other = sender.protect(HEADER.pack(0x80, 0, 1, 0, 6))
    assert receiver.unprotect(other)
    with pytest.raises(SrtpError, match="replayed"):
        receiver.unprotect(other)
    assert receiver.unprotect(sender.protect(packet(index + 1))) == packet(index + 1)
    with pytest.raises(SrtpError, match="replayed"):
        receiver.unprotect_rtcp(report)


def test_a_session_in_doubt_ends_with_the_next_keys() -> None:
    receiver, one, two, index = SrtpReceiver(fresh_keys()), fresh_keys(), fresh_keys(), 3 * 65536 + 7
    receiver.rekey(one, {5: index}, now=100.0)
    old = SrtpSender(one).protect(packet(1, ssrc=6))
    assert receiver.unprotect(old)
    receiver.rekey(two, {5: index}, now=200.0)
    for now in (201.0, 300.0):
        with pytest.raises(SrtpError):
            receiver.unprotect(old)
        receiver.tick(now)
    assert receiver.keys == two
    assert receiver.unprotect(SrtpSender(two).protect(packet(2))) == packet(2)


def test_keys_are_not_shown() -> None:
    keys = Keys(Profile.AEAD_AES_128_GCM, b"K" * 16, b"S" * 12, b"M")
    assert "K" * 4 not in repr(keys)
    assert "S" * 4 not in repr(keys)


def test_unfit_lengths() -> None:
    with pytest.raises(ValueError):
        SrtpSender(Keys(Profile.AES128_CM_SHA1_80, bytes(16), bytes(12)))


def test_keys_that_are_long_spent_are_refused() -> None:
    first = fresh_keys()
    sender = SrtpSender(first)
    for _ in range(srtp.MAX_FORMER_SENDERS + 1):
        sender.rekey(fresh_keys(), {})
    with pytest.raises(ValueError, match="used before"):
        sender.rekey(first, {})
