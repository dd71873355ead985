"""Where an SDP may point the gateway: without a policy, anybody could aim it at inner services (RFC 8826; SSRF by SDP)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from boringsdp.errors import SdpError
from boringsdp.sdp import Description, Media

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(slots=True, frozen=True)
class DestinationPolicy:
    """Networks that plain RTP may be sent to: what is in `deny` is refused unless it is also in `allow`."""

    allow: tuple[Network, ...] = ()
    deny: tuple[Network, ...] = ()

    @classmethod
    def of(cls, allow: tuple[str, ...] = (), deny: tuple[str, ...] = ()) -> DestinationPolicy:
        """Read networks in CIDR form. Raises ValueError for what is none."""
        return cls(tuple(map(ipaddress.ip_network, allow)), tuple(map(ipaddress.ip_network, deny)))

    def check(self, description: Description, *, ice: bool = True) -> None:
        """
        Raise `SdpError` when an m-line without ICE names a host that is no numeric address, or one that must not be sent to.

        ICE m-lines are not checked: their peer proves by authenticated checks that it wants the media (RFC 8445 §12). ICE attributes alone
        do not make one: only DTLS-SRTP is served by ICE, and not where our own offer had none (`ice` False).
        """
        for media in description.medias:
            transport = description.tagged(media)
            if media.rejected or media.protocol is None or (ice and proves_itself(media, transport)):
                continue
            for place in (media, transport):
                if place.address is not None:
                    for host in dict.fromkeys((place.address[0], *(place.rtcp or ())[:1])):
                        self._check_host(media, host)

    def _check_host(self, media: Media, host: str) -> None:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            raise SdpError(
                f"the address of m={media.kind} is a host name ({host[:60]}), a numeric address is needed", media.line, media.line_number
            ) from None
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if any(address in network for network in self.allow):
            return
        if any(address in network for network in self.deny):
            reason = f"the address of m={media.kind} ({host}) is not allowed as a destination; rtp.allow names exceptions"
            raise SdpError(reason, media.line, media.line_number)


def proves_itself(media: Media, transport: Media) -> bool:
    """Whether an m-line will be served by ICE."""
    return media.protocol is not None and media.protocol.secure and bool(transport.fingerprints and transport.ufrag)
