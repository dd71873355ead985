"""Trickled ICE candidates, from one leg's side to the other's (RFC 8838, RFC 8840)."""

from __future__ import annotations

from boringsdp.call.leg import Leg
from boringsdp.sdp import Candidate, Media
from boringsdp.sdp.fragment import Fragment, FragmentMedia, write_fragment


def translated(fragment: Fragment, source: Leg, target: Leg) -> str:
    """
    Return what the fragment of `source`'s peer becomes for `target`'s; empty when that one has not been offered ICE.

    We learn where a peer is from its checks, so its candidates are of no use to us; ours are all known from the start, and are told again
    with their end. Where our candidates stand beside those of the other side, its new ones are passed on before ours, if they belong to
    the credentials that its last SDP had.
    """
    written = target.memory.written
    if written is None or not any(media.ufrag for media in written.medias):
        return ""
    medias = [
        FragmentMedia(
            mid=media.mid,
            index=media.index,
            line=media.line,
            ufrag=media.ufrag,
            password=media.password,
            candidates=(*_passed_on(fragment, media, source, target), *_own(media, target)),
            end_of_candidates=not target.style.ice_optional or fragment.ended,
        )
        for media in written.medias
        if media.ufrag and not media.rejected and media.candidate_values
    ]
    return write_fragment(medias, ice_lite=written.ice_lite) if medias else ""


def _own(media: Media, target: Leg) -> tuple[Candidate, ...]:
    """Ours among the candidates that our last SDP named."""
    own = {address for _, transport in target.transports for address in target.told_addresses(transport)}
    return tuple(candidate for candidate in media.candidates if not target.style.ice_optional or (candidate.host, candidate.port) in own)


def _passed_on(fragment: Fragment, media: Media, source: Leg, target: Leg) -> tuple[Candidate, ...]:
    slot = target.memory.slots[media.index].counterpart if media.index < len(target.memory.slots) else None
    received = source.memory.received
    if not target.style.ice_optional or slot is None or received is None or slot >= len(received.medias):
        return ()
    theirs = received.tagged(received.medias[slot])
    found = [part for part in fragment.medias if part.mid == theirs.mid or (not part.mid and part.index == slot)] or [fragment.session]
    return tuple(candidate for part in found if part.ufrag in ("", theirs.ufrag) for candidate in part.candidates)
