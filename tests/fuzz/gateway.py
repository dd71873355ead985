"""A whole gateway without sockets: Janus core, real plugins, real calls and relay, over an engine that is fed datagrams by hand."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from boringsdp.call import Calls, CallSettings
from boringsdp.echotest_plugin import EchoTestPlugin
from boringsdp.janus_api.actions import Action, Connection, PluginFailed, Send
from boringsdp.janus_api.auth import Authorization
from boringsdp.janus_api.core import JanusCore
from boringsdp.janus_api.plugin import PluginContext
from boringsdp.janus_api.settings import Authentication, JanusSettings
from boringsdp.nosip_plugin import NoSipPlugin
from boringsdp.relay import Relay, RelaySettings
from boringsdp.relay.engine import EMPTY, Address, EngineFacts, EventSink, Keys, Latch, PortId, TransportId, TransportSpec, Way
from boringsdp.relay.plane import Plane
from boringsdp.sdp import SessionDescription

HOST = "192.0.2.1"
MAX_CALLS = 20


class MemoryEngine:
    """The engine contract on a plane, without sockets. `deliver` is the network; what goes out is kept in `sent` until taken."""

    def __init__(self, sink: EventSink) -> None:
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        self.plane = Plane(random.Random(1))
        self.sent: list[tuple[PortId, bytes, Address]] = []
        self._number = 0
        self._reporting = False
        self._timer: asyncio.TimerHandle | None = None
        for name in ("add_stream", "remove_stream", "route", "unroute", "forward", "send_rtcp", "remove_transport", "restart_ice"):
            setattr(self, name, getattr(self.plane, name))
        for name in ("mux_rtcp", "set_tos", "statistics", "stream_statistics", "transport_statistics"):
            setattr(self, name, getattr(self.plane, name))

    @property
    def facts(self) -> EngineFacts:
        return EngineFacts(name="memory")

    def open_port(self, address: Address, worker: int = 0) -> tuple[PortId, Address]:
        self._number += 1
        number = PortId(self._number)
        bound = (address[0], address[1] or 40_000 + number)
        self.plane.open_port(number, bound, lambda data, to: self.sent.append((number, data, to)))
        return number, bound

    def close_port(self, port: PortId) -> None:
        self.plane.close_port(port)

    def add_transport(self, spec: TransportSpec) -> None:
        self.plane.add_transport(spec, self._loop.time())
        self._arm()

    def set_remote(self, transport: TransportId, rtp: Address | None, rtcp: Address | None, latch: Latch) -> None:
        self.plane.set_remote(transport, rtp, rtcp, latch, self._loop.time())

    def set_keys(self, transport: TransportId, way: Way, keys: Keys | None, rollover: Mapping[int, int] = EMPTY) -> None:
        self.plane.set_keys(transport, way, keys, rollover, self._loop.time())

    def set_rtcp_keys(self, transport: TransportId, way: Way, keys: Keys | None) -> None:
        self.plane.set_rtcp_keys(transport, way, keys, self._loop.time())

    def send(self, transport: TransportId, data: bytes, *, rtcp: bool = False, to: Address | None = None) -> None:
        self.plane.send(transport, data, rtcp, to)

    def inject(self, stream: Any, payload_type: int, payload: bytes, *, marker: bool = False, same_timestamp: bool = False) -> None:
        self.plane.inject(stream, payload_type, payload, marker, same_timestamp, self._loop.time())

    def resend(self, stream: Any, sequences: tuple[int, ...]) -> None:
        self.plane.resend(stream, sequences, self._loop.time())

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def deliver(self, port: PortId, source: Address, data: bytes) -> None:
        """A datagram comes in, and what it causes is reported."""
        self.plane.receive(port, source, data, self._loop.time())
        self.report()

    def report(self) -> None:
        if not self._reporting:
            self._reporting = True
            while events := self.plane.take_events():
                self._sink(events)
            self._reporting = False

    def _arm(self) -> None:
        at = self.plane.deadline()
        if at is not None and self._timer is None:
            self._timer = self._loop.call_at(at, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.plane.tick(self._loop.time())
        self._arm()
        self.report()


class MemoryGateway:
    """
    Start with `await MemoryGateway.started()` in a loop of virtual time. `failures` holds every error that was logged, and every exception
    that a plugin must not raise: both mean that something escaped, though it was caught in time.
    """

    engine: MemoryEngine

    def __init__(self) -> None:
        settings = RelaySettings(webrtc_hosts=(HOST,), webrtc_port=3478, plain_hosts=(HOST,), plain_ports=(20_000, 20_199), port_rest_s=1.0)
        self.failures: list[str] = []
        self.relay = Relay(self._make_engine, settings)
        self.calls = Calls(self.relay, CallSettings(max_calls=MAX_CALLS))
        context = PluginContext(self.calls)
        self._ids = iter(range(1, 1 << 30))
        self.core = JanusCore(
            JanusSettings(),
            {plugin.package: plugin for plugin in (NoSipPlugin(context), EchoTestPlugin(context))},
            Authorization.from_settings(Authentication(), lambda: 0.0),
            new_id=lambda: next(self._ids),
            check_sdp=SessionDescription.parse,
            info=lambda accepting: {"accepting": accepting},
            ready=lambda: None,
        )
        self.client = Connection(1, "memory", True)
        self._watch = LogWatch(self.failures)

    @classmethod
    async def started(cls) -> MemoryGateway:
        gateway = cls()
        logging.getLogger("boringsdp").addHandler(gateway._watch)
        await gateway.relay.start()
        return gateway

    def _make_engine(self, sink: EventSink) -> MemoryEngine:
        self.engine = MemoryEngine(sink)
        return self.engine

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def receive(self, text: str | bytes) -> list[dict[str, Any]]:
        """Give the core a request; returns what the client gets, the reply first."""
        return self.take(self.core.receive(self.client, text, self.now))

    def take(self, actions: list[Action]) -> list[dict[str, Any]]:
        self.failures += ["".join(traceback.format_exception(action.error)) for action in actions if isinstance(action, PluginFailed)]
        return [json.loads(action.text) for action in actions if isinstance(action, Send)]

    def ask(self, verb: str, **members: Any) -> list[dict[str, Any]]:
        """A request that is in order."""
        return self.receive(json.dumps({"janus": verb, "transaction": "t", **members}))

    def handles_of(self, session: int) -> set[int] | None:
        """The handles of a session, None when it is gone."""
        found = self.core._sessions.get(session)
        return None if found is None else set(found.handles)

    async def close(self) -> None:
        """End everything, and show that nothing is left."""
        logging.getLogger("boringsdp").removeHandler(self._watch)
        self.take(self.core.close(self.now))
        assert len(self.calls) == 0
        assert self.core.session_count == self.core.handle_count == 0
        figures = self.relay.statistics()
        assert (figures["transports"], figures["streams"], figures["ports_used"]) == (0, 0, 0), figures
        plane = self.engine.plane
        assert not plane.transports
        assert not plane.streams
        assert not plane._by_ufrag
        assert not any(port.by_remote for port in plane.ports.values())
        await self.relay.close()
        assert not plane.ports
        assert not self.failures, self.failures


class LogWatch(logging.Handler):
    """Errors in the log."""

    def __init__(self, failures: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._failures = failures
        self._format: Callable[[logging.LogRecord], str] = logging.Formatter().format

    def emit(self, record: logging.LogRecord) -> None:
        self._failures.append(self._format(record))
