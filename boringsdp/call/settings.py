"""What the call layer is told once, at start."""

from __future__ import annotations

from dataclasses import dataclass, field

from boringsdp.call.destinations import DestinationPolicy
from boringsdp.call.options import Timeouts
from boringsdp.relay import Latch


@dataclass(slots=True, frozen=True, kw_only=True)
class CallSettings:
    """
    Bounds and policies of all calls.

    `answer_timeout_s` is how long an offer may wait; `plain_host` the local address of plain legs whose
    peer has not said where it is (None: the relay's first);
    with `close_on_media_timeout` a call whose leg falls silent ends after it was reported.
    """

    max_calls: int = 2000
    max_branches: int = 64
    """Far legs of one call."""
    answer_timeout_s: float = 300.0
    latch: Latch = Latch.ONCE
    plain_host: str | None = None
    close_on_media_timeout: bool = True
    destinations: DestinationPolicy = field(default_factory=DestinationPolicy)

    @property
    def timeouts(self) -> Timeouts:
        """For calls whose owner says nothing: the relay's own media timeout counts then, and a leg that fails ends the call."""
        return Timeouts(answer_s=self.answer_timeout_s, media_s=0.0, end_on_failure=True)
