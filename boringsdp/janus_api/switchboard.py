"""Joins the core and the transports: performs the core's actions, and runs its one timer. Shell."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

from boringsdp.janus_api.actions import Action, Connection, News, PollDone, PollRefused, Send
from boringsdp.janus_api.core import JanusCore
from boringsdp.janus_api.requests import NO_PATH, Path
from boringsdp.net.driver import Driver

Sink = Callable[[bytes], None]


class Switchboard:
    """
    One per gateway; the transports call it, on the event loop. The core is made with `ready=switchboard.ready`, then given to `serve`.
    `on_news` hears of everything that is not for a client.
    """

    _core: JanusCore
    _driver: Driver[Action]

    def __init__(self, on_news: Callable[[News], None], loop: asyncio.AbstractEventLoop) -> None:
        self._on_news = on_news
        self._loop = loop
        self._numbers = itertools.count(1)
        self._sinks: dict[Connection, Sink] = {}
        self._polls: dict[int, asyncio.Future[PollDone | PollRefused]] = {}
        self._flush: asyncio.Handle | None = None

    def serve(self, core: JanusCore) -> None:
        """Run this core. To be called once, before anything else."""
        self._core = core
        self._driver = Driver(core, self._perform, self._loop)

    def connect(self, transport: str, sink: Sink) -> Connection:
        """A lasting connection; `sink` takes its messages and must not block or raise."""
        connection = Connection(next(self._numbers), transport, True)
        self._sinks[connection] = sink
        return connection

    def disconnect(self, connection: Connection) -> None:
        """A lasting connection is lost."""
        del self._sinks[connection]
        self._driver.run(self._core.disconnected(connection, self._loop.time()))

    def receive(self, connection: Connection, text: str | bytes) -> None:
        """A request on a lasting connection; the reply goes to its sink."""
        self._driver.run(self._core.receive(connection, text, self._loop.time()))

    def exchange(self, transport: str, text: str | bytes, path: Path = NO_PATH) -> bytes:
        """A request that has its reply returned."""
        connection = Connection(next(self._numbers), transport, False)
        replies: list[bytes] = []
        self._sinks[connection] = replies.append
        try:
            self._driver.run(self._core.receive(connection, text, self._loop.time(), path))
        finally:
            del self._sinks[connection]
        return replies[0]

    async def poll(self, session_id: int, most: int, secret: str | None, token: str | None) -> PollDone | PollRefused:
        """Wait for events. When cancelled, the events go to the next poll."""
        number = next(self._numbers)
        waiting: asyncio.Future[PollDone | PollRefused] = self._loop.create_future()
        self._polls[number] = waiting
        self._driver.run(self._core.poll(number, session_id, most, self._loop.time(), secret=secret, token=token))
        try:
            return await waiting
        finally:
            if self._polls.pop(number, None) is not None:
                self._driver.run(self._core.poll_gone(number, session_id, self._loop.time()))

    def ready(self) -> None:
        """The core has something to send that no request caused: fetch it when the present step is over."""
        if self._flush is None:
            self._flush = self._loop.call_soon(self._on_ready)

    def end_sessions(self) -> None:
        """End all sessions; no new ones are accepted."""
        self._driver.run(self._core.close(self._loop.time()))

    def close(self) -> None:
        """Stop. To be called when no transport is left."""
        self._driver.close()
        if self._flush is not None:
            self._flush.cancel()

    def _on_ready(self) -> None:
        self._flush = None
        self._driver.run(self._core.flush(self._loop.time()))

    def _perform(self, action: Action) -> None:
        match action:
            case Send(connection=connection, text=text):
                if (sink := self._sinks.get(connection)) is not None:
                    sink(text)
            case PollDone() | PollRefused():
                waiting = self._polls.pop(action.poll, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(action)
            case _:
                self._on_news(action)
