"""Which of our addresses the SIP peer is told."""

from __future__ import annotations

import pytest

from boringsdp.call import Calls, CallSettings
from boringsdp.relay import RelaySettings
from boringsdp.sdp import DEFAULT_POLICY, LegStyle
from boringsdp.sip_plugin.media_side import MediaSide
from tests.call.phone import CHROMIUM
from tests.support.engines import make_relay


@pytest.mark.parametrize(("family", "said"), [("IP6", "IP6 ::1"), ("IP4", "IP4 127.0.0.1"), ("", "IP4 127.0.0.1")])
async def test_an_offer_names_an_address_of_the_family_that_leads_to_the_peer(family: str, said: str) -> None:
    relay = make_relay(RelaySettings(plain_hosts=("127.0.0.1", "::1"), plain_ports=(40000, 40400), port_rest_s=0.0))
    await relay.start()
    try:
        call = Calls(relay, CallSettings(max_calls=1)).create(lambda event: None)
        offer = MediaSide(call, DEFAULT_POLICY, LegStyle()).offer_of_browser(CHROMIUM, family=family)
        assert f"c=IN {said}\r\n".encode() in offer
        call.close("over")
    finally:
        await relay.close()
