"""Candidate priorities and foundations (RFC 8445 §5.1)."""

from __future__ import annotations

import zlib

TYPE_PREFERENCES = {"host": 126, "prflx": 110, "srflx": 100, "relay": 0}


def priority(kind: str, local_preference: int = 65535, component: int = 1) -> int:
    """Return a candidate's priority (RFC 8445 §5.1.2.1). `local_preference` is 0..65535, higher is better."""
    return TYPE_PREFERENCES[kind] << 24 | local_preference << 8 | 256 - component


def local_preferences(hosts: list[str]) -> list[int]:
    """A distinct local preference for each address of one kind, IPv6 first (RFC 8421 §4), in the given order otherwise."""
    ranked = sorted(range(len(hosts)), key=lambda index: (":" not in hosts[index], index))
    preferences = [0] * len(hosts)
    for rank, index in enumerate(ranked):
        preferences[index] = max(65535 - rank, 0)
    return preferences


def foundation(kind: str, base: str, protocol: str = "udp") -> str:
    """Return the same short token for the same kind, base address and protocol (RFC 8445 §5.1.1.3)."""
    return str(zlib.crc32(f"{kind} {base} {protocol}".encode()))
