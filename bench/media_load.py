"""Media of many calls from one process: a packet each way every 20 ms, spread evenly, on two sockets; how late and how many arrive."""

from __future__ import annotations

import multiprocessing
import multiprocessing.queues
import select
import socket
import struct
import time
from dataclasses import dataclass

Address = tuple[str, int]

PERIOD_S = 0.02
LAST_ONES_S = 0.5
_HEADER = struct.Struct("!BBHIId")
"""RTP's header, and in the payload when the packet was sent."""


@dataclass(slots=True, frozen=True)
class Outcome:
    """What became of the packets; delays in milliseconds from sending to receiving, with all the waiting of this process in them."""

    sent: int
    lost: int
    median_ms: float
    late_ms: float
    """The 99th percentile."""
    worst_ms: float

    def __str__(self) -> str:
        return (
            f"{self.sent} packets, {self.lost} lost, through after {self.median_ms:.2f} ms (median), {self.late_ms:.2f} ms "
            f"(99th percentile), {self.worst_ms:.1f} ms (worst)"
        )


class MediaLoad:
    """Two parties of any number of calls: `near` and `far` are bound sockets; `start` with where each call's packets go, then `result`."""

    def __init__(self) -> None:
        self.near, self.far = _bound(), _bound()
        self._context = multiprocessing.get_context("fork")
        self._sent = 0
        """Of each flow: numbers go on where they were, or the packets would be copies of earlier ones."""
        self._results: multiprocessing.queues.Queue[Outcome] = self._context.Queue()

    def start(self, calls: list[tuple[Address, Address]], seconds: float) -> None:
        """Send for `seconds`, in a process of its own: from `near` to the first address of each call, from `far` to the second."""
        flows = [flow for near, far in calls for flow in ((self.near, near), (self.far, far))]
        self._process = self._context.Process(target=self._run, args=(flows, self._sent, int(seconds / PERIOD_S)))
        self._process.start()
        self._sent += int(seconds / PERIOD_S)

    def result(self) -> Outcome:
        """Wait for the end."""
        outcome = self._results.get(timeout=60)
        self._process.join()
        return outcome

    def close(self) -> None:
        self.near.close()
        self.far.close()

    def _run(self, flows: list[tuple[socket.socket, Address]], first: int, count: int) -> None:
        delays: list[float] = []
        began = time.monotonic()
        step, sent, total = PERIOD_S / len(flows), 0, count * len(flows)
        while sent < total or time.monotonic() - began < count * PERIOD_S + LAST_ONES_S:
            now = time.monotonic()
            while sent < total and began + sent * step <= now:
                sequence, number = divmod(first * len(flows) + sent, len(flows))
                sock, to = flows[number]
                packet = _HEADER.pack(0x80, 0, sequence & 0xFFFF, sequence * 160 & 0xFFFFFFFF, number + 1, time.monotonic())
                sock.sendto(packet + bytes(152), to)
                sent += 1
            for sock in select.select([self.near, self.far], [], [], 0.0005)[0]:
                self._read(sock, delays)
        delays.sort()
        at = [delays[int((len(delays) - 1) * part)] * 1e3 for part in (0.5, 0.99, 1)] if delays else [0.0] * 3
        self._results.put(Outcome(total, total - len(delays), *at))

    def _read(self, sock: socket.socket, delays: list[float]) -> None:
        try:
            while True:
                data = sock.recv(2048)
                if len(data) == 172:
                    delays.append(time.monotonic() - struct.unpack_from("!d", data, 12)[0])
        except BlockingIOError:
            pass


def _bound() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.bind(("127.0.0.1", 0))
    sock.setblocking(False)
    return sock
