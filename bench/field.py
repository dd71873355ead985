"""
Thousands of WebRTC clients and RTP peers on three sockets: each has a local address of its own, and all share their ports.

A gateway sees distinct addresses; the load program serves two sockets instead of thousands, and so costs little beside what it measures.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import struct
from collections.abc import Callable

Address = tuple[str, int]
Receiver = Callable[[bytes, Address], None]

PORTS = range(8000, 9998, 2)
"""Below every range that a gateway is given."""
TEST_NETWORKS = ("198.18", "198.19")
"""For benchmarks (RFC 2544); all of it is local in the namespace that `bench.namespace` makes. Janus does not answer 127.0.0.0/8."""
LOOPBACK = ("127.1", "127.2")
_PKTINFO = struct.Struct("=i4s4s")
_BUFFER = 16 << 20
IP_PKTINFO = 8
"""As `socket` has it from Python 3.14 on."""


class Field:
    """
    The sockets. `client(n)` and `peer(n)` are the addresses of the nth call; `listen` says who takes what comes to one of them.

    Nothing is read between `pause` and `resume`: the load program does that then.
    """

    def __init__(self) -> None:
        self._networks = TEST_NETWORKS if _is_local(_host(TEST_NETWORKS[0], 0)) else LOOPBACK
        self.client_socket = _bound(PORTS)
        self.peer_socket, self.peer_rtcp_socket = _bound_pair()
        self._receivers: dict[bytes, Receiver] = {}
        self._reading = False

    def client(self, number: int) -> Address:
        return _host(self._networks[0], number), self.client_socket.getsockname()[1]

    def peer(self, number: int) -> Address:
        return _host(self._networks[1], number), self.peer_socket.getsockname()[1]

    def descriptors(self) -> tuple[int, int, int]:
        """As the load program wants them."""
        return self.client_socket.fileno(), self.peer_socket.fileno(), self.peer_rtcp_socket.fileno()

    def listen(self, host: str, receiver: Receiver) -> None:
        self._receivers[socket.inet_aton(host)] = receiver

    def forget(self, host: str) -> None:
        self._receivers.pop(socket.inet_aton(host), None)

    def send(self, data: bytes, source: str, to: Address) -> None:
        """Send from a client's address."""
        info = _PKTINFO.pack(0, socket.inet_aton(source), bytes(4))
        self.client_socket.sendmsg([data], [(socket.IPPROTO_IP, IP_PKTINFO, info)], 0, to)

    def resume(self) -> None:
        if not self._reading:
            self._reading = True
            asyncio.get_running_loop().add_reader(self.client_socket, self._read)

    def pause(self) -> None:
        if self._reading:
            self._reading = False
            asyncio.get_running_loop().remove_reader(self.client_socket)

    def close(self) -> None:
        for each in (self.client_socket, self.peer_socket, self.peer_rtcp_socket):
            each.close()

    def drain(self) -> None:
        """Throw away what waits at the peers, and at the clients."""
        for each in (self.client_socket, self.peer_socket, self.peer_rtcp_socket):
            try:
                while True:
                    each.recv(2048)
            except BlockingIOError:
                pass

    def _read(self) -> None:
        for _ in range(256):
            try:
                data, ancillary, _, source = self.client_socket.recvmsg(2048, 64)
            except BlockingIOError:
                return
            info = next((value for _, kind, value in ancillary if kind == IP_PKTINFO), bytes(12))
            receiver = self._receivers.get(info[8:12])
            if receiver is not None and data:
                receiver(data, source)


def _host(network: str, number: int) -> str:
    return f"{network}.{number // 250 % 250}.{1 + number % 250}"


def _is_local(host: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
        return True


def _bound(ports: range, port: int | None = None) -> socket.socket:
    for candidate in [port] if port is not None else secrets.SystemRandom().sample(ports, len(ports)):
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            made.bind(("0.0.0.0", candidate))
        except OSError:
            made.close()
            continue
        made.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        made.setblocking(False)
        return made
    raise OSError(f"no UDP port is free among {ports}")


def _bound_pair() -> tuple[socket.socket, socket.socket]:
    """An even port and the next, as a telephone has them for RTP and RTCP."""
    for _ in range(20):
        even = _bound(PORTS)
        try:
            return even, _bound(PORTS, even.getsockname()[1] + 1)
        except OSError:
            even.close()
    raise OSError(f"no pair of UDP ports is free among {PORTS}")
