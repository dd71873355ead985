"""A user of janus.plugin.sip without a browser: a Janus client and a WebRTC peer of our own, quick to make by the dozen."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.janus_client import Event, JanusClient
from tests.support.ng_peer import KINDS, Peer

PATIENCE_S = 8


class Agent:
    """One handle; `events` are the plugin's, in order, and stay there until `forget`."""

    def __init__(self, janus: JanusClient, handle: int, name: str) -> None:
        self.janus, self.handle, self.user = janus, handle, name
        self.events: list[Event] = []
        self.peer: Peer | None = None
        self.account = 0
        """Its `master_id`."""
        self.call_id = ""
        """Of the call that was placed last."""
        self.media = True
        """Whether it opens its way for media; otherwise its descriptions are all there is."""

    @classmethod
    async def attach(cls, janus: JanusClient, name: str) -> Agent:
        """A further handle of a session."""
        return cls(janus, await janus.attach("janus.plugin.sip"), name)

    async def ask(self, request: str, jsep: dict[str, Any] | None = None, **body: Any) -> None:
        """Sends a request, and sees that it is acknowledged."""
        described = {} if jsep is None else {"jsep": jsep}
        reply = await self.janus.request("message", handle_id=self.handle, body={"request": request, **body}, **described)
        assert reply["janus"] == "ack", reply

    async def until(self, event: str, seconds: float = PATIENCE_S, **match: Any) -> Event:
        """The first event of a name (`error` for errors) whose `result` has what `match` says: all of it, `jsep` too. Taken out."""

        def wanted(one: Event) -> bool:
            data = one.get("plugindata", {}).get("data", {})
            result = data.get("result") or ({"event": "error"} if "error_code" in data else {})
            return result.get("event") == event and match.items() <= {**data, **result}.items()

        try:
            return await self.janus.event(self.handle, wanted, seconds)
        except TimeoutError:
            raise AssertionError(f"{self.user}: no {event} {match or ''} in {seconds} s, but {self.janus.seen(self.handle)}") from None

    async def result(self, event: str, seconds: float = PATIENCE_S, **match: Any) -> Event:
        """The same, its `result` alone, with `call_id` where there is one."""
        data = (await self.until(event, seconds, **match))["plugindata"]["data"]
        return {"call_id": data.get("call_id"), **(data.get("result") or data)}

    def waiting(self, event: str) -> list[Event]:
        """What came of a name that nobody has taken."""
        news = [one.get("plugindata", {}).get("data", {}) for one in self.janus.seen(self.handle)]
        return [data for data in news if (data.get("result") or {}).get("event") == event]

    async def guest(self, uri: str, **extra: Any) -> int:
        """Takes an identity without registering; the `master_id` for helpers."""
        await self.ask("register", type="guest", username=uri, **extra)
        return int((await self.result("registered"))["master_id"])

    async def place(self, uri: str, **extra: Any) -> str:
        """Calls; the Call-ID."""
        await self._new_peer()
        assert self.peer is not None
        await self.ask("call", {"type": "offer", "sdp": self.peer.offer()}, uri=uri, **extra)
        self.call_id = str((await self.result("calling"))["call_id"])
        return self.call_id

    async def answered(self, event: str = "accepted") -> Event:
        """Waits for the peer's answer and opens the way for media."""
        told = await self.until(event)
        await self.take_answer(told)
        return told

    async def take_answer(self, told: Event) -> None:
        """Takes the answer in an event, if there is one."""
        assert self.peer is not None
        if "jsep" in told:
            self.peer.take_answer(told["jsep"]["sdp"])
            await self._connect()

    async def take(self, incoming: Event | None = None, request: str = "accept", **extra: Any) -> Event:
        """Answers a call that comes (or has come); the incomingcall."""
        incoming = incoming or await self.until("incomingcall")
        await self._new_peer()
        assert self.peer is not None
        if "jsep" in incoming:
            answer = {"type": "answer", "sdp": self.peer.answer(incoming["jsep"]["sdp"])}
            await self.ask(request, answer, **extra)
            await self._connect()
        else:
            await self.ask(request, {"type": "offer", "sdp": self.peer.offer()}, **extra)
        return incoming

    async def hang_up(self) -> Event:
        """Ends the call; what `hangup` says."""
        await self.ask("hangup")
        return await self.result("hangup")

    async def hears(self, port_of_peer: int = 0, seconds: float = 5) -> bytes:
        """The next payload that arrives from now on. Raises AssertionError."""
        assert self.peer is not None
        count = len(self.peer.heard)
        for _ in range(round(seconds / 0.02)):
            if len(self.peer.heard) > count:
                return self.peer.heard[count]
            await asyncio.sleep(0.02)
        raise AssertionError(f"{self.user} heard nothing; faults: {self.peer.faults}")

    def close(self) -> None:
        """Closes its sockets."""
        if self.peer is not None:
            self.peer.close()

    async def _connect(self) -> None:
        assert self.peer is not None
        if self.media:
            await self.peer.connect()

    async def _new_peer(self) -> None:
        self.close()
        self.peer = await Peer.open(KINDS["WebRTC"])
