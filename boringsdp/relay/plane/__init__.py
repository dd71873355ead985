"""The media plane: everything an engine decides, without sockets, clock or tasks."""

from boringsdp.relay.plane.plane import Plane
from boringsdp.relay.plane.port import PlanePort, Transmit
from boringsdp.relay.plane.snapshot import restore_snapshot, take_snapshot

__all__ = ["Plane", "PlanePort", "Transmit", "restore_snapshot", "take_snapshot"]
