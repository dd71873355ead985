"""What protects the media of the SIP peer, as it offers and as the application asks: content proved both ways through the plugin."""

from __future__ import annotations

import pytest

from tests.sip_plugin.talk import Town, hear_each_other

OFFERED = ("AVP", "AVPF", "SAVP", "SAVPF", "OSRTP", "DTLS-SAVP", "DTLS-SAVPF", "WebRTC")


@pytest.mark.parametrize("kind", OFFERED)
async def test_offers_of_every_kind_are_served(town: Town, kind: str):
    agent, phone = await town.agent(), await town.phone(kind)
    await phone.calls(town.uri_of(agent))
    await agent.take()
    await phone.connected()
    await hear_each_other(agent.peer, phone.peer)


@pytest.mark.parametrize(("srtp", "kind"), [("", "AVP"), ("sdes_optional", "OSRTP"), ("sdes_mandatory", "SAVP"), ("dtls", "DTLS-SAVP")])
async def test_calls_are_offered_as_the_application_asks(town: Town, srtp: str, kind: str):
    agent, phone = await town.agent(), await town.phone(kind)
    await agent.place(phone.uri, **({"srtp": srtp} if srtp else {}))
    await phone.takes()
    await agent.answered()
    await hear_each_other(agent.peer, phone.peer)
