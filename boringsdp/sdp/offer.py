"""Writing an offer for one leg from the other leg's offer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from boringsdp.sdp.local import LocalMedia, MediaNeed
from boringsdp.sdp.memory import LegMemory
from boringsdp.sdp.policy import DEFAULT_POLICY, CodecPolicy
from boringsdp.sdp.style import LegStyle


@dataclass(slots=True, frozen=True)
class Written:
    """A text of ours and the leg's memory after it. `changed` is False when it equals what we sent last (same o= version)."""

    text: str
    memory: LegMemory
    changed: bool = True


def needs_for_offer(
    memory: LegMemory, style: LegStyle, source: LegMemory | None, policy: CodecPolicy = DEFAULT_POLICY
) -> tuple[MediaNeed, ...]:
    """Return what `make_offer` with the same arguments will ask of `locals`, one entry for each m-line with media."""
    raise NotImplementedError


def make_offer(
    memory: LegMemory,
    style: LegStyle,
    source: LegMemory | None,
    locals: Mapping[int, LocalMedia],
    policy: CodecPolicy = DEFAULT_POLICY,
) -> Written:
    """
    Return the offer for the leg `memory`, made from the offer that the leg `source` has received.

    `locals` is keyed by this leg's slot, for every slot that `needs_for_offer` named. `source` None is a late offer: what the leg had before,
    or the policy's default codecs. First offer or re-offer is the same call. Raises `SdpError` when no m-line of the source can be served.
    """
    raise NotImplementedError
