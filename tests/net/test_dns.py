"""The resolver against a small DNS server on loopback, and its memory in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from boringsdp.net.dns import Resolver
from boringsdp.net.records import AAAA, NAPTR, SRV, A, Answers, Naptr, Question, Srv
from boringsdp.sip.flow import Protocol, Target
from boringsdp.sip.locate import Place
from boringsdp.sip.transport.locator import Locator

ZONE = {
    ("example.com.", "NAPTR"): '300 IN NAPTR 10 20 "s" "SIP+D2U" "" _sip._udp.example.com.',
    ("_sip._udp.example.com.", "SRV"): "300 IN SRV 1 2 5070 Host.example.com.",
    ("host.example.com.", "A"): "300 IN A 192.0.2.7",
    ("host.example.com.", "AAAA"): "300 IN AAAA 2001:db8::7",
    ("alias.example.com.", "A"): "300 IN CNAME host.example.com.",
}


class Server(asyncio.DatagramProtocol):
    """Answers from `ZONE`, unless it is `silent`."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.silent = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, source: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        name, kind = query.question[0].name, query.question[0].rdtype.name
        self.asked.append(f"{name} {kind}")
        if self.silent:
            return
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        known = ZONE.get((name.to_text().lower(), kind))
        if known is not None:
            seconds, _, found, *rest = known.split(" ", 3)
            reply.answer.append(dns.rrset.from_text(name, int(seconds), "IN", found, *rest))
            if found == "CNAME":
                reply.answer.append(dns.rrset.from_text(rest[0], 5, "IN", "A", "192.0.2.7"))
        elif name.to_text().startswith("no."):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(reply.to_wire(), source)  # type: ignore[attr-defined]


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def serving(hosts: Path | None = None, timeout_s: float = 2.0) -> AsyncIterator[tuple[Server, Resolver, Clock]]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(Server, ("127.0.0.1", 0))
    clock = Clock()
    where = f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    try:
        yield server, Resolver((where,), timeout_s=timeout_s, hosts=hosts, system=False, clock=clock), clock
    finally:
        transport.close()


async def test_records_of_every_kind() -> None:
    async with serving() as (_, resolver, _):
        assert await resolver.ask(Question("example.com", NAPTR)) == (Naptr(10, 20, "s", "SIP+D2U", "_sip._udp.example.com"),)
        assert await resolver.ask(Question("_sip._udp.example.com", SRV)) == (Srv(1, 2, 5070, "host.example.com"),)
        assert await resolver.ask(Question("host.example.com", A)) == ("192.0.2.7",)
        assert await resolver.ask(Question("host.example.com", AAAA)) == ("2001:db8::7",)
        assert await resolver.ask(Question("alias.example.com", A)) == ("192.0.2.7",)


async def test_what_is_not_there() -> None:
    async with serving() as (server, resolver, _):
        assert await resolver.ask(Question("no.example.com", A)) == ()
        assert await resolver.ask(Question("example.com", A)) == ()
        assert len(server.asked) == 2
        for name in ("a..b", "x" * 64, "y." * 200, "ü" * 70):
            assert await resolver.ask(Question(name, A)) == ()


async def test_answers_are_remembered_for_as_long_as_they_may() -> None:
    async with serving() as (server, resolver, clock):
        question = Question("host.example.com", A)
        await asyncio.gather(*(resolver.ask(question) for _ in range(50)))
        assert len(server.asked) == 1
        clock.now += 299
        await resolver.ask(question)
        assert len(server.asked) == 1
        clock.now += 2
        await resolver.ask(question)
        assert len(server.asked) == 2


async def test_an_old_answer_is_better_than_none() -> None:
    async with serving(timeout_s=0.1) as (server, resolver, clock):
        question = Question("host.example.com", A)
        await resolver.ask(question)
        server.silent = True
        clock.now += 301
        assert await resolver.ask(question) == ("192.0.2.7",)
        assert await resolver.ask(Question("host.example.com", AAAA)) == ()


async def test_one_who_stops_waiting_does_not_stop_the_others() -> None:
    async with serving() as (_, resolver, _):
        question = Question("host.example.com", A)
        impatient, patient = (asyncio.ensure_future(resolver.ask(question)) for _ in range(2))
        await asyncio.sleep(0)
        impatient.cancel()
        assert await patient == ("192.0.2.7",)


async def test_the_hosts_file_comes_first_and_is_read_again(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("# comment\n192.0.2.200 Host.example.com other\n2001:db8::200 other\nnonsense other\n")
    async with serving(hosts) as (server, resolver, _):
        assert await resolver.ask(Question("host.example.com", A)) == ("192.0.2.200",)
        assert await resolver.ask(Question("host.example.com", AAAA)) == ()
        assert await resolver.ask(Question("other", AAAA)) == ("2001:db8::200",)
        assert server.asked == []
        hosts.write_text("")
        assert await resolver.ask(Question("host.example.com", A)) == ("192.0.2.7",)


async def test_the_system_knows_what_dns_does_not() -> None:
    resolver = Resolver(("127.0.0.1:1",), timeout_s=0.2, hosts=None)
    assert await resolver.ask(Question("localhost", A)) == ("127.0.0.1",)


async def test_locating_over_the_wire() -> None:
    async with serving() as (server, resolver, _):
        locator = Locator(resolver)
        assert await locator.locate(Place("example.com")) == [
            Target(Protocol.UDP, "192.0.2.7", 5070, "example.com"),
            Target(Protocol.UDP, "2001:db8::7", 5070, "example.com"),
        ]
        asked = len(server.asked)
        await locator.locate(Place("EXAMPLE.com"))
        assert len(server.asked) == asked


def test_the_memory_is_bounded_and_keeps_what_is_asked_for() -> None:
    answers = Answers(most=3)
    for number in range(3):
        answers.put(Question(str(number), A), (str(number),), 10.0, 0.0)
    assert answers.get(Question("0", A), 5.0) == ("0",)
    answers.put(Question("3", A), (), 10.0, 0.0)
    assert answers.get(Question("1", A), 5.0) is None
    assert answers.get(Question("0", A), 5.0) == ("0",)
    assert answers.get(Question("3", A), 5.0) == ()
    assert answers.get(Question("0", A), 10.0) is None


@pytest.mark.parametrize(("seconds", "lasts"), [(0.0, 1.0), (-5.0, 1.0), (1e9, 3600.0), (60.0, 60.0)])
def test_no_answer_is_remembered_for_ever(seconds: float, lasts: float) -> None:
    answers = Answers()
    answers.put(Question("a", A), ("x",), seconds, 0.0)
    assert answers.get(Question("a", A), lasts - 0.1) == ("x",)
    assert answers.get(Question("a", A), lasts) is None
    assert answers.stale(Question("a", A), lasts + 3599) == ("x",)
    assert answers.stale(Question("a", A), lasts + 3600) is None
