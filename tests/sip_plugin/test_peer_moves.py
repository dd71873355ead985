"""What the peer does to an established call: it holds, moves, is behind NAT, changes keys, takes other profiles."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from boringsdp.dtls import Identity
from boringsdp.sdp import describe
from boringsdp.sip.session.events import AnswerReceived, OfferReceived, OfferRefused
from tests.call.phone import plain
from tests.interop.sip.agent import Agent
from tests.sip_plugin.talk import Telephone, Town, hear_each_other, silent
from tests.support.ng_peer import KINDS, Peer


async def talking(town: Town, kind: str = "AVP", **more: str) -> tuple[Agent, Telephone]:
    """A telephone calls an agent, who takes it."""
    agent, phone = await town.agent(), await town.phone(kind)
    await phone.calls(town.uri_of(agent))
    await agent.take(**more)
    await phone.connected()
    await hear_each_other(agent.peer, phone.peer)
    return agent, phone


async def offers(phone: Telephone, edit: Callable[[str], str] = str, peer: Peer | None = None) -> str:
    """The telephone makes a new offer, from another device if there is one; the gateway's answer."""
    assert phone.session is not None
    phone.peer.version += 1
    device = peer or phone.peer
    device.version = phone.peer.version
    phone.session.offer(edit(device.offer()).encode())
    answer = (await phone.talk.hears(AnswerReceived)).sdp.decode()
    if device.kind.dtls or peer is not None:
        device.take_answer(answer)
        await device.connect()
    return answer


def directed(direction: str) -> Callable[[str], str]:
    return lambda sdp: sdp.replace("a=sendrecv", f"a={direction}")


@pytest.mark.parametrize("kind", ["AVP", "SAVP", "DTLS-SAVP"])
@pytest.mark.parametrize("direction", ["sendonly", "inactive"])
async def test_the_peer_holds_and_resumes(town: Town, direction: str, kind: str):
    agent, phone = await talking(town, kind)
    answer = await offers(phone, directed(direction))
    assert describe(answer).medias[0].direction.value == {"sendonly": "recvonly", "inactive": "inactive"}[direction]
    assert (await agent.result("remote_hold"))["direction"] == direction
    await silent(agent.peer, phone.peer)
    await offers(phone)
    assert (await agent.result("remote_resume"))["direction"] == "sendrecv"
    await hear_each_other(agent.peer, phone.peer)


async def test_the_peer_holds_with_an_address_of_zeros(town: Town):
    agent, phone = await talking(town)
    await offers(phone, lambda sdp: sdp.replace("c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0"))
    assert (await agent.result("remote_hold"))["direction"]
    await silent(agent.peer, phone.peer)
    await offers(phone)
    await agent.result("remote_resume")
    await hear_each_other(agent.peer, phone.peer)


@pytest.mark.parametrize("kind", ["AVP", "SAVP", "DTLS-SAVP"])
async def test_the_peer_moves_to_another_device(town: Town, kind: str):
    agent, phone = await talking(town, kind)
    device = await Peer.open(KINDS[kind], host="127.0.0.3")
    device.identity = Identity()
    town.stack.callback(device.close)
    await offers(phone, peer=device)
    told = await agent.result("media_changed")
    assert told["changed"] == ["address"]
    assert (told["media"][0]["address"], told["media"][0]["port"]) == ("127.0.0.3", device.port)
    await hear_each_other(agent.peer, device)
    await silent(agent.peer, phone.peer)


async def test_a_peer_behind_nat_is_heard_and_found_where_it_sends_from(town: Town):
    agent, phone = await town.agent(), await town.phone(told="127.0.0.77")
    await phone.calls(town.uri_of(agent))
    await agent.take()
    await phone.connected()
    await hear_each_other(phone.peer, agent.peer)
    assert {host for host, _ in phone.peer.sources} == {"127.0.0.1"}


async def test_a_peer_behind_nat_moves(town: Town):
    """A re-INVITE names another address, which is behind the NAT too."""
    agent, phone = await town.agent(), await town.phone(told="127.0.0.77")
    await phone.calls(town.uri_of(agent))
    await agent.take()
    await phone.connected()
    await hear_each_other(phone.peer, agent.peer)
    device = await Peer.open(KINDS["AVP"], host="127.0.0.4", told="127.0.0.78")
    town.stack.callback(device.close)
    await offers(phone, peer=device)
    await agent.result("media_changed")
    await hear_each_other(device, agent.peer)


@pytest.mark.parametrize("kind", ["SAVP", "OSRTP"])
async def test_the_peer_changes_its_key(town: Town, kind: str):
    agent, phone = await talking(town, kind)
    for _ in range(2):
        phone.peer._crypto = None
        answer = await offers(phone)
        phone.peer.take_answer(answer)
        await hear_each_other(agent.peer, phone.peer)


@pytest.mark.parametrize("kind", ["AVP", "SAVP", "DTLS-SAVP"])
async def test_we_hold_and_resume_on_every_kind(town: Town, kind: str):
    """Our re-INVITEs keep ports, keys and association: the telephone answers with what it said before."""
    agent, phone = await talking(town, kind)
    for request, event, direction in (("hold", "held", "sendonly"), ("unhold", "resumed", "sendrecv")):
        await agent.ask(request)
        offered = await phone.talk.hears(OfferReceived)
        said = (offered.sdp or b"").decode()
        assert describe(said).medias[0].direction.value == direction
        assert phone.session is not None
        phone.peer.version += 1
        answer = phone.peer.answer(said, role="passive" if kind.startswith("DTLS") else "active")
        phone.session.answer(directed("recvonly" if direction == "sendonly" else "sendrecv")(answer).encode())
        await agent.until(event)
        if request == "hold":
            await silent(phone.peer, agent.peer)
    await hear_each_other(agent.peer, phone.peer)


async def test_a_call_in_the_clear_becomes_secure_and_stays_so(town: Town):
    agent, phone = await talking(town, "AVP")
    secure = await Peer.open(KINDS["SAVP"])
    town.stack.callback(secure.close)
    answer = await offers(phone, peer=secure)
    assert describe(answer).medias[0].protocol_text == "RTP/SAVP"
    await hear_each_other(agent.peer, secure)
    await silent(phone.peer, agent.peer)


async def test_a_call_that_must_be_secure_does_not_become_clear(town: Town):
    agent, phone = await town.agent(), await town.phone("SAVP")
    await agent.place(phone.uri, srtp="sdes_mandatory")
    await phone.takes()
    await agent.answered()
    await hear_each_other(agent.peer, phone.peer)
    assert phone.session is not None
    phone.session.offer(plain(phone.peer.port, version=9).encode())
    assert (await phone.talk.hears(OfferRefused)).code == 488
    await hear_each_other(agent.peer, phone.peer)


@pytest.mark.parametrize(("srtp", "kind"), [("", "AVP"), ("sdes_mandatory", "SAVP"), ("dtls", "DTLS-SAVP")])
async def test_a_caller_without_an_offer_is_offered_what_the_application_asks(town: Town, srtp: str, kind: str):
    agent, phone = await town.agent(), await town.phone(kind)
    phone.session = phone.account.invite(town.uri_of(agent), None, hear=phone.talk)
    assert "jsep" not in await agent.take(**({"srtp": srtp} if srtp else {}))
    offered = await phone.talk.hears(OfferReceived)
    phone.session.answer(phone.peer.answer((offered.sdp or b"").decode()).encode())
    told = await agent.until("accepted")
    await agent.take_answer(told)
    await phone.peer.connect()
    await hear_each_other(agent.peer, phone.peer)


@pytest.mark.parametrize(("srtp", "kind"), [("", "AVP"), ("sdes_optional", "OSRTP"), ("sdes_mandatory", "SAVP"), ("dtls", "DTLS-SAVP")])
async def test_the_browser_offers_again(town: Town, srtp: str, kind: str):
    """`update` keeps what keys the peer's media."""
    agent, phone = await town.agent(), await town.phone(kind)
    await agent.place(phone.uri, **({"srtp": srtp} if srtp else {}))
    await phone.takes()
    await agent.answered()
    assert agent.peer is not None
    assert phone.session is not None
    for ours, theirs in (("sendonly", "recvonly"), ("sendrecv", "sendrecv")):
        agent.peer.version += 1
        await agent.ask("update", {"type": "offer", "sdp": directed(ours)(agent.peer.offer())})
        await agent.until("updating")
        offered = await phone.talk.hears(OfferReceived)
        phone.peer.version += 1
        answer = phone.peer.answer((offered.sdp or b"").decode())
        phone.session.answer(directed(theirs)(answer).encode())
        await agent.answered()
    await hear_each_other(agent.peer, phone.peer)
