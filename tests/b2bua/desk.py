"""What a domain needs around it, without sockets and without waiting: a stack of few words, REGISTERs and their answers."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from boringsdp.b2bua.bindings import BindingAction, Bindings
from boringsdp.b2bua.registrar import Registrar
from boringsdp.b2bua.settings import B2buaSettings, DomainSettings, Mode
from boringsdp.b2bua.shared import Shared
from boringsdp.b2bua.users import Found, User
from boringsdp.b2bua.wrong_passwords import WrongPasswords
from boringsdp.sip.account import AccountSettings, Hear
from boringsdp.sip.build import request as build_request
from boringsdp.sip.digest import Authenticator, Credentials
from boringsdp.sip.flow import Flow, Protocol
from boringsdp.sip.message import Headers, Request, Response

DOMAIN = "example.com"
_numbers = itertools.count(1)


def flow(number: int, host: str = "198.51.100.7") -> Flow:
    """A connection of a browser."""
    return Flow(Protocol.WS, ("192.0.2.1", 8088), (host, 40_000 + number), number)


class FakeAccount:
    """An account that remembers what it was told."""

    def __init__(self, settings: AccountSettings, hear: Hear) -> None:
        self.settings, self.hear = settings, hear
        self.contact_user = f"token{next(_numbers)}"
        self.registered = self.closed = False

    def register(self) -> None:
        self.registered = True

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeStack:
    """`sip.endpoint.Endpoint` as far as domains use it; `time` is now."""

    time: float = 1000.0
    accounts: list[FakeAccount] = field(default_factory=list)
    kept: list[tuple[Flow, float]] = field(default_factory=list)
    successions: list[tuple[Flow, Flow]] = field(default_factory=list)
    blamed: list[Flow] = field(default_factory=list)
    closed: set[Flow] = field(default_factory=set)

    def account(self, settings: AccountSettings, hear: Hear) -> Any:
        self.accounts.append(FakeAccount(settings, hear))
        return self.accounts[-1]

    def now(self) -> float:
        return self.time

    def keep(self, flow: Flow, seconds: float) -> None:
        self.kept.append((flow, seconds))

    def succeed(self, old: Flow, new: Flow) -> None:
        self.successions.append((old, new))

    def blame(self, flow: Flow, cause: str) -> None:
        self.blamed.append(flow)

    def is_open(self, flow: Flow) -> bool:
        return flow not in self.closed


class Came:
    """A request that is to be answered (`facades.Incoming`)."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.kept = False
        self.response: Response | None = None

    @property
    def answered(self) -> bool:
        return self.response is not None

    def later(self) -> None:
        self.kept = True

    def answer(self, code: int = 200, reason: str = "", headers: Iterable[tuple[str, str]] = ()) -> None:
        assert self.response is None
        self.response = Response(code, reason, Headers(headers))


class Names:
    """Users that a test names; found at once, or when `release` is called."""

    def __init__(self, *users: User, late: bool = False) -> None:
        self._users = {user.name: user for user in users}
        self._late = late
        self.asked: list[str] = []
        self._waiting: list[tuple[str, Found]] = []

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    def find(self, name: str, found: Found) -> None:
        self.asked.append(name)
        if self._late:
            self._waiting.append((name, found))
        else:
            found(self._users.get(name))

    def release(self) -> None:
        for name, found in self._waiting:
            found(self._users.get(name))
        self._waiting.clear()

    def knows(self, name: str) -> bool:
        return name in self._users


def user(name: str = "alice", password: str = "sesame", display_name: str = "") -> User:
    return User(name, (Credentials(name, secret=password),), display_name)


class Desk:
    """A registrar of one domain with its bindings."""

    def __init__(self, *users: User, late: bool = False, domain: dict[str, Any] | None = None, **more: Any) -> None:
        self.settings = B2buaSettings(**more)
        self.stack = FakeStack()
        self.bindings = Bindings(limit=self.settings.max_bindings, per_user=self.settings.bindings_per_user, grace_s=self.settings.grace_s)
        self.done: list[BindingAction] = []
        self.wrong_passwords = WrongPasswords(self.settings.wrong_passwords)
        self.heard: list[Any] = []
        self.shared = Shared(
            settings=self.settings,
            stack=self.stack,
            bindings=self.bindings,
            wrong_passwords=self.wrong_passwords,
            run=self.done.extend,
            hear=lambda *news: self.heard.append(news),
        )
        self.names = Names(*(users or (user(),)), late=late)
        self.wallclock = 1_800_000_000.0
        own = {"mode": Mode.REGISTRAR, **(domain or {})}
        self.domain = DomainSettings(name=DOMAIN, **own)
        self.registrar = Registrar(self.domain, self.shared, (self.names,), wallclock=lambda: self.wallclock)
        asyncio.run(self.registrar.start())

    def asks(self, request: Request, by: Flow) -> Response | None:
        """The answer to one REGISTER, None when it has to wait."""
        came = Came(request)
        self.registrar.register(came, by)  # type: ignore[arg-type]
        assert came.answered or came.kept
        return came.response

    def registers(self, by: Flow, request: Request | None = None, *, password: str = "sesame", username: str = "alice") -> Response:
        """The answer to a REGISTER after its challenge was answered."""
        first = request or register()
        challenged = self.asks(first, by)
        assert challenged is not None
        if challenged.code != 401:
            return challenged
        auth = Authenticator((Credentials(username, secret=password),), secrets.token_hex)
        answered = self.asks(with_credentials(first, auth, challenged), by)
        assert answered is not None
        return answered


def register(
    *contacts: str,
    user: str = "alice",
    call_id: str = "call",
    cseq: int | None = None,
    expires: int | None = 600,
    headers: tuple[tuple[str, str], ...] = (),
    domain: str = DOMAIN,
) -> Request:
    """A REGISTER; by default with one Contact as JsSIP has it."""
    aor = f"<sip:{user}@{domain}>"
    lines = [("Contact", value) for value in contacts or (contact(),)]
    if expires is not None:
        lines.append(("Expires", str(expires)))
    number = next(_numbers) if cseq is None else cseq
    return build_request(
        "REGISTER", f"sip:{domain}", from_=f"{aor};tag=a", to=aor, call_id=call_id, cseq=number, headers=[*lines, *headers]
    )


def contact(name: str = "k3j2h4g5", instance: str = "1", reg_id: int = 1, more: str = "") -> str:
    own = f';reg-id={reg_id};+sip.instance="<urn:uuid:{instance}>"' if instance else ""
    return f"<sip:{name}@a1b2c3.invalid;transport=ws>{own}{more}"


def with_credentials(request: Request, auth: Authenticator, challenged: Response) -> Request:
    """The request again, with the answer to a challenge and the next CSeq."""
    lines = auth.answer(challenged, request)
    assert lines is not None, challenged
    again = request.copy()
    for name, value in lines:
        again.headers.add(name, value)
    number = int((request.headers.get("CSeq") or "0").split()[0])
    again.headers.set("CSeq", f"{number + 1} {request.method}")
    return again
