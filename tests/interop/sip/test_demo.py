"""Janus's SIP demo page registers, is refused, calls, is called, dials and writes through the gateway, as Debian ships it."""

import asyncio

import pytest

from tests.interop.kamailio.talk import hear_each_other
from tests.interop.rig import Rig
from tests.interop.sip import demo
from tests.interop.sip.demo import DemoUser, served_demo

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("browser_name", ["chromium", "firefox"]),
]


async def test_the_demo_page_of_janus(company, browser):
    if problem := demo.missing():
        pytest.skip(problem)
    page = await browser.new_page()
    user = DemoUser(Rig(page), company.name())
    async with served_demo(company.gateway.websocket) as url:
        phone = await company.phone()
        await user.open(url)
        await user.sign_in(company.pbx, "not that one")
        await user.dismiss("401 Unauthorized")
        await user.sign_in(company.pbx, company.pbx.secret)
        await user.shows("registered && $('#phone').is(':visible')")

        await user.fill("peer", company.uri(phone))
        await page.click("#call")
        await phone.until("CALL_INCOMING")
        await phone.do("accept")
        await user.shows("$('#toast-container').text().includes('Call accepted!')")
        await user.listen()
        await hear_each_other(user, phone)
        await page.click("#dtmf button:nth-child(6)")
        for _ in range(50):
            await asyncio.sleep(0.1)
            if phone.digits():
                break
        assert phone.digits() == "5"
        await page.click("#call")
        await phone.until("CALL_CLOSED")
        await user.dismiss("200 to BYE")

        phone.forget()
        await phone.do("dial", company.uri(user))
        await user.shows(f"$('.bootbox:visible').text().includes('Incoming call from sip:{phone.user}@')")
        await page.click(".bootbox .btn-success")
        await phone.until("CALL_ESTABLISHED")
        await user.listen()
        await hear_each_other(user, phone)
        # The page handles re-INVITEs itself: `updatingcall`, an answer of the browser's, `update`.
        await phone.do("hold")
        await user.shows("sipcall.webrtcStuff.pc.getTransceivers()[0].currentDirection !== 'sendrecv'")
        await phone.do("resume")
        await user.shows("sipcall.webrtcStuff.pc.getTransceivers()[0].currentDirection === 'sendrecv'")
        await phone.do("hangup")
        await user.dismiss("Session Terminated")

        phone.forget()
        await phone.do("dial", company.uri(user))
        await user.shows("$('.bootbox:visible').text().includes('Incoming call')")
        await page.click(".bootbox .btn-danger")
        assert "603" in (await phone.until("CALL_CLOSED"))["param"]
    assert not [line for line in page.console if line.startswith("pageerror")], page.console
    await page.close()
