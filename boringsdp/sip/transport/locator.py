"""Finds where to send, for URIs: asks DNS what `locate.py` wants to know. Shell."""

from __future__ import annotations

from boringsdp.net.dns import Resolver
from boringsdp.sip.flow import Protocol, Target
from boringsdp.sip.locate import Penalties, Place


class Locator:
    """`protocols` are those that can be spoken, preferred ones first; `families` 4 and 6 likewise."""

    def __init__(
        self,
        resolver: Resolver,
        protocols: tuple[Protocol, ...] = (Protocol.UDP, Protocol.TCP, Protocol.TLS),
        families: tuple[int, ...] = (4, 6),
        penalties: Penalties | None = None,
    ) -> None:
        raise NotImplementedError

    async def locate(self, place: Place, *, want: Protocol | None = None) -> list[Target]:
        """Return the targets of a place in the order to try them; empty when there is none. Raises nothing; takes as long as DNS may."""
        raise NotImplementedError
