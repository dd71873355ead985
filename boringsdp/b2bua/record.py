"""What is kept of a call that has ended (CDR)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(slots=True, frozen=True, kw_only=True)
class AttemptRecord:
    """One INVITE that was sent for a call. Times are wallclock seconds, 0 for what was not."""

    uri: str
    kind: str
    """`browser` or `pbx`."""
    call_id: str
    began: float
    rang: float = 0.0
    ended: float = 0.0
    code: int = 0
    """Its final response, 408 and 503 of our own where there was none; 0: cancelled before one came."""
    reason: str = ""


@dataclass(slots=True, frozen=True, kw_only=True)
class StreamRecord:
    """One stream of a leg, both ways, as far as it is known: `None` is not."""

    kind: str
    codec: str
    packets_received: int = 0
    packets_sent: int = 0
    lost: int = 0
    """Of what the peer sent."""
    jitter_ms: float | None = None
    round_trip_ms: float | None = None
    mos: float | None = None
    peer_loss: float | None = None
    """The share of what we sent that the peer has told lost, 0 to 1."""


@dataclass(slots=True, frozen=True, kw_only=True)
class LegRecord:
    """The media of one side."""

    protocol: str
    streams: tuple[StreamRecord, ...] = ()


@dataclass(slots=True, frozen=True, kw_only=True)
class CallRecord:
    """A call from its INVITE to its end. Times are wallclock seconds, 0 for what was not."""

    id: str
    domain: str
    direction: str
    """Who called whom: `browser-pbx`, `pbx-browser`, `browser-browser`, `pbx-pbx`, `browser-echo`."""
    caller: str
    caller_name: str
    called: str
    """Whom the caller's INVITE names: its Request-URI; of what a PBX sends to a Contact of ours, the user."""
    callee: str
    """Who has answered; empty: nobody."""
    call_ids: tuple[str, ...]
    """Of the caller's dialog, then of the callee's; where nobody has answered, of the `attempts`."""
    began: float
    rang: float
    answered: float
    ended: float
    result: str
    """`answered`, `cancelled` or `failed`."""
    code: int
    """What the caller was told: 200, or the response that refused its call."""
    ended_by: str
    """`caller`, `callee` or `gateway`."""
    reason: str
    """Why, in a few constant words: `bye`, `cancelled`, `refused`, `session timer`, `browser lost`, `media: …`, `maximum time` …"""
    reason_header: str = ""
    """Reason (RFC 3326) of who ended it."""
    transferred_to: str = ""
    attempts: tuple[AttemptRecord, ...] = ()
    legs: tuple[LegRecord, ...] = ()
    """Of the caller, then of who has answered."""
    ladders: tuple[str, ...] = ()
    """The SIP messages of each of `call_ids`, drawn."""

    @property
    def talked_s(self) -> float:
        """From the answer to the end."""
        return max(0.0, self.ended - self.answered) if self.answered else 0.0

    def to_json(self) -> dict[str, Any]:
        """As a line of the records file."""
        return {**asdict(self), "talked_s": round(self.talked_s, 3)}
