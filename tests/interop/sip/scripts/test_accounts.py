"""Two thousand accounts of one gateway at one Kamailio: registered, refreshed, and a call each in and out."""

from __future__ import annotations

import pytest

from tests.interop.sip import registrar
from tests.interop.sip.registrar import running_registrar
from tests.interop.sip.scripts import stage as stages
from tests.interop.sip.scripts.conftest import listeners
from tests.interop.sip.scripts.crowds import FLAGS, calls_in, calls_out
from tests.interop.sip.scripts.robots import robots
from tests.support.gateway import running_gateway

pytestmark = [pytest.mark.interop, pytest.mark.load]

ACCOUNTS = 2000
EXPIRES_S = 30


async def test_two_thousand_accounts() -> None:
    if problem := stages.missing() or registrar.missing():
        pytest.skip(problem)
    async with running_registrar() as pbx:
        with running_gateway(*listeners(), *FLAGS) as gateway:
            async with robots(gateway.websocket, pbx.domain) as people:
                await people.recruit(10, secret=pbx.secret, register_ttl=EXPIRES_S)
                before, cpu = gateway.memory(), gateway.cpu_s()
                await people.recruit(ACCOUNTS - 10, secret=pbx.secret, register_ttl=EXPIRES_S)
                each, spent = (gateway.memory() - before) / ACCOUNTS, (gateway.cpu_s() - cpu) / ACCOUNTS
                print(f"{each / 1024:.1f} KiB and {spent * 1000:.2f} ms of CPU for each account with its registration")
                assert each < 40 << 10
                await calls_in(people, pbx.domain, ACCOUNTS)
                await calls_out(people, ACCOUNTS)
                await people.until("registered", 2 * ACCOUNTS, EXPIRES_S)
                assert people.reasons == {"200 Session Terminated": ACCOUNTS, "200 to BYE": ACCOUNTS}
                assert not people.told["registration_failed"]
