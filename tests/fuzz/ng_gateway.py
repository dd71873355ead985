"""An NG server without sockets: desk, real front, real calls and relay, over an engine in memory."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from boringsdp.call import Calls, CallSettings
from boringsdp.ng.desk import Desk
from boringsdp.ng.front import NgFront
from boringsdp.ng.message import Format as Form
from boringsdp.ng.message import parse_body, split_cookie, write_body
from boringsdp.ng.settings import NgSettings
from boringsdp.relay import Relay, RelaySettings
from boringsdp.relay.engine import EventSink
from tests.fuzz.gateway import HOST, LogWatch, MemoryEngine

MAX_CALLS = 60
LONG_LIVED = "the one that stays"
OFFER = (
    "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
)


class MemoryNg:
    """Start with `await MemoryNg.started()` in a loop of virtual time. `failures` holds every error that was logged."""

    engine: MemoryEngine

    def __init__(self) -> None:
        interfaces = {"in": (HOST,), "out": (HOST,)}
        ports = (20_000, 20_999)
        settings = RelaySettings(webrtc_hosts=(HOST,), webrtc_port=3478, plain_hosts=(HOST,), plain_ports=ports, interfaces=interfaces)
        self.relay = Relay(self._make_engine, settings)
        self.calls = Calls(self.relay, CallSettings(max_calls=MAX_CALLS))
        patient = {"media_timeout_s": 0.0, "silent_timeout_s": 0.0, "offer_timeout_s": 86_400.0}
        self.front = NgFront(self.calls, NgSettings(interfaces=interfaces, templates={"t": "ICE=remove"}, **patient))
        self.desk: Desk[int] = Desk(self.front.execute)
        self.failures: list[str] = []
        self._watch = LogWatch(self.failures)
        self._number = 0

    @classmethod
    async def started(cls) -> MemoryNg:
        gateway = cls()
        logging.getLogger("boringsdp").addHandler(gateway._watch)
        await gateway.relay.start()
        for command, more in (("offer", {}), ("answer", {"to-tag": "b"})):
            reply = gateway.ask({"command": command, "call-id": LONG_LIVED, "from-tag": "a", "sdp": OFFER, **more})
            assert reply["result"] == "ok", reply
        return gateway

    def _make_engine(self, sink: EventSink) -> MemoryEngine:
        self.engine = MemoryEngine(sink)
        return self.engine

    def receive(self, datagram: bytes) -> bytes | None:
        """Give the desk a datagram, let it work, and return the reply."""
        now = asyncio.get_running_loop().time()
        sent = self.desk.receive(datagram, (HOST, 9), 1, now, repeats=True)
        while self.desk.waiting:
            sent += self.desk.work(now)
        self.engine.report()
        assert len(sent) <= 1, "more than one reply"
        return sent[0].data if sent else None

    def ask(self, request: dict[str, Any], form: Form = Form.BENCODE) -> dict[str, Any]:
        """A request that is in order."""
        self._number += 1
        cookie = b"in-order-%d" % self._number
        split = split_cookie(self.receive(cookie + b" " + write_body(request, form)) or b"")
        assert split is not None
        assert split[0] == cookie
        return parse_body(split[1])

    async def close(self) -> None:
        """Show that the call that was there at the start still is, then end everything and show that nothing is left."""
        assert self.ask({"command": "ping"}) == {"result": "pong"}
        query = self.ask({"command": "query", "call-id": LONG_LIVED})
        assert query["result"] == "ok", query
        self.calls.close("shutdown")
        assert len(self.calls) == 0
        await self.front.close()
        figures = self.relay.statistics()
        assert (figures["transports"], figures["streams"], figures["ports_used"]) == (0, 0, 0), figures
        await self.relay.close()
        logging.getLogger("boringsdp").removeHandler(self._watch)
        assert not self.failures, self.failures[0]
