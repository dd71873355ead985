"""A transport for datagrams that are no RTP (UDPTL, RFC 7345): a port of its own, and no look at what passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boringsdp.errors import WrongState
from boringsdp.relay.engine import Address, Latch, PortId, TransportId, TransportSpec, TransportStatistics
from boringsdp.relay.news import Owner, PathChanged, TransportEvent
from boringsdp.relay.ports import same_family

if TYPE_CHECKING:
    from boringsdp.relay.relay import Relay


class RawTransport:
    """What arrives is copied to the transport that it is joined with. `addresses` is the one address that the peer is told."""

    def __init__(
        self, relay: Relay, transport: TransportId, owner: Owner, address: Address, ports: tuple[PortId, ...], *, tos: int = 0
    ) -> None:
        self.relay = relay
        self.id = transport
        self.addresses: tuple[Address, ...] = (address,)
        self.latch: Latch | None = None
        self.closed = False
        self._owner = owner
        self._ports = ports
        self._announced: Address | None = None
        relay.engine.add_transport(
            TransportSpec(id=transport, ports=ports, own=True, raw=True, tos=tos, latch_window_s=relay.settings.latch_window_s)
        )

    def reaches(self, peer: str) -> bool:
        """Whether a peer's numeric address is of our family (IPv4, IPv6)."""
        return same_family(self.addresses[0][0], peer)

    def set_remote(self, address: Address | None, latch: Latch = Latch.ONCE) -> None:
        """
        Say where the peer announced itself; opens the latching window.

        The same again is nothing. Raises `WrongState` for a host name.
        """
        self._require_open()
        if (self._announced, self.latch) != (address, latch):
            self.relay.engine.set_remote(self.id, address, None, latch)
            self._announced, self.latch = address, latch

    def relatch(self) -> None:
        """Open the latching window anew although the peer announced nothing new; nothing before `set_remote`."""
        self._require_open()
        if self.latch is not None:
            self.relay.engine.set_remote(self.id, self._announced, None, self.latch)

    def set_tos(self, tos: int) -> None:
        """Change the IP TOS octet (IPv6: traffic class) of what is sent."""
        self._require_open()
        self.relay.engine.set_tos(self.id, tos)

    def statistics(self) -> TransportStatistics:
        """The engine's figures of this transport."""
        return self.relay.engine.transport_statistics(self.id)

    def close(self) -> None:
        """Forget it, its join included, and give the port back; no event follows. Closing twice is nothing."""
        if not self.closed:
            self.closed = True
            self._owner = _nobody
            self.relay.forget_raw(self, self._ports)

    def tell(self, event: TransportEvent) -> None:
        """Report to the owner; nothing after close."""
        self._owner(event)

    def path_selected(self, remote: Address) -> None:
        """The engine found the peer."""
        self.tell(PathChanged(remote))

    def _require_open(self) -> None:
        if self.closed:
            raise WrongState("closed", "an open transport")


def _nobody(_event: TransportEvent) -> None:
    """Owner of a closed transport."""
