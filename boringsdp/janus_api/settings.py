"""What can be set about the Janus API. Plain values; `config.py` fills them and names the keys."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, frozen=True)
class Listener:
    """One address to listen on; port 0 takes any free one. With an `ssl` context the listener speaks TLS only."""

    host: str
    port: int
    ssl: ssl.SSLContext | None = None


@dataclass(slots=True, frozen=True, kw_only=True)
class Access:
    """
    Who may connect. `acl`: address prefixes (`"10.0."`) or networks (`"10.0.0.0/8"`), empty for everyone; `acl_forwarded` looks at the
    first address of X-Forwarded-For instead of the socket's. `allow_origin` is what CORS headers say; `enforce_cors` refuses others.
    """

    acl: tuple[str, ...] = ()
    acl_forwarded: bool = False
    allow_origin: str | None = None
    enforce_cors: bool = False


@dataclass(slots=True, frozen=True, kw_only=True)
class Authentication:
    """
    What a request must carry (nothing when all is unset). `tokens` maps stored tokens to the packages they may attach to, None for any;
    `token_auth` turns them on. `token_auth_secret` makes tokens signed ones instead, which need not be stored.
    """

    api_secret: str | None = field(default=None, repr=False)
    token_auth: bool = False
    tokens: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict, repr=False)
    token_auth_secret: str | None = field(default=None, repr=False)


@dataclass(slots=True, frozen=True, kw_only=True)
class Limits:
    """Named limits of the API. Sizes in bytes, the rest are counts."""

    sessions: int = 10_000
    sessions_per_connection: int = 1_000
    """Of one WebSocket; HTTP has none."""
    handles_per_session: int = 100
    message_size: int = 256 * 1024
    queued_events: int = 500
    """Events that wait for a long poll or for a `claim`, per session; the oldest are dropped."""
    queued_sends: int = 1_000
    """Messages that wait for a slow WebSocket client; it is disconnected when there are more."""
    polls_per_session: int = 8
    websocket_connections: int = 10_000
    http_connections: int = 10_000
    early_candidates: int = 64


@dataclass(slots=True, frozen=True, kw_only=True)
class JanusSettings:
    """Everything about the Janus API. Times in seconds; `session_timeout` 0 means never, `reclaim_session_timeout` 0 not at all."""

    websockets: tuple[Listener, ...] = (Listener("0.0.0.0", 8188),)
    http: tuple[Listener, ...] = (Listener("0.0.0.0", 8088),)
    base_path: str = "/janus"
    access: Access = Access()
    authentication: Authentication = Authentication()
    limits: Limits = Limits()
    session_timeout: float = 60.0
    reclaim_session_timeout: float = 0.0
    candidates_timeout: float = 45.0
    long_poll_timeout: float = 30.0
    ping_interval: float = 30.0
    """How often an idle WebSocket is pinged; a client that does not answer within half of it is disconnected. 0: never."""
    hangup_on_failed: bool = False
    opaqueid_in_api: bool = False
    server_name: str = "BoringSDP"
    disabled_plugins: frozenset[str] = frozenset()
    plugins: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Each plugin's own section, by package name."""
