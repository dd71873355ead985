"""
The user agent: all usages of all accounts over one set of transactions. A core.

    message -> transactions -> dispatch -> usage -> its actions -> exchanges, transactions -> Transmit, Locate
                                                              `-> news for fronts
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from boringsdp.errors import Exhausted, SipError
from boringsdp.sip import headers as views
from boringsdp.sip.account import AccountSettings, AccountState
from boringsdp.sip.actions import (
    Acknowledge,
    AgainReceived,
    Ask,
    Cancel,
    Cancelled,
    Done,
    Reply,
    ReplyFailed,
    RequestReceived,
    ResponseReceived,
    Tell,
    TransactionAction,
    Transmit,
    UsageAction,
)
from boringsdp.sip.answering import Answering
from boringsdp.sip.build import response
from boringsdp.sip.by_flow import ByFlow
from boringsdp.sip.doorway import Doorway
from boringsdp.sip.entries import CallCame as CallCame
from boringsdp.sip.entries import Entry as Entry
from boringsdp.sip.entries import Forgotten as Forgotten
from boringsdp.sip.entries import News as News
from boringsdp.sip.entries import RequestCame as RequestCame
from boringsdp.sip.entries import Strayed as Strayed
from boringsdp.sip.entries import Suspect as Suspect
from boringsdp.sip.entries import Usage
from boringsdp.sip.exchange import ExchangeAction, Exchanges, Heard, Locate, Outlet
from boringsdp.sip.flow import Destination, Flow, Target
from boringsdp.sip.inspect import SDP_METHODS, Inspector, refusal, told
from boringsdp.sip.line import Line
from boringsdp.sip.locate import Penalties
from boringsdp.sip.message import Message, Request, Response
from boringsdp.sip.named import Refused, is_about, replaced_by, tags_of
from boringsdp.sip.parse import Defect
from boringsdp.sip.policy import Policy
from boringsdp.sip.routing import Lines
from boringsdp.sip.session import Session, State
from boringsdp.sip.session import events as session_events
from boringsdp.sip.settings import SipSettings
from boringsdp.sip.timers import Timers
from boringsdp.sip.transaction import Transactions
from boringsdp.sip.transport import Reach

RETRY_AFTER_S = 10
ShellAction = Transmit | Locate | News | Forgotten | CallCame | RequestCame | Suspect | Strayed


class UserAgent:
    """
    Commands and what the network brings return what the shell has to do.

    `sent_by` and `reach` say what Via and Contact hold towards a destination.
    """

    def __init__(
        self,
        settings: SipSettings,
        *,
        sent_by: Callable[[Destination], str],
        reach: Callable[[Destination], Reach],
        token: Callable[[int], str] = secrets.token_hex,
        penalties: Penalties | None = None,
        accepted: Callable[[Flow], bool] = lambda flow: False,
        admits: Callable[[Flow, float], bool] = lambda flow, now: True,
    ) -> None:
        """`accepted`: whether a peer has made this connection; `admits`: whether a browser may ask something more outside of dialogs."""
        self.settings = settings
        self._admits = admits
        self.policy = Policy(settings.policy)
        self.lines = Lines(self.policy)
        self.inspector = Inspector(settings.session)
        self.doorway = Doorway(self.lines, self.inspector, settings.session, accepted)
        self.token = token
        self.draining = False
        """Whether further calls are refused (503): those there are go on."""
        self._reach = reach
        self._transactions = Transactions(sent_by=sent_by, token=token, timers=settings.timers)
        self._exchanges = Exchanges(self._transactions, penalties=penalties, linger=settings.timers.timeout)
        self._answering = Answering(settings.timers.timeout)
        self._entries: dict[int, Entry] = {}
        self._by_dialog: dict[tuple[str, str], int] = {}
        self._by_call: dict[str, set[int]] = {}
        self._beside: dict[tuple[str, str], list[Entry]] = {}
        self._ways = ByFlow()
        self._timers: Timers[int] = Timers()
        self._numbers = 0
        self._out: list[ShellAction] = []

    # --- accounts and usages --------------------------------------------------------------------------------------------------------

    def number(self) -> int:
        """A number that nothing here has yet."""
        self._numbers += 1
        return self._numbers

    def add_line(self, settings: AccountSettings) -> Line:
        """Make an account. Raises Exhausted."""
        if len(self.lines) >= self.settings.accounts:
            raise Exhausted("SIP accounts")
        line = Line(
            self.number(),
            settings,
            self.token(8),
            reach=self._reach,
            policy=self.policy,
            user_agent=self.settings.user_agent,
            random=self.token,
        )
        self.lines.add(line)
        return line

    def change_line(self, line: Line, settings: AccountSettings) -> None:
        self.lines.remove(line)
        line.change(settings)
        self.lines.add(line)

    def close_line(self, line: Line) -> None:
        """No requests are for it any more; its usages are to be ended by who closes it."""
        self.lines.remove(line)
        line.state = AccountState.CLOSED

    def entry(self, number: int) -> Entry | None:
        return self._entries.get(number)

    def entries(self) -> Iterable[Entry]:
        return tuple(self._entries.values())

    def of_call(self, call_id: str) -> list[Entry]:
        """The usages under a Call-ID, of whatever dialogs."""
        return [entry for number in self._by_call.get(call_id, ()) if (entry := self._entries.get(number)) is not None]

    def is_leaving(self) -> bool:
        """Whether anything waits for the answers to its last requests."""
        return any(not isinstance(entry.usage, Session) or entry.usage.state is State.ENDING for entry in self._entries.values())

    def transfers_of(self, dialog: tuple[str, str]) -> list[Entry]:
        """The transfers in a dialog, ours and the peer's."""
        return list(self._beside.get(dialog, ()))

    def drop(self, entry: Entry) -> None:
        """Forget a usage without a word to anybody."""
        self._forget(entry)

    def session_of(self, call_id: str, local_tag: str) -> Entry | None:
        """The session whose dialog or attempt that is."""
        number = self._by_dialog.get((call_id, local_tag))
        return None if number is None else self._entries.get(number)

    def adopt(
        self, usage: Usage, line: Line, *, outlet: Outlet | None = None, dialog: tuple[str, str] | None = None, beside: bool = False
    ) -> Entry:
        """Take a usage in, alone in its dialog or `beside` a session. Raises Exhausted."""
        if len(self._entries) >= self.settings.usages:
            raise Exhausted("SIP usages")
        entry = Entry(self.number(), usage, line, outlet or line, dialog, beside)
        self._entries[entry.number] = entry
        line.usages.add(entry.number)
        if dialog is not None and beside:
            self._beside.setdefault(dialog, []).append(entry)
        elif dialog is not None:
            self._by_dialog[dialog] = entry.number
            self._by_call.setdefault(dialog[0], set()).add(entry.number)
        return entry

    def lead(self, entry: Entry, way: Flow | None) -> None:
        """Let all requests of a usage go by a connection of a browser; None: where Route and Request-URI lead."""
        entry.way = way
        self._ways.set(entry.number, way)

    # --- what goes in ---------------------------------------------------------------------------------------------------------------

    def run(self, entry: Entry, actions: list[UsageAction], now: float) -> list[ShellAction]:
        """Perform what a command of a usage returned."""
        if entry.number in self._entries:
            self._perform(entry, actions, now)
        return self._taken()

    def reply(self, transaction: int, response: Response, now: float) -> list[ShellAction]:
        """Answer a `RequestCame`."""
        self._reply(transaction, response, now)
        return self._taken()

    def receive(self, message: Message, defects: tuple[Defect, ...], flow: Flow, now: float) -> list[ShellAction]:
        """Take a message from the network, and what is wrong with it."""
        self._answering.tick(now)
        if defects:
            self._out.append(Suspect(flow, "defect"))
            if isinstance(message, Request) and message.method != "ACK":
                # Whatever is broken in it, no transaction can be relied on: its retransmission is answered the same way.
                self._refuse(message, refusal(defects), flow, now)
        elif isinstance(message, Request) and self._is_strange(message, flow):
            self._refuse_stranger(message, flow, now)
        elif isinstance(message, Request) and self._is_too_much(message, flow, now):
            self._refuse(message, response(503, headers=[("Retry-After", str(RETRY_AFTER_S))]), flow, now)
        else:
            self._take(self._transactions.receive(message, flow, now), now)
        return self._taken()

    def failed(self, transaction: int, reason: str, now: float) -> list[ShellAction]:
        """Take the news that a Transmit could not be sent."""
        self._take(self._transactions.failed(transaction, reason, now), now)
        return self._taken()

    def move(self, old: Flow, new: Flow, now: float) -> list[ShellAction]:
        """
        Let another connection take the place of one, for all usages and transactions.

        Calls are asked whether they are still there: a browser drops those in which it waited for an answer, and none when it loads its
        page again.
        """
        for entry in (moved := [self._entries[number] for number in self._ways.of(old)]):
            self.lead(entry, new)
        self._take(self._transactions.move(old, new), now)
        for entry in moved:
            if isinstance(entry.usage, Session):
                self._perform(entry, entry.usage.refresh(now=now), now)
        return self._taken()

    def cut(self, flow: Flow, reason: str, now: float) -> list[ShellAction]:
        """Give up what is asked by a connection that is gone for good."""
        self._take(self._transactions.cut(flow, reason, now), now)
        return self._taken()

    def located(self, number: int, targets: list[Target], now: float) -> list[ShellAction]:
        """Take the answer to a Locate."""
        self._do(self._exchanges.located(number, targets, now), now)
        return self._taken()

    def tick(self, now: float) -> list[ShellAction]:
        self._take(self._transactions.tick(now), now)
        self._do(self._exchanges.tick(now), now)
        while (number := self._timers.next_due(now)) is not None:
            entry = self._entries.get(number)
            if entry is not None:
                self._perform(entry, entry.usage.tick(now), now)
        self._answering.tick(now)
        return self._taken()

    def deadline(self) -> float | None:
        deadlines = (self._transactions.deadline(), self._exchanges.deadline(), self._timers.deadline())
        return min((at for at in deadlines if at is not None), default=None)

    def counts(self) -> dict[str, int]:
        """What there is at present, for metrics."""
        return {
            "accounts": len(self.lines),
            "registered": sum(line.state is AccountState.REGISTERED for line in self.lines),
            "usages": len(self._entries),
            "transactions": len(self._transactions),
        }

    # --- performing -----------------------------------------------------------------------------------------------------------------

    def _taken(self) -> list[ShellAction]:
        out, self._out = self._out, []
        return out

    def _take(self, actions: Iterable[TransactionAction], now: float) -> None:
        for action in actions:
            match action:
                case Transmit():
                    self._out.append(action)
                case ResponseReceived() | AgainReceived():
                    self._do(self._exchanges.receive(action, now), now)
                case RequestReceived():
                    self._dispatch(action, now)
                case Cancelled(transaction, cancel):
                    asked = self._answering.get(transaction)
                    entry = None if asked is None else self._entries.get(asked.usage)
                    if entry is not None and isinstance(entry.usage, Session):
                        self._perform(entry, entry.usage.receive_cancel(transaction, cancel, now), now)
                case ReplyFailed():
                    pass  # of a refusal: nobody waits for its ACK but the transaction

    def _do(self, actions: Iterable[ExchangeAction], now: float) -> None:
        for action in actions:
            if isinstance(action, Heard):
                if (entry := self._entries.get(action.owner)) is not None:
                    self._perform(entry, entry.usage.receive_response(action.exchange, action.response, now), now)
            elif isinstance(action, Locate):
                self._out.append(action)
            else:
                self._take((action,), now)

    def _perform(self, entry: Entry, actions: Iterable[UsageAction], now: float) -> None:
        done = False
        for action in actions:
            match action:
                case Ask():
                    self._ask(entry, action, now)
                case Reply(transaction, response):
                    self._reply(transaction, response, now)
                case Tell(event):
                    self._tell(entry, event, now)
                case Acknowledge():
                    self._do(self._exchanges.acknowledge(entry.number, action, now), now)
                case Cancel(exchange, headers, at_once):
                    at_once = at_once or entry.line.settings.rfc2543_cancel
                    self._do(self._exchanges.cancel(entry.number, exchange, headers, at_once, now), now)
                case Done():
                    done = True
        if done:
            self._forget(entry)
        elif entry.number in self._entries:
            self._timers.set(entry.number, entry.usage.deadline())

    def _ask(self, entry: Entry, ask: Ask, now: float) -> None:
        if entry.way is not None:
            ask = replace(ask, flow=entry.way)
        self._do(self._exchanges.ask(entry.number, ask, entry.outlet, now), now)

    def _tell(self, entry: Entry, event: Any, now: float) -> None:
        if entry.intercept is not None and entry.intercept(event, now):
            return
        if isinstance(event, session_events.RequestReceived):
            self._within(entry, event, now)
        else:
            self._out.append(News(entry, event))

    def _forget(self, entry: Entry) -> None:
        if self._entries.pop(entry.number, None) is None:
            return
        entry.line.usages.discard(entry.number)
        self._ways.set(entry.number, None)
        if entry.dialog is not None and entry.beside:
            others = self._beside[entry.dialog]
            others.remove(entry)
            if not others:
                del self._beside[entry.dialog]
        elif entry.dialog is not None and self._by_dialog.get(entry.dialog) == entry.number:
            del self._by_dialog[entry.dialog]
            same = self._by_call[entry.dialog[0]]
            same.discard(entry.number)
            if not same:
                del self._by_call[entry.dialog[0]]
        self._timers.set(entry.number, None)
        self._exchanges.forget(entry.number)
        self._out.append(Forgotten(entry))

    def _reply(self, transaction: int, answer: Response, now: float) -> None:
        dressed = self._answering.dress(transaction, answer, now)
        self._take(self._transactions.reply(transaction, dressed, now), now)

    # --- requests -------------------------------------------------------------------------------------------------------------------

    def _dispatch(self, news: RequestReceived, now: float) -> None:
        request, transaction = news.request, news.transaction
        tag = views.to(request).tag
        entry = self.session_of(views.call_id(request), tag) if tag else None
        if transaction is None:
            if entry is not None:  # an ACK
                self._perform(entry, entry.usage.receive_request(request, None, now), now)
            return
        asked = self._answering.add(transaction, request, news.flow, now)
        transfer = self._transfer_of(request, tag)
        if transfer is not None:
            asked.line, asked.usage = transfer.line, transfer.number
            self._perform(transfer, transfer.usage.receive_request(request, transaction, now), now)
        elif entry is not None:
            asked.line, asked.usage = entry.line, entry.number
            self._stray(entry, request, news.flow)
            refused = self.inspector.check(request) if request.method in SDP_METHODS else None
            if refused is not None:
                self._reply(transaction, refused, now)
            else:
                self._perform(entry, entry.usage.receive_request(request, transaction, now), now)
        elif tag:
            self._reply(transaction, response(481), now)
        elif self._answering.is_merged(asked):
            self._reply(transaction, response(482), now)
        else:
            self._outside(request, transaction, news.flow, now)

    def _stray(self, entry: Entry, request: Request, flow: Flow) -> None:
        """Tell when a browser goes on with its call by another connection."""
        if entry.way is None or entry.way == flow or self.doorway.way_by(flow) is None:
            return
        if views.from_(request).tag in tags_of(entry.usage):
            self._out.append(Strayed(entry.way, flow))

    def _transfer_of(self, request: Request, tag: str) -> Entry | None:
        """The transfer that a NOTIFY or SUBSCRIBE is about; its session may be over by now."""
        if request.method not in ("NOTIFY", "SUBSCRIBE") or not self._beside:
            return None
        return next((entry for entry in self._beside.get((views.call_id(request), tag), ()) if is_about(entry.usage, request)), None)

    def _outside(self, request: Request, transaction: int, flow: Flow, now: float) -> None:
        """Serve a request outside of dialogs, as far as it has an account that is to be asked."""
        general = self._general(request, flow)
        if general is not None:
            self._reply(transaction, general, now)
            return
        found = self.doorway.line_of(request, flow)
        if found is None:
            self._reply(transaction, response(404), now)
            return
        line, claim = found
        asked = self._answering.get(transaction)
        if asked is not None:
            asked.line = line
        if request.method == "INVITE":
            self._invited(line, claim, request, transaction, flow, now)
        else:
            self._out.append(RequestCame(line, claim, None, request, transaction, flow))

    def _general(self, request: Request, flow: Flow) -> Response | None:
        """Return the answer to a request outside of dialogs that is the same whoever it is for."""
        answer, served = self.doorway.general(request, flow)
        if not served:
            self._out.append(Suspect(flow, "method not served"))
        return answer

    def _is_too_much(self, request: Request, flow: Flow, now: float) -> bool:
        """Whether a browser asks more often than browsers do."""
        if request.method in ("ACK", "CANCEL") or views.to(request).tag or not self.doorway.serves(flow):
            return False
        return not self._transactions.knows(request) and not self._admits(flow, now)

    def _invited(self, line: Line, claim: int, request: Request, transaction: int, flow: Flow, now: float) -> None:
        try:
            replaced = replaced_by(request, line, self.session_of)
        except Refused as refused:
            self._reply(transaction, refused.response, now)
            return
        if self.draining or len(self._entries) >= self.settings.usages:
            self._reply(transaction, response(503, headers=[("Retry-After", str(RETRY_AFTER_S))]), now)
            return
        try:
            session = Session.incoming(
                request, transaction, contact=line.contact(flow), flow=None, settings=self.doorway.session(flow), token=self.token
            )
        except SipError as problem:
            self._reply(transaction, told(400, problem.header, problem.reason), now)
            return
        entry = self.adopt(session, line, dialog=(session.call_id, session.local_tag))
        self.lead(entry, self.doorway.way_by(flow))
        entry.came = flow
        asked = self._answering.get(transaction)
        if asked is not None:
            asked.usage = entry.number
        self._perform(entry, session.start(now=now), now)
        if session.state is not State.ENDED:
            self._out.append(CallCame(line, claim, entry, request, session.sdp, replaced))

    def _within(self, entry: Entry, event: session_events.RequestReceived, now: float) -> None:
        """A request in a session's dialog that the session has no opinion on."""
        refused = self.inspector.check(event.request)
        if refused is not None or event.request.method == "OPTIONS":
            self._reply(event.transaction, refused or self.inspector.options(), now)
        else:
            asked = self._answering.get(event.transaction)
            assert asked is not None
            self._out.append(RequestCame(entry.line, 0, entry, event.request, event.transaction, asked.flow))

    # --- strangers ------------------------------------------------------------------------------------------------------------------

    def _is_strange(self, request: Request, flow: Flow) -> bool:
        """Whether neither an account nor a dialog nor a transaction is there for a request. What answers it keeps nothing of it."""
        if request.method == "ACK" or self._transactions.knows(request):
            return False
        dialog = views.call_id(request), views.to(request).tag
        if dialog[1] and (dialog in self._by_dialog or dialog in self._beside):
            return False
        return bool(dialog[1] and self.doorway.serves(flow)) or self.doorway.line_of(request, flow) is None

    def _refuse_stranger(self, request: Request, flow: Flow, now: float) -> None:
        answer = None
        if not self._is_silent(flow):
            answer = response(481) if request.method == "CANCEL" or views.to(request).tag else self._general(request, flow)
        if answer is None:
            self._out.append(Suspect(flow, "stranger"))
        self._refuse(request, answer or response(404), flow, now)

    def _refuse(self, request: Request, answer: Response, flow: Flow, now: float) -> None:
        """Answer without a transaction: nobody fills our memory, and what is lost on the way is not repeated at somebody it is not from."""
        if not self._is_silent(flow):
            self._take(self._transactions.refuse(request, answer, flow), now)

    def _is_silent(self, flow: Flow) -> bool:
        return self.policy.settings.silent and not self.doorway.serves(flow)
