"""Who is heard: trusted networks, a rate for each source, a ban for sources of bad messages. A core."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from boringsdp.net.limit import RateLimit
from boringsdp.net.networks import networks, subscriber, within
from boringsdp.sip.transport.settings import GateSettings

SPARED_S = 5.0
"""For how long an answer of `spares` holds; it may have many accounts to look at."""
ASKS_PER_SECOND = 100
"""How often it is asked at most: over UDP there may be any number of addresses."""
MAX_ASKED = 256
"""Addresses that are known not to be spared."""


class _Source:
    __slots__ = ("bad", "bad_since", "banned_until", "rate")

    def __init__(self, rate: RateLimit | None) -> None:
        self.rate = rate
        self.bad = 0
        self.bad_since = self.banned_until = float("-inf")


class Gate:
    """
    Ask `admits` for each message or connection; tell `blame` of bad messages. What is remembered of sources is bounded.

    A source is an address, of IPv6 its /64: who has one address of that has all of them.

    `spares` is asked, now and then, before an address is limited or banned: over UDP anybody can write in the name of a registrar.
    """

    def __init__(self, settings: GateSettings, spares: Callable[[str], bool] = lambda host: False) -> None:
        self._settings = settings
        self._spares = spares
        self._trusted = networks(settings.trusted)
        self._sources: OrderedDict[str, _Source] = OrderedDict()
        self._asks = RateLimit(ASKS_PER_SECOND, ASKS_PER_SECOND)
        self._spared: dict[str, float] = {}
        """Addresses, and when that was asked."""
        self._not_spared: OrderedDict[str, float] = OrderedDict()

    def trusts(self, host: str) -> bool:
        return within(host, self._trusted)

    def admits(self, host: str, now: float) -> str:
        """Return why nothing of this address is heard now, empty when it is: a word for counters."""
        if self._settings.per_second:
            source = self._source(host)
        elif (known := self._sources.get(self._place(host))) is not None:
            source = known
        else:
            return ""
        if source.banned_until > now:
            # Somebody we depend on may have a neighbour who is banned.
            return "" if self._place(host) != host and self._is_spared(host, now) else "banned"
        if source.rate is not None and source.rate.allow(now) is None and not self._is_spared(host, now):
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
        if self._is_spared(host, now):
            return False
        source.banned_until = now + settings.ban_s
        return True

    def _is_spared(self, host: str, now: float) -> bool:
        for known, spared in ((self._spared, True), (self._not_spared, False)):
            if now - known.get(host, float("-inf")) < SPARED_S:
                return spared
        if self._asks.allow(now) is None:
            return host in self._spared
        self._spared.pop(host, None)
        self._not_spared.pop(host, None)
        if self._spares(host):
            self._spared[host] = now
            return True
        if len(self._not_spared) >= MAX_ASKED:
            self._not_spared.popitem(last=False)
        self._not_spared[host] = now
        return False

    def _place(self, host: str) -> str:
        return host if self.trusts(host) else subscriber(host)

    def _source(self, host: str) -> _Source:
        place = self._place(host)
        source = self._sources.get(place)
        if source is not None:
            self._sources.move_to_end(place)
            return source
        if len(self._sources) >= self._settings.sources:
            self._sources.popitem(last=False)
        limited = self._settings.per_second and not self.trusts(host)
        source = self._sources[place] = _Source(RateLimit(self._settings.per_second, self._settings.burst) if limited else None)
        return source
