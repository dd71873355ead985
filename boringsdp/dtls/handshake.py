"""One DTLS association: handshake bytes in, SRTP keys out (RFC 5764), over OpenSSL with memory BIOs. A core."""

from __future__ import annotations

import enum

from OpenSSL import SSL, crypto

from boringsdp.dtls.certificate import Identity, fingerprint_of
from boringsdp.dtls.closing import AlertReader
from boringsdp.dtls.record import is_finished, split_records
from boringsdp.rtp.keys import Keys, Profile
from boringsdp.values import Value

MTU = 1200
"""Largest datagram we send; every path carries it."""
READ = 65536
RESEND = (0.15, 0.3)
"""
Pauses after which an unanswered flight is sent again as it is. OpenSSL's own timer begins at a second, and cannot be set from here; a
record that did arrive is a replay to the peer, and dropped. Deviation: RFC 6347 §4.2.4.1 recommends that second; browsers begin at 50 ms.
"""


class Transmit(Value, frozen=True):
    """Send this datagram to the peer."""

    datagram: bytes


class Established(Value, frozen=True):
    """The handshake is complete and the certificate is the one the SDP announced; only now may the keys be used."""

    send: Keys
    receive: Keys


class Failed(Value, frozen=True):
    """`dtls-timeout`, `dtls-error` or `fingerprint`; the association is dead."""

    reason: str


class Ended(Value, frozen=True):
    """The peer sent close_notify, or a fatal alert after completion; the association is dead."""


Action = Transmit | Established | Failed | Ended


class State(enum.Enum):
    NEW, HANDSHAKING, HELD, ESTABLISHED, DEAD = "new", "handshaking", "held", "established", "dead"


PROFILES = {
    b"SRTP_AEAD_AES_256_GCM": Profile.AEAD_AES_256_GCM,
    b"SRTP_AEAD_AES_128_GCM": Profile.AEAD_AES_128_GCM,
    b"SRTP_AES128_CM_SHA1_80": Profile.AES128_CM_SHA1_80,
}
EXPORTER = b"EXTRACTOR-dtls_srtp"


class Association:
    """
    DTLS 1.2 as client or server.

    The server side may run before the peer's fingerprint is known: it finishes the handshake and holds the keys (`HELD`) until `expect`.
    `timeout` is the handshake's patience in seconds, from its first datagram. A dead association ignores everything.

    OpenSSL's state (77 kB) is freed once the keys are exported. What may still be needed is kept as bytes: our last flight, for a peer that
    missed it (RFC 6347 §4.2.4), our close_notify, and the key to the peer's.
    """

    __slots__ = (
        "_alerts",
        "_connection",
        "_expected",
        "_farewell",
        "_flight",
        "_give_up",
        "_keys",
        "_peer",
        "_resend",
        "_resends",
        "_retransmit",
        "_timeout",
        "client",
        "state",
    )

    def __init__(self, identity: Identity, *, client: bool, timeout: float = 20.0) -> None:
        self.client = client
        self.state = State.NEW
        self._timeout = timeout
        self._expected: frozenset[tuple[str, str]] | None = None
        self._give_up: float | None = None
        self._retransmit: float | None = None
        self._resend: float | None = None
        self._resends = 0
        self._flight: list[bytes] = []
        self._farewell: list[bytes] = []
        self._alerts: AlertReader | None = None
        self._peer: bytes | None = None
        self._keys: Established | None = None
        connection = SSL.Connection(identity.context, None)
        if client:
            connection.set_connect_state()
        else:
            connection.set_accept_state()
        connection.set_ciphertext_mtu(MTU)
        self._connection: SSL.Connection | None = connection

    @property
    def handshaking(self) -> bool:
        """Whether the handshake is under way."""
        return self.state is State.HANDSHAKING

    def start(self, now: float) -> list[Action]:
        """Begin as client: sends the ClientHello. The server begins with the first datagram."""
        if not self.client or self.state is not State.NEW:
            return []
        self._begin(now)
        return self._advance(now)

    def expect(self, fingerprints: frozenset[tuple[str, str]], now: float) -> list[Action]:
        """The SDP announced these (see `usable_fingerprints`): release the keys if the peer matches one of them."""
        self._expected = fingerprints
        return self._judge() if self.state is State.HELD else []

    def receive(self, datagram: bytes, now: float) -> list[Action]:
        """Take one datagram of the peer."""
        if self.state is State.DEAD or not datagram:
            return []
        if self._connection is None:
            return self._receive_afterwards(datagram)
        if self.state is State.NEW:
            self._begin(now)
        try:
            self._connection.bio_write(datagram)
        except SSL.Error:
            return self._fail("dtls-error")
        return self._advance(now) if self.state is State.HANDSHAKING else self._drain(now)

    def tick(self, now: float) -> list[Action]:
        """Act on every time that has come: give up, retransmit."""
        if self._give_up is not None and now >= self._give_up:
            return self._fail("dtls-timeout")
        if self._retransmit is not None and now >= self._retransmit and self._connection is not None:
            try:
                self._connection.DTLSv1_handle_timeout()
            except SSL.Error:
                return self._fail("dtls-error")
            return self._flush(now)
        return self._send_again(now) if self._resend is not None and now >= self._resend else []

    def deadline(self) -> float | None:
        """When `tick` is due."""
        return min((at for at in (self._give_up, self._resend, self._retransmit) if at is not None), default=None)

    def close(self, now: float) -> list[Action]:
        """Say close_notify, if there is anyone to hear it, and forget everything."""
        if self.state in (State.DEAD, State.NEW):
            self._die()
            return []
        actions = [] if self.state is State.HANDSHAKING else self._say_goodbye()
        self._die()
        return actions

    # --- the handshake -------------------------------------------------------------------------------------------------------------------

    def _begin(self, now: float) -> None:
        self.state = State.HANDSHAKING
        self._give_up = now + self._timeout

    def _advance(self, now: float) -> list[Action]:
        """Let OpenSSL go on with what it has been given."""
        assert self._connection is not None
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return self._flush(now)
        except SSL.Error:
            return [*self._flush(now), *self._fail("dtls-error")]
        return self._complete(now)

    def _complete(self, now: float) -> list[Action]:
        assert self._connection is not None
        actions = self._flush(now)
        profile = PROFILES.get(self._connection.get_selected_srtp_profile())
        peer = self._connection.get_peer_certificate()
        if profile is None or peer is None:
            return [*actions, *self._say_goodbye(), *self._fail("dtls-error")]
        self._keys = self._export(profile)
        self._peer = crypto.dump_certificate(crypto.FILETYPE_ASN1, peer)
        self._give_up = self._resend = None
        if self.client:
            self._flight = []  # the last one is the server's
        self.state = State.HELD
        self._free()
        if self._expected is None:
            return actions
        judged = self._judge()
        # keys before our last flight: media may come as soon as the peer has it
        return [*judged, *actions] if self.state is State.ESTABLISHED else [*actions, *judged]

    def _export(self, profile: Profile) -> Established:
        """
        Cut the exported keying material (RFC 5764 §4.2).

            +------------+------------+-------------+-------------+
            | client key | server key | client salt | server salt |
            +------------+------------+-------------+-------------+
        """
        assert self._connection is not None
        key, salt = profile.key_length, profile.salt_length
        material = self._connection.export_keying_material(EXPORTER, 2 * (key + salt))
        salts = material[2 * key :]
        by_client = Keys(profile, material[:key], salts[:salt])
        by_server = Keys(profile, material[key : 2 * key], salts[salt:])
        return Established(by_client, by_server) if self.client else Established(by_server, by_client)

    def _judge(self) -> list[Action]:
        """Compare the peer's certificate with what the SDP announced; one match is enough (RFC 8122 §5)."""
        assert self._peer is not None
        assert self._keys is not None
        if not any(fingerprint_of(self._peer, name) == value for name, value in self._expected or ()):
            return [*self._say_goodbye(), *self._fail("fingerprint")]
        self.state = State.ESTABLISHED
        established, self._keys, self._peer = self._keys, None, None
        return [established]

    # --- afterwards ----------------------------------------------------------------------------------------------------------------------

    def _drain(self, now: float) -> list[Action]:
        """Read what came after completion: alerts, retransmissions (which OpenSSL answers itself), data that nobody wants."""
        assert self._connection is not None
        try:
            while True:
                self._connection.recv(READ)
        except SSL.WantReadError:
            return self._flush(now)
        except SSL.Error:
            return [*self._flush(now), *self._end()]

    def _free(self) -> None:
        """Take what may be needed out of OpenSSL and free its state; with a suite that is not AEAD it stays, and serves on."""
        connection = self._connection
        assert connection is not None
        master, client, server = connection.master_key(), connection.client_random(), connection.server_random()
        suite = connection.get_cipher_name()
        if master is None or client is None or server is None or suite is None or not AlertReader.reads(suite):
            return
        self._alerts = AlertReader(suite, master, client, server, peer_is_client=not self.client)
        self._farewell = self._shut_down()
        self._connection = self._retransmit = None

    def _receive_afterwards(self, datagram: bytes) -> list[Action]:
        """Without OpenSSL: does the peer end the association, or repeat its Finished because it missed ours?"""
        if self._alerts is not None and self._alerts.ends(datagram):
            return self._end()
        return [*map(Transmit, self._flight)] if self._flight and any(map(is_finished, split_records(datagram))) else []

    def _say_goodbye(self) -> list[Action]:
        return [*map(Transmit, self._farewell if self._connection is None else self._shut_down())]

    def _shut_down(self) -> list[bytes]:
        """Return the datagrams that carry our close_notify."""
        assert self._connection is not None
        try:
            self._connection.shutdown()
        except SSL.Error:
            return []
        return self._datagrams()

    def _flush(self, now: float) -> list[Action]:
        """Send what OpenSSL wrote, and ask when it wants to retransmit."""
        assert self._connection is not None
        left = self._connection.DTLSv1_get_timeout() if self.state is State.HANDSHAKING else None
        self._retransmit = None if left is None else now + left
        datagrams = self._datagrams()
        if datagrams and self.state is State.HANDSHAKING:
            self._flight, self._resends, self._resend = datagrams, 0, now + RESEND[0]
        return [Transmit(datagram) for datagram in datagrams]

    def _send_again(self, now: float) -> list[Action]:
        self._resends += 1
        self._resend = now + RESEND[self._resends] if self._resends < len(RESEND) else None
        return [Transmit(datagram) for datagram in self._flight]

    def _datagrams(self) -> list[bytes]:
        """Read the BIO dry. It joins records, so cut at their headers and pack whole records into datagrams of at most the MTU."""
        assert self._connection is not None
        written = b""
        while True:
            try:
                read = self._connection.bio_read(READ)
            except SSL.WantReadError:
                break
            written += read
            if len(read) < READ:
                break
        return pack_records(written)

    def _fail(self, reason: str) -> list[Action]:
        self._die()
        return [Failed(reason)]

    def _end(self) -> list[Action]:
        self._die()
        return [Ended()]

    def _die(self) -> None:
        self.state = State.DEAD
        self._connection = self._keys = self._peer = self._alerts = None
        self._farewell, self._flight = [], []
        self._give_up = self._resend = self._retransmit = None


def pack_records(written: bytes) -> list[bytes]:
    """Return `written`, whole DTLS records one after the other, as datagrams of at most `MTU` bytes where the records allow."""
    datagrams: list[bytes] = []
    for record in split_records(written):
        if datagrams and len(datagrams[-1]) + len(record) <= MTU:
            datagrams[-1] += record
        else:
            datagrams.append(record)
    return datagrams
