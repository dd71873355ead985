"""What happens on a call, as its owner (a front) hears it. `party` is the side it concerns, `branch` which far leg (party B) it is."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Party(enum.Enum):
    """The two sides of a call: A is the one that a front attached first (a browser handle, the offerer), B the other."""

    A = "a"
    B = "b"

    @property
    def other(self) -> Party:
        return Party.B if self is Party.A else Party.A


@dataclass(slots=True, frozen=True)
class LegConnected:
    """ICE found a path and the DTLS handshake finished with the right fingerprint; once for each association."""

    party: Party
    branch: str = ""


@dataclass(slots=True, frozen=True)
class LegFailed:
    """The leg cannot come up or is lost: `reason` is a short constant: `dtls-timeout`, `fingerprint`, `ice-failed`, `engine-fault`, …"""

    party: Party
    reason: str
    branch: str = ""


@dataclass(slots=True, frozen=True)
class LegClosed:
    """The peer closed the leg in order (DTLS close_notify)."""

    party: Party
    reason: str
    branch: str = ""


@dataclass(slots=True, frozen=True)
class LegConsentLost:
    """No authenticated ICE check for the consent timeout (RFC 7675); `LegFailed` follows unless the peer returns."""

    party: Party
    branch: str = ""


@dataclass(slots=True, frozen=True)
class LegReceiving:
    """Media of one stream began to arrive, or has not for `seconds`."""

    party: Party
    mid: str
    kind: str
    receiving: bool
    seconds: float
    branch: str = ""


@dataclass(slots=True, frozen=True)
class LegSlow:
    """`lost` packets in the last second; `uplink`: the peer reported the loss of what we sent."""

    party: Party
    mid: str
    kind: str
    uplink: bool
    lost: int
    branch: str = ""


@dataclass(slots=True, frozen=True)
class LegDtmf:
    """One digit (0-9*#ABCD) pressed by `party`, once. `volume` is in -dBm0: 0 is the loudest, 63 the least."""

    party: Party
    digit: str
    duration_ms: int
    branch: str = ""
    volume: int = 10


@dataclass(slots=True, frozen=True)
class LegMediaTimeout:
    """No media at all from `party` for `after` seconds."""

    party: Party
    after: float
    branch: str = ""


@dataclass(slots=True, frozen=True)
class CallTimedOut:
    """
    A waiting state ended by its timer after so many seconds; `CallClosed` follows where the call cannot go on.

    `waiting_for`: `answer` (to an offer, on `branch`), `media`, `silence` (media, while all is held or blocked), `end` (the call's life).
    """

    waiting_for: str
    after: float
    branch: str = ""


@dataclass(slots=True, frozen=True)
class CallClosed:
    """The call is over; nothing follows."""

    reason: str


CallEvent = (
    LegConnected | LegFailed | LegClosed | LegConsentLost | LegReceiving | LegSlow | LegDtmf | LegMediaTimeout | CallTimedOut | CallClosed
)
