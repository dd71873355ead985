"""Joins the core and the transports: performs the core's actions, and runs its one timer. Shell."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from boringsdp.janus_api.actions import Action, Connection, News, PollDone, PollRefused, Send
from boringsdp.janus_api.core import JanusCore
from boringsdp.janus_api.requests import NO_PATH, Path

Sink = Callable[[bytes], None]


class Switchboard:
    """
    One per gateway; the transports call it, on the event loop. `core` is made with `ready=switchboard.ready`, then set here.
    `on_news` hears of everything that is not for a client.
    """

    core: JanusCore

    def __init__(self, on_news: Callable[[News], None], loop: asyncio.AbstractEventLoop) -> None:
        self._on_news = on_news
        self._loop = loop
        self._numbers = itertools.count(1)
        self._sinks: dict[Connection, Sink] = {}
        self._polls: dict[int, asyncio.Future[PollDone | PollRefused]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._flush: asyncio.Handle | None = None

    def connect(self, transport: str, sink: Sink) -> Connection:
        """A lasting connection; `sink` takes its messages and must not block or raise."""
        connection = Connection(next(self._numbers), transport, True)
        self._sinks[connection] = sink
        return connection

    def disconnect(self, connection: Connection) -> None:
        """A lasting connection is lost."""
        del self._sinks[connection]
        self._run(self.core.disconnected(connection, self._loop.time()))

    def receive(self, connection: Connection, text: str | bytes) -> None:
        """A request on a lasting connection; the reply goes to its sink."""
        self._run(self.core.receive(connection, text, self._loop.time()))

    def exchange(self, transport: str, text: str | bytes, path: Path = NO_PATH) -> bytes:
        """A request that has its reply returned."""
        connection = Connection(next(self._numbers), transport, False)
        replies: list[bytes] = []
        self._sinks[connection] = replies.append
        try:
            self._run(self.core.receive(connection, text, self._loop.time(), path))
        finally:
            del self._sinks[connection]
        return replies[0]

    async def poll(self, session_id: int, most: int, secret: str | None, token: str | None) -> PollDone | PollRefused:
        """Wait for events. When cancelled, the events go to the next poll."""
        number = next(self._numbers)
        waiting: asyncio.Future[PollDone | PollRefused] = self._loop.create_future()
        self._polls[number] = waiting
        self._run(self.core.poll(number, session_id, most, self._loop.time(), secret=secret, token=token))
        try:
            return await waiting
        finally:
            if self._polls.pop(number, None) is not None:
                self._run(self.core.poll_gone(number, session_id, self._loop.time()))

    def ready(self) -> None:
        """The core has something to send that no request caused: fetch it when the present step is over."""
        if self._flush is None:
            self._flush = self._loop.call_soon(self._on_ready)

    def close(self) -> None:
        """End all sessions, and the timer."""
        self._run(self.core.close(self._loop.time()))
        if self._timer is not None:
            self._timer.cancel()
        if self._flush is not None:
            self._flush.cancel()

    def _on_ready(self) -> None:
        self._flush = None
        self._run(self.core.flush(self._loop.time()))

    def _on_timer(self, at: float) -> None:
        self._timer = None
        self._run(self.core.tick(max(at, self._loop.time())))  # loops may fire a hair early

    def _run(self, actions: list[Action]) -> None:
        for action in actions:
            self._perform(action)
        at = self.core.deadline()
        if self._timer is not None and (at is None or self._timer.when() != at):
            self._timer.cancel()
            self._timer = None
        if self._timer is None and at is not None:
            self._timer = self._loop.call_at(at, self._on_timer, at)

    def _perform(self, action: Action | Any) -> None:
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
