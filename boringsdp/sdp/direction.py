"""Media direction and its algebra (RFC 3264 §5.1, §6.1, §8.4)."""

from __future__ import annotations

import enum


class Direction(enum.Enum):
    """Who sends, seen from the party whose SDP carries the attribute."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def send(self) -> bool:
        """True when the party that says so sends."""
        return self in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def receive(self) -> bool:
        """True when the party that says so receives."""
        return self in (Direction.SENDRECV, Direction.RECVONLY)

    def reversed(self) -> Direction:
        """Return the same agreement seen from the other party."""
        return _BY_FLAGS[self.receive, self.send]

    def intersect(self, other: Direction) -> Direction:
        """Return what both allow, each seen from the same party."""
        return _BY_FLAGS[self.send and other.send, self.receive and other.receive]


_BY_FLAGS = {
    (True, True): Direction.SENDRECV,
    (True, False): Direction.SENDONLY,
    (False, True): Direction.RECVONLY,
    (False, False): Direction.INACTIVE,
}
