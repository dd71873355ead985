"""How a session behaves."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from boringsdp.sip.session_timer import SMALLEST_MIN_SE


class Prack(Enum):
    """Reliable provisional responses (RFC 3262)."""

    OFF = "off"
    SUPPORTED = "supported"
    """Announced; used when the peer asks for them, and for provisional responses of ours with SDP when the peer can."""
    REQUIRED = "required"
    """Our INVITE has Require: 100rel, one without it gets 421, and every provisional response of ours is reliable."""


@dataclass(slots=True, frozen=True, kw_only=True)
class SessionSettings:
    """Times in seconds."""

    t1: float = 0.5
    t2: float = 4.0
    prack: Prack = Prack.SUPPORTED
    session_expires: int = 1800
    """Of our own asking; 0: session timers are off, and only kept when the peer wants them."""
    min_se: int = 90
    """RFC 4028 §5: not below 90."""
    smallest_se: int = SMALLEST_MIN_SE
    """What is never gone below, whatever the peer says; less than 90 is for tests alone."""
    ring_limit: float = 180.0
    """How long an outgoing call may ring (and an incoming one, before its 2xx); 0: for ever."""
    keeps_crossing: float = 0.0
    """How long a re-INVITE that meets ours may wait for the end of ours, before it gets 491; 0: it gets that at once (RFC 3261 §14.2)."""
    allow: tuple[str, ...] = (
        "INVITE",
        "ACK",
        "BYE",
        "CANCEL",
        "OPTIONS",
        "PRACK",
        "UPDATE",
        "INFO",
        "MESSAGE",
        "REFER",
        "NOTIFY",
        "SUBSCRIBE",
    )
    supported: tuple[str, ...] = ("replaces", "norefersub")
    """Besides 100rel and timer, which follow from the above."""
    max_early_dialogs: int = 32
    max_pending_requests: int = 64
    """Requests of ours in one dialog that wait for their final response."""
