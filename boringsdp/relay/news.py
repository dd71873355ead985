"""What the relay tells a transport's owner. Every event is about the one transport that the owner was given at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from boringsdp.relay.engine import Address, Profile

if TYPE_CHECKING:
    from boringsdp.relay.stream import Stream


@dataclass(slots=True, frozen=True)
class Connected:
    """WebRTC: a path is known and the DTLS handshake finished with the right fingerprint; media may flow. Once for each association."""

    profile: Profile


@dataclass(slots=True, frozen=True)
class Failed:
    """
    The transport cannot come up or is lost: `ice-failed`, `dtls-timeout`, `dtls-error`, `dtls-overload`, `fingerprint`, or `engine-fault`,
    a defect of ours.
    """

    reason: str


@dataclass(slots=True, frozen=True)
class Closed:
    """The peer closed in order: `dtls-alert` (close_notify)."""

    reason: str


@dataclass(slots=True, frozen=True)
class ConsentLost:
    """No authenticated ICE check for the consent timeout (RFC 7675). `Failed("ice-failed")` follows unless the peer returns."""


@dataclass(slots=True, frozen=True)
class Receiving:
    """Media of `stream` began to arrive, or has not arrived for `seconds`."""

    stream: Stream
    receiving: bool
    seconds: float


@dataclass(slots=True, frozen=True)
class MediaTimeout:
    """No packet on any stream of the transport that should receive, for `after` seconds. Again only after media came back."""

    stream: Stream
    after: float


@dataclass(slots=True, frozen=True)
class SlowLink:
    """`lost` packets within a second or one report; `uplink`: of those we sent, as the peer reports, or of what should have come."""

    stream: Stream
    uplink: bool
    lost: int


@dataclass(slots=True, frozen=True)
class Dtmf:
    """One digit, 0-9*#ABCD, once, when it has ended. `volume` is as in RFC 4733: 0 (loudest) to 63, in -dBm0."""

    stream: Stream
    digit: str
    duration_ms: int
    volume: int = 10


@dataclass(slots=True, frozen=True)
class KeyFrameRequested:
    """The peer asked for a key frame of what we send on `stream`; the relay has already passed it to the route's source."""

    stream: Stream


@dataclass(slots=True, frozen=True)
class PathChanged:
    """The peer is now at `remote`, by an authenticated ICE check or by latching."""

    remote: Address


TransportEvent = Connected | Failed | Closed | ConsentLost | Receiving | MediaTimeout | SlowLink | Dtmf | KeyFrameRequested | PathChanged
Owner = Callable[[TransportEvent], None]
