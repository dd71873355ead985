"""Whole SIP endpoints without sockets on a hostile network, and fronts that do anything at any time through what an endpoint gives them."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from boringsdp.errors import LocalError, SipError
from boringsdp.sip import account as heard
from boringsdp.sip import endpoint as shell
from boringsdp.sip.account import AccountSettings
from boringsdp.sip.digest import Credentials
from boringsdp.sip.facades import Session
from boringsdp.sip.flow import Destination, Flow, Protocol
from boringsdp.sip.session import events as told
from boringsdp.sip.transport import Reach
from boringsdp.sip.transport.settings import Listen
from boringsdp.sip.uri import SipUri
from tests.fuzz.sip_world import SDP, SERVER, SETTINGS, Network


class LoopNetwork(Network):
    """In the time of the running loop."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__(rng)
        self._loop = asyncio.get_running_loop()

    @property
    def now(self) -> float:
        return self._loop.time()

    def later(self, after: float, job: Callable[[], None]) -> None:
        self._loop.call_later(after, job)


class MemoryTransports:
    """What an endpoint needs of transports; its host is the next of the network's."""

    def __init__(self, network: Network, host: str, hear: Callable[[bytes, Flow], None]) -> None:
        self._network = network
        self._host = host
        self.counts: dict[str, int] = {}
        network.hears[host] = lambda data, source: hear(data, Flow(Protocol.UDP, (host, 5060), (source, 5060)))

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    def addresses(self) -> list[Listen]:
        return [Listen(Protocol.UDP, self._host, 5060)]

    def sent_by(self, to: Destination) -> str:
        return f"{self._host}:5060"

    def contact_address(self, to: Destination) -> Reach:
        return Reach(self._host, 5060, to.protocol)

    def accepts(self, flow: Flow) -> bool:
        return False

    def flow(self, to: Destination) -> Flow | None:
        return to if isinstance(to, Flow) else None

    def keep_alive(self, to: Destination, on: bool) -> None:
        pass

    def blame(self, flow: Flow, cause: str) -> None:
        pass

    def send(self, data: bytes, to: Destination, transaction: int | None = None) -> None:
        self._network.post(data, self._host, to)


class Nowhere:
    """A resolver that knows nobody."""

    async def locate(self, place: object, *, want: object = None) -> list[Any]:
        return []


def made_endpoint(network: Network, host: str) -> shell.Endpoint:
    """An endpoint of that host on the network. To be made while `shell.Transports` may be another."""
    numbers = itertools.count(1)
    real = shell.Transports
    shell.Transports = lambda settings, hear, failed, closed, spares, bears: MemoryTransports(network, host, hear)  # type: ignore[assignment, misc]
    try:
        return shell.Endpoint(
            SETTINGS,
            token=lambda octets: f"{host[-1]}{next(numbers):0{max(octets * 2 - 1, 1)}x}",
            locator=Nowhere(),  # type: ignore[arg-type]
        )
    finally:
        shell.Transports = real


class Front:
    """Owns one account."""

    def __init__(self, network: Network, host: str, name: str) -> None:
        self.network = network
        self.endpoint = made_endpoint(network, host)
        self.host = host
        settings = AccountSettings(
            identity=SipUri("sip", name, host), registrar=SipUri("sip", None, SERVER), credentials=(Credentials(name, secret="secret"),)
        )
        self.account = self.endpoint.account(settings, self.hear)
        self._version = itertools.count(1)

    def sdp(self) -> bytes:
        return SDP % next(self._version)

    def hear(self, event: object) -> None:
        """Of the account."""
        rng = self.network.rng
        match event:
            case heard.IncomingCall(session):
                session.hear = lambda event: self.hear_session(session, event)
                self.act(session)
            case heard.IncomingRefer(refer):
                self._refer(refer)
            case heard.IncomingSubscribe() if rng.random() < 0.4:
                with suppress(LocalError, SipError):
                    handle = event.accept(rng.choice((0, 1, 600)))
                    handle.notify(rng.choice(("active", "pending")), "text/plain", b"open")
                    if rng.random() < 0.3:
                        handle.terminate()
            case heard.IncomingMessage(incoming) | heard.IncomingNotify(incoming) | heard.IncomingSubscribe(incoming):
                if rng.random() < 0.3:
                    incoming.answer(rng.choice((200, 202, 489)))

    def hear_session(self, session: Session, event: object) -> None:
        rng = self.network.rng
        match event:
            case told.OfferReceived() if rng.random() < 0.8:
                self.network.later(rng.choice((0.0, 0.2, 3.0)), lambda: self._try(session.answer, self.sdp()))
            case heard.ReferReceived(refer):
                self._refer(refer)

    def _refer(self, refer: Any) -> None:
        match self.network.rng.choice(("call", "accept", "reject", "notify", "later", "nothing")):
            case "call":
                self._call(refer.target, refer=refer)
            case "notify":
                self._try(refer.notify, self.network.rng.choice((180, 200, 486)))
            case "nothing":
                pass
            case command:
                self._try(getattr(refer, command))

    def start(self, other: Front) -> None:
        """Begin something."""
        uri = SipUri("sip", other.account.contact_user, other.host)
        match self.network.rng.choice(("call", "call", "call", "register", "unregister", "subscribe", "request")):
            case "call":
                self._call(uri)
            case "request":
                method = self.network.rng.choice(("MESSAGE", "OPTIONS", "NOTIFY", "REFER", "SUBSCRIBE"))
                headers = {"NOTIFY": [("Event", "x")], "SUBSCRIBE": [("Event", "x")], "REFER": [("Refer-To", f"<{uri}>")]}.get(method, [])
                self._try(self.account.request, method, uri, headers=headers)
            case "subscribe":
                self._try(self.account.subscribe, SipUri("sip", "mwi", SERVER), "message-summary", hear=lambda event: None)
            case command:
                self._try(getattr(self.account, command))

    def _call(self, uri: SipUri | str, **more: Any) -> None:
        sdp = self.sdp() if self.network.rng.random() < 0.8 else None
        made: list[Session] = []
        self._try(lambda: made.append(self.account.invite(uri, sdp, hear=lambda event: made and self.hear_session(made[0], event), **more)))

    def act(self, session: Session) -> None:
        rng = self.network.rng
        others = [other for other in self.account.sessions if other is not session]
        early: tuple[Callable[[], Any], ...] = (
            lambda: session.ring(),
            lambda: session.progress(self.sdp()),
            lambda: session.accept(self.sdp()),
            lambda: session.accept(self.sdp()),
            lambda: session.reject(486),
        )
        any_time: tuple[Callable[[], Any], ...] = (
            lambda: session.offer(self.sdp()),
            lambda: session.offer(None),
            lambda: session.answer(self.sdp()),
            lambda: session.refuse(),
            lambda: session.hang_up(),
            lambda: session.send("INFO", content_type="text/plain", body=b"1"),
            lambda: session.refer(f"sip:carol@{self.host}", hear=lambda event: None, replaces=rng.choice(others) if others else None),
        )
        self._try(rng.choice(early if (session.incoming and session.dialog is None) or rng.random() < 0.3 else any_time))

    def _try(self, command: Callable[..., Any], *args: Any, **more: Any) -> None:
        with suppress(LocalError, SipError):
            command(*args, **more)
