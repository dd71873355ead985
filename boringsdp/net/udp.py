"""UDP sockets, set up the way media wants them."""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
from collections.abc import Callable

Address = tuple[str, int]

_IP_MTU_DISCOVER = 10
_IPV6_MTU_DISCOVER = 23
_PMTUDISC_DONT = 0
_PMTUDISC_DO = 2
_SO_SNDBUFFORCE = 32
_SO_RCVBUFFORCE = 33
MAX_DATAGRAM = 2048


def bind_udp(address: Address, *, receive_buffer: int = 0, send_buffer: int = 0) -> socket.socket:
    """
    Return a non-blocking UDP socket bound to a numeric address. Raises OSError.

    An IPv6 socket hears IPv6 only, so that the same port can be bound for IPv4 beside it. Packets carry the don't-fragment bit, which
    saves the kernel its work on the IP id (0.4 us a packet); `send_datagram` takes it off when a path turns out to be too narrow.
    """
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM | getattr(socket, "SOCK_NONBLOCK", 0))
    try:
        sock.setblocking(False)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        for option, forced, size in ((socket.SO_RCVBUF, _SO_RCVBUFFORCE, receive_buffer), (socket.SO_SNDBUF, _SO_SNDBUFFORCE, send_buffer)):
            if size:
                _set_buffer(sock, option, forced, size)
        set_dont_fragment(sock, True)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


def _set_buffer(sock: socket.socket, option: int, forced: int, size: int) -> None:
    try:
        sock.setsockopt(socket.SOL_SOCKET, forced, size)  # beyond net.core.rmem_max, for who may (CAP_NET_ADMIN)
    except OSError:
        sock.setsockopt(socket.SOL_SOCKET, option, size)


def set_dont_fragment(sock: socket.socket, on: bool) -> None:
    """Set or clear path MTU discovery where the system has it."""
    value = _PMTUDISC_DO if on else _PMTUDISC_DONT
    try:
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, value)
        else:
            sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, value)
    except OSError:
        pass


def set_tos(sock: socket.socket, tos: int) -> None:
    """Mark all that the socket sends with an IPv4 TOS or IPv6 traffic class, 0..255, where the system lets us."""
    with contextlib.suppress(OSError):
        sock.setsockopt(*_tos_option(sock), tos)


def marked_sendto(sock: socket.socket, tos: int) -> Callable[[bytes, Address], int]:
    """A `sendto` of the socket that marks its own packets only (ancillary data, RFC 3542 §6.5)."""
    level, option = _tos_option(sock)
    marks = [(level, option, struct.pack("@i", tos))]
    sendmsg = sock.sendmsg

    def send(data: bytes, address: Address) -> int:
        return sendmsg((data,), marks, 0, address)

    return send


def _tos_option(sock: socket.socket) -> tuple[int, int]:
    if sock.family == socket.AF_INET6:
        return socket.IPPROTO_IPV6, socket.IPV6_TCLASS
    return socket.IPPROTO_IP, socket.IP_TOS


def send_too_long(sock: socket.socket, data: bytes, address: Address, error: OSError) -> None:
    """After `error` of a send: fragment from now on if the path was too narrow for the packet, and send it again. Raises OSError."""
    if error.errno != errno.EMSGSIZE:
        raise error
    set_dont_fragment(sock, False)
    sock.sendto(data, address)
