"""Brings a DTLS transport up and keeps it: the path, the association over it, and every wait that could last for ever. Cores."""

from __future__ import annotations

from collections import Counter

from boringsdp.dtls import Action, Association, Ended, Established, Failed, Identity
from boringsdp.relay.engine import Address

HANDSHAKE, CLIENT_HELLO = 22, 1


class HalfOpen:
    """Bounds the handshakes under way, in total and with one remote IP address: each costs a signature and 77 KB."""

    def __init__(self, total: int, per_source: int) -> None:
        self._total = total
        self._per_source = per_source
        self._sources: Counter[str] = Counter()
        self.count = 0
        self.refused = 0

    def take(self, host: str) -> bool:
        """Return whether one more may begin."""
        if self.count >= self._total or self._sources[host] >= self._per_source:
            self.refused += 1
            if not self._sources[host]:
                del self._sources[host]
            return False
        self.count += 1
        self._sources[host] += 1
        return True

    def give_back(self, host: str) -> None:
        self.count -= 1
        self._sources[host] -= 1
        if not self._sources[host]:
            del self._sources[host]


class PathWait:
    """Waits for ICE where no DTLS does: `Failed("ice-failed")` when no path comes, or a lost one does not return. A core."""

    __slots__ = ("_due",)

    def __init__(self, timeout: float, now: float) -> None:
        self._due: float | None = now + timeout

    def tick(self, now: float) -> list[Failed]:
        if self._due is None or now < self._due:
            return []
        self._due = None
        return [Failed("ice-failed")]

    def deadline(self) -> float | None:
        return self._due


class Keying:
    """
    One component's path and DTLS (RFC 8842).

    Serves an early ClientHello before `start`; its failure is then nobody's business, a new one may come. After `start` every end is told:
    `ice-failed` when no path came or a lost one did not return, `dtls-timeout` when no handshake finished, and what the association tells.

    Without ICE (`without_ice`) nothing proves where a hello comes from. A handshake then sticks to the source it began with, and gives way
    to a hello from the announced address; one that breaks off with a stranger is forgotten, since the peer's own may still come.
    """

    def __init__(self, identity: Identity, half_open: HalfOpen, *, ice_timeout: float, dtls_timeout: float, ice: bool = True) -> None:
        self.client: bool | None = None
        self._identity = identity
        self._half_open = half_open
        self._ice_timeout = ice_timeout
        self._dtls_timeout = dtls_timeout
        self._ice = ice
        self._association: Association | None = None
        self._charged: str | None = None
        """The remote host that the association counts against, while it is half open."""
        self._source: Address | None = None
        """Whom the association is with, without ICE."""
        self._expected: frozenset[tuple[str, str]] | None = None
        self._path: Address | None = None
        self._lost_path = False
        self._established = False
        self._over = False
        self._no_path: float | None = None
        self._no_hello: float | None = None
        self._hello_by = 0.0

    @property
    def established(self) -> bool:
        """Whether keys with the right fingerprint were handed out and the association lives."""
        return self._established

    def start(self, fingerprints: frozenset[tuple[str, str]], *, client: bool, now: float) -> list[Action]:
        """The peer's description is known. The same again is nothing; another set or role is a new association."""
        if self._expected == fingerprints and self.client == client and not self._over:
            return []
        first = self._expected is None
        self._expected, self.client, self._over = fingerprints, client, False
        actions: list[Action] = []
        if not first or client:
            self._forget_association()
        elif self._association is not None:
            actions = self._association.expect(fingerprints, now)
        if self._path is None or self._lost_path:
            self._no_path = now + (self._ice_timeout if self._ice else self._dtls_timeout)
        return self._settle(actions, now) + self._go(now)

    def path(self, remote: Address, now: float) -> list[Action]:
        """ICE found a path, moved to another, or came back; without ICE: the peer announced an address, or was latched to."""
        self._path, self._lost_path, self._no_path = remote, False, None
        return self._go(now)

    def without_ice(self, now: float) -> list[Action]:
        """The peer speaks no ICE: it may be anywhere that the engine hears it."""
        self._ice = False
        return self._go(now)

    def consent_lost(self, now: float) -> None:
        """The path is gone; it may come back for a while."""
        self._lost_path = True
        if self._expected is not None and not self._over:
            self._no_path = now + self._ice_timeout

    def receive(self, datagram: bytes, now: float, source: Address | None = None) -> list[Action]:
        """Take one DTLS datagram; with ICE from an address that it accepts, else from one that latching would allow."""
        hello = len(datagram) > 13 and datagram[0] == HANDSHAKE and datagram[13] == CLIENT_HELLO
        if self._association is not None and not self._heeds(source):
            if not hello or source != self._path or self.client:
                return []
            self._forget_association()
        if self._association is None:
            if not hello or self.client or self._over:
                return []
            if (begun := self._begin(source, client=False)) is not None:
                return begun
        assert self._association is not None
        if self._source is None and not self._ice:
            self._source = source
        return self._settle(self._association.receive(datagram, now), now)

    def tick(self, now: float) -> list[Action]:
        if self._no_path is not None and now >= self._no_path:
            return self._fail("ice-failed" if self._ice or self._lost_path else "dtls-timeout")
        if self._no_hello is not None and now >= self._no_hello:
            return self._fail("dtls-timeout")
        return [] if self._association is None else self._settle(self._association.tick(now), now)

    def deadline(self) -> float | None:
        handshake = self._association.deadline() if self._association is not None else None
        return min((at for at in (self._no_path, self._no_hello, handshake) if at is not None), default=None)

    def close(self, now: float) -> list[Action]:
        """Say close_notify and forget everything."""
        actions = [] if self._association is None else self._association.close(now)
        self._stop()
        return actions

    def _go(self, now: float) -> list[Action]:
        """Do what can be done once the description is there, and the path that it takes: a server without ICE takes none."""
        if self._expected is None or self._over or self._association is not None or (self._path is None and (self._ice or self.client)):
            return []
        self._no_path = None
        if self.client:
            begun = self._begin(None, client=True)
            if begun is not None:
                return begun
            assert self._association is not None
            return self._settle(self._association.start(now), now)
        if self._no_hello is None:
            self._no_hello = self._hello_by = now + self._dtls_timeout
        return []

    def _heeds(self, source: Address | None) -> bool:
        """Whether the present association takes what comes from `source`: any once it is through, as its records prove themselves."""
        assert self._association is not None
        return self._ice or not self._association.handshaking or self._source is None or source in (None, self._source)

    def _begin(self, source: Address | None, *, client: bool) -> list[Action] | None:
        """Make an association; returns what happens instead when there are too many."""
        host = source[0] if source is not None else self._path[0] if self._path is not None else ""
        if not self._half_open.take(host):
            return [] if self._expected is None or not client else self._fail("dtls-overload")
        self._charged = host
        self._no_hello = None
        self._association = Association(self._identity, client=client, timeout=self._dtls_timeout)
        if self._expected is not None:
            self._association.expect(self._expected, 0.0)
        return None

    def _settle(self, actions: list[Action], now: float) -> list[Action]:
        """Take note of what the association came to."""
        for action in actions:
            match action:
                case Established():
                    self._established = True
                    self._uncharge()
                case Failed() | Ended():
                    early, stray = self._expected is None, self._is_stray(action, now)
                    self._forget_association()
                    if early or stray:
                        self._no_hello = self._hello_by if stray else None
                        return [other for other in actions if other is not action]
                    self._stop()
                case _:
                    pass
        return actions

    def _is_stray(self, action: Failed | Ended, now: float) -> bool:
        """Whether it was a stranger's handshake that failed, and the peer's may still come."""
        broken = isinstance(action, Failed) and action.reason != "fingerprint" and not self._established
        return broken and not (self._ice or self.client) and self._source != self._path and now < self._hello_by

    def _fail(self, reason: str) -> list[Action]:
        self._stop()
        return [Failed(reason)]

    def _stop(self) -> None:
        self._forget_association()
        self._over = True
        self._no_path = self._no_hello = None

    def _forget_association(self) -> None:
        self._uncharge()
        self._association = self._source = None
        self._established = False

    def _uncharge(self) -> None:
        if self._charged is not None:
            self._half_open.give_back(self._charged)
            self._charged = None
