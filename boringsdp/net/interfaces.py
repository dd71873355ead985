"""Which addresses this machine has. Shell."""

from __future__ import annotations

import fcntl
import ipaddress
import socket
import struct
from pathlib import Path

_SIOCGIFADDR = 0x8915
_DOCUMENTATION = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
_TEMPORARY, _DEPRECATED, _TENTATIVE = 0x01, 0x20, 0x40


def default_address(family: socket.AddressFamily = socket.AF_INET) -> str | None:
    """Return the local address that leads to the default route; None without one. Nothing is sent."""
    return address_towards(_DOCUMENTATION[family])


def address_towards(peer: str) -> str | None:
    """Return the local address from which the system would send to a numeric address; None when it knows no way. Nothing is sent."""
    with socket.socket(socket.AF_INET6 if ":" in peer else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect((peer, 9))
        except OSError:
            return None
        address: str = sock.getsockname()[0]
        return address


def local_addresses() -> tuple[str, ...]:
    """
    Return the addresses of this machine that others can reach: the one of the default route first, then the rest, IPv4 before IPv6.

    Loopback, link-local and deprecated addresses are left out. Where the system does not tell, only those of the default route are known.
    """
    found = [default_address(), *_ipv4(), default_address(socket.AF_INET6), *_ipv6()]
    usable = (address for address in found if address is not None and _reachable(address))
    return tuple(dict.fromkeys(usable))


def _reachable(text: str) -> bool:
    address = ipaddress.ip_address(text)
    return not (address.is_loopback or address.is_link_local or address.is_unspecified)


def _ipv4() -> list[str]:
    """The first IPv4 address of each interface (Linux)."""
    addresses = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(sock, _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
            except OSError:
                continue
            addresses.append(socket.inet_ntoa(answer[20:24]))
    return addresses


def _ipv6() -> list[str]:
    """All lasting IPv6 addresses (Linux)."""
    try:
        lines = Path("/proc/net/if_inet6").read_text().splitlines()
    except OSError:
        return []
    addresses = []
    for line in lines:
        digits, _, _, _, flags, *_ = line.split()
        if not int(flags, 16) & (_TEMPORARY | _DEPRECATED | _TENTATIVE):
            addresses.append(str(ipaddress.IPv6Address(bytes.fromhex(digits))))
    return addresses
