"""Requests that are sent on: MESSAGE, OPTIONS, PUBLISH, REFER outside of dialogs, and MESSAGE, INFO, NOTIFY within those of a call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from boringsdp.b2bua.headers import unreached
from boringsdp.b2bua.plan import Kind
from boringsdp.errors import BoringError, Exhausted, Forbidden, SipError
from boringsdp.sip.build import response as build_response
from boringsdp.sip.message import Request, Response
from boringsdp.sip.name_address import name_address_text
from boringsdp.sip.session.events import RequestAnswered

if TYPE_CHECKING:
    from boringsdp.b2bua.plan import Attempt, Plan
    from boringsdp.sip.facades import Incoming, Refer, Session
    from boringsdp.sip.flow import Flow

Lines = Iterable[tuple[str, str]]
Unreachable = Callable[["Attempt", str], None]
"""Takes an attempt at a PBX that has not answered, and why."""

OF_METHOD = {
    "MESSAGE": ("Content-Disposition", "Content-Encoding", "Content-Language", "Expires", "Date"),
    "PUBLISH": ("Event", "Expires", "SIP-If-Match", "Content-Encoding"),
    "OPTIONS": ("Accept",),
    "NOTIFY": ("Event", "Subscription-State", "Content-Encoding"),
    "INFO": ("Info-Package", "Content-Disposition", "Content-Encoding"),
    "REFER": ("Refer-To", "Referred-By"),
    "SUBSCRIBE": (),
}
"""What a request is without meaning without, beside its content."""

OF_RESPONSE = ("SIP-ETag", "Expires", "Min-Expires", "Allow", "Accept", "Allow-Events", "Supported", "Retry-After")
CHALLENGES = ("WWW-Authenticate", "Proxy-Authenticate")

UNREACHED = (408, 480, 503)
"""Answers after which the next group is tried."""

MAX_INSIDE = 1000
"""Requests within calls that wait for their answer; beyond it the oldest is given up."""


class Messages:
    """One for the front. All that is told of is answered, now or later."""

    def __init__(self, unreachable: Unreachable) -> None:
        self._unreachable = unreachable
        self._inside: dict[tuple[int, int], Incoming] = {}
        """By the session that each was sent on in, and its number there."""

    def relay(self, incoming: Incoming, plan: Plan, *, challenges: bool = False) -> None:
        """
        Send a request from outside of dialogs on, and answer it with what comes back: the first 2xx of a group, else its best failure.

        Each attempt names its account, URI, flow, identity and headers; content goes along as it is. With `challenges` the sender knows the
        password that the other side asks for; else it is told 403. An empty plan is 404.
        """
        incoming.later()
        Relayed(incoming.request, plan, lambda response: _pass_back(incoming, response, challenges=challenges), self._unreachable).start()

    def relay_refer(self, refer: Refer, plan: Plan, *, challenges: bool = False) -> None:
        """Send a REFER from outside of dialogs on. The other side is asked for no news of it (RFC 4488); its answer is passed as news."""

        def answer(response: Response) -> None:
            code, reason, _ = told(response, challenges=challenges)
            if code < 300:
                refer.accept()
                refer.notify(code, reason)
            else:
                refer.reject(code, reason)

        refer.later()
        extra = (("Refer-Sub", "false"), ("Supported", "norefersub"))
        Relayed(refer.request, plan, answer, self._unreachable, extra).start()

    def relay_inside(self, incoming: Incoming, to: Session, headers: Lines = ()) -> None:
        """
        Send a request of one side's dialog on in the other's. `answered` must be told of every RequestAnswered of that session.

        `headers` are those that the settings let pass; those that belong to the method go along in any case.
        """
        request = incoming.request
        try:
            number = to.send(request.method, [*meant(request), *headers], content_type=_type(request), body=request.body)
        except BoringError as error:
            incoming.answer(code_of(error))
            return
        incoming.later()
        if len(self._inside) >= MAX_INSIDE:
            self._inside.pop(next(iter(self._inside))).answer(503)
        self._inside[to.number, number] = incoming

    def forget(self, session: Session) -> None:
        """Nobody hears a session any more: what was sent on in it, and has no answer, gets one from us."""
        for key in [key for key in self._inside if key[0] == session.number]:
            incoming = self._inside.pop(key)
            if not incoming.answered:
                incoming.answer(480)

    def answered(self, session: Session, news: RequestAnswered) -> bool:
        """Take the answer to a request that was sent on within a call; False when it is to something else."""
        incoming = self._inside.pop((session.number, news.number), None)
        if incoming is None:
            return False
        _pass_back(incoming, news.response, challenges=False)
        return True


class Relayed:
    """One request on its way: to the attempts of one group at once, and then to the next group, until somebody takes it."""

    def __init__(self, request: Request, plan: Plan, done: Callable[[Response], None], unreachable: Unreachable, extra: Lines = ()) -> None:
        self._request = request
        self._groups = iter(plan)
        self._done: Callable[[Response], None] | None = done
        self._unreachable = unreachable
        self._extra = tuple(extra)
        self._waiting = 0
        self._failures: list[Response] = []

    def start(self) -> None:
        """Send it to the next group; without one the best failure is what is told."""
        while self._done is not None:
            group = next(self._groups, None)
            if group is None:
                self._tell(best(self._failures) if self._failures else build_response(404))
                return
            self._waiting = len(group)
            for attempt in group:
                self._send(attempt)
            if self._waiting or not self._go_on():
                return

    def _send(self, attempt: Attempt) -> None:
        flow = flow_of(attempt)
        if flow is None and attempt.kind is Kind.BROWSER:
            self._failed(build_response(480))
            return
        request = self._request
        lines = tuple(meant(request))
        if request.method == "REFER" and attempt.topology is not None:
            lines = attempt.topology.hidden_lines(lines)
        try:
            attempt.account.request(
                request.method,
                attempt.uri,
                headers=[*lines, *self._extra, *attempt.headers],
                content_type=_type(request),
                body=request.body,
                hear=lambda news: self._hear(attempt, news),
                flow=flow,
                to=attempt.to,
                from_=sender(attempt),
                route=attempt.route,
            )
        except BoringError as error:
            self._failed(build_response(code_of(error)))

    def _hear(self, attempt: Attempt, news: object) -> None:
        if not isinstance(news, RequestAnswered) or self._done is None:
            return
        if news.response.code < 300:
            self._tell(news.response)
            return
        if attempt.kind is Kind.PBX and (why := unreached(news.response)):
            self._unreachable(attempt, why)
        if attempt.otherwise is not None and news.response.code in UNREACHED:
            self._send(attempt.otherwise)
        else:
            self._failed(news.response)
        if not self._waiting and self._go_on():
            self.start()

    def _failed(self, response: Response) -> None:
        self._failures.append(response)
        self._waiting -= 1

    def _go_on(self) -> bool:
        """Whether the next group is to be tried, now that all of one have failed; else the best failure is told."""
        if all(failure.code in UNREACHED for failure in self._failures):
            return True
        self._tell(best(self._failures))
        return False

    def _tell(self, response: Response) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(response)


# --- what relays of subscriptions want too -----------------------------------------------------------------------------------------------


def flow_of(attempt: Attempt) -> Flow | None:
    """The connection of a browser now; None where it has none, and for a PBX."""
    return attempt.flow or (None if attempt.binding is None else attempt.binding.flow)


def sender(attempt: Attempt) -> str:
    """The value of From, without a tag; empty: that of the account."""
    if attempt.identity is None:
        return ""
    return name_address_text(attempt.identity.to_text(), attempt.display_name or "")


def meant(request: Request) -> Iterator[tuple[str, str]]:
    """The headers that a request is without meaning without."""
    for name in OF_METHOD.get(request.method, ()):
        yield from ((name, value) for value in request.headers.all(name))


def best(failures: list[Response]) -> Response:
    """The failure that tells most: that of the whole world (6xx), one that can be mended (a challenge), one of somebody who was reached."""

    def rank(response: Response) -> tuple[int, int]:
        code = response.code
        order = (code >= 600, code in (401, 407), code in (415, 420, 484, 488), code not in UNREACHED and code < 500, code < 500)
        return next((place for place, holds in enumerate(order) if holds), len(order)), code

    return min(failures, key=rank)


def told(response: Response, *, challenges: bool) -> tuple[int, str, list[tuple[str, str]]]:
    """Code, reason and headers of what is told; who cannot answer a challenge is told no, and nobody is led past us (3xx)."""
    if response.code in (401, 407) and not challenges:
        return 403, "", []
    if 300 <= response.code < 400:
        return 480, "", []
    names = (*OF_RESPONSE, *CHALLENGES) if response.code in (401, 407) else OF_RESPONSE
    return response.code, response.reason, [(name, value) for name in names for value in response.headers.all(name)]


def _pass_back(incoming: Incoming, response: Response, *, challenges: bool) -> None:
    if not incoming.answered:
        incoming.answer(*told(response, challenges=challenges), content_type=_type(response), body=response.body)


def _type(message: Request | Response) -> str:
    return message.headers.get("Content-Type") or ""


def code_of(error: BoringError) -> int:
    """What is told of a request that could not even be sent."""
    match error:
        case SipError():
            return 404
        case Forbidden():
            return 403
        case Exhausted():
            return 503
    return 480
