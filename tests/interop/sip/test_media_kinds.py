"""What protects the media between people at browsers and baresip: SDES where the peer may, SDES where it must, DTLS; tones both ways."""

import pytest

from tests.interop.kamailio.talk import hear_each_other

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("browser_name", ["chromium"]),
]
KINDS = {"srtp": "sdes_optional", "srtp-mand": "sdes_mandatory", "dtls_srtp": "dtls"}


@pytest.mark.parametrize("mediaenc", KINDS)
async def test_a_user_calls(company, browser, mediaenc):
    user, phone = await company.registered(browser), await company.phone(account=f";mediaenc={mediaenc}")
    await user.place(company.uri(phone), srtp=KINDS[mediaenc])
    await phone.until("CALL_INCOMING")
    await phone.do("accept")
    await user.talking()
    await hear_each_other(user, phone)
    await user.hang_up()
    await phone.until("CALL_CLOSED")


@pytest.mark.parametrize("mediaenc", KINDS)
async def test_a_phone_calls(company, browser, mediaenc):
    user, phone = await company.registered(browser), await company.phone(account=f";mediaenc={mediaenc}")
    await phone.do("dial", company.uri(user))
    told = await user.until("incomingcall")
    assert told["srtp"] == KINDS[mediaenc]
    await user.take()
    await user.talking()
    await hear_each_other(user, phone)
    await phone.do("hangup")
    await user.until("hangup")
