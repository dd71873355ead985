"""What can be set about the NG front. Plain values; `config.py` fills them and names the keys."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

from boringsdp.ng.requests import Learning

Address = tuple[str, int]


@dataclass(slots=True, frozen=True, kw_only=True)
class Limits:
    """Named limits of the transports. Sizes in octets, the rest are counts."""

    message_size: int = 256 * 1024
    """Of one request on a stream or over HTTP; a datagram ends at 64 KiB by itself. Also of what waits unread on one TCP connection."""
    cookie_size: int = 512
    """A longer one is treated as none: the cookie is the one part of a request that is sent back and stored."""
    queued_requests: int = 2_000
    """Requests of all clients that wait to be executed. More are dropped: over UDP in silence, for the client will repeat them."""
    queued_bytes: int = 32 * 1024 * 1024
    """The same in octets of request bodies."""
    waiters_per_request: int = 8
    """Copies of one request that are answered when the first has been executed."""
    cached_replies: int = 20_000
    """Replies kept for repeated requests, in each of the two generations."""
    cached_bytes: int = 32 * 1024 * 1024
    """The same in octets."""
    connections: int = 1_000
    """Of TCP, of WebSocket, and HTTP requests under way: each."""
    requests_per_connection: int = 64
    """Requests of one TCP connection that wait; it is not read from while there are more."""
    unsent_bytes: int = 4 * 1024 * 1024
    """Replies that a TCP or WebSocket client has not taken; it is disconnected when there are more."""


@dataclass(slots=True, frozen=True, kw_only=True)
class NgSettings:
    """
    Everything about the NG front. Times in seconds, 0 is for ever. Port 0 takes any free one.

    `udp`, `tcp` and `http` are numeric addresses to listen on; WebSockets are served on those of HTTP. `acl` are networks that clients must
    come from, empty for everyone.
    """

    udp: tuple[Address, ...] = (("127.0.0.1", 2223),)
    tcp: tuple[Address, ...] = ()
    http: tuple[Address, ...] = ()
    tls: ssl.SSLContext | None = None
    """HTTP and WebSocket are https and wss with it."""
    acl: tuple[str, ...] = ()
    limits: Limits = Limits()

    interfaces: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Names for `direction`, with the local addresses behind them, in the order of the configuration."""
    templates: Mapping[str, str] = field(default_factory=dict)
    """What the key `template` names: flag strings as in `rtpp-flags`."""
    delete_delay_s: float = 30.0
    offer_timeout_s: float = 3600.0
    media_timeout_s: float = 60.0
    silent_timeout_s: float = 3600.0
    final_timeout_s: float = 0.0
    max_sessions: int = 0
    """New calls beyond it get `Parallel session limit reached` (or `load limit`); 0: only `limits.calls` counts."""
    tos: int = 0
    """IP TOS octet of media, unless a request says another."""
    learning: Learning = Learning.DELAYED
    timeout_url: str = ""
    """Where the end of a call by timeout is told, unless a request names another with `xmlrpc-callback`."""
    timeout_format: str = "json"
    """`json` (POST), or XML-RPC in the shapes `sems`, `call-id` and `kamailio`."""
    dtmf_log: Address | None = None
    """Where digits are told, unless a request names another with `DTMF-log-dest`."""
