"""What is noted of a call while it goes on, until it is a record."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from boringsdp.b2bua.plan import Kind
from boringsdp.b2bua.record import AttemptRecord, CallRecord, LegRecord, StreamRecord

MOST_TRIED = 10
"""Dialogs of a call that nobody has answered whose ladders are in its record."""
REDACTED = 300
"""Characters of a reason or an address that a record holds at most."""


@dataclass(slots=True, eq=False)
class Notes:
    """One for a call. All times are wallclock."""

    domain: str
    caller: str
    caller_name: str
    called: str
    from_kind: Kind
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    began: float = field(default_factory=time.time)
    rang: float = 0.0
    answered: float = 0.0
    callee: str = ""
    to_kind: Kind | None = None
    call_ids: list[str] = field(default_factory=list)
    attempts: list[AttemptRecord] = field(default_factory=list)
    transferred_to: str = ""
    media: Mapping[str, Any] = field(default_factory=dict)
    """`Call.statistics`, taken before the media was closed."""
    told: bool = True
    """Whether the call is worth a record: one whose user was asked for a password begins anew."""

    def ring(self) -> None:
        """It rings somewhere."""
        self.rang = self.rang or time.time()

    def answer(self, callee: str, kind: Kind, call_id: str) -> None:
        """Somebody has answered."""
        self.answered = self.answered or time.time()
        self.callee, self.to_kind = callee[:REDACTED], kind
        self.dialog(call_id)

    def dialog(self, call_id: str) -> None:
        """A further dialog belongs to the call."""
        if call_id not in self.call_ids:
            self.call_ids.append(call_id)

    def attempt(self, uri: str, kind: Kind) -> int:
        """An INVITE goes out; returns its number for the others."""
        self.to_kind = self.to_kind or kind
        self.attempts.append(AttemptRecord(uri=uri[:REDACTED], kind=kind.value, call_id="", began=time.time()))
        return len(self.attempts) - 1

    def attempt_called(self, number: int, call_id: str) -> None:
        self.attempts[number] = replace(self.attempts[number], call_id=call_id)

    def attempt_rang(self, number: int) -> None:
        if not self.attempts[number].rang:
            self.attempts[number] = replace(self.attempts[number], rang=time.time())

    def attempted(self, number: int, code: int, reason: str) -> None:
        """Note how an INVITE ended; the first end counts."""
        if not self.attempts[number].ended:
            self.attempts[number] = replace(self.attempts[number], ended=time.time(), code=code, reason=reason[:REDACTED])

    def close(self, *, code: int, ended_by: str, reason: str, reason_header: str) -> CallRecord:
        """Return the record, without ladders: the last messages of its dialogs are still to come."""
        result = "answered" if self.answered else "cancelled" if ended_by == "caller" else "failed"
        to = self.to_kind.value if self.to_kind else "nobody"
        tried = () if self.answered else tuple(attempt.call_id for attempt in self.attempts if attempt.call_id)
        media = self.media.get("legs", {})
        return CallRecord(
            id=self.id,
            domain=self.domain,
            direction=f"{self.from_kind.value}-{to}",
            caller=self.caller[:REDACTED],
            caller_name=self.caller_name[:REDACTED],
            called=self.called[:REDACTED],
            callee=self.callee,
            call_ids=(*self.call_ids, *tried[:MOST_TRIED]),
            began=self.began,
            rang=self.rang,
            answered=self.answered,
            ended=time.time(),
            result=result,
            code=200 if self.answered else code,
            ended_by=ended_by,
            reason=reason[:REDACTED],
            reason_header=reason_header[:REDACTED],
            transferred_to=self.transferred_to[:REDACTED],
            attempts=tuple(self.attempts),
            legs=tuple(_leg(media[party]) for party in (("a", "b") if self.answered else ("a",)) if party in media),
        )


def _leg(figures: Mapping[str, Any]) -> LegRecord:
    return LegRecord(protocol=figures["protocol"], streams=tuple(map(_stream, figures["streams"])))


def _stream(figures: Mapping[str, Any]) -> StreamRecord:
    received, sent = figures.get("received", {}), figures.get("sent", {})
    return StreamRecord(
        kind=figures["kind"],
        codec=figures["codec"],
        packets_received=received.get("packets", 0),
        packets_sent=sent.get("packets", 0),
        lost=received.get("lost", 0) or 0,
        jitter_ms=received.get("jitter_ms"),
        round_trip_ms=figures.get("round_trip_ms"),
        mos=received.get("mos"),
        peer_loss=sent.get("loss"),
    )
