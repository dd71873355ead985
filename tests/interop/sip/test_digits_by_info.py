"""Keys between browsers and telephones: in the media or by INFO, as the peer takes them."""

import shutil

import pytest

from tests.interop.kamailio.talk import dialled
from tests.interop.sip.script import Callee, running_script, sdp

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("browser_name", ["chromium", "firefox"]),
]


@pytest.mark.parametrize("mode", ["auto", "info", "rfc4733"])
async def test_keys_of_a_browser_reach_baresip_either_way(company, browser, mode):
    user, phone = await company.registered(browser, dtmf=mode), await company.phone(account=";answermode=auto")
    await user.place(company.uri(phone))
    await user.talking()
    await dialled(user, phone, "5*#")
    await user.hang_up()


@pytest.mark.skipif(shutil.which("sipp") is None, reason="apt-get install sip-tester")
async def test_keys_go_by_info_to_a_telephone_without_telephone_event(company, browser):
    answer = sdp().replace(" 0 101\n", " 0\n").replace("a=rtpmap:101 telephone-event/8000\n", "")
    script = Callee("no telephone-event").recv("INVITE").send(200, body=answer).recv("ACK")
    for key in "7#":
        script.recv("INFO", checks="dtmf-relay", body=f"Signal={key}").send(200, tag="")
    script.ask("INFO", body="Signal= 4\r\nDuration= 120", content_type="application/dtmf-relay").recv(200)
    script.recv("BYE").send(200, tag="")
    async with running_script(script) as phone:
        user = await company.user(browser)
        await user.ask("register", type="guest", username=f"sip:{user.user}@127.0.0.1")
        await user.until("registered")
        await user.place(phone.uri)
        await user.talking()
        await user.do("dial", "7#")
        assert (await user.until("dtmf"))["signal"] == "4"
        await user.hang_up()
        await phone.done()
