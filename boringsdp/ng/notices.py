"""What the proxy is told without having asked: calls that ended by a timeout (HTTP), digits (UDP). Nothing ever waits for it."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
import xmlrpc.client
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from boringsdp import logs
from boringsdp.ng.access import AccessList
from boringsdp.ng.settings import Address, NgSettings

QUEUED = 1000
"""Notices that wait for an HTTP server; more are dropped and counted."""
WORKERS = 4
TRIES = 3
PAUSE_S = 1.0
TIMEOUT_S = 5.0
LONGEST_ANSWER = 16 * 1024
PLACEHOLDER = "%%"
"""In the configured URL: the address that the call's `xmlrpc-callback` named, or that its commands come from."""
EVENTS = {digit: code for code, digit in enumerate("0123456789*#ABCD")}
"""RFC 4733 event codes."""
log = logs.bind("ng")


@dataclass(slots=True, frozen=True, kw_only=True)
class Timeout:
    """A call ended by itself. `tags` are A's, then that of the leg in force, then the others."""

    call_id: str
    reason: str
    """`media timeout`, `silent timeout`, `offer timeout`, `final timeout`."""
    after: float
    tags: tuple[str, ...]
    labels: tuple[str, ...] = ()
    wallclock: float = 0.0
    faults: tuple[str, ...] = ()


@dataclass(slots=True, frozen=True, kw_only=True)
class Digit:
    """A digit was pressed by the party with `tag`; `wallclock` is when it ended."""

    call_id: str
    tag: str
    label: str
    tags: tuple[str, ...]
    digit: str
    duration_ms: int
    volume: int
    source_ip: str
    wallclock: float


@dataclass(slots=True, frozen=True)
class _Post:
    url: str
    content_type: str
    body: bytes
    call_id: str


class Notices:
    """
    Tells, best effort and in bounded memory; use within a running event loop, `close` at the end.

    A destination that a request names must be one that may send us commands (`ng.acl`), or the sender itself: whoever can send a command
    shall not be able to make the gateway call inner services.
    """

    def __init__(self, settings: NgSettings, count: Callable[[str], None] | None = None) -> None:
        """`count` hears of each notice: `sent`, `failed`, `dropped`."""
        self._settings = settings
        self._access = AccessList(settings.acl)
        self._count = count or _nobody
        self._queue: asyncio.Queue[_Post] = asyncio.Queue(QUEUED)
        self._workers: list[asyncio.Task[None]] = []
        self._http: aiohttp.ClientSession | None = None
        self._sockets: dict[int, socket.socket] = {}

    def allows(self, host: str, source: Address | None) -> bool:
        """Whether a request of `source` may name `host` as a destination."""
        if host and host == urlsplit(self._settings.timeout_url).hostname:
            return True
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        if source is not None and (host == source[0] or (address.is_loopback and ipaddress.ip_address(source[0]).is_loopback)):
            return True
        return bool(self._settings.acl) and self._access.admits(host)

    def callback_url(self, callback: str, source: Address | None) -> str:
        """
        Return where a call's timeout is to be told, empty for nowhere.

        `callback` is what a request named: a URL, or `address[:port]`. Raises ValueError when it is not allowed.
        """
        configured = self._settings.timeout_url
        if not callback:
            return configured.replace(PLACEHOLDER, _bracketed(source[0])) if source is not None else configured
        if callback.startswith(("http://", "https://")):
            url = callback
        elif PLACEHOLDER in configured:
            url = configured.replace(PLACEHOLDER, _bracketed(callback))
        else:
            url = f"http://{_bracketed(callback)}/RPC2"
        host = urlsplit(url).hostname or ""
        if not self.allows(host, source):
            raise ValueError(f"{host[:60] or 'the address'} is not allowed; ng.acl names who may be told")
        return url

    def timed_out(self, notice: Timeout, url: str, *, named: bool = False) -> None:
        """Queue the notice for `url`. `named`: by the request's `xmlrpc-callback`, which speaks XML-RPC also where JSON is the default."""
        form = self._settings.timeout_format
        for content_type, body in written(notice, "kamailio" if named and form == "json" else form):
            try:
                self._queue.put_nowait(_Post(url, content_type, body, notice.call_id))
            except asyncio.QueueFull:
                self._count("dropped")
                return
        self._start()

    def digit(self, digit: Digit, to: Address | None = None) -> None:
        """Send one datagram to `to`, or to the configured log; nothing when there is neither."""
        to = to or self._settings.dtmf_log
        if to is None:
            return
        try:
            self._socket(socket.AF_INET6 if ":" in to[0] else socket.AF_INET).sendto(written_digit(digit), to)
        except OSError as error:
            log.debug("digit not told", extra={"call": digit.call_id, "to": f"{to[0]}:{to[1]}", "error": str(error)})

    async def close(self) -> None:
        """Give up what waits."""
        for task in self._workers:
            task.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        self._workers.clear()
        if self._http is not None:
            await self._http.close()
            self._http = None
        for each in self._sockets.values():
            each.close()
        self._sockets.clear()

    # --- how it is done ----------------------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        if not self._workers:
            self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S), trust_env=False)
        if len(self._workers) < min(WORKERS, max(1, self._queue.qsize())):
            self._workers.append(asyncio.ensure_future(self._work(self._http)))

    async def _work(self, http: aiohttp.ClientSession | None) -> None:
        assert http is not None
        while True:
            post = await self._queue.get()
            fault = ""
            for number in range(TRIES):
                if number:
                    await asyncio.sleep(PAUSE_S * number)
                fault = await _post(http, post)
                if not fault:
                    break
            self._count("failed" if fault else "sent")
            if fault:
                log.warning("timeout not told", extra={"call": post.call_id, "url": _without_secrets(post.url), "error": fault})

    def _socket(self, family: socket.AddressFamily) -> socket.socket:
        found = self._sockets.get(family)
        if found is None:
            found = self._sockets[family] = socket.socket(family, socket.SOCK_DGRAM)
            found.setblocking(False)
        return found


async def _post(http: aiohttp.ClientSession, post: _Post) -> str:
    """Post once; return what went wrong, or empty text. Redirects are not followed: they could lead anywhere."""
    try:
        async with http.post(post.url, data=post.body, headers={"Content-Type": post.content_type}, allow_redirects=False) as reply:
            answer = await reply.content.read(LONGEST_ANSWER)
            if reply.status >= 300:
                return f"status {reply.status}"
            if post.content_type == "text/xml" and b"<fault>" in answer:
                log.info("proxy knows nothing of a call that timed out", extra={"call": post.call_id})
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        return str(error) or type(error).__name__
    return ""


def written(notice: Timeout, form: str) -> list[tuple[str, bytes]]:
    """
    Return the bodies to post, with their content types: one JSON object, or XML-RPC calls.

    `sems`: `di("sbc", "postControlCmd", tag, "teardown")` for each tag; `call-id`: `teardown(call-id)`; `kamailio`:
    `dlg.terminate_dlg(call-id, from-tag, to-tag)`.
    """
    near, far = (*notice.tags, "", "")[:2]
    match form:
        case "sems":
            calls: list[tuple[str, tuple[str, ...]]] = [("di", ("sbc", "postControlCmd", tag, "teardown")) for tag in notice.tags if tag]
        case "call-id":
            calls = [("teardown", (notice.call_id,))]
        case "kamailio":
            calls = [("dlg.terminate_dlg", (notice.call_id, near, far))]
        case _:
            return [("application/json", json.dumps(_told(notice), ensure_ascii=False).encode(errors="replace"))]
    return [("text/xml", xmlrpc.client.dumps(tuple(map(_plain, values)), name).encode()) for name, values in calls]


def _told(notice: Timeout) -> dict[str, Any]:
    near, far = (*notice.tags, "", "")[:2]
    return {
        "event": "timeout",
        "reason": notice.reason,
        "after": round(notice.after, 3),
        "call-id": _plain(notice.call_id),
        "from-tag": _plain(near),
        "to-tag": _plain(far),
        "tags": [_plain(tag) for tag in notice.tags],
        "labels": [_plain(label) for label in notice.labels],
        "timestamp": round(notice.wallclock, 3),
        "errors": list(notice.faults),
    }


def written_digit(digit: Digit) -> bytes:
    """Return the datagram of a digit: one JSON object, times in seconds since 1970, the duration in ms."""
    told = {
        "callid": _plain(digit.call_id),
        "source_tag": _plain(digit.tag),
        "source_label": _plain(digit.label),
        "tags": [_plain(tag) for tag in digit.tags],
        "type": "DTMF",
        "timestamp": int(digit.wallclock),
        "source_ip": digit.source_ip,
        "event": EVENTS.get(digit.digit, 0),
        "duration": digit.duration_ms,
        "volume": digit.volume,
    }
    return json.dumps(told, ensure_ascii=False).encode(errors="replace")


def _plain(text: str) -> str:
    """Return text that every reader takes: tags come from the wire and need not be UTF-8, nor free of control characters."""
    return "".join(each if each.isprintable() else "?" for each in text.encode(errors="replace").decode())


def _bracketed(host: str) -> str:
    """Return a host for a URL, with its port if it has one."""
    return f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _nobody(_what: str) -> None:
    """Who counts when nobody does."""
