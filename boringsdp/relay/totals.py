"""What all transports of a relay have counted, those that are closed included: totals that never fall."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from boringsdp.errors import WrongState
from boringsdp.relay.engine import Engine, TransportId
from boringsdp.relay.statistics import TransportStatistics

COUNTS = ("packets_received", "packets_sent", "bytes_received", "bytes_sent")


class Totals:
    """Sums over the transports that are closed; those that live are added when somebody asks."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._drops: Counter[str] = Counter()

    def keep(self, engine: Engine, number: TransportId) -> None:
        """Add the last figures of a transport that is about to be removed; nothing when a fault of the engine has taken it already."""
        try:
            figures = engine.transport_statistics(number)
        except WrongState:
            return
        _add(self._counts, self._drops, figures)

    def of(self, engine: Engine) -> Mapping[str, Any]:
        """Return `drops` by reason and the sums of `COUNTS` up to now."""
        figures = engine.statistics()
        counts, drops = self._counts.copy(), self._drops.copy()
        drops.update(figures.drops)
        for transport in figures.transports.values():
            _add(counts, drops, transport)
        return {"drops": dict(drops), **{name: counts[name] for name in COUNTS}}


def _add(counts: Counter[str], drops: Counter[str], figures: TransportStatistics) -> None:
    drops.update(figures.drops)
    counts.update({name: getattr(figures, name) for name in COUNTS})
