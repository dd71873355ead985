"""Where an SDP may point the gateway: without a policy, anybody could aim it at inner services (RFC 8826; SSRF by SDP)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from boringsdp.errors import SdpError
from boringsdp.net.address import parse_ip
from boringsdp.sdp import Description, Media
from boringsdp.values import replace

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(slots=True, frozen=True)
class DestinationPolicy:
    """
    Networks that plain RTP may be sent to: what is in `deny` is refused unless it is also in `allow`.

    The gateway's own plain ports (`own_hosts`, and the inclusive range `own_ports`) are allowed: two of its calls may be one, end to end.
    """

    allow: tuple[Network, ...] = ()
    deny: tuple[Network, ...] = ()
    own_hosts: tuple[str, ...] = ()
    own_ports: tuple[int, int] = (1, 0)

    @classmethod
    def of(
        cls, allow: tuple[str, ...] = (), deny: tuple[str, ...] = (), own_hosts: tuple[str, ...] = (), own_ports: tuple[int, int] = (1, 0)
    ) -> DestinationPolicy:
        """Read networks in CIDR form. Raises ValueError for what is none."""
        return cls(tuple(map(ipaddress.ip_network, allow)), tuple(map(ipaddress.ip_network, deny)), own_hosts, own_ports)

    def has_port(self, port: int) -> bool:
        """Whether a port is in the gateway's own range."""
        return self.own_ports[0] <= port <= self.own_ports[1]

    def own(self, host: str, port: int) -> tuple[str, int] | None:
        """Return the address as we write it if it is a plain port of the gateway itself."""
        if not self.has_port(port):
            return None
        plain = str(unmapped(parse_ip(host)))
        return (plain, port) if plain in self.own_hosts else None

    def check(self, description: Description, *, ice: bool = True, raw: bool = False) -> None:
        """
        Raise `SdpError` when an m-line without ICE names a host that is no numeric address, or one that must not be sent to.

        ICE m-lines are not checked: their peer proves by authenticated checks that it wants the media (RFC 8445 §12). ICE attributes alone
        do not make one: only DTLS-SRTP is sure to be served by ICE, and not where our own offer had none (`ice` False). `raw`: what is no
        RTP but can be relayed as datagrams is checked too; the rest, such as data channels, is sent to nobody.
        """
        for media in description.medias:
            unserved = media.protocol is None and not (raw and media.raw)
            if media.rejected or unserved or (ice and proves_itself(description, media)):
                continue
            for place in (media, description.tagged(media)):
                if place.address is not None:
                    for host, port in dict.fromkeys((place.address, place.rtcp or place.address)):
                        self.check_host(media.kind, host, media, port=port)

    def check_host(self, kind: str, host: str, media: Media | None = None, *, port: int = 0) -> None:
        """Raise `SdpError` when `host` is no numeric address, or one that must not be sent to; `media` is the m-line that names it."""
        line, number = ("", 0) if media is None else (media.line, media.line_number)
        try:
            address = parse_ip(host)
        except ValueError:
            raise SdpError(f"the address of m={kind} is a host name ({host[:60]}), a numeric address is needed", line, number) from None
        address = unmapped(address)
        if self.own(host, port) is not None:
            return
        if any(address in network for network in self.allow):
            return
        if any(address in network for network in self.deny):
            reason = f"the address of m={kind} ({host}) is not allowed as a destination; rtp.allow names exceptions"
            raise SdpError(reason, line, number)


def unmapped(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the IPv4 address that is mapped into an IPv6 one, or what it was."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return address if mapped is None else mapped


def proves_itself(description: Description, media: Media) -> bool:
    """Whether an m-line will be served by ICE, with checks of its peer (one that is ICE-lite makes none)."""
    transport = description.tagged(media)
    return (
        media.protocol is not None
        and media.protocol.secure
        and bool(transport.fingerprints and transport.ufrag)
        and not description.ice_lite
    )


def trusting(description: Description, source: str, *, ice: bool = True) -> Description:
    """
    Return the description as if it named `source`, the address that its signalling came from, wherever it names an address of its own.

    M-lines with ICE stay as they are, unless it is not `ice` that will serve them.
    """
    medias = tuple(
        media
        if media.address is None or (ice and description.tagged(media).ufrag)
        else replace(media, host=source, rtcp=None if media.rtcp is None else (source, media.rtcp[1]))
        for media in description.medias
    )
    return replace(description, medias=medias)
