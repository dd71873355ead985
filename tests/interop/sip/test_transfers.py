"""Transfers: users send phones and each other elsewhere, phones send users elsewhere."""

import asyncio

import pytest

from tests.interop.kamailio.talk import hear_each_other, phones_hear_each_other, webs_hear_each_other

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("browser_name", ["chromium", "firefox"]),
]


async def test_a_user_transfers_a_phone(company, browser):
    user, phone, target = await asyncio.gather(company.registered(browser), company.phone(), company.phone(frequency=1300))
    await user.place(company.uri(phone))
    await phone.until("CALL_INCOMING")
    await phone.do("accept")
    await user.talking()
    await user.ask("transfer", uri=company.uri(target))
    await user.until("transferring")
    await target.until("CALL_INCOMING")
    await target.do("accept")
    assert (await user.until("transfer_progress", final=True))["code"] == 200
    told = await user.until("notify", notify="refer", substate="terminated")
    assert told["content"].startswith("SIP/2.0 200")
    await user.hang_up()
    await phones_hear_each_other(phone, target)
    await target.do("hangup")


async def test_a_phone_transfers_a_user(company, browser):
    user, phone, target = await asyncio.gather(
        company.registered(browser), company.phone(), company.phone(account=";answermode=auto", frequency=1300)
    )
    line = await company.helper(browser, user)
    await phone.do("dial", company.uri(user))
    await user.take()
    await user.talking()
    await phone.do("transfer", company.uri(target))
    told = await user.until("transfer")
    assert told["refer_to"] == company.uri(target)
    await line.place(told["refer_to"], refer_id=told["refer_id"])
    await line.talking()
    await hear_each_other(line, target)
    # Told that the transfer went well, the phone lets go.
    await user.until("hangup")
    await phone.until("CALL_CLOSED")
    await line.hang_up()


async def test_a_user_refuses_to_be_transferred(company, browser):
    user, phone = await asyncio.gather(company.registered(browser), company.phone())
    await phone.do("dial", company.uri(user))
    await user.take()
    await user.talking()
    await phone.do("transfer", "sip:nobody@127.0.0.1")
    told = await user.until("transfer")
    await user.ask("decline", refer_id=told["refer_id"], code=603)
    assert (await user.until("declining"))["refer_id"] == told["refer_id"]
    await phone.until("TRANSFER_FAILED")
    # The phone, not we, ends the call then.
    assert (await user.until("hangup"))["reason"] == "Session Terminated"


async def test_an_attended_transfer(company, browser):
    boss, caller, target = await asyncio.gather(*(company.registered(browser) for _ in range(3)))
    second, line = await asyncio.gather(company.helper(browser, boss), company.helper(browser, caller))
    await caller.place(company.uri(boss))
    await boss.take()
    await boss.talking()
    asked = await second.place(company.uri(target))
    await target.take()
    await second.talking()
    await webs_hear_each_other(second, target)
    await target.forget()
    await boss.ask("transfer", uri=company.uri(target), replace=asked)
    told = await caller.until("transfer")
    assert told["replaces"].startswith(asked)
    await line.place(told["refer_to"], refer_id=told["refer_id"])
    await line.talking()
    # The target's application is not asked: the new call takes the old one's place.
    await target.until("replaced")
    await second.until("hangup")
    assert (await boss.until("transfer_progress", final=True))["code"] == 200
    await webs_hear_each_other(line, target)
    await line.hang_up()
    await target.until("hangup")
