"""From an agreed offer/answer exchange to what the relay must do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from boringsdp.errors import WrongState
from boringsdp.sdp.candidate import Candidate, Fingerprint
from boringsdp.sdp.codec import Format
from boringsdp.sdp.crypto import Crypto
from boringsdp.sdp.description import Address, Description, Media
from boringsdp.sdp.formats import pick_event, shared
from boringsdp.sdp.memory import Exchange, LegMemory, Slot
from boringsdp.sdp.serve import OURS, agreed_keying, keying
from boringsdp.sdp.style import Keying, Protocol
from boringsdp.values import Value, replace


class MediaPlan(Value, frozen=True, kw_only=True):
    """One m-line as agreed, seen from us: `send` is gateway to peer. One entry for each slot, refused ones too (`accepted` False)."""

    HIDDEN = frozenset({"remote_password"})

    slot: int
    kind: str
    mid: str = ""
    accepted: bool = False
    counterpart: int | None = None
    """Slot of the other leg that this one is joined with."""
    transport_slot: int = 0
    """Names the transport that carries this one, as `MediaNeed.transport_slot` did (BUNDLE: several m-lines name the same)."""
    leads_transport: bool = False
    """True for the first accepted m-line of each transport; all of them say the same about it."""
    protocol: Protocol = Protocol.AVP
    send: bool = False
    receive: bool = False
    remote: Address | None = None
    """Where the peer wants RTP, or None when it named nothing; with ICE only a hint."""
    remote_rtcp: Address | None = None
    rtcp_mux: bool = False
    reduced_size: bool = False
    """Reduced-size RTCP agreed (RFC 5506)."""
    ice: bool = False
    remote_ufrag: str = ""
    remote_password: str = ""
    remote_candidates: tuple[Candidate, ...] = ()
    remote_ice_lite: bool = False
    dtls: bool = False
    setup: str = ""
    """Our DTLS role: `active` (client) or `passive` (server)."""
    remote_fingerprints: tuple[Fingerprint, ...] = ()
    local_crypto: Crypto | None = None
    """The key we send with."""
    remote_crypto: Crypto | None = None
    """The key we receive with."""
    receive_formats: tuple[Format, ...] = ()
    """What may arrive, by our payload types; telephone-event included."""
    send_formats: tuple[Format, ...] = ()
    """What the peer takes, by its payload types and in its order; telephone-event included."""
    stray_receive: tuple[Format, ...] = ()
    """What the peer offered and our answer left out; it may come all the same (see `media_plans`)."""
    stray_send: tuple[Format, ...] = ()
    """What we offered and the peer's answer left out; it may understand it all the same."""
    extensions: tuple[tuple[str, int], ...] = ()
    feedback: frozenset[str] = frozenset()
    """rtcp-fb agreed for the first codec: "nack", "nack pli", "ccm fir"."""
    remote_ssrcs: tuple[int, ...] = ()
    ptime_ms: int = 0
    shared: bool = False
    """Carried by the shared UDP port, as `MediaNeed.shared` said."""
    raw: bool = False
    """No RTP: datagrams are copied between this m-line and its counterpart. Of all else here only addresses and directions count."""

    @property
    def extension_ids(self) -> dict[str, int]:
        """Agreed header extensions: {URI: id}."""
        return dict(self.extensions)

    @property
    def dtmf(self) -> Format | None:
        """The telephone-event format to send with: the one in the clock of the first codec, else 8000 Hz; None: the peer takes none."""
        clock = next((f.codec.clock_rate for f in self.send_formats if f.codec.carries_media), 8000)
        return pick_event(self.send_formats, clock)


class PayloadTypes(Value, frozen=True):
    """How packets of one stream become packets of another. `codecs`: incoming to outgoing payload type, equal codecs only."""

    codecs: Mapping[int, int]
    events: Mapping[int, int]
    """Incoming telephone-event payload types and their clock in Hz; they are never in `codecs`, DTMF is regenerated."""


def payload_type_map(source: MediaPlan, target: MediaPlan) -> PayloadTypes:
    """Return how what arrives by `source` leaves by `target`; what the two do not share is absent, to be dropped and counted."""
    codecs: dict[int, int] = {}
    for incoming in source.receive_formats:
        if not incoming.codec.is_event:
            outgoing = incoming.best_of(target.send_formats)
            if outgoing is not None:
                codecs[incoming.payload_type] = outgoing.payload_type
    for stray in source.stray_receive:
        known = any(f.payload_type == stray.payload_type and f.same_codec(stray) for f in (*target.send_formats, *target.stray_send))
        if known and stray.payload_type not in codecs:
            codecs[stray.payload_type] = stray.payload_type
    return PayloadTypes(codecs, {f.payload_type: f.codec.clock_rate for f in source.receive_formats if f.codec.is_event})


def media_plans(memory: LegMemory, *, strays: bool = False) -> tuple[MediaPlan, ...]:
    """
    Return what the leg's last exchange agreed, one plan for each slot. Raises `WrongState` while an answer is missing.

    Deviation from RFC 3264 §6.1 with `strays`: what was offered and the answer left out is noted too. Telephones (and SIPp) go on sending a
    codec that they offered, whatever the answer says, and a proxy's media relay passes it on to who was offered it.
    """
    sent = memory.written
    if memory.exchange is not Exchange.AGREED or memory.received is None or sent is None:
        raise WrongState(memory.exchange.value, Exchange.AGREED.value)
    medias = zip(memory.slots, sent.medias, memory.received.medias, strict=False)
    plans = [(_plan(memory, slot, sent, ours, theirs), ours, theirs) for slot, ours, theirs in medias]
    return tuple(_with_strays(plan, memory.we_offered, ours, theirs) if strays else plan for plan, ours, theirs in plans)


def _with_strays(plan: MediaPlan, we_offered: bool, ours: Media, theirs: Media) -> MediaPlan:
    if not plan.accepted or plan.raw:
        return plan
    offered, answered = (ours, theirs) if we_offered else (theirs, ours)
    taken = {f.payload_type for f in (*answered.formats, *plan.receive_formats)}
    left = tuple(
        f for f in offered.formats if f.codec.carries_media and f.payload_type not in taken and f.best_of(answered.formats) is None
    )
    return replace(plan, stray_send=left) if we_offered else replace(plan, stray_receive=left)


def _plan(memory: LegMemory, slot: Slot, sent: Description, ours: Media, theirs: Media) -> MediaPlan:
    if not slot.live:
        return MediaPlan(slot=ours.index, kind=slot.kind, mid=slot.mid, counterpart=slot.counterpart, transport_slot=ours.index)
    leader = next(other for other in memory.slots if other.live and other.transport == slot.transport)
    assert memory.received is not None
    remote, protocol = memory.received.tagged(theirs), ours.protocol or Protocol.AVP
    keyed = _keyed(memory, sent, ours, theirs)
    receive, send = _formats(memory.we_offered, ours, theirs)
    local_crypto, remote_crypto = _keys(memory.we_offered, ours, theirs) if keyed is Keying.SDES else (None, None)
    muxed = ours.rtcp_mux and (theirs.rtcp_mux or (memory.we_offered and ours.rtcp_mux_only))
    ids = dict(theirs.extensions)
    ice = bool(sent.tagged(ours).ufrag and remote.ufrag)
    return MediaPlan(
        slot=ours.index,
        kind=ours.kind,
        mid=ours.mid,
        accepted=True,
        counterpart=slot.counterpart,
        transport_slot=ours.index if slot.transport is None else slot.transport,
        leads_transport=leader is slot,
        protocol=protocol,
        send=ours.direction.send and theirs.direction.receive,
        receive=ours.direction.receive and theirs.direction.send,
        remote=remote.address,
        remote_rtcp=None if muxed else remote.rtcp,
        rtcp_mux=muxed,
        reduced_size=ours.rtcp_reduced_size and theirs.rtcp_reduced_size,
        ice=ice,
        remote_ufrag=remote.ufrag if ice else "",
        remote_password=remote.password if ice else "",
        remote_candidates=remote.candidates if ice else (),
        remote_ice_lite=memory.received.ice_lite,
        dtls=keyed is Keying.DTLS,
        setup=slot.setup if keyed is Keying.DTLS else "",
        remote_fingerprints=remote.fingerprints if keyed is Keying.DTLS else (),
        local_crypto=local_crypto,
        remote_crypto=remote_crypto,
        receive_formats=tuple(receive),
        send_formats=tuple(send),
        extensions=tuple((uri, number) for uri, number in ours.extensions if uri in ids),
        feedback=_feedback(ours, send),
        remote_ssrcs=theirs.ssrcs,
        ptime_ms=theirs.ptime_ms,
        shared=slot.shared,
        raw=slot.raw,
    )


def _keyed(memory: LegMemory, sent: Description, ours: Media, theirs: Media) -> Keying:
    """An answer of ours has exactly one keying; of ours offered, the peer may have taken one of two."""
    assert memory.received is not None
    if not memory.we_offered:
        return keying(ours, sent.tagged(ours), OURS)
    return agreed_keying(ours, sent.tagged(ours), theirs, memory.received.tagged(theirs), memory.style or OURS)


def _formats(we_offered: bool, ours: Media, theirs: Media) -> tuple[Sequence[Format], Sequence[Format]]:
    """
    Return what may arrive and what may be sent.

    After our offer packets should come under our numbers; an answerer that uses other numbers for the same codec often sends with those
    too, so they are understood as long as they mean nothing else here (RFC 3264 §5.1).
    """
    send = shared(ours.formats, theirs.formats)
    if not we_offered:
        order = {f.payload_type: position for position, f in enumerate(ours.formats)}
        send = sorted([f for f in send if f.payload_type in order], key=lambda f: order[f.payload_type])
        return shared(theirs.formats, ours.formats), send
    receive = shared(theirs.formats, ours.formats)
    numbers = {f.payload_type for f in ours.formats}
    return [*receive, *(f for f in send if f.payload_type not in numbers)], send


def _keys(we_offered: bool, ours: Media, theirs: Media) -> tuple[Crypto | None, Crypto | None]:
    """Return the keys we send and receive with: those of the line that the answer took."""
    answer, offer = (theirs.cryptos, ours.cryptos) if we_offered else (ours.cryptos, theirs.cryptos)
    for taken in answer:
        for offered in offer:
            if (taken.tag, taken.suite) == (offered.tag, offered.suite):
                return (offered, taken) if we_offered else (taken, offered)
    return None, None


def _feedback(ours: Media, send: Sequence[Format]) -> frozenset[str]:
    """Both lists of the first codec; its payload types may differ."""
    first = next((f for f in send if f.codec.carries_media), None)
    mine = first.best_of(ours.formats) if first is not None else None
    both = frozenset(first.feedback) & frozenset(mine.feedback) if first is not None and mine is not None else _NO_FEEDBACK
    return both or _NO_FEEDBACK


_NO_FEEDBACK: frozenset[str] = frozenset()
"""One for all: an empty set takes 216 bytes."""
