"""Numeric addresses."""

from __future__ import annotations

import functools
import ipaddress

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


@functools.lru_cache(maxsize=1024)
def parse_ip(host: str) -> IpAddress:
    """Return what `ipaddress.ip_address` does, remembered: setting a call up asks a dozen times about a few hosts. Raises ValueError."""
    return ipaddress.ip_address(host)
