"""How long a call may go on without media, and altogether. A core."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from boringsdp.call.options import Timeouts


@dataclass(slots=True, frozen=True)
class Heard:
    """
    What is known of one leg: whether it should be sending, when its last RTP packet came (monotonic seconds, 0: none), and how many packets
    of any sort have come.
    """

    leg: str
    expected: bool
    at: float
    packets: int


@dataclass(slots=True, frozen=True)
class GaveUp:
    """The call has waited long enough for `waiting_for`: `media`, `silence` (media, while all is held or blocked) or `end`."""

    waiting_for: str
    after: float


class Patience:
    """
    Asks `listen` at deadlines of its own and never between, so that it costs nothing while media flows.

    Any packet counts as a sign of life, RTCP too; of what is not RTP it is only known between two looks, two for each waiting time.
    """

    def __init__(self, timeouts: Timeouts, listen: Callable[[], Sequence[Heard]], now: float) -> None:
        self._timeouts = timeouts
        self._listen = listen
        self._end = now + timeouts.final_s if timeouts.final_s else None
        self._check: float | None = None
        self._mode = ""
        self._since = now
        self._expected_since: dict[str, float] = {}
        self._last: dict[str, float] = {}
        self._packets: dict[str, int] = {}

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
        for leg in legs:
            self._note(leg, now)
        known = {leg.leg for leg in legs}
        for gone in self._last.keys() - known:
            del self._last[gone], self._packets[gone]
        if mode == "media" and self._timeouts.each_leg:
            quiet = min(max(self._last[leg.leg], self._expected_since[leg.leg]) for leg in legs if leg.expected)
        else:
            quiet = max([*self._last.values(), self._since])
        self._check = min(quiet + self._limit, now + self._limit / 2) if self._limit else None
        if self._check is not None and self._check <= now:
            self._check = now + 0.01
        return quiet

    def _note(self, leg: Heard, now: float) -> None:
        name = leg.leg
        if not leg.expected:
            self._expected_since.pop(name, None)
        else:
            self._expected_since.setdefault(name, now)
        before = self._last.get(name, self._since)
        last = max(before, leg.at)
        if leg.packets != self._packets.get(name, leg.packets) and leg.at <= before:
            last = now  # RTCP, or no RTP at all
        self._last[name], self._packets[name] = last, leg.packets


def _nobody() -> Sequence[Heard]:
    """Who is listened to when the call is over."""
    return ()
