"""Calls through Kamailio between web phones (JsSIP, SIP.js in Chromium) and telephones (baresip): each hears the other's tone."""

import asyncio

import pytest

from tests.interop.kamailio.talk import hang_up, hear_each_other, heard_by_web, place, take, talking, with_each_library

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.parametrize("codec", ["PCMU", "opus"])
@with_each_library
async def test_the_web_calls_and_hangs_up(party, library, codec):
    web, phone = await asyncio.gather(party.web(library), party.phone(codec))
    await place(web, phone.user, party.proxy.sip)
    await take(phone)
    await talking(web, phone)
    await hear_each_other(web, phone)
    await hang_up(web, phone)


@pytest.mark.parametrize("codec", ["PCMU", "opus"])
@with_each_library
async def test_the_phone_calls_and_hangs_up(party, library, codec):
    web, phone = await asyncio.gather(party.web(library), party.phone(codec))
    await place(phone, web.user, party.proxy.sip)
    await take(web)
    await talking(web, phone)
    await hear_each_other(web, phone)
    await hang_up(phone, web)


@with_each_library
async def test_the_called_side_hangs_up(party, library):
    web, phone, other_web, other_phone = await asyncio.gather(party.web(library), party.phone(), party.web(library), party.phone())
    await asyncio.gather(place(web, phone.user, party.proxy.sip), place(other_phone, other_web.user, party.proxy.sip))
    await asyncio.gather(take(phone), take(other_web))
    await asyncio.gather(talking(web, phone), talking(other_web, other_phone))
    await asyncio.gather(hang_up(phone, web), hang_up(other_web, other_phone))
    assert await web.until("ended") == "remote"


@with_each_library
async def test_callers_give_up(party, library):
    web, phone, other_web, other_phone = await asyncio.gather(party.web(library), party.phone(), party.web(library), party.phone())
    await asyncio.gather(place(web, phone.user, party.proxy.sip), place(other_phone, other_web.user, party.proxy.sip))
    await asyncio.gather(
        phone.until("CALL_INCOMING"), other_web.until("incoming"), web.until("progress"), other_phone.until("CALL_RINGING")
    )
    await asyncio.gather(web.do("hangup"), other_phone.do("hangup"))
    await asyncio.gather(phone.until("CALL_CLOSED"), other_web.until("failed"), web.until("failed"))


@with_each_library
async def test_the_called_are_busy(party, library):
    web, phone, other_web, other_phone = await asyncio.gather(party.web(library), party.phone(), party.web(library), party.phone())
    await asyncio.gather(place(web, phone.user, party.proxy.sip), place(other_phone, other_web.user, party.proxy.sip))
    await asyncio.gather(phone.until("CALL_INCOMING"), other_web.until("incoming"))
    await asyncio.gather(phone.do("hangup"), other_web.do("reject", 486))
    assert await web.until("failed") == 486
    assert "486" in (await other_phone.until("CALL_CLOSED"))["param"]


@with_each_library
async def test_early_media_is_heard_before_the_answer(party, library):
    web, phone = await asyncio.gather(party.web(library), party.sipp("early.xml"))
    await place(web, phone.user, party.proxy.sip)
    await web.until("progress", detail=183)
    await web.connected()
    await heard_by_web(web, phone)
    assert not [event for event in await web.events() if event["name"] == "confirmed"]
    await web.until("confirmed")
    await heard_by_web(web, phone)
    await web.do("hangup")
    await web.until("ended")
    await phone.done()


@with_each_library
async def test_a_phone_on_tcp(party, library):
    web, phone = await asyncio.gather(party.web(library), party.phone(transport="tcp"))
    await place(web, phone.user, party.proxy.sip)
    await take(phone)
    await talking(web, phone)
    await hear_each_other(web, phone)
    await hang_up(phone, web)


@with_each_library
async def test_a_call_whose_offer_is_in_the_answer(party, library):
    web = await party.web(library)
    phone = await party.sipp("late-offer.xml", calls=web.user)
    await take(web)
    await talking(web)
    await heard_by_web(web, phone)
    assert await web.until("ended") == "remote"
    await phone.done()
