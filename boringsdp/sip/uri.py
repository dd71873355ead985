"""URIs: sip and sips taken apart (RFC 3261 §19.1), all others opaque."""

from __future__ import annotations

import re
from contextlib import suppress
from ipaddress import IPv6Address
from urllib.parse import quote as _percent
from urllib.parse import unquote_to_bytes

from boringsdp.errors import SipError
from boringsdp.sip.limits import MAX_PARAMS, MAX_URI
from boringsdp.values import Value

Pairs = tuple[tuple[str, str | None], ...]

_ILLEGAL = re.compile(r'[\x00- \x7f"<>]')
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+\-.]*")
_PLAIN = re.compile(
    r"(sips?):(?:([A-Za-z0-9\-_.!~*'()&=+$,]+)@)?([A-Za-z0-9\-.]+)(?::([0-9]{1,5}))?((?:;[A-Za-z0-9\-_.!~*'()\[\]/:+$=;]+)?)"
)
"""What nearly every URI looks like. The user needs its @ and the rest is read once: linear."""
_HOST = re.compile(r"[A-Za-z0-9\-._]+")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]+")
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_USER_SAFE = "-_.!~*'()&=+$,;?/"
_PARAM_SAFE = "-_.!~*'()[]/:&+$"
_HEADER_SAFE = "-_.!~*'()[]/?:+$"
_COMPARED = ("user", "ttl", "method", "maddr", "transport")


class SipUri(Value, frozen=True):
    """
    A sip: or sips: URI. User, password, parameters and headers are as written, escapes and all (`user_name` has them undone).

    `host` of an IPv6 reference is without its brackets. Parameter names are in lower case.
    """

    scheme: str
    user: str | None
    host: str
    port: int | None = None
    params: Pairs = ()
    headers: tuple[tuple[str, str], ...] = ()
    password: str | None = None

    @property
    def user_name(self) -> str:
        """The user with escapes undone; empty without one."""
        return unescape(self.user) if self.user else ""

    @property
    def secure(self) -> bool:
        return self.scheme == "sips"

    def param(self, name: str) -> str | None:
        """The value of a parameter; empty when it has none, None when it is not there."""
        return next((value or "" for known, value in self.params if known == name), None)

    def header(self, name: str) -> str | None:
        """The value of one of the URI's own headers, escapes undone, or None."""
        lower = name.lower()
        return next((unescape(value) for known, value in self.headers if unescape(known).lower() == lower), None)

    def without(self, *params: str) -> SipUri:
        """The same without some parameters."""
        kept = tuple(pair for pair in self.params if pair[0] not in params)
        return SipUri(self.scheme, self.user, self.host, self.port, kept, self.headers, self.password)

    @property
    def host_port(self) -> str:
        """Host and port as they are written in the URI."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    def to_text(self) -> str:
        """Return the URI as it is written."""
        text = f"{self.scheme}:"
        if self.user is not None:
            text += self.user if self.password is None else f"{self.user}:{self.password}"
            text += "@"
        text += self.host_port
        for name, value in self.params:
            text += f";{name}" if value is None else f";{name}={value}"
        if self.headers:
            text += "?" + "&".join(f"{name}={value}" for name, value in self.headers)
        return text

    def __str__(self) -> str:
        return self.to_text()


class OtherUri(Value, frozen=True):
    """A URI of another scheme: `text` is all of it. `scheme` is in lower case."""

    scheme: str
    text: str

    def to_text(self) -> str:
        return self.text

    def __str__(self) -> str:
        return self.text


Uri = SipUri | OtherUri


def parse_uri(text: str) -> Uri:
    """Return what a URI says. Raises SipError for what is none: white space, brackets, no scheme, a sip: one out of order."""
    if len(text) > MAX_URI:
        raise SipError("URI too long")
    plain = _PLAIN.fullmatch(text)
    if plain is not None:
        scheme, user, host, digits, params = plain.groups()
        port = int(digits) if digits else None
        if port is None or port <= 65_535:
            return SipUri(scheme, user, host, port, _parse_params(params[1:]) if params else ())
    if _ILLEGAL.search(text) is not None:
        raise SipError("URI with white space, quotes or brackets")
    scheme, colon, rest = text.partition(":")
    if scheme not in ("sip", "sips"):
        scheme = scheme.lower()
        if scheme not in ("sip", "sips"):
            if not colon or not rest or _SCHEME.fullmatch(scheme) is None:
                raise SipError("URI without a scheme")
            return OtherUri(scheme, text)
    if not colon:
        raise SipError("URI without a host")
    return _parse_sip(scheme, rest)


def parse_sip_uri(text: str) -> SipUri:
    """Return what a sip: or sips: URI says. Raises SipError for any other."""
    uri = parse_uri(text)
    if not isinstance(uri, SipUri):
        raise SipError("no sip: or sips: URI")
    return uri


def _parse_sip(scheme: str, rest: str) -> SipUri:
    if "%" in rest and _ESCAPE.search(rest) is not None:
        raise SipError("URI with a broken escape")
    user: str | None = None
    password: str | None = None
    # The user may hold ; and ? but no @: the first one ends it. Peers write others unescaped into headers (Replaces).
    before, at, host_text = rest.partition("@")
    if not at:
        host_text = rest
    else:
        user, colon, secret = before.partition(":")
        if not user:
            raise SipError("URI with an empty user")
        if colon:
            password = secret
    headers: tuple[tuple[str, str], ...] = ()
    if "?" in host_text:
        host_text, _, header_text = host_text.partition("?")
        headers = _parse_headers(header_text)
    params: Pairs = ()
    if ";" in host_text:
        host_text, _, param_text = host_text.partition(";")
        params = _parse_params(param_text)
    host, port = parse_host_port(host_text)
    return SipUri(scheme, user, host, port, params, headers, password)


def _parse_params(text: str) -> Pairs:
    parts = text.split(";")
    if len(parts) > MAX_PARAMS:
        raise SipError(f"URI with more than {MAX_PARAMS} parameters")
    found: dict[str, str | None] = {}
    for part in parts:
        name, equals, value = part.partition("=")
        name = name.lower()
        if not name:
            raise SipError("URI with an empty parameter")
        if name not in found:
            found[name] = value if equals else None
    return tuple(found.items())


def _parse_headers(text: str) -> tuple[tuple[str, str], ...]:
    parts = text.split("&")
    if len(parts) > MAX_PARAMS:
        raise SipError(f"URI with more than {MAX_PARAMS} headers")
    headers = []
    for part in parts:
        name, equals, value = part.partition("=")
        if not name or not equals:
            raise SipError("URI with an empty header")
        headers.append((name, value))
    return tuple(headers)


def parse_host_port(text: str) -> tuple[str, int | None]:
    """Return host (IPv6 without brackets) and port of `host`, `host:port` or `[host]:port`. Raises SipError for anything else."""
    if text[:1] == "[":
        host, bracket, tail = text[1:].partition("]")
        if not bracket or ":" not in host or _IPV6.fullmatch(host) is None or (tail and tail[0] != ":"):
            raise SipError("a bad IPv6 reference")
        colon, digits = tail[:1], tail[1:]
    else:
        host, colon, digits = text.partition(":")
        if _HOST.fullmatch(host) is None:
            raise SipError("a bad host")
    if not colon:
        return host, None
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 5 or not 0 <= (port := int(digits)) <= 65_535:
        raise SipError("a bad port")
    return host, port


def unescape(text: str) -> str:
    """Return text with %xx undone (UTF-8, other octets by `surrogateescape`)."""
    if "%" not in text:
        return text
    return unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def escape_user(text: str) -> str:
    """Return a user name as a URI holds it."""
    return _percent(text, _USER_SAFE, "utf-8", "surrogateescape")


def escape_param(text: str) -> str:
    """Return the name or value of a parameter as a URI holds it."""
    return _percent(text, _PARAM_SAFE, "utf-8", "surrogateescape")


def escape_header(text: str) -> str:
    """Return the name or value of a header as a URI holds it (Replaces in Refer-To)."""
    return _percent(text, _HEADER_SAFE, "utf-8", "surrogateescape")


def same_uri(one: Uri, other: Uri) -> bool:
    """Whether two URIs are equal under RFC 3261 §19.1.4; those of other schemes when their text is, but for the scheme's case."""
    if not isinstance(one, SipUri) or not isinstance(other, SipUri):
        return type(one) is type(other) and one.scheme == other.scheme and _opaque(one) == _opaque(other)
    if one.scheme != other.scheme or one.port != other.port or _host(one.host) != _host(other.host):
        return False
    if _plain(one.user) != _plain(other.user) or _plain(one.password) != _plain(other.password):
        return False
    return _same_params(dict(one.params), dict(other.params)) and _folded(one.headers) == _folded(other.headers)


def _host(text: str) -> str:
    """IPv6 addresses are compared as numbers (RFC 5954 §4.2)."""
    if ":" in text:
        with suppress(ValueError):
            return IPv6Address(text).compressed
    return text.lower()


def _opaque(uri: Uri) -> str:
    return uri.to_text().partition(":")[2]


def _plain(text: str | None) -> str | None:
    """Escapes of what needs none mean the same as the character itself; reserved characters do not."""
    if text is None or "%" not in text:
        return text
    return _ANY_ESCAPE.sub(_undo, text)


_ANY_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_RESERVED = frozenset(";/?:@&=+$,%")


def _undo(match: re.Match[str]) -> str:
    char = chr(int(match[1], 16))
    return match[0].upper() if char in _RESERVED or not " " < char < "\x7f" else char


def _same_params(one: dict[str, str | None], other: dict[str, str | None]) -> bool:
    for name in one.keys() | other.keys():
        if name in one and name in other:
            if (_plain(one[name]) or "").lower() != (_plain(other[name]) or "").lower():
                return False
        elif name in _COMPARED:
            return False
    return True


def _folded(headers: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    return sorted(((_plain(name) or "").lower(), _plain(value) or "") for name, value in headers)


def telephone_number(address: str) -> str:
    """Return the digits of a tel: URI without visual separators, with a leading + if global; empty when it has none (RFC 3966)."""
    number = address.partition(":")[2].partition(";")[0]
    plus, digits = ("+", number[1:]) if number.startswith("+") else ("", number)
    for separator in "-.()":
        digits = digits.replace(separator, "")
    return plus + digits if digits and not digits.upper().strip("0123456789*#ABCD") else ""


def number_at(tel: str, domain: SipUri) -> SipUri:
    """Return the SIP URI of a tel: URI in a domain (RFC 3261 §19.1.6). Raises SipError where it has no number."""
    number = telephone_number(tel)
    if not number:
        raise SipError("no telephone number")
    return SipUri("sip", number.replace("#", "%23"), domain.host, domain.port, (("user", "phone"),))
