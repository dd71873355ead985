"""Which codecs are passed on, and in which order."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass

from boringsdp.sdp.codec import Codec, Format


@dataclass(slots=True, frozen=True, kw_only=True)
class CodecPolicy:
    """
    Codec names are compared without case; RED, RTX and FEC are never passed on, whatever a policy says.

    `prefer` moves codecs to the front in its own order; `remove` takes some out; `only`, when not empty, takes out all others.
    With `single` an answer keeps its first codec only (and the telephone-event and CN that go with it).
    A name may be `name/rate` or `name/rate/channels`, or a payload type number of the source; `remove` may hold `all` (all
    that `keep` does not name; telephone-event and CN too). Where the text mirrors its source (`Passing.mirror`) and nothing that carries
    media would be left of an m-line, `remove` and `only` are ignored for it, unless `may_be_empty`; else such an m-line is refused.
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

    @property
    def unlimited(self) -> bool:
        """True when no codec is taken out."""
        return not self.remove and not self.only

    def removes(self, f: Format) -> bool:
        """True when `remove` takes the format out."""
        patterns = _names(self.remove)
        if not patterns:
            return False
        return not patterns.isdisjoint(_spellings(f)) or ("all" in patterns and _names(self.keep).isdisjoint(_spellings(f)))

    def permits(self, f: Format) -> bool:
        """True when neither `remove` nor `only` takes the format out."""
        return not self.removes(f) and (not self.only or not _names(self.only).isdisjoint(_spellings(f)))

    def sort(self, formats: list[Format]) -> None:
        """Move the preferred formats to the front, in place; the others keep their order."""
        if self.prefer:
            rank = _ranks(self.prefer)
            last = len(self.prefer)
            formats.sort(key=lambda f: min([rank.get(spelling, last) for spelling in _spellings(f)]))


def _spellings(f: Format) -> tuple[str, ...]:
    """Everything that may name the format, in lower case; channels may be left out and also be said when there is one."""
    name, rate, channels = f.codec.key
    return name, f"{name}/{rate}", f"{name}/{rate}/{channels}", str(f.payload_type)


@functools.lru_cache(maxsize=256)
def _names(patterns: Iterable[str]) -> frozenset[str]:
    return frozenset([pattern.lower() for pattern in patterns])


@functools.lru_cache(maxsize=256)
def _ranks(patterns: tuple[str, ...]) -> dict[str, int]:
    return {pattern.lower(): position for position, pattern in reversed(list(enumerate(patterns)))}


DEFAULT_POLICY = CodecPolicy()
