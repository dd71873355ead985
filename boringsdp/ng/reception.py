"""The desk on an event loop: what the transports hand their messages to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from boringsdp import logs
from boringsdp.net.driver import Driver
from boringsdp.net.limit import RateLimit
from boringsdp.ng.desk import Desk, Execute, Send
from boringsdp.ng.message import refusal
from boringsdp.ng.settings import Address, Limits

log = logs.bind("ng")

Waiter = Callable[[bytes], None]
"""Takes the reply; called at most once, and never when a request has none. Must not raise."""

FAILED = "Internal error"
WORK_S = 0.004
"""How long requests are executed in one turn of the loop; then media, pings and timers have theirs."""


class Reception:
    """
    Takes messages of all transports and executes them in the order they came, a few milliseconds at a time.

    Build it within a running event loop. After `close` nothing is executed or answered.
    """

    def __init__(self, execute: Execute, limits: Limits) -> None:
        self.desk: Desk[Waiter] = Desk(self._run, limits)
        self._execute = execute
        self.limits = limits
        self._loop = asyncio.get_running_loop()
        self._driver: Driver[Send[Waiter]] = Driver(self.desk, _send, self._loop)
        self._working: asyncio.Handle | None = None
        self._closed = False
        self._complaints = RateLimit(1.0, 10)

    def receive(self, data: bytes, source: Address | None, waiter: Waiter, *, repeats: bool = False) -> None:
        """Take in one message with its cookie (see `Desk.receive`)."""
        if not self._closed:
            self._driver.run(self.desk.receive(data, source, waiter, self._loop.time(), repeats=repeats))
            self._go_on()

    def receive_plain(self, body: bytes, source: Address | None, waiter: Waiter) -> None:
        """Take in one dictionary without cookie."""
        if not self._closed:
            self._driver.run(self.desk.receive_plain(body, source, waiter, self._loop.time()))
            self._go_on()

    def close(self) -> None:
        self._closed = True
        self._driver.close()
        if self._working is not None:
            self._working.cancel()
            self._working = None

    def complain(self, text: str, **facts: object) -> None:
        """Log a peer's or the network's fault; not more often than a disk can bear."""
        unlogged = self._complaints.allow(self._loop.time())
        if unlogged is not None:
            log.warning(text, extra=facts | ({"unlogged": unlogged} if unlogged else {}))

    def _run(self, request: dict[str, Any], source: Address | None) -> Mapping[str, Any]:
        try:
            return self._execute(request, source)
        except Exception:  # one request's end, not everybody's
            log.exception("ng request failed")
            return refusal(FAILED)

    def _go_on(self) -> None:
        if self.desk.waiting and self._working is None:
            self._working = self._loop.call_soon(self._work)

    def _work(self) -> None:
        self._working = None
        end = self._loop.time() + WORK_S
        while self.desk.waiting and not self._closed:
            self._driver.run(self.desk.work(self._loop.time()))
            if self._loop.time() >= end:
                break
        if not self._closed:
            self._go_on()


def _send(action: Send[Waiter]) -> None:
    action.to(action.data)
