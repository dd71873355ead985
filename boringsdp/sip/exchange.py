"""
Exchanges: from a usage's request to the final response, through locations, failover, challenges and redirects. A core.

    Ask -> Locate … located -> Transmit -> response --+-- 401, 407 we can answer: again, under the next CSeq
                                                      +-- nobody there, 503: the next target (RFC 3263 §4.3)
                                                      +-- 3xx to be followed, failure of one followed: the next Contact (RFC 3261 §8.1.3.4)
                                                      +-- Heard
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from boringsdp.errors import Exhausted
from boringsdp.sip import flow as flows
from boringsdp.sip.actions import Acknowledge, AgainReceived, Ask, ResponseReceived, TransactionAction
from boringsdp.sip.build import response_to
from boringsdp.sip.digest import Authenticator
from boringsdp.sip.flow import Destination, Target
from boringsdp.sip.headers import cseq, to
from boringsdp.sip.hop import direct, next_hop, place_of
from boringsdp.sip.locate import Penalties, Place
from boringsdp.sip.message import Request, Response
from boringsdp.sip.redirect import Redirects
from boringsdp.sip.timers import Timers
from boringsdp.sip.transaction import Transactions

MAX_DATAGRAM = 1300
"""Octets; larger requests go by TCP where the size of the path is not known (RFC 3261 §18.1.1)."""
VIA_ROOM = 100
"""Octets that the transaction's Via takes."""
MAX_CHALLENGES = 6
"""Answered in one exchange: two realms, each stale once, and once more."""
CREDENTIALS = ("Authorization", "Proxy-Authorization")
TARGET_METHODS = frozenset(("INVITE", "SUBSCRIBE", "REFER", "NOTIFY", "UPDATE"))
"""Requests that want a Contact."""


class Locate(NamedTuple):
    """Find targets of a place and tell `located` under this number."""

    number: int
    place: Place
    protocol: flows.Protocol | None


class Heard(NamedTuple):
    """A response for a usage."""

    owner: int
    exchange: int
    response: Response


ExchangeAction = Locate | Heard | TransactionAction


class Outlet(Protocol):
    """What an account lends to its requests."""

    user_agent: str
    authenticator: Authenticator
    protocol: flows.Protocol | None
    """The only transport to take, if any."""

    def contact(self, to: Destination) -> str:
        """The value of Contact towards there."""

    def redirects(self) -> Redirects:
        """Where a 3xx may lead."""

    def sent(self, request: Request, to: Destination) -> None:
        """Take note of whom a request goes to."""


class _State(enum.Enum):
    LOCATING = "locating"
    CALLING = "calling"
    PROCEEDING = "proceeding"
    ANSWERED = "answered"
    """An INVITE with 2xx: kept for what comes of other forks, and for the credentials of ACK."""
    OVER = "over"


@dataclass(slots=True, eq=False)
class _Exchange:
    owner: int
    ask: Ask
    outlet: Outlet
    uri: str
    number: int
    """Of CSeq."""
    redirects: Redirects
    state: _State = _State.LOCATING
    targets: list[Destination] = field(default_factory=list)
    at: int = 0
    widened: bool = False
    """TCP was put before UDP for the size."""
    credentials: list[tuple[str, str]] = field(default_factory=list)
    challenges: int = 0
    sent: Request | None = None
    transaction: int = 0
    cancel: tuple[tuple[str, str], ...] | None = None
    """Headers of the CANCEL that is wanted."""
    cancelled: bool = False
    failure: Response | None = None
    """The best of those that redirects led to, told when none is left."""


class Exchanges:
    """All exchanges of a user agent over its transactions."""

    def __init__(self, transactions: Transactions, *, penalties: Penalties | None = None, linger: float = 32.0) -> None:
        self._transactions = transactions
        self._penalties = penalties
        self._linger = linger
        """64*T1."""
        self._of: dict[int, dict[int, _Exchange]] = {}
        self._by_transaction: dict[int, _Exchange] = {}
        self._waiting: dict[int, _Exchange | tuple[_Exchange, Request]] = {}
        """For locations: exchanges, and ACKs with theirs."""
        self._locations = 0
        self._timers: Timers[tuple[int, int]] = Timers()

    def __len__(self) -> int:
        return sum(map(len, self._of.values()))

    def ask(self, owner: int, ask: Ask, outlet: Outlet, now: float) -> list[ExchangeAction]:
        """Begin an exchange of a usage."""
        exchange = _Exchange(owner, ask, outlet, ask.request.uri, cseq(ask.request).number, outlet.redirects())
        if to(ask.request).tag:
            exchange.redirects = Redirects(0, lambda _: False)
        exchange.credentials = outlet.authenticator.preempt(ask.request)
        self._of.setdefault(owner, {})[ask.exchange] = exchange
        return self._locate(exchange, now)

    def cancel(self, owner: int, number: int, headers: tuple[tuple[str, str], ...], at_once: bool, now: float) -> list[ExchangeAction]:
        """Take an INVITE back: as soon as something was heard of it, or at once. Its end is told as ever, 487 if nobody else says it."""
        exchange = self._of.get(owner, {}).get(number)
        if exchange is None or exchange.cancel is not None or exchange.state in (_State.ANSWERED, _State.OVER):
            return []
        exchange.cancel = headers
        if exchange.state is _State.LOCATING:
            return self._end(exchange, _local(exchange, 487))
        return self._send_cancel(exchange, now) if at_once or exchange.state is _State.PROCEEDING else []

    def acknowledge(self, owner: int, ack: Acknowledge, now: float) -> list[ExchangeAction]:
        """Send the ACK of a 2xx on its own way, with the credentials of its INVITE (RFC 3261 §13.2.2.4)."""
        exchange = self._of.get(owner, {}).get(ack.exchange)
        if exchange is None:
            return []
        request = ack.request.copy()
        theirs = [(name, value) for name in CREDENTIALS for value in exchange.ask.request.headers.all(name)]
        for name, value in exchange.credentials or theirs:
            request.headers.add(name, value)
        if exchange.ask.flow is not None:
            return [*self._transactions.transmit_ack(request, exchange.ask.flow)]
        place = place_of(next_hop(request))
        if place is None:
            return []
        last = exchange.targets[exchange.at] if exchange.at < len(exchange.targets) else None
        if exchange.sent is not None and last is not None and place == place_of(next_hop(exchange.sent)):
            return [*self._transactions.transmit_ack(request, last)]
        targets = direct(place, exchange.outlet.protocol)
        if targets is not None:
            return [*self._transactions.transmit_ack(request, targets[0])] if targets else []
        return [self._wait_for(place, exchange, request)]

    def located(self, number: int, targets: list[Target], now: float) -> list[ExchangeAction]:
        """Take the targets of a place in the order to try them, none when there are none."""
        waiting = self._waiting.pop(number, None)
        if waiting is None:
            return []
        if isinstance(waiting, tuple):
            return [*self._transactions.transmit_ack(waiting[1], targets[0])] if targets else []
        if waiting.state is not _State.LOCATING:
            return []
        waiting.targets, waiting.at, waiting.widened = [*targets], 0, False
        if not targets:
            return self._next_contact(waiting, _local(waiting, 503, "no address of the next hop"), now)
        return self._send(waiting, now)

    def receive(self, news: ResponseReceived | AgainReceived, now: float) -> list[ExchangeAction]:
        """Take a response of the transactions."""
        exchange = None if news.transaction is None else self._by_transaction.get(news.transaction)
        if exchange is None:
            return []
        response = news.response
        if self._penalties is not None and not response.local and isinstance(target := exchange.targets[exchange.at], Target):
            self._penalties.worked(target)
        if response.code < 200:
            if exchange.state is _State.CALLING:
                exchange.state = _State.PROCEEDING
            told: list[ExchangeAction] = [Heard(exchange.owner, exchange.ask.exchange, response)]
            return told if exchange.cancel is None or exchange.cancelled else [*told, *self._send_cancel(exchange, now)]
        if response.code < 300:
            return self._succeeded(exchange, response, now)
        if exchange.state is _State.ANSWERED:
            return []
        del self._by_transaction[exchange.transaction]
        return self._failed(exchange, response, now)

    def forget(self, owner: int) -> None:
        """Drop all exchanges of a usage that is over; requests under way go on, and nothing is heard of them."""
        for exchange in self._of.pop(owner, {}).values():
            exchange.state = _State.OVER
            if self._by_transaction.pop(exchange.transaction, None) is not None:
                self._transactions.forget(exchange.transaction)
            self._timers.set((owner, exchange.ask.exchange), None)

    def tick(self, now: float) -> list[ExchangeAction]:
        while (key := self._timers.next_due(now)) is not None:
            exchange = self._of.get(key[0], {}).get(key[1])
            if exchange is None:
                continue
            self._by_transaction.pop(exchange.transaction, None)
            self._drop(exchange)
        return []

    def deadline(self) -> float | None:
        return self._timers.deadline()

    # --- sending ------------------------------------------------------------------------------------------------------------------

    def _locate(self, exchange: _Exchange, now: float) -> list[ExchangeAction]:
        exchange.state = _State.LOCATING
        ask = exchange.ask
        if ask.flow is not None:
            exchange.targets, exchange.at = [ask.flow], 0
            return self._send(exchange, now)
        place = place_of(next_hop(ask.request, exchange.uri))
        if place is None:
            return self._next_contact(exchange, _local(exchange, 416, "no SIP URI and no proxy for it"), now)
        targets = direct(place, exchange.outlet.protocol)
        if targets is None:
            return [self._wait_for(place, exchange, None)]
        if not targets:
            return self._next_contact(exchange, _local(exchange, 503, "no transport for the next hop"), now)
        exchange.targets, exchange.at, exchange.widened = [*targets], 0, False
        return self._send(exchange, now)

    def _wait_for(self, place: Place, exchange: _Exchange, ack: Request | None) -> Locate:
        self._locations += 1
        self._waiting[self._locations] = exchange if ack is None else (exchange, ack)
        return Locate(self._locations, place, exchange.outlet.protocol)

    def _send(self, exchange: _Exchange, now: float) -> list[ExchangeAction]:
        to = exchange.targets[exchange.at]
        request = self._dressed(exchange, to)
        if (
            isinstance(to, Target)
            and to.protocol is flows.Protocol.UDP
            and not exchange.widened
            and exchange.outlet.protocol is not flows.Protocol.UDP
            and len(request.to_bytes()) + VIA_ROOM > MAX_DATAGRAM
        ):
            exchange.widened = True
            exchange.targets.insert(exchange.at, Target(flows.Protocol.TCP, to.host, to.port, to.name))
            return self._send(exchange, now)
        exchange.sent = request
        try:
            exchange.transaction, actions = self._transactions.request(request, to, now)
        except Exhausted:
            return self._end(exchange, _local(exchange, 503, "too many transactions"))
        exchange.state = _State.CALLING
        exchange.outlet.sent(request, to)
        self._by_transaction[exchange.transaction] = exchange
        return [*actions]

    def _dressed(self, exchange: _Exchange, to: Destination) -> Request:
        """The request as it goes there, but for Via."""
        request = exchange.ask.request.copy()
        request.uri = exchange.uri
        headers = request.headers
        if cseq(exchange.ask.request).number != exchange.number:
            headers.set("CSeq", f"{exchange.number} {request.method}")
        if "max-forwards" not in headers:
            headers.add("Max-Forwards", "70")
        if (request.method in TARGET_METHODS or exchange.ask.contact is not None) and "contact" not in headers:
            headers.add("Contact", exchange.outlet.contact(to) + (exchange.ask.contact or ""))
        if exchange.outlet.user_agent and "user-agent" not in headers:
            headers.add("User-Agent", exchange.outlet.user_agent)
        if exchange.credentials:
            for name in CREDENTIALS:
                headers.remove(name)
            for name, value in exchange.credentials:
                headers.add(name, value)
        return request

    def _send_cancel(self, exchange: _Exchange, now: float) -> list[ExchangeAction]:
        exchange.cancelled = True
        return [*self._transactions.cancel(exchange.transaction, now, exchange.cancel or ())]

    # --- final responses ------------------------------------------------------------------------------------------------------------

    def _succeeded(self, exchange: _Exchange, response: Response, now: float) -> list[ExchangeAction]:
        exchange.outlet.authenticator.heard(response, exchange.sent or exchange.ask.request)
        told = Heard(exchange.owner, exchange.ask.exchange, response)
        if exchange.ask.request.method != "INVITE":
            del self._by_transaction[exchange.transaction]
            return self._end(exchange, response)
        if exchange.state is not _State.ANSWERED:
            exchange.state = _State.ANSWERED
            self._timers.set((exchange.owner, exchange.ask.exchange), now + self._linger)
        return [told]

    def _failed(self, exchange: _Exchange, response: Response, now: float) -> list[ExchangeAction]:
        if exchange.cancel is not None:
            code = response.code
            return self._end(exchange, _local(exchange, 487) if code in (401, 407) or code // 100 == 3 else response)
        if response.code in (401, 407):
            return self._challenged(exchange, response, now)
        if response.code == 503 or (response.code == 408 and response.local):
            target = exchange.targets[exchange.at]
            if self._penalties is not None and isinstance(target, Target):
                self._penalties.failed(target, now)
            if exchange.at + 1 < len(exchange.targets):
                exchange.at += 1
                return self._send(exchange, now)
        return self._next_contact(exchange, response, now)

    def _challenged(self, exchange: _Exchange, response: Response, now: float) -> list[ExchangeAction]:
        assert exchange.sent is not None
        exchange.challenges += 1
        lines = exchange.outlet.authenticator.answer(response, exchange.sent) if exchange.challenges <= MAX_CHALLENGES else None
        if lines is None:
            return self._next_contact(exchange, response, now)
        exchange.credentials = lines
        exchange.number = exchange.ask.sequence.next()
        return self._send(exchange, now)

    def _next_contact(self, exchange: _Exchange, response: Response, now: float) -> list[ExchangeAction]:
        """Go on to where a redirect leads, or tell the response."""
        if exchange.ask.flow is None:
            if response.code // 100 == 3:
                exchange.redirects.add(response, secure=exchange.ask.request.uri[:5].lower() == "sips:")
            if response.code < 600 and (uri := exchange.redirects.next()) is not None:
                exchange.uri = uri
                exchange.number = exchange.ask.sequence.next()
                exchange.credentials = []
                return self._locate(exchange, now)
        return self._end(exchange, response)

    def _end(self, exchange: _Exchange, response: Response) -> list[ExchangeAction]:
        self._drop(exchange)
        return [Heard(exchange.owner, exchange.ask.exchange, response)]

    def _drop(self, exchange: _Exchange) -> None:
        exchange.state = _State.OVER
        self._timers.set((exchange.owner, exchange.ask.exchange), None)
        mine = self._of.get(exchange.owner, {})
        if mine.get(exchange.ask.exchange) is exchange:
            del mine[exchange.ask.exchange]
            if not mine:
                del self._of[exchange.owner]


def _local(exchange: _Exchange, code: int, why: str = "") -> Response:
    """A response of our own making."""
    headers = [("Warning", f'399 localhost "{why}"')] if why else []
    response = response_to(exchange.ask.request, code, headers=headers)
    response.local = True
    return response
