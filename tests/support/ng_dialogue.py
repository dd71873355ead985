"""Calls between peers (`ng_peer.py`) through an NG front, tried to the end: media, reports, intruders, a re-offer, the delete."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from boringsdp.ng.front import NgFront
from boringsdp.rtp import rtcp
from boringsdp.sdp import describe
from tests.support.ng_peer import Peer, asked_of

PATIENCE_S = 8.0
Keys = dict[str, Any]


async def until(holds: Callable[[], object], what: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, what()
        await asyncio.sleep(0.01)


class Dialogue:
    """
    One call through the front: A offers, B answers; then B offers anew.

    `mux` says whether A and B have rtcp-mux, `role` what answers say under DTLS; `keys` are further ones of A's offer and of B's answer,
    and of what goes to the same side later.
    """

    def __init__(
        self,
        front: NgFront,
        name: str,
        a: Peer,
        b: Peer,
        *,
        mux: tuple[bool, bool] = (False, False),
        role: str = "active",
        keys: tuple[Keys, Keys] = ({}, {}),
    ) -> None:
        self.front, self.name, self.a, self.b, self.role = front, name, a, b, role
        self.mux = dict(zip((id(a), id(b)), mux, strict=True))
        self.keys = dict(zip((id(b), id(a)), keys, strict=True))

    def send(self, command: str, **keys: Any) -> dict[str, Any]:
        message = {"command": command, "call-id": self.name, **{key.replace("_", "-"): value for key, value in keys.items()}}
        reply = self.front.execute(message, ("127.0.0.1", 5000))
        assert reply["result"] == "ok", reply
        assert "warning" not in reply, reply
        return reply

    def exchange(self, offerer: Peer, answerer: Peer, tags: tuple[str, str], *, first: bool) -> list[str]:
        """Offer and answer; return what the answerer and the offerer were told."""
        tag = {} if first else {"to-tag": tags[1]}
        offer = self.send("offer", **{"from-tag": tags[0]}, **tag, sdp=offerer.offer(), **self._asked(answerer))
        told = answerer.answer(offer["sdp"], role=self.role)
        answer = self.send("answer", **{"from-tag": tags[0], "to-tag": tags[1]}, sdp=told, **self._asked(offerer))
        offerer.take_answer(answer["sdp"])
        return [offer["sdp"], answer["sdp"]]

    def _asked(self, receiver: Peer) -> Keys:
        return {**asked_of(receiver.kind, mux=self.mux[id(receiver)]), **self.keys[id(receiver)]}

    async def talk(self, mark: bytes) -> None:
        """Both speak at once; each hears all that the other said, in order, and nothing else."""
        said = {peer: [mark + bytes((number,)) * 159 for number in range(6)] for peer in (0, 1)}
        before = (len(self.a.heard), len(self.b.heard))
        for one, other in zip(said[0], said[1], strict=True):
            self.a.speak(b"a" + one)
            self.b.speak(b"b" + other)
            await asyncio.sleep(0.01)
        await until(
            lambda: len(self.a.heard) >= before[0] + 6 and len(self.b.heard) >= before[1] + 6,
            lambda: f"{self.name}: A heard {len(self.a.heard) - before[0]}, B heard {len(self.b.heard) - before[1]} of 6",
        )
        assert self.a.heard[before[0] :] == [b"b" + payload for payload in said[1]]
        assert self.b.heard[before[1] :] == [b"a" + payload for payload in said[0]]

    def is_keyed(self) -> bool:
        """Whether the gateway has the keys of every side that is secured."""
        return all(bool(self._streams(tag)[0].get("crypto suite")) == peer.kind.secured for tag, peer in (("ta", self.a), ("tb", self.b)))

    def _streams(self, tag: str) -> Any:
        return self.send("query")["tags"][tag]["medias"][0]["streams"]

    async def reports(self) -> None:
        """Each side gets sender reports that tell of its own stream, and what it reports arrives."""

        def told(peer: Peer) -> bool:
            return any(
                isinstance(packet, rtcp.SenderReport)
                and packet.ssrc in peer.ssrcs
                and any(block.ssrc == peer.ssrc for block in packet.reports)
                for packet in peer.rtcp
            )

        self.a.report()
        self.b.report()
        await until(lambda: told(self.a) and told(self.b), lambda: f"{self.name}: reports to A {self.a.rtcp}, to B {self.b.rtcp}")
        for tag, peer in (("ta", self.a), ("tb", self.b)):

            def streams(tag: str = tag) -> Any:
                return self._streams(tag)

            assert bool(streams()[0].get("crypto suite")) == peer.kind.secured, streams()
            if not peer.muxed:
                await until(lambda streams=streams: streams()[1]["stats"]["packets"] > 0, streams)

    async def intrude(self) -> None:
        """What is in the clear or under a wrong key is not heard by the other side."""
        for source, target in ((self.a, self.b), (self.b, self.a)):
            if source.kind.secured:
                before = len(target.heard)
                source.intrude(b"intruder")
                await asyncio.sleep(0.05)
                assert len(target.heard) == before, f"{self.name}: an intruder was heard"

    async def run(self) -> None:
        first = self.exchange(self.a, self.b, ("ta", "tb"), first=True)
        await asyncio.gather(self.a.connect(), self.b.connect())
        await until(self.is_keyed, lambda: f"{self.name}: the gateway has no keys")  # a peer may have them a moment before
        await self.talk(b"first")
        await self.reports()
        await self.intrude()
        self.b.version += 1
        again = self.exchange(self.b, self.a, ("tb", "ta"), first=False)
        assert [describe(text).medias[0].address for text in again] == [describe(text).medias[0].address for text in reversed(first)]
        await self.talk(b"again")
        assert not self.a.faults + self.b.faults, f"{self.name}: {self.a.faults} {self.b.faults}"
        self.send("delete", delete_delay=0)
