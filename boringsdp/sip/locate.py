"""Locating SIP servers (RFC 3263): from a host, a port and a transport to addresses in the order to try them. A core."""

from __future__ import annotations

from boringsdp.sip.flow import Target
from boringsdp.values import Value


class Place(Value, frozen=True):
    """
    What of a URI says where to send: its maddr or host, the port if there is one, `transport=` in lower case or empty, `sips:` or not.

    `transport=tls` (deprecated, RFC 3261 §26.2.2) is understood as TLS.
    """

    host: str
    port: int | None = None
    transport: str = ""
    secure: bool = False


class Penalties:
    """Targets that have failed lately: tried last until their time is over (RFC 3263 §4.3). Bounded."""

    def failed(self, target: Target, now: float, seconds: float = 60.0) -> None:
        """Put a target into the box; again and again doubles the time."""
        raise NotImplementedError

    def worked(self, target: Target) -> None:
        """Let it out."""
        raise NotImplementedError

    def order(self, targets: list[Target], now: float) -> list[Target]:
        """Return the targets with those in the box last."""
        raise NotImplementedError
