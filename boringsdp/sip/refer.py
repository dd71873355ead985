"""Transfers (RFC 3515, RFC 4488, Replaces of RFC 3891): who asks for one, and who is asked. Usages (`actions.py`)."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from boringsdp.errors import SipError
from boringsdp.sip import headers as views
from boringsdp.sip.actions import Ask, Done, Reply, Tell, UsageAction
from boringsdp.sip.build import reason_of
from boringsdp.sip.build import response as build_response
from boringsdp.sip.dialog import Dialog
from boringsdp.sip.message import Request, Response
from boringsdp.sip.notifier import Notifier, State
from boringsdp.sip.uri import escape_header

HeaderLines = Iterable[tuple[str, str]]

SIPFRAG = "message/sipfrag;version=2.0"
SILENCE_S = 180.0
"""After so long without news of a transfer that was accepted no more are waited for, unless the other side promised so."""

GRANTED_S = 600
"""How long who asks us for a transfer hears of it: telephones may ring for long."""

LAST_S = 32.0
"""How long a final status may be ahead of the end of its subscription."""

MAX_STATUS = 256
"""Octets of a sipfrag's first line."""


@dataclass(slots=True, frozen=True)
class ReferAccepted:
    """The other side accepted our REFER; NOTIFYs follow unless `subscribed` is False (RFC 4488)."""

    response: Response
    subscribed: bool = True


@dataclass(slots=True, frozen=True)
class ReferFailed:
    """The other side refused our REFER."""

    code: int
    reason: str
    response: Response


@dataclass(slots=True, frozen=True)
class ReferProgress:
    """What became of the transfer so far, from the sipfrag of a NOTIFY; `code` 0: it held none."""

    code: int
    reason: str
    request: Request
    final: bool


@dataclass(slots=True, frozen=True)
class ReferEnded:
    """No NOTIFY will come any more; `reason` of Subscription-State, or `timeout`."""

    reason: str


def refer_to(uri: str, replaces: str = "") -> str:
    """Return the value of Refer-To; `replaces` is a Replaces value (RFC 3891) that the call to `uri` shall carry."""
    if not replaces:
        return f"<{uri}>"
    return f"<{uri}{'&' if '?' in uri else '?'}Replaces={escape_header(replaces)}>"


def fragment(code: int, reason: str = "") -> bytes:
    """Return the body of a NOTIFY about a call that has got this response."""
    return f"SIP/2.0 {code} {reason or reason_of(code)}\r\n".encode("utf-8", "surrogateescape")


def read_fragment(body: bytes) -> tuple[int, str]:
    """Return code and reason of the status line that a sipfrag begins with, or (0, "")."""
    line = body.lstrip(b"\r\n")[:MAX_STATUS].split(b"\n", 1)[0].decode("utf-8", "replace").strip()
    words = line.split(None, 2)
    if len(words) < 2 or not words[0].upper().startswith("SIP/") or not (words[1].isascii() and words[1].isdigit() and len(words[1]) == 3):
        return 0, ""
    code = int(words[1])
    return (code, words[2] if len(words) > 2 else "") if 100 <= code < 700 else (0, "")


class Referral:
    """
    A REFER of ours within a dialog, and what we hear of it. The user agent leads to it the NOTIFYs for which `is_mine` is true.

    It has the dialog in common with a session, which goes on taking care of the order of the peer's requests.
    """

    def __init__(
        self, dialog: Dialog, target: str, *, referred_by: str = "", headers: HeaderLines = (), contact: str = "", silent: bool = False
    ) -> None:
        """`target` is a whole Refer-To value; `silent` asks for no NOTIFYs (RFC 4488), which the other side may refuse to promise."""
        self._dialog = dialog
        self._lines = [("Refer-To", target), *([("Referred-By", referred_by)] if referred_by else []), *headers]
        if silent:
            self._lines += [("Refer-Sub", "false"), ("Supported", "norefersub")]
        self._contact = contact
        self._number: int | None = None
        """The CSeq of the REFER that was accepted: the id of its events."""
        self._waiting = True
        self._at: float | None = None

    def start(self, now: float) -> list[UsageAction]:
        request = self._dialog.request("REFER", self._lines, contact=self._contact)
        return [Ask(1, request, self._dialog.sequence)]

    def stop(self, now: float) -> list[UsageAction]:
        """Hear no more of it: its NOTIFYs will find nobody (481), which ends them."""
        return [Done()]

    def is_mine(self, request: Request) -> bool:
        """Whether a request of the dialog is a NOTIFY about this REFER; those without an id are about any."""
        try:
            event = views.event(request)
        except SipError:
            return False
        if request.method != "NOTIFY" or event is None or event.package != "refer":
            return False
        return event.id is None or self._number is None or event.id == str(self._number)

    def receive_request(self, request: Request, transaction: int | None, now: float) -> list[UsageAction]:
        if transaction is None:
            return []
        if not self.is_mine(request):
            return [Reply(transaction, build_response(481))]
        try:
            state = views.subscription_state(request)
        except SipError:
            return [Reply(transaction, build_response(400, "Bad Subscription-State"))]
        code, reason = read_fragment(request.body)
        # Deviation from RFC 6665 §4.1.3: SIP.js says of each NOTIFY that it is the last; after one of ringing others come.
        over = state is not None and state.state == "terminated" and not 100 <= code < 200
        actions: list[UsageAction] = [Reply(transaction, build_response(200))]
        if request.body:
            actions.append(Tell(ReferProgress(code, reason, request, over or code >= 200)))
        if over:
            return [*actions, Tell(ReferEnded((state.reason if state else None) or "noresource")), Done()]
        self._at = now + (LAST_S if code >= 200 else max(SILENCE_S, (state.expires if state else None) or 0))
        return actions

    def receive_response(self, exchange: int, response: Response, now: float) -> list[UsageAction]:
        if not self._waiting or response.code < 200:
            return []
        self._waiting = False
        if response.code >= 300:
            return [Tell(ReferFailed(response.code, response.reason, response)), Done()]
        try:
            self._number = views.cseq(response).number
        except SipError:
            self._number = None
        if (response.headers.get("Refer-Sub") or "").partition(";")[0].strip().lower() == "false":
            return [Tell(ReferAccepted(response, subscribed=False)), Done()]
        if self._at is None:
            self._at = now + SILENCE_S
        return [Tell(ReferAccepted(response))]

    def tick(self, now: float) -> list[UsageAction]:
        if self._at is None or self._at > now:
            return []
        self._at = None
        return [Tell(ReferEnded("timeout")), Done()]

    def deadline(self) -> float | None:
        return self._at


class Referred:
    """
    A REFER that came in: `accept` and then `notify` how the call that it asked for fares, or `reject`.

    With the `dialog` of a session it says so there; without, it makes a dialog of its own. A REFER that wants no news (Refer-Sub: false,
    RFC 4488) hears none and is over once accepted. What it tells itself is NotifierEnded.
    """

    def __init__(
        self, request: Request, transaction: int, *, dialog: Dialog | None = None, contact: str = "", numbered: bool = False,
        token: Callable[[int], str] = secrets.token_hex,
    ) -> None:  # fmt: skip
        """`numbered` says which REFER the news are about: needed from the second one in a dialog on. Raises SipError."""
        event = f"refer;id={views.cseq(request).number}" if numbered else "refer"
        self.notifier = Notifier(request, transaction, event=event, dialog=dialog, contact=contact, expires=GRANTED_S, token=token)
        self.request = request
        self._silent = (request.headers.get("Refer-Sub") or "").partition(";")[0].strip().lower() == "false"

    @property
    def dialog(self) -> Dialog:
        return self.notifier.dialog

    @property
    def local_tag(self) -> str:
        return self.notifier.local_tag

    @property
    def over(self) -> bool:
        """Whether nothing can be told any more."""
        return self.notifier.state in (State.ENDING, State.OVER)

    def accept(self, now: float, headers: HeaderLines = ()) -> list[UsageAction]:
        """Answer 202 and tell 100 Trying."""
        if self._silent:
            actions = self.notifier.accept(now, 202, [("Refer-Sub", "false"), *headers])
            self.notifier.state = State.OVER
            return [*actions, Done()]
        return [*self.notifier.accept(now, 202, headers), *self.notify(100, now=now)]

    def reject(self, code: int = 603, reason: str = "", headers: HeaderLines = ()) -> list[UsageAction]:
        """Refuse it."""
        return self.notifier.reject(code, reason, headers)

    def notify(self, code: int, reason: str = "", *, now: float) -> list[UsageAction]:
        """Tell the status of the call; a final one is the last. Nothing happens when nobody listens."""
        if self.notifier.state is not State.ACTIVE:
            return []
        body = fragment(code, reason)
        if code < 200:
            return self.notifier.notify(now, SIPFRAG, body)
        return self.notifier.terminate(now, "noresource", SIPFRAG, body)

    def receive_request(self, request: Request, transaction: int | None, now: float) -> list[UsageAction]:
        return self.notifier.receive_request(request, transaction, now)

    def receive_response(self, exchange: int, response: Response, now: float) -> list[UsageAction]:
        return self.notifier.receive_response(exchange, response, now)

    def tick(self, now: float) -> list[UsageAction]:
        return self.notifier.tick(now)

    def deadline(self) -> float | None:
        return self.notifier.deadline()
