"""Where requests of all transports arrive, queue, are executed one at a time, and get their replies. A core."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from boringsdp.errors import NgError
from boringsdp.ng.cookies import CookieCache, New, Pending, Reply
from boringsdp.ng.message import Format, format_of, parse_body, refusal, split_cookie, write_body
from boringsdp.ng.settings import Address, Limits

Waiter = TypeVar("Waiter")
Execute = Callable[[dict[str, Any], Address | None], Mapping[str, Any]]

BUSY = "Too many requests"
PING = "ping"
OTHER = "other"
COMMANDS = frozenset(
    {
        *("ping", "offer", "answer", "delete", "query", "list", "statistics"),
        *("block DTMF", "unblock DTMF", "block media", "unblock media", "silence media", "unsilence media", "play DTMF"),
        *("play media", "stop media", "start recording", "stop recording", "pause recording", "start forwarding", "stop forwarding"),
        *("publish", "subscribe request", "subscribe answer", "unsubscribe", "connect", "create", "create answer", "mesh", "cli"),
        *("inject start", "inject stop", "transform"),
    }
)
"""Names that get figures of their own; what else clients send is counted as `other`, so that they cannot invent metrics."""
RESULTS = frozenset({"ok", "error", "pong", "load limit"})


@dataclass(slots=True, frozen=True)
class Send(Generic[Waiter]):
    """A reply for one waiter."""

    to: Waiter
    data: bytes


@dataclass(slots=True, frozen=True)
class _Job(Generic[Waiter]):
    cookie: bytes
    """Empty: without."""
    form: Format
    request: dict[str, Any]
    size: int
    source: Address | None
    waiter: Waiter


class Desk(Generic[Waiter]):
    """
    `receive` what came in, and call `work` while `waiting`; both return replies to send, to the `waiter` given with the request.

    A ping, a repeated request and one that cannot be read are answered by `receive`, however many requests wait: a proxy takes
    a server that is slow to say pong for dead. `execute` must not raise.
    """

    def __init__(self, execute: Execute, limits: Limits | None = None) -> None:
        self._execute = execute
        self._limits = limits or Limits()
        self._cache: CookieCache[Waiter] = CookieCache(
            entries=self._limits.cached_replies, size=self._limits.cached_bytes, waiters=self._limits.waiters_per_request
        )
        self._queue: deque[_Job[Waiter]] = deque()
        self._queued = 0
        self.requests: Counter[tuple[str, str]] = Counter()
        """Executed requests by command and result."""
        self.repeated = self.dropped = self.silent = 0
        """Repeated requests, those for which there was no room, and messages without cookie."""

    @property
    def waiting(self) -> int:
        """Requests that `work` has not executed yet."""
        return len(self._queue)

    @property
    def cached(self) -> int:
        """Replies kept for repeated requests."""
        return len(self._cache)

    def receive(self, data: bytes, source: Address | None, waiter: Waiter, now: float, *, repeats: bool = False) -> list[Send[Waiter]]:
        """
        Take in one message with its cookie. `repeats`: the client sends it again when no reply comes, so that it may be dropped.

        A message without cookie has no reply, ever.
        """
        split = split_cookie(data, self._limits.cookie_size)
        if split is None:
            self.silent += 1
            return []
        cookie, body = split
        match self._cache.begin(cookie, waiter, now):
            case Reply(stored):
                self.repeated += 1
                return [Send(waiter, stored)]
            case New():
                return self._take(cookie, body, source, waiter, now, repeats)
            case Pending(heard):
                self.repeated += 1
                return [] if heard or repeats else [Send(waiter, _written(cookie, format_of(body), refusal(BUSY)))]

    def receive_plain(self, body: bytes, source: Address | None, waiter: Waiter, now: float) -> list[Send[Waiter]]:
        """Take in one dictionary without a cookie: it is executed as often as it comes."""
        return self._take(b"", body, source, waiter, now, False)

    def work(self, now: float) -> list[Send[Waiter]]:
        """Execute the request that has waited longest."""
        job = self._queue.popleft()
        self._queued -= job.size
        return self._run(job, now)

    def tick(self, now: float) -> list[Send[Waiter]]:
        """Forget old replies."""
        self._cache.tick(now)
        return []

    def deadline(self) -> float | None:
        return self._cache.deadline()

    def _take(self, cookie: bytes, body: bytes, source: Address | None, waiter: Waiter, now: float, repeats: bool) -> list[Send[Waiter]]:
        form = format_of(body)
        try:
            request = parse_body(body)
        except NgError as error:
            return self._reply(cookie, waiter, form, OTHER, refusal(error.reason), now)
        job = _Job(cookie, form, request, len(body), source, waiter)
        if request.get("command") == PING:
            return self._run(job, now)
        if len(self._queue) >= self._limits.queued_requests or self._queued + job.size > self._limits.queued_bytes:
            self.dropped += 1
            waiters = self._cache.abandon(cookie) if cookie else [waiter]
            refused = _written(cookie, form, refusal(BUSY))
            return [] if repeats else [Send(to, refused) for to in waiters]
        self._queue.append(job)
        self._queued += job.size
        return []

    def _run(self, job: _Job[Waiter], now: float) -> list[Send[Waiter]]:
        command = job.request.get("command")
        reply = self._execute(job.request, job.source)
        return self._reply(job.cookie, job.waiter, job.form, _known(command, COMMANDS), reply, now)

    def _reply(self, cookie: bytes, waiter: Waiter, form: Format, command: str, reply: Mapping[str, Any], now: float) -> list[Send[Waiter]]:
        self.requests[command, _known(reply.get("result"), RESULTS)] += 1
        data = _written(cookie, form, reply)
        return [Send(to, data) for to in self._cache.finish(cookie, data, now)] if cookie else [Send(waiter, data)]


def _written(cookie: bytes, form: Format, reply: Mapping[str, Any]) -> bytes:
    body = write_body(reply, form)
    return cookie + b" " + body if cookie else body


def _known(name: object, names: frozenset[str]) -> str:
    return name if isinstance(name, str) and name in names else OTHER
