"""Calls over each transport and both families, out and in, the telephone on the same: SIP and media alike."""

import asyncio

import pytest

from tests.interop.kamailio.talk import hear_each_other

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("browser_name", ["chromium", "firefox"]),
]


@pytest.mark.parametrize("transport", ["tcp", "tls", "udp-v6", "tcp-v6", "tls-v6"])
async def test_calls_both_ways(company, browser, pbx, pbx_v6, transport):
    protocol, _, family = transport.partition("-")
    at = pbx_v6 if family else pbx
    user, phone = await asyncio.gather(company.registered(browser, pbx=at, transport=protocol), company.phone(pbx=at, transport=protocol))
    await user.place(company.uri(phone, at))
    await phone.until("CALL_INCOMING")
    await phone.do("accept")
    await user.talking()
    await hear_each_other(user, phone)
    await user.hang_up()
    await phone.until("CALL_CLOSED")
    await user.forget()
    phone.forget()
    await phone.do("dial", company.uri(user, at))
    await user.take()
    await user.talking()
    await hear_each_other(user, phone)
    await phone.do("hangup")
    await user.until("hangup")
