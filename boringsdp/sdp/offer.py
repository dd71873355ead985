"""Writing an offer for one leg from the other leg's offer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from boringsdp.errors import SdpError
from boringsdp.sdp.attributes import passed_on
from boringsdp.sdp.codec import Codec, Format
from boringsdp.sdp.description import Description, Media
from boringsdp.sdp.direction import Direction
from boringsdp.sdp.formats import EVENT_CLOCK, feedback_for, formats_to_offer, late_formats, number_formats
from boringsdp.sdp.local import LocalMedia, MediaNeed
from boringsdp.sdp.memory import Exchange, LegMemory, Slot
from boringsdp.sdp.outline import Outline, Sheet, extension_ids, pass_media, previous_line, refused, share_transports, wanted_extensions
from boringsdp.sdp.passing import OWN_TEXT, Passing
from boringsdp.sdp.policy import DEFAULT_POLICY, CodecPolicy
from boringsdp.sdp.serve import keying, servable
from boringsdp.sdp.style import Keying, LegStyle, Protocol, Sdes
from boringsdp.sdp.writer import compose


@dataclass(slots=True, frozen=True)
class Written:
    """A text of ours and the leg's memory after it. `changed` is False when it equals what we sent last (same o= version)."""

    text: str
    memory: LegMemory
    changed: bool = True


@dataclass(slots=True, frozen=True)
class OfferDraft:
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
    style = _style(memory, style)
    return OfferDraft(memory, style, _sheet(memory, style, source, policy))


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


def _style(memory: LegMemory, style: LegStyle | None) -> LegStyle:
    """What the caller wants, else what the peer's last offer speaks, else what we offered before."""
    if style is not None:
        return style
    if memory.received is not None and (memory.style is None or not memory.we_offered):
        return memory.received.style
    return memory.style or LegStyle()


@dataclass(slots=True)
class _Line:
    """What one slot is to offer, before it has numbers: from a source's m-line, from the slot itself, or nothing (refused)."""

    kind: str
    counterpart: int | None
    formats: Sequence[Format]
    direction: Direction
    source: Media | None = None


def _sheet(memory: LegMemory, style: LegStyle, source: LegMemory | None, policy: CodecPolicy) -> Sheet:
    sent = memory.written
    lines, others = (
        _lines_from_source(memory, style, source, policy) if source is not None else (_late_lines(memory, sent, style, policy), ())
    )
    # A peer that was asked to bundle and did not, or never offered to, is not asked again.
    bundled = style.bundle and (memory.received is None or memory.exchange is Exchange.NEW or bool(memory.received.bundle))
    outlines: list[Outline] = []
    count = max([len(memory.slots), *[slot + 1 for slot in lines]])
    next_mid = memory.next_mid
    taken_mids = {slot.mid for slot in memory.slots}
    for index in range(count):
        line = lines.get(index)
        old = memory.slots[index] if index < len(memory.slots) else None
        if line is None:
            assert old is not None
            outlines.append(refused(index, previous_line(memory, sent, index), old.mid, old.counterpart))
            continue
        same = old is not None and old.kind == line.kind and (old.live or memory.exchange is not Exchange.AGREED)
        mid = old.mid if same and old is not None else ""
        if style.mids and not mid:
            while str(next_mid) in taken_mids:
                next_mid += 1
            mid = str(next_mid)
            taken_mids.add(mid)
        outlines.append(_outline(index, line, mid, memory, style, sent, outlines, bundled, old if same else None))
    group = [o for o in outlines if o.accepted] if bundled else []
    share_transports(memory.slots, outlines, [group] if group else [])
    return Sheet(outlines, style.ice, [[o.mid for o in group]] if group else [], others)


def _lines_from_source(
    memory: LegMemory, style: LegStyle, source: LegMemory, policy: CodecPolicy
) -> tuple[dict[int, _Line], tuple[str, ...]]:
    description = source.received
    if description is None:
        raise SdpError("the other leg has sent no SDP yet")
    found = servable(description, source.slots, source.accepts, policy)
    wanted = any(not media.rejected for media in description.medias)
    if not found.medias and (wanted or not any(slot.live for slot in memory.slots)):
        # Also in a re-offer (fax instead of audio): an error leaves the call as it was, where disabling everything would end it.
        raise found.error(description)
    between_plain = not style.webrtc and not description.webrtc
    lines: dict[int, _Line] = {}
    for index, slot in place(memory, source, found.medias).items():
        media = found.medias[index]
        formats = formats_to_offer(media.formats, policy, webrtc=style.webrtc)
        lines[slot] = _Line(media.kind, index, formats, media.direction, media)
    return lines, passed_on(description.others, between_plain=between_plain)


def place(memory: LegMemory, source: LegMemory, medias: Mapping[int, Media]) -> dict[int, int]:
    """
    Return for each m-line of the source which slot of this leg it is joined with: {source index: slot}.

    Where both have met before they stay together, also when the source recycled its slot for another medium. A slot that never had a
    counterpart (late offer, echo) is joined by kind; what then has no slot gets a new one at the end.
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
        slot = next(free, count)
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


def _outline(
    index: int, line: _Line, mid: str, memory: LegMemory, style: LegStyle, sent: Description | None,
    before: Sequence[Outline], bundled: bool, old: Slot | None,
) -> Outline:  # fmt: skip
    protocol, muxed = _profile(index, memory, style, sent, old)
    feedback = feedback_for(line.kind, protocol)
    elsewhere = [f for s, slot in enumerate(memory.slots) if s != index for f in slot.fixed] if bundled else []
    elsewhere += [f for o in before for f in o.formats] if bundled else []
    ptime, maxptime = pass_media(line.source)
    slot = old or Slot(kind=line.kind, mid=mid)
    uris = wanted_extensions(line.kind, mids=style.mids) if style.webrtc else tuple(uri for uri, _ in slot.extensions)
    used = [Slot(kind=o.kind, extensions=o.extensions) for o in before]
    plain = line.source is not None and not style.webrtc
    return Outline(
        slot=index,
        kind=line.kind,
        accepted=True,
        mid=mid,
        counterpart=line.counterpart,
        protocol_text=protocol.value,
        formats=number_formats(line.formats, old.fixed if old else (), elsewhere, feedback),
        direction=line.direction,
        keying=style.keying,
        ice=style.ice,
        rtcp_mux=style.rtcp_mux or muxed,
        rtcp_mux_sure=(style.ice and style.rtcp_mux) or muxed,
        reduced_size=style.webrtc and protocol.feedback,
        transport_slot=index,
        setup="actpass" if style.dtls else "",
        suites=style.suites if style.keying is Keying.SDES else (),
        extensions=extension_ids(slot, [*memory.slots, *used], uris),
        ptime_ms=ptime,
        maxptime_ms=maxptime,
        others=passed_on(line.source.others, between_plain=plain and not line.source.fingerprints) if line.source else (),
        kept=old is not None and old.live,
    )


def _profile(index: int, memory: LegMemory, style: LegStyle, sent: Description | None, old: Slot | None) -> tuple[Protocol, bool]:
    """Return the profile to offer and whether rtcp-mux is agreed already: a live m-line keeps both while its keying stays."""
    if old is None or not old.live or sent is None or memory.received is None or index >= len(memory.received.medias):
        return style.protocol, False
    ours, theirs = sent.medias[index], memory.received.medias[index]
    keeps = ours.protocol is not None and keying(ours, sent.tagged(ours), Sdes.OPTIONAL) is style.keying
    return (ours.protocol if keeps and ours.protocol else style.protocol), ours.rtcp_mux and theirs.rtcp_mux
