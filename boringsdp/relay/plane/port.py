"""A bound UDP port, as the plane sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from boringsdp.relay.engine import Address, PortId

if TYPE_CHECKING:
    from boringsdp.relay.plane.plane import Plane
    from boringsdp.relay.plane.transport import Transport

Transmit = Callable[[bytes, Address], object]
"""Send a datagram to an address; may raise OSError."""

Recover = Callable[[bytes, Address, OSError], object]
"""Try again after an OSError of `Transmit`; raises OSError when there is nothing to be done, which is counted."""


def give_up(data: bytes, address: Address, error: OSError) -> None:
    raise error


class PlanePort:
    """
    Demultiplexes what arrives on one port (RFC 7983).

    `by_remote` holds the addresses whose RTP goes straight on: learned by authenticated ICE checks, or latched. Everything else, and
    everything that is not RTP or RTCP, takes the slow way through the plane.
    """

    __slots__ = ("address", "by_remote", "guests", "id", "owner", "plane", "recover", "rtcp_owner", "transmit")

    def __init__(self, plane: Plane, number: PortId, address: Address, transmit: Transmit, recover: Recover) -> None:
        self.plane = plane
        self.id = number
        self.address = address
        self.transmit = transmit
        self.recover = recover
        self.by_remote: dict[Address, Transport] = {}
        self.owner: Transport | None = None
        self.rtcp_owner: Transport | None = None
        self.guests = 0

    @property
    def in_use(self) -> bool:
        return bool(self.guests or self.owner or self.rtcp_owner)

    def send(self, data: bytes, address: Address) -> None:
        """Send one datagram. Raises OSError."""
        try:
            self.transmit(data, address)
        except OSError as error:
            self.recover(data, address, error)

    def receive(self, data: bytes, source: Address, now: float) -> None:
        """Take one datagram. Never raises."""
        transport = self.by_remote.get(source)
        if transport is not None and len(data) > 11 and 127 < data[0] < 192:
            transport.receive_rtp(data, now)
        else:
            self.plane.receive_other(self, data, source, now)
