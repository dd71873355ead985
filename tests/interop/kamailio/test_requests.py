"""Requests within a call that carry more than a word: UPDATE with an offer, INFO with candidates that came late."""

import pytest

from tests.interop.kamailio.lossy import running_lossy
from tests.interop.kamailio.party import need, need_ours, party_at
from tests.interop.kamailio.talk import directed, hang_up, hear_each_other, heard_by_web, place, take, talking, with_each_library
from tests.interop.kamailio.test_nodes import BY_MODULE

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="session")]


async def test_updates_change_the_media_both_ways(party):
    # SIP.js knows no UPDATE.
    web = await party.web("jssip")
    phone = await party.sipp("update.xml", calls=web.user)
    await take(web)
    await talking(web)
    await directed(web, "recvonly")
    await heard_by_web(web, phone)
    await directed(web, "sendrecv")
    await web.do("update")
    await heard_by_web(web, phone)
    await web.do("hangup")
    await phone.done()


@pytest.mark.parametrize("name", BY_MODULE)
async def test_candidates_that_come_late_reach_the_gateway(sheet, backend, name):
    need_ours(backend, "answers a fragment without one of its own")
    async with (
        running_lossy(("127.0.0.1", backend.port), b"nothing is lost") as relay,
        party_at(need(name), backend, sheet, NG_SOCKET=f'"udp:127.0.0.1:{relay.port}"') as party,
    ):
        await a_call_with_late_candidates(party=party)
    fragments = [each.split(b" ", 1)[0] for each in relay.requests if b"trickle-ICE" in each]
    assert len(fragments) == 2
    replies = {each.split(b" ", 1)[0]: each for each in relay.replies}
    for cookie in fragments:
        assert b"a=end-of-candidates" in replies[cookie]
        assert b"6:result2:ok" in replies[cookie]


@with_each_library
async def a_call_with_late_candidates(party, library):
    web, phone = await party.web(library), await party.phone()
    await place(web, phone.user, party.proxy.sip)
    await take(phone)
    await talking(web, phone)
    assert await web.do("trickle") == 200
    await hear_each_other(web, phone)
    await hang_up(web, phone)
