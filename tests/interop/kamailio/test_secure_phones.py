"""
Telephones that encrypt: with keys in the SDP (SDES), with DTLS, with DTLS and ICE; to browsers and to telephones that do not.

What is offered to a telephone is a matter of flags; what it offers itself is answered in kind whatever they say. baresip 1.0 cannot read
keys for AES-GCM without padding.
"""

import asyncio

import pytest

from tests.interop.kamailio.party import need, need_ours, party_at
from tests.interop.kamailio.talk import hang_up, hear_each_other, phones_hear_each_other, place, take, talking

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="session")]

OWN = "rtcp-mux-demux replace-origin replace-session-connection"
KEYINGS = {
    "sdes": (";mediaenc=srtp-mand", f"RTP/SAVP DTLS=off SDES-pad ICE=remove {OWN}"),
    "sdes-offered": (";mediaenc=srtp-mand", f"RTP/AVP SDES-pad ICE=remove {OWN}"),
    "dtls": (";mediaenc=dtls_srtp", f"UDP/TLS/RTP/SAVP SDES-off ICE=remove {OWN}"),
    "dtls-ice": (";mediaenc=dtls_srtp;medianat=ice", f"UDP/TLS/RTP/SAVP SDES-off ICE=force {OWN}"),
}


@pytest.mark.parametrize(
    ("scenario", "keying"), [*(("rtpengine-module", keying) for keying in KEYINGS), ("kemi-python", "sdes"), ("sdp-only", "dtls-ice")]
)
async def test_a_phone_that_encrypts(sheet, backend, scenario, keying):
    need_ours(backend, "not heard with these phones and flags")
    account, flags = KEYINGS[keying]
    async with party_at(need(scenario), backend, sheet, FOR_PHONE=f'"{flags}"') as party:
        calls = [web_is_called(party, account)]
        if keying != "sdes-offered":
            calls.append(web_calls(party, account))
        if keying in ("sdes", "dtls"):
            # With ICE, baresip tells the other side of the path that it found by a re-INVITE; a plain phone would get these flags then.
            calls.append(plain_phone_calls(party, account))
        await asyncio.gather(*calls)


async def web_calls(party, account):
    web, phone = await asyncio.gather(party.web(), party.phone(account=account))
    await place(web, phone.user, party.proxy.sip)
    await take(phone)
    await talking(web, phone)
    await hear_each_other(web, phone)
    await hang_up(web, phone)


async def web_is_called(party, account):
    web, phone = await asyncio.gather(party.web("sipjs"), party.phone("opus", account=account))
    await place(phone, web.user, party.proxy.sip)
    await take(web)
    await talking(web, phone)
    await hear_each_other(web, phone)
    await hang_up(phone, web)


async def plain_phone_calls(party, account):
    plain, phone = await asyncio.gather(party.phone(frequency=800), party.phone(account=account))
    await place(plain, phone.user, party.proxy.sip)
    await take(phone)
    await talking(plain, phone)
    await phones_hear_each_other(plain, phone)
    await hang_up(plain, phone)
