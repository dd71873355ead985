"""Requests that a front may answer, and transfers that it is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from boringsdp.errors import SipError, WrongState
from boringsdp.sip import headers as views
from boringsdp.sip.account import HeaderLines
from boringsdp.sip.build import response
from boringsdp.sip.entries import Entry, RequestCame
from boringsdp.sip.flow import Flow
from boringsdp.sip.refer import Referred
from boringsdp.sip.uri import SipUri, unescape

if TYPE_CHECKING:
    from boringsdp.sip.account import Hear
    from boringsdp.sip.endpoint import Endpoint
    from boringsdp.sip.facades.notifier import NotifierHandle

Lines = Iterable[tuple[str, str]]
CARRIED = ("replaces", "join", "target-dialog", "referred-by")
"""Headers of a Refer-To URI that go into the call: others could change what it is."""


class Incoming:
    """A request that its owner may answer."""

    def __init__(self, endpoint: Endpoint, news: RequestCame) -> None:
        self.request = news.request
        self.answered = False
        self.kept = False
        self._news = news
        self._endpoint = endpoint

    @property
    def flow(self) -> Flow:
        """What it came by."""
        return self._news.flow

    def later(self) -> None:
        """Keep it: it is not answered by itself when `hear` returns. Answer within 30 s."""
        self.kept = True

    def answer(self, code: int = 200, reason: str = "", headers: Lines = (), *, content_type: str = "", body: bytes = b"") -> None:
        """Send the final response. WrongState when there was one."""
        if self.answered:
            raise WrongState("answered", "a request that has no final response")
        lines = self._endpoint.check_headers(headers, self._news.line)
        self.answered = True
        made = response(code, reason or None, headers=lines, content_type=content_type, body=body)
        self._endpoint.reply(self._news.transaction, made)

    def accept_subscription(self, expires: int, hear: Hear | None = None) -> NotifierHandle:
        """See `IncomingSubscribe.accept`."""
        if self.answered or self.request.method != "SUBSCRIBE":
            raise WrongState("answered" if self.answered else self.request.method, "a SUBSCRIBE that has no final response")
        self.answered = True
        return self._endpoint.commands.accept_subscription(self._news, expires, hear)


class Refer:
    """A REFER that came in, and the subscription to its progress that its sender has."""

    def __init__(self, endpoint: Endpoint, core: Referred, entry: Entry, flow: Flow) -> None:
        self.request = core.request
        self.flow = flow
        """What it came by."""
        self.hear: Hear | None = None
        """Is told NotifierEnded: the sender has answered the last that it was told, or hears nothing any more."""
        self.kept = False
        self.rejected = False
        self.accepted = False
        self._endpoint = endpoint
        self._core = core
        self._entry = entry

    @property
    def over(self) -> bool:
        """Whether nothing can be told any more."""
        return self.rejected or (self.accepted and self._core.over)

    @property
    def answered(self) -> bool:
        return self.accepted or self.rejected

    @property
    def refer_to(self) -> str:
        """The Refer-To header's URI as it came."""
        found = views.refer_to(self.request)
        return found.uri_text if found else ""

    @property
    def target(self) -> str:
        """The URI to call, without its embedded headers."""
        return self.refer_to.partition("?")[0]

    @property
    def referred_by(self) -> str:
        """The Referred-By header, empty without."""
        return self.request.headers.get("Referred-By") or ""

    @property
    def replaces(self) -> str:
        """The Replaces header that the call must carry (unescaped), empty without."""
        return dict(self._embedded()).get("replaces", "")

    @property
    def headers(self) -> HeaderLines:
        """What the call must carry: Replaces and the like from Refer-To, Referred-By."""
        embedded = [(name.title(), value) for name, value in self._embedded()]
        if self.referred_by and all(name != "Referred-By" for name, _ in embedded):
            embedded.append(("Referred-By", self.referred_by))
        return tuple(embedded)

    def _embedded(self) -> list[tuple[str, str]]:
        try:
            found = views.refer_to(self.request)
            uri = None if found is None else found.uri
        except SipError:
            return []
        if not isinstance(uri, SipUri):
            return []
        pairs = [(unescape(name).lower(), unescape(value)) for name, value in uri.headers]
        return [(name, value) for name, value in pairs if name in CARRIED and "\r" not in value and "\n" not in value]

    def later(self) -> None:
        """Keep it: it is not answered by itself when `hear` returns."""
        self.kept = True

    def accept(self, headers: Lines = ()) -> None:
        """Answer 202 and tell 100 Trying. May follow by itself, see ReferReceived; further calls do nothing."""
        if not self.answered:
            lines = self._endpoint.check_headers(headers, self._entry.line)
            self.accepted = True
            self._endpoint.run(self._entry, self._core.accept(self._endpoint.now(), lines))

    def reject(self, code: int = 603, reason: str = "", headers: Lines = ()) -> None:
        """Refuse: the response itself, with `headers`, or after `accept` a final NOTIFY."""
        if self.accepted:
            self.notify(code, reason)
        elif not self.rejected:
            self.rejected = True
            lines = self._endpoint.check_headers(headers, self._entry.line)
            self._endpoint.run(self._entry, self._core.reject(code, reason, lines))

    def notify(self, code: int, reason: str = "") -> None:
        """Tell how the call fares; a final code ends the subscription. `Account.invite(refer=…)` does that by itself."""
        if not self.rejected:
            self.accept()
            self._endpoint.run(self._entry, self._core.notify(code, reason, now=self._endpoint.now()))
