"""Digits both ways, within the media (RFC 4733) and by INFO."""

import asyncio

import pytest

from tests.interop.kamailio.talk import dialled, heard_by_web
from tests.interop.sip.script import Callee, listening, running_script, sdp

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


async def test_digits_are_converted_and_those_by_info_told(company, browser):
    """The browser's keys go by INFO where the application wishes; what comes by INFO is a `dtmf` like any other."""
    keypad = {"headers": (), "content_type": "application/dtmf-relay"}
    script = Callee("INFO both ways").recv("INVITE").send(200, body=sdp()).recv("ACK")
    for digit in "49":
        script.recv("INFO", checks=f"Signal={digit}").send(200, tag="")
    script.ask("INFO", body="Signal=7\nDuration=200\n", **keypad).recv(200).recv("BYE").send(200, tag="")
    user = await company.registered(browser)
    async with running_script(script) as phone:
        await listening(int(phone.uri.rpartition(":")[2]))
        await user.place(phone.uri, dtmf="info")
        await user.until("accepted")
        await user.rig.call("connected")
        await user.do("dial", "49")
        assert (await user.until("dtmf"))["signal"] == "7"
        await user.hang_up()
        await phone.done()
