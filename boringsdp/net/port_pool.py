"""Which UDP ports of a range are free: a core, pure bookkeeping."""

from __future__ import annotations

import random
from collections import deque

from boringsdp.errors import Exhausted

REST_S = 30.0


class PortPool:
    """
    RTP/RTCP port pairs (RFC 3550 §11: RTP even, RTCP the odd one above) out of a range, one pool for each local address.

    A released pair rests before it is used again: a peer that missed our BYE would be heard on the next call. A caller that needs one port
    (rtcp-mux) takes a pair and binds the even port only. Pairs are handed out in a shuffled order, then oldest first, so that the next port
    cannot be guessed.
    """

    def __init__(self, first: int, last: int, *, rest_s: float = REST_S, randomness: random.Random | None = None) -> None:
        """`first` and `last` are both included; a lone odd port at either end is left out. Raises ValueError for an impossible range."""
        if not 0 < first <= last < 65536:
            raise ValueError(f"port range {first}-{last}")
        pairs = list(range(first + first % 2, last, 2))
        (randomness or random.SystemRandom()).shuffle(pairs)
        self._rest_s = rest_s
        self._free = deque(pairs)
        self._resting: deque[tuple[float, int]] = deque()
        self._used: set[int] = set()
        self.capacity = len(pairs)

    @property
    def used(self) -> int:
        """Pairs that are taken now."""
        return len(self._used)

    @property
    def resting(self) -> int:
        return len(self._resting)

    def take(self, now: float) -> tuple[int, int]:
        """Return an RTP port and the RTCP port above it. Raises Exhausted when every pair is taken or resting."""
        while self._resting and self._resting[0][0] <= now:
            self._free.append(self._resting.popleft()[1])
        if not self._free:
            raise Exhausted("ports")
        port = self._free.popleft()
        self._used.add(port)
        return port, port + 1

    def give_back(self, port: int, now: float) -> None:
        """Let the pair whose RTP port is `port` rest; also for one that could not be bound. A port that is not taken is ignored."""
        if port in self._used:
            self._used.remove(port)
            self._resting.append((now + self._rest_s, port))
