"""Writing an offer for one leg from the other leg's offer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from boringsdp.errors import SdpError
from boringsdp.sdp.attributes import passed_on
from boringsdp.sdp.codec import Codec, Format
from boringsdp.sdp.description import Description, Media
from boringsdp.sdp.direction import Direction
from boringsdp.sdp.formats import EVENT_CLOCK, feedback_for, formats_to_mirror, formats_to_offer, late_formats, lenient, number_formats
from boringsdp.sdp.local import LocalMedia, MediaNeed
from boringsdp.sdp.memory import Exchange, LegMemory, Slot
from boringsdp.sdp.outline import (
    MID_URI,
    USUAL_IDS,
    Outline,
    Sheet,
    extension_ids,
    pass_media,
    previous_line,
    refused,
    share_transports,
    wanted_extensions,
)
from boringsdp.sdp.passing import OWN_TEXT, Passing
from boringsdp.sdp.policy import DEFAULT_POLICY, CodecPolicy
from boringsdp.sdp.serve import OURS, Servable, keying, servable
from boringsdp.sdp.style import Keying, LegStyle, Protocol
from boringsdp.sdp.writer import compose
from boringsdp.values import Value, replace


class Written(Value, frozen=True):
    """A text of ours and the leg's memory after it. `changed` is False when it equals what we sent last (same o= version)."""

    text: str
    memory: LegMemory
    changed: bool = True


class OfferDraft(Value, frozen=True):
    """An offer decided but for our own side: `needs` says what `write` will ask of `locals`, one entry for each m-line with media."""

    memory: LegMemory
    style: LegStyle
    sheet: Sheet

    @property
    def needs(self) -> tuple[MediaNeed, ...]:
        return self.sheet.needs()

    def write(self, locals: Mapping[int, LocalMedia]) -> Written:
        """Return the offer; `locals` has every slot that `needs` named. Raises `SdpError` when the text grew too long."""
        text, after = compose(self.memory, self.sheet, locals, self.style, we_offer=True)
        return Written(text, after, text != self.memory.sent)


def draft_offer(
    memory: LegMemory,
    style: LegStyle | None,
    source: LegMemory | None,
    policy: CodecPolicy = DEFAULT_POLICY,
    passing: Passing = OWN_TEXT,
) -> OfferDraft:
    """
    Decide the offer for the leg `memory`, made from the last SDP that the leg `source` has received.

    First offer or re-offer is the same call. `style` None keeps to what the leg speaks already. `source` None is a late offer: what the leg
    had before, or else the policy's late codecs. Raises `SdpError` when nothing can be offered: the source has no m-line that can be served
    (unless it has disabled all of a call's).
    """
    style = _style(memory, style, passing)
    return OfferDraft(memory, style, _sheet(memory, style, source, policy, passing))


def needs_for_offer(
    memory: LegMemory,
    style: LegStyle | None,
    source: LegMemory | None,
    policy: CodecPolicy = DEFAULT_POLICY,
    passing: Passing = OWN_TEXT,
) -> tuple[MediaNeed, ...]:
    """Return what `make_offer` with the same arguments will ask of `locals`. Raises as `draft_offer`."""
    return draft_offer(memory, style, source, policy, passing).needs


def make_offer(
    memory: LegMemory,
    style: LegStyle | None,
    source: LegMemory | None,
    locals: Mapping[int, LocalMedia],
    policy: CodecPolicy = DEFAULT_POLICY,
    passing: Passing = OWN_TEXT,
) -> Written:
    """Return the offer at one go, for callers who have `locals` already. Raises as `draft_offer`."""
    return draft_offer(memory, style, source, policy, passing).write(locals)


def _style(memory: LegMemory, style: LegStyle | None, passing: Passing) -> LegStyle:
    """
    What the caller wants, else what the peer's last offer speaks, else what we offered before.

    A peer that answered without ICE is not offered it again. Only a proxy's relay speaks ICE without DTLS: phones that offer it do as well
    without.
    """
    if style is None and memory.received is not None and (memory.style is None or not memory.we_offered):
        style = memory.received.style
    style = style or memory.style or LegStyle()
    if style.ice and ((memory.ice_refused and not style.reset) or not (style.dtls or passing.mirror)):
        style = replace(style, ice=False)
    return style


@dataclass(slots=True)
class _Line:
    """What one slot is to offer, before it has numbers: from a source's m-line, from the slot itself, or nothing (refused)."""

    kind: str
    counterpart: int | None
    formats: Sequence[Format]
    direction: Direction
    source: Media | None = None
    served: bool = True
    guest: Media | None = None
    """The source's m-line with the ICE credentials and candidates that stay beside ours."""


def _sheet(memory: LegMemory, style: LegStyle, source: LegMemory | None, policy: CodecPolicy, passing: Passing) -> Sheet:
    sent = memory.written
    lines, others = (
        _lines_from_source(memory, style, source, policy, passing) if source is not None else (_late_lines(memory, sent, style, policy), ())
    )
    # A peer that was asked to bundle and did not, or never offered to, is not asked again.
    bundled = style.bundle and (memory.received is None or memory.exchange is Exchange.NEW or bool(memory.received.bundle))
    outlines: list[Outline] = []
    mids = _Mids(memory, style, passing, source.received if source is not None else None)
    for index in range(max([len(memory.slots), *[slot + 1 for slot in lines]])):
        line = lines.get(index)
        old = memory.slots[index] if index < len(memory.slots) else None
        if line is None:
            assert old is not None
            outlines.append(refused(index, previous_line(memory, sent, index), old.mid, old.counterpart))
            continue
        same = old is not None and old.kind == line.kind and (old.live or memory.exchange is not Exchange.AGREED)
        mid = old.mid if same and old is not None else ""
        if old is not None and old.kind == line.kind and not line.served:
            mid = old.mid  # what stays disabled keeps its name
        mid = mid or mids.choose(line.source, old.mid if old is not None else "")
        if not line.served:
            outlines.append(_refused(index, line, mid, style, passing))
        elif line.source is not None and line.source.raw:
            outlines.append(_raw(index, line, mid, old if same else None))
        else:
            outlines.append(_outline(index, line, mid, memory, style, sent, outlines, bundled, old if same else None, passing))
    group = [o for o in outlines if o.accepted and o.mid and o.rtcp_mux and not o.raw] if bundled else []
    share_transports(memory.slots, outlines, [group] if group else [])
    return Sheet(
        outlines,
        style.ice,
        [[o.mid for o in group]] if group else [],
        others,
        passing=passing,
        source=source.received if passing.mirror and source is not None else None,
        webrtc=style.webrtc,
        trickle=style.trickle,
        sdes_pad=style.sdes_pad or not passing.mirror,
        sdes_lifetime=style.sdes_lifetime,
        lite_peer=memory.received is not None and memory.received.ice_lite,
    )


class _Mids:
    """Gives mids to new m-lines: the source's where a mirror may keep it, else the next number where the style wants one."""

    def __init__(self, memory: LegMemory, style: LegStyle, passing: Passing, source: Description | None) -> None:
        self._taken = {slot.mid for slot in memory.slots}
        self._next = memory.next_mid
        self._wanted = style.mids
        self._keep = passing.mirror and source is not None and (style.mids or style.webrtc or not source.webrtc)

    def choose(self, source: Media | None, own: str) -> str:
        """Return a mid that no other m-line of the leg has, or none; `own` is the one that this slot had."""
        mid = ""
        if self._keep and source is not None and (source.mid not in self._taken or source.mid == own) and _is_short_token(source.mid):
            mid = source.mid
        elif self._wanted:
            while str(self._next) in self._taken:
                self._next += 1
            mid = str(self._next)
        self._taken.add(mid)
        return mid


def _is_short_token(mid: str) -> bool:
    """True for a mid that fits a one-byte header extension (RFC 8285 §4.2)."""
    return 0 < len(mid) <= 16 and mid.isascii() and mid.replace("-", "").replace("_", "").isalnum()


def _lines_from_source(
    memory: LegMemory, style: LegStyle, source: LegMemory, policy: CodecPolicy, passing: Passing
) -> tuple[dict[int, _Line], tuple[str, ...]]:
    description = source.received
    if description is None:
        raise SdpError("the other leg has sent no SDP yet")
    found = servable(description, source.slots, source.accepts, policy, passing)
    wanted = any(not media.rejected for media in description.medias)
    if not found.medias and (wanted or not (any(slot.live for slot in memory.slots) or (passing.mirror and description.medias))):
        # Also in a re-offer (fax instead of audio): an error leaves the call as it was, where disabling everything would end it.
        raise found.error(description)
    if passing.mirror:
        return _mirrored_lines(memory, style, source, found, policy, passing), ()
    between_plain = not style.webrtc and not description.webrtc
    lines: dict[int, _Line] = {}
    for index, slot in place(memory, source, found.medias).items():
        media = found.medias[index]
        formats = formats_to_offer(media.formats, policy, webrtc=style.webrtc, audio=media.kind == "audio")
        lines[slot] = _Line(media.kind, index, formats, media.direction, media)
    return lines, passed_on(description.others, between_plain=between_plain)


def _mirrored_lines(
    memory: LegMemory, style: LegStyle, source: LegMemory, found: Servable, policy: CodecPolicy, passing: Passing
) -> dict[int, _Line]:
    """Every m-line of the source in its place, also what is refused there or cannot be served; those to be removed are left out."""
    description = source.received
    assert description is not None
    kept = {media.index: media for media in description.medias if media.kind not in passing.remove_media}
    if description.medias and not kept:
        raise SdpError("no m-line is left when those to be removed are gone")
    lines: dict[int, _Line] = {}
    for index, slot in place(memory, source, kept, by_kind=False).items():
        media = kept[index]
        transport = description.tagged(media)
        served = index in found.medias and not (media.raw and style.webrtc)  # browsers know no other media
        formats = formats_to_mirror(media.formats, lenient(policy, media.formats), webrtc=style.webrtc) if served else []
        direction = media.stated if passing.original_direction else media.direction
        kind = "audio" if style.webrtc and not served and not _known_to_browsers(media) else media.kind
        lines[slot] = line = _Line(kind, index, formats, direction, media, served=served)
        unkeyed = style.keying is Keying.NONE and served and keying(media, transport, source.accepts) is Keying.NONE
        if style.ice and style.ice_optional and transport.ufrag and transport.password and unkeyed:
            line.guest = transport
    return lines


def place(memory: LegMemory, source: LegMemory, medias: Mapping[int, Media], *, by_kind: bool = True) -> dict[int, int]:
    """
    Return for each m-line of the source which slot of this leg it is joined with: {source index: slot}.

    Where both have met before they stay together, also when the source recycled its slot for another medium. A slot that never had a
    counterpart (late offer, echo) is joined by kind, if `by_kind`; what then has no slot gets a new one at the end.
    """
    placed: dict[int, int] = {}
    used: set[int] = set()
    for index in medias:
        slot = next((s for s, own in enumerate(memory.slots) if own.counterpart == index and s not in used), None)
        if slot is None and index < len(source.slots):
            theirs = source.slots[index].counterpart
            if theirs is not None and theirs < len(memory.slots) and theirs not in used and memory.slots[theirs].counterpart is None:
                slot = theirs
        if slot is not None:
            placed[index] = slot
            used.add(slot)
    count = len(memory.slots)
    for index, media in medias.items():
        if index in placed:
            continue
        free = (
            s for s, own in enumerate(memory.slots) if own.counterpart is None and own.kind == media.kind and own.live and s not in used
        )
        slot = next(free, count) if by_kind else count
        count += slot == count
        placed[index] = slot
        used.add(slot)
    return placed


def _late_lines(memory: LegMemory, sent: Description | None, style: LegStyle, policy: CodecPolicy) -> dict[int, _Line]:
    """What we offer of ourselves: the live m-lines as they are, or the policy's late codecs."""
    lines: dict[int, _Line] = {}
    for index, slot in enumerate(memory.slots):
        if slot.live and sent is not None:
            media = sent.medias[index]
            lines[index] = _Line(slot.kind, slot.counterpart, slot.fixed or media.formats, media.direction, media)
    if lines or memory.slots:
        return lines
    events = Format(101, Codec("telephone-event", EVENT_CLOCK))
    for kind, codecs in (("audio", policy.late_audio), ("video", policy.late_video)):
        if codecs:
            source = late_formats(codecs) + ([events] if kind == "audio" else [])
            lines[len(lines)] = _Line(kind, None, formats_to_offer(source, policy, webrtc=style.webrtc), Direction.SENDRECV)
    if not lines:
        raise SdpError("the policy leaves no codec to offer")
    return lines


def _refused(index: int, line: _Line, mid: str, style: LegStyle, passing: Passing) -> Outline:
    """
    A mirror's m-line with port 0: disabled by the source, or not to be served.

    Deviation: towards WebRTC it is written as audio when browsers do not know it. Firefox takes no SDP with an m-line of another sort.
    """
    source = line.source
    assert source is not None
    text = source.line
    if source.protocol is not None and source.kind == line.kind:
        text = f"m={line.kind} 0 {_mirrored_profile(line, style, passing, None).value} {' '.join(source.format_texts)}"
    elif style.webrtc and not _known_to_browsers(source):
        text = f"m={line.kind} 0 {style.protocol.value} 0"
    outline = refused(index, text, mid, line.counterpart)
    outline.source = source
    return outline


def _known_to_browsers(media: Media) -> bool:
    return (media.kind in ("audio", "video") and media.protocol is not None) or "SCTP" in media.protocol_text.upper()


def _raw(index: int, line: _Line, mid: str, old: Slot | None) -> Outline:
    """Media that is relayed as datagrams."""
    assert line.source is not None
    return Outline(
        slot=index,
        kind=line.kind,
        accepted=True,
        mid=mid,
        counterpart=line.counterpart,
        protocol_text=line.source.protocol_text,
        direction=line.direction,
        transport_slot=index,
        kept=old is not None and old.live and old.raw,
        raw=True,
        source=line.source,
    )


def _outline(
    index: int, line: _Line, mid: str, memory: LegMemory, style: LegStyle, sent: Description | None,
    before: Sequence[Outline], bundled: bool, old: Slot | None, passing: Passing,
) -> Outline:  # fmt: skip
    mirror = passing.mirror and line.source is not None
    protocol, muxed = _profile(index, memory, style, sent, old)
    protocol = _mirrored_profile(line, style, passing, protocol if old is not None and old.live else None) if mirror else protocol
    feedback = feedback_for(line.kind, protocol)
    elsewhere = [f for s, slot in enumerate(memory.slots) if s != index for f in slot.fixed] if bundled else []
    elsewhere += [f for o in before for f in o.formats] if bundled else []
    ptime, maxptime = pass_media(line.source)
    slot = old or Slot(kind=line.kind, mid=mid)
    used = [Slot(kind=o.kind, extensions=o.extensions) for o in before]
    usual = USUAL_IDS
    if mirror and line.source is not None:
        usual = {**USUAL_IDS, **{uri: number for uri, number in line.source.extensions if number < 15}}
    plain = line.source is not None and not style.webrtc
    mux = style.rtcp_mux or style.rtcp_mux_only
    return Outline(
        slot=index,
        kind=line.kind,
        accepted=True,
        mid=mid,
        counterpart=line.counterpart,
        protocol_text=protocol.value,
        formats=number_formats(line.formats, old.fixed if old else (), elsewhere, feedback, keep=mirror, said=mirror and not style.webrtc),
        direction=line.direction,
        keying=style.keying,
        ice=style.ice,
        rtcp_mux=mux or muxed,
        rtcp_mux_sure=(style.webrtc and mux and not style.offered_suites) or style.rtcp_mux_only or muxed,
        rtcp_mux_only=style.rtcp_mux_only,
        reduced_size=style.webrtc and protocol.feedback,
        transport_slot=index,
        setup="actpass" if style.dtls else "",
        suites=style.offered_suites,
        extensions=extension_ids(slot, [*memory.slots, *used], _extension_uris(line, style, slot, passing), usual),
        ptime_ms=ptime,
        maxptime_ms=maxptime,
        others=passed_on(line.source.others, between_plain=plain and not line.source.fingerprints) if line.source and not mirror else (),
        kept=old is not None and old.live,
        fingerprint_hash=style.fingerprint_hash,
        low_priority=style.ice and style.ice_optional,
        guest=line.guest,
        source=line.source if mirror else None,
    )


def _extension_uris(line: _Line, style: LegStyle, slot: Slot, passing: Passing) -> tuple[str, ...]:
    """A mirror offers of the source's extensions those that may pass, and MID where we need it."""
    if not passing.mirror or line.source is None:
        return wanted_extensions(line.kind, mids=style.mids) if style.webrtc else tuple([uri for uri, _ in slot.extensions])
    theirs = dict(line.source.extensions)
    mid = (MID_URI,) if style.webrtc and style.mids else ()
    return (*[uri for uri in passing.extensions if uri in theirs and uri != MID_URI], *mid)


def _mirrored_profile(line: _Line, style: LegStyle, passing: Passing, before: Protocol | None) -> Protocol:
    """Return the profile that a mirror offers; `before` is that of the live m-line so far."""
    theirs = line.source.protocol if line.source is not None else None
    if not passing.feedback or style.webrtc or theirs is None:
        return style.protocol
    return style.protocol.with_feedback((before or theirs).feedback)


def _profile(index: int, memory: LegMemory, style: LegStyle, sent: Description | None, old: Slot | None) -> tuple[Protocol, bool]:
    """Return the profile to offer and whether rtcp-mux is agreed already: a live m-line keeps both while its keying stays."""
    if old is None or not old.live or sent is None or memory.received is None or index >= len(memory.received.medias):
        return style.protocol, False
    ours, theirs = sent.medias[index], memory.received.medias[index]
    keeps = ours.protocol is not None and keying(ours, sent.tagged(ours), OURS) is style.keying
    return (ours.protocol if keeps and ours.protocol else style.protocol), keeps and ours.rtcp_mux and theirs.rtcp_mux and not style.reset
