"""Malformed DTLS: an association fails or goes on, never raises, and once keys are agreed only its peer can end it."""

from __future__ import annotations

import pytest

from boringsdp.dtls import Association, Transmit
from boringsdp.dtls.closing import HEADER
from boringsdp.dtls.handshake import State
from tests.fuzz import corpus, oracles
from tests.fuzz.campaign import Case, cases, check_count, told
from tests.fuzz.mutations import mutate_octets

pytestmark = pytest.mark.load

THROWN = 4


def test_dtls_fails_or_goes_on() -> None:
    """
    Half of the cases play a recorded handshake, half a live one; both roles, mutated datagrams before, between and instead of true ones.

    The keys of a live handshake are OpenSSL's own secret, so those cases are the same only in kind when they run again.
    """
    for case in cases("dtls", inputs_each=THROWN):
        association = Association(corpus.OURS, client=case.rng.random() < 0.4)
        went_on = 0
        with told(case):
            if case.rng.random() < 0.8:
                association.expect(corpus.FINGERPRINTS, 0.0)
            if case.rng.random() < 0.5:
                went_on = _play_recorded(case, association)
            else:
                went_on = _Live(case, association).run()
            association.tick(100.0)
            association.close(100.0)
            assert association.state is State.DEAD
        case.count(THROWN, took=went_on)
    check_count("dtls", least_taken=0.2, most_taken=0.95)


def _play_recorded(case: Case, association: Association) -> int:
    """The flights fit in form but not in keys; what the association answers goes unheard. Returns how many inputs it survived."""
    association.start(0.0)
    client, server = corpus.dtls_flights()
    everything = (*client, *server)
    flight = list(server if association.client else client)
    thrown: list[bytes] = []
    case.input = thrown
    survived = 0
    for step in range(THROWN):
        if flight and case.rng.random() < 0.5:
            oracles.feed_dtls(association, flight.pop(0), step / 10)
        thrown.append(mutate_octets(case.rng, case.rng.choice(flight or everything), everything))
        oracles.feed_dtls(association, thrown[-1], step / 10)
        survived += association.state is not State.DEAD
        deadline = association.deadline()
        if deadline is not None and case.rng.random() < 0.2:
            association.tick(deadline)
    return survived


class _Live:
    """A real handshake; copies of its own datagrams are mutated and thrown at us in between."""

    def __init__(self, case: Case, us: Association) -> None:
        self.case, self.us = case, us
        self.them = Association(corpus.THEIRS, client=not us.client)
        self.wire: list[tuple[Association, bytes]] = []
        self.heard: list[bytes] = []
        self.thrown: list[bytes] = []
        self.goodbye: list[bytes] = []
        case.input = self.thrown

    def run(self) -> int:
        """Run until everything is thrown and delivered; returns how many of the thrown we survived."""
        survived = 0
        for end, other in ((self.us, self.them), (self.them, self.us)):
            self.wire += [(other, action.datagram) for action in end.start(0.0) if isinstance(action, Transmit)]
        for turn in range(60):
            agreed = self.us.state in (State.ESTABLISHED, State.HELD)
            throws = len(self.thrown) < THROWN and self.case.rng.random() < (0.8 if agreed or not self.wire else 0.1)
            if throws:
                self._grow_old()
                self._throw(turn / 10)
                authentic = any(datagram[HEADER:] in self.thrown[-1] for datagram in self.goodbye)
                assert not agreed or authentic or self.us.state is not State.DEAD, "what is not authentic ended it"
                survived += self.us.state is not State.DEAD
            elif self.wire:
                self._deliver(*self.wire.pop(0), turn / 10)
            elif len(self.thrown) == THROWN:
                break
        return survived

    def _grow_old(self) -> None:
        """Sometimes the peer's goodbye is there to be damaged."""
        if self.us.state is State.ESTABLISHED and self.case.rng.random() < 0.3:
            self.goodbye += [action.datagram for action in self.them.close(0.0) if isinstance(action, Transmit)]

    def _throw(self, now: float) -> None:
        seeds = self.heard + 3 * self.goodbye or [datagram for _, datagram in self.wire] or [b"\x16\xfe\xfd"]
        self.thrown.append(mutate_octets(self.case.rng, self.case.rng.choice(seeds), seeds))
        self.wire += [(self.them, datagram) for datagram in oracles.feed_dtls(self.us, self.thrown[-1], now)]

    def _deliver(self, end: Association, datagram: bytes, now: float) -> None:
        if end is self.us:
            self.heard.append(datagram)
        other = self.them if end is self.us else self.us
        self.wire += [(other, data) for data in oracles.feed_dtls(end, datagram, now)]
