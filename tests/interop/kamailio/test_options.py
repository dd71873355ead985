"""What the scenarios do only when they are told to: passwords and a trunk; figures of quality in that of the stock module."""

import asyncio
import re

import pytest

from tests.interop.kamailio.party import need, need_ours, party_at
from tests.interop.kamailio.phone import free_ports
from tests.interop.kamailio.scenarios import SCENARIOS
from tests.interop.kamailio.talk import hang_up, hear_each_other, place, take, talking, with_each_library
from tests.interop.kamailio.webphone import RefusedError

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="session")]

NOTHING = "<null>"
SPEAKING_S = 6.5
"""Longer than the five seconds between two samples."""


async def test_the_quality_of_a_call_is_logged_when_it_ends(sheet, backend):
    need_ours(backend, "rates only what the peer's RTCP reports, which comes later than these calls last")
    async with party_at(need("rtpengine-module"), backend, sheet, WITH_QUALITY="1") as party:
        web, phone, called, caller = await asyncio.gather(party.web(), party.phone(), party.web(), party.web("sipjs"))
        silent = await party.sipp("silent.xml")
        await asyncio.gather(
            place(web, phone.user, party.proxy.sip),
            place(caller, silent.user, party.proxy.sip),
            party.sipp("caller.xml", calls=called.user, more=("-m", "1", "-d", str(round(SPEAKING_S * 1000)))),
        )
        await asyncio.gather(take(phone), take(called))
        await talking(web, phone, called, caller)
        await asyncio.sleep(SPEAKING_S)
        await asyncio.gather(hang_up(web, phone), caller.do("hangup"), called.until("ended"))
        both, only_caller, only_called = await quality_lines(party.proxy)

    for figures in (both, only_caller, only_called):
        assert 4 <= float(figures["lowest"]) <= float(figures["mos"]) <= float(figures["highest"]) <= 4.5
        assert int(figures["samples"]) >= 1
        assert (int(figures["loss"]), int(figures["jitter"]) < 30, int(figures["roundtrip"]) < 200_000) == (0, True, True)
    for name in ("caller", "called"):
        assert 4 <= float(both[f"{name}-lowest"]) <= float(both[name]) <= 4.5
        assert both[f"{name}-loss"] == "0"
    assert (float(only_caller["caller"]) >= 4, only_caller["called"]) == (True, NOTHING)
    assert (only_called["caller"], float(only_called["called"]) >= 4) == (NOTHING, True)
    rtp, rtcp = (int(re.search(rf"{kind}: \d+ bytes, (\d+) packets", both["passed"])[1]) for kind in ("RTP", "RTCP"))
    assert 1.7 * 50 * SPEAKING_S < rtp < 2 * 50 * (SPEAKING_S + 5)
    assert 2 <= rtcp < 50


async def quality_lines(proxy):
    """The figures of three calls: both spoke, only the caller, only the called."""
    for _ in range(50):
        lines = [line for line in proxy.log.splitlines() if "quality call=" in line]
        if len(lines) == 3:
            break
        await asyncio.sleep(0.1)
    found = [dict(re.findall(r"([\w-]+)=(\[[^]]*\]|\S+)", line)) for line in lines]
    assert len(found) == 3, lines
    return sorted(found, key=lambda one: [one["called"] == NOTHING, one["caller"] == NOTHING])[0], *(
        next(one for one in found if one[silent] == NOTHING) for silent in ("called", "caller")
    )


@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
async def test_passwords_and_a_trunk(sheet, backend, scenario):
    port, _ = free_ports()
    more = {"WITH_AUTH": "1", "TRUNK": f'"sip:127.0.0.1:{port}"'}
    async with party_at(need(scenario), backend, sheet, **more) as party:
        await calls_with_passwords(party=party)
        await a_call_to_the_trunk(party, port)
        await a_call_from_the_trunk(party, port)


async def user_of(party, password="right"):
    user = party.name()
    await party.proxy.control("htable.sets", "passwords", user, password)
    return user


@with_each_library
async def calls_with_passwords(party, library):
    name, other = await asyncio.gather(user_of(party), user_of(party))
    for wrong in ("wrong", ""):
        with pytest.raises(RefusedError, match=r"Auth|Unauthorized"):
            await party.web(library, name, password=wrong)
    with pytest.raises(RefusedError, match=r"Auth|Unauthorized"):
        await party.web(library, party.name(), password="right")
    assert name not in await party.proxy.control("ul.dump")
    web = await party.web(library, name, password="right")
    phone = await party.phone(user=other, account=";auth_pass=right")
    await place(web, phone.user, party.proxy.sip)
    await take(phone)
    await talking(web, phone)
    await hear_each_other(web, phone)
    await hang_up(phone, web)


async def a_call_to_the_trunk(party, port):
    trunk = await party.sipp("silent.xml", port=port)
    web = await party.web(user=await user_of(party), password="right")
    await place(web, "0123456789", party.proxy.sip)
    await talking(web)
    await hang_up(web, web)
    await trunk.done()


async def a_call_from_the_trunk(party, port):
    web = await party.web(user=await user_of(party), password="right")
    trunk = await party.sipp("caller.xml", calls=web.user, port=port, more=("-m", "1", "-d", "300"))
    await take(web)
    await talking(web)
    assert await web.until("ended") == "remote"
    await trunk.done()
