"""Digits both ways, within the media (RFC 4733) and by INFO."""

import asyncio

import pytest

from tests.interop.kamailio.talk import dialled, heard_by_web

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("browser_name", ["chromium", "firefox"]),
]


async def test_digits_go_both_ways_within_the_media(company, browser):
    user, phone = await asyncio.gather(company.registered(browser), company.phone(account=";answermode=auto"))
    await user.place(company.uri(phone))
    await user.talking()
    await heard_by_web(user, phone)
    await dialled(user, phone, "159#")
    for count, digit in enumerate("27*", 1):
        await phone.do("sndcode", digit)
        told = await user.until("dtmf", count)
        assert told["signal"] == digit
        assert told["duration"] > 400
    await user.hang_up()


async def test_digits_go_by_info(company, browser):
    user, phone = await asyncio.gather(company.registered(browser), company.phone(account=";answermode=auto"))
    await user.place(company.uri(phone))
    await user.talking()
    for digit in "8#":
        await user.ask("dtmf_info", digit=digit, duration=200)
    await user.until("dtmfsent", 2)
    for _ in range(50):
        if len(phone.digits()) == 2:
            break
        await asyncio.sleep(0.1)
    assert phone.digits() == "8#"
    await user.hang_up()
