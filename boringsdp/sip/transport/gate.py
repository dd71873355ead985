"""Who is heard: trusted networks, a rate for each source, a ban for sources of bad messages. A core."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from boringsdp.net.limit import RateLimit
from boringsdp.net.networks import networks, within
from boringsdp.sip.transport.settings import GateSettings

SPARED_S = 5.0
"""For how long an answer of `spares` holds; it may have many accounts to look at."""


class _Source:
    __slots__ = ("asked_at", "bad", "bad_since", "banned_until", "rate", "spared")

    def __init__(self, rate: RateLimit | None) -> None:
        self.rate = rate
        self.spared = False
        self.asked_at = float("-inf")
        self.bad = 0
        self.bad_since = self.banned_until = float("-inf")


class Gate:
    """
    Ask `admits` for each message or connection; tell `blame` of bad messages. What is remembered of sources is bounded.

    `spares` is asked, now and then, before an address is limited or banned: over UDP anybody can write in the name of a registrar.
    """

    def __init__(self, settings: GateSettings, spares: Callable[[str], bool] = lambda host: False) -> None:
        self._settings = settings
        self._spares = spares
        self._trusted = networks(settings.trusted)
        self._sources: OrderedDict[str, _Source] = OrderedDict()

    def trusts(self, host: str) -> bool:
        return within(host, self._trusted)

    def admits(self, host: str, now: float) -> str:
        """Return why nothing of this address is heard now, empty when it is: a word for counters."""
        if self._settings.per_second:
            source = self._source(host)
        elif (known := self._sources.get(host)) is not None:
            source = known
        else:
            return ""
        if source.banned_until > now:
            return "banned"
        if source.rate is not None and source.rate.allow(now) is None and not self._is_spared(source, host, now):
            return "too often"
        return ""

    def blame(self, host: str, now: float) -> bool:
        """Count a bad message of this address; True when it is banned for it from now on."""
        settings = self._settings
        if not settings.ban_after or self.trusts(host):
            return False
        source = self._source(host)
        if now - source.bad_since > settings.ban_s:
            source.bad, source.bad_since = 0, now
        source.bad += 1
        if source.bad < settings.ban_after:
            return False
        source.bad = 0
        if self._is_spared(source, host, now):
            return False
        source.banned_until = now + settings.ban_s
        return True

    def _is_spared(self, source: _Source, host: str, now: float) -> bool:
        if now - source.asked_at >= SPARED_S:
            source.spared, source.asked_at = self._spares(host), now
        return source.spared

    def _source(self, host: str) -> _Source:
        source = self._sources.get(host)
        if source is not None:
            self._sources.move_to_end(host)
            return source
        if len(self._sources) >= self._settings.sources:
            self._sources.popitem(last=False)
        limited = self._settings.per_second and not self.trusts(host)
        source = self._sources[host] = _Source(RateLimit(self._settings.per_second, self._settings.burst) if limited else None)
        return source
