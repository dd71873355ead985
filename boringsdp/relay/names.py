"""
What ports, transports and streams are called between an engine and those above it.
"""

from __future__ import annotations

from typing import NewType

Address = tuple[str, int]
"""(numeric IP address, UDP port); IPv4-mapped IPv6 addresses are normalised to IPv4."""

PortId = NewType("PortId", int)
TransportId = NewType("TransportId", int)
StreamId = NewType("StreamId", int)
