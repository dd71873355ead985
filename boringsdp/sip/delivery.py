"""Tells fronts what the user agent has for them, and answers what they leave unanswered."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from boringsdp import logs
from boringsdp.errors import Exhausted, SipError
from boringsdp.sip import headers as views
from boringsdp.sip.account import (
    Hear,
    IncomingCall,
    IncomingMessage,
    IncomingNotify,
    IncomingRefer,
    IncomingRequest,
    IncomingSubscribe,
    InfoReceived,
    MessageReceived,
    NotifyReceivedInDialog,
    ReferReceived,
)
from boringsdp.sip.build import response
from boringsdp.sip.entries import CallCame, Forgotten, News, RequestCame
from boringsdp.sip.facades import Account, Incoming, NotifierHandle, Refer, Session, Subscription
from boringsdp.sip.inspect import told
from boringsdp.sip.message import Request, Response
from boringsdp.sip.refer import ReferAccepted, ReferEnded, ReferFailed, Referred
from boringsdp.sip.session import Session as SessionCore
from boringsdp.sip.session import State
from boringsdp.sip.session import events as session_events
from boringsdp.sip.subscription import SubscriptionEnded, SubscriptionFailed

if TYPE_CHECKING:
    from boringsdp.sip.endpoint import Endpoint

OVER = (session_events.Failed, session_events.Cancelled, session_events.Ended)
UNHEARD = (SubscriptionFailed, SubscriptionEnded, ReferFailed, ReferEnded, ReferAccepted)
log = logs.bind()


class Delivery:
    """One for an endpoint."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def deliver(self, news: News | Forgotten | CallCame | RequestCame) -> None:
        """Tell an account, a claim, a session or a subscription. What they raise is logged, and ends that call alone."""
        if isinstance(news, News):
            self._news(news)
        elif isinstance(news, Forgotten):
            if isinstance(news.entry.face, Session):
                news.entry.face = None  # they know each other
        elif isinstance(news, CallCame):
            self._call(news)
        else:
            self._request(news)

    def tell(self, account: Account, event: Any) -> None:
        """Tell an account's owner."""
        self._tell(account.hear, event)

    def reporting(self, refer: Refer) -> Callable[[Any, float], bool]:
        """Return what watches a call and tells the one who referred us how it fares."""

        def watch(event: Any, _now: float) -> bool:
            match event:
                case session_events.Ringing():
                    refer.notify(180)
                case session_events.Answered():
                    refer.notify(200)
                case session_events.Failed(code=code, reason=reason):
                    refer.notify(code, reason)
                case session_events.Ended() if not refer.over:
                    refer.notify(487)
            return False

        return watch

    def _news(self, news: News) -> None:
        face = news.entry.face
        if isinstance(face, Session) and isinstance(news.event, OVER):
            face.ended = True
        elif isinstance(face, Subscription):
            accepted = isinstance(news.event, ReferAccepted) and news.event.subscribed
            face.over = isinstance(news.event, UNHEARD) and not accepted
        if isinstance(face, Session) and face.hear is None:
            face.hold(news.event)
        elif isinstance(face, Session):
            if not self._tell(face.hear, news.event) and not face.over:
                face.hang_up(code=500)
        elif isinstance(face, (Subscription, Account, NotifierHandle, Refer)):
            self._tell(face.hear, news.event)
        elif callable(face):
            self._tell(face, news.event)
        elif face is None:
            account = self._endpoint.account_of(news.entry.line)
            self._tell(account.hear if account else None, news.event)

    def _call(self, news: CallCame) -> None:
        core = news.entry.usage
        assert isinstance(core, SessionCore)
        account = self._endpoint.account_of(news.line)
        hear = self._hearer(account, news.claim)
        if account is None or hear is None:
            self._endpoint.run(news.entry, core.reject(480, now=self._endpoint.now()))
            return
        session = Session(self._endpoint, account, core, news.entry, incoming=True)
        news.entry.face = session
        replaced = news.replaces.face if news.replaces is not None and isinstance(news.replaces.face, Session) else None
        if core.state is State.ENDED:
            return  # cancelled before anybody was told
        if not self._tell(hear, IncomingCall(session, news.request, news.sdp, replaced)) and not session.over:
            session.reject(480)

    def _request(self, news: RequestCame) -> None:
        if news.request.method == "REFER":
            self._refer(news)
            return
        account = self._endpoint.account_of(news.line)
        incoming = Incoming(self._endpoint, news)
        inside = news.entry.face if news.entry is not None and isinstance(news.entry.face, Session) else None
        hear = inside.hear if inside is not None else self._hearer(account, news.claim)
        event, code = _event_of(incoming, news.request, inside is not None)
        heard = event is not None and self._tell(hear, event)
        if not incoming.answered and not incoming.kept:
            code = code if heard or hear is None else 500
            incoming.answered = True
            self._endpoint.reply(news.transaction, self._unanswered(news.request, code))

    def _unanswered(self, request: Request, code: int) -> Response:
        """What somebody gets whom nobody has answered."""
        inspector = self._endpoint.ua.inspector
        if request.method == "OPTIONS" and code == 200:
            return inspector.options()
        headers = {489: [("Allow-Events", "refer")], 405: [("Allow", ", ".join(inspector.allow))]}
        return response(code, headers=headers.get(code, []))

    def _refer(self, news: RequestCame) -> None:
        """A transfer that is asked for: within a call it is taken when its owner says nothing else, outside it is not."""
        ua, account = self._endpoint.ua, self._endpoint.account_of(news.line)
        session = news.entry.face if news.entry is not None and isinstance(news.entry.face, Session) else None
        try:
            if views.refer_to(news.request) is None:
                raise SipError("missing", "Refer-To")
            dialog = None if session is None else session.core.dialog
            before = ua.transfers_of((dialog.id.call_id, dialog.id.local_tag)) if dialog else []
            core = Referred(news.request, news.transaction, dialog=dialog, numbered=bool(before), token=ua.token)
            entry = ua.adopt(core, news.line, dialog=(core.dialog.id.call_id, core.local_tag), beside=True)
        except SipError as problem:
            self._endpoint.reply(news.transaction, told(400, problem.header, problem.reason))
            return
        except Exhausted:
            self._endpoint.reply(news.transaction, response(503))
            return
        ua.lead(entry, news.entry.way if news.entry is not None else ua.doorway.way_by(news.flow))
        refer = entry.face = Refer(self._endpoint, core, entry, news.flow)
        hear = session.hear if session is not None else self._hearer(account, news.claim)
        event = ReferReceived(refer, news.request) if session is not None else IncomingRefer(refer, news.request)
        heard = self._tell(hear, event)
        if refer.answered or (heard and refer.kept):
            return
        if heard and session is not None:
            refer.accept()
        else:
            refer.reject(603)

    def _hearer(self, account: Account | None, claim: int) -> Hear | None:
        if account is None:
            return None
        return account.claims[claim].hear if claim in account.claims else account.hear

    def _tell(self, hear: Hear | None, event: Any) -> bool:
        """Whether somebody heard it."""
        if hear is None:
            return False
        try:
            hear(event)
        except Exception:
            log.exception("a front failed on SIP news", extra={"news": type(event).__name__})
            return False
        return True


def _event_of(incoming: Incoming, request: Request, inside: bool) -> tuple[Any, int]:
    """What is told of a request, and its answer when nobody gives another."""
    try:
        package = views.event(request)
    except SipError:
        return None, 400
    name = package.package if package else ""
    match request.method:
        case "INFO":
            return InfoReceived(incoming, request), 200
        case "MESSAGE":
            return (MessageReceived if inside else IncomingMessage)(incoming, request), 200
        case "NOTIFY":
            return (NotifyReceivedInDialog if inside else IncomingNotify)(incoming, request, name), 200
        case "SUBSCRIBE":
            return IncomingSubscribe(incoming, request, name), 489
        case "OPTIONS":
            return IncomingRequest(incoming, request), 200
        case "REGISTER" | "PUBLISH":
            return IncomingRequest(incoming, request), 405
        case _:
            return None, 501
