"""One call: its two sides, what ties them, and how it ends."""

from __future__ import annotations

import asyncio
import enum
import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol

from boringsdp import logs
from boringsdp.b2bua import headers
from boringsdp.b2bua.bridge.answering import Answering
from boringsdp.b2bua.bridge.changes import Changes
from boringsdp.b2bua.bridge.dialing import Dialing, Try
from boringsdp.b2bua.bridge.media import Media
from boringsdp.b2bua.bridge.outcome import Outcome
from boringsdp.b2bua.bridge.placing import Placing
from boringsdp.b2bua.bridge.side import Side
from boringsdp.b2bua.bridge.within import Within
from boringsdp.b2bua.plan import Attempt, Kind
from boringsdp.call import CallClosed, CallEvent, CallTimedOut, LegClosed, LegDtmf, LegFailed, Party
from boringsdp.errors import BoringError, WrongState
from boringsdp.sip import account as told
from boringsdp.sip.session import events as sip

if TYPE_CHECKING:
    from boringsdp.b2bua.bridge.notes import Notes
    from boringsdp.b2bua.bridge.transfer import Transfers
    from boringsdp.b2bua.messages import Messages
    from boringsdp.b2bua.plan import Plan
    from boringsdp.b2bua.record import CallRecord
    from boringsdp.b2bua.settings import B2buaSettings
    from boringsdp.call import Call, Calls
    from boringsdp.sip.facades import Session

P = ParamSpec("P")
Lines = Iterable[tuple[str, str]]
log = logs.bind("b2bua")


class State(enum.Enum):
    """How far a call is."""

    DIALING = "dialing"
    """Somebody is being called."""
    ANSWERING = "answering"
    """The callee has answered with an offer; the caller's answer is awaited."""
    TALKING = "talking"
    OVER = "over"


class Desk(Placing, Protocol):
    """What a call needs of the front."""

    settings: B2buaSettings
    calls: Calls
    messages: Messages
    transfers: Transfers

    def redirected(self, bridge: Bridge, outcome: Outcome) -> bool:
        """Follow a 3xx: `Bridge.start` comes again with another plan. False: it is not followed."""

    def over(self, bridge: Bridge, record: CallRecord | None) -> None:
        """The call has ended; without a record when it only asked for a password."""


class Bridge:
    """
    `caller` and `callee` (None before an answer) may be replaced by `put`: another dialog takes the place of one, the call goes on.

    What their sessions tell comes to `hear(side, event)`.
    """

    def __init__(self, desk: Desk, session: Session, notes: Notes, *, kind: Kind, style: Any, passes_challenges: bool = False) -> None:
        """`session` is a call that came in, not answered yet. Raises `Exhausted`."""
        self.desk = desk
        self.notes = notes
        self.state = State.DIALING
        self.caller = Side(session, kind, Party.A, style, passes_challenges=passes_challenges)
        self.callee: Side | None = None
        self.call: Call = desk.calls.create(_weak(self))
        me = weakref.proxy(self)
        self.media = Media(self.call, is_browser=lambda party, branch: me.is_browser(party, branch))
        self.offer: bytes | None = session.core.sdp
        """The caller's; None: it wants one."""
        self.changes = Changes(self)
        self.within = Within(self)
        self.answering = Answering(self)
        self._dialing: Dialing | None = None
        self._max_timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        notes.dialog(session.call_id)

    # --- for who calls ---------------------------------------------------------------------------------------------------------------

    def start(self, plan: Plan, ring_s: float | None = None) -> None:
        """Call whom the plan names, each group for at most so many seconds."""
        if self.state is not State.DIALING:
            return
        self._dialing = Dialing(self, self.desk, plan, self.notes, ring_s=self.desk.settings.ring_s if ring_s is None else ring_s)
        self.caller.session.hear = lambda event: self.hear(self.caller, event)
        if self.state is State.DIALING:
            self.guard(self._dialing.start)()

    @property
    def sides(self) -> tuple[Side, ...]:
        """Those that are in the call, and those that are being called."""
        ringing = () if self._dialing is None else tuple(tried.side for tried in self._dialing.tries)
        return (self.caller, *((self.callee,) if self.callee else ()), *ringing)

    def side_of(self, session: Session) -> Side | None:
        """The side that a session is of."""
        return next((side for side in self.sides if side.session is session), None)

    def other(self, side: Side) -> Side | None:
        """The side across."""
        return self.callee if side is self.caller else self.caller if side is self.callee else None

    def is_browser(self, party: Party, branch: str) -> bool:
        """Whether that party is a web phone; of party B the branch says which."""
        found = (side for side in self.sides if side.party is party and (party is Party.A or side.branch == branch))
        return any(side.kind is Kind.BROWSER for side in found)

    def across(self, side: Side) -> Side | None:
        """The side that a request is for: the one across, while it rings the caller, or the only one that rings and has a dialog."""
        if self.callee is not None:
            return self.other(side)
        if side is not self.caller:
            return self.caller
        ringing = [each for each in self.sides if each is not self.caller and each.session.dialog is not None]
        return ringing[0] if len(ringing) == 1 else None

    def put(self, side: Side, old: Side) -> None:
        """Let a side take the place of `old`, whose session is to be ended by who does this and is not heard any more."""
        old.session.hear = _nobody
        self.desk.messages.forget(old.session)
        if old is self.caller:
            self.caller = side
        else:
            self.callee = side
        self.notes.dialog(side.session.call_id)
        side.session.hear = lambda event: self.hear(side, event)

    def let_go(self) -> None:
        """Forget both sides without a word to them, and the media: they are somebody else's now. The record is told."""
        self._finish("gateway", "transferred", 200, close=False)

    def hang_up(self, reason: str, *, code: int = 487, lines: Lines = (), ended_by: str = "gateway") -> None:
        """End the call on both sides; `reason` is for the record, `lines` (Reason) for both peers."""
        if self.state is State.OVER:
            return
        told_lines = tuple(lines) or headers.reason(200 if self.notes.answered else code, reason)
        sides = [side for side in (self.caller, self.callee) if side is not None]
        self._finish(ended_by, reason, code, lines=told_lines)
        for side in sides:
            _leave(side, told_lines, code)

    def lost(self, side: Side) -> None:
        """The browser of a side is gone for good."""
        self.guard(self._lost)(side)

    def _lost(self, side: Side) -> None:
        if self._dialing is not None:
            for tried in self._dialing.tries:
                if tried.side is side:
                    self._dialing.lose(tried, 480, "browser lost")
        if side in (self.caller, self.callee):
            code = 480 if not self.notes.answered else 200
            self.hang_up("browser lost", code=480, lines=headers.reason(code, "browser lost"))

    # --- what sessions tell ----------------------------------------------------------------------------------------------------------

    def hear(self, side: Side, event: Any) -> None:
        """Take news of the caller's session, or of the callee's once it has answered."""
        if self.state is not State.OVER and side in (self.caller, self.callee):
            self.guard(self._take)(side, event)

    def _take(self, side: Side, event: Any) -> None:
        match event:
            case sip.Cancelled(request, reason):
                self._ended(side, "cancelled", 487, headers.reasons_of(request), reason)
            case sip.Ended(by, code, reason, message):
                self._hear_end(side, by, code, reason, message)
            case sip.Failed(code, reason, response):
                self._ended(side, "refused", code, headers.reasons_of(response), reason)
            case sip.Confirmed(sdp):
                self.answering.confirmed(sdp)
                self.changes.confirmed()
            case sip.OfferReceived() | sip.AnswerReceived() | sip.OfferRefused() | sip.OfferWithdrawn():
                if not self.answering.hear(side, event):
                    self.changes.hear(side, event)
            case told.ReferReceived(refer=refer):
                self.desk.transfers.refer(self, side.session, refer)
            case told.InfoReceived() | told.MessageReceived() | told.NotifyReceivedInDialog() | told.IncomingSubscribe():
                self.within.hear(side, event)
            case sip.RequestAnswered():
                self.within.answered(side, event)

    def _hear_end(self, side: Side, by: sip.By, code: int, reason: str, message: Any) -> None:
        if by is sip.By.REMOTE:
            self._ended(side, "bye" if code == 200 else "dialog lost", code, headers.reasons_of(message), reason)
        elif by is sip.By.TIMER:
            why = {"session timer": "session timer", "no ACK": "no ACK"}.get(reason, "no answer" if code != 480 else "rang too long")
            self._ended(side, why, code, headers.reason(code, why), reason)
        else:
            self._ended(side, "refused here", code, headers.reason(code, reason or "refused"), reason)

    def _ended(self, side: Side, why: str, code: int, lines: Lines, text: str) -> None:
        """One side is over: so is the other."""
        who = "caller" if side is self.caller else "callee"
        ended_by = who if why in ("bye", "cancelled", "dialog lost") else "gateway"
        lines = tuple(lines)
        other = self.other(side)
        header = next((value for name, value in lines if name == "Reason"), "")
        self._finish(ended_by, why, code if code >= 300 else 487, lines=lines, header=header)
        if other is not None:
            _leave(other, lines, code if code >= 300 else 480)

    # --- how far it is ---------------------------------------------------------------------------------------------------------------

    @property
    def branch(self) -> str:
        """The name of the callee's leg."""
        return "" if self.callee is None else self.callee.branch

    @property
    def dialing(self) -> bool:
        return self.state is State.DIALING

    @property
    def awaits_answer(self) -> bool:
        return self.state is State.ANSWERING

    @property
    def talking(self) -> bool:
        return self.state is State.TALKING

    def answer_awaited(self) -> None:
        """The callee makes the offer; the caller's answer is what the call needs."""
        if self.state is State.DIALING:
            self.state = State.ANSWERING

    def talk(self) -> None:
        """Both sides are in the call."""
        if self.state is not State.OVER:
            self.state = State.TALKING
            log.info("call answered", extra={"call": self.notes.id, "caller": self.notes.caller, "callee": self.notes.callee})

    # --- dialing (`dialing.Caller`) --------------------------------------------------------------------------------------------------

    def sdp_for(self, attempt: Attempt, branch: str) -> bytes | None:
        """The offer for a new branch."""
        if self.offer is None:
            return None
        family = "" if attempt.kind is Kind.BROWSER else attempt.account.family(attempt.uri)
        return self.media.offer(Party.A, self.offer, attempt.style, branch=branch, family=family)

    def trying(self, tried: Try, event: Any) -> None:
        """Somebody who is called tells something."""
        self.answering.trying(tried, event)

    def dropped(self, tried: Try) -> None:
        """A branch is of no use any more."""
        if self.state is not State.OVER:
            if not self.notes.answered:
                self.notes.media = self.call.statistics()  # without a branch the caller's leg is as if it had offered nothing
            self.media.drop(tried.side.branch)

    def taken(self, tried: Try, event: sip.Answered) -> None:
        """Somebody has answered."""
        side = self.callee = tried.side
        side.session.hear = lambda news: self.hear(side, news)
        self.notes.answer(side.session.remote_uri, side.kind, side.session.call_id)
        self.answering.answered(side, event)
        if self.state is not State.OVER and self.desk.settings.max_call_s:
            self._max_timer = self._loop.call_later(self.desk.settings.max_call_s, self.guard(self._too_long))

    def given_up(self, outcome: Outcome) -> None:
        """Nobody has answered: the caller is told the best of the failures."""
        if self.state is State.OVER or (300 <= outcome.code < 400 and self.desk.redirected(self, outcome)):
            return
        code, lines = self.answering.refusal(outcome)
        challenged = outcome.code in (401, 407)
        self.notes.told = not (challenged and self.caller.passes_challenges)
        callee = outcome.attempt is not None and outcome.response is not None
        header = headers.reason_text(outcome.response)
        session = self.caller.session
        reason = outcome.reason if outcome.unreached else f"refused: {outcome.reason}" if outcome.reason else "refused"
        self._finish("callee" if callee else "gateway", reason, code, header=header)
        try:
            session.reject(code, outcome.response.reason if outcome.response is not None and outcome.code == code else "", lines)
        except WrongState:
            session.hang_up(code=code)

    def refuse(self, code: int, reason: str = "") -> None:
        """Nobody can be called."""
        if self.state is State.DIALING:
            self.given_up(Outcome(code, reason, None))

    # --- the media -------------------------------------------------------------------------------------------------------------------

    def hear_call(self, event: CallEvent) -> None:
        """News of the media; commands are on their way when it comes, so that it waits its turn."""
        if isinstance(event, LegFailed | LegClosed | CallTimedOut) and self.state is not State.OVER:
            self.notes.media = self.call.statistics()  # there are no figures once it is closed
        self._loop.call_soon(self.guard(self._hear_media), event)

    def _hear_media(self, event: CallEvent) -> None:
        if self.state is State.OVER:
            return
        match event:
            case CallClosed(reason):
                self.hang_up(f"media: {reason}", code=500, lines=headers.reason(500, f"media: {reason}"))
            case LegDtmf():
                self.within.pressed(event)
            case CallTimedOut("answer", _, branch) if self.state is State.TALKING:
                self.changes.timed_out(branch)

    # --- ends ------------------------------------------------------------------------------------------------------------------------

    def fail(self, side: Side, error: BoringError) -> None:
        """End what cannot be served."""
        text = str(error)
        self.hang_up(f"not acceptable: {text}"[:120], code=488, lines=headers.reason(488, text))

    def guard(self, act: Callable[P, object], *more: Callable[[], object]) -> Callable[P, None]:
        """
        Return what does `act`; what that raises ends the call on both sides, with a record, and all that hangs on it.

        Whatever calls a bridge or a part of it from outside (sessions, timers, the policy) does so through this. `more` ends what is
        known to `act` alone.
        """

        def run(*args: P.args, **named: P.kwargs) -> None:
            try:
                act(*args, **named)
            except Exception:
                log.exception("a call failed here", extra={"call": self.notes.id})
                for end in (self.end_broken, *more):
                    try:
                        end()
                    except Exception:
                        log.exception("a call that failed cannot be ended as it should", extra={"call": self.notes.id})

        return run

    def end_broken(self) -> None:
        """End what has failed here, on both sides whatever else does not work. Nothing when it is over."""
        if self.state is State.OVER:
            return
        sides = (self.caller, self.callee)
        try:
            self.hang_up("failed here", code=500, lines=headers.reason(500, "Server Internal Error"))
        finally:
            for side in sides:
                if side is not None and not side.session.over:
                    _leave(side, (), 500)
            self.call.close("failed here")

    def _too_long(self) -> None:
        self.hang_up("maximum time", lines=headers.reason(200, "maximum time"))

    def _finish(self, ended_by: str, reason: str, code: int, *, lines: Lines = (), header: str = "", close: bool = True) -> None:
        """All is over but for what the sessions still say: note it, end what rings, close the media."""
        if self.state is State.OVER:
            return
        statistics = self.call.statistics()
        if statistics["legs"] and (self.call.branches or not self.notes.media):
            self.notes.media = statistics
        self.state = State.OVER
        if self._max_timer is not None:
            self._max_timer.cancel()
        if self._dialing is not None:
            self._dialing.stop(lines)
            self._dialing = None
        for side in (self.caller, self.callee):
            if side is not None and close:
                side.session.hear = _nobody
                self.desk.messages.forget(side.session)
        if close:
            self.call.close(reason)
        record = self.notes.close(code=code, ended_by=ended_by, reason=reason, reason_header=header)
        self.desk.over(self, record if self.notes.told else None)


def _leave(side: Side, lines: Lines, code: int) -> None:
    """End a dialog, in any case."""
    try:
        side.session.hang_up(lines, code=code)
    except BoringError:
        side.session.hang_up(code=code)


def _weak(bridge: Bridge) -> Callable[[CallEvent], None]:
    """Return who hears the media of a bridge: they know each other."""
    known = weakref.ref(bridge)

    def hear(event: CallEvent) -> None:
        found = known()
        if found is not None:
            found.hear_call(event)

    return hear


def _nobody(_event: Any) -> None:
    """Hears what is said after the end."""
