"""SIP over UDP: one socket for each address listened on. Shell."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import select
import socket
import struct
from collections import OrderedDict
from typing import Protocol as Interface

from boringsdp.net.udp import bind_udp, set_dont_fragment
from boringsdp.sip.flow import Address, Flow, Protocol
from boringsdp.sip.framing import LONGEST_LINE
from boringsdp.sip.transport.settings import Listen
from boringsdp.sip.transport.stream import address_of

DATAGRAMS_A_TURN = 64
BUFFER = 4 * 1024 * 1024
LARGEST = 65_535
RECENT_ADDRESSES = 1024
RECENT_SENDS = 8
QUOTED = 64
"""Octets of a request kept to know it by, when an ICMP error quotes it."""

_IP_PKTINFO, _IP_RECVERR = 8, 11
_IPV6_RECVPKTINFO, _IPV6_PKTINFO, _IPV6_RECVERR = 49, 50, 25
_IN_PKTINFO = struct.Struct("=i4s4s")
_IN6_PKTINFO = struct.Struct("=16si")
_ANCILLARY = socket.CMSG_SPACE(_IN6_PKTINFO.size)
_MSG_ERRQUEUE = getattr(socket, "MSG_ERRQUEUE", 0x2000)
_AGAIN = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR, errno.ENOBUFS)
_STUN_COOKIE = b"\x21\x12\xa4\x42"


class Listening(Interface):
    """Whom a socket tells."""

    def datagram(self, data: bytes, flow: Flow) -> None: ...

    def admits(self, source: Address) -> bool: ...

    def garbage(self, source: Address, cause: str) -> None: ...

    def unsent(self, transaction: int | None, reason: str) -> None: ...


class UdpSocket:
    """`start`, `send`, `close`."""

    def __init__(self, hub: Listening, listen: Listen) -> None:
        self.listen = listen
        self._hub = hub
        self._loop = asyncio.get_running_loop()
        self._six = ":" in listen.host
        self.anywhere = listen.anywhere
        self._socket: socket.socket | None = None
        self._epoll: select.epoll | None = None
        self._flows: dict[tuple[str, Address], Flow] = {}
        self._recent: OrderedDict[Address, list[tuple[int, bytes]]] = OrderedDict()
        """What ICMP errors may be about: the last requests to the last addresses."""

    def start(self) -> Listen:
        """Listen; returns the address with the port that was taken. Raises OSError."""
        sock = bind_udp((self.listen.host, self.listen.port), receive_buffer=BUFFER, send_buffer=BUFFER)
        set_dont_fragment(sock, False)  # a message may be longer than a packet
        level = socket.IPPROTO_IPV6 if self._six else socket.IPPROTO_IP
        if self.anywhere:
            sock.setsockopt(level, _IPV6_RECVPKTINFO if self._six else _IP_PKTINFO, 1)
        self._socket = sock
        self.listen = Listen(Protocol.UDP, self.listen.host, sock.getsockname()[1])
        self._watch(sock)
        # Without it failures show by timeouts.
        if self._epoll is not None or not _is_libuv(self._loop):
            with contextlib.suppress(OSError):
                sock.setsockopt(level, _IPV6_RECVERR if self._six else _IP_RECVERR, 1)
        return self.listen

    def _watch(self, sock: socket.socket) -> None:
        """
        Be told of datagrams and errors.

        libuv stops to poll a socket for good when its error queue fills (EPOLLERR). What it polls is therefore an epoll object that watches
        the socket: that is readable for either, and never in error itself.
        """
        if _is_libuv(self._loop) and hasattr(select, "epoll"):
            self._epoll = select.epoll()
            self._epoll.register(sock.fileno(), select.EPOLLIN)
            self._loop.add_reader(self._epoll.fileno(), self._woken)
        else:
            self._loop.add_reader(sock.fileno(), self._read)

    def _woken(self) -> None:
        """Read what the epoll object has woken us for; an error left unread would wake us again at once."""
        if self._epoll is not None and any(events & select.EPOLLERR for _, events in self._epoll.poll(0)):
            self._read_errors()
        self._read()

    def close(self) -> None:
        if self._socket is None:
            return
        self._loop.remove_reader(self._socket.fileno() if self._epoll is None else self._epoll.fileno())
        if self._epoll is not None:
            self._epoll.close()
        self._socket.close()
        self._socket = self._epoll = None

    def send(self, data: bytes, to: Address, local: str | None = None, transaction: int | None = None) -> str:
        """Send a datagram, for a socket on all addresses from a `local` one if told; returns why it was not, empty when it was."""
        if self._socket is None:
            return "closed"
        if transaction is not None and not data.startswith(b"SIP/"):
            self._remember(to, transaction, data)
        ancillary = _from(local) if self.anywhere and local and local != self.listen.host else []
        for again in (True, False):
            try:
                if ancillary:
                    self._socket.sendmsg((data,), ancillary, 0, to)
                else:
                    self._socket.sendto(data, to)
            except OSError as error:
                if error.errno in _AGAIN:
                    return ""  # as good as lost on the way: it will be repeated
                if not (again and self._read_errors()):  # what is told may be about an earlier one
                    return error.strerror or str(error)
            else:
                return ""
        return ""

    def _read(self) -> None:
        for _ in range(DATAGRAMS_A_TURN):
            if self._socket is None:
                return
            try:
                if self.anywhere:
                    data, ancillary, _, name = self._socket.recvmsg(LARGEST, _ANCILLARY)
                    local = _local(ancillary) or self.listen.host
                else:
                    data, name = self._socket.recvfrom(LARGEST)
                    local = self.listen.host
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self._read_errors()
                continue
            source = (name[0], name[1]) if not self._six else address_of(name)
            if not self._hub.admits(source):
                continue
            if cause := not_sip(data):
                self._hub.garbage(source, cause)
                continue
            self._hub.datagram(data, self.flow(local, source))

    def flow(self, local: str, remote: Address) -> Flow:
        """Return the flow between two addresses; the same object, for a while."""
        flow = self._flows.get((local, remote))
        if flow is None:
            if len(self._flows) >= RECENT_ADDRESSES:
                self._flows.clear()
            flow = self._flows[local, remote] = Flow(Protocol.UDP, (local, self.listen.port), remote)
        return flow

    def _remember(self, to: Address, transaction: int, data: bytes) -> None:
        sends = self._recent.get(to)
        if sends is None:
            if len(self._recent) >= RECENT_ADDRESSES:
                self._recent.popitem(last=False)
            sends = self._recent[to] = []
        elif len(sends) >= RECENT_SENDS:
            del sends[0]
        sends.append((transaction, data[:QUOTED]))

    def _read_errors(self) -> bool:
        """Tell of what ICMP says could not be delivered; True when there was anything."""
        found = False
        for _ in range(DATAGRAMS_A_TURN):
            if self._socket is None:
                break
            try:
                quoted, ancillary, _, name = self._socket.recvmsg(QUOTED, 512, _MSG_ERRQUEUE)
            except OSError:
                break
            found = True
            if name and quoted and (code := _error_of(ancillary)):
                self._undelivered(address_of(name), quoted, code)
        return found

    def _undelivered(self, to: Address, quoted: bytes, code: int) -> None:
        """Fail the requests an ICMP error quotes. It must quote one of ours: errors are easily forged."""
        sends = self._recent.get(to)
        if not sends or code == errno.EMSGSIZE:
            return
        hit = [transaction for transaction, data in sends if data.startswith(quoted) and len(quoted) >= min(QUOTED, len(data))]
        if hit:
            self._recent.pop(to)
            for transaction in dict.fromkeys(hit):
                self._hub.unsent(transaction, os.strerror(code))


def _is_libuv(loop: asyncio.AbstractEventLoop) -> bool:
    return type(loop).__module__.startswith("uvloop")


def not_sip(data: bytes) -> str:
    """Return what a datagram is instead of a SIP message, as a word for counters; empty for what may be one."""
    if b"SIP/" in data[:LONGEST_LINE].upper():
        return ""
    if not data.strip(b"\r\n\0"):
        return "keep-alive"
    if data[4:8] == _STUN_COOKIE:
        return "STUN"
    return "not SIP"


def _error_of(ancillary: list[tuple[int, int, bytes]]) -> int:
    """Return the errno of an extended error (struct sock_extended_err), 0 without one."""
    for level, kind, data in ancillary:
        if (level, kind) in ((socket.IPPROTO_IP, _IP_RECVERR), (socket.IPPROTO_IPV6, _IPV6_RECVERR)) and len(data) >= 4:
            return int(struct.unpack_from("=I", data)[0])
    return 0


def _local(received: list[tuple[int, int, bytes]]) -> str | None:
    """Return the address that a datagram came to."""
    for level, kind, data in received:
        if (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO) and len(data) >= _IN_PKTINFO.size:
            return socket.inet_ntoa(_IN_PKTINFO.unpack_from(data)[1])
        if (level, kind) == (socket.IPPROTO_IPV6, _IPV6_PKTINFO) and len(data) >= _IN6_PKTINFO.size:
            return socket.inet_ntop(socket.AF_INET6, _IN6_PKTINFO.unpack_from(data)[0])
    return None


def _from(local: str) -> list[tuple[int, int, bytes]]:
    """Return what makes a datagram leave from an address."""
    if ":" in local:
        packed = socket.inet_pton(socket.AF_INET6, local.partition("%")[0])
        return [(socket.IPPROTO_IPV6, _IPV6_PKTINFO, _IN6_PKTINFO.pack(packed, 0))]
    return [(socket.IPPROTO_IP, _IP_PKTINFO, _IN_PKTINFO.pack(0, socket.inet_aton(local), bytes(4)))]
