"""Asks browsers of a domain who they are: digest (RFC 7616, RFC 8760) and bearer tokens (RFC 8898)."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

from boringsdp.b2bua.policy import Refusal
from boringsdp.b2bua.settings import DomainSettings
from boringsdp.b2bua.shared import Shared, too_many_wrong
from boringsdp.b2bua.tokens import read_jwt, timed_password, timed_user
from boringsdp.b2bua.users import User, Users
from boringsdp.sip.digest import Credentials
from boringsdp.sip.digest_params import Words, read_lines
from boringsdp.sip.digest_server import Challenger, Verdict
from boringsdp.sip.flow import Flow
from boringsdp.sip.message import Request

Told = Callable[[User | Refusal], None]


class Authentication:
    """One for a domain. Nobody learns from an answer, or from how long it takes, whether a user exists."""

    def __init__(
        self,
        domain: DomainSettings,
        users: tuple[Users, ...],
        shared: Shared,
        *,
        wallclock: Callable[[], float] = time.time,
        token: Callable[[int], str] = secrets.token_hex,
    ) -> None:
        self._domain = domain
        self._realm = domain.realm or domain.name
        self._users = users
        self._shared = shared
        self._wallclock = wallclock
        self._credentials: Credentials | None = None
        """Of the user who is being checked."""
        key = bytes.fromhex(token(32))
        self._challengers = {
            proxy: Challenger(self._realm, lambda _: self._credentials, key=key, proxy=proxy, algorithms=domain.algorithms, token=token)
            for proxy in (False, True)
        }

    def ask(self, request: Request, flow: Flow, told: Told, *, proxy: bool = False) -> None:
        """Tell the user whose request that is, now or later; or a Refusal, most often the challenge with 401 (407 for `proxy`)."""
        if refused := too_many_wrong(self._shared, flow):
            told(refused)
            return
        name = "Proxy-Authorization" if proxy else "Authorization"
        bearer = self._bearer(request)
        if bearer is not None:
            claims = read_jwt(bearer, self._domain.token_secret, self._domain.name, self._wallclock())
            told(User(claims.user, (), claims.display_name) if claims is not None else self._wrong(flow, proxy, "(token)"))
            return
        words = next((words for scheme, words in read_lines(request, name) if scheme == "digest" and words.get("realm") == self._realm), {})
        username = words.get("username", "")
        if not username:
            told(self._challenge(proxy))
            return
        self._find(username, lambda found: told(found if isinstance(found, Refusal) else self._check(request, flow, proxy, found, words)))

    def _check(self, request: Request, flow: Flow, proxy: bool, user: User | None, words: Words) -> User | Refusal:
        self._credentials = _fitting(user, words.get("algorithm", "MD5").upper())
        try:
            verdict, _ = self._challengers[proxy].check(request, self._shared.stack.now())
        finally:
            self._credentials = None
        if verdict is Verdict.GOOD and user is not None:
            return user
        if verdict is Verdict.WRONG:
            return self._wrong(flow, proxy, words["username"])
        return self._challenge(proxy, stale=verdict is Verdict.STALE)

    def _find(self, username: str, found: Callable[[User | Refusal | None], None]) -> None:
        if self._domain.token_secret:
            timed = timed_user(username, self._wallclock())
            if timed is not None:
                password = timed_password(username, self._domain.token_secret, self._domain.name)
                found(User(timed, (Credentials(username, secret=password),)) if timed else None)
                return
        user, at, host = username.partition("@")
        name = user if at and host.lower() == self._domain.name else username
        # The name as it was given is part of HA1: a password can be had for either, an HA1 for the one it was made for.
        self._next(name, self._users, lambda user: found(_named(user, username)))

    def _next(self, name: str, sources: tuple[Users, ...], found: Callable[[User | Refusal | None], None]) -> None:
        """Ask one source after the other."""
        if not sources:
            found(None)
            return
        sources[0].find(name, lambda user: found(user) if user is not None else self._next(name, sources[1:], found))

    def _challenge(self, proxy: bool, *, stale: bool = False) -> Refusal:
        lines = self._challengers[proxy].challenge(self._shared.stack.now(), stale=stale)
        if self._domain.token_secret:
            lines.insert(0, ("Proxy-Authenticate" if proxy else "WWW-Authenticate", f'Bearer realm="{self._realm}"'))
        return Refusal(407 if proxy else 401, headers=tuple(lines))

    def _wrong(self, flow: Flow, proxy: bool, name: str) -> Refusal:
        self._shared.note_wrong(flow, f"{name}@{self._domain.name}" if "@" not in name else name)
        return self._challenge(proxy)

    def _bearer(self, request: Request) -> str | None:
        """The token of a request; JsSIP writes it into Authorization of calls, too."""
        if not self._domain.token_secret:
            return None
        for line in (*request.headers.all("Authorization")[:8], *request.headers.all("Proxy-Authorization")[:8]):
            scheme, _, rest = line.strip().partition(" ")
            if scheme.lower() == "bearer":
                return rest.strip()
        return None


def _named(user: User | Refusal | None, username: str) -> User | Refusal | None:
    if not isinstance(user, User) or not user.credentials or user.credentials[0].user == username:
        return user
    return User(user.name, tuple(Credentials(username, secret=one.secret) for one in user.credentials if one.secret), user.display_name)


def _fitting(user: User | None, algorithm: str) -> Credentials | None:
    """The credentials that serve for an algorithm: a password does for all."""
    if user is None:
        return None
    return next((one for one in user.credentials if one.secret or one.ha1_algorithm == algorithm.removesuffix("-SESS")), None)
