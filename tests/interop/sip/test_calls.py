"""Calls between people at browsers (janus.plugin.sip) and telephones (baresip) by way of Kamailio: each hears the other's tone."""

import asyncio

import pytest

from tests.interop.kamailio.talk import hear_each_other

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("browser_name", ["chromium", "firefox"]),
]


async def pair(company, browser, **phone):
    return await asyncio.gather(company.registered(browser), company.phone(**phone))


async def test_a_user_calls_and_hangs_up(company, browser):
    user, phone = await pair(company, browser)
    call_id = await user.place(company.uri(phone))
    await phone.until("CALL_INCOMING")
    await user.until("ringing")
    await phone.do("accept")
    await user.talking()
    assert (await user.until_message("accepted"))["call_id"] == call_id
    await hear_each_other(user, phone)
    told = await user.hang_up()
    assert told["code"] == 200
    await phone.until("CALL_CLOSED")


async def test_a_user_is_called_and_the_phone_hangs_up(company, browser):
    user, phone = await pair(company, browser)
    await phone.do("dial", company.uri(user))
    told = await user.until("incomingcall")
    assert told["username"] == f"sip:{phone.user}@{company.pbx.domain}"
    await user.take()
    await user.talking()
    await phone.until("CALL_ESTABLISHED")
    await hear_each_other(user, phone)
    await phone.do("hangup")
    await user.until("hangup")


async def test_a_user_declines_with_a_code(company, browser):
    user, phone = await pair(company, browser)
    await phone.do("dial", company.uri(user))
    await user.until("incomingcall")
    await user.ask("decline", code=486)
    assert (await user.until("declining"))["code"] == 486
    assert "486" in (await phone.until("CALL_CLOSED"))["param"]
    await user.until("hangup")


async def test_a_phone_declines(company, browser):
    user, phone = await pair(company, browser)
    await user.place(company.uri(phone))
    await phone.until("CALL_INCOMING")
    await phone.do("hangup")
    assert (await user.until("hangup"))["code"] == 486


async def test_a_user_gives_up(company, browser):
    user, phone = await pair(company, browser)
    await user.place(company.uri(phone))
    await phone.until("CALL_INCOMING")
    await user.until("ringing")
    assert (await user.hang_up())["code"] == 487
    await phone.until("CALL_CLOSED")


async def test_a_phone_gives_up(company, browser):
    user, phone = await pair(company, browser)
    await phone.do("dial", company.uri(user))
    await user.until("incomingcall")
    await phone.do("hangup")
    await user.until("hangup")
