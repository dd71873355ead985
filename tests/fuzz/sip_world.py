"""
Two user agents and a scripted server on a network that damages, loses and doubles messages, in virtual time and without sockets.

Each agent does what a front would, by chance: calls, answers, changes, transfers, registers, subscribes. What it sends must always be a
message without defects, whatever it was sent; and when everybody has hung up nothing may be left.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import random
from collections.abc import Callable, Sized
from typing import Any

from boringsdp.errors import LocalError, SipError
from boringsdp.sip import headers as views
from boringsdp.sip import outgoing
from boringsdp.sip.account import AccountSettings
from boringsdp.sip.actions import Transmit
from boringsdp.sip.build import request as build_request
from boringsdp.sip.build import response, response_to, via_text
from boringsdp.sip.digest import Credentials
from boringsdp.sip.digest_server import Challenger, Verdict
from boringsdp.sip.exchange import Locate
from boringsdp.sip.flow import Destination, Flow, Protocol, Target
from boringsdp.sip.message import Message, Request
from boringsdp.sip.parse import parse
from boringsdp.sip.registrations import Registrations
from boringsdp.sip.session import Session, State
from boringsdp.sip.session import events as told
from boringsdp.sip.settings import PolicySettings, SipSettings
from boringsdp.sip.subscription import Subscription
from boringsdp.sip.transport import Reach, note_source
from boringsdp.sip.ua import CallCame, Entry, News, RequestCame, UserAgent
from boringsdp.sip.uri import SipUri
from tests.fuzz.sip_mutations import mutate_sip
from tests.fuzz.sip_splices import made_recent, splice

SERVER = "192.0.2.3"
MAX_DATAGRAM = 65_507
MAX_MESSAGES = 20_000
"""In one world: more of them means that somebody talks for ever."""
SETTINGS = SipSettings(policy=PolicySettings(sources=("0.0.0.0/0",)))
SDP = b"v=0\r\no=- 1 %d IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n"


class Network:
    """`hostile`: how large a share of the messages is damaged. `thrown` counts them, `taken` those that had no defect all the same."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.hostile = 0.3
        self.thrown = self.taken = self.messages = 0
        self.spliced = rng.choice((0.1, 0.5, 0.9))
        """How large a share of the damaged ones is sound in itself."""
        self.recent = made_recent()
        self.last: bytes = b""
        self.hears: dict[str, Callable[[bytes, str], None]] = {SERVER: Server(self).hear}
        """By host; called with octets and the host they are from."""

    @property
    def now(self) -> float:
        raise NotImplementedError

    def later(self, after: float, job: Callable[[], None]) -> None:
        raise NotImplementedError

    def post(self, data: bytes, source: str, to: Destination | str) -> None:
        """Carry octets, damaged or not. What one of ours sends must be sound."""
        if source != SERVER:
            check_sent(data)
        self.messages += 1
        self.recent.append(data)
        assert self.messages < MAX_MESSAGES, "they talk for ever"
        chance = self.rng.random()
        copies = [data]
        if chance < self.hostile:
            damaged = splice(self.rng, data, self.recent) if self.rng.random() < self.spliced else mutate_sip(self.rng, data)
            self.thrown += 1
            copies = [damaged] if self.rng.random() < 0.5 else [damaged, data]
        elif self.hostile and chance > 0.95:
            copies = []
        elif self.hostile and chance > 0.9:
            copies = [data, data]
        host = to if isinstance(to, str) else to.host if isinstance(to, Target) else to.remote[0]
        hear = self.hears.get(host)
        for copy in copies if hear else ():
            job = functools.partial(self._deliver, hear, copy, source, copy is not data)
            self.later(self.rng.choice((0.001, 0.01, 0.01, 0.05, 0.6)), job)

    def _deliver(self, hear: Callable[[bytes, str], None], data: bytes, source: str, damaged: bool) -> None:
        self.last = data
        if damaged:
            parsed = parse(data)
            self.taken += parsed.message is not None and not parsed.defects
        hear(data, source)


def leftovers(ua: UserAgent) -> dict[str, int]:
    """What a user agent still holds, by name; nothing is right when all is over, and time has passed."""
    exchanges, transactions = ua._exchanges, ua._transactions
    held: dict[str, Sized] = {
        "usages": ua._entries, "dialogs": ua._by_dialog, "calls": ua._by_call, "transfers": ua._beside, "asked": ua._answering,
        "first asked": ua._answering._first, "leaving": ua._answering._leaving, "exchanges": exchanges._of,
        "exchanges of transactions": exchanges._by_transaction, "locations": exchanges._waiting, "transactions": transactions._machines,
        "clients": transactions._clients, "servers": transactions._servers, "keys": transactions._keys, "quiet": transactions._quiet,
        "ways of transactions": transactions._ways, "ways": ua._ways,
    }  # fmt: skip
    return {name: len(of) for name, of in held.items() if len(of)}


def check_sent(data: bytes) -> None:
    """It fits into a datagram and has no defects; but a refusal may repeat those of its request."""
    assert len(data) <= MAX_DATAGRAM
    refuses = data.startswith(b"SIP/2.0 ") and b"\r\nWarning: 399 " in data
    parsed = parse(data)
    assert refuses or (parsed.message is not None and not parsed.defects), (parsed.defects, data)


class World(Network):
    """Two agents, in a time of its own."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__(rng)
        self._now = 0.0
        self._order = itertools.count()
        self._waiting: list[tuple[float, int, Callable[[], None]]] = []
        self.agents = [Agent(self, "192.0.2.1", "alice"), Agent(self, "192.0.2.2", "bob")]
        self.hears |= {agent.host: agent.hear for agent in self.agents}

    @property
    def now(self) -> float:
        return self._now

    def later(self, after: float, job: Callable[[], None]) -> None:
        heapq.heappush(self._waiting, (self._now + after, next(self._order), job))

    def run(self, seconds: float) -> bool:
        """Let time pass; false when nothing is left to happen."""
        end = self._now + seconds
        while True:
            due = [(at, agent) for agent in self.agents if (at := agent.ua.deadline()) is not None]
            first, agent = min(due, key=lambda pair: pair[0], default=(float("inf"), None))
            if self._waiting and self._waiting[0][0] <= first:
                at, _, job = self._waiting[0]
                if at > end:
                    break
                heapq.heappop(self._waiting)
                self._now = max(self._now, at)
                job()
            elif agent is not None and first <= end:
                self._now = max(self._now, first)
                agent.perform(agent.ua.tick(self._now))
            else:
                break
        left = bool(self._waiting) or any(agent.ua.deadline() is not None for agent in self.agents)
        self._now = end
        return left


class Agent:
    """A user agent and a front that does anything at any time."""

    def __init__(self, world: World, host: str, name: str) -> None:
        self.world = world
        self.host = host
        tokens = itertools.count(1)
        self.ua = UserAgent(
            SETTINGS,
            sent_by=lambda to: f"{host}:5060",
            reach=lambda to: Reach(host, 5060, to.protocol),
            token=lambda octets: f"{name[0].encode().hex()}{next(tokens):0{max(octets * 2 - 2, 1)}x}",
        )
        self.registrations = Registrations(self.ua, lambda to, on: None)
        credentials = (Credentials(name, secret="secret"),)
        self.line = self.ua.add_line(
            AccountSettings(identity=SipUri("sip", name, host), registrar=SipUri("sip", None, SERVER), credentials=credentials)
        )
        self.entries: list[Entry] = []
        self._version = itertools.count(1)

    # --- the network ----------------------------------------------------------------------------------------------------------------------

    def hear(self, data: bytes, source: str) -> None:
        """As the endpoint does."""
        parsed = parse(data)
        if parsed.message is None:
            return
        flow = Flow(Protocol.UDP, (self.host, 5060), (source, 5060))
        if isinstance(parsed.message, Request):
            note_source(parsed.message, flow)
        self.perform(self.ua.receive(parsed.message, parsed.defects, flow, self.world.now))

    def perform(self, actions: list[Any]) -> None:
        for action in actions:
            match action:
                case Transmit():
                    self.world.post(action.data, self.host, action.to)
                case Locate(number=number):
                    self.world.later(0.01, functools.partial(self._locate, number))
                case CallCame():
                    self.entries.append(action.entry)
                    self.act(action.entry)
                case RequestCame():
                    code = self.world.rng.choice((200, 202, 403, 489))
                    self.perform(self.ua.reply(action.transaction, response(code), self.world.now))
                case News():
                    self._told(action.entry, action.event)

    def _locate(self, number: int) -> None:
        """DNS finds one of us, or nothing."""
        rng = self.world.rng
        found = [Target(Protocol.UDP, rng.choice([agent.host for agent in self.world.agents]), 5060)] if rng.random() < 0.8 else []
        self.perform(self.ua.located(number, found, self.world.now))

    # --- the front ------------------------------------------------------------------------------------------------------------------------

    def sdp(self) -> bytes:
        return SDP % next(self._version)

    def start(self) -> None:
        """Begin something."""
        rng, now = self.world.rng, self.world.now
        other = next(agent for agent in self.world.agents if agent is not self)
        uri = SipUri("sip", other.line.token if rng.random() < 0.5 else other.line.settings.identity.user, other.host)
        match rng.choice(("call", "call", "call", "register", "subscribe", "message")):
            case "call":
                entry, session = outgoing.call(self.ua, self.line, uri, self.sdp() if rng.random() < 0.8 else None)
                self._begin(entry, session.start(now=now))
            case "register":
                if self.line.registration is None:
                    self.perform(self.registrations.start(self.line, Target(Protocol.UDP, SERVER, 5060), now))
            case "subscribe":
                entry, subscription = outgoing.subscribe(
                    self.ua, self.line, SipUri("sip", "mwi", SERVER), "message-summary",
                    contact="", expires=600, accept="", headers=(), content_type="", body=b"", call_id=None,
                )  # fmt: skip
                self._begin(entry, subscription.start(now))
            case "message":
                entry, single = outgoing.single(self.ua, self.line, "MESSAGE", uri, content_type="text/plain", body=b"hello")
                self._begin(entry, single.start())

    def _begin(self, entry: Entry, actions: list[Any]) -> None:
        self.entries.append(entry)
        self.perform(self.ua.run(entry, actions, self.world.now))

    def act(self, entry: Entry) -> None:
        """Do something with a call, whether it is the time for it or not."""
        session, rng = entry.usage, self.world.rng
        if not isinstance(session, Session) or self.ua.entry(entry.number) is None:
            return
        incoming = session.state in (State.INCOMING, State.EARLY)
        early: tuple[tuple[Any, ...], ...] = (
            ("ring",), ("progress", self.sdp()), ("progress", None, 182), ("accept", self.sdp()), ("accept", self.sdp()), ("accept", None),
            ("reject", 486),
        )  # fmt: skip
        others: tuple[tuple[Any, ...], ...] = (
            ("offer", self.sdp()), ("offer", None), ("answer", self.sdp()), ("answer", self.sdp()), ("refuse", 488), ("hang_up",),
            ("request", "INFO", (), "text/plain", b"1"), ("request", "REFER", (("Refer-To", "<sip:carol@192.0.2.9>"),)),
        )  # fmt: skip
        self.command(entry, *rng.choice(early if incoming and rng.random() < 0.9 else others))

    def command(self, entry: Entry, name: str, *args: Any) -> None:
        try:
            made = getattr(entry.usage, name)(*args, now=self.world.now)
        except LocalError:
            return
        self.perform(self.ua.run(entry, made[1] if isinstance(made, tuple) else made, self.world.now))

    def _told(self, entry: Entry, event: object) -> None:
        rng = self.world.rng
        if isinstance(event, told.OfferReceived) and rng.random() < 0.8:
            self.world.later(rng.choice((0.0, 0.2, 3.0)), lambda: self.command(entry, "answer", self.sdp()))

    def leave(self) -> None:
        """End everything."""
        for entry in self.ua.entries():
            if isinstance(entry.usage, Session):
                self.command(entry, "hang_up")
            elif isinstance(entry.usage, Subscription):
                self.perform(self.ua.run(entry, entry.usage.stop(self.world.now), self.world.now))
        if self.line.registration is not None:
            self.perform(self.registrations.stop(self.line, (), self.world.now))


class Server:
    """Registers whoever proves who he is, and sends news to whoever subscribes."""

    def __init__(self, world: Network) -> None:
        self._world = world
        tokens = itertools.count(1)
        find = {"alice": Credentials("alice", secret="secret"), "bob": Credentials("bob", secret="secret")}.get
        self._challenger = Challenger("example", find, token=lambda octets: f"{next(tokens):0{octets * 2}x}")
        self._branches = itertools.count()

    def hear(self, data: bytes, source: str) -> None:
        parsed = parse(data)
        request = parsed.message
        if not isinstance(request, Request) or parsed.defects or request.method == "ACK":
            return
        try:
            answers = self._answers(request)
        except SipError:
            answers = [response_to(request, 400, tag="srv")]
        for answer in answers:
            self._world.post(answer.to_bytes(), SERVER, source)

    def _answers(self, request: Request) -> list[Message]:
        if request.method == "REGISTER":
            verdict, _ = self._challenger.check(request, self._world.now)
            if verdict is not Verdict.GOOD:
                return [response_to(request, 401, tag="srv", headers=self._challenger.challenge(self._world.now))]
            lines = [("Contact", f"{contact.to_text()};expires=120") for contact in views.contacts(request)]
            return [response_to(request, 200, tag="srv", headers=[*lines, ("Service-Route", f"<sip:{SERVER};lr>")])]
        if request.method != "SUBSCRIBE":
            return [response_to(request, self._world.rng.choice((200, 404, 503)), tag="srv")]
        contact = views.contact(request)
        to, from_, event = views.to(request), views.from_(request), views.event(request)
        if contact is None or event is None:
            return [response_to(request, 400, tag="srv")]
        news = build_request(
            "NOTIFY", contact.uri_text, from_=f"<{to.uri_text}>;tag={to.tag or 'srv'}", to=str(from_), call_id=views.call_id(request),
            cseq=views.cseq(request).number, headers=[("Contact", f"<sip:{SERVER}>"), ("Event", event.package),
            ("Subscription-State", "active;expires=60" if views.expires(request) else "terminated;reason=timeout")],
            content_type="text/plain", body=b"news",
        )  # fmt: skip
        news.headers.prepend("Via", via_text("UDP", SERVER, f"z9hG4bK-srv-{next(self._branches)}"))
        return [response_to(request, 200, tag="srv", headers=[("Expires", "60"), ("Contact", f"<sip:{SERVER}>")]), news]
