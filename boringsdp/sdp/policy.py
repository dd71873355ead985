"""Which codecs are passed on, and in which order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

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
    With `own_events` telephone-event is spoken with each leg whatever the other does: who asks for it converts the digits.
    `late_audio` and `late_video` are what we offer of ourselves when there is no source to offer from (late offer).
    """

    prefer: tuple[str, ...] = ()
    remove: frozenset[str] = frozenset()
    only: frozenset[str] = frozenset()
    keep: frozenset[str] = frozenset()
    single: bool = False
    may_be_empty: bool = False
    own_events: bool = False
    late_audio: tuple[Codec, ...] = (Codec("opus", 48000, 2), Codec("G722", 8000), Codec("PCMU", 8000), Codec("PCMA", 8000))
    late_video: tuple[Codec, ...] = ()
    _removed: frozenset[str] = field(init=False, repr=False, compare=False)
    _only: frozenset[str] = field(init=False, repr=False, compare=False)
    _kept: frozenset[str] = field(init=False, repr=False, compare=False)
    _ranks: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ranks = {pattern.lower(): position for position, pattern in reversed(list(enumerate(self.prefer)))}
        object.__setattr__(self, "_removed", _lower(self.remove))
        object.__setattr__(self, "_only", _lower(self.only))
        object.__setattr__(self, "_kept", _lower(self.keep))
        object.__setattr__(self, "_ranks", ranks)

    @property
    def unlimited(self) -> bool:
        """True when no codec is taken out."""
        return not self.remove and not self.only

    def removes(self, f: Format) -> bool:
        """True when `remove` takes the format out."""
        if not self._removed:
            return False
        spellings = _spellings(f)
        return not self._removed.isdisjoint(spellings) or ("all" in self._removed and self._kept.isdisjoint(spellings))

    def permits(self, f: Format) -> bool:
        """True when neither `remove` nor `only` takes the format out."""
        return not self.removes(f) and (not self._only or not self._only.isdisjoint(_spellings(f)))

    def sort(self, formats: list[Format]) -> None:
        """Move the preferred formats to the front, in place; the others keep their order."""
        if self.prefer:
            rank, last = self._ranks, len(self.prefer)
            formats.sort(key=lambda f: min([rank.get(spelling, last) for spelling in _spellings(f)]))


def _spellings(f: Format) -> tuple[str, ...]:
    """Everything that may name the format, in lower case; channels may be left out and also be said when there is one."""
    name, rate, channels = f.codec.key
    return name, f"{name}/{rate}", f"{name}/{rate}/{channels}", str(f.payload_type)


def _lower(patterns: frozenset[str]) -> frozenset[str]:
    return frozenset([pattern.lower() for pattern in patterns])


DEFAULT_POLICY = CodecPolicy()
