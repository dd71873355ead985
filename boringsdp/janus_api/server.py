"""The Janus API, whole: plugins, core and transports, built and run together."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import secrets
import time
from collections.abc import Callable, Iterable, Mapping

from aiohttp import web

from boringsdp import __version__
from boringsdp.janus_api import http_server, websocket_server
from boringsdp.janus_api.actions import (
    HandleAttached,
    HandleDetached,
    News,
    PeerConnectionEnded,
    PeerConnectionUp,
    PluginFailed,
    PluginNews,
    RequestRefused,
    SessionClaimed,
    SessionCreated,
    SessionEnded,
)
from boringsdp.janus_api.auth import Authorization
from boringsdp.janus_api.browser_sdp import check_browser_sdp
from boringsdp.janus_api.core import JanusCore
from boringsdp.janus_api.http_server import HttpServer
from boringsdp.janus_api.plugin import Plugin
from boringsdp.janus_api.server_info import AUTHOR, Component, ServerFacts, server_info, version_number
from boringsdp.janus_api.settings import JanusSettings
from boringsdp.janus_api.switchboard import Switchboard
from boringsdp.janus_api.websocket_server import WebSocketServer
from boringsdp.net.limit import RateLimit

log = logging.getLogger(__name__)

MAX_SAFE_INTEGER = 2**53 - 1
LONGEST_REASON = 300
"""Characters of a refusal's reason in the log: reasons quote what clients sent."""
REFUSALS_LOGGED_PER_SECOND = 5.0
REFUSALS_LOGGED_AT_ONCE = 50
"""More are counted, not logged: a stranger must not be able to fill a disk."""


def _ignore(news: News) -> None:
    pass


class JanusServer:
    """
    The API on all its addresses. Build it within a running event loop; `start`, `drain` (optional), `close`.

    `plugins` are built but not started (see `build_plugins`). `on_news` hears of sessions, handles, PeerConnections and refused requests,
    for metrics and event handlers; they are logged in any case. `authorization` is made from the settings when not given.
    `routes` are further HTTP resources (metrics, a page) on the addresses of the HTTP transport.
    """

    def __init__(
        self,
        settings: JanusSettings,
        plugins: Mapping[str, Plugin],
        *,
        facts: ServerFacts | None = None,
        authorization: Authorization | None = None,
        on_news: Callable[[News], None] = _ignore,
        routes: Iterable[web.AbstractRouteDef] = (),
    ) -> None:
        self._settings = settings
        self._plugins = dict(plugins)
        self._facts = facts or ServerFacts()
        self._authorization = authorization or Authorization.from_settings(settings.authentication, time.time)
        self._on_news = on_news
        self._switchboard = Switchboard(self._hear, asyncio.get_running_loop())
        self._core = JanusCore(
            settings,
            self._plugins,
            self._authorization,
            new_id=lambda: secrets.randbelow(MAX_SAFE_INTEGER) + 1,
            check_sdp=check_browser_sdp,
            info=self._info,
            ready=self._switchboard.ready,
        )
        self._switchboard.serve(self._core)
        self._websockets = [WebSocketServer(self._switchboard, listener, settings) for listener in settings.websockets]
        routes = tuple(routes)
        self._http = [HttpServer(self._switchboard, listener, settings, routes) for listener in settings.http]
        self._refusals = RateLimit(REFUSALS_LOGGED_PER_SECOND, REFUSALS_LOGGED_AT_ONCE)
        self._closed = False
        self._servers: tuple[WebSocketServer | HttpServer, ...] = (*self._websockets, *self._http)

    @property
    def core(self) -> JanusCore:
        """For the admin API and metrics: counts and `record()`."""
        return self._core

    @property
    def authorization(self) -> Authorization:
        """For the admin API: the token store."""
        return self._authorization

    @property
    def packages(self) -> tuple[str, ...]:
        """The plugins that serve; after `start`."""
        return tuple(self._plugins)

    @property
    def websocket_addresses(self) -> tuple[tuple[str, int], ...]:
        """Where WebSockets are listened for, as bound; after `start`."""
        return tuple(server.address for server in self._websockets)

    @property
    def http_addresses(self) -> tuple[tuple[str, int], ...]:
        """Where HTTP is listened for, as bound; after `start`."""
        return tuple(server.address for server in self._http)

    async def start(self) -> None:
        """Start the plugins, then listen. Raises `OSError`, with nothing left open, when an address cannot be had."""
        for package, plugin in list(self._plugins.items()):
            try:
                await plugin.start()
            except Exception:  # the border of foreign code: one plugin less
                log.exception("plugin cannot be started", extra={"plugin": package})
                del self._plugins[package]
        try:
            for server in self._servers:
                await server.start()
        except OSError:
            await self.close()
            raise
        self._warn()

    def drain(self) -> None:
        """Accept no more sessions; those that are there go on. `core.session_count` tells when none is left."""
        self._core.accepting = False

    async def close(self) -> None:
        """End all sessions, disconnect all clients, close the plugins. Once more is nothing."""
        if self._closed:
            return
        self._closed = True
        self._switchboard.end_sessions()
        await asyncio.gather(*(server.close() for server in self._servers))
        self._switchboard.close()
        for package, plugin in self._plugins.items():
            try:
                await plugin.close()
            except Exception:  # the border of foreign code
                log.exception("plugin cannot be closed", extra={"plugin": package})

    def _warn(self) -> None:
        guarded = self._authorization.needs_secret or self._authorization.needs_token or self._settings.access.acl
        bound = (*self.websocket_addresses, *self.http_addresses)
        wide = sorted({host for host, _ in bound if not ipaddress.ip_address(host.partition("%")[0]).is_loopback})
        if wide and not guarded:
            text = "janus api is open to everyone who can reach it; set janus.token_secret, janus.api_secret or janus.acl"
            log.warning(text, extra={"addresses": ", ".join(wide)})

    def _info(self, accepting: bool) -> dict[str, object]:
        return server_info(
            self._facts,
            self._settings,
            self._plugins.values(),
            self._transports(),
            accepting=accepting,
            needs_secret=self._authorization.needs_secret,
            needs_token=self._authorization.needs_token,
        )

    def _transports(self) -> dict[str, Component]:
        served = {
            websocket_server.PACKAGE: ("WebSockets transport", "The Janus API over WebSockets", self._websockets),
            http_server.PACKAGE: ("HTTP transport", "The Janus API over HTTP with long polls", self._http),
        }
        return {
            package: Component(
                name=name,
                author=AUTHOR,
                description=description,
                version=version_number(__version__),
                version_string=__version__,
            )
            for package, (name, description, servers) in served.items()
            if servers
        }

    def _hear(self, news: News) -> None:
        unlogged = self._refusals.allow(asyncio.get_running_loop().time()) if isinstance(news, RequestRefused) else 0
        if unlogged is not None:
            log_news(news, unlogged)
        self._on_news(news)


def log_news(news: News, unlogged: int = 0) -> None:
    """One constant line for each, the facts as fields; `unlogged` refusals before this one were too many to be logged."""
    match news:
        case SessionCreated():
            log.debug("session created", extra={"session": news.session_id, "transport": news.transport})
        case SessionClaimed():
            log.info("session claimed", extra={"session": news.session_id, "transport": news.transport})
        case SessionEnded():
            facts = {"session": news.session_id, "why": news.why.value, "dropped_events": news.dropped_events}
            log.debug("session ended", extra=facts)
        case HandleAttached() | HandleDetached():
            word = "handle attached" if isinstance(news, HandleAttached) else "handle detached"
            log.debug(word, extra={"session": news.session_id, "handle": news.handle_id, "plugin": news.package})
        case PeerConnectionUp():
            log.info("peer connection up", extra={"session": news.session_id, "handle": news.handle_id})
        case PeerConnectionEnded():
            facts = {"session": news.session_id, "handle": news.handle_id, "reason": news.reason}
            log.log(logging.INFO if news.up else logging.DEBUG, "peer connection ended", extra=facts)
        case RequestRefused():
            where = {"session": news.session_id, "handle": news.handle_id}
            named = {name: number for name, number in where.items() if number is not None}
            more = {"refused_unlogged": unlogged} if unlogged else {}
            log.warning("request refused", extra=named | {"code": news.code, "reason": news.reason[:LONGEST_REASON]} | more)
        case PluginFailed():
            facts = {"plugin": news.package, "handle": news.handle_id, "during": news.during}
            log.error("plugin failed", exc_info=news.error, extra=facts)
        case PluginNews():
            log.debug("plugin news", extra={"session": news.session_id, "handle": news.handle_id, "plugin": news.package})
