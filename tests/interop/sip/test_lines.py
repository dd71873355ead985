"""Several calls of one account: helper lines, and the call that finds all of them busy."""

import asyncio

import pytest

from tests.interop.kamailio.talk import hear_each_other

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("browser_name", ["chromium", "firefox"]),
]


async def test_two_calls_at_once_and_a_missed_one(company, browser):
    user, first, second, third = await asyncio.gather(
        company.registered(browser), company.phone(), company.phone(frequency=1300), company.phone()
    )
    line = await company.helper(browser, user)
    await first.do("dial", company.uri(user))
    await user.take()
    await second.do("dial", company.uri(user))
    await line.take()
    await asyncio.gather(user.talking(), line.talking())
    await third.do("dial", company.uri(user))
    told = await user.until("missed_call")
    assert third.user in told["caller"]
    assert "486" in (await third.until("CALL_CLOSED"))["param"]
    await asyncio.gather(hear_each_other(user, first), hear_each_other(line, second))
    await line.hang_up()
    await second.until("CALL_CLOSED")
    await hear_each_other(user, first)
    await line.forget()
    await line.place(company.uri(third))
    await third.until("CALL_INCOMING")
    await third.do("accept")
    await line.talking()
    await hear_each_other(line, third)
    await user.ask("unregister")
    await line.until("unregistered")
