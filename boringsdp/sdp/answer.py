"""Writing the answer to one leg's offer from the other leg's answer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from boringsdp.errors import WrongState
from boringsdp.sdp.attributes import passed_on
from boringsdp.sdp.crypto import Crypto
from boringsdp.sdp.description import Description, Media
from boringsdp.sdp.formats import feedback_for, formats_to_answer, formats_to_mirror_back, lenient, shared
from boringsdp.sdp.local import LocalMedia, MediaNeed
from boringsdp.sdp.memory import Exchange, LegMemory, Slot
from boringsdp.sdp.offer import Written
from boringsdp.sdp.outline import MID_URI, Outline, Sheet, pass_media, refused, share_transports, wanted_extensions
from boringsdp.sdp.passing import OWN_TEXT, Passing
from boringsdp.sdp.policy import DEFAULT_POLICY, CodecPolicy
from boringsdp.sdp.serve import Servable, keying, servable, usable_cryptos
from boringsdp.sdp.style import Keying, LegStyle, Sdes
from boringsdp.sdp.writer import compose
from boringsdp.values import Value, replace


class AnswerDraft(Value, frozen=True):
    """An answer decided but for our own side: `needs` says what `write` will ask of `locals`, one entry for each accepted m-line."""

    memory: LegMemory
    sheet: Sheet

    @property
    def needs(self) -> tuple[MediaNeed, ...]:
        return self.sheet.needs()

    def write(self, locals: Mapping[int, LocalMedia]) -> Written:
        """Return the answer; `locals` has every slot that `needs` named. Raises `SdpError` when the text grew too long."""
        sheet = replace(self.sheet, outlines=[_with_setup(o, self.memory, locals) for o in self.sheet.outlines])
        text, after = compose(self.memory, sheet, locals, self.memory.style, we_offer=False)
        slots = tuple(replace(slot, live=o.accepted) for slot, o in zip(after.slots, sheet.outlines, strict=True))
        return Written(text, replace(after, slots=slots), text != self.memory.sent)


def draft_answer(
    memory: LegMemory,
    source: LegMemory | None,
    policy: CodecPolicy = DEFAULT_POLICY,
    style: LegStyle | None = None,
    passing: Passing = OWN_TEXT,
) -> AnswerDraft:
    """
    Decide the answer to the offer that the leg `memory` has received, made from the answer that the leg `source` has received.

    `source` None: we answer ourselves and mirror what we can (echo). What cannot be served is refused by port 0, also when that is all of
    it. `style` limits what may be agreed: its `sdes` says whether crypto lines are refused (OFF), taken when offered (OPTIONAL, which is
    also the default), or required (MANDATORY: `SdpError` when an m-line has none). A further answer to the same offer (forking) is the same
    call.

    Raises `WrongState` when the leg's peer has not offered, or the other's has not answered.
    """
    return AnswerDraft(memory, _sheet(memory, source, policy, style, passing))


def needs_for_answer(
    memory: LegMemory,
    source: LegMemory | None,
    policy: CodecPolicy = DEFAULT_POLICY,
    style: LegStyle | None = None,
    passing: Passing = OWN_TEXT,
) -> tuple[MediaNeed, ...]:
    """Return what `make_answer` with the same arguments will ask of `locals`. Raises as `draft_answer`."""
    return draft_answer(memory, source, policy, style, passing).needs


def make_answer(
    memory: LegMemory,
    source: LegMemory | None,
    locals: Mapping[int, LocalMedia],
    policy: CodecPolicy = DEFAULT_POLICY,
    style: LegStyle | None = None,
    passing: Passing = OWN_TEXT,
) -> Written:
    """Return the answer at one go, for callers who have `locals` already. Raises as `draft_answer`."""
    return draft_answer(memory, source, policy, style, passing).write(locals)


def _sheet(memory: LegMemory, source: LegMemory | None, policy: CodecPolicy, style: LegStyle | None, passing: Passing) -> Sheet:
    offer = memory.received
    if offer is None or memory.we_offered:
        raise WrongState(memory.exchange.value, Exchange.REMOTE_OFFER.value)
    limits = style if style is not None else memory.accepts
    found = servable(offer, memory.slots, limits, policy, passing)
    if limits.sdes is Sdes.MANDATORY and not found.medias:
        raise found.error(offer)
    answers = _mirrored(found) if source is None else _answers(memory, source, found)
    other = source.received if source is not None else None
    task = _Task(offer, memory.slots, limits, policy, passing, source)
    outlines = []
    for media in offer.medias:
        slot = memory.slots[media.index]
        pair = answers.get(media.index)
        served = found.medias.get(media.index)
        outline = None
        if served is not None and pair is not None:
            outline = _raw(served, memory.slots, pair) if served.raw else _outline(task, served, pair)
        counterpart = pair[0] if pair is not None and source is not None else slot.counterpart
        mid = media.mid if media.mid or not passing.mirror else slot.mid
        outlines.append(outline or refused(media.index, media.line, mid, counterpart))
        if outline is not None:
            outline.counterpart = counterpart
            if passing.mirror and other is not None and counterpart is not None:
                outline.source = other.medias[counterpart]
    groups = _groups(offer, outlines)
    share_transports(memory.slots, outlines, groups)
    between_plain = other is not None and not other.webrtc and not offer.webrtc
    others = passed_on(other.others, between_plain=between_plain) if other is not None else ()
    if other is not None and not passing.mirror:
        for outline in outlines:
            if outline.accepted and outline.counterpart is not None:
                outline.others = passed_on(other.medias[outline.counterpart].others, between_plain=between_plain)
    return Sheet(
        outlines,
        any(o.ice for o in outlines) or (offer.webrtc and not any(o.accepted for o in outlines)),
        [[o.mid for o in g] for g in groups],
        others,
        passing=passing,
        source=other if passing.mirror else None,
        webrtc=offer.webrtc,
        trickle=limits.trickle,
        sdes_pad=limits.sdes_pad or not passing.mirror,
        sdes_lifetime=limits.sdes_lifetime,
        lite_peer=offer.ice_lite,
    )


class _Task(Value, frozen=True):
    """What all m-lines of one answer have in common."""

    offer: Description
    slots: Sequence[Slot]
    limits: LegStyle
    policy: CodecPolicy
    passing: Passing
    source: LegMemory | None


_Pair = tuple[int, Media]
"""(slot of the other leg, what its peer answered there)"""


def _mirrored(found: Servable) -> dict[int, _Pair]:
    """Echo: the offer answers itself, seen from the other side."""
    return {index: (index, replace(media, direction=media.direction.reversed())) for index, media in found.medias.items()}


def _answers(memory: LegMemory, source: LegMemory, found: Servable) -> dict[int, _Pair]:
    """Return what the other leg's peer accepted, by our m-line; formats are those in common with what we sent there."""
    if source.exchange is not Exchange.AGREED or source.received is None:
        raise WrongState(source.exchange.value, Exchange.AGREED.value)
    sent = source.written
    pairs: dict[int, _Pair] = {}
    used: set[int] = set()
    for index, media in found.medias.items():
        slot = _counterpart(index, media, memory, source, used)
        if slot is None or not source.slots[slot].live or slot >= len(source.received.medias):
            continue
        used.add(slot)
        theirs = source.received.medias[slot]
        if theirs.raw is not media.raw:
            continue  # audio in answer to fax, or the other way round
        if sent is not None and slot < len(sent.medias):
            theirs = replace(theirs, formats=tuple(shared(sent.medias[slot].formats, theirs.formats)))
        pairs[index] = (slot, theirs)
    return pairs


def _counterpart(index: int, media: Media, memory: LegMemory, source: LegMemory, used: set[int]) -> int | None:
    for slot, theirs in enumerate(source.slots):
        if theirs.counterpart == index and slot not in used:
            return slot
    known = memory.slots[index].counterpart
    if known is not None and known < len(source.slots) and known not in used and source.slots[known].kind == media.kind:
        return known
    free = (s for s, own in enumerate(source.slots) if own.counterpart is None and own.kind == media.kind and s not in used)
    return next(free, None)


def _raw(media: Media, slots: Sequence[Slot], pair: _Pair) -> Outline:
    """Media that is relayed as datagrams."""
    theirs = pair[1]
    return Outline(
        slot=media.index,
        kind=media.kind,
        accepted=True,
        mid=media.mid,
        protocol_text=media.protocol_text,
        direction=theirs.direction.intersect(media.direction.reversed()),
        transport_slot=media.index,
        kept=slots[media.index].live and slots[media.index].raw,
        raw=True,
    )


def _outline(task: _Task, media: Media, pair: _Pair) -> Outline | None:
    """Return the accepted m-line, or None when no codec is common to both legs."""
    theirs, limits, mirror = pair[1], task.limits, task.passing.mirror
    transport, slot = task.offer.tagged(media), task.slots[media.index]
    assert media.protocol is not None
    feedback = feedback_for(media.kind, media.protocol)
    keyed = keying(media, transport, limits)
    ice = bool(transport.ufrag) and not limits.refuse_ice and (keyed is Keying.DTLS or mirror)
    webrtc = ice and keyed is Keying.DTLS
    if mirror:
        policy = lenient(task.policy, theirs.formats)
        formats = formats_to_mirror_back(media.formats, theirs.formats, policy, feedback, webrtc=webrtc)
    else:
        formats = formats_to_answer(media.formats, theirs.formats, task.policy, feedback)
    if not formats:
        return None
    ptime, maxptime = pass_media(theirs)
    choice = _choose_crypto(usable_cryptos(media, limits)) if keyed is Keying.SDES else None
    # In a bundle that a data channel leads, only the m-lines of media say it.
    muxed = any(each.rtcp_mux or each.rtcp_mux_only for each in (media, transport)) and not limits.refuse_rtcp_mux
    original = task.passing.original_direction
    direction, limit = (theirs.stated, media.stated) if original else (theirs.direction, media.direction)
    return Outline(
        slot=media.index,
        kind=media.kind,
        accepted=True,
        mid=media.mid if ice or mirror else "",
        protocol_text=media.protocol_text,
        formats=formats,
        direction=direction.intersect(limit.reversed()),
        keying=keyed,
        ice=ice,
        rtcp_mux=media.rtcp_mux and not limits.refuse_rtcp_mux,
        rtcp_mux_sure=muxed if ice else media.rtcp_mux and not limits.refuse_rtcp_mux,
        reduced_size=media.rtcp_reduced_size and media.protocol.feedback and webrtc,
        transport_slot=media.index,
        setup=_role(transport.setup, task.slots[transport.index].setup or slot.setup, limits) if keyed is Keying.DTLS else "",
        suites=(choice.suite,) if choice else (),
        crypto_choice=choice,
        extensions=_extensions(task, media, theirs, ice=ice),
        ptime_ms=ptime,
        maxptime_ms=maxptime,
        ice_restart=slot.ice_restart,
        kept=slot.live,
        fingerprint_hash=limits.fingerprint_hash,
        low_priority=ice and limits.ice_optional,
        guest=_guest(task, media, pair) if ice and keyed is Keying.NONE else None,
    )


def _extensions(task: _Task, media: Media, theirs: Media, *, ice: bool) -> tuple[tuple[str, int], ...]:
    """Return the offer's header extensions that the relay serves itself, or, in a mirror, that may pass and that the other leg took too."""
    wanted: Collection[str] = wanted_extensions(media.kind, mids=bool(media.mid) and ice)
    if task.passing.mirror:
        both = dict(theirs.extensions)
        wanted = {uri for uri in task.passing.extensions if uri in both} | ({MID_URI} if media.mid and ice else set())
    return tuple((uri, number) for uri, number in dict(media.extensions).items() if uri in wanted and number < 256)


def _guest(task: _Task, media: Media, pair: _Pair) -> Media | None:
    """Where our offer passed this peer's ICE credentials on, the other peer's come back."""
    source = task.source
    if source is None or source.written is None or source.received is None or not source.we_offered:
        return None
    sent, theirs = source.written, source.received
    passed = sent.tagged(sent.medias[pair[0]]).ufrag == task.offer.tagged(media).ufrag
    their_transport = theirs.tagged(theirs.medias[pair[0]])
    return their_transport if passed and their_transport.ufrag and their_transport.password else None


def _choose_crypto(cryptos: Sequence[Crypto]) -> Crypto:
    """The peer's first line that we can use; one without MKI if there is any, MKIs only cost bytes."""
    return next((crypto for crypto in cryptos if not crypto.mki), cryptos[0])


def _role(offered: str, present: str, limits: LegStyle) -> str:
    """
    Our DTLS role: what the offer leaves us, else what we are already, else what the style says.

    Passive by default, so that we choose the SRTP profile (RFC 8842 §5).
    """
    if offered == "passive":
        return "active"
    if offered == "actpass":
        return present or limits.setup or "passive"
    return "passive"


def _with_setup(outline: Outline, memory: LegMemory, locals: Mapping[int, LocalMedia]) -> Outline:
    """Let the call layer force a role where the peer and the association so far leave the choice."""
    if outline.keying is Keying.DTLS and outline.accepted and memory.received is not None:
        forced = locals[outline.slot].transport.setup
        media = memory.received.medias[outline.slot]
        tagged = memory.received.tagged(media)
        if forced and tagged.setup == "actpass" and not (memory.slots[outline.slot].setup or memory.slots[tagged.index].setup):
            outline.setup = forced
    return outline


def _groups(offer: Description, outlines: Sequence[Outline]) -> list[list[Outline]]:
    """Return the answer's BUNDLE groups, accepted mids only and in the offer's order."""
    by_mid = {o.mid: o for o in outlines if o.accepted and o.mid and not o.raw and (o.rtcp_mux_sure if o.ice else o.rtcp_mux)}
    groups = [[by_mid.pop(mid) for mid in dict.fromkeys(offered) if mid in by_mid] for offered in offer.bundle]
    return [group for group in groups if group]
