"""What one leg has agreed so far, as a plain value that can be written down and read back."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from boringsdp.sdp.codec import Format
from boringsdp.sdp.description import Description


class Exchange(enum.Enum):
    """Where a leg's offer/answer exchange stands (RFC 3264 §4, JSEP §3.2)."""

    NEW = "new"
    LOCAL_OFFER = "local offer"
    """We offered; `accept_answer` is next."""
    REMOTE_OFFER = "remote offer"
    """The peer offered; `make_answer` is next."""
    AGREED = "agreed"


@dataclass(slots=True, frozen=True, kw_only=True)
class Slot:
    """One m-line of a leg, for the life of the call. A rejected slot may be recycled: then `mid`, `kind` and `fixed` begin anew."""

    kind: str
    mid: str = ""
    counterpart: int | None = None
    """Index of the m-line of the other leg that this one is joined with."""
    fixed: tuple[Format, ...] = ()
    """Every payload type ever given a meaning on this leg's m-line; meanings never change (RFC 3264 §8.3.2)."""
    extensions: tuple[tuple[str, int], ...] = ()
    setup: str = ""
    """Our DTLS role once agreed, `active` or `passive`; kept while the association lives (RFC 8842 §5.5)."""
    ice_restart: bool = False
    """The peer's last offer or answer changed its ICE credentials: our answer needs new ones too (RFC 8839 §4.4.1.1.1)."""


@dataclass(slots=True, frozen=True, kw_only=True)
class LegMemory:
    """
    What one leg has agreed so far. Frozen: a failed renegotiation is undone by keeping the value from before (see `withdraw`).

    Start with `LegMemory(session_id=…)`, a random number of at most 62 bits that names our o= line for the life of the leg.
    """

    session_id: int
    version: int = 0
    """Of our o= line; 0 until we have written something."""
    origin_host: str = ""
    exchange: Exchange = Exchange.NEW
    we_offered: bool = False
    """Who made the last offer."""
    sent: Description | None = None
    received: Description | None = None
    slots: tuple[Slot, ...] = ()
    next_mid: int = 0

    def to_record(self) -> dict[str, object]:
        """Return plain JSON-able values; it holds the legs' SDES keys and ICE passwords, so treat it as a secret."""
        raise NotImplementedError

    @classmethod
    def from_record(cls, record: Mapping[str, object]) -> LegMemory:
        """Return what `to_record` wrote. Raises `SdpError` when it is not such a record."""
        raise NotImplementedError
