"""What goes wrong with the media of calls: kept for `query` and the notices, and logged when it is found. After `delete` nothing counts."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator

from boringsdp import logs
from boringsdp.call import Call, CallReport, Party
from boringsdp.ng.diagnosis import complaints
from boringsdp.ng.dialogs import Dialog
from boringsdp.ng.statistics import figures_of

LOOK_AFTER_S = 5.0
"""After an answer: who should be heard by then and is not is worth a line in the log."""
log = logs.bind("ng")


class Faults:
    """Notes and logs them. Tell it when a call is `over`; `close` at the end."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._looks: dict[Dialog[Call], float] = {}
        """When to look, the next first: all wait as long."""
        self._timer: asyncio.TimerHandle | None = None
        """For the first of them, or for one that is no longer there."""
        self._told: dict[Dialog[Call], set[str]] = {}

    def close(self) -> None:
        """Look at nothing more."""
        self._looks.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- what is heard -----------------------------------------------------------------------------------------------------------------

    def blame(self, dialog: Dialog[Call], party: Party, branch: str, reason: str) -> None:
        """Something failed."""
        name = name_of(dialog, party, branch)
        facts = {"call": dialog.call.id, "leg": party.value, "tag": name, "branch": branch, "reason": reason}
        if _gone(dialog, party, branch):
            log.debug("media fails after delete", extra=facts)
            return
        dialog.blame(f"{name}: {reason}")
        log.warning("media fails", extra=facts)

    def closed(self, dialog: Dialog[Call], party: Party, branch: str, reason: str) -> None:
        """A party closed its media in order: browsers do when they hang up, before the proxy hears of it. That is no fault."""
        tag = name_of(dialog, party, branch)
        log.debug("media closed", extra={"call": dialog.call.id, "leg": party.value, "tag": tag, "branch": branch, "reason": reason})

    # --- what is looked for ------------------------------------------------------------------------------------------------------------

    def look_soon(self, dialog: Dialog[Call]) -> None:
        """Something was agreed on: look whether it comes."""
        self._stop(dialog)
        self._looks[dialog] = self._loop.time() + LOOK_AFTER_S
        self._arm()

    def _arm(self) -> None:
        """Keep a timer while there is something to look at."""
        if self._timer is None and self._looks:
            at = next(iter(self._looks.values()))
            self._timer = self._loop.call_at(at, self._wake, at)

    def _wake(self, at: float) -> None:
        self._timer = None
        now = max(at, self._loop.time())
        due = [dialog for dialog, _ in itertools.takewhile(lambda look: look[1] <= now, self._looks.items())]
        for dialog in due:
            self._stop(dialog)
        self._arm()
        for dialog in due:
            try:
                self._look(dialog)
            except Exception:  # of one call; the others must not miss theirs
                log.exception("look failed", extra={"call": dialog.call.id})

    def _look(self, dialog: Dialog[Call]) -> None:
        if dialog.end_at is not None or dialog.call.all_heard():
            return  # as nearly always: a report costs a sixth of what setting the call up did
        found: dict[str, list[str]] = {}
        for complaint in complaints_of(dialog, dialog.call.report()):
            tag, _, reason = complaint.partition(": ")
            found.setdefault(tag, []).append(reason)
        for tag, reasons in found.items():
            told = self._told.setdefault(dialog, set())
            if tag not in told:
                told.add(tag)
                log.warning("no media", extra={"call": dialog.call.id, "tag": tag, "reason": "; ".join(reasons)})

    def deleted(self, dialog: Dialog[Call], report: CallReport | None = None) -> None:
        """The proxy ends the call, at once or after a delay: what is known now is all that counts. Telling it again is nothing."""
        self._stop(dialog)
        if dialog.end_at is None:
            self.sum_up(dialog, report or dialog.call.report())
            _log_summary(dialog)

    def sum_up(self, dialog: Dialog[Call], report: CallReport) -> None:
        """Keep the figures of a call that is about to end, and what went wrong with it."""
        dialog.figures = figures_of(report)
        if dialog.end_at is None:
            for complaint in complaints_of(dialog, report):
                dialog.blame(complaint)

    def over(self, dialog: Dialog[Call]) -> None:
        """The call has ended; its dialog is not forgotten yet."""
        self._stop(dialog)
        self._told.pop(dialog, None)
        if dialog.end_at is None:
            _log_summary(dialog)

    def _stop(self, dialog: Dialog[Call]) -> None:
        self._looks.pop(dialog, None)


def complaints_of(dialog: Dialog[Call], report: CallReport) -> Iterator[str]:
    """Yield what is wrong with a dialog's media now, by tag."""
    tags = {(Party.A, ""): dialog.tag, **{(Party.B, leg.name): leg.tag for leg in dialog.legs.values()}}
    return complaints(report, tags, time.time())


def name_of(dialog: Dialog[Call], party: Party, branch: str) -> str:
    """Return what a party is called in faults: its tag, or `a` and `b`."""
    leg = dialog.legs.get(branch) or dialog.leg
    tag = dialog.tag if party is Party.A else leg.tag if leg is not None else ""
    return tag or party.value


def _gone(dialog: Dialog[Call], party: Party, branch: str) -> bool:
    """Whether the proxy has deleted the call, or the leg."""
    leg = dialog.legs.get(branch) if party is Party.B else None
    return dialog.end_at is not None or (leg is not None and leg.drop_at is not None)


def _log_summary(dialog: Dialog[Call]) -> None:
    if dialog.faults:
        faults = "; ".join(dialog.faults)
        log.warning("media failed", extra={"call": dialog.call.id, "packets": dialog.figures.packets, "faults": faults})
