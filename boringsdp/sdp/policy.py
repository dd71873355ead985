"""Which codecs are passed on, and in which order."""

from __future__ import annotations

from dataclasses import dataclass

from boringsdp.sdp.codec import Codec


@dataclass(slots=True, frozen=True, kw_only=True)
class CodecPolicy:
    """
    Codec names are compared without case; RED, RTX and FEC are never passed on, whatever a policy says.

    `prefer` moves codecs to the front in its own order; `remove` takes some out; `only`, when not empty, takes out all others.
    With `single` an answer keeps its first codec only (and the telephone-event and CN that go with it).
    A name may be `name/rate` or `name/rate/channels`, or a payload type number of the source; `remove` may hold `all` (all
    that `keep` does not name; telephone-event and CN too). When nothing that carries media would be left, `remove` and `only` are ignored,
    unless `may_be_empty`.
    `late_audio` and `late_video` are what we offer of ourselves when there is no source to offer from (late offer).
    """

    prefer: tuple[str, ...] = ()
    remove: frozenset[str] = frozenset()
    only: frozenset[str] = frozenset()
    keep: frozenset[str] = frozenset()
    single: bool = False
    may_be_empty: bool = False
    late_audio: tuple[Codec, ...] = (Codec("opus", 48000, 2), Codec("G722", 8000), Codec("PCMU", 8000), Codec("PCMA", 8000))
    late_video: tuple[Codec, ...] = ()


DEFAULT_POLICY = CodecPolicy()
