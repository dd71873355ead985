"""Writing the answer to one leg's offer from the other leg's answer."""

from __future__ import annotations

from collections.abc import Mapping

from boringsdp.sdp.local import LocalMedia, MediaNeed
from boringsdp.sdp.memory import LegMemory
from boringsdp.sdp.offer import Written
from boringsdp.sdp.policy import DEFAULT_POLICY, CodecPolicy
from boringsdp.sdp.style import LegStyle


def needs_for_answer(
    memory: LegMemory, source: LegMemory | None, policy: CodecPolicy = DEFAULT_POLICY, style: LegStyle | None = None
) -> tuple[MediaNeed, ...]:
    """Return what `make_answer` with the same arguments will ask of `locals`, one entry for each accepted m-line."""
    raise NotImplementedError


def make_answer(
    memory: LegMemory,
    source: LegMemory | None,
    locals: Mapping[int, LocalMedia],
    policy: CodecPolicy = DEFAULT_POLICY,
    style: LegStyle | None = None,
) -> Written:
    """
    Return the answer to the offer that the leg `memory` has received, made from the answer that the leg `source` has received.

    `source` None: we answer ourselves and mirror what we can (echo). `style` limits what may be agreed: its `sdes` says whether crypto lines
    are refused (OFF), taken when offered (OPTIONAL, the default), or required (MANDATORY: `SdpError` when there are none).
    """
    raise NotImplementedError
