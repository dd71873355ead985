"""Taking what a leg's peer sent into the leg's memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from boringsdp.errors import SdpError, WrongState
from boringsdp.sdp.codec import Format
from boringsdp.sdp.describe import describe
from boringsdp.sdp.description import Description, Media
from boringsdp.sdp.formats import shared
from boringsdp.sdp.lines import Section, SessionDescription
from boringsdp.sdp.memory import Exchange, LegMemory, Slot
from boringsdp.sdp.serve import FINGERPRINT_HASHES, OURS, agreed_keying, keying
from boringsdp.sdp.style import Keying, LegStyle
from boringsdp.values import replace


def accept_offer(memory: LegMemory, received: Description | str | bytes, style: LegStyle | None = None) -> LegMemory:
    """
    Return the memory after the peer's offer or re-offer; `make_answer` is due.

    `style` limits what may be agreed (see `make_answer`) and is remembered. Raises `SdpError` when the text cannot be read, m-lines
    vanished or changed places. Glare is the caller's: an offer while ours is out replaces it here.
    """
    offer = received if isinstance(received, Description) else describe(received)
    if len(offer.medias) < len(memory.slots):
        raise SdpError(f"an offer with {len(offer.medias)} m-lines after one with {len(memory.slots)}")
    offer = _remembering(offer, memory.slots)
    accepts = style if style is not None else memory.accepts
    slots = tuple(_offered_slot(memory, offer, media) for media in offer.medias)
    refused = memory.ice_refused and not _has_ice(offer)
    return replace(
        memory, exchange=Exchange.REMOTE_OFFER, we_offered=False, received=offer, slots=slots, accepts=accepts, ice_refused=refused
    )


def completed(received: Description, memory: LegMemory) -> Description:
    """
    Return what the leg's peer sent with the m-lines that it left out at the end, disabled (port 0).

    Deviation from RFC 3264 §6 and §8: telephones without video or fax leave such m-lines out, and a proxy's media relay lives with it.
    """
    known = next((each for each in (memory.written, memory.received) if each and len(each.medias) == len(memory.slots)), None)
    if known is None or not received.medias or len(received.medias) >= len(known.medias):
        return received
    missing = known.medias[len(received.medias) :]
    lines = [f"m={media.kind} 0 {media.protocol_text} {' '.join(media.format_texts)}" for media in missing]
    return describe("\r\n".join([received.text.rstrip("\r\n"), *lines, ""]))


def _has_ice(description: Description) -> bool:
    return any(description.tagged(media).ufrag for media in description.medias if not media.rejected)


def _remembering(received: Description, slots: tuple[Slot, ...]) -> Description:
    """
    Return what was received with an rtpmap for each dynamic payload type that lacks one and had a meaning on its m-line before.

    Meanings do not change within a session (RFC 3264 §8.3.2), so peers that shorten a re-offer are understood.
    """
    missing: dict[int, list[Format]] = {}
    for media, slot in zip(received.medias, slots, strict=False):
        if media.protocol is None or media.rejected or slot.kind != media.kind or len(media.formats) == len(media.format_texts):
            continue
        stated, known = {f.payload_type for f in media.formats}, {f.payload_type: f for f in slot.fixed}
        numbers = dict.fromkeys(int(text) for text in media.format_texts)
        forgotten = [known[number] for number in numbers if number not in stated and number in known]
        if forgotten:
            missing[media.index] = forgotten
    if not missing:
        return received
    model = SessionDescription.parse(received.text)
    sections = [section.appended(*_explained(section, missing.get(index, ()))) for index, section in enumerate(model.medias)]
    explained = describe(str(SessionDescription(model.session, tuple(sections))))
    # Where the party is may have been corrected since its text was read.
    medias = tuple(replace(new, host=old.host, rtcp=old.rtcp) for new, old in zip(explained.medias, received.medias, strict=True))
    return replace(explained, medias=medias)


def _explained(section: Section, formats: Sequence[Format]) -> Iterator[str]:
    """The lines that say what the formats are; parameters only where the section has none for them."""
    said = {value.partition(" ")[0] for value in section.attributes("fmtp")} if formats else set()
    for f in formats:
        yield f"a=rtpmap:{f.payload_type} {f.codec}"
        if f.fmtp and str(f.payload_type) not in said:
            yield f"a=fmtp:{f.payload_type} {f.fmtp}"


def _offered_slot(memory: LegMemory, offer: Description, media: Media) -> Slot:
    old = memory.slots[media.index] if media.index < len(memory.slots) else None
    if old is None:
        return Slot(kind=media.kind, mid=media.mid, fixed=media.formats)
    if old.live and not media.rejected and media.mid and old.mid and media.mid != old.mid:
        raise SdpError(f"the m-line of mid {old.mid} is now mid {media.mid}", media.line, media.line_number)
    if old.kind != media.kind or (media.mid and old.mid and media.mid != old.mid):
        # What carried the old medium is still named, so that nothing else takes its name while it is in force.
        recycled = Slot(kind=media.kind, mid=media.mid, counterpart=old.counterpart, fixed=media.formats)
        return replace(recycled, transport=old.transport, raw=old.raw)
    fixed = old.fixing(media.formats) if not media.rejected else old.fixed
    return replace(old, fixed=fixed, mid=media.mid or old.mid, ice_restart=_restarted(memory, offer, media))


def _restarted(memory: LegMemory, received: Description, media: Media) -> bool:
    """True when the m-line's transport had ICE credentials and now has others (RFC 8445 §9)."""
    if memory.received is None or media.index >= len(memory.received.medias):
        return False
    old = memory.received.tagged(memory.received.medias[media.index])
    new = received.tagged(media)
    return bool(old.ufrag and new.ufrag) and (old.ufrag, old.password) != (new.ufrag, new.password)


def accept_answer(memory: LegMemory, received: Description | str | bytes, source: LegMemory | None = None) -> LegMemory:
    """
    Return the memory after the peer's answer to our last offer; may be called again with a further answer (183 then 200, forked branches).

    An m-line that lists only formats we never offered counts as refused while another one stands; with `source`, the leg that our offer was
    mirrored from, codecs that its peer has offered are taken too: both ends speak them, whatever was masked between.

    Raises `SdpError` when the text cannot be an answer to what we offered (other number, kinds or mids of m-lines, no format in common
    anywhere, media not keyed as it must be), and `WrongState` when our offer is not the last one.
    """
    offer = memory.written
    if not memory.we_offered or offer is None:
        raise WrongState(memory.exchange.value, Exchange.LOCAL_OFFER.value)
    answer = _remembering(received if isinstance(received, Description) else describe(received), memory.slots)
    if len(answer.medias) != len(offer.medias):
        raise SdpError(f"an answer with {len(answer.medias)} m-lines to an offer with {len(offer.medias)}")
    if source is not None and source.received is not None:
        offer = _widened(offer, answer, source.received, memory.slots)
    slots = []
    useless: Media | None = None
    for ours, theirs in zip(offer.medias, answer.medias, strict=True):
        live = ours.port != 0 and theirs.port != 0
        keyed = Keying.NONE
        if live:
            keyed = _check(memory, offer, answer, ours, theirs)
            if not ours.raw and not shared(ours.formats, theirs.formats):
                live, useless = False, theirs
        slot = replace(memory.slots[ours.index], live=live, ice_restart=live and _restarted(memory, answer, theirs))
        if live:
            slot = replace(slot, setup=role(answer.tagged(theirs).setup) if keyed is Keying.DTLS else "")
        slots.append(slot)
    if useless is not None and not any(slot.live for slot in slots):
        raise SdpError("none of its formats was offered", useless.line, useless.line_number)
    live_lines = [media for media, slot in zip(answer.medias, slots, strict=True) if slot.live]
    asked = any(offer.tagged(offer.medias[media.index]).ufrag for media in live_lines)
    refused = not _has_ice(answer) if asked else memory.ice_refused
    return replace(memory, exchange=Exchange.AGREED, written=offer, received=answer, slots=tuple(slots), ice_refused=refused)


def _widened(offer: Description, answer: Description, source: Description, slots: Sequence[Slot]) -> Description:
    """Return what we offered, with the codecs of the answer that only `source` had, on m-lines that would have no codec otherwise."""
    medias = list(offer.medias)
    for ours, theirs, slot in zip(offer.medias, answer.medias, slots, strict=False):
        if slot.counterpart is None or slot.counterpart >= len(source.medias) or ours.port == 0 or theirs.port == 0 or ours.raw:
            continue
        if any(f.codec.carries_media for f in shared(ours.formats, theirs.formats)):
            continue
        numbers, origin = {f.payload_type for f in ours.formats}, source.medias[slot.counterpart]
        both = [f for f in shared(origin.formats, theirs.formats) if f.codec.carries_media and f.payload_type not in numbers]
        medias[ours.index] = replace(ours, formats=(*ours.formats, *both))
    return offer if medias == list(offer.medias) else replace(offer, medias=tuple(medias))


def role(answered: str) -> str:
    """Our DTLS role after we offered actpass; an answerer that says nothing usable is a client, as RFC 4145 §4 has it."""
    return "active" if answered == "passive" else "passive"


def _check(memory: LegMemory, offer: Description, answer: Description, ours: Media, theirs: Media) -> Keying:
    """Return what the answer's m-line is keyed by. Raises `SdpError` when `theirs` cannot be the answer to `ours`."""
    reason = ""
    offered_by, transport = offer.tagged(ours), answer.tagged(theirs)
    offered = keying(ours, offered_by, OURS)
    taken = agreed_keying(ours, offered_by, theirs, transport, memory.style or OURS)
    must_be_keyed = _secure(ours) or _secure(theirs)
    if ours.kind != theirs.kind:
        reason = f"{theirs.kind} in answer to {ours.kind}"
    elif ours.mid and theirs.mid and ours.mid != theirs.mid:
        reason = f"mid {theirs.mid} in answer to mid {ours.mid}"
    elif ours.raw:
        return Keying.NONE
    elif taken is Keying.DTLS and not any(f.hash in FINGERPRINT_HASHES for f in transport.fingerprints):
        reason = "no a=fingerprint in answer to DTLS"
    elif taken is not Keying.NONE:
        return taken
    elif offered is Keying.DTLS and must_be_keyed:
        both = " or SDES" if ours.cryptos else ""
        reason = f"no a=fingerprint in answer to DTLS{both}"
    elif offered is Keying.SDES and (theirs.crypto_lines or must_be_keyed):
        reason = "no a=crypto line that answers one of ours"
    elif offered is Keying.NONE and _secure(theirs):
        reason = f"{theirs.protocol_text} in answer to {ours.protocol_text}"
    if reason:
        raise SdpError(reason, theirs.line, theirs.line_number)
    return Keying.NONE


def _secure(media: Media) -> bool:
    return media.protocol is not None and media.protocol.secure


def withdraw(before: LegMemory, after: LegMemory) -> LegMemory:
    """Return `before` for use after the offer that led to `after` failed: the o= version goes on, all else is as it was."""
    if after.version == before.version:
        return before
    return replace(before, version=after.version, written=before.written)


def linked(memory: LegMemory, other: LegMemory) -> LegMemory:
    """
    Return `memory` with the counterparts that `other` knows of it.

    `make_offer` and `make_answer` note in the leg they write for which m-line of the other leg each of its own is joined with; this tells
    the other leg. Only needed where a leg was never offered from the other (late offer).
    """
    slots = list(memory.slots)
    for index, slot in enumerate(other.slots):
        if slot.counterpart is not None and slot.counterpart < len(slots):
            slots[slot.counterpart] = replace(slots[slot.counterpart], counterpart=index)
    return replace(memory, slots=tuple(slots))
