"""
Signed tokens: who may log in for how long, without a list of users. Both kinds are made with `token_secret` alone.

- `Authorization: Bearer <JWT>` (RFC 8898, HS256): `sub` is the user, `exp` is needed; `nbf`, `aud` (the domain) and `name` are heeded.
- Digest, for phones that know nothing else: the user name is `1790000000:alice` (seconds since 1970 at which it ends), the password
  base64(HMAC-SHA256(secret, "1790000000:alice@example.com")), as TURN servers have it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any, TypeGuard

MAX_TOKEN = 4096
"""Characters."""


@dataclass(slots=True, frozen=True)
class Claims:
    """What a good token says."""

    user: str
    display_name: str = ""


def read_jwt(token: str, secret: str, domain: str, wallclock: float) -> Claims | None:
    """Return whose token that is; None unless it is signed with `secret`, for this domain and in force."""
    head, dot, signature = token.rpartition(".")
    if not dot or len(token) > MAX_TOKEN or head.count(".") != 1 or not token.isascii():
        return None
    wanted = hmac.new(secret.encode(), head.encode(), hashlib.sha256).digest()
    if not hmac.compare_digest(wanted, _octets(signature) or b""):
        return None
    header, payload = (_object(part) for part in head.split("."))
    if header is None or payload is None or header.get("alg") != "HS256" or "crit" in header:
        return None
    end, start, subject, audience = payload.get("exp"), payload.get("nbf", 0), payload.get("sub"), payload.get("aud", domain)
    if not _is_time(end) or not _is_time(start) or not start <= wallclock < end or not isinstance(subject, str):
        return None
    if domain not in ([audience] if isinstance(audience, str) else audience if isinstance(audience, list) else []):
        return None
    user, at, host = subject.removeprefix("sip:").partition("@")
    name = payload.get("name")
    return Claims(user, name if isinstance(name, str) else "") if user and (not at or host.lower() == domain) else None


def make_jwt(user: str, secret: str, domain: str, until: float, display_name: str = "") -> str:
    """Return a token for a user, good until a time in seconds since 1970."""
    payload: dict[str, Any] = {"sub": user, "aud": domain, "exp": int(until), **({"name": display_name} if display_name else {})}
    head = ".".join(_text(json.dumps(part, separators=(",", ":")).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, payload))
    return f"{head}.{_text(hmac.new(secret.encode(), head.encode(), hashlib.sha256).digest())}"


def timed_user(username: str, wallclock: float) -> str | None:
    """Return the user of `1790000000:alice`, empty when that time is over; None for any other user name."""
    digits, colon, user = username.partition(":")
    if not colon or not user or not (digits.isascii() and digits.isdigit()) or len(digits) > 11:
        return None
    return user if wallclock < int(digits) else ""


def timed_password(username: str, secret: str, domain: str) -> str:
    """Return the digest password of such a user name."""
    return base64.b64encode(hmac.new(secret.encode(), f"{username}@{domain}".encode(), hashlib.sha256).digest()).decode()


def _octets(text: str) -> bytes | None:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return None


def _object(text: str) -> dict[str, Any] | None:
    try:
        read = json.loads(_octets(text) or b"")
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None


def _text(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _is_time(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
