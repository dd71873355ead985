"""Telephones that only speak IPv6, SIP and media; a browser that reaches the gateway by IPv4 calls them and is called."""

import asyncio

import pytest

from tests.interop.kamailio.party import need, party_at
from tests.interop.kamailio.scenarios import SCENARIOS, Backend, make_backend, running
from tests.interop.kamailio.talk import hang_up, hear_each_other, phones_hear_each_other, place, take, talking

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
async def test_phones_at_ipv6_and_a_browser_at_ipv4(sheet, scenario):
    if make_backend().name != "boringsdp":
        pytest.skip("needs addresses of both kinds at the gateway")
    with running(Backend(("--rtp.address_v6=::1", "--rtp.allow=127.0.0.0/8,::1/128"))) as backend:
        async with party_at(need(scenario), backend, sheet, "[::1]") as party:
            web, other, phone, *phones = await asyncio.gather(
                party.web(), party.web("sipjs"), party.phone(), party.phone("opus"), party.phone(), party.phone(frequency=800)
            )
            called, *between = phones
            await place(web, phone.user, party.proxy.sip)
            await place(called, other.user, party.proxy.sip)
            await place(between[0], between[1].user, party.proxy.sip)
            await asyncio.gather(take(phone), take(other), take(between[1]))
            await talking(web, phone, other, called, *between)
            await asyncio.gather(hear_each_other(web, phone), hear_each_other(other, called), phones_hear_each_other(*between))
            for each in (phone, called, *between):
                lines = [line for line in each.log.read_text(errors="replace").splitlines() if line.startswith("c=")]
                assert len(lines) == 2
                assert all(line.startswith("c=IN IP6 ") for line in lines)
            await asyncio.gather(hang_up(web, phone), hang_up(called, other), hang_up(*between))
