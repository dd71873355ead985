"""How browsers behave: how often each connection asks, and what of it was bad. A core."""

from __future__ import annotations

from dataclasses import dataclass

from boringsdp.net.limit import RateLimit
from boringsdp.sip.flow import Flow


@dataclass(slots=True, frozen=True, kw_only=True)
class ConductSettings:
    """Of each connection that a browser makes."""

    per_second: float = 20.0
    """Requests outside of dialogs on average; more get 503 with Retry-After."""
    burst: int = 300
    """So many at once: a page may subscribe to the presence of a whole company when it opens."""
    refused: int = 1000
    """Requests that got 503 for it, within `forgets_s`, after which the connection is closed."""
    bad: int = 100
    """Wrong passwords and the like, within `forgets_s`, after which the connection is closed; what cannot be read counts tenfold."""
    forgets_s: float = 60.0


class _Known:
    __slots__ = ("bad", "rate", "refused", "since")

    def __init__(self, settings: ConductSettings, now: float) -> None:
        self.rate = RateLimit(settings.per_second, settings.burst)
        self.bad = self.refused = 0
        self.since = now


class Conduct:
    """Ask `admits` for each request, tell `blame` of bad ones; both say when there was too much. `forget` a connection that has ended."""

    def __init__(self, settings: ConductSettings) -> None:
        self._settings = settings
        self._known: dict[Flow, _Known] = {}

    def admits(self, flow: Flow, now: float) -> bool:
        """Whether a request is served."""
        known = self._of(flow, now)
        if known.rate.allow(now) is not None:
            return True
        known.refused += 1
        return False

    def blame(self, flow: Flow, now: float, weight: int = 1) -> None:
        """Count something bad."""
        self._of(flow, now).bad += weight

    def is_enough(self, flow: Flow) -> bool:
        """Whether the connection is to be closed."""
        known = self._known.get(flow)
        return known is not None and (known.bad >= self._settings.bad or known.refused >= self._settings.refused)

    def forget(self, flow: Flow) -> None:
        self._known.pop(flow, None)

    def __len__(self) -> int:
        return len(self._known)

    def _of(self, flow: Flow, now: float) -> _Known:
        known = self._known.get(flow)
        if known is None:
            known = self._known[flow] = _Known(self._settings, now)
        elif now - known.since >= self._settings.forgets_s:
            known.bad = known.refused = 0
            known.since = now
        return known
