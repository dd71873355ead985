"""Figures for Prometheus. Packets are counted by the relay and only read here, when somebody scrapes: nothing runs per packet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

PREFIX = "boringsdp"
CONTENT_TYPE = CONTENT_TYPE_LATEST
COUNTED = frozenset(
    {
        *("created", "ended", "opened", "handshakes", "handshakes_refused", "drops"),
        *("requests_repeated", "requests_dropped", "messages_without_cookie", "replies_unsent"),
        *("packets_received", "packets_sent", "bytes_received", "bytes_sent"),
    }
)
Totals = Callable[[], Iterable[tuple[tuple[str, ...], int]]]


class Metrics:
    """
    One gateway's registry. `watch` adds a source of plain totals that is asked at each scrape; `count` adds to a counter.

    Several gateways can live in one process, each with its own.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._sources: dict[str, Callable[[], Mapping[str, Any]]] = {}
        self._registry.register(_Sources(self._sources))
        self._counters: dict[str, Counter] = {}

    def watch(self, part: str, totals: Callable[[], Mapping[str, Any]]) -> None:
        """
        Show what `totals()` returns as `boringsdp_<part>_<name>`.

        Numbers become one value; a mapping from texts to numbers becomes one value for each, labelled `kind`. What only ever grows
        (`COUNTED`) is shown as a counter, `boringsdp_<part>_<name>_total`.
        """
        self._sources[part] = totals

    def watch_counts(self, name: str, text: str, labels: tuple[str, ...], totals: Totals) -> None:
        """Show what `totals()` returns, counts that only grow by the values of `labels`, as `boringsdp_<name>_total`."""
        self._registry.register(_Counts(f"{PREFIX}_{name}", text, labels, totals))

    def tell(self, name: str, text: str, labels: Callable[[], Mapping[str, Any]]) -> None:
        """Show the values of `labels()`, always of the same names, as the labels of `boringsdp_<name>`, a gauge that is 1."""
        self._registry.register(_Told(f"{PREFIX}_{name}", text, labels))

    def count(self, name: str, text: str, by: int = 1, **labels: str) -> None:
        """Add to the counter `boringsdp_<name>_total`, described by `text`; always use the same labels with one name."""
        counter = self._counters.get(name)
        if counter is None:
            counter = self._counters[name] = Counter(f"{PREFIX}_{name}", text, tuple(labels), registry=self._registry)
        (counter.labels(**labels) if labels else counter).inc(by)

    def expose(self) -> bytes:
        """Return all figures in the text format."""
        return generate_latest(self._registry)


class _Sources(Collector):
    def __init__(self, sources: Mapping[str, Callable[[], Mapping[str, Any]]]) -> None:
        self._sources = sources

    def collect(self) -> Iterable[Metric]:
        for part, totals in self._sources.items():
            for name, value in totals().items():
                yield from _family(part, name, value)

    def describe(self) -> Iterable[Metric]:
        return ()


class _Counts(Collector):
    def __init__(self, name: str, text: str, labels: tuple[str, ...], totals: Totals) -> None:
        self._name, self._text, self._labels, self._totals = name, text, labels, totals

    def collect(self) -> Iterable[Metric]:
        family = CounterMetricFamily(self._name, self._text, labels=self._labels)
        for values, number in self._totals():
            family.add_metric(values, number)
        yield family

    def describe(self) -> Iterable[Metric]:
        return ()


class _Told(Collector):
    def __init__(self, name: str, text: str, labels: Callable[[], Mapping[str, Any]]) -> None:
        self._name, self._text, self._labels = name, text, labels

    def collect(self) -> Iterable[Metric]:
        labels = self._labels()
        family = GaugeMetricFamily(self._name, self._text, labels=tuple(labels))
        family.add_metric([str(value) for value in labels.values()], 1.0)
        yield family

    def describe(self) -> Iterable[Metric]:
        return ()


def _family(part: str, name: str, value: Any) -> Iterator[Metric]:
    if isinstance(value, (int, float)):
        values: Mapping[str, float] = {"": value}
    elif isinstance(value, Mapping) and all(isinstance(number, (int, float)) for number in value.values()):
        values = value
    else:
        return
    family = (CounterMetricFamily if name in COUNTED else GaugeMetricFamily)(
        f"{PREFIX}_{part}_{name}", f"{part} {name}".replace("_", " "), labels=("kind",) if isinstance(value, Mapping) else ()
    )
    for kind, number in values.items():
        family.add_metric((str(kind),) if isinstance(value, Mapping) else (), float(number))
    yield family
