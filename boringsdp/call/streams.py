"""What the relay must know of one m-line, from what was agreed about it."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from boringsdp.relay import Keys, Profile, StreamFormat, StreamRules
from boringsdp.sdp import Crypto, Format, MediaPlan

MID_EXTENSION = "urn:ietf:params:rtp-hdrext:sdes:mid"
AUDIO_LEVEL_EXTENSION = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"

FEEDBACK = {"nack": "nack", "nack pli": "pli", "ccm fir": "fir"}
"""rtcp-fb values and what the relay calls them."""
NO_SSRCS: frozenset[int] = frozenset()
NO_FEEDBACK: frozenset[str] = frozenset()
"""An empty set of each call's own takes 216 bytes."""


def rules_of(plan: MediaPlan) -> StreamRules:
    """Return the rules of the plan's stream."""
    extensions, dtmf = plan.extension_ids, plan.dtmf
    return StreamRules(
        kind=plan.kind,
        formats=_expected((*plan.receive_formats, *plan.stray_receive)),
        mid=plan.mid,
        mid_extension=extensions.get(MID_EXTENSION, 0),
        audio_level_extension=extensions.get(AUDIO_LEVEL_EXTENSION, 0),
        ssrcs=frozenset(plan.remote_ssrcs) if plan.remote_ssrcs else NO_SSRCS,
        feedback=frozenset(FEEDBACK[value] for value in plan.feedback if value in FEEDBACK) if plan.feedback else NO_FEEDBACK,
        reduced_size=plan.reduced_size,
        dtmf_payload_type=None if dtmf is None else dtmf.payload_type,
        dtmf_clock_rate=8000 if dtmf is None else dtmf.codec.clock_rate,
        receive=plan.receive,
    )


@functools.lru_cache(maxsize=64)
def _expected(formats: tuple[Format, ...]) -> Mapping[int, StreamFormat]:
    """Return what may arrive, by payload type. Calls that agree on the same share it."""
    return {f.payload_type: StreamFormat(name=f.codec.name, clock_rate=f.codec.clock_rate) for f in formats}


def keys_of(crypto: Crypto | None, changed: bool) -> Keys | None:
    """Return the SRTP keys of a crypto line; None where there is none, or it says nothing new."""
    return Keys(Profile(crypto.suite), crypto.key, crypto.salt, crypto.mki) if crypto is not None and changed else None


def codec_of(plan: MediaPlan) -> str:
    """Return the codec that the peer wants first, as `name/clock[/channels]`; empty when nothing was agreed."""
    return str(plan.send_formats[0].codec) if plan.send_formats else ""
