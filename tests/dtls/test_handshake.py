"""dtls/handshake.py: both roles, early hellos, fragments, lost flights, wrong certificates, endings."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import SSL

from boringsdp.dtls import Association, Ended, Established, Failed, Identity, Transmit, usable_fingerprints
from boringsdp.dtls.handshake import MTU, State, pack_records
from boringsdp.errors import DtlsError
from boringsdp.rtp.keys import Profile

OURS, THEIRS = Identity(), Identity()
EXPECTED = usable_fingerprints([THEIRS.fingerprint])
OUR_PRINT = usable_fingerprints([OURS.fingerprint])


class Pair:
    """Two associations joined by a network that `lose` may take datagrams from; `step` runs until nothing moves."""

    def __init__(self, one: Association, two: Association, lose: Callable[[bytes], bool] = lambda _: False) -> None:
        self.ends = (one, two)
        self.news: tuple[list[object], list[object]] = ([], [])
        self.sent: tuple[list[bytes], list[bytes]] = ([], [])
        self.wire: deque[tuple[int, bytes]] = deque()
        self.lose = lose

    def run(self, end: int, actions: list[object]) -> None:
        for action in actions:
            if isinstance(action, Transmit):
                self.sent[end].append(action.datagram)
                if not self.lose(action.datagram):
                    self.wire.append((1 - end, action.datagram))
            else:
                self.news[end].append(action)

    def step(self, now: float = 0.0) -> None:
        while self.wire:
            end, datagram = self.wire.popleft()
            self.run(end, list(self.ends[end].receive(datagram, now)))

    def start(self, now: float = 0.0) -> None:
        for end in (0, 1):
            self.run(end, list(self.ends[end].start(now)))
        self.step(now)


def joined(*, we_are_client: bool, theirs: Identity = THEIRS) -> Pair:
    us, them = Association(OURS, client=we_are_client), Association(theirs, client=not we_are_client)
    us.expect(usable_fingerprints([theirs.fingerprint]), 0.0)
    them.expect(OUR_PRINT, 0.0)
    pair = Pair(us, them)
    pair.start()
    return pair


@pytest.mark.parametrize("we_are_client", [True, False])
def test_both_roles_export_matching_keys(we_are_client: bool) -> None:
    pair = joined(we_are_client=we_are_client)
    (us,), (them,) = pair.news
    assert isinstance(us, Established)
    assert isinstance(them, Established)
    assert (us.send, us.receive) == (them.receive, them.send)
    assert us.send.profile is Profile.AEAD_AES_256_GCM
    assert (len(us.send.key), len(us.send.salt)) == (32, 12)
    assert us.send != us.receive
    assert us.send.key.hex() not in repr(us)


@pytest.mark.parametrize("we_are_client", [True, False])
def test_a_peer_with_an_rsa_certificate(we_are_client: bool) -> None:
    pair = joined(we_are_client=we_are_client, theirs=Identity(rsa.generate_private_key(65537, 2048)))
    assert [type(news) for news in pair.news[0]] == [Established]
    assert all(len(datagram) <= MTU for datagrams in pair.sent for datagram in datagrams)


def test_keys_are_held_until_the_fingerprint_is_known() -> None:
    us, them = Association(OURS, client=False), Association(THEIRS, client=True)
    them.expect(OUR_PRINT, 0.0)
    pair = Pair(us, them)
    pair.start()
    assert us.state is State.HELD
    assert pair.news[0] == []
    assert [type(action) for action in us.expect(EXPECTED, 5.0)] == [Established]
    assert us.expect(EXPECTED, 6.0) == []


@pytest.mark.parametrize("early", [True, False])
def test_a_wrong_certificate_fails_and_says_goodbye(early: bool) -> None:
    us, them = Association(OURS, client=False), Association(THEIRS, client=True)
    them.expect(OUR_PRINT, 0.0)
    pair = Pair(us, them)
    if early:
        us.expect(OUR_PRINT, 0.0)
    pair.start()
    if not early:
        pair.run(0, list(us.expect(OUR_PRINT, 0.0)))
    pair.step()
    assert pair.news[0] == [Failed("fingerprint")]
    assert isinstance(pair.news[1][-1], Ended)
    assert us.receive(b"\x16" * 100, 1.0) == []
    assert us.deadline() is None


def test_one_of_several_fingerprints_is_enough() -> None:
    us, them = Association(OURS, client=True), Association(THEIRS, client=False)
    them.expect(OUR_PRINT, 0.0)
    name, value = THEIRS.fingerprint
    us.expect(usable_fingerprints([("sha-1", "00:11"), ("SHA-512", "AB:CD"), (name.upper(), value.lower())]), 0.0)
    pair = Pair(us, them)
    pair.start()
    assert [type(news) for news in pair.news[0]] == [Established]


def test_weak_hashes_alone_are_refused() -> None:
    with pytest.raises(DtlsError):
        usable_fingerprints([("sha-1", "00:11"), ("md5", "22")])
    with pytest.raises(DtlsError):
        usable_fingerprints([])


def fragments(record: bytes, at: int) -> list[bytes]:
    """Cut the handshake message of a record into two records at octet `at`; the second takes a record number not used again soon."""
    header, message, body = record[:13], record[13:25], record[25:]
    cut = []
    for number, start, part in ((0, 0, body[:at]), (40, at, body[at:])):
        piece = message[:6] + start.to_bytes(3, "big") + len(part).to_bytes(3, "big") + part
        cut.append(header[:5] + number.to_bytes(6, "big") + len(piece).to_bytes(2, "big") + piece)
    return cut


@pytest.mark.parametrize("backwards", [False, True])
def test_a_client_hello_in_two_datagrams(backwards: bool) -> None:
    us, them = Association(OURS, client=False), Association(THEIRS, client=True)
    pair = Pair(us, them)
    us.expect(EXPECTED, 0.0)
    them.expect(OUR_PRINT, 0.0)
    [hello] = [action.datagram for action in them.start(0.0) if isinstance(action, Transmit)]
    parts = fragments(hello, 100)
    for part in reversed(parts) if backwards else parts:
        pair.run(0, list(us.receive(part, 0.0)))
    pair.step()
    assert [type(news) for news in pair.news[0]] == [Established]


@pytest.mark.parametrize("we_are_client", [True, False])
@pytest.mark.parametrize("lost", [{0}, {1}, {0, 1}, {1, 2}, {2}, {1, 3}])
def test_lost_flights_are_sent_again_soon(we_are_client: bool, lost: set[int]) -> None:
    us, them = Association(OURS, client=we_are_client), Association(THEIRS, client=not we_are_client)
    us.expect(EXPECTED, 0.0)
    them.expect(OUR_PRINT, 0.0)
    count = itertools.count()
    pair = Pair(us, them, lose=lambda _: next(count) in lost)
    pair.start(0.0)
    while not all(end.state is State.ESTABLISHED for end in pair.ends):
        due = [end.deadline() for end in pair.ends]
        now = min(at for at in due if at is not None)
        assert now < 1.0, "left to OpenSSL's slow timer"
        for end in (0, 1):
            pair.run(end, list(pair.ends[end].tick(now)))
        pair.step(now)
    assert [type(news) for news in pair.news[0] + pair.news[1]] == [Established, Established]


def test_a_flight_lost_thrice_is_sent_again_by_openssl() -> None:
    """OpenSSL keeps its own clock, so this one test waits for its first retransmission, a second."""
    lost = iter([True] * 3)
    us, them = Association(OURS, client=True), Association(THEIRS, client=False)
    us.expect(EXPECTED, 0.0)
    them.expect(OUR_PRINT, 0.0)
    pair = Pair(us, them, lose=lambda _: next(lost, False))
    pair.start(time.monotonic())
    assert pair.news == ([], [])
    for _ in range(3):
        assert us.deadline() is not None
        time.sleep(max(0.0, (us.deadline() or 0.0) - time.monotonic()) + 0.02)
        pair.run(0, list(us.tick(time.monotonic())))
    pair.step(time.monotonic())
    assert [type(news) for news in pair.news[0] + pair.news[1]] == [Established, Established]


@pytest.mark.parametrize("client", [True, False])
def test_gives_up_after_twenty_seconds(client: bool) -> None:
    us = Association(OURS, client=client)
    hello = Association(THEIRS, client=True).start(0.0)[0]
    assert isinstance(hello, Transmit)
    us.start(0.0)
    if not client:
        assert us.deadline() is None
        us.receive(hello.datagram, 0.0)
    last, actions = 0.0, us.tick(0.0)
    for _ in range(100):
        if (now := us.deadline()) is None:
            break
        last, actions = now, us.tick(now)
    assert (last, actions) == (20.0, [Failed("dtls-timeout")])


@pytest.mark.parametrize("we_are_client", [True, False])
def test_close_notify_both_ways(we_are_client: bool) -> None:
    for closer in (0, 1):
        pair = joined(we_are_client=we_are_client)
        assert all(end._connection is None and end.deadline() is None for end in pair.ends)
        pair.run(closer, list(pair.ends[closer].close(40.0)))
        pair.step(40.0)
        assert pair.news[1 - closer][1:] == [Ended()]
        assert all(end.state is State.DEAD and end.deadline() is None for end in pair.ends)


@pytest.mark.parametrize("suite", ["ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-SHA256"])
def test_close_notify_under_other_suites(suite: str) -> None:
    theirs = Identity()
    theirs.context.set_cipher_list(suite.encode())
    pair = joined(we_are_client=False, theirs=theirs)
    assert (pair.ends[0]._connection is None) == ("SHA256" not in suite)
    pair.run(1, list(pair.ends[1].close(40.0)))
    pair.step(40.0)
    assert pair.news[0][1:] == [Ended()]


def test_a_forged_alert_does_not_end_it() -> None:
    pair = joined(we_are_client=False)
    us = pair.ends[0]
    forged = b"\x15\xfe\xfd\x00\x01\x00\x00\x00\x00\x00\x09\x00\x1a" + bytes(26)
    for datagram in (forged, b"\x15\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x09\x00\x02\x01\x00", forged[:20], b"\x15"):
        assert us.receive(datagram, 31.0) == []
    assert us.state is State.ESTABLISHED


def test_no_profile_in_common() -> None:
    theirs = Identity()
    theirs.context.set_tlsext_use_srtp(b"SRTP_AES128_CM_SHA1_32")
    pair = joined(we_are_client=False, theirs=theirs)
    assert pair.news[0] == [Failed("dtls-error")]


def test_the_server_chooses_the_profile() -> None:
    theirs = Identity()
    theirs.context.set_tlsext_use_srtp(b"SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_128_GCM")
    pair = joined(we_are_client=False, theirs=theirs)
    [us] = pair.news[0]
    assert isinstance(us, Established)
    assert us.send.profile is Profile.AEAD_AES_128_GCM
    theirs = Identity()
    theirs.context.set_tlsext_use_srtp(b"SRTP_AES128_CM_SHA1_80")
    (us,) = joined(we_are_client=False, theirs=theirs).news[0]
    assert isinstance(us, Established)
    assert (us.send.profile, len(us.send.key), len(us.send.salt)) == (Profile.AES128_CM_SHA1_80, 16, 14)


def test_dtls_1_0_is_refused() -> None:
    theirs = Identity()
    theirs.context.set_min_proto_version(0xFEFF)
    theirs.context.set_max_proto_version(0xFEFF)
    theirs.context.set_cipher_list(b"ALL:@SECLEVEL=0")
    us, them = Association(OURS, client=False), Association(theirs, client=True)
    try:
        hello = [action for action in them.start(0.0) if isinstance(action, Transmit)]
    except SSL.Error:
        hello = []
    for action in hello:
        assert Failed("dtls-error") in us.receive(action.datagram, 0.0)


def test_a_retransmitted_last_flight_of_the_client_is_answered_again() -> None:
    """The peer missed our last flight, and sends its own once more (it is the server's turn to repeat)."""
    us, them = Association(OURS, client=False), Association(THEIRS, client=True)
    us.expect(EXPECTED, 0.0)
    them.expect(OUR_PRINT, 0.0)
    held = [False]
    pair = Pair(us, them, lose=lambda _: held[0])
    for action in them.start(0.0):
        pair.run(1, [action])
    end, hello = pair.wire.popleft()
    pair.run(end, list(us.receive(hello, 0.0)))
    while pair.wire and pair.wire[0][0] == 1:
        end, datagram = pair.wire.popleft()
        pair.run(1, list(them.receive(datagram, 0.0)))
    held[0] = True  # our last flight is lost
    pair.step()
    assert us.state is State.ESTABLISHED
    assert them.state is State.HANDSHAKING
    held[0] = False
    pair.run(1, list(them.tick(them.deadline() or 0.0)))
    pair.step(0.2)
    assert pair.news[1] == [them_established(pair)]


def test_only_a_repeated_finished_has_our_last_flight_sent_again() -> None:
    pair = joined(we_are_client=False)
    us, (*_, last) = pair.ends[0], pair.sent[0]
    finished = pair.sent[1][-1]
    assert us.receive(finished, 1.0) == us.receive(finished, 2.0) == [Transmit(last)]
    assert us.receive(pair.sent[1][0], 3.0) == us.receive(b"\x16\xfe\xfd\0", 3.0) == us.receive(b"\x17" + finished[1:14], 3.0) == []
    client = joined(we_are_client=True)
    assert client.ends[0].receive(client.sent[1][-1], 1.0) == []


def them_established(pair: Pair) -> object:
    assert isinstance(pair.news[1][0], Established)
    return pair.news[1][0]


def test_records_are_packed_whole() -> None:
    def record(size: int) -> bytes:
        return b"\x16\xfe\xfd" + bytes(8) + size.to_bytes(2, "big") + bytes(size)

    written = record(600) + record(500) + record(300) + record(1187)
    assert [len(datagram) for datagram in pack_records(written)] == [613 + 513, 313, 1200]


def mutations() -> Iterator[bytes]:
    pair = joined(we_are_client=False)
    yield from pair.sent[1]


FLIGHTS = list(mutations())


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(FLIGHTS), st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=6), st.integers(0, 2000))
def test_whatever_comes_nothing_escapes(flight: bytes, edits: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(flight)
    for at, value in edits:
        data[at % len(data)] = value
    for us in (Association(OURS, client=False), joined(we_are_client=False).ends[0], joined(we_are_client=True).ends[0]):
        for datagram in (bytes(data), bytes(data[: cut % len(data)])):
            for action in us.receive(datagram, 1.0):
                assert isinstance(action, Transmit | Failed | Ended)
