"""Kamailio's view of the gateway: away and back again, a reply that is lost, a call that the gateway ends."""

import asyncio
import re

import pytest

from tests.interop.kamailio.lossy import running_lossy
from tests.interop.kamailio.party import need, party_at
from tests.interop.kamailio.scenarios import SCENARIOS, make_backend, running
from tests.interop.kamailio.talk import hang_up, hear_each_other, place, take, talking

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="session")]

BY_MODULE = sorted(name for name, one in SCENARIOS.items() if "rtpengine.so" in one.modules)


async def disabled(proxy):
    """Whether the module has given the only node up."""
    shown = await proxy.control("rtpengine.show", "all")
    return int(re.search(r"disabled: (\d)", shown)[1]) != 0


@pytest.mark.parametrize("name", sorted(SCENARIOS))
async def test_a_gateway_that_goes_away_and_comes_back(sheet, name):
    with running(make_backend()) as backend:
        async with party_at(need(name), backend, sheet, NG_WAIT_MS="200") as party:
            web, phone, proxy = await party.web(), await party.phone(), party.proxy
            backend.stop()
            await place(web, phone.user, proxy.sip)
            assert await web.until("failed") in (500, 503)
            if name in BY_MODULE:
                assert await disabled(proxy)
            backend.start()
            await asyncio.sleep(1.2)
            other = await party.web()
            await place(other, phone.user, proxy.sip)
            await take(phone)
            await talking(other, phone)
            if name in BY_MODULE:
                assert not await disabled(proxy)
            await hear_each_other(other, phone)
            await hang_up(other, phone)


@pytest.mark.parametrize("name", BY_MODULE)
async def test_a_lost_reply_is_asked_for_again_and_is_the_same(sheet, backend, name):
    async with (
        running_lossy(("127.0.0.1", backend.port), b"7:command5:offer") as relay,
        party_at(need(name), backend, sheet, NG_SOCKET=f'"udp:127.0.0.1:{relay.port}"') as party,
    ):
        web, phone = await asyncio.gather(party.web(), party.phone())
        await place(web, phone.user, party.proxy.sip)
        await take(phone)
        await talking(web, phone)
        await hear_each_other(web, phone)
        await hang_up(web, phone)
    [(cookie, replies)] = relay.twice()
    assert len([each for each in relay.requests if each.startswith(cookie + b" ")]) == 2
    assert len(replies) == 2
    assert replies[0] == replies[1]


@pytest.mark.parametrize("name", sorted(SCENARIOS))
async def test_a_call_without_media_is_ended_on_both_sides(sheet, name):
    backend = make_backend()
    if backend.name != "boringsdp":
        pytest.skip("only BoringSDP tells by JSON")
    async with party_at(need(name), backend, sheet) as party:
        with running(backend, media_timeout="2", timeout_url=party.proxy.notices):
            await asyncio.sleep(1.2)
            web, phone = await asyncio.gather(party.web(), party.sipp("silent.xml"))
            await place(web, phone.user, party.proxy.sip)
            await talking(web)
            await web.do("pc.close")
            assert await web.until("ended", seconds=10) == "remote"
            await phone.done()
