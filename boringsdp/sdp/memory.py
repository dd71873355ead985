"""What one leg has agreed so far, as a plain value that can be written down and read back."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from boringsdp.errors import SdpError
from boringsdp.sdp.codec import Codec, Format
from boringsdp.sdp.describe import describe
from boringsdp.sdp.description import Description
from boringsdp.sdp.style import ANYTHING, LegStyle, Protocol, Sdes
from boringsdp.values import Value


class Exchange(enum.Enum):
    """Where a leg's offer/answer exchange stands (RFC 3264 §4, JSEP §3.2)."""

    NEW = "new"
    LOCAL_OFFER = "local offer"
    """We offered; `accept_answer` is next."""
    REMOTE_OFFER = "remote offer"
    """The peer offered; `make_answer` is next."""
    AGREED = "agreed"


class Slot(Value, frozen=True, kw_only=True):
    """One m-line of a leg, for the life of the call. A rejected slot may be recycled: then all of it begins anew."""

    kind: str
    mid: str = ""
    live: bool = False
    """Accepted by the last completed exchange."""
    counterpart: int | None = None
    """Index of the m-line of the other leg that this one is joined with."""
    transport: int | None = None
    """The slot that the transport was first opened for; bundled m-lines share it. None until it had one."""
    fixed: tuple[Format, ...] = ()
    """Every payload type given a meaning on this m-line, newest first; meanings do not change (RFC 3264 §8.3.2)."""
    extensions: tuple[tuple[str, int], ...] = ()
    shared: bool = False
    """Carried by the shared UDP port."""
    raw: bool = False
    """Datagrams are copied."""
    setup: str = ""
    """Our DTLS role once agreed, `active` or `passive`; kept while the association lives (RFC 8842 §5.5)."""
    ice_restart: bool = False
    """The peer's last offer or answer changed its ICE credentials: our answer needs new ones too (RFC 8839 §4.4.1.1.1)."""

    def fixing(self, formats: Sequence[Format]) -> tuple[Format, ...]:
        """Return `fixed` with the meanings of `formats` added; where a peer broke a meaning, its new one counts."""
        if not self.fixed:
            return tuple(formats)
        numbers = {f.payload_type for f in formats}
        return (*formats, *[f for f in self.fixed if f.payload_type not in numbers])


class LegMemory(Value, frozen=True, kw_only=True):
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
    style: LegStyle | None = None
    """What the leg was last offered in."""
    accepts: LegStyle = ANYTHING
    """What its peer's offers may agree on (see `accept_offer`)."""
    ice_refused: bool = False
    """The peer answered an offer of ours that had ICE without."""
    written: Description | None = None
    """Our last SDP, read back: it is asked more than once what it says."""
    received: Description | None = None
    slots: tuple[Slot, ...] = ()
    next_mid: int = 0

    @property
    def sent(self) -> str:
        """Our last text, empty before the first."""
        return "" if self.written is None else self.written.text

    def to_record(self) -> dict[str, object]:
        """Return plain JSON-able values; it holds the leg's SDES keys and ICE passwords, so treat it as a secret."""
        return {
            "session_id": self.session_id,
            "version": self.version,
            "origin_host": self.origin_host,
            "exchange": self.exchange.value,
            "we_offered": self.we_offered,
            "style": _style_record(self.style) if self.style else None,
            "accepts": _style_record(self.accepts),
            "ice_refused": self.ice_refused,
            "sent": self.sent,
            "received": self.received.text if self.received else None,
            "slots": [_slot_record(slot) for slot in self.slots],
            "next_mid": self.next_mid,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> LegMemory:
        """Return what `to_record` wrote. Raises `SdpError` when it is not such a record."""
        try:
            return cls(
                session_id=int(record["session_id"]),
                version=int(record["version"]),
                origin_host=str(record["origin_host"]),
                exchange=Exchange(record["exchange"]),
                we_offered=bool(record["we_offered"]),
                style=_read_style(record["style"]) if record["style"] else None,
                accepts=_read_style(record["accepts"]),
                ice_refused=bool(record["ice_refused"]),
                written=describe(record["sent"]) if record["sent"] else None,
                received=describe(record["received"]) if record["received"] is not None else None,
                slots=tuple(_read_slot(slot) for slot in record["slots"]),
                next_mid=int(record["next_mid"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SdpError(f"not a record of a leg: {error!r}") from error


def _slot_record(slot: Slot) -> dict[str, object]:
    return {
        "kind": slot.kind,
        "mid": slot.mid,
        "live": slot.live,
        "counterpart": slot.counterpart,
        "transport": slot.transport,
        "fixed": [[f.payload_type, f.codec.name, f.codec.clock_rate, f.codec.channels, f.fmtp, list(f.feedback)] for f in slot.fixed],
        "extensions": [list(extension) for extension in slot.extensions],
        "shared": slot.shared,
        "raw": slot.raw,
        "setup": slot.setup,
        "ice_restart": slot.ice_restart,
    }


def _read_slot(record: Mapping[str, Any]) -> Slot:
    return Slot(
        kind=record["kind"],
        mid=record["mid"],
        live=record["live"],
        counterpart=record["counterpart"],
        transport=record["transport"],
        fixed=tuple(
            Format(number, Codec(name, clock, channels), fmtp, tuple(feedback))
            for number, name, clock, channels, fmtp, feedback in record["fixed"]
        ),
        extensions=tuple((uri, number) for uri, number in record["extensions"]),
        shared=record["shared"],
        raw=record["raw"],
        setup=record["setup"],
        ice_restart=record["ice_restart"],
    )


def _style_record(style: LegStyle) -> dict[str, object]:
    record: dict[str, object] = {name: getattr(style, name) for name in _FLAGS + _TEXTS}
    lists: dict[str, object] = {name: list(getattr(style, name)) for name in _LISTS}
    return {"protocol": style.protocol.value, "sdes": style.sdes.value, **record, **lists}


def _read_style(record: Mapping[str, Any]) -> LegStyle:
    flags = {name: bool(record[name]) for name in _FLAGS}
    texts = {name: str(record[name]) for name in _TEXTS}
    lists = {name: tuple(map(str, record[name])) for name in _LISTS}
    return LegStyle(protocol=Protocol(record["protocol"]), sdes=Sdes(record["sdes"]), **flags, **texts, **lists)  # type: ignore[arg-type]


_TEXTS = ("setup", "fingerprint_hash")
_LISTS = ("suites", "answer_suites")
_FLAGS = tuple(each.name for each in fields(LegStyle) if isinstance(each.default, bool))
