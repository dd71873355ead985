"""What a transport counts, told apart by port. Nothing here costs an RTP packet anything: RTP is what is left when the rest is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boringsdp.relay.engine import Address, PortStatistics

if TYPE_CHECKING:
    from boringsdp.relay.plane.transport import Transport


class Tally:
    """Packets and bytes of one kind, both ways."""

    __slots__ = ("bytes_received", "bytes_sent", "last_arrival", "packets_received", "packets_sent")

    def __init__(self) -> None:
        self.packets_received = self.bytes_received = self.packets_sent = self.bytes_sent = 0
        self.last_arrival = 0.0

    def receive(self, data: bytes) -> None:
        self.packets_received += 1
        self.bytes_received += len(data)

    def send(self, data: bytes) -> None:
        self.packets_sent += 1
        self.bytes_sent += len(data)


def rtp_statistics(transport: Transport) -> PortStatistics:
    """The figures of RTP, or of a raw transport's datagrams."""
    path, rtcp, dtls = transport.reach.rtp, transport.rtcp, transport.dtls
    announced, learned = _announced(transport, rtcp=False)
    return PortStatistics(
        remote=path and path[1],
        announced=announced,
        learned=learned,
        last_arrival=max([transport.last_gone, *(source.last_arrival for source in transport.sources.values())]),
        packets_received=transport.packets_received - rtcp.packets_received - dtls.packets_received,
        bytes_received=transport.bytes_received - rtcp.bytes_received - dtls.bytes_received,
        packets_sent=transport.packets_sent - rtcp.packets_sent - dtls.packets_sent,
        bytes_sent=transport.bytes_sent - rtcp.bytes_sent - dtls.bytes_sent,
    )


def rtcp_statistics(transport: Transport) -> PortStatistics:
    """The figures of RTCP."""
    path, tally = transport.reach.rtcp, transport.rtcp
    announced, learned = _announced(transport, rtcp=True)
    return PortStatistics(
        remote=path and path[1],
        announced=announced,
        learned=learned,
        last_arrival=tally.last_arrival,
        packets_received=tally.packets_received,
        bytes_received=tally.bytes_received,
        packets_sent=tally.packets_sent,
        bytes_sent=tally.bytes_sent,
    )


def _announced(transport: Transport, *, rtcp: bool) -> tuple[Address | None, bool]:
    """Where the peer of a port said it is, and whether it was heard from where it is now believed to be."""
    plain, reach = transport.plain, transport.reach
    if plain is None or reach is not plain:
        return None, (reach.rtcp if rtcp else reach.rtp) is not None
    latching = plain.latching(rtcp=rtcp and not plain.muxed)
    return latching.announced, latching.learned
