"""One m-line that is about to be written: what offer and answer have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from boringsdp.sdp.codec import Format
from boringsdp.sdp.crypto import Crypto
from boringsdp.sdp.description import Description, Media
from boringsdp.sdp.direction import Direction
from boringsdp.sdp.local import LocalMedia, MediaNeed
from boringsdp.sdp.memory import LegMemory, Slot
from boringsdp.sdp.passing import OWN_TEXT, Passing
from boringsdp.sdp.style import Keying

MID_URI = "urn:ietf:params:rtp-hdrext:sdes:mid"
LEVEL_URI = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
USUAL_IDS: Mapping[str, int] = {LEVEL_URI: 1, MID_URI: 4}


class Outline(msgspec.Struct):
    """All of an m-line but what the call layer supplies. With `accepted` False only `refused_line` and `mid` count."""

    slot: int
    kind: str
    accepted: bool = False
    refused_line: str = ""
    mid: str = ""
    counterpart: int | None = None
    protocol_text: str = ""
    formats: Sequence[Format] = ()
    direction: Direction = Direction.SENDRECV
    keying: Keying = Keying.NONE
    ice: bool = False
    rtcp_mux: bool = False
    rtcp_mux_sure: bool = False
    """The peer has rtcp-mux for certain: one port is enough."""
    rtcp_mux_only: bool = False
    reduced_size: bool = False
    transport_slot: int = 0
    setup: str = ""
    suites: tuple[str, ...] = ()
    """SDES suites; beside DTLS when an offer leaves the choice to the peer."""
    crypto_choice: Crypto | None = None
    """In an answer: the peer's line that is taken, whose tag and suite ours repeats."""
    extensions: tuple[tuple[str, int], ...] = ()
    ptime_ms: int = 0
    maxptime_ms: int = 0
    others: tuple[str, ...] = ()
    ice_restart: bool = False
    kept: bool = False
    raw: bool = False
    fingerprint_hash: str = "sha-256"
    low_priority: bool = False
    guest: Media | None = None
    """The other leg's m-line, whose ICE credentials and candidates stand here beside ours."""
    source: Media | None = None
    """In a mirror: the other leg's m-line that the text is made from."""

    @property
    def shared(self) -> bool:
        """True when the shared UDP port will do."""
        return self.ice and self.keying is Keying.DTLS and self.rtcp_mux_sure and not self.suites


class Sheet(msgspec.Struct):
    """All m-lines about to be written and the session-level facts."""

    outlines: list[Outline]
    ice: bool = False
    groups: list[list[str]] = msgspec.field(default_factory=list)
    others: tuple[str, ...] = ()
    passing: Passing = OWN_TEXT
    source: Description | None = None
    """In a mirror: the other leg's SDP that the text is made from."""
    webrtc: bool = False
    trickle: bool = True
    sdes_pad: bool = False
    sdes_lifetime: bool = False
    lite_peer: bool = False

    def needs(self) -> tuple[MediaNeed, ...]:
        """Return what the call layer must supply for it."""
        return tuple(
            MediaNeed(
                slot=o.slot,
                kind=o.kind,
                transport_slot=o.transport_slot,
                rtcp_mux=o.rtcp_mux_sure,
                ice=o.ice,
                dtls=o.keying is Keying.DTLS,
                suites=o.suites,
                ice_restart=o.ice_restart,
                kept=o.kept,
                shared=o.shared,
                lite_peer=self.lite_peer,
                raw=o.raw,
                fingerprint_hash=o.fingerprint_hash,
                low_priority=o.low_priority,
                credentials=(o.guest.ufrag, o.guest.password) if o.guest is not None else None,
            )
            for o in self.outlines
            if o.accepted
        )


def refused(slot: int, line: str, mid: str, counterpart: int | None) -> Outline:
    """Return the outline of an m-line with port 0 that repeats the kind, protocol and formats of `line`."""
    kind, _, protocol, *formats = line[2:].split()
    return Outline(slot, kind.lower(), refused_line=f"m={kind} 0 {protocol} {' '.join(formats) or '0'}", mid=mid, counterpart=counterpart)


def previous_line(memory: LegMemory, sent: Description | None, slot: int) -> str:
    """Return the m-line last written by either side for a slot of the leg."""
    for description in (memory.received, sent) if not memory.we_offered else (sent, memory.received):
        if description is not None and slot < len(description.medias):
            return description.medias[slot].line
    return f"m={memory.slots[slot].kind} 0 RTP/AVP 0"


def wanted_extensions(kind: str, *, mids: bool) -> tuple[str, ...]:
    """Return the header extensions that the relay reads or writes for an m-line."""
    return ((LEVEL_URI,) if kind == "audio" else ()) + ((MID_URI,) if mids else ())


def extension_ids(
    slot: Slot, slots: Sequence[Slot], uris: Sequence[str], usual_ids: Mapping[str, int] = USUAL_IDS
) -> tuple[tuple[str, int], ...]:
    """Return an id for each URI: what the leg uses already, else the usual one, else the next free (the same everywhere in a bundle)."""
    known = {uri: number for other in (*slots, slot) for uri, number in other.extensions}
    chosen = []
    for uri in uris:
        if uri not in known:
            taken = set(known.values())
            usual = usual_ids.get(uri, 1)
            known[uri] = usual if usual not in taken else next(number for number in range(1, 256) if number not in taken and number != 15)
        chosen.append((uri, known[uri]))
    return tuple(chosen)


def next_slots(memory: LegMemory, outlines: Sequence[Outline]) -> tuple[Slot, ...]:
    """Return the leg's slots with what the outlines say of them; whether they are live is for the caller to say."""
    slots = []
    for outline in outlines:
        old = memory.slots[outline.slot] if outline.slot < len(memory.slots) else Slot(kind=outline.kind, mid=outline.mid)
        if outline.accepted and (old.kind != outline.kind or old.mid != outline.mid):
            old = Slot(kind=outline.kind, mid=outline.mid)
        slots.append(
            Slot(
                kind=old.kind,
                mid=outline.mid or old.mid,
                live=old.live,
                counterpart=outline.counterpart,
                transport=outline.transport_slot if outline.accepted else None,
                fixed=old.fixing(outline.formats) if outline.accepted else old.fixed,
                extensions=outline.extensions or old.extensions,
                shared=outline.accepted and outline.shared,
                raw=outline.accepted and outline.raw,
                setup=outline.setup if outline.accepted and outline.setup in ("active", "passive") else old.setup,
                ice_restart=old.ice_restart,
            )
        )
    return tuple(slots)


def share_transports(slots: Sequence[Slot], outlines: Sequence[Outline], groups: Sequence[Sequence[Outline]]) -> None:
    """
    Say which transport each accepted m-line uses: members of a group share one and nobody else does, and who has one keeps it.

    A transport is named by the slot it was first opened for, also when that slot is refused later; a new one never takes a name in use.
    What carries datagrams never turns into what carries RTP, or the other way round.
    """
    accepted = [o for o in outlines if o.accepted]
    used = {slots[o.slot].transport for o in accepted if o.slot < len(slots) and slots[o.slot].live}
    grouped = {o.slot for group in groups for o in group}
    given: set[int] = set()
    for group in (*groups, *[[o] for o in accepted if o.slot not in grouped]):
        present = [slots[o.slot].transport for o in group if o.slot < len(slots) and slots[o.slot].live and slots[o.slot].raw == o.raw]
        name = next((name for name in present if name is not None and name not in given), None)
        if name is None:
            others = {slots[o.slot].transport for o in group if o.slot < len(slots) and slots[o.slot].raw != o.raw}
            name = group[0].slot
            while name in used or name in others:
                name += 1000  # beyond every slot
            used.add(name)
        given.add(name)
        for outline in group:
            outline.transport_slot = name


def local_of(outline: Outline, locals: Mapping[int, LocalMedia]) -> LocalMedia:
    """Return what the call layer supplied for an accepted m-line; a missing one is a bug of ours, not the peer's."""
    local = locals.get(outline.slot)
    assert local is not None, f"no local media for slot {outline.slot}"
    return local


def pass_media(source: Media | None) -> tuple[int, int]:
    """Return ptime and maxptime to write, in ms (0: none); ptime is never above maxptime."""
    if source is None:
        return 0, 0
    ptime, longest = source.ptime_ms, source.maxptime_ms
    return (min(ptime, longest) if longest else ptime), longest
