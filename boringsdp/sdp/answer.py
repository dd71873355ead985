"""Writing the answer to one leg's offer from the other leg's answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from boringsdp.errors import WrongState
from boringsdp.sdp.attributes import passed_on
from boringsdp.sdp.crypto import Crypto
from boringsdp.sdp.description import Description, Media
from boringsdp.sdp.formats import feedback_for, formats_to_answer, shared
from boringsdp.sdp.local import LocalMedia, MediaNeed
from boringsdp.sdp.memory import Exchange, LegMemory, Slot
from boringsdp.sdp.offer import Written
from boringsdp.sdp.outline import Outline, Sheet, pass_media, refused, share_transports, wanted_extensions
from boringsdp.sdp.passing import OWN_TEXT, Passing
from boringsdp.sdp.policy import DEFAULT_POLICY, CodecPolicy
from boringsdp.sdp.serve import Servable, keying, servable
from boringsdp.sdp.style import Keying, LegStyle, Sdes
from boringsdp.sdp.writer import compose


@dataclass(slots=True, frozen=True)
class AnswerDraft:
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
    return AnswerDraft(memory, _sheet(memory, source, policy, style))


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


def _sheet(memory: LegMemory, source: LegMemory | None, policy: CodecPolicy, style: LegStyle | None) -> Sheet:
    offer = memory.received
    if offer is None or memory.we_offered:
        raise WrongState(memory.exchange.value, Exchange.REMOTE_OFFER.value)
    sdes = style.sdes if style is not None else memory.accepts
    found = servable(offer, memory.slots, sdes, policy)
    if sdes is Sdes.MANDATORY and not found.medias:
        raise found.error(offer)
    answers = _mirrored(found) if source is None else _answers(memory, source, found)
    outlines = []
    for media in offer.medias:
        slot = memory.slots[media.index]
        pair = answers.get(media.index)
        served = found.medias.get(media.index)
        outline = _outline(offer, served, memory.slots, pair, sdes, policy) if served is not None and pair is not None else None
        counterpart = pair[0] if pair is not None and source is not None else slot.counterpart
        outlines.append(outline or refused(media.index, media.line, media.mid, counterpart))
        if outline is not None:
            outline.counterpart = counterpart
    groups = _groups(offer, outlines)
    share_transports(memory.slots, outlines, groups)
    other = source.received if source is not None else None
    between_plain = other is not None and not other.webrtc and not offer.webrtc
    others = passed_on(other.others, between_plain=between_plain) if other is not None else ()
    if other is not None:
        for outline in outlines:
            if outline.accepted and outline.counterpart is not None:
                outline.others = passed_on(other.medias[outline.counterpart].others, between_plain=between_plain)
    return Sheet(
        outlines,
        any(o.ice for o in outlines) or (offer.webrtc and not any(o.accepted for o in outlines)),
        [[o.mid for o in g] for g in groups],
        others,
    )


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


def _outline(offer: Description, media: Media, slots: Sequence[Slot], pair: _Pair, sdes: Sdes, policy: CodecPolicy) -> Outline | None:
    """Return the accepted m-line, or None when no codec is common to both legs."""
    theirs = pair[1]
    transport, slot = offer.tagged(media), slots[media.index]
    assert media.protocol is not None
    formats = formats_to_answer(media.formats, theirs.formats, policy, feedback_for(media.kind, media.protocol))
    if not formats:
        return None
    keyed = keying(media, transport, sdes)
    ice = keyed is Keying.DTLS and bool(transport.ufrag)
    ptime, maxptime = pass_media(theirs)
    choice = _choose_crypto(media.cryptos) if keyed is Keying.SDES else None
    wanted = wanted_extensions(media.kind, mids=bool(media.mid) and ice)
    return Outline(
        slot=media.index,
        kind=media.kind,
        accepted=True,
        mid=media.mid if ice else "",
        protocol_text=media.protocol_text,
        formats=formats,
        direction=theirs.direction.intersect(media.direction.reversed()),
        keying=keyed,
        ice=ice,
        rtcp_mux=media.rtcp_mux,
        rtcp_mux_sure=media.rtcp_mux,
        reduced_size=media.rtcp_reduced_size and media.protocol.feedback and ice,
        transport_slot=media.index,
        setup=_role(transport.setup, slots[transport.index].setup or slot.setup) if keyed is Keying.DTLS else "",
        suites=(choice.suite,) if choice else (),
        crypto_choice=choice,
        extensions=tuple((uri, number) for uri, number in dict(media.extensions).items() if uri in wanted and number < 256),
        ptime_ms=ptime,
        maxptime_ms=maxptime,
        ice_restart=slot.ice_restart,
        kept=slot.live,
    )


def _choose_crypto(cryptos: Sequence[Crypto]) -> Crypto:
    """The peer's first line that we can use; one without MKI if there is any, MKIs only cost bytes."""
    return next((crypto for crypto in cryptos if not crypto.mki), cryptos[0])


def _role(offered: str, present: str) -> str:
    """Our DTLS role: what the offer leaves us, else what we are already, else passive, so that we choose the SRTP profile (RFC 8842 §5)."""
    if offered == "passive":
        return "active"
    if offered == "actpass":
        return present or "passive"
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
    by_mid = {o.mid: o for o in outlines if o.accepted and o.mid and o.ice}
    groups = [[by_mid.pop(mid) for mid in dict.fromkeys(offered) if mid in by_mid] for offered in offer.bundle]
    return [group for group in groups if group]
