"""Media before the answer, from phones to browsers and from browsers to phones."""

import asyncio

import pytest

from tests.interop.kamailio.talk import hear_each_other, heard_by_phone, heard_by_web

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("browser_name", ["chromium", "firefox"]),
]


async def test_a_phone_speaks_before_it_answers(company, browser):
    user = await company.registered(browser)
    async with company.sipp("early.xml") as phone:
        await user.place(f"sip:{phone.user}")
        early = await user.until_message("progress")
        assert early["jsep"] == "answer"
        await user.rig.call("connected")
        await heard_by_web(user, phone)
        assert not await user.said("accepted")
        assert (await user.until_message("accepted")).get("jsep") is None
        await heard_by_web(user, phone)
        await user.hang_up()
        await phone.done()


async def test_a_phone_rings_with_an_sdp(company, browser):
    user, phone = await asyncio.gather(company.registered(browser), company.phone(account=";answermode=early"))
    await user.place(company.uri(phone))
    assert (await user.until_message("progress"))["jsep"] == "answer"
    await phone.do("accept")
    await user.talking()
    assert (await user.until_message("accepted")).get("jsep") is None
    await hear_each_other(user, phone)
    await user.hang_up()
    await phone.until("CALL_CLOSED")


async def test_a_user_speaks_before_answering(company, browser):
    user, phone = await asyncio.gather(company.registered(browser), company.phone())
    await phone.do("dial", company.uri(user))
    await user.until("incomingcall")
    await user.do("take", {"request": "progress"})
    await user.until("progressed")
    await phone.until("CALL_PROGRESS")
    await user.rig.call("connected")
    await asyncio.sleep(0.5)
    await heard_by_phone(user, phone, 700)
    assert not phone.seen("CALL_ESTABLISHED")
    await user.do("take")
    await user.talking()
    await phone.until("CALL_ESTABLISHED")
    await hear_each_other(user, phone)
    await phone.do("hangup")
    await user.until("hangup")
