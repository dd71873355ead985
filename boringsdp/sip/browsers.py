"""What browsers' connections need of an endpoint beyond transports: losses borne, successors, limits. Shell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from boringsdp import logs
from boringsdp.net.driver import Driver
from boringsdp.sip.account import FlowAbandoned, FlowLost, FlowSucceeded
from boringsdp.sip.actions import Transmit
from boringsdp.sip.conduct import Conduct, ConductSettings
from boringsdp.sip.flow import Destination, Flow, Protocol
from boringsdp.sip.message import Request
from boringsdp.sip.succession import Successions
from boringsdp.sip.transport import Transports

WEBSOCKETS = (Protocol.WS, Protocol.WSS)
GONE = "the browser is gone"
CLOSED = "bad conduct"
UNREADABLE = 10
"""How much what cannot be read counts of what is bad."""
log = logs.bind()


class Browsers:
    """
    Stands between the user agent and the transports. `tell` takes news for the account that serves browsers, `move` and `cut` are told of
    connections that others take the place of, or nobody.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        settings: ConductSettings,
        *,
        tell: Callable[[Any], None],
        move: Callable[[Flow, Flow], None],
        cut: Callable[[Flow, str], None],
    ) -> None:
        self._loop = loop
        self._tell = tell
        self._move = move
        self._cut = cut
        self._successions = Successions()
        self._driver: Driver[Flow] = Driver(self._successions, self.abandon, loop)
        self._conduct = Conduct(settings)
        self._heard: set[Flow] = set()
        """Connections of browsers that are there and have said something."""
        self._transports: Transports | None = None

    def attach(self, transports: Transports) -> None:
        self._transports = transports

    def leave(self) -> None:
        """Wait for nobody: everything is closed soon."""
        for flow in self._successions.keep_nothing():
            self.abandon(flow)

    def close(self) -> None:
        self._driver.close()

    def accepted(self, flow: Flow) -> bool:
        """Whether a peer has made a connection that is there, or is waited for."""
        return self._there.accepts(flow) or self._successions.waits(flow)

    def current(self, to: Destination) -> Destination:
        """Return what stands for a destination now."""
        return self._successions.current(to) if isinstance(to, Flow) else to

    def current_flow(self, flow: Flow) -> Flow:
        return self._successions.current(flow)

    def bears(self, flow: Flow) -> bool:
        """Whether the end of a connection is borne."""
        return self._successions.is_kept(flow)

    def admits(self, flow: Flow, now: float) -> bool:
        """Whether one more request outside of dialogs is served; closes the connection of who does not stop."""
        if self._conduct.admits(flow, now):
            return True
        self._end_bad(flow)
        return False

    def blame(self, flow: Flow, cause: str) -> None:
        """Count a bad message against its source, and its connection where a browser has made that."""
        if flow.protocol in WEBSOCKETS and self._there.accepts(flow):
            self._conduct.blame(flow, self._loop.time(), UNREADABLE if cause in ("unreadable", "not SIP") else 1)
            self._end_bad(flow)
        self._there.blame(flow, cause)

    def send(self, message: Transmit) -> None:
        """Send, by what stands for the destination; or let it wait. Requests of transactions wait in these: they are sent again anyway."""
        to = self.current(message.to)
        if isinstance(to, Flow) and self._successions.is_kept(to) and self._there.flow(to) is None:
            self._lose(to)
            if message.transaction is not None and isinstance(message.message, Request) and message.message.method != "ACK":
                return
            if not self._successions.hold(message, to):
                self._there.unsent(message.transaction, "too much waits for the browser")
            return
        self._there.send(message.data, to, message.transaction)

    def keep(self, flow: Flow, seconds: float) -> None:
        """Bear the end of a connection for so long; of one that has ended it is too late."""
        if self._there.accepts(self._successions.current(flow)):
            self._successions.keep(flow, seconds)

    def succeed(self, old: Flow, new: Flow) -> None:
        """Let one connection take the place of another."""
        old, new = self._successions.current(old), self._successions.current(new)
        if old == new or not self.accepted(new):
            return
        self._there.forgive(old)
        waited = self._successions.succeed(old, new)
        self._driver.run(())
        for message in waited:
            self._there.send(message.data, new, message.transaction)
        self._move(old, new)

    def stray(self, old: Flow, new: Flow) -> None:
        """A browser whose connection is lost goes on with its call by another."""
        if not self._there.accepts(self._successions.current(old)):
            self.succeed(old, new)
            self._tell(FlowSucceeded(old, new))

    def abandon(self, flow: Flow) -> None:
        """Wait no more for a successor: what waits fails."""
        flow = self._successions.current(flow)
        if self._successions.abandon(flow):
            self._driver.run(())
            self._cut(flow, GONE)
            self._tell(FlowAbandoned(flow))

    def heard(self, flow: Flow) -> None:
        """A message has come."""
        if flow.protocol in WEBSOCKETS and flow not in self._heard and self._there.accepts(flow):
            self._heard.add(flow)

    def closed(self, flow: Flow, reason: str) -> None:
        """A connection has ended."""
        if flow not in self._heard:
            return
        self._heard.remove(flow)
        self._conduct.forget(flow)
        self._lose(flow)
        self._tell(FlowLost(flow, reason))

    def __len__(self) -> int:
        return len(self._successions) + len(self._conduct)

    @property
    def _there(self) -> Transports:
        assert self._transports is not None
        return self._transports

    def _lose(self, flow: Flow) -> None:
        self._successions.lose(flow, self._loop.time())
        self._driver.run(())

    def _end_bad(self, flow: Flow) -> None:
        if self._conduct.is_enough(flow):
            self._loop.call_soon(self._drop_bad, flow)  # the answer to the last one goes out before

    def _drop_bad(self, flow: Flow) -> None:
        if self._there.accepts(flow):
            log.warning("browser disconnected", extra={"source": flow.remote[0], "reason": CLOSED})
            self._there.drop(flow, CLOSED, bad=True)
