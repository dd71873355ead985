"""Sessions joined without transactions between them: what one asks the other receives, after a delay or never, in virtual time."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from typing import Any, TypeVar

from boringsdp.errors import SipError
from boringsdp.sip import build
from boringsdp.sip import headers as views
from boringsdp.sip.actions import Acknowledge, Ask, Cancel, Done, Reply, Tell, UsageAction
from boringsdp.sip.message import Message, Request, Response
from boringsdp.sip.parse import parse
from boringsdp.sip.session import Session, SessionSettings

Fate = Callable[["Side", Message], float | None]
"""The delay of a message that a side sends, in seconds; None: it is lost."""
E = TypeVar("E")

OFFER = b"v=0\r\no=alice 1 1 IN IP4 192.0.2.1\r\ns=-\r\n"
ANSWER = b"v=0\r\no=bob 1 1 IN IP4 192.0.2.2\r\ns=-\r\n"
DELAY = 0.01


def sdp(who: str, version: int) -> bytes:
    return f"v=0\r\no={who} 1 {version} IN IP4 192.0.2.1\r\ns=-\r\n".encode()


def tokens(seed: str) -> Callable[[int], str]:
    """Tokens that are the same in every run: counted, and told apart by `seed` (hex)."""
    count = itertools.count(1)
    return lambda octets: (seed + f"{next(count):04x}" * octets)[: 2 * octets]


class Side:
    """A session, all it told, and all it sent."""

    def __init__(self, world: World, name: str, session: Session) -> None:
        self.world = world
        self.name = name
        self.session = session
        self.heard: list[Any] = []
        self.sent: list[tuple[float, Message]] = []
        self.done = False
        self.tag = ""
        self.exchanges: dict[int, Request] = {}

    def do(self, command: str, *args: Any, **kwargs: Any) -> Any:
        """Give a command; what `request` returns is its number."""
        result = getattr(self.session, command)(*args, now=self.world.now, **kwargs)
        number, actions = result if isinstance(result, tuple) else (None, result)
        self.world.perform(self, actions)
        return number

    def told(self, kind: type[E]) -> list[E]:
        return [event for event in self.heard if isinstance(event, kind)]

    def last(self, kind: type[E]) -> E:
        found = self.told(kind)
        assert found, f"{self.name} told no {kind.__name__}, but {[type(event).__name__ for event in self.heard]}"
        return found[-1]

    def requests(self, method: str) -> list[Request]:
        return [message for _, message in self.sent if isinstance(message, Request) and message.method == method]

    def responses(self, method: str, *codes: int) -> list[Response]:
        found = [message for _, message in self.sent if isinstance(message, Response) and views.cseq(message).method == method]
        return [message for message in found if not codes or message.code in codes]

    def times(self, start: str) -> list[float]:
        """When messages with a start line beginning so were sent."""
        return [round(at, 3) for at, message in self.sent if message.start_line.startswith(start)]


class World:
    """Virtual time, and the ways between an outgoing session and the incoming ones that its INVITE makes."""

    def __init__(self, *, fate: Fate = lambda side, message: DELAY) -> None:
        self.now = 0.0
        self.fate = fate
        self.sides: list[Side] = []
        self.callees: list[Side] = []
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._transactions: dict[int, tuple[Side, int, Request, Side]] = {}
        """Number: who asked, its exchange, the request, who answers."""
        self._numbers = itertools.count(1)
        self.forks = 1
        self.mangle: Callable[[bytes], bytes] = lambda octets: octets
        """What becomes of each message on its way; one that is not sound any more is lost, as user agents do it."""
        self.callee_settings = SessionSettings()

    def call(self, offer: bytes | None = OFFER, *, settings: SessionSettings | None = None, start: bool = True, **kwargs: Any) -> Side:
        """Return the caller of a new call, its INVITE on the way to `forks` callees."""
        session = Session.outgoing(
            "sip:bob@example.org",
            local='"Alice" <sip:alice@example.com>',
            contact="<sip:alice@192.0.2.1>",
            sdp=offer,
            settings=settings,
            token=tokens("a"),
            **kwargs,
        )
        caller = Side(self, "alice", session)
        self.sides.append(caller)
        if start:
            caller.do("start")
        return caller

    # --- what sides do ------------------------------------------------------------------------------------------------------------------

    def perform(self, side: Side, actions: list[UsageAction]) -> None:
        for action in actions:
            assert not side.done, "an action after Done"
            match action:
                case Ask():
                    side.exchanges[action.exchange] = action.request
                    self._ask(side, action)
                case Acknowledge():
                    self._carry(side, action.request, lambda ack=action.request: self._to_dialog(side, ack, None, 0))
                case Cancel():
                    self._cancel(side, action)
                case Reply():
                    self._reply(side, action)
                case Tell():
                    side.heard.append(action.event)
                case Done():
                    side.done = True

    def _carry(self, side: Side, message: Message, deliver: Callable[[], None]) -> None:
        side.sent.append((self.now, message))
        delay = self.fate(side, message)
        if delay is not None:
            heapq.heappush(self._queue, (self.now + delay, next(self._order), deliver))

    def _ask(self, side: Side, action: Ask) -> None:
        request = over_wire(action.request)
        assert isinstance(request, Request)
        assert views.cseq(request).number == action.sequence.number, "CSeq is that of the sequence when asked"
        for _ in range(self.forks if not views.to(request).tag else 1):
            heard = self._mangled(request)
            if isinstance(heard, Request):
                self._carry(side, heard, lambda heard=heard: self._to_dialog(side, heard, action, next(self._numbers)))

    def _to_dialog(self, side: Side, request: Request, action: Ask | None, number: int) -> None:
        tag = views.to(request).tag
        if not tag and action is not None:
            self._to_new(side, request, action, number)
            return
        for other in self.sides:
            if other is not side and other.session.local_tag == tag and not other.done:
                if action is not None:
                    self._transactions[number] = (side, action.exchange, request, other)
                self.perform(other, other.session.receive_request(request, number if action is not None else None, self.now))
                return
        if action is not None:
            self._transactions[number] = (side, action.exchange, request, side)
            self.perform(side, side.session.receive_response(action.exchange, build.response_to(request, 481), self.now))

    def _to_new(self, side: Side, request: Request, action: Ask, number: int) -> None:
        name = f"bob{len(self.callees)}" if self.callees else "bob"
        seed = f"b{len(self.callees)}"
        contact = f"<sip:{name}@192.0.2.2>"
        try:
            session = Session.incoming(request, number, contact=contact, settings=self.callee_settings, token=tokens(seed))
        except SipError:
            self.perform(side, side.session.receive_response(action.exchange, build.response_to(request, 400), self.now))
            return
        callee = Side(self, name, session)
        self._transactions[number] = (side, action.exchange, request, callee)
        self.sides.append(callee)
        self.callees.append(callee)
        callee.do("start")

    def _cancel(self, side: Side, action: Cancel) -> None:
        for number, (asker, exchange, request, other) in list(self._transactions.items()):
            if asker is side and exchange == action.exchange:
                cancel = build.request(
                    "CANCEL",
                    request.uri,
                    from_=request.headers.get("From") or "",
                    to=request.headers.get("To") or "",
                    call_id=views.call_id(request),
                    cseq=views.cseq(request).number,
                    headers=action.headers,
                )
                self._carry(side, cancel, lambda n=number, o=other, c=cancel: self._cancelled(o, n, c))

    def _cancelled(self, side: Side, number: int, cancel: Request) -> None:
        if not side.done:
            self.perform(side, side.session.receive_cancel(number, cancel, self.now))

    def _reply(self, side: Side, action: Reply) -> None:
        asker, exchange, request, _ = self._transactions[action.transaction]
        response = over_wire(build.answering(request, action.response))
        assert isinstance(response, Response)
        heard = self._mangled(response)

        def deliver() -> None:
            if isinstance(heard, Response) and not asker.done:
                self.perform(asker, asker.session.receive_response(exchange, heard, self.now))

        self._carry(side, response, deliver)

    def _mangled(self, message: Message) -> Message | None:
        octets = message.to_bytes()
        mangled = self.mangle(octets)
        if mangled == octets:
            return message
        parsed = parse(mangled)
        return None if parsed.defects else parsed.message

    # --- by hand --------------------------------------------------------------------------------------------------------------------

    def give_response(
        self, side: Side, method: str, code: int, *, tag: str | None = None, headers: Any = (), body: bytes = b""
    ) -> Response:
        """Have a side receive a response to its last request of that method, as if a peer of ours had sent it."""
        number, request = next((n, r) for n, r in reversed(side.exchanges.items()) if r.method == method)
        kind = "application/sdp" if body else ""
        response = build.response_to(over_wire(request), code, tag=tag, headers=headers, content_type=kind, body=body)
        self.perform(side, side.session.receive_response(number, response, self.now))
        return response

    def give_request(self, side: Side, request: Request, transaction: int | None) -> None:
        self._transactions[transaction or 0] = (side, -1, request, side)
        self.perform(side, side.session.receive_request(request, transaction, self.now))

    # --- time -----------------------------------------------------------------------------------------------------------------------

    def run(self, seconds: float = 1.0) -> None:
        """Let so much time pass."""
        end = self.now + seconds
        while True:
            timers = [at for side in self.sides if not side.done and (at := side.session.deadline()) is not None]
            arrival = self._queue[0][0] if self._queue else None
            at = min([*timers, *([arrival] if arrival is not None else [])], default=end + 1)
            if at > end:
                break
            self.now = max(self.now, at)
            if arrival is not None and arrival <= self.now:
                heapq.heappop(self._queue)[2]()
                continue
            for side in [*self.sides]:
                due = None if side.done else side.session.deadline()
                if due is not None and due <= self.now:
                    self.perform(side, side.session.tick(self.now))
        self.now = end


def over_wire(message: Message) -> Message:
    """What the other side reads of a message."""
    with_via = message.copy()  # type: ignore[attr-defined]
    if "via" not in with_via.headers:
        with_via.headers.prepend("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKtest")
    parsed = parse(with_via.to_bytes())
    assert parsed.message is not None, parsed.defects
    assert not parsed.defects, parsed.defects
    return parsed.message


def established(world: World, **kwargs: Any) -> tuple[Side, Side]:
    """A call that is up, answered plainly."""
    caller = world.call(**kwargs)
    world.run(0.1)
    callee = world.callees[-1]
    callee.do("accept", ANSWER)
    world.run(0.1)
    return caller, callee
