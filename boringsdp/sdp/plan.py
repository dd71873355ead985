"""From an agreed offer/answer exchange to what the relay must do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from boringsdp.sdp.candidate import Candidate, Fingerprint
from boringsdp.sdp.codec import Codec, Format
from boringsdp.sdp.crypto import Crypto
from boringsdp.sdp.description import Address
from boringsdp.sdp.memory import LegMemory
from boringsdp.sdp.style import Protocol


@dataclass(slots=True, frozen=True, kw_only=True)
class MediaPlan:
    """One m-line as agreed, seen from us: `send` is gateway to peer. One entry for each slot, refused ones too (`accepted` False)."""

    slot: int
    kind: str
    mid: str = ""
    accepted: bool = False
    counterpart: int | None = None
    """Slot of the other leg that this one is joined with."""
    transport_slot: int = 0
    """The slot whose transport carries this one (BUNDLE)."""
    protocol: Protocol = Protocol.AVP
    send: bool = False
    receive: bool = False
    remote: Address | None = None
    """Where the peer wants RTP; None with ICE, or when it named nothing."""
    remote_rtcp: Address | None = None
    rtcp_mux: bool = False
    reduced_size: bool = False
    """Reduced-size RTCP agreed (RFC 5506)."""
    ice: bool = False
    remote_ufrag: str = ""
    remote_password: str = field(default="", repr=False)
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
    extensions: tuple[tuple[str, int], ...] = ()
    feedback: frozenset[str] = frozenset()
    """rtcp-fb agreed for the first codec: "nack", "nack pli", "ccm fir"."""
    remote_ssrcs: tuple[int, ...] = ()
    ptime_ms: int = 0

    @property
    def extension_ids(self) -> dict[str, int]:
        """Agreed header extensions: {URI: id}."""
        return dict(self.extensions)

    @property
    def dtmf(self) -> Format | None:
        """The telephone-event format to send with: the one in the clock of the first codec, else the first; None: the peer takes none."""
        raise NotImplementedError


@dataclass(slots=True, frozen=True)
class PayloadTypes:
    """How packets of one stream become packets of another. `codecs`: incoming to outgoing payload type, equal codecs only."""

    codecs: Mapping[int, int]
    events: Mapping[int, int]
    """Incoming telephone-event payload types and their clock in Hz; they are never in `codecs`, DTMF is regenerated."""


def media_plans(memory: LegMemory) -> tuple[MediaPlan, ...]:
    """Return what the leg's last completed exchange agreed, one plan for each slot. Raises `WrongState` while an answer is missing."""
    raise NotImplementedError


def payload_type_map(source: MediaPlan, target: MediaPlan) -> PayloadTypes:
    """Return how what arrives by `source` leaves by `target`; what neither side shares is absent, to be dropped and counted."""
    raise NotImplementedError


_ = Codec
