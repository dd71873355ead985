"""Which of the engine's workers carries what: a call's transports share one, so that its packets need not change threads."""

from __future__ import annotations

from boringsdp.relay.engine import TransportId


class Place:
    """Who wants its transports together: a call has one. The relay chooses the worker for the first of them."""

    __slots__ = ("transports", "worker")

    def __init__(self) -> None:
        self.worker = 0
        self.transports = 0
        """How many of its transports live."""


class Workers:
    """How many transports each worker carries. They stay where they are; only what is opened can go elsewhere."""

    def __init__(self, count: int) -> None:
        self.loads = [0] * count
        self._taken: dict[TransportId, tuple[int, Place | None]] = {}

    def choose(self, place: Place | None) -> int:
        """Return the worker for a new transport: where the others of its place are, or the one with least to carry."""
        if place is not None and place.transports:
            return place.worker
        return min(range(len(self.loads)), key=self.loads.__getitem__)

    def take(self, transport: TransportId, worker: int, place: Place | None) -> None:
        """Note that a transport is open there."""
        self.loads[worker] += 1
        self._taken[transport] = worker, place
        if place is not None:
            place.worker = worker
            place.transports += 1

    def leave(self, transport: TransportId) -> None:
        """Note that it is closed."""
        worker, place = self._taken.pop(transport)
        self.loads[worker] -= 1
        if place is not None:
            place.transports -= 1
