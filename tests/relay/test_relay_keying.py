"""relay/keying.py: paths, early hellos, roles, re-offers and every wait that must end."""

from __future__ import annotations

from collections import deque

import pytest

from boringsdp.dtls import Action, Association, Ended, Established, Failed, Identity, Transmit, usable_fingerprints
from boringsdp.relay.keying import HalfOpen, Keying

OURS, THEIRS, OTHERS = Identity(), Identity(), Identity()
EXPECTED = usable_fingerprints([THEIRS.fingerprint])
OUR_PRINT = usable_fingerprints([OURS.fingerprint])
REMOTE = ("192.0.2.1", 9000)


class Bench:
    def __init__(self, half_open: HalfOpen | None = None) -> None:
        self.half_open = half_open or HalfOpen(10, 5)
        self.us = Keying(OURS, self.half_open, ice_timeout=30.0, dtls_timeout=20.0)
        self.them: Association | None = None
        self.news: list[Action] = []
        self.wire: deque[tuple[bool, bytes]] = deque()

    def take(self, actions: list[Action], ours: bool = True) -> None:
        for action in actions:
            if isinstance(action, Transmit):
                self.wire.append((ours, action.datagram))
            elif ours:
                self.news.append(action)

    def peer(self, *, client: bool, identity: Identity = THEIRS) -> None:
        self.them = Association(identity, client=client)
        self.them.expect(OUR_PRINT, 0.0)
        self.take(self.them.start(0.0), ours=False)

    def step(self, now: float = 0.0) -> None:
        while self.wire:
            ours, datagram = self.wire.popleft()
            if not ours:
                self.take(self.us.receive(datagram, now))
            elif self.them is not None:
                self.take(self.them.receive(datagram, now), ours=False)

    def run_out(self) -> list[tuple[float, Action]]:
        out: list[tuple[float, Action]] = []
        for _ in range(100):
            due = self.us.deadline()
            if due is None:
                break
            out += [(due, action) for action in self.us.tick(due) if not isinstance(action, Transmit)]
        return out

    def established(self) -> bool:
        return [type(news) for news in self.news] == [Established]


@pytest.mark.parametrize("path_first", [True, False])
def test_as_client(path_first: bool) -> None:
    bench = Bench()
    bench.peer(client=False)
    if path_first:
        bench.take(bench.us.path(REMOTE, 0.0))
    bench.take(bench.us.start(EXPECTED, client=True, now=0.0))
    if not path_first:
        assert not bench.wire
        bench.take(bench.us.path(REMOTE, 1.0))
    bench.step()
    assert bench.established()
    assert bench.us.established
    assert bench.half_open.count == 0


def test_as_server_with_an_early_hello() -> None:
    bench = Bench()
    bench.take(bench.us.path(REMOTE, 0.0))
    bench.peer(client=True)
    bench.step()
    assert bench.news == []
    assert bench.half_open.count == 1
    bench.take(bench.us.start(EXPECTED, client=False, now=5.0))
    assert bench.established()
    assert bench.half_open.count == 0
    assert bench.us.start(EXPECTED, client=False, now=6.0) == []


def test_an_early_hello_of_a_stranger_fails_once_the_fingerprint_is_known() -> None:
    bench = Bench()
    bench.take(bench.us.path(REMOTE, 0.0))
    bench.peer(client=True, identity=OTHERS)
    bench.step()
    bench.take(bench.us.start(EXPECTED, client=False, now=5.0))
    assert bench.news == [Failed("fingerprint")]
    assert bench.half_open.count == 0
    assert bench.us.deadline() is None


def test_an_early_hello_that_comes_to_nothing_is_nobodys_business() -> None:
    bench = Bench()
    bench.take(bench.us.path(REMOTE, 0.0))
    lone = Association(OTHERS, client=True).start(0.0)[0]
    assert isinstance(lone, Transmit)
    bench.us.receive(lone.datagram, 0.0)
    assert bench.run_out() == []
    assert bench.half_open.count == 0
    bench.peer(client=True)
    bench.step(30.0)
    bench.take(bench.us.start(EXPECTED, client=False, now=31.0))
    assert bench.established()


def test_the_early_server_gives_way_when_we_shall_be_client() -> None:
    bench = Bench()
    bench.take(bench.us.path(REMOTE, 0.0))
    bench.peer(client=True)
    bench.step()
    bench.peer(client=False)
    bench.wire.clear()
    bench.take(bench.us.start(EXPECTED, client=True, now=1.0))
    bench.step()
    assert bench.established()


def test_a_new_fingerprint_is_a_new_association() -> None:
    bench = Bench()
    bench.take(bench.us.path(REMOTE, 0.0))
    bench.take(bench.us.start(EXPECTED, client=False, now=0.0))
    bench.peer(client=True)
    bench.step()
    assert bench.established()
    bench.take(bench.us.start(usable_fingerprints([OTHERS.fingerprint]), client=False, now=1.0))
    assert not bench.us.established
    bench.peer(client=True, identity=OTHERS)
    bench.step()
    assert [type(news) for news in bench.news] == [Established, Established]


def test_no_path_ends() -> None:
    bench = Bench()
    bench.us.start(EXPECTED, client=True, now=0.0)
    assert bench.run_out() == [(30.0, Failed("ice-failed"))]


@pytest.mark.parametrize("client", [True, False])
def test_no_handshake_ends(client: bool) -> None:
    bench = Bench()
    bench.us.start(EXPECTED, client=client, now=0.0)
    bench.us.path(REMOTE, 3.0)
    assert bench.run_out() == [(23.0, Failed("dtls-timeout"))]
    assert bench.half_open.count == 0


def test_a_lost_path_may_return() -> None:
    bench = Bench()
    bench.take(bench.us.path(REMOTE, 0.0))
    bench.take(bench.us.start(EXPECTED, client=False, now=0.0))
    bench.peer(client=True)
    bench.step()
    bench.us.consent_lost(40.0)
    assert bench.us.deadline() == 70.0
    bench.us.path(REMOTE, 50.0)
    assert bench.us.deadline() is None
    bench.us.consent_lost(80.0)
    assert bench.us.tick(110.0) == [Failed("ice-failed")]


def test_half_open_handshakes_are_bounded() -> None:
    half_open = HalfOpen(3, 2)
    hello = Association(THEIRS, client=True).start(0.0)[0]
    assert isinstance(hello, Transmit)
    open_ones = []
    for n in range(6):
        bench = Bench(half_open)
        bench.us.path((f"192.0.2.{n // 3}", 9000 + n), 0.0)
        bench.us.receive(hello.datagram, 0.0)
        open_ones.append(bench)
    assert (half_open.count, half_open.refused) == (3, 3)
    overloaded = Bench(half_open)
    overloaded.us.start(EXPECTED, client=True, now=0.0)
    assert overloaded.us.path(("192.0.2.9", 1), 0.0) == [Failed("dtls-overload")]
    for bench in open_ones:
        bench.us.close(1.0)
    assert half_open.count == 0
    assert not half_open._sources


def test_garbage_begins_nothing() -> None:
    bench = Bench()
    bench.us.path(REMOTE, 0.0)
    for data in (b"", b"\x16", b"\x17" * 40, b"\x16\xfe\xfd" + bytes(40)):
        assert bench.us.receive(data, 0.0) == []
    assert bench.half_open.count == 0


def test_the_peer_closes() -> None:
    bench = Bench()
    bench.take(bench.us.path(REMOTE, 0.0))
    bench.take(bench.us.start(EXPECTED, client=False, now=0.0))
    bench.peer(client=True)
    bench.step()
    assert bench.them is not None
    bench.take(bench.them.close(1.0), ours=False)
    bench.step()
    assert bench.news[1:] == [Ended()]
    assert not bench.us.established
    assert bench.us.deadline() is None
