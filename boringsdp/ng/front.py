"""The NG front: one command dictionary in, one reply dictionary out. It translates into calls and knows no wire format."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from boringsdp import logs
from boringsdp.call import (
    Call,
    CallClosed,
    CallEvent,
    CallReport,
    Calls,
    CallTimedOut,
    LegClosed,
    LegConnected,
    LegConsentLost,
    LegDtmf,
    LegFailed,
    LegMediaTimeout,
    Party,
)
from boringsdp.errors import BoringError, Exhausted, NgError, SdpError, WrongState
from boringsdp.metrics import Metrics
from boringsdp.net.limit import RateLimit
from boringsdp.ng import requests
from boringsdp.ng.control import Control
from boringsdp.ng.descriptions import Descriptions, LoadLimit
from boringsdp.ng.dialogs import Dialog, Dialogs, FarLeg
from boringsdp.ng.faults import Faults, complaints_of, name_of
from boringsdp.ng.notices import Digit, Notices, Timeout
from boringsdp.ng.remarks import Remarks
from boringsdp.ng.remembered import RequestReader
from boringsdp.ng.replies import Names, Told, tell_call
from boringsdp.ng.settings import Address, NgSettings
from boringsdp.ng.statistics import Statistics

NOT_FOUND = "Call-ID not found or tags didn't match"
INTERNAL = "Internal error"
LONGEST_TEXT = 500
REFUSALS_LOGGED_PER_SECOND = 5.0
REFUSALS_LOGGED_AT_ONCE = 50
"""More are counted, not logged."""
TIMEOUTS: Mapping[str, str] = {
    "media-timeout": "media timeout",
    "silent-timeout": "silent timeout",
    "offer-timeout": "offer timeout",
    "final-timeout": "final timeout",
}
"""From why a call closed to what the proxy is told."""
log = logs.bind("ng")


class NgFront:
    """
    Executes commands on `calls`. Build it within a running event loop; `drain` (optional) and `close` at the end.

    `metrics` counts commands that fail unexpectedly, timeouts and notices; `media` returns the relay's totals, for `statistics`.
    """

    def __init__(
        self,
        calls: Calls,
        settings: NgSettings,
        *,
        metrics: Metrics | None = None,
        media: Callable[[], Mapping[str, Any]] | None = None,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._requests = RequestReader(settings.templates)
        self._loop = asyncio.get_running_loop()
        self._dialogs: Dialogs[Call] = Dialogs()
        self._notices = Notices(settings, self._count_notice)
        self._descriptions = Descriptions(calls, self._dialogs, settings, self._notices, self._hear, self._loop.time)
        self._control = Control(self._dialogs)
        self._faults = Faults(self._loop)
        self._remarks = Remarks()
        self._statistics = Statistics(self._loop.time(), media)
        self._refusals = RateLimit(REFUSALS_LOGGED_PER_SECOND, REFUSALS_LOGGED_AT_ONCE)
        self._timer: asyncio.TimerHandle | None = None

    @property
    def sessions(self) -> int:
        """Calls of this front, those whose deletion waits included."""
        return len(self._dialogs)

    def drain(self) -> None:
        """Refuse new calls from now on, as at the session limit; commands about calls that exist are executed."""
        self._descriptions.draining = True

    async def close(self) -> None:
        """Forget deletions that wait, and tell no more. Calls are ended by who ends all."""
        if self._timer is not None:
            self._timer.cancel()
        self._faults.close()
        await self._notices.close()

    def execute(self, message: dict[str, Any], source: Address | None = None) -> dict[str, Any]:
        """
        Run one command and return the reply; `source` is who sent it.

        Synchronous, and never raises: what is wrong becomes `{"result": "error", "error-reason": …}`, with the details in `warning`.
        """
        began = self._loop.time()
        try:
            reply = self._run(self._requests.read(message), source)
            self._remark(message, reply)
        except LoadLimit as refused:
            self._statistics.refused()
            reply = {"result": "load limit", "message": refused.reason}
        except BoringError as error:
            reply = self._refuse(message, error)
        except Exception:  # a command ends here: one that fails must not take the others with it
            log.exception("command failed", extra=_facts(message))
            self._count("ng_faults", "NG commands that failed unexpectedly")
            reply = {"result": "error", "error-reason": INTERNAL}
        command = message.get("command")
        failed = reply.get("result") == "error"
        self._statistics.executed(command if isinstance(command, str) else "", source, self._loop.time() - began, failed=failed)
        return reply

    def _remark(self, message: dict[str, Any], reply: dict[str, Any]) -> None:
        """Log what was asked in vain."""
        what = reply.get("warning", "")
        if what and what != NOT_FOUND:
            facts = _facts(message)
            untold = self._remarks.new(facts["call_id"], what, self._loop.time())
            if untold is not None:
                more = {"untold": untold} if untold else {}
                log.warning(
                    "asked in vain", extra={"call": facts["call_id"], "command": facts["command"], "what": what[:LONGEST_TEXT], **more}
                )

    def _refuse(self, message: dict[str, Any], error: BoringError) -> dict[str, Any]:
        reply = refusal(error)
        if isinstance(error, Exhausted):
            self._statistics.refused()
        unlogged = self._refusals.allow(self._loop.time())
        if unlogged is not None:
            more = {"refused_unlogged": unlogged} if unlogged else {}
            reason = reply["error-reason"][:LONGEST_TEXT]
            log.info("refused", extra={**_facts(message), "reason": reason, "why": reply.get("warning", ""), **more})
        return reply

    def _run(self, request: requests.Request, source: Address | None) -> dict[str, Any]:
        match request:
            case requests.Ping():
                return {"result": "pong"}
            case requests.Description():
                before = len(self._dialogs)
                reply = self._descriptions.execute(request, source)
                if len(self._dialogs) > before:
                    self._statistics.began()
                if request.answer and not request.early and not request.fragment:
                    for dialog in self._dialogs.of(request.identity.call_id):
                        self._faults.look_soon(dialog)
                return reply
            case requests.Delete():
                return _with_warnings(self._delete(request), request.warnings)
            case requests.Query():
                told = [_told(dialog) for dialog in self._known(request.identity.call_id)]
                return {**tell_call(told, request.identity), "result": "ok"}
            case requests.ListCalls():
                found = [call_id for call_id, _ in zip(self._dialogs.call_ids(), range(request.limit), strict=False)]
                return _with_warnings({"calls": found, "result": "ok"}, request.warnings)
            case requests.Statistics():
                return {"statistics": self._statistics.tell(len(self._dialogs), self._loop.time()), "result": "ok"}
            case requests.SetBlocking():
                return self._control.block(request)
            case requests.PlayDtmf():
                return self._control.play_dtmf(request)

    # --- query and delete --------------------------------------------------------------------------------------------------------------

    def _known(self, call_id: str) -> tuple[Dialog[Call], ...]:
        dialogs = self._dialogs.of(call_id)
        if not dialogs:
            raise NgError("Unknown call-id", "call-id")
        return dialogs

    def _delete(self, request: requests.Delete) -> dict[str, Any]:
        """End what is meant, now or after the delay, and tell what it was."""
        kept = self._dialogs.leaves(request.identity, honour_to_tag=request.honour_to_tag)
        if kept is not None:
            told_call = {} if request.fast else tell_call([_told(kept.dialog)])
            self._descriptions.give_back(kept)
            return {**told_call, "result": "ok"}
        found = self._dialogs.to_delete(request.identity, honour_to_tag=request.honour_to_tag)
        if not found:
            if request.fatal:
                raise NgError(NOT_FOUND, "call-id")
            return {"warning": NOT_FOUND, "result": "ok"}
        reply: dict[str, Any] = {"result": "ok"}
        told = {} if request.fast else {dialog: _told(dialog) for dialog, _ in found}
        if told:
            reply = {**tell_call(list(told.values())), **reply}
        delay = self._settings.delete_delay_s if request.delay_s is None else request.delay_s
        for dialog, leg in found:
            report = told[dialog].report if told else None
            if leg is None:
                self._faults.deleted(dialog, report)
            self._dialogs.delete_at(dialog, leg, self._loop.time() + max(delay, 0.0))
            if delay <= 0:
                self._end(dialog, leg, report)
            elif leg is None:
                dialog.call.retire()
        self._arm()
        return reply

    def _end(self, dialog: Dialog[Call], leg: FarLeg | None, report: CallReport | None = None) -> None:
        """End a dialog, or one leg of it, that was deleted; `report` is its call's if there is a fresh one."""
        if leg is None:
            self._faults.sum_up(dialog, report or dialog.call.report())
            dialog.call.close("deleted")
            return
        if leg.name in dialog.call.branches:
            dialog.call.drop_branch(leg.name)
        self._dialogs.drop(dialog, leg)

    def _arm(self) -> None:
        """Keep one timer for the next deletion."""
        if self._timer is not None:
            self._timer.cancel()
        at = self._dialogs.deadline()
        self._timer = None if at is None else self._loop.call_at(at, self._wake, at)

    def _wake(self, at: float) -> None:
        for gone in self._dialogs.tick(max(at, self._loop.time())):
            try:
                self._end(gone.dialog, gone.leg)
            except Exception:  # one deletion ends here, the others must not wait for it
                log.exception("deletion failed", extra={"call": gone.dialog.call.id})
        self._arm()

    # --- news --------------------------------------------------------------------------------------------------------------------------

    def _hear(self, dialog: Dialog[Call], event: CallEvent) -> None:
        """What a call tells goes to the log, to `query`, and to whom it concerns outside."""
        match event:
            case LegDtmf():
                self._tell_digit(dialog, event)
            case LegFailed(party, reason, branch):
                self._faults.blame(dialog, party, branch, reason)
            case LegClosed(party, reason, branch):
                self._faults.closed(dialog, party, branch, reason)
            case LegConnected(party, branch):
                dialog.absolve(name_of(dialog, party, branch))
            case LegConsentLost(party, branch):
                self._faults.blame(dialog, party, branch, "ice-consent-lost")
            case LegMediaTimeout(party, after, branch):
                self._faults.blame(dialog, party, branch, f"no media for {after:g} s")
            case CallTimedOut():
                dialog.waited_s = event.after
                self._faults.sum_up(dialog, dialog.call.report())
            case CallClosed(reason):
                self._over(dialog, reason)
            case _:
                pass

    def _over(self, dialog: Dialog[Call], reason: str) -> None:
        told = TIMEOUTS.get(reason)
        if told is not None and dialog.end_at is not None:  # the proxy has ended it already: it only waited to be forgotten
            reason, told = "deleted", None
        self._faults.over(dialog)
        self._dialogs.forget(dialog)
        self._statistics.ended(reason, self._loop.time() - dialog.began, dialog.figures)
        if told is None:
            return
        self._count("ng_timeouts", "Calls of the NG front that ended by themselves, by reason", reason=told)
        if dialog.callback:
            notice = Timeout(
                call_id=dialog.call_id,
                reason=told,
                after=dialog.waited_s,
                tags=_tags(dialog),
                labels=tuple(label for label in (dialog.label, *(leg.label for leg in dialog.legs.values())) if label),
                wallclock=time.time(),
                faults=tuple(dialog.faults),
            )
            self._notices.timed_out(notice, dialog.callback, named=dialog.callback_named)

    def _tell_digit(self, dialog: Dialog[Call], event: LegDtmf) -> None:
        to = dialog.dtmf_log or self._settings.dtmf_log
        if to is None:
            return
        leg = dialog.legs.get(event.branch) or dialog.leg
        tag, label = (dialog.tag, dialog.label) if event.party is Party.A else (leg.tag, leg.label) if leg is not None else ("", "")
        digit = Digit(
            call_id=dialog.call_id,
            tag=tag,
            label=label,
            tags=_tags(dialog),
            digit=event.digit,
            duration_ms=event.duration_ms,
            volume=event.volume,
            source_ip=_where(dialog.call.report(), event.party, event.branch),
            wallclock=time.time(),
        )
        self._notices.digit(digit, to)

    # --- counts ------------------------------------------------------------------------------------------------------------------------

    def _count(self, name: str, text: str, **labels: str) -> None:
        if self._metrics is not None:
            self._metrics.count(name, text, 1, **labels)

    def _count_notice(self, what: str) -> None:
        self._count("ng_notices", "Timeouts told to proxies, by outcome", outcome=what)


def refusal(error: BoringError) -> dict[str, Any]:
    """
    Return the error reply. The reason is rtpengine's text where it has one, word for word, since callers compare it; what it leaves open
    (the line, the key) stands in `warning`.
    """
    match error:
        case NgError():
            reason, why = error.reason, str(error.__cause__) if isinstance(error.__cause__, BoringError) else ""
        case SdpError():
            reason, why = "Error rewriting SDP", str(error)
        case Exhausted(what="calls"):
            reason, why = "Parallel session limit reached", ""
        case Exhausted():
            reason, why = "Ran out of ports", str(error)
        case WrongState():
            reason, why = "Invalid dialogue association", str(error)
        case _:
            reason, why = str(error), ""
    return {"result": "error", "error-reason": reason, **({"warning": why[:LONGEST_TEXT]} if why else {})}


def _with_warnings(reply: dict[str, Any], warnings: tuple[str, ...]) -> dict[str, Any]:
    """Return a reply that also says what was not understood."""
    said = [reply["warning"]] if "warning" in reply else []
    return {**reply, "warning": "; ".join([*said, *warnings])} if warnings else reply


def _facts(message: Mapping[str, Any]) -> dict[str, str]:
    """What names a message in the log."""
    return {"command": str(message.get("command"))[:60], "call_id": str(message.get("call-id", message.get("call id", "")))[:200]}


def _told(dialog: Dialog[Call]) -> Told:
    report = dialog.call.report()
    names = {(Party.A, ""): Names(tags=tuple(dialog.tags), label=dialog.label)}
    for leg in dialog.legs.values():
        names[Party.B, leg.name] = Names(tags=tuple(leg.tags), label=leg.label, branch=leg.branch)
    current = complaints_of(dialog, report) if dialog.end_at is None else ()
    faults = (*dialog.faults, *(text for text in current if text not in dialog.faults))
    return Told(report=report, names=names, metadata=dialog.metadata, faults=faults)


def _tags(dialog: Dialog[Call]) -> tuple[str, ...]:
    """A's, then that of the leg in force, then the others."""
    near = dialog.leg
    return tuple(dict.fromkeys(tag for tag in (dialog.tag, near.tag if near else "", *(leg.tag for leg in dialog.legs.values())) if tag))


def _where(report: CallReport, party: Party, branch: str) -> str:
    """The numeric address that a party's media goes to, empty when unknown."""
    for leg in report.legs:
        if leg.party is party and (party is Party.A or leg.branch == branch):
            for media in leg.medias:
                for port in media.ports:
                    if (address := port.remote or port.announced) is not None:
                        return address[0]
    return ""
