"""What the peer's SDP says of its media, and what is new about that. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from boringsdp.sdp import Description, Direction
from boringsdp.sip_plugin import events


@dataclass(slots=True, frozen=True)
class Stream:
    """One m-line that the peer has not refused."""

    kind: str
    direction: Direction
    address: tuple[str, int] | None
    codecs: tuple[str, ...]

    def shown(self) -> dict[str, Any]:
        """As `media_changed` shows it."""
        place = {"address": self.address[0], "port": self.address[1]} if self.address else {}
        return {"type": self.kind, "direction": self.direction.value, **place, "codecs": list(self.codecs)}


class PeerMedia:
    """Remembers the last SDP of the peer."""

    def __init__(self) -> None:
        self._streams: tuple[Stream, ...] | None = None
        self.holds = False
        """The peer wants nothing of us."""

    def take(self, description: Description, *, while_held: bool = False) -> list[dict[str, Any]]:
        """
        Note an SDP and return the news in it, as events. The first SDP has none but a hold.

        `while_held`: it answers an offer of ours that holds, so that its direction says nothing of what the peer wants.
        """
        before, now = self._streams, tuple(_streams(description))
        self._streams = now
        news = [] if while_held else self._hold_news(now)
        if before is None:
            return news
        changed = [what for what, differs in _differences(before, now) if differs]
        if changed:
            news.append(events.media_changed(changed, [stream.shown() for stream in now]))
        return news

    def _hold_news(self, now: tuple[Stream, ...]) -> list[dict[str, Any]]:
        main = [stream for stream in now if stream.kind == "audio"] or list(now)
        holds = bool(main) and not any(stream.direction.receive for stream in main)
        if holds is self.holds or not main:
            return []
        self.holds = holds
        direction = main[0].direction.value
        return [events.remote_hold(direction) if holds else events.remote_resume(direction)]


def _streams(description: Description) -> list[Stream]:
    return [
        Stream(media.kind, media.direction, media.address, tuple(str(f.codec) for f in media.formats))
        for media in description.medias
        if not media.rejected
    ]


def _differences(before: tuple[Stream, ...], now: tuple[Stream, ...]) -> list[tuple[str, bool]]:
    kinds = [stream.kind for stream in before] != [stream.kind for stream in now]
    pairs = list(zip(before, now, strict=False))
    # A stream on hold by c=0.0.0.0 names no address: that is no move.
    moved = any(a.address != b.address for a, b in pairs if a.address and b.address)
    codecs = any(a.codecs != b.codecs for a, b in pairs)
    return [("media", kinds), ("address", moved), ("codecs", codecs and not kinds)]
