"""A subscription that somebody has with us, as a front has it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from boringsdp.sip.entries import Entry
from boringsdp.sip.message import Request
from boringsdp.sip.notifier import Notifier, State

if TYPE_CHECKING:
    from boringsdp.sip.account import Hear
    from boringsdp.sip.endpoint import Endpoint
    from boringsdp.sip.facades.account import Account
    from boringsdp.sip.flow import Flow

Lines = Iterable[tuple[str, str]]


class NotifierHandle:
    """
    What `IncomingSubscribe.accept` gives. `hear` is told NotifierRefreshed (what was last told goes out again by itself) and NotifierEnded,
    after which nothing more is.
    """

    def __init__(self, endpoint: Endpoint, account: Account, core: Notifier, entry: Entry, hear: Hear | None = None) -> None:
        self.hear = hear
        self.account = account
        self.entry = entry
        self.core = core
        self._endpoint = endpoint

    @property
    def request(self) -> Request:
        """The SUBSCRIBE that began it."""
        return self.core.request

    @property
    def call_id(self) -> str:
        return self.core.dialog.id.call_id

    @property
    def expires(self) -> int:
        """Seconds that were granted last."""
        return self.core.expires

    @property
    def flow(self) -> Flow | None:
        """The connection of the browser that it goes by, if any."""
        return self._endpoint.way_of(self.entry)

    @property
    def over(self) -> bool:
        """Whether nothing can be told any more."""
        return self.core.state in (State.ENDING, State.OVER)

    def notify(self, state: str = "active", content_type: str = "", body: bytes = b"", headers: Lines = ()) -> None:
        """Send news, after those before have been answered; `state` is `active` or `pending`. Nothing when it is over."""
        if not self.over:
            lines = self._endpoint.check_headers(headers, self.entry.line)
            now = self._endpoint.now()
            self._endpoint.run(self.entry, self.core.notify(now, content_type, body, pending=state == "pending", headers=lines))

    def terminate(self, reason: str = "noresource", content_type: str = "", body: bytes = b"", headers: Lines = ()) -> None:
        """Send the last news, and the reason why there are no more (RFC 6665 §4.1.3). Nothing when it is over."""
        if not self.over:
            lines = self._endpoint.check_headers(headers, self.entry.line)
            self._endpoint.run(self.entry, self.core.terminate(self._endpoint.now(), reason, content_type, body, headers=lines))
