"""What the codec words of an offer mean where nothing is transcoded."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from boringsdp.ng.requests import CodecOptions, Description
from boringsdp.sdp import Codec, CodecPolicy

_ALL = frozenset({"all", "full"})
_NO_WISHES = CodecOptions()
_ANY, _ANY_OR_NONE = CodecPolicy(), CodecPolicy(may_be_empty=True)
"""Of most calls."""


def codec_policy(request: Description, offered: Collection[Codec] | None, warnings: list[str]) -> CodecPolicy:
    """
    Return which codecs of an offer are passed on. What cannot be had is added to `warnings`.

    `transcode` means: keep this one if the source has it. `mask` hides codecs in favour of those to transcode to; when the source has none
    of these, hiding would leave the two sides without a common codec, so nothing is hidden. `offered` None: not known, all are taken to
    be there.
    """
    codec = request.codec
    if codec == _NO_WISHES:
        return _ANY_OR_NONE if request.allow_no_codec_media else _ANY
    kept = _present(codec.transcode, offered)
    missing = [name for name in codec.transcode if name not in kept]
    if missing:
        warnings.append(f"there is no transcoding, and the offer has no {', '.join(missing[:8])}: the call goes on in a codec both have")
    hidden = codec.mask + codec.consume
    if codec.transcode and not kept:
        hidden = ()
    stripped_all, hidden_all = bool(_ALL.intersection(codec.strip)), bool(_ALL.intersection(hidden))
    wanted = tuple(_plain(name) for name in (*codec.offer, *(kept if stripped_all or hidden_all else ())))
    white = frozenset((*wanted, *codec.keep))
    only = white if hidden_all and not stripped_all else frozenset()
    return CodecPolicy(
        prefer=wanted,
        remove=_removed(codec, hidden, kept) | _useless_events(only, offered),
        only=only,
        keep=white if stripped_all else frozenset(),
        may_be_empty=request.allow_no_codec_media,
    )


def _removed(codec: CodecOptions, hidden: Iterable[str], kept: Collection[str]) -> frozenset[str]:
    """Names to take out: `strip all` as `all`, and single ones unless they are also to be transcoded to."""
    names = {_plain(name) for name in (*codec.strip, *hidden) if name not in _ALL}
    if _ALL.intersection(codec.strip):
        return frozenset({"all"})
    return frozenset(names - {_plain(name) for name in kept})


def _useless_events(only: Collection[str], offered: Collection[Codec] | None) -> frozenset[str]:
    """
    Return the telephone-events in a clock that none of the codecs left has, while one in a right clock stands beside them.

    Browsers offer digits at 48000 Hz for Opus and at 8000 Hz for the rest; telephones that see both take the wrong one.
    """
    if not only or not offered:
        return frozenset()
    names = {_plain(name).lower() for name in only}
    rates = {each.clock_rate for each in offered if each.carries_media and not names.isdisjoint(_names(each))}
    clocks = {each.clock_rate for each in offered if each.is_event}
    return frozenset(f"telephone-event/{clock}" for clock in clocks - rates) if clocks & rates else frozenset()


def _present(names: Iterable[str], offered: Collection[Codec] | None) -> tuple[str, ...]:
    """Those of `names` that the source offers."""
    if offered is None:
        return tuple(names)
    have = {name for each in offered for name in _names(each)}
    return tuple(name for name in names if _plain(name).lower() in have)


def _plain(name: str) -> str:
    """`opus/48000/2/32000//useinbandfec=1` as `opus/48000/2`: bit rate, ptime and parameters are the transcoder's."""
    return "/".join(name.split("/")[:3]).rstrip("/")


def _names(codec: Codec) -> set[str]:
    """Everything that may name a codec, in lower case."""
    name, rate, channels = codec.key
    return {name, f"{name}/{rate}", f"{name}/{rate}/{channels}"}
