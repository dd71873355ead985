"""Counts of commands and of how calls ended, in the shape of rtpengine's `statistics`."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from boringsdp.call import CallReport
from boringsdp.ng.settings import Address

MAX_PROXIES = 64
"""Clients with counts of their own; the one that has been silent longest is forgotten first."""
COMMANDS: Mapping[str, str] = {
    "ping": "ping",
    "offer": "offer",
    "answer": "answer",
    "delete": "delete",
    "query": "query",
    "list": "list",
    "block DTMF": "blkdtmf",
    "unblock DTMF": "unblkdtmf",
    "block media": "blkmedia",
    "unblock media": "unblkmedia",
    "silence media": "slnmedia",
    "unsilence media": "unslnmedia",
    "play DTMF": "playdtmf",
    "statistics": "stats",
}
"""From commands to their names in `controlstatistics`."""
ENDINGS: Mapping[str, str] = {
    "media-timeout": "timeoutsessions",
    "silent-timeout": "silenttimeoutsessions",
    "final-timeout": "finaltimeoutsessions",
    "offer-timeout": "offertimeoutsessions",
    "deleted": "regularterminatedsessions",
}
"""From why a call ended to its name in `totalstatistics`; all others are `forcedterminatedsessions`."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Figures:
    """What is kept of a call: all that it received, the mean opinion score of each source, m-lines with media from nobody or from one."""

    packets: int = 0
    octets: int = 0
    ratings: tuple[float, ...] = ()
    silent: int = 0
    one_way: int = 0


def figures_of(report: CallReport) -> Figures:
    """Return what is kept of the call."""
    heard: dict[int, list[bool]] = {}
    for leg in report.legs:
        for media in leg.medias if leg.joined else ():
            heard.setdefault(media.index, []).append(any(port.received.packets for port in media.ports if not port.rtcp))
    return Figures(
        packets=report.rtp.packets + report.rtcp.packets,
        octets=report.rtp.bytes + report.rtcp.bytes,
        ratings=tuple(each.average.mos for each in report.ssrcs.values() if each.average is not None),
        silent=sum(not any(sides) for sides in heard.values()),
        one_way=sum(any(sides) and not all(sides) for sides in heard.values()),
    )


class _Proxy:
    __slots__ = ("counts", "errors", "seconds")

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.errors = 0


class Statistics:
    """
    Of one front. `media` returns the relay's totals (`packets_received`, `bytes_received`, …) of what is open now, read when somebody asks.

    `now` is monotonic seconds.
    """

    def __init__(self, now: float, media: Callable[[], Mapping[str, Any]] | None = None) -> None:
        self._began = now
        self._media = media
        self._proxies: OrderedDict[str, _Proxy] = OrderedDict()
        self.commands: Counter[str] = Counter()
        self.endings: Counter[str] = Counter()
        self.managed = self.rejected = 0
        self._durations = self._squares = 0.0
        self._packets = self._octets = self._silent = self._one_way = 0
        self._mos: list[float] = [0.0, 0.0, 0]
        """Sum, sum of squares and number of what sources were rated."""
        self._last: tuple[float, float, float] = (now, 0.0, 0.0)

    def executed(self, command: str, source: Address | None, seconds: float, *, failed: bool) -> None:
        """Count one command that was executed."""
        name = COMMANDS.get(command)
        proxy = self._proxy(source[0] if source is not None else "")
        if failed:
            proxy.errors += 1
        if name is not None:
            self.commands[name] += 1
            proxy.counts[name] += 1
            proxy.seconds[name] += seconds

    def _proxy(self, host: str) -> _Proxy:
        proxy = self._proxies.get(host)
        if proxy is None:
            proxy = self._proxies[host] = _Proxy()
            if len(self._proxies) > MAX_PROXIES:
                self._proxies.popitem(last=False)
        self._proxies.move_to_end(host)
        return proxy

    def began(self) -> None:
        """Count a new call."""
        self.managed += 1

    def refused(self) -> None:
        """Count a call that was refused for lack of room."""
        self.rejected += 1

    def ended(self, reason: str, seconds: float, figures: Figures) -> None:
        """Count a call that ended after `seconds`."""
        self.endings[ENDINGS.get(reason, "forcedterminatedsessions")] += 1
        self._durations += seconds
        self._squares += seconds * seconds
        self._packets += figures.packets
        self._octets += figures.octets
        self._silent += figures.silent
        self._one_way += figures.one_way
        for rating in figures.ratings:
            self._mos[0] += rating
            self._mos[1] += rating * rating
            self._mos[2] += 1

    def tell(self, active: int, now: float) -> dict[str, Any]:
        """Return the whole `statistics` dictionary; `active` is the number of calls now."""
        media = self._media() if self._media is not None else {}
        packets = self._packets + _number(media, "packets_received")
        octets = self._octets + _number(media, "bytes_received")
        errors = _total(media.get("drops"))
        return {
            "currentstatistics": {
                "sessionsown": active,
                "sessionsforeign": 0,
                "sessionstotal": active,
                "transcodedmedia": 0,
                **self._rates(packets, octets, now),
                "media_userspace": int(_number(media, "streams")),
                "media_kernel": 0,
                "media_mixed": 0,
            },
            "totalstatistics": {
                "uptime": str(int(now - self._began)),
                "managedsessions": self.managed,
                "rejectedsessions": self.rejected,
                **{name: self.endings[name] for name in (*ENDINGS.values(), "forcedterminatedsessions")},
                "relayedpackets_user": int(packets),
                "relayedpacketerrors_user": int(errors),
                "relayedbytes_user": int(octets),
                "relayedpackets_kernel": 0,
                "relayedpacketerrors_kernel": 0,
                "relayedbytes_kernel": 0,
                "relayedpackets": int(packets),
                "relayedpacketerrors": int(errors),
                "relayedbytes": int(octets),
                "zerowaystreams": self._silent,
                "onewaystreams": self._one_way,
                **self._call_durations(),
            },
            "controlstatistics": {
                "proxies": [_tell_proxy(host, proxy) for host, proxy in self._proxies.items()],
                **{f"total{name}count": self.commands[name] for name in COMMANDS.values()},
            },
            "mos": self._ratings(),
            "interfaces": _tell_ports(media),
            "transcoders": [],
        }

    def _rates(self, packets: float, octets: float, now: float) -> dict[str, int]:
        """Per second, since the last time they were asked for."""
        before, packets_before, octets_before = self._last
        seconds = now - before
        if seconds >= 1.0:
            self._last = (now, packets, octets)
        per_second = 1 / seconds if seconds > 0 else 0.0
        changes = {"packetrate": packets - packets_before, "byterate": octets - octets_before, "errorrate": 0}
        rates = {name: max(0, int(change * per_second)) for name, change in changes.items()}
        return {
            **{f"{name}_user": rate for name, rate in rates.items()},
            **{f"{name}_kernel": 0 for name in rates},
            **rates,
        }

    def _call_durations(self) -> dict[str, str]:
        """Seconds as decimal text, as rtpengine writes them."""
        mean, deviation = _spread(self._durations, self._squares, self.endings.total())
        return {
            "avgcallduration": f"{mean:.6f}",
            "totalcallsduration": f"{self._durations:.6f}",
            "totalcallsduration2": f"{self._squares:.6f}",
            "totalcallsduration_stddev": f"{deviation:.6f}",
        }

    def _ratings(self) -> dict[str, Any]:
        total, squares, samples = self._mos
        mean, deviation = _spread(total, squares, int(samples))
        return {
            "mos_total": f"{total:.6f}",
            "mos2_total": f"{squares:.6f}",
            "mos_samples_total": int(samples),
            "mos_average": f"{mean:.6f}",
            "mos_stddev": f"{deviation:.6f}",
        }


def _spread(total: float, squares: float, count: int) -> tuple[float, float]:
    """Return mean and standard deviation, 0 of nothing."""
    if not count:
        return 0.0, 0.0
    mean = total / count
    return mean, max(0.0, squares / count - mean * mean) ** 0.5


def _tell_ports(media: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The pool of plain RTP ports; there is one for all interfaces."""
    total, used = int(_number(media, "ports_total")), int(_number(media, "ports_used"))
    if not total:
        return []
    return [{"name": "default", "ports": {"used": used, "used_pct": f"{100 * used / total:.2f}", "free": total - used, "totals": total}}]


def _tell_proxy(host: str, proxy: _Proxy) -> dict[str, Any]:
    told: dict[str, Any] = {"proxy": host}
    for name in COMMANDS.values():
        told |= {f"{name}count": proxy.counts[name], f"{name}duration": f"{proxy.seconds[name]:.6f}"}
    return {**told, "errorcount": proxy.errors}


def _number(figures: Mapping[str, Any], name: str) -> float:
    value = figures.get(name, 0)
    return value if isinstance(value, (int, float)) else _total(value)


def _total(figures: Any) -> float:
    return sum(each for each in figures.values() if isinstance(each, (int, float))) if isinstance(figures, Mapping) else 0.0
