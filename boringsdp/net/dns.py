"""Questions to DNS: A, AAAA, SRV and NAPTR, remembered as long as they may be. Shell, on dnspython."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.resolver

from boringsdp import logs
from boringsdp.net.address import parse_ip
from boringsdp.net.limit import RateLimit
from boringsdp.net.records import AAAA, NAPTR, SRV, A, Answers, Naptr, Question, Record, Records, Srv

HOSTS = Path("/etc/hosts")
MOST_RECORDS = 64
"""Of one answer; the rest is not looked at."""
MOST_HOSTS_OCTETS = 1024 * 1024
NOTHING_S = 30.0
"""For how long it is remembered that there is no record, where the answer does not say."""
FAILED_S = 3.0
"""For how long that the servers did not answer."""
SYSTEM_S = 30.0
"""For how long what the system says (getaddrinfo), which tells no time."""

log = logs.bind("dns")


class Resolver:
    """
    Asks the system's name servers, or those given as `host` or `host:port`.

    The hosts file comes first; where DNS knows no address, or there is none, the system is asked, which knows search lists and local names.
    """

    def __init__(
        self,
        servers: tuple[str, ...] = (),
        *,
        timeout_s: float = 4.0,
        hosts: Path | None = HOSTS,
        system: bool = True,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._hosts = Hosts(hosts)
        self._system = system
        self._clock = clock
        self._answers = Answers()
        self._asked: dict[Question, asyncio.Future[Records]] = {}
        self._resolver = _resolver(servers, timeout_s)
        self._complaints = RateLimit(per_second=0.1, burst=3)

    async def ask(self, question: Question) -> Records:
        """Return the records of a name; none where there are none, or where nobody answers in time. Raises nothing."""
        if (local := self._hosts.find(question)) is not None:
            return local
        known = self._answers.get(question, self._now())
        if known is not None:
            return known
        asked = self._asked.get(question)
        if asked is None:
            asked = self._asked[question] = asyncio.ensure_future(self._find(question))
            asked.add_done_callback(lambda _: self._asked.pop(question, None))
        return await asyncio.shield(asked)  # others may wait for the same

    async def _find(self, question: Question) -> Records:
        records, seconds, answered = await self._query(question)
        if not records and question.kind in (A, AAAA) and self._system:
            records, seconds = await self._system_addresses(question), SYSTEM_S if answered else FAILED_S
        if not records and not answered:
            if self._complaints.allow(self._now()) is not None:
                log.warning("no answer from DNS", extra={"host": question.name[:255], "record": question.kind})
            records = self._answers.stale(question, self._now()) or ()
        self._answers.put(question, records, seconds, self._now())
        return records

    async def _query(self, question: Question) -> tuple[Records, float, bool]:
        """Return records, for how long they hold, and whether anybody has answered."""
        if self._resolver is None:
            return (), FAILED_S, False
        try:
            answer = await self._resolver.resolve(
                dns.name.from_text(question.name), question.kind, lifetime=self._timeout_s, search=False, raise_on_no_answer=False
            )
        except (dns.resolver.NXDOMAIN, dns.name.LabelTooLong, dns.name.NameTooLong, dns.name.EmptyLabel, UnicodeError):
            return (), NOTHING_S, True
        except (dns.exception.DNSException, OSError):
            return (), FAILED_S, False
        if answer.rrset is None:
            return (), NOTHING_S, True
        records = (_record(data, question.kind) for data in list(answer.rrset)[:MOST_RECORDS])
        return tuple(record for record in records if record is not None), float(answer.rrset.ttl), True

    async def _system_addresses(self, question: Question) -> Records:
        family = socket.AF_INET if question.kind == A else socket.AF_INET6
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout_s):
                found = await loop.getaddrinfo(question.name, None, family=family, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError):
            return ()
        return tuple(dict.fromkeys(str(name[0]) for *_, name in found))[:MOST_RECORDS]

    def _now(self) -> float:
        return self._clock() if self._clock is not None else asyncio.get_running_loop().time()


class Hosts:
    """The hosts file, read again when it has changed."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._names: dict[str, list[str]] = {}

    def find(self, question: Question) -> Records | None:
        """Return the addresses of a name that stands there; None for one that does not. It has then none of the other family."""
        if self._path is None or question.kind not in (A, AAAA):
            return None
        self._refresh(self._path)
        known = self._names.get(question.name)
        if known is None:
            return None
        return tuple(address for address in known if (":" in address) == (question.kind == AAAA))

    def _refresh(self, path: Path) -> None:
        try:
            status = os.stat(path)
            stamp = (status.st_mtime_ns, status.st_size)
            if stamp == self._stamp:
                return
            self._stamp = stamp
            with path.open(encoding="utf-8", errors="replace") as file:
                text = file.read(MOST_HOSTS_OCTETS)
        except OSError:
            self._stamp, self._names = None, {}
            return
        self._names = _read_hosts(text)


def _read_hosts(text: str) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for line in text.splitlines():
        address, *of = line.partition("#")[0].split() or [""]
        try:
            parse_ip(address.partition("%")[0])
        except ValueError:
            continue
        for name in of:
            names.setdefault(name.lower().rstrip("."), []).append(address)
    return names


def _resolver(servers: tuple[str, ...], timeout_s: float) -> dns.asyncresolver.Resolver | None:
    """Return dnspython's, without a cache of its own; None where the system names no server."""
    try:
        resolver = dns.asyncresolver.Resolver(configure=not servers)
    except dns.resolver.NoResolverConfiguration:
        return None
    if servers:
        resolver.nameservers = [_server(text) for text in servers]
    resolver.timeout = min(resolver.timeout, timeout_s)
    return resolver


def _server(text: str) -> dns.nameserver.Nameserver:
    host, port = text, 53
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = int(rest[1:]) if rest else 53
    elif text.count(":") == 1:
        host, _, number = text.partition(":")
        port = int(number)
    return dns.nameserver.Do53Nameserver(host, port)


def _record(data: Any, kind: str) -> Record | None:
    """Return a record of dnspython as ours; None for one of another type (a CNAME in between)."""
    if data.rdtype != dns.rdatatype.from_text(kind):
        return None
    if kind == SRV:
        return Srv(data.priority, data.weight, data.port, _name(data.target))
    if kind == NAPTR:
        return Naptr(data.order, data.preference, data.flags.decode("latin-1"), data.service.decode("latin-1"), _name(data.replacement))
    return str(data.address)


def _name(name: Any) -> str:
    return str(name.to_text(omit_final_dot=True)).lower() if name != dns.name.root else ""
