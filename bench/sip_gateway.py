"""
CPU time of complete SIP calls through the whole gateway, its Janus plugin and media ports included, and what an account costs.

    python -m bench sip_gateway

SIPp and Kamailio are the other side; applications with canned descriptions take and place the calls, so no media flows.
"""

from __future__ import annotations

import asyncio

from tests.interop.sip.registrar import running_registrar
from tests.interop.sip.scripts.conftest import listeners, sip_of
from tests.interop.sip.scripts.crowds import FLAGS, RATE, calls_in, calls_out
from tests.interop.sip.scripts.robots import Robots, robots
from tests.support.gateway import Gateway, running_gateway

CALLS, WARM_UP, ROBOTS, ACCOUNTS = 2000, 200, 150, 2000


def show(what: str, count: int, value: float, unit: str) -> None:
    print(f"{what:<58} {count:>6} {value:>8.2f} {unit}", flush=True)


async def calls(gateway: Gateway, people: Robots) -> None:
    """CPU per call, called and calling."""
    await calls_in(people, sip_of(gateway), WARM_UP)
    await calls_out(people, WARM_UP)
    before = gateway.cpu_s()
    await calls_in(people, sip_of(gateway), CALLS)
    called = gateway.cpu_s()
    await calls_out(people, CALLS)
    calling = gateway.cpu_s()
    show(f"a call to an application, {RATE} a second", CALLS, (called - before) * 1000 / CALLS, "CPU ms")
    show(f"a call of an application, {RATE} a second", CALLS, (calling - called) * 1000 / CALLS, "CPU ms")


async def accounts(gateway: Gateway, secret: str, people: Robots) -> None:
    """CPU and memory of accounts that are registered with digest."""
    await people.recruit(10, secret=secret, register_ttl=3600)
    memory, cpu = gateway.memory(), gateway.cpu_s()
    await people.recruit(ACCOUNTS, secret=secret, register_ttl=3600)
    show("an account: attached, challenged and registered", ACCOUNTS, (gateway.cpu_s() - cpu) * 1000 / ACCOUNTS, "CPU ms")
    show("an account", ACCOUNTS, (gateway.memory() - memory) / ACCOUNTS / 1024, "KiB")


async def measure() -> None:
    with running_gateway(*listeners(), *FLAGS) as gateway:
        async with robots(gateway.websocket, sip_of(gateway)) as people:
            await people.recruit(ROBOTS)
            await calls(gateway, people)
    async with running_registrar() as pbx:
        with running_gateway(*listeners(), *FLAGS) as gateway:
            async with robots(gateway.websocket, pbx.domain) as people:
                await accounts(gateway, pbx.secret, people)


def main() -> None:
    asyncio.run(measure())


if __name__ == "__main__":
    main()
