"""A bound UDP port, as the plane sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from boringsdp.errors import WrongState
from boringsdp.relay.engine import Address, PortId

if TYPE_CHECKING:
    from boringsdp.relay.plane.plane import Plane
    from boringsdp.relay.plane.reach import RawReach
    from boringsdp.relay.plane.transport import Transport

Transmit = Callable[[bytes, Address], object]
"""Send a datagram to an address; may raise OSError."""

Recover = Callable[[bytes, Address, OSError], object]
"""Try again after an OSError of `Transmit`; raises OSError when there is nothing to be done, which is counted."""

SetTos = Callable[[int], object]
"""Mark everything that leaves the port with this TOS or traffic class from now on."""

MakeMarked = Callable[[int], Transmit]
"""A `Transmit` that marks what it sends, and nothing else that leaves the port."""


def give_up(data: bytes, address: Address, error: OSError) -> None:
    raise error


def mark_nothing(tos: int) -> None:
    """A port without marks."""


class PlanePort:
    """
    Demultiplexes what arrives on one port (RFC 7983).

    `by_remote` holds the addresses whose RTP goes straight on: learned by authenticated ICE checks, latched, or announced where a port is
    shared without ICE; `by_control` those whose RTCP comes to a shared RTCP port. Everything else, and everything that is not RTP or RTCP,
    takes the slow way through the plane. `guests` are the transports that share the port, `by_address` how they are told apart.
    """

    __slots__ = (
        "_make_marked",
        "_set_tos",
        "address",
        "by_address",
        "by_control",
        "by_remote",
        "guests",
        "id",
        "owner",
        "plane",
        "raw",
        "recover",
        "rtcp_owner",
        "tos",
        "transmit",
    )  # fmt: skip

    def __init__(
        self, plane: Plane, number: PortId, address: Address, transmit: Transmit, recover: Recover, set_tos: SetTos,
        make_marked: MakeMarked | None,
    ) -> None:  # fmt: skip
        self.plane = plane
        self.id = number
        self.address = address
        self.transmit = transmit
        self.recover = recover
        self._set_tos = set_tos
        self._make_marked = make_marked
        self.tos = 0
        self.by_remote: dict[Address, Transport] = {}
        self.by_control: dict[Address, Transport] = {}
        self.owner: Transport | None = None
        self.rtcp_owner: Transport | None = None
        self.raw: RawReach | None = None
        self.guests = 0
        self.by_address = False

    @property
    def in_use(self) -> bool:
        return bool(self.guests or self.owner or self.rtcp_owner)

    def holder(self, address: Address) -> Transport | None:
        """Whose packets come from there."""
        return self.by_remote.get(address) or self.by_control.get(address)

    def lodge(self, *, by_address: bool) -> None:
        """Take in one more transport. Raises `WrongState` on an own port, or where guests are told apart in another way."""
        if self.owner or self.rtcp_owner:
            raise WrongState("port of a transport's own", "a shared port")
        if self.guests and self.by_address != by_address:
            raise WrongState("port shared in another way", "one for ICE, or one without")
        self.mark(0)  # what an owner left behind
        self.by_address = by_address
        self.guests += 1

    def leave(self) -> None:
        """One transport less shares the port."""
        self.guests -= 1
        self.by_address = self.by_address and self.guests > 0

    def mark(self, tos: int) -> None:
        """Mark everything that leaves an own port."""
        if tos != self.tos:
            self._set_tos(tos)
            self.tos = tos

    def transmit_marked(self, tos: int) -> Transmit:
        """What sends with this mark: an own port marks all, a shared one packet by packet."""
        return self.transmit if tos == self.tos or self._make_marked is None else self._make_marked(tos)

    def send(self, data: bytes, address: Address, transmit: Transmit | None = None) -> None:
        """Send one datagram. Raises OSError."""
        try:
            (transmit or self.transmit)(data, address)
        except OSError as error:
            self.recover(data, address, error)

    def receive(self, data: bytes, source: Address, now: float) -> None:
        """Take one datagram. Never raises."""
        transport = self.by_remote.get(source)
        if transport is not None and len(data) > 11 and 127 < data[0] < 192:
            transport.receive_rtp(data, now)
        else:
            self.plane.receive_other(self, data, source, now)


Path = tuple[PlanePort, Address]
