"""NG over UDP: one datagram each way, from the socket and the address that the request came to."""

from __future__ import annotations

import asyncio
import errno
import functools
import socket
import struct

from boringsdp.net.udp import bind_udp, set_dont_fragment
from boringsdp.ng.access import AccessList
from boringsdp.ng.message import format_of, refusal, split_cookie, write_body
from boringsdp.ng.reception import Reception
from boringsdp.ng.settings import Address

DATAGRAMS_A_TURN = 64
"""Read before media has its turn again."""
BUFFER = 4 * 1024 * 1024
LARGEST = 65_535
TOO_LARGE = "Reply is too large for a datagram"

_IP_PKTINFO = 8
_IPV6_RECVPKTINFO, _IPV6_PKTINFO = 49, 50
_IN_PKTINFO = struct.Struct("=i4s4s")
_IN6_PKTINFO = struct.Struct("=16si")
_ANCILLARY = socket.CMSG_SPACE(_IN6_PKTINFO.size)

Ancillary = list[tuple[int, int, bytes]]


class UdpServer:
    """Listens on one address. `start`, then `address`, then `close`."""

    def __init__(self, reception: Reception, address: Address, access: AccessList) -> None:
        self._reception = reception
        self._wanted = address
        self._access = access
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | None = None
        self._anywhere = address[0] in ("0.0.0.0", "::")
        self.unsent = 0
        """Replies that the network did not take; the client will ask again."""

    @property
    def address(self) -> Address:
        """The bound host and port."""
        assert self._socket is not None, "not started"
        host, port, *_ = self._socket.getsockname()
        return host, port

    async def start(self) -> None:
        """Listen. Raises OSError when the address cannot be had."""
        sock = bind_udp(self._wanted, receive_buffer=BUFFER, send_buffer=BUFFER)
        set_dont_fragment(sock, False)  # offers and replies are often longer than a packet
        if self._anywhere:
            six = sock.family == socket.AF_INET6
            sock.setsockopt(*((socket.IPPROTO_IPV6, _IPV6_RECVPKTINFO, 1) if six else (socket.IPPROTO_IP, _IP_PKTINFO, 1)))
        self._socket = sock
        self._loop.add_reader(sock.fileno(), self._read)

    async def close(self) -> None:
        if self._socket is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _read(self) -> None:
        for _ in range(DATAGRAMS_A_TURN):
            if self._socket is None:
                return
            try:
                data, ancillary, _, source = self._socket.recvmsg(LARGEST, _ANCILLARY if self._anywhere else 0)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:  # an ICMP error about an earlier reply
                self._reception.complain("ng socket", error=error.strerror or str(error))
                continue
            if self._access.admits(source[0]):
                reply = functools.partial(self._reply, source, _reply_from(ancillary))
                self._reception.receive(data, source[:2], reply, repeats=True)

    def _reply(self, to: tuple[str, int], ancillary: Ancillary, data: bytes) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendmsg((data,), ancillary, 0, to)
        except OSError as error:
            self.unsent += 1
            self._reception.complain("ng reply not sent", to=f"{to[0]}:{to[1]}", octets=len(data), error=error.strerror or str(error))
            if error.errno == errno.EMSGSIZE and (split := split_cookie(data, LARGEST)) is not None:
                instead = split[0] + b" " + write_body(refusal(TOO_LARGE), format_of(split[1]))
                if len(instead) < len(data):
                    self._reply(to, ancillary, instead)


def _reply_from(received: list[tuple[int, int, bytes]]) -> Ancillary:
    """Return what makes a reply leave from the address that the request came to, for a socket that is bound to all of them."""
    for level, kind, data in received:
        if (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO) and len(data) >= _IN_PKTINFO.size:
            _, local, _ = _IN_PKTINFO.unpack_from(data)
            return [(level, kind, _IN_PKTINFO.pack(0, local, bytes(4)))]
        if (level, kind) == (socket.IPPROTO_IPV6, _IPV6_PKTINFO) and len(data) >= _IN6_PKTINFO.size:
            address, interface = _IN6_PKTINFO.unpack_from(data)
            return [(level, kind, _IN6_PKTINFO.pack(address, interface if address[:2] == b"\xfe\x80" else 0))]
    return []
