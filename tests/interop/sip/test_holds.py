"""Hold and resume from both sides: silence while it lasts, tones after."""

import asyncio

import pytest

from tests.interop.kamailio.talk import dialled, hear_each_other, heard_by_web, quiet, webs_hear_each_other

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("browser_name", ["chromium", "firefox"]),
]


async def test_a_user_holds_a_phone(company, browser):
    user, phone = await asyncio.gather(company.registered(browser), company.phone(account=";answermode=auto"))
    await user.place(company.uri(phone))
    await user.talking()
    await hear_each_other(user, phone)
    await user.ask("hold")
    await user.until("holding")
    assert (await user.until("held"))["direction"] == "sendonly"
    await quiet(user)
    await user.ask("unhold")
    await user.until("resuming")
    await user.until("resumed")
    # The phone's recording has ended with the change (see `Phone`): digits show that it gets what the user sends.
    await asyncio.gather(heard_by_web(user, phone), dialled(user, phone, "42"))
    await user.hang_up()


async def test_a_phone_holds_a_user(company, browser):
    user, phone = await asyncio.gather(company.registered(browser), company.phone())
    await phone.do("dial", company.uri(user))
    await user.take()
    await user.talking()
    await hear_each_other(user, phone)
    await phone.do("hold")
    assert (await user.until("remote_hold"))["direction"] in ("sendonly", "inactive")
    await phone.do("resume")
    await user.until("remote_resume")
    await asyncio.gather(heard_by_web(user, phone), dialled(user, phone, "42"))
    await phone.do("hangup")
    await user.until("hangup")


async def test_users_hold_each_other(company, browser):
    caller, callee = await asyncio.gather(company.registered(browser), company.registered(browser))
    await caller.place(company.uri(callee))
    await callee.take()
    await asyncio.gather(caller.talking(), callee.talking())
    await webs_hear_each_other(caller, callee)
    for holds, held in ((caller, callee), (callee, caller)):
        await holds.ask("hold", direction="inactive")
        assert (await holds.until("held"))["direction"] == "inactive"
        assert (await held.until("remote_hold"))["direction"] == "inactive"
        await asyncio.gather(caller.do("tone", 700), callee.do("tone", 1100))
        await asyncio.gather(quiet(caller), quiet(callee))
        await asyncio.gather(caller.do("tone", 0), callee.do("tone", 0))
        await holds.ask("unhold")
        await asyncio.gather(holds.until("resumed"), held.until("remote_resume"))
        await webs_hear_each_other(caller, callee)
    await caller.hang_up()
    await callee.until("hangup")
