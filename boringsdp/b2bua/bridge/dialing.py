"""Carries a plan out: calls those of a group at once, one group after another, until somebody answers or nobody is left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol

from boringsdp.b2bua import headers
from boringsdp.b2bua.bridge.outcome import NO_ANSWER, Outcome, better, is_final, is_unreachable
from boringsdp.b2bua.bridge.side import Side
from boringsdp.b2bua.plan import Kind
from boringsdp.b2bua.planning import place_of
from boringsdp.call import Party
from boringsdp.errors import BoringError, Exhausted, SdpError
from boringsdp.sip.session import events as sip

if TYPE_CHECKING:
    from boringsdp.b2bua.bridge.notes import Notes
    from boringsdp.b2bua.bridge.placing import Placing
    from boringsdp.b2bua.plan import Attempt, Plan

P = ParamSpec("P")
Lines = Iterable[tuple[str, str]]
COMPLETED_ELSEWHERE = headers.reason(200, "Call completed elsewhere")
SILENT_S = 4.0
"""How long an address of a PBX may say nothing, not even 100, where there is another; by itself an INVITE would take 32 s."""
RANG_TOO_LONG = headers.reason(480, "No answer")


@dataclass(slots=True, eq=False)
class Try:
    """One INVITE that is on its way."""

    attempt: Attempt
    side: Side
    note: int
    """Its number in the notes."""
    rang: bool = False
    silence: asyncio.TimerHandle | None = None
    """Runs out when nothing at all comes back from an address that there is another for."""
    early: list[Any] = field(default_factory=list)


class Caller(Protocol):
    """Who has somebody called."""

    def guard(self, act: Callable[P, object]) -> Callable[P, None]:
        """What does `act`; what that raises ends the call (`Bridge.guard`)."""

    def sdp_for(self, attempt: Attempt, branch: str) -> bytes | None:
        """The offer for a new branch, None for an INVITE without; raises `SdpError`, `WrongState`, `Exhausted`."""

    def trying(self, tried: Try, event: Any) -> None:
        """What the session of somebody who is called tells: ringing, early media, an offer of its own."""

    def dropped(self, tried: Try) -> None:
        """Nobody is called there any more: its branch is of no use."""

    def taken(self, tried: Try, event: sip.Answered) -> None:
        """Somebody has answered, and nobody else is called any more. Its session is the caller's to hear now."""

    def given_up(self, outcome: Outcome) -> None:
        """Nobody has answered."""


class Dialing:
    """One for a plan. `start`, and `stop` when the caller does not want any more; after `taken` or `given_up` it does nothing."""

    def __init__(self, caller: Caller, placing: Placing, plan: Plan, notes: Notes, *, ring_s: float) -> None:
        self._caller = caller
        self._guard = caller.guard
        self._placing = placing
        self._groups = [list(group) for group in plan if group]
        self._notes = notes
        self._ring_s = ring_s
        self._tries: list[Try] = []
        self._waiting: list[_Wait] = []
        self._best: Outcome | None = None
        self._branches = 0
        self._timer: asyncio.TimerHandle | None = None
        self._over = False
        self._placing_now = False

    @property
    def over(self) -> bool:
        return self._over

    @property
    def tries(self) -> tuple[Try, ...]:
        """The INVITEs that wait for their final response."""
        return tuple(self._tries)

    def start(self) -> None:
        self._next_group()

    def stop(self, lines: Lines = (), code: int = 487, reason: str = "cancelled") -> None:
        """Take everything back."""
        self._end()
        self._give_up_all(lines, code, reason)

    def lose(self, tried: Try, code: int, reason: str) -> None:
        """Nobody can be reached there any more, whatever its INVITE says."""
        if tried in self._tries:
            self._give_up(tried, (), code, reason)
            self._failed(Outcome(code, reason, tried.attempt))

    # --- placing ---------------------------------------------------------------------------------------------------------------------

    def _next_group(self) -> None:
        while not self._over:
            if not self._groups:
                self._end()
                self._caller.given_up(self._best or Outcome(404, "Not Found", None))
                return
            group = self._groups.pop(0)
            self._stop_timer()
            if self._ring_s:
                self._timer = asyncio.get_running_loop().call_later(self._ring_s, self._guard(self._rang_too_long))
            self._placing_now = True
            for attempt in group:
                self._place(attempt)
            self._placing_now = False
            if self._tries or self._waiting:
                return
            if self._best is not None and is_final(self._best):
                self._groups.clear()

    def _place(self, attempt: Attempt) -> None:
        """Send an INVITE, or wait for the browser that is to get it."""
        if attempt.binding is not None and attempt.flow is None:
            wait = _Wait(attempt)
            self._waiting.append(wait)
            wait.cancel = self._placing.when_back(attempt, self._guard(lambda found: self._back(wait, found)))
            return
        self._branches += 1
        side = Side(None, attempt.kind, Party.B, attempt.style, f"b{self._branches}", attempt.binding)  # type: ignore[arg-type]  # set below
        tried = Try(attempt, side, self._notes.attempt(attempt.uri, attempt.kind))
        try:
            sdp = self._caller.sdp_for(attempt, side.branch)
            side.session = self._placing.invite(attempt, sdp, self._guard(lambda event: self._hear(tried, event)))
        except SdpError as error:
            self._refused_here(tried, Outcome(488, str(error), attempt))
        except Exhausted as error:
            self._refused_here(tried, Outcome(500, str(error), attempt))
        except BoringError as error:
            self._refused_here(tried, Outcome(502, str(error), attempt))
        else:
            self._notes.attempt_called(tried.note, side.session.call_id)
            self._tries.append(tried)
            if attempt.otherwise is not None:
                tried.silence = asyncio.get_running_loop().call_later(SILENT_S, self._guard(self.lose), tried, 408, "no response")
            for event in tried.early:
                self._hear(tried, event)

    def _refused_here(self, tried: Try, outcome: Outcome) -> None:
        self._caller.dropped(tried)
        self._notes.attempted(tried.note, outcome.code, outcome.reason)
        self._best = better(self._best, outcome)

    def _back(self, wait: _Wait, attempt: Attempt | None) -> None:
        """The browser is there again, or will not be."""
        if wait not in self._waiting:
            return
        self._waiting.remove(wait)
        if attempt is not None:
            self._place(attempt)
        else:
            self._best = better(self._best, Outcome(480, "Temporarily Unavailable", wait.attempt))
        self._go_on()

    # --- what they tell --------------------------------------------------------------------------------------------------------------

    def _hear(self, tried: Try, event: Any) -> None:
        if tried.side.session is None:
            tried.early.append(event)  # told while the INVITE was being sent
            return
        if tried not in self._tries:
            return
        if tried.silence is not None:
            tried.silence.cancel()
        match event:
            case sip.Answered():
                self._answered(tried, event)
            case sip.Failed(503, _, _) if tried.attempt.kind is Kind.BROWSER:  # of our own making: its connection is gone
                self._forget(tried, 480, "browser lost")
                self._failed(Outcome(480, "browser lost", tried.attempt))
            case sip.Failed(code, _, response) if why := headers.unreached(response):
                self._unreached(tried, code, why)
            case sip.Failed(code, reason, response):
                self._forget(tried, code, reason)
                self._failed(Outcome(code, reason, tried.attempt, response, rang=tried.rang))
            case sip.Ended(_, code, reason):
                self._forget(tried, code, reason)
                self._failed(Outcome(code if code >= 300 else 480, reason, tried.attempt))
            case _:
                if isinstance(event, sip.Ringing | sip.EarlyMedia) or (isinstance(event, sip.Proceeding) and event.code > 100):
                    tried.rang = True
                    self._notes.attempt_rang(tried.note)
                self._caller.trying(tried, event)

    def _answered(self, tried: Try, event: sip.Answered) -> None:
        self._tries.remove(tried)
        self._end()
        self._notes.attempted(tried.note, event.response.code, event.response.reason)
        self._give_up_all(COMPLETED_ELSEWHERE, 487, "completed elsewhere")
        self._caller.taken(tried, event)

    def _unreached(self, tried: Try, code: int, why: str) -> None:
        """No response has come."""
        place = place_of(tried.attempt) if tried.attempt.kind is Kind.PBX else ""
        reason = f"not reached: {why}" if not place or place in why else f"not reached: {place}: {why}"
        self._forget(tried, code, reason)
        self._failed(Outcome(code, reason, tried.attempt, rang=tried.rang, unreached=True))

    def _failed(self, outcome: Outcome) -> None:
        attempt = outcome.attempt
        if attempt is not None and attempt.kind is Kind.PBX and (outcome.unreached or (attempt.otherwise and is_unreachable(outcome))):
            self._placing.unreachable(attempt, outcome.reason if outcome.unreached else f"{outcome.code} {outcome.reason}")
        if attempt is not None and attempt.otherwise is not None and is_unreachable(outcome):
            self._place(attempt.otherwise)
            self._go_on()
            return
        self._best = better(self._best, outcome)
        if is_final(outcome):
            self._groups.clear()
            self._give_up_all((), 487, "declined elsewhere")
        self._go_on()

    def _go_on(self) -> None:
        if not self._over and not self._tries and not self._waiting and not self._placing_now:
            self._next_group()

    def _rang_too_long(self) -> None:
        for tried in self._tries:
            self._best = better(self._best, Outcome(NO_ANSWER, "No answer", tried.attempt, rang=tried.rang))
        for wait in self._waiting:
            self._best = better(self._best, Outcome(480, "Temporarily Unavailable", wait.attempt))
        self._give_up_all(RANG_TOO_LONG, NO_ANSWER, "No answer")
        self._next_group()

    # --- giving up -------------------------------------------------------------------------------------------------------------------

    def _give_up_all(self, lines: Lines, code: int, reason: str) -> None:
        for tried in tuple(self._tries):
            self._give_up(tried, lines, code, reason)
        for wait in self._waiting:
            wait.cancel()
        self._waiting.clear()

    def _give_up(self, tried: Try, lines: Lines, code: int, reason: str) -> None:
        self._forget(tried, code, reason)
        tried.side.session.hang_up(lines)

    def _forget(self, tried: Try, code: int, reason: str) -> None:
        self._tries.remove(tried)
        if tried.silence is not None:
            tried.silence.cancel()
        tried.side.session.hear = _unheard
        self._notes.attempted(tried.note, code, reason)
        self._caller.dropped(tried)

    def _end(self) -> None:
        self._over = True
        self._groups.clear()
        self._stop_timer()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Wait:
    """A browser that is not there at present."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self.cancel: Callable[[], None] = _nothing


def _unheard(_event: Any) -> None:
    """Hears what somebody says who has been given up."""


def _nothing() -> None:
    """What there is to forget before it waits."""
