"""What the core asks the shell to do: messages for clients, ends of long polls, and news for logs, metrics and event handlers."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from boringsdp.values import Value


@dataclass(slots=True, frozen=True)
class Connection:
    """
    Where a request came from. `transport` is the transport's package name.

    `lasting`: events can be sent on it at any time (a WebSocket); otherwise it takes one reply (an HTTP request), and the sessions made
    on it are polled.
    """

    number: int
    transport: str
    lasting: bool


class Send(Value, frozen=True):
    """One JSON message for a client. On a connection that does not last this is the reply, and there is exactly one."""

    connection: Connection
    text: bytes


@dataclass(slots=True, frozen=True)
class PollDone:
    """The answer to a long poll: an event, an array of events, or a keepalive."""

    poll: int
    text: bytes


@dataclass(slots=True, frozen=True)
class PollRefused:
    """A long poll that is not served: HTTP `status` and no body."""

    poll: int
    status: int


class SessionEnd(enum.Enum):
    """Why a session is gone."""

    DESTROYED = "destroyed"
    TIMED_OUT = "timed out"
    TRANSPORT_LOST = "transport lost"
    SHUT_DOWN = "shut down"


@dataclass(slots=True, frozen=True)
class SessionCreated:
    session_id: int
    transport: str


@dataclass(slots=True, frozen=True)
class SessionClaimed:
    """Another connection took a session over."""

    session_id: int
    transport: str


@dataclass(slots=True, frozen=True)
class SessionEnded:
    session_id: int
    why: SessionEnd
    dropped_events: int


@dataclass(slots=True, frozen=True)
class HandleAttached:
    session_id: int
    handle_id: int
    package: str
    opaque_id: str | None


@dataclass(slots=True, frozen=True)
class HandleDetached:
    session_id: int
    handle_id: int
    package: str


@dataclass(slots=True, frozen=True)
class PeerConnectionUp:
    session_id: int
    handle_id: int


@dataclass(slots=True, frozen=True)
class PeerConnectionEnded:
    """`up`: it had come up before."""

    session_id: int
    handle_id: int
    reason: str
    up: bool


@dataclass(slots=True, frozen=True)
class RequestRefused:
    """A request got an error, of the API or of a plugin; `reason` is what the client was told."""

    code: int
    reason: str
    session_id: int | None
    handle_id: int | None = None


@dataclass(slots=True, frozen=True)
class PluginFailed:
    """A plugin raised what its contract does not name; `during` is the method. The request or the handle paid for it, nothing else."""

    package: str
    handle_id: int
    during: str
    error: Exception = field(repr=False)


class PluginNews(Value, frozen=True):
    """What a plugin has to say to event handlers (Janus event type 64)."""

    session_id: int
    handle_id: int
    opaque_id: str | None
    package: str
    data: Mapping[str, Any]


News = (
    SessionCreated
    | SessionClaimed
    | SessionEnded
    | HandleAttached
    | HandleDetached
    | PeerConnectionUp
    | PeerConnectionEnded
    | RequestRefused
    | PluginFailed
    | PluginNews
)

Action = Send | PollDone | PollRefused | News
