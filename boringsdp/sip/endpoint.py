"""The SIP endpoint on an event loop: sockets, resolver and one timer around the user agent; gives accounts to fronts."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from boringsdp import logs
from boringsdp.errors import WrongState
from boringsdp.net.dns import Resolver
from boringsdp.net.driver import Driver
from boringsdp.net.networks import within
from boringsdp.sip import outgoing
from boringsdp.sip.account import AccountSettings, AccountState, Hear
from boringsdp.sip.actions import Transmit, UsageAction
from boringsdp.sip.browsers import Browsers
from boringsdp.sip.commands import Commands
from boringsdp.sip.delivery import Delivery
from boringsdp.sip.entries import Entry, Strayed
from boringsdp.sip.exchange import Locate
from boringsdp.sip.facades import Account, NotifierHandle, Refer, Session, Subscription
from boringsdp.sip.flow import Destination, Flow, Target
from boringsdp.sip.flow import Protocol as FlowProtocol
from boringsdp.sip.hop import direct
from boringsdp.sip.ladder import Ladders, peer_of, start_line
from boringsdp.sip.line import Line
from boringsdp.sip.locate import Penalties, Place
from boringsdp.sip.message import Message, Request, Response
from boringsdp.sip.parse import parse
from boringsdp.sip.register import Unregistered
from boringsdp.sip.registrations import Registrations
from boringsdp.sip.session import Session as SessionCore
from boringsdp.sip.settings import SipSettings
from boringsdp.sip.transport import Peer, Transports, note_source
from boringsdp.sip.transport.locator import Asks, Locator
from boringsdp.sip.transport.settings import Listen, parse_listen
from boringsdp.sip.transport.websocket import WebSocketServer
from boringsdp.sip.ua import ShellAction, Suspect, UserAgent

Lines = Iterable[tuple[str, str]]
CLOSING_S = 2.0
"""How long `close` waits for the answers to the last BYEs and REGISTERs."""
MAX_LOCATIONS = 10_000
"""Questions to DNS at a time; more find no address."""
log = logs.bind()


class Endpoint:
    """
    One stack for all accounts. Build it within a running event loop; `start`, `close`.

    `token(n)` returns a random hex token of n octets, `locator` finds what hosts are (by default with `resolver`, and that is DNS).
    """

    def __init__(
        self,
        settings: SipSettings,
        *,
        token: Callable[[int], str] = secrets.token_hex,
        locator: Locator | None = None,
        resolver: Asks | None = None,
    ) -> None:
        self.settings = settings
        self._loop = asyncio.get_running_loop()
        self._browsers = Browsers(self._loop, settings.browsers, tell=self._tell_browsers, move=self._move, cut=self._cut)
        self._transports = Transports(
            settings.transport, self._hear, self._failed, self._closed, spares=self._spares, bears=self._browsers.bears
        )
        self._browsers.attach(self._transports)
        penalties = Penalties()
        self.ua = UserAgent(
            settings,
            sent_by=lambda to: self._transports.sent_by(self._browsers.current(to)),
            reach=lambda to: self._transports.contact_address(self._browsers.current(to)),
            token=token,
            penalties=penalties,
            accepted=self._browsers.accepted,
            admits=self._browsers.admits,
        )
        self._locator = locator or _locator(settings, penalties, resolver or Resolver())
        self._ladders = Ladders(settings.ladder_calls, settings.ladder_messages)
        self._driver: Driver[ShellAction] = Driver(self.ua, self._perform, self._loop)
        self._delivery = Delivery(self)
        self.commands = Commands(self)
        self._registrations = Registrations(self.ua, self._transports.keep_alive)
        self._accounts: dict[int, Account] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    async def start(self) -> None:
        """Listen. Raises OSError that names the address that cannot be had, ConfigError for TLS files; nothing is left open then."""
        await self._transports.start()

    def drain(self) -> None:
        """Take no more calls."""
        self.ua.draining = True

    async def close(self) -> None:
        """Unregister and hang up everything (waits a moment for the answers), close all sockets."""
        self._closing = True
        self._browsers.leave()
        for account in tuple(self._accounts.values()):
            account.close()
        end = self._loop.time() + CLOSING_S
        while self.ua.is_leaving() and self._loop.time() < end:  # noqa: ASYNC110 (once, and nothing to wait for)
            await asyncio.sleep(0.02)
        self._driver.close()
        self._browsers.close()
        for task in tuple(self._tasks):
            task.cancel()
        await self._transports.close()

    def addresses(self) -> list[Listen]:
        """Where it listens."""
        return self._transports.addresses()

    def reload_certificates(self) -> None:
        """Read our certificate and key again, for connections to come. Raises ConfigError, and then nothing changes."""
        self._transports.reload_certificates()

    def account(self, settings: AccountSettings, hear: Hear) -> Account:
        """Make an account; it does nothing by itself. Raises Exhausted, Forbidden (policy names another registrar)."""
        self._check(settings)
        account = Account(self, self.ua.add_line(settings), hear)
        self._accounts[account.line.number] = account
        return account

    def serve_browsers(self, settings: AccountSettings, hear: Hear) -> Account:
        """
        Make the account that gets, from now on, every request outside of a dialog that comes by a WebSocket which its peer has made,
        whoever it is for: IncomingCall, IncomingMessage, IncomingSubscribe, IncomingRefer, IncomingNotify, IncomingRequest (REGISTER,
        OPTIONS, PUBLISH); besides FlowLost, FlowAbandoned, FlowSucceeded. WrongState when there is one.

        What goes on elsewhere has hops left: Max-Forwards 0 gets 483.
        """
        if self.ua.doorway.browsers is not None:
            raise WrongState("serving browsers", "nobody who serves them")
        account = self.account(settings, hear)
        self.ua.doorway.browsers = account.line
        return account

    def websockets(self, *, secure: bool = False, origins: tuple[str, ...] = (), forwarded: bool = False) -> WebSocketServer:
        """
        Return what serves SIP over WebSocket on a route of an aiohttp application: put its `handle` there. `secure` where that speaks TLS;
        `origins` are those that may connect, none: any. `forwarded`: behind a proxy that says in X-Forwarded-For who has connected.
        """
        return self._transports.websockets(secure, origins, forwarded=forwarded)

    def peer(self, flow: Flow) -> Peer:
        """Return what is known of the other end of a connection: Origin and path of a WebSocket, names of a certificate."""
        return self._transports.peer(self._browsers.current_flow(flow))

    def is_open(self, flow: Flow) -> bool:
        """Whether what is sent by a flow goes out at once."""
        return self._transports.flow(self._browsers.current_flow(flow)) is not None

    def is_borne(self, flow: Flow) -> bool:
        """Whether a browser's connection is open, or lost and waited for."""
        return self._browsers.accepted(self._browsers.current_flow(flow))

    def keep(self, flow: Flow, seconds: float) -> None:
        """
        Bear the end of a connection: what is sent by it, or was and has not been answered, waits for so many seconds instead of failing.
        To be said before it ends; 0 takes it back.
        """
        self._browsers.keep(flow, seconds)

    def succeed(self, old: Flow, new: Flow) -> None:
        """
        Let one connection take the place of another, lost or not: what waits goes by it now, and so does all that is sent by the old one.

        What the old one has carried without a final response is sent again. The new one is kept as long as the old one was, until `keep`
        says otherwise.
        """
        self._browsers.succeed(old, new)

    def current(self, flow: Flow) -> Flow:
        """Return the connection that stands for one now: itself, or its last successor."""
        return self._browsers.current_flow(flow)

    def abandon(self, flow: Flow) -> None:
        """Wait no more for the successor of a lost connection: what waits fails (503). News: FlowAbandoned."""
        self._browsers.abandon(flow)

    def blame(self, flow: Flow, cause: str) -> None:
        """Count something bad that came by a flow (a wrong password), towards the end of its connection and the ban of its source."""
        self._browsers.blame(flow, cause)

    def drop(self, flow: Flow, reason: str = "closed by us") -> None:
        """Close a connection once what waits in it has been written."""
        self._transports.drop(flow, reason)

    def session(self, call_id: str) -> Session | None:
        """Find a live session of any account by its Call-ID."""
        return next(iter(self.sessions(call_id)), None)

    def sessions(self, call_id: str) -> list[Session]:
        """The live sessions with a Call-ID: two, where one account here has called another."""
        return [found for found in self._sessions(self.ua.of_call(call_id)) if not found.over]

    def ladder(self, call_id: str) -> str:
        """Draw what was sent and received under a Call-ID; empty when nothing is known of it."""
        return self._ladders.draw(call_id)

    def statistics(self) -> dict[str, int | dict[str, int]]:
        """Numbers for metrics."""
        return {**self.ua.counts(), "drops": dict(self._transports.counts)}

    # --- what the facades ask for ---------------------------------------------------------------------------------------------------

    def now(self) -> float:
        return self._loop.time()

    def number(self) -> int:
        return self.ua.number()

    def account_of(self, line: Line) -> Account | None:
        return self._accounts.get(line.number)

    def sessions_of(self, line: Line) -> list[Session]:
        entries = (self.ua.entry(number) for number in sorted(line.usages))
        return [found for found in self._sessions(entry for entry in entries if entry) if not found.over]

    def check_headers(self, lines: Lines, line: Line) -> tuple[tuple[str, str], ...]:
        return self.ua.policy.check_headers(lines, line.settings.own_headers)

    def way_of(self, entry: Entry) -> Flow | None:
        flow = entry.way or entry.came
        return None if flow is None else self._browsers.current_flow(flow)

    def run(self, entry: Entry, actions: list[UsageAction]) -> None:
        """Perform what a command of a usage returned."""
        self._driver.run(self.ua.run(entry, actions, self.now()))

    def reply(self, transaction: int, response: Response) -> None:
        self._driver.run(self.ua.reply(transaction, response, self.now()))

    def reporting(self, refer: Refer) -> Callable[[Any, float], bool]:
        return self._delivery.reporting(refer)

    def register(self, account: Account) -> None:
        line = account.line
        if account.state is AccountState.CLOSED:
            raise WrongState("closed", "an account that is open")
        place = outgoing.first_place(line)
        assert place is not None  # identities are SIP URIs
        started = self._registrations.refresh(line, self.now())
        if started is not None:
            self._driver.run(started)
            return
        line.state = AccountState.REGISTERING
        settings = line.settings

        def located(targets: list[Target]) -> None:
            # By now the account may have been closed, changed, or be registering after all.
            if line.state is AccountState.REGISTERING and line.registration is None and line.settings is settings:
                target = targets[0] if targets else _nowhere(place, line.protocol)
                self._driver.run(self._registrations.start(line, target, self.now()))

        self._locate(place, line.protocol, located)

    def unregister(self, account: Account, headers: Lines = ()) -> None:
        line = account.line
        if line.state is AccountState.REGISTERING and line.registration is None:  # nothing was sent yet
            line.state = AccountState.UNREGISTERED
            self._loop.call_soon(self._delivery.tell, account, Unregistered(None))
            return
        self._driver.run(self._registrations.stop(account.line, self.check_headers(headers, account.line), self.now()))

    def change(self, account: Account, settings: AccountSettings) -> None:
        self._check(settings)
        self._driver.run(self._registrations.replace(account.line, settings, self.now()))
        self.ua.change_line(account.line, settings)

    def close_account(self, account: Account) -> None:
        now = self.now()
        line = account.line
        for session in self.sessions_of(line):
            session.hear = None
            session.hang_up(code=480)
        for number in sorted(line.usages):
            entry = self.ua.entry(number)
            if entry is not None and isinstance(entry.face, Subscription):
                entry.face.hear = None
                entry.face.unsubscribe()
            elif entry is not None and isinstance(entry.face, Refer):
                entry.face.reject(480)
            elif entry is not None and isinstance(entry.face, NotifierHandle):
                entry.face.hear = None
                entry.face.terminate("deactivated")
        if line.registration is not None:
            with suppress(WrongState):  # it is being taken back already
                self._driver.run(self._registrations.stop(line, (), now))
        self._accounts.pop(line.number, None)
        self.ua.close_line(line)
        if self.ua.doorway.browsers is line:
            self.ua.doorway.browsers = None

    # --- inside ---------------------------------------------------------------------------------------------------------------------

    def _check(self, settings: AccountSettings) -> None:
        self.ua.policy.check_registrar(settings.outbound_proxy or settings.registrar or settings.identity)
        self.ua.policy.check_headers(settings.headers, settings.own_headers)

    def _sessions(self, entries: Iterable[Entry]) -> list[Session]:
        return [entry.face for entry in entries if isinstance(entry.face, Session) and isinstance(entry.usage, SessionCore)]

    def _perform(self, action: ShellAction) -> None:
        if isinstance(action, Transmit):
            self._note(action.message, action.to, sent=True)
            self._browsers.send(action)
        elif isinstance(action, Locate):
            number = action.number
            self._locate(action.place, action.protocol, lambda targets: self._driver.run(self.ua.located(number, targets, self.now())))
        elif isinstance(action, Suspect):
            self._browsers.blame(action.flow, action.cause)
        elif isinstance(action, Strayed):
            self._browsers.stray(action.old, action.new)
        else:
            self._delivery.deliver(action)

    def _hear(self, data: bytes, flow: Flow) -> None:
        self._browsers.heard(flow)
        parsed = parse(data)
        message = parsed.message
        if message is None:
            self._browsers.blame(flow, "unreadable")
            return
        if isinstance(message, Request):
            note_source(message, flow)
        self._note(message, flow, sent=False)
        self._driver.run(self.ua.receive(message, parsed.defects, flow, self.now()))
        call_id = message.headers.get("Call-ID") or ""
        if self._ladders.is_strange(call_id) and self.ua.of_call(call_id):
            self._ladders.keep(call_id)

    def _note(self, message: Message, where: Destination, *, sent: bool) -> None:
        self._ladders.note(message, where, self.now(), sent=sent)
        if log.isEnabledFor(logging.DEBUG):
            facts = {"peer": peer_of(where), "message_line": start_line(message), "call_id": message.headers.get("Call-ID")}
            log.debug("sent" if sent else "received", extra=facts)

    def _spares(self, host: str) -> bool:
        """Whether an address is never banned: that of a registrar, a proxy or a trunk of ours."""
        return any(line.knows(host) or within(host, line.sources) for line in self.ua.lines)

    def _failed(self, transaction: int | None, reason: str) -> None:
        if transaction is not None:
            self._driver.run(self.ua.failed(transaction, reason, self.now()))

    def _closed(self, flow: Flow, reason: str) -> None:
        self._browsers.closed(flow, reason)
        self._driver.run(self._registrations.flow_closed(flow, self.now()))

    def _tell_browsers(self, event: Any) -> None:
        account = None if self.ua.doorway.browsers is None else self.account_of(self.ua.doorway.browsers)
        if account is not None:
            self._delivery.tell(account, event)

    def _move(self, old: Flow, new: Flow) -> None:
        self._driver.run(self.ua.move(old, new, self.now()))

    def _cut(self, flow: Flow, reason: str) -> None:
        self._driver.run(self.ua.cut(flow, reason, self.now()))

    def _locate(self, place: Place, want: FlowProtocol | None, then: Callable[[list[Target]], None]) -> None:
        targets = direct(place, want)
        if targets is not None:
            then([*targets])
        elif len(self._tasks) >= MAX_LOCATIONS or self._closing:
            self._loop.call_soon(then, [])
        else:
            task = self._loop.create_task(self._ask_dns(place, want, then))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _ask_dns(self, place: Place, want: FlowProtocol | None, then: Callable[[list[Target]], None]) -> None:
        targets: list[Target] = []
        try:
            targets = await self._locator.locate(place, want=want)
        except Exception:
            log.exception("location failed", extra={"host": place.host})
        then(targets)


def _locator(settings: SipSettings, penalties: Penalties, resolver: Asks) -> Locator:
    """What asks for targets that our sockets can reach."""
    listeners = [parse_listen(text) for text in settings.transport.listen]
    families = tuple(family for family in (4, 6) if any((":" in listen.host) is (family == 6) for listen in listeners))
    udp = (FlowProtocol.UDP,) if any(listen.protocol is FlowProtocol.UDP for listen in listeners) else ()
    return Locator(resolver, (*udp, FlowProtocol.TCP, FlowProtocol.TLS), families or (4, 6), penalties=penalties)


def _nowhere(place: Place, want: FlowProtocol | None) -> Target:
    """What stands for a registrar that DNS does not know at present: the registration fails and tries again."""
    protocol = want or (FlowProtocol.TLS if place.secure else FlowProtocol.UDP)
    return Target(protocol, "192.0.2.1", place.port or protocol.default_port, place.host)
