"""Ports of a trunk for tests."""

from __future__ import annotations

import contextlib
import socket


def free_pair(pairs: int = 1) -> int:
    """An even UDP port that is free on loopback, IPv4 and IPv6, with the next; with `pairs` as many after them."""
    while True:
        with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1] & ~1
        with contextlib.ExitStack() as held, contextlib.suppress(OSError):
            for host, family in (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)):
                for number in range(port, port + 2 * pairs):
                    held.enter_context(socket.socket(family, socket.SOCK_DGRAM)).bind((host, number))
            return port
