"""One of several servers fails: the next of those that SRV or several addresses name is tried (RFC 3263 section 4.3)."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from boringsdp.net.records import SRV, A, Records, Srv
from tests.interop.sip.script import Callee, Running, sdp
from tests.interop.sip.scripts.inside import stage_inside
from tests.interop.sip.scripts.stage import Stage

pytestmark = pytest.mark.interop

Zone = dict[tuple[str, str], Records]
SOMEBODY = "sip:bob@carrier.test"


def whole_call(name: str, **options: str) -> Callee:
    return Callee(name).recv("INVITE", **options).send(200, body=sdp()).recv("ACK").recv("BYE").send(200, tag="")  # type: ignore[return-value]


def unavailable(name: str = "503") -> Callee:
    return Callee(name).recv("INVITE").send(503, tag="none").recv("ACK")  # type: ignore[return-value]


def port_of(phone: Running) -> int:
    return int(phone.uri.partition(";")[0].rpartition(":")[2])


def servers(zone: Zone, *ports: int, transport: str = "udp") -> None:
    """SRV records, the first port preferred."""
    zone["carrier.test", A] = ()
    zone[f"_sip._{transport}.carrier.test", SRV] = tuple(Srv(priority, 0, port, "host.carrier.test") for priority, port in enumerate(ports))
    zone["host.carrier.test", A] = ("127.0.0.1",)


async def talks(stage: Stage, uri: str = SOMEBODY) -> None:
    agent = await stage.agent()
    await agent.place(uri)
    await agent.answered()
    await agent.hang_up()
    agent.close()


@pytest.fixture
def dead() -> Iterator[int]:
    """A port where nobody listens: taken by a socket of the other kind of transport each time."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stream, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        stream.bind(("127.0.0.1", 0))
        port = stream.getsockname()[1]
        datagrams.bind(("127.0.0.1", port))
        datagrams.connect(("127.0.0.1", 9))
        yield port


@pytest.fixture
def mute() -> Iterator[int]:
    """A UDP port that takes everything and never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(("127.0.0.1", 0))
        yield datagrams.getsockname()[1]


async def test_503_and_the_second_server_takes_the_call() -> None:
    zone: Zone = {}
    async with stage_inside(zone=zone) as stage, stage.script(unavailable()) as first, stage.script(whole_call("the second")) as second:
        servers(zone, port_of(first), port_of(second))
        await talks(stage)


async def test_a_server_that_failed_is_not_asked_again_for_a_while() -> None:
    zone: Zone = {}
    async with stage_inside(zone=zone) as stage, stage.script(unavailable()) as first:
        for name in ("first call", "second call"):
            async with stage.script(whole_call(name)) as second:
                servers(zone, port_of(first), port_of(second))
                await talks(stage)
        await first.done()  # it was called once


async def test_503_of_all_is_what_the_application_hears() -> None:
    zone: Zone = {}
    async with stage_inside(zone=zone) as stage, stage.script(unavailable("one")) as first, stage.script(unavailable("two")) as second:
        servers(zone, port_of(first), port_of(second))
        agent = await stage.agent()
        await agent.place(SOMEBODY)
        over = await agent.result("hangup")
        assert (over["code"], over["reason"]) == (503, "Service Unavailable")
        agent.close()


async def test_other_refusals_are_final() -> None:
    """486 of the first server is the answer of whoever is called."""
    zone: Zone = {}
    busy = Callee("busy").recv("INVITE").send(486, tag="busy").recv("ACK")
    async with stage_inside(zone=zone) as stage, stage.script(busy) as first:
        servers(zone, port_of(first), 9)
        agent = await stage.agent()
        await agent.place(SOMEBODY)
        assert (await agent.result("hangup"))["code"] == 486
        agent.close()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_nobody_listens_at_the_first(dead: int, transport: str) -> None:
    zone: Zone = {}
    script, kind = whole_call("the second"), "u1" if transport == "udp" else "t1"
    async with stage_inside(zone=zone) as stage, stage.script(script, transport=kind) as second:
        servers(zone, dead, port_of(second), transport=transport)
        await talks(stage, f"{SOMEBODY};transport={transport}")


async def test_the_first_never_answers(mute: int) -> None:
    zone: Zone = {}
    async with stage_inside(zone=zone, sip_t1="0.05") as stage, stage.script(whole_call("the second"), seconds=12) as second:
        servers(zone, mute, port_of(second))
        await talks(stage)


async def test_a_dead_first_address_of_a_host() -> None:
    """Two addresses of one name, at the first of which nobody listens."""
    zone: Zone = {}
    async with stage_inside(zone=zone) as stage, stage.script(whole_call("the second address")) as phone:
        zone["host.carrier.test", A] = ("127.0.0.3", "127.0.0.1")
        await talks(stage, f"sip:bob@host.carrier.test:{port_of(phone)}")


async def test_the_outbound_proxy_has_a_spare() -> None:
    """The proxy of an account by SRV; whoever is called is another matter, and the request is the same."""
    zone: Zone = {}
    script = whole_call("the spare", checks="INVITE sip:bob@elsewhere.test SIP/2.0", body="Route: <sip:carrier.test;lr>")
    async with stage_inside(zone=zone) as stage, stage.script(unavailable()) as first, stage.script(script) as second:
        servers(zone, port_of(first), port_of(second))
        agent = await stage.agent(outbound_proxy="sip:carrier.test;lr")
        await agent.place("sip:bob@elsewhere.test")
        await agent.answered()
        await agent.hang_up()
        agent.close()
