"""Lists of networks, and whether an address is in one of them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]


def networks(texts: Iterable[str]) -> Networks:
    """Read networks in CIDR form, or addresses. Raises ValueError for what is neither."""
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


@lru_cache(maxsize=4096)
def within(host: str, those: Networks) -> bool:
    """Whether an address is in one of the networks; an IPv4 one mapped into IPv6 counts as itself, a name is in none."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address.version == network.version and address in network for network in those)


@lru_cache(maxsize=4096)
def subscriber(host: str) -> str:
    """Return what stands for whoever has an address: that of IPv4 itself, of IPv6 the /64, all of which is one customer's."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address), 64), strict=False))
