"""
Who may use the API: a shared secret, stored tokens, or signed tokens.

With a secret and tokens both on, either is enough. All comparisons take the same time wherever the difference is.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from boringsdp.janus_api.settings import Authentication

REALM = "janus"
MAX_TOKEN_SIZE = 4096


class Tokens(Protocol):
    """A kind of token."""

    def valid(self, token: str) -> bool:
        """Whether requests with this token are served."""

    def allows(self, token: str, package: str) -> bool:
        """Whether this token may attach to the plugin `package`."""


class TokenStore:
    """Tokens that were handed out, each with the packages it may attach to (None: any)."""

    def __init__(self, tokens: Mapping[str, Iterable[str] | None] | None = None) -> None:
        self._allowed: dict[str, set[str] | None] = {}
        for token, packages in (tokens or {}).items():
            self.add(token, packages)

    def __contains__(self, token: str) -> bool:
        return token in self._allowed

    def add(self, token: str, packages: Iterable[str] | None = None) -> None:
        """Hand out a token; a known one has its packages replaced."""
        self._allowed[token] = None if packages is None else set(packages)

    def remove(self, token: str) -> bool:
        """Take a token back; returns whether it was there. Its sessions stay."""
        return self._allowed.pop(token, ()) != ()

    def allow(self, token: str, packages: Iterable[str]) -> bool:
        """Let a token attach to more packages; returns whether the token is there."""
        if token in self._allowed and (allowed := self._allowed[token]) is not None:
            allowed.update(packages)
        return token in self._allowed

    def disallow(self, token: str, packages: Iterable[str], known: Iterable[str] = ()) -> bool:
        """Take packages away from a token; one that might use any keeps what is `known` besides. Returns whether the token is there."""
        if token not in self._allowed:
            return False
        allowed = self._allowed[token]
        self._allowed[token] = (set(known) if allowed is None else allowed) - set(packages)
        return True

    def list(self) -> dict[str, tuple[str, ...] | None]:
        """All tokens with their packages, sorted; None for any."""
        return {token: None if packages is None else tuple(sorted(packages)) for token, packages in self._allowed.items()}

    def valid(self, token: str) -> bool:
        # A dictionary finds by hash, so how long it takes says nothing about how much of a guess was right.
        return token in self._allowed

    def allows(self, token: str, package: str) -> bool:
        if token not in self._allowed:
            return False
        allowed = self._allowed[token]
        return allowed is None or package in allowed


class SignedTokens:
    """
    Tokens that need no store: `<expiry>,janus,<package>,…:<signature>`, the signature being the base64 of HMAC-SHA1 over what precedes it.

    `expiry` is in Unix seconds, of the same kind as `wallclock` returns. The packages named are those that it may attach to.
    """

    def __init__(self, secret: str, wallclock: Callable[[], float]) -> None:
        self._key = secret.encode()
        self._wallclock = wallclock

    def sign(self, expiry: int, packages: Iterable[str]) -> str:
        """A token good until `expiry` for these packages."""
        data = ",".join((str(expiry), REALM, *packages))
        return f"{data}:{base64.b64encode(self._signature(data.encode())).decode()}"

    def valid(self, token: str) -> bool:
        return self._packages(token) is not None

    def allows(self, token: str, package: str) -> bool:
        return package in (self._packages(token) or ())

    def _packages(self, token: str) -> list[str] | None:
        """The packages of a token that is in order, None for any other."""
        data, colon, signature = token.partition(":")
        if not colon or len(token) > MAX_TOKEN_SIZE:
            return None
        try:
            given = base64.b64decode(signature.encode("ascii"), validate=True)
            expected = self._signature(data.encode())
        except (UnicodeError, binascii.Error):
            return None
        if not hmac.compare_digest(given, expected):
            return None
        expiry, *rest = data.split(",")
        if not expiry.isascii() or not expiry.isdigit() or int(expiry) < self._wallclock():
            return None
        return rest[1:] if rest and rest[0] == REALM else None

    def _signature(self, data: bytes) -> bytes:
        return hmac.digest(self._key, data, "sha1")


class Authorization:
    """The rule: who has the secret or a valid token is served; when neither is asked for, everybody is."""

    def __init__(self, api_secret: str | None = None, tokens: Tokens | None = None) -> None:
        self._secret = None if api_secret is None else api_secret.encode()
        self.tokens = tokens

    @classmethod
    def from_settings(cls, settings: Authentication, wallclock: Callable[[], float]) -> Authorization:
        """Signed tokens when there is a secret for them, else stored ones when they are on."""
        tokens: Tokens | None = None
        if settings.token_auth_secret is not None:
            tokens = SignedTokens(settings.token_auth_secret, wallclock)
        elif settings.token_auth:
            tokens = TokenStore(settings.tokens)
        return cls(settings.api_secret, tokens)

    @property
    def needs_secret(self) -> bool:
        return self._secret is not None

    @property
    def needs_token(self) -> bool:
        return self.tokens is not None

    def allows_request(self, secret: object, token: object) -> bool:
        """Whether a request with these (any JSON value, None when not given) is served at all."""
        if self._secret is None and self.tokens is None:
            return True
        return self._right_secret(secret) or (self.tokens is not None and isinstance(token, str) and self.tokens.valid(token))

    def allows_plugin(self, secret: object, token: str | None, package: str) -> bool:
        """
        Whether a handle of `package` may be attached with this token. Call after `allows_request`.

        Who has the secret and brings no token may use any plugin; a token that is brought must allow it.
        """
        if self.tokens is None:
            return True
        if token is None:
            return self._right_secret(secret)
        return self.tokens.valid(token) and self.tokens.allows(token, package)

    def _right_secret(self, secret: object) -> bool:
        if self._secret is None or not isinstance(secret, str):
            return False
        return hmac.compare_digest(secret.encode(errors="surrogatepass"), self._secret)
