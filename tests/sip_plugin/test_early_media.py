"""Several telephones answer one INVITE early, one of them for good: whose media the browser hears at each moment, and who hears it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from boringsdp.dtls import Identity
from boringsdp.sip.build import response_to
from boringsdp.sip.message import Request
from boringsdp.sip.parse import parse
from tests.interop.sip.agent import Agent
from tests.sip_plugin.talk import Town, hear_each_other, silent, without_events
from tests.support.ng_peer import KINDS, Peer

SRTP = {"AVP": "", "SAVP": "sdes_mandatory", "DTLS-SAVP": "dtls"}


class Forker(asyncio.DatagramProtocol):
    """A proxy's far side: its telephones answer in their own names when the test says so."""

    def __init__(self, **peers: Peer) -> None:
        self.peers = peers
        self.requests: list[str] = []
        self._invite: asyncio.Future[tuple[Request, Any]] = asyncio.get_running_loop().create_future()
        self._transport: Any = None
        self._bodies: dict[str, str] = {}

    @classmethod
    async def open(cls, town: Town, kind: str, *names: str) -> Forker:
        peers = {name: await Peer.open(KINDS[kind]) for name in names}
        transport, forker = await asyncio.get_running_loop().create_datagram_endpoint(lambda: cls(**peers), local_addr=("127.0.0.1", 0))
        town.stack.callback(transport.close)
        for peer in peers.values():
            peer.identity = Identity()
            town.stack.callback(peer.close)
        return forker

    @property
    def uri(self) -> str:
        return f"sip:bob@127.0.0.1:{self._transport.get_extra_info('sockname')[1]}"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        message = parse(data).message
        if not isinstance(message, Request):
            return
        self.requests.append(message.method)
        if message.method == "INVITE" and not self._invite.done():
            self._invite.set_result((message, addr))
        elif message.method not in ("ACK", "INVITE"):
            self._transport.sendto(response_to(message, 200).to_bytes(), addr)

    async def answers(self, name: str, code: int, *, events: bool = True) -> None:
        """One of the telephones answers, and is ready to speak."""
        invite, addr = await asyncio.wait_for(self._invite, 5)
        peer = self.peers[name]
        if name not in self._bodies:
            text = peer.answer(invite.body.decode())
            self._bodies[name] = text if events else without_events(text)
        lines = [("Contact", f"<{self.uri}>")]
        answer = response_to(
            invite, code, tag=f"tag-{name}", headers=lines, content_type="application/sdp", body=self._bodies[name].encode()
        )
        self._transport.sendto(answer.to_bytes(), addr)
        if peer.kind.dtls:
            return
        await peer.connect()


async def ringing(town: Town, kind: str) -> tuple[Agent, Forker]:
    """Telephone one answers with early media, which the browser hears."""
    agent, forker = await town.agent(), await Forker.open(town, kind, "one", "two")
    await agent.place(forker.uri, **({"srtp": SRTP[kind]} if SRTP[kind] else {}))
    await forker.answers("one", 183)
    await agent.answered("progress")
    await forker.peers["one"].connect()
    await hear_each_other(agent.peer, forker.peers["one"])
    return agent, forker


@pytest.mark.parametrize("kind", ["AVP", "SAVP"])
@pytest.mark.parametrize("winner", ["one", "two"])
async def test_the_last_that_answers_early_is_heard_and_then_who_takes_the_call(town: Town, winner: str, kind: str):
    agent, forker = await ringing(town, kind)
    one, two = forker.peers["one"], forker.peers["two"]
    await forker.answers("two", 183)
    await agent.until("progress")
    await two.connect()
    await hear_each_other(agent.peer, two)
    await silent(one, agent.peer)
    await forker.answers(winner, 200)
    await agent.until("accepted")
    await hear_each_other(agent.peer, forker.peers[winner])
    await silent(one if winner == "two" else two, agent.peer)
    await agent.hang_up()


@pytest.mark.parametrize("winner", ["one", "two"])
async def test_with_dtls_the_first_is_heard_and_then_who_takes_the_call(town: Town, winner: str):
    agent, forker = await ringing(town, "DTLS-SAVP")
    one = forker.peers["one"]
    await forker.answers("two", 183)
    assert (await agent.result("proceeding", code=183))["code"] == 183
    await hear_each_other(agent.peer, one)
    await forker.answers(winner, 200)
    await agent.until("accepted")
    await forker.peers[winner].connect()
    await hear_each_other(agent.peer, forker.peers[winner])
    if winner == "two":
        await silent(one, agent.peer)


async def test_one_that_was_not_heard_before_takes_the_call(town: Town):
    agent, forker = await ringing(town, "AVP")
    await forker.answers("two", 200)
    await agent.until("accepted")
    await hear_each_other(agent.peer, forker.peers["two"])
    await silent(forker.peers["one"], agent.peer)


async def test_early_media_comes_before_the_answer_of_the_same_telephone(town: Town):
    """The same SDP twice changes nothing: no packet is lost between."""
    agent, forker = await ringing(town, "AVP")
    await forker.answers("one", 200)
    await agent.until("accepted")
    await hear_each_other(agent.peer, forker.peers["one"])
