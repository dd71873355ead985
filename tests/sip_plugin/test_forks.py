"""A call that rings in two places: whose media is heard, and what the browser is told when the other one answers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from boringsdp.sdp import describe
from boringsdp.sip.build import response_to
from boringsdp.sip.message import Request
from boringsdp.sip.parse import parse
from boringsdp.sip.session.events import AnswerReceived
from tests.call.phone import plain
from tests.sip_plugin.conftest import World, offer


class Forker(asyncio.DatagramProtocol):
    """Answers an INVITE for two telephones: 183 of both, then the 200 of `winner`."""

    def __init__(self, winner: str) -> None:
        self.winner = winner
        self.ended = asyncio.Event()
        self._transport: Any = None

    @property
    def uri(self) -> str:
        return f"sip:bob@127.0.0.1:{self._transport.get_extra_info('sockname')[1]}"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        message = parse(data).message
        if not isinstance(message, Request):
            return
        if message.method == "BYE":
            self.ended.set()
        if message.method == "INVITE":
            for code, tag in ((183, "a"), (183, "b"), (200, self.winner)):
                self._answer(message, code, tag, addr)
        elif message.method != "ACK":
            self._transport.sendto(response_to(message, 200).to_bytes(), addr)

    def _answer(self, invite: Request, code: int, tag: str, addr: Any) -> None:
        sdp = plain(9000, formats="0 101") if tag == "a" else plain(9002, formats="8 101")
        lines = [("Contact", f"<{self.uri}>")]
        answer = response_to(invite, code, tag=tag, headers=lines, content_type="application/sdp", body=sdp.encode())
        self._transport.sendto(answer.to_bytes(), addr)


@pytest.mark.parametrize(("winner", "codec"), [("a", "PCMU"), ("b", "PCMA")])
async def test_the_one_that_answers_is_heard(world: World, winner: str, codec: str):
    alice = world.guest()
    transport, forker = await asyncio.get_running_loop().create_datagram_endpoint(lambda: Forker(winner), local_addr=("127.0.0.1", 0))
    try:
        alice.result({"request": "call", "uri": forker.uri}, offer())
        first = await alice.hears("progress")
        assert [f.codec.name for f in describe(first["jsep"]["sdp"]).medias[0].codecs] == ["PCMU"]
        assert "jsep" not in await alice.hears("progress")
        assert "jsep" not in await alice.hears("accepted")
        sip = alice.result({"request": "stats"})["legs"]["sip"]["streams"][0]
        assert sip["codec"] == f"{codec}/8000"
        assert ("updatingcall" in alice.heard()) is (winner == "b")
        assert alice.result({"request": "hangup"}) == {"event": "hangingup"}
        await alice.hears("hangup")
        await asyncio.wait_for(forker.ended.wait(), 5)
    finally:
        transport.close()


async def test_the_answer_names_what_an_update_brought_before(world: World):
    alice, _ = world.guest(), world.telephone()
    alice.result({"request": "call", "uri": world.peer()}, offer())
    incoming, ear = await world.rings()
    incoming.session.progress(plain(9000, formats="0 101").encode())
    await alice.hears("progress")
    incoming.session.offer(plain(9002, formats="0 101").replace("o=- 1 1", "o=- 1 2").encode(), by="UPDATE")
    await ear.hears(AnswerReceived)
    incoming.session.accept(None)
    assert "jsep" not in await alice.hears("accepted")
