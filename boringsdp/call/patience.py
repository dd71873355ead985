"""How long a call may go on without media, and altogether. A core."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from boringsdp.call.options import Timeouts

REASONS = {"answer": "offer-timeout", "media": "media-timeout", "silence": "silent-timeout", "end": "final-timeout"}
"""Why a call closed, by what it had waited for."""


@dataclass(slots=True, frozen=True)
class Heard:
    """
    What is known of one leg: whether it should be sending, and when its last packet of any sort came (monotonic seconds, 0: none).

    RTCP counts too: who holds a call without music, or sends no silence, still reports.
    """

    leg: str
    expected: bool
    at: float


@dataclass(slots=True, frozen=True)
class GaveUp:
    """The call has waited long enough for `waiting_for`: `media`, `silence` (media, while all is held or blocked) or `end`."""

    waiting_for: str
    after: float


class Patience:
    """
    Asks `listen` at deadlines of its own and never between, so that it costs nothing while media flows.

    The clock of a leg begins when it first should be sending, that of the call when that of any leg does, and when the last one is held.
    """

    def __init__(self, timeouts: Timeouts, listen: Callable[[], Sequence[Heard]], now: float) -> None:
        self._timeouts = timeouts
        self._listen = listen
        self._end = now + timeouts.final_s if timeouts.final_s else None
        self._check: float | None = None
        self._mode = ""
        self._since = now
        self._expected_since: dict[str, float] = {}

    def changed(self, now: float) -> None:
        """Media was agreed on, or who should be sending may have changed."""
        if self._timeouts.media_s or self._timeouts.silent_s:
            self._look(now)

    def stop(self) -> None:
        """The call is over; whoever listened is let go of."""
        self._end = self._check = None
        self._listen = _nobody

    def deadline(self) -> float | None:
        return min((at for at in (self._end, self._check) if at is not None), default=None)

    def tick(self, now: float) -> list[GaveUp]:
        if self._end is not None and now >= self._end:
            self.stop()
            return [GaveUp("end", self._timeouts.final_s)]
        if self._check is None or now < self._check:
            return []
        quiet = self._look(now)
        if not self._limit or now - quiet < self._limit - 1e-6:  # timers are floats: a hair too early is not early
            return []
        self.stop()
        return [GaveUp(self._mode, self._limit)]

    @property
    def _limit(self) -> float:
        return self._timeouts.media_s if self._mode == "media" else self._timeouts.silent_s

    def _look(self, now: float) -> float:
        """Take note of what has come, set the next look, and return since when it has been quiet."""
        legs = self._listen()
        mode = "media" if any(leg.expected for leg in legs) else "silence"
        if mode != self._mode:
            self._mode, self._since = mode, now
        self._expected_since = {leg.leg: self._expected_since.get(leg.leg, now) for leg in legs if leg.expected}
        if mode == "media" and self._timeouts.each_leg:
            quiet = min(max(leg.at, self._expected_since[leg.leg]) for leg in legs if leg.expected)
        else:
            quiet = max([*(leg.at for leg in legs), self._since])
        self._check = max(now + 0.01, quiet + self._limit) if self._limit else None
        return quiet


def _nobody() -> Sequence[Heard]:
    """Who is listened to when the call is over."""
    return ()
