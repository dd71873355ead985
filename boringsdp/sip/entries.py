"""The usages as the user agent holds them, and the news it has of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from boringsdp.sip.actions import UsageAction
from boringsdp.sip.exchange import Outlet
from boringsdp.sip.flow import Flow
from boringsdp.sip.line import Line
from boringsdp.sip.message import Request, Response


class Usage(Protocol):
    """What the user agent needs of a session, a registration, a subscription (`actions.py`)."""

    def receive_request(self, request: Request, transaction: int | None, now: float) -> list[UsageAction]: ...
    def receive_response(self, exchange: int, response: Response, now: float) -> list[UsageAction]: ...
    def tick(self, now: float) -> list[UsageAction]: ...
    def deadline(self) -> float | None: ...


@dataclass(slots=True, eq=False)
class Entry:
    """A usage and what belongs to it."""

    number: int
    usage: Usage
    line: Line
    outlet: Outlet
    dialog: tuple[str, str] | None = None
    """Call-ID and our tag."""
    beside: bool = False
    """The dialog is, or was, that of a session: this is a transfer in it, and gets requests about it alone."""
    intercept: Callable[[Any, float], bool] | None = None
    """Sees what the usage tells before its owner does; true: it is not told."""
    face: Any = None
    """What its owner holds in hand."""
    way: Flow | None = None
    """The connection of a browser that all its requests go by; None: where Route and Request-URI lead. `UserAgent.lead` sets it."""
    came: Flow | None = None
    """What the request came by that began it."""


class News(NamedTuple):
    """An event of a usage for its owner."""

    entry: Entry
    event: Any


class Forgotten(NamedTuple):
    """A usage is done: no news of it will come."""

    entry: Entry


class CallCame(NamedTuple):
    """An INVITE for an account, or one of its claims (0: none); `replaces` is the session that it names."""

    line: Line
    claim: int
    entry: Entry
    request: Request
    sdp: bytes | None
    replaces: Entry | None


class Suspect(NamedTuple):
    """Something came that those we know do not send: a request that is broken, for nobody, or of what is not served here."""

    flow: Flow
    cause: str


class Strayed(NamedTuple):
    """A request in a dialog that goes by a connection of a browser came by another one."""

    old: Flow
    new: Flow


class RequestCame(NamedTuple):
    """Any other request that a front may answer; `entry` is the session it came in, None outside of dialogs."""

    line: Line
    claim: int
    entry: Entry | None
    request: Request
    transaction: int
    flow: Flow
