"""Digest credentials of a client (RFC 7616, RFC 8760, RFC 3261 §22): challenges answered, nonces reused."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import ClassVar

from boringsdp.sip.message import Request, Response
from boringsdp.values import Value

HeaderLines = list[tuple[str, str]]


class Credentials(Value, frozen=True):
    """Who we are: a user with a password, or with HA1 = H(user:realm:password) in hexadecimal under `ha1_algorithm`."""

    user: str
    secret: str = ""
    ha1: str = ""
    realm: str | None = None
    """None: for every realm that has no credentials of its own."""
    ha1_algorithm: str = "MD5"

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"secret", "ha1"})


class Authenticator:
    """The credentials of one account and the nonces it was given, per realm (RFC 3261 §22.3)."""

    def __init__(self, credentials: tuple[Credentials, ...], token: Callable[[int], str] = secrets.token_hex) -> None:
        raise NotImplementedError

    def answer(self, response: Response, request: Request) -> HeaderLines | None:
        """
        Return the Authorization and Proxy-Authorization lines with which to send a challenged request again, or None.

        `response` is a 401 or 407 to `request`. None: no credentials, nothing we can compute, or the credentials were refused. The lines
        replace all lines of these names in the request; they hold one set of credentials per realm.
        """
        raise NotImplementedError

    def preempt(self, request: Request) -> HeaderLines:
        """Return the lines for a new request where a nonce is still good for its destination or Call-ID; none without."""
        raise NotImplementedError

    def heard(self, response: Response, request: Request) -> None:
        """Learn from a response that is no challenge: `nextnonce` of (Proxy-)Authentication-Info."""
        raise NotImplementedError
