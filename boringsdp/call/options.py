"""What a front may say about one leg beyond its SDP style, and how patient a call is."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from boringsdp.relay import Latch


@dataclass(slots=True, frozen=True, kw_only=True)
class LegOptions:
    """
    Where a leg stands and how its peer is found. None or empty: leave it as it is, at first the settings' default.

    `interface` is a name of `RelaySettings.interfaces` and is taken by the leg's first transport only; `family` (`IP4`, `IP6`) is what we
    write when the peer has not said its own; `announce` is written in place of our address (NAT). `source_address` is trusted instead of
    the address in the peer's SDP (not with ICE). `tos` is the IP TOS octet of what we send.
    """

    interface: str = ""
    family: str = ""
    announce: str = ""
    source_address: str = ""
    latch: Latch | None = None
    relatch: bool = False
    """Open the latching window anew although the announced address is the same (`port latching`)."""
    tos: int | None = None
    label: str = ""
    metadata: str = ""


UNCHANGED = LegOptions()


@dataclass(slots=True, frozen=True, kw_only=True)
class Timeouts:
    """
    How long a call may wait, in seconds; 0 is for ever.

    `answer_s`: an offer without answer. `media_s`: no packet on any stream of the call while some leg should send. `silent_s`: the same
    while all is held or blocked. `final_s`: the life of the call. With `each_leg` one silent leg is enough.
    With `end_on_failure` the call ends with a leg whose media is in force and whose ICE or DTLS fails; without, its owner is told.
    """

    answer_s: float = 300.0
    media_s: float = 60.0
    silent_s: float = 0.0
    final_s: float = 0.0
    each_leg: bool = True
    end_on_failure: bool = False


class Block(enum.Enum):
    """What of a party's media can be held back without touching any SDP."""

    MEDIA = "media"
    """Audio and video are dropped, digits pass."""
    DTMF = "dtmf"
    SILENCE = "silence"
    """Audio is replaced by silence; the stream goes on."""
