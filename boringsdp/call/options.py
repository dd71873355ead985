"""What a front may say about one leg beyond its SDP style, and how patient a call is."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from boringsdp.relay import Latch
from boringsdp.values import Value, replace


class LegOptions(Value, frozen=True, kw_only=True):
    """
    Where a leg stands and how its peer is found. None or empty: leave it as it is, at first the settings' default.

    `interface` is a name of `RelaySettings.interfaces`, and the first one given counts for the life of the leg; `family` (`IP4`, `IP6`) is
    what we write when the peer has not said its own; `announce` is written in place of our address (NAT). `source_address` is trusted
    instead of the address in the peer's SDP (not with ICE). `tos` is the IP TOS octet of what we send.
    """

    interface: str = ""
    family: str = ""
    announce: str = ""
    source_address: str = ""
    latch: Latch | None = None
    relatch: bool = False
    """Open the latching window anew although the announced address is the same (`port latching`). Once, it is not remembered."""
    pierce: bool = False
    """Send a few packets of no meaning at once, so that a NAT on the way lets the peer's through. Once."""
    wait: bool = False
    """Send neither media nor RTCP before the peer has sent some (not with ICE): its NAT knows us only then."""
    tos: int | None = None
    label: str = ""
    metadata: str = ""

    def over(self, before: LegOptions) -> LegOptions:
        """Return these options, with those from `before` where these say nothing."""
        if self == UNCHANGED:
            return before
        if before == UNCHANGED:
            return self
        return LegOptions(
            interface=before.interface or self.interface,
            family=self.family or before.family,
            announce=self.announce or before.announce,
            source_address=self.source_address or before.source_address,
            latch=before.latch if self.latch is None else self.latch,
            relatch=self.relatch or before.relatch,
            pierce=self.pierce or before.pierce,
            wait=self.wait or before.wait,
            tos=before.tos if self.tos is None else self.tos,
            label=self.label or before.label,
            metadata=self.metadata or before.metadata,
        )

    @property
    def lasting(self) -> LegOptions:
        """These options without what is done once."""
        return replace(self, relatch=False, pierce=False) if self.relatch or self.pierce else self

    def to_record(self) -> dict[str, object]:
        """Return plain JSON-able values."""
        return {
            "interface": self.interface,
            "family": self.family,
            "announce": self.announce,
            "source_address": self.source_address,
            "wait": self.wait,
            "latch": None if self.latch is None else self.latch.value,
            "tos": self.tos,
            "label": self.label,
            "metadata": self.metadata,
        }


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
