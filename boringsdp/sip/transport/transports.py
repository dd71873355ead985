"""All transports of a SIP endpoint in one place: what is listened on, connections made and reused, messages out and in. Shell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from boringsdp.sip.flow import Address, Destination, Flow, Protocol, Target
from boringsdp.sip.transport.settings import Listen, TransportSettings

Hear = Callable[[bytes, Flow], None]
"""One message, whole octets, and the flow it came by. Called on the loop; whatever it sends meanwhile goes out in order."""
Failed = Callable[["int | None", str], None]
"""A send that failed: the transaction it was given, and why. Never called from within `send`."""
Closed = Callable[[Flow, str], None]
"""A connection has ended, and why."""


class Reach(NamedTuple):
    """How others reach us: host as URIs write it (IPv6 in brackets), port (0: leave it out) and protocol."""

    host: str
    port: int
    protocol: Protocol


class Peer(NamedTuple):
    """What is known of the other end of a connection. `names`: the SIP domains of its verified certificate (RFC 5922 §7.1)."""

    names: tuple[str, ...] = ()
    origin: str = ""
    path: str = ""


class Transports:
    """
    `start`, `send` and hear, `close`.

    `hear` gets whole messages, keep-alives excepted; of a stream one that is cut short (its end cannot be found) just before the connection
    is closed. `accept` is policy: whether anything from an address is heard at all; what is not is dropped without a word.
    """

    def __init__(
        self,
        settings: TransportSettings,
        hear: Hear,
        failed: Failed = lambda transaction, reason: None,
        closed: Closed = lambda flow, reason: None,
        *,
        accept: Callable[[Address], bool] | None = None,
    ) -> None:
        self.counts: Counter[str] = Counter()
        """What was dropped, refused or failed, by cause."""

    async def start(self) -> None:
        """Listen. Raises OSError when an address cannot be had, ConfigError when a TLS file cannot be used; nothing is then listened on."""
        raise NotImplementedError

    async def close(self) -> None:
        """Stop to listen and end all connections, after what waits has been written."""
        raise NotImplementedError

    def addresses(self) -> list[Listen]:
        """What is bound, with the ports that were taken, in the order of the settings."""
        raise NotImplementedError

    def send(self, data: bytes, to: Destination, transaction: int | None = None) -> None:
        """
        Send a message. Never blocks and never raises: what goes wrong is told to `failed`, soon or after a while.

        To a `Target` an open connection that we made to it is used, or one is made; to a `Flow` only its own.
        """
        raise NotImplementedError

    def sent_by(self, to: Destination) -> str:
        """Return host and port for the Via of a request to there."""
        raise NotImplementedError

    def contact_address(self, to: Destination) -> Reach:
        """Return where a peer there can reach us, for Contact and Record-Route."""
        raise NotImplementedError

    def flow(self, to: Destination) -> Flow | None:
        """Return the open flow that `send` would take; for UDP there always is one."""
        raise NotImplementedError

    def peer(self, flow: Flow) -> Peer:
        """Return what is known of the other end."""
        raise NotImplementedError

    def keep_alive(self, to: Destination, on: bool = True) -> None:
        """
        Keep a flow open with CRLF pings (RFC 5626 §4.4.1; over UDP too), for a registration. Counted: each `on` wants its own off.

        A connection is not made for it, and one that ends is told to `closed` as ever.
        """
        raise NotImplementedError

    def alias(self, flow: Flow, target: Target) -> None:
        """Let requests to `target` go over an accepted connection (RFC 5923). Whether the peer is that target is the caller's matter."""
        raise NotImplementedError

    def blame(self, flow: Flow, cause: str) -> None:
        """Count a message as bad, towards the ban of its source."""
        raise NotImplementedError

    def drop(self, flow: Flow, reason: str = "closed by us") -> None:
        """Close a connection once what waits has been written."""
        raise NotImplementedError

    def reload_certificates(self) -> None:
        """Read our certificate and key again, for connections to come. Raises ConfigError, and then nothing changes."""
        raise NotImplementedError
