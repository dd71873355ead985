"""Event subscriptions as their notifier has them (RFC 6665 §4.2): news sent one by one, refreshed, ended. A usage (`actions.py`)."""

from __future__ import annotations

import enum
import secrets
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from boringsdp.errors import SipError, WrongState
from boringsdp.sip import headers as views
from boringsdp.sip.actions import Ask, Done, Reply, Tell, UsageAction
from boringsdp.sip.build import response as build_response
from boringsdp.sip.dialog import Dialog
from boringsdp.sip.message import Request, Response

MAX_QUEUED = 8
"""News that wait for the answer to those before: beyond it the oldest is left out."""

HeaderLines = Iterable[tuple[str, str]]


@dataclass(slots=True, frozen=True)
class NotifierRefreshed:
    """The subscriber wants to hear on, for so many seconds."""

    request: Request
    expires: int


@dataclass(slots=True, frozen=True)
class NotifierEnded:
    """Nobody listens any more, and the peer knows: `reason` is unsubscribed, timeout, refused, or the one given to `terminate`."""

    reason: str


class State(enum.Enum):
    ASKED = "asked"
    ACTIVE = "active"
    ENDING = "ending"
    OVER = "over"


class News(NamedTuple):
    """One NOTIFY; `state` is the word of Subscription-State, with `reason` when it is the last."""

    state: str
    reason: str
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class Notifier:
    """
    What a SUBSCRIBE, or a REFER within or without a dialog, asks for. `accept` or `reject` answers it; then `notify`, and `terminate`.

    `dialog` is that of the session it came in; None: it makes one of its own, whose tag is `local_tag`. `event` is the Event header of
    what is sent.
    """

    def __init__(
        self, request: Request, transaction: int, *, event: str, dialog: Dialog | None = None, contact: str = "",
        expires: int = 3600, least: int = 0, token: Callable[[int], str] = secrets.token_hex,
    ) -> None:  # fmt: skip
        """`expires` is the most that is granted, and what is when nothing is asked for. Raises SipError when no dialog can be made."""
        self.request = request
        self.event = event
        self.state = State.ASKED
        self._transaction = transaction
        self._own = dialog is None
        self.local_tag = token(8) if dialog is None else dialog.id.local_tag
        self.dialog = Dialog.of_request(request, self.local_tag) if dialog is None else dialog
        self._contact = contact
        self._most = expires
        asked = views.expires(request) if request.method == "SUBSCRIBE" else None
        self.expires = expires if asked is None else min(asked, expires)
        self._least = least
        self._exchange = 0
        self._waiting = False
        self._queue: deque[News] = deque()
        self._last: News | None = None
        self._until: float | None = None
        self._ended = ""

    # --- commands ------------------------------------------------------------------------------------------------------------------

    def accept(self, now: float, code: int = 200, headers: HeaderLines = ()) -> list[UsageAction]:
        """Take the subscription; a `notify` is owed at once. One shorter than `least` is refused by 423, and is over."""
        self._check(State.ASKED)
        if 0 < self.expires < self._least:
            return self.reject(423, headers=[("Min-Expires", str(self._least))])
        self.state = State.ACTIVE
        self._until = now + self.expires
        lines = [("Expires", str(self.expires))] if self.request.method == "SUBSCRIBE" else []
        return [self._reply(code, headers=[*lines, *headers])]

    def reject(self, code: int = 603, reason: str = "", headers: HeaderLines = ()) -> list[UsageAction]:
        """Refuse it."""
        self._check(State.ASKED)
        self.state = State.OVER
        return [self._reply(code, reason, headers), Done()]

    def notify(
        self, now: float, content_type: str = "", body: bytes = b"", *, pending: bool = False, headers: HeaderLines = ()
    ) -> list[UsageAction]:
        """Send news, when those before have been answered. After a subscription for 0 s it is the last."""
        self._check(State.ACTIVE)
        if self.expires == 0:
            return self.terminate(now, "timeout", content_type, body, headers=headers)
        return self._say(News("pending" if pending else "active", "", content_type, body, tuple(headers)), now)

    def terminate(
        self, now: float, reason: str = "noresource", content_type: str = "", body: bytes = b"", *, headers: HeaderLines = ()
    ) -> list[UsageAction]:
        """Send the last news, and the reason why there are no more (RFC 6665 §4.1.3)."""
        self._check(State.ACTIVE)
        self.state, self._ended = State.ENDING, reason
        return self._say(News("terminated", reason, content_type, body, tuple(headers)), now)

    # --- of a usage -----------------------------------------------------------------------------------------------------------------

    def receive_request(self, request: Request, transaction: int | None, now: float) -> list[UsageAction]:
        """A SUBSCRIBE in the dialog: a refresh, or the end (Expires: 0)."""
        if transaction is None:
            return []
        if request.method != "SUBSCRIBE" or self.state is not State.ACTIVE:
            refusal = build_response(405, headers=[("Allow", "SUBSCRIBE")]) if self.state is State.ACTIVE else build_response(481)
            return [Reply(transaction, refusal)]
        try:
            if self._own and not self.dialog.in_order(request):
                return [Reply(transaction, build_response(500))]
            asked = views.expires(request)
        except SipError as problem:
            return [Reply(transaction, build_response(400, f"Bad {problem.header}"))]
        granted = self._most if asked is None else min(asked, self._most)
        if 0 < granted < self._least:
            return [Reply(transaction, build_response(423, headers=[("Min-Expires", str(self._least))]))]
        self.dialog.refresh_target(request)
        lines = [("Expires", str(granted)), *([("Contact", self._contact)] if self._contact else [])]
        actions: list[UsageAction] = [Reply(transaction, build_response(200, headers=lines))]
        last = self._last or News("active", "", "", b"")
        if granted == 0:
            return [*actions, *self.terminate(now, "timeout", last.content_type, last.body)]
        self.expires, self._until = granted, now + granted
        return [*actions, Tell(NotifierRefreshed(request, granted)), *self._say(last, now)]

    def receive_response(self, exchange: int, response: Response, now: float) -> list[UsageAction]:
        if exchange != self._exchange or not self._waiting or response.code < 200:
            return []
        self._waiting = False
        if response.code >= 300 and self.state is not State.ENDING and not (response.code == 503 and "retry-after" in response.headers):
            return self._end("refused")  # RFC 6665 §4.2.2
        if self._queue:
            return self._send(now)
        return self._end(self._ended) if self.state is State.ENDING else []

    def tick(self, now: float) -> list[UsageAction]:
        if self.state is not State.ACTIVE or self._until is None or self._until > now:
            return []
        return self.terminate(now, "timeout")

    def deadline(self) -> float | None:
        return self._until if self.state is State.ACTIVE else None

    # --- inside ---------------------------------------------------------------------------------------------------------------------

    def _say(self, news: News, now: float) -> list[UsageAction]:
        self._last = news
        self._queue.append(news)
        if len(self._queue) > MAX_QUEUED:
            self._queue.popleft()
        return [] if self._waiting else self._send(now)

    def _send(self, now: float) -> list[UsageAction]:
        news = self._queue.popleft()
        left = "" if self._until is None else f";expires={max(0, round(self._until - now))}"
        state = f"{news.state};reason={news.reason}" if news.state == "terminated" else f"{news.state}{left}"
        lines = [("Event", self.event), ("Subscription-State", state), *news.headers]
        request = self.dialog.request("NOTIFY", lines, news.content_type, news.body, contact=self._contact)
        self._waiting = True
        self._exchange += 1
        return [Ask(self._exchange, request, self.dialog.sequence)]

    def _reply(self, code: int, reason: str = "", headers: HeaderLines = ()) -> Reply:
        lines = [*headers]
        if self._own:
            lines.append(("To", self.dialog.local))
            routes = self.request.headers.all("Record-Route") if code < 300 else []
            lines += [("Record-Route", value) for value in routes]
        if self._contact and code < 300:
            lines.append(("Contact", self._contact))
        return Reply(self._transaction, build_response(code, reason or None, headers=lines))

    def _end(self, reason: str) -> list[UsageAction]:
        self.state, self._until = State.OVER, None
        self._queue.clear()
        return [Tell(NotifierEnded(reason)), Done()]

    def _check(self, wanted: State) -> None:
        if self.state is not wanted:
            raise WrongState(self.state.value, wanted.value)
