"""What a transport counts, told apart by port. Nothing here costs an RTP packet anything: RTP is what is left when the rest is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boringsdp.relay.engine import Address, PortStatistics

if TYPE_CHECKING:
    from boringsdp.relay.plane.transport import Transport


PACKET = 1 << 64
"""
One packet in a number that counts packets and their bytes together, `count += PACKET + len(data)`. A number is an object, and each that a
packet touches has to be fetched from main memory when there are many calls.
"""


def split(count: int) -> tuple[int, int]:
    """Return the packets and bytes of such a number."""
    return count >> 64, count & PACKET - 1


class Tally:
    """Packets and bytes of one kind, both ways, in numbers of `PACKET`s."""

    __slots__ = ("last_arrival", "received", "sent")

    def __init__(self) -> None:
        self.received = self.sent = 0
        self.last_arrival = 0.0

    def receive(self, data: bytes) -> None:
        self.received += PACKET + len(data)

    def send(self, data: bytes) -> None:
        self.sent += PACKET + len(data)


def rtp_statistics(transport: Transport) -> PortStatistics:
    """The figures of RTP, or of a raw transport's datagrams."""
    path, rtcp, dtls = transport.reach.rtp, transport.rtcp, transport.dtls
    announced, learned = _announced(transport, rtcp=False)
    packets_received, bytes_received = split(transport.received - rtcp.received - dtls.received)
    packets_sent, bytes_sent = split(transport.sent - rtcp.sent - dtls.sent)
    return PortStatistics(
        remote=path and path[1],
        announced=announced,
        learned=learned,
        last_arrival=max([transport.last_gone, *(source.last_arrival for source in transport.sources.values())]),
        packets_received=packets_received,
        bytes_received=bytes_received,
        packets_sent=packets_sent,
        bytes_sent=bytes_sent,
    )


def rtcp_statistics(transport: Transport) -> PortStatistics:
    """The figures of RTCP."""
    path, tally = transport.reach.rtcp, transport.rtcp
    announced, learned = _announced(transport, rtcp=True)
    packets_received, bytes_received = split(tally.received)
    packets_sent, bytes_sent = split(tally.sent)
    return PortStatistics(
        remote=path and path[1],
        announced=announced,
        learned=learned,
        last_arrival=tally.last_arrival,
        packets_received=packets_received,
        bytes_received=bytes_received,
        packets_sent=packets_sent,
        bytes_sent=bytes_sent,
    )


def _announced(transport: Transport, *, rtcp: bool) -> tuple[Address | None, bool]:
    """Where the peer of a port said it is, and whether it was heard from where it is now believed to be."""
    plain, reach = transport.plain, transport.reach
    if plain is None or reach is not plain:
        return None, (reach.rtcp if rtcp else reach.rtp) is not None
    latching = plain.latching(rtcp=rtcp and not plain.muxed)
    return latching.announced, latching.learned
