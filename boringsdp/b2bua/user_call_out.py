"""
Users that an HTTP server knows: it is asked for each who logs in.

    POST users_url   {"user": "alice", "domain": "example.com", "realm": "example.com"}
    200              {"password": "…"}, or {"ha1": "…", "ha1_sha256": "…"}; "display_name" may be there
    404              there is no such user
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from boringsdp import logs
from boringsdp.b2bua.policy import Refusal
from boringsdp.b2bua.users import Found, User, user_of

AT_ONCE = 32
WAITING = 2000
"""Questions at a time; more are refused with 503."""
TIMEOUT_S = 5.0
KEPT_S = 30.0
"""How long an answer counts: a browser asks twice to register."""
NOBODY_S = 5.0
MAX_KEPT = 10_000
LONGEST_NAME = 256
LONGEST_ANSWER = 16 * 1024
UNKNOWABLE = Refusal(503, headers=(("Retry-After", "5"),))
log = logs.bind("b2bua")


class UserCallOut:
    """`users_url` of a domain; `Users`. Use within a running event loop."""

    def __init__(self, url: str, domain: str, realm: str) -> None:
        self._url = url
        self._said = {"domain": domain, "realm": realm}
        self._realm = realm
        self._http: aiohttp.ClientSession | None = None
        self._asking: dict[str, list[Found]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._kept: OrderedDict[str, tuple[float, User | None]] = OrderedDict()
        """By name: until when, and what was said."""
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._failing = False

    async def start(self) -> None:
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))

    async def close(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        if self._http is not None:
            await self._http.close()
            self._http = None

    def find(self, name: str, found: Found) -> None:
        until, user = self._kept.get(name, (0.0, None))
        if until > self._now():
            found(user)
        elif name in self._asking:
            self._asking[name].append(found)
        elif self._http is None or len(name) > LONGEST_NAME:
            found(None)
        elif len(self._asking) >= WAITING:
            found(UNKNOWABLE)
        else:
            self._asking[name] = [found]
            task = asyncio.ensure_future(self._ask(name))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def knows(self, name: str) -> bool:
        """Whether it has said so lately."""
        return self._kept.get(name, (0.0, None))[1] is not None

    async def _ask(self, name: str) -> None:
        said: User | Refusal | None = UNKNOWABLE
        try:
            async with self._at_once:
                said = await self._post(name)
            self._failing = False
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            if not self._failing:  # once, not for each who logs in
                log.warning(
                    "users cannot be asked for", extra={"host": urlsplit(self._url).hostname, "why": f"{type(error).__name__}: {error}"}
                )
            self._failing = True
        else:
            if not isinstance(said, Refusal):
                self._keep(name, said)
        for found in self._asking.pop(name):
            try:
                found(said)
            except Exception:  # it ends the request of one alone
                log.exception("a request failed after its user was found", extra={"user": name})

    async def _post(self, name: str) -> User | None:
        """Raises ClientError, TimeoutError, ValueError for an answer that is none."""
        assert self._http is not None
        async with self._http.post(self._url, json={"user": name, **self._said}, allow_redirects=False) as response:
            if response.status == 404:
                return None
            if response.status != 200:
                raise ValueError(f"status {response.status}")
            octets = await response.content.read(LONGEST_ANSWER + 1)
            if len(octets) > LONGEST_ANSWER:
                raise ValueError("too long an answer")
            read: Any = json.loads(octets)
            if not isinstance(read, dict):
                raise ValueError("no JSON object")
            return user_of(name, read, self._realm)

    def _keep(self, name: str, user: User | None) -> None:
        self._kept[name] = self._now() + (NOBODY_S if user is None else KEPT_S), user
        self._kept.move_to_end(name)
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
