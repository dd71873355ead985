"""What the parts of a session share: its state, its timers, what goes out, and who waits for which response."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from boringsdp.errors import Exhausted
from boringsdp.sip import build
from boringsdp.sip.actions import Acknowledge, Ask, Cancel, Done, Reply, Sequence, Tell, UsageAction
from boringsdp.sip.flow import Flow
from boringsdp.sip.message import Request, Response
from boringsdp.sip.session.events import Cancelled, Ended, Failed, SessionEvent
from boringsdp.sip.session.settings import Prack, SessionSettings
from boringsdp.sip.session.states import TRANSITIONS, State
from boringsdp.sip.session_timer import SessionTimer

HeaderPairs = Iterable[tuple[str, str]]
Handler = Callable[[Response, float], None]
Wake = Callable[[float], None]


class Timers:
    """A handful of named times, and what is to be done then."""

    def __init__(self) -> None:
        self._set: dict[str, tuple[float, Wake]] = {}

    def set(self, name: str, at: float, wake: Wake) -> None:
        self._set[name] = (at, wake)

    def clear(self, *names: str) -> None:
        for name in names:
            self._set.pop(name, None)

    def get(self, name: str) -> float | None:
        """When it is, None if it is not set."""
        return self._set[name][0] if name in self._set else None

    def clear_all(self) -> None:
        self._set.clear()

    def due(self, now: float) -> Iterator[Wake]:
        """Yield what is due, earliest first; each is forgotten before it is done."""
        while self._set:
            name, (at, wake) = min(self._set.items(), key=lambda item: item[1][0])
            if at > now:
                return
            del self._set[name]
            yield wake

    def deadline(self) -> float | None:
        return min((at for at, _ in self._set.values()), default=None)


class Core:
    """Parts act by calling this; `flush` gives what they did, in order."""

    def __init__(
        self,
        settings: SessionSettings,
        token: Callable[[int], str],
        *,
        call_id: str,
        local_tag: str,
        contact: str,
        flow: Flow | None,
        caller: bool,
    ) -> None:
        self.settings = settings
        self.token = token
        self.call_id = call_id
        self.local_tag = local_tag
        self.contact = contact
        self.flow = flow
        self.caller = caller
        """Whether we own the Call-ID."""
        self.state = State.IDLE
        self.now = 0.0
        """The time of what is being done."""
        self.session_timer_due: Wake = nothing
        self.ends: list[Callable[[], None]] = []
        """What lets go of each other when all is done, so that the session is freed at once and not by the garbage collector."""
        self.timers = Timers()
        self.session_timer = SessionTimer(settings.session_expires, settings.min_se, settings.smallest_se)
        self.lingers_until = 0.0
        """When the last 2xx of our INVITE can have come (RFC 6026, timer M)."""
        self._exchanges = 0
        self._handlers: dict[int, Handler] = {}
        self._pending = 0
        self._is_done = False
        self._open_invites: set[int] = set()
        """Those without a final response."""
        self._out: list[UsageAction] = []

    # --- doing ------------------------------------------------------------------------------------------------------------------------

    def become(self, state: State) -> None:
        assert state in TRANSITIONS[self.state], (self.state, state)
        self.state = state

    def tell(self, event: SessionEvent) -> None:
        self._out.append(Tell(event))

    def act(self, action: UsageAction) -> None:
        self._out.append(action)

    def ask(self, request: Request, sequence: Sequence, handler: Handler) -> int:
        """Send a request and return its number; `handler` gets every response until the final one, of an INVITE until `forget`."""
        self._exchanges += 1
        number = self._exchanges
        if request.method == "INVITE":
            self._handlers[number] = handler
            self._open_invites.add(number)
        else:
            self._handlers[number] = lambda response, now: self._once(number, handler, response, now)
            self._pending += 1
        self._out.append(Ask(number, request, sequence, self.flow))
        return number

    def watch_session_timer(self) -> None:
        """Wake when the session timer wants to; call this after whatever may have changed it."""
        at = self.session_timer.deadline()
        if at is None:
            self.timers.clear("session timer")
        else:
            self.timers.set("session timer", at, self.session_timer_due)

    def check_room(self) -> None:
        if self._pending >= self.settings.max_pending_requests:
            raise Exhausted("requests in the dialog")

    def acknowledge(self, exchange: int, request: Request) -> None:
        self._out.append(Acknowledge(exchange, request))

    def forget(self, exchange: int) -> None:
        """No response of this INVITE matters any more."""
        self._handlers.pop(exchange, None)
        self._open_invites.discard(exchange)

    def reply(self, transaction: int | None, response: Response) -> None:
        if transaction is not None:
            self._out.append(Reply(transaction, response))

    def refuse(self, transaction: int | None, code: int, reason: str = "", headers: HeaderPairs = ()) -> None:
        self.reply(transaction, build.response(code, reason or None, headers=headers))

    def received(self, exchange: int, response: Response, now: float) -> None:
        if response.code >= 200:
            self._open_invites.discard(exchange)
        if (handler := self._handlers.get(exchange)) is not None:
            handler(response, now)

    # --- ending -----------------------------------------------------------------------------------------------------------------------

    def end(self, event: Ended | Failed | Cancelled, now: float, *, bye_is_out: bool = False) -> None:
        """Tell how it ended; with a BYE out its response is awaited, else all is done."""
        self.timers.clear_all()
        self.session_timer.stop()
        self.tell(event)
        if bye_is_out:
            self.become(State.ENDING)
        else:
            self.finish(now)

    def finish(self, now: float) -> None:
        """Nothing is awaited any more, but for what comes again of our INVITE."""
        self.become(State.ENDED)
        self.timers.clear_all()
        if self._open_invites:
            self.lingers_until = now + self.t1x64
        if now < self.lingers_until:
            self.timers.set("linger", self.lingers_until, lambda _: self._done())
        else:
            self._done()

    def _done(self) -> None:
        self._handlers.clear()
        for exchange in self._open_invites:  # the final response that BYE asks for (RFC 3261 §15.1.2) never came
            self._out.append(Cancel(exchange))
        self._out.append(Done())
        self._is_done = True

    # --- taking and telling -----------------------------------------------------------------------------------------------------------

    def flush(self) -> list[UsageAction]:
        out, self._out = self._out, []
        if self._is_done:
            self.session_timer_due = nothing
            while self.ends:
                self.ends.pop()()
        return out

    def random(self) -> float:
        """0 to 1, without 1."""
        return int(self.token(2), 16) / 65_536

    @property
    def t1x64(self) -> float:
        return 64 * self.settings.t1

    def capabilities(self) -> list[tuple[str, str]]:
        """Allow and Supported, for whatever makes or changes a session."""
        options = list(self.settings.supported)
        if self.settings.prack is not Prack.OFF:
            options.append("100rel")
        options.append("timer")
        return [("Allow", ", ".join(self.settings.allow)), ("Supported", ", ".join(options))]

    def contact_lines(self) -> list[tuple[str, str]]:
        return [("Contact", self.contact)] if self.contact else []

    def _once(self, number: int, handler: Handler, response: Response, now: float) -> None:
        if response.code >= 200:
            self._handlers.pop(number, None)
            self._pending -= 1
        handler(response, now)


def nothing(now: float) -> None:
    """Until somebody wants to know."""
