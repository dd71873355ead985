"""A name and a URI with parameters: the value of From, To, Contact, Route, Refer-To (RFC 3261 §20.10)."""

from __future__ import annotations

import re

import msgspec

from boringsdp.errors import SipError
from boringsdp.sip.params import Params, end_of_quotes, params_text, parse_params, quote, unquote
from boringsdp.sip.uri import SipUri, Uri, parse_uri

_PLAIN = re.compile(
    r'(?:"([^"\\]*)" *|([^ \t<>",;]*) *)<([^ \t<>":]+:[^ \t<>"]+)>(?:;tag=([^ \t;=",<>]+)|(;.*))?',
    re.DOTALL,
)
"""What nearly every value looks like: a name in quotes without escapes, or of one word, or none."""


class NameAddress(msgspec.Struct, gc=False, eq=False):
    """
    `display` is the name as people read it (quotes and escapes undone, empty without one), `uri_text` the URI as it was written.

    `uri` is read when first asked for, and raises SipError when the text is none.
    """

    display: str
    uri_text: str
    params: Params
    _uri: Uri | None = None

    @property
    def uri(self) -> Uri:
        if self._uri is None:
            self._uri = parse_uri(self.uri_text)
        return self._uri

    @property
    def sip_uri(self) -> SipUri:
        """`uri` when it is a sip: or sips: one. Raises SipError otherwise."""
        uri = self.uri
        if not isinstance(uri, SipUri):
            raise SipError("no sip: or sips: URI")
        return uri

    @property
    def tag(self) -> str:
        """Empty without one."""
        return self.params.get("tag") or ""

    def to_text(self) -> str:
        """Return the value as it is written in a header."""
        return name_address_text(self.uri_text, self.display, self.params)

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return f"NameAddress({self.to_text()!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NameAddress):
            return NotImplemented
        return (self.display, self.uri_text, self.params) == (other.display, other.uri_text, other.params)

    def __hash__(self) -> int:
        return hash((self.display, self.uri_text))


def name_address_text(uri: str, display: str = "", params: Params | None = None) -> str:
    """Return `"display" <uri>;params`."""
    named = f"{quote(display)} <{uri}>" if display else f"<{uri}>"
    return named + params_text(params) if params else named


def parse_name_address(text: str) -> NameAddress:
    """
    Return what one value says. Raises SipError for what is none.

    Without <> all parameters belong to the header and the URI may hold no comma, question mark or semicolon (RFC 3261 §20). A name without
    quotes may hold more than tokens (peers write dots, parentheses, UTF-8), but none of the characters that separate.
    """
    plain = _PLAIN.fullmatch(text)
    if plain is not None:
        quoted, word, uri, tag, tail = plain.groups()
        return NameAddress(quoted or word or "", uri, {"tag": tag} if tag else _params(tail) if tail else {})
    if text[:1] == '"':
        end = end_of_quotes(text, 0)
        display = unquote(text[:end])
        rest = text[end:].lstrip(" \t")
        if rest[:1] != "<":
            raise SipError("no <URI> behind the name")
    else:
        name, bracket, after = text.partition("<")
        if not bracket:
            return _bare(text)
        display = name.strip(" \t")
        if display and ("," in display or ";" in display or '"' in display or ">" in display):
            raise SipError("a name that needs quotes")
        rest = bracket + after
    uri, bracket, tail = rest[1:].partition(">")
    if not bracket:
        raise SipError("an open <")
    _check(uri)
    return NameAddress(display, uri, _params(tail))


def _bare(text: str) -> NameAddress:
    uri, semicolon, tail = text.partition(";")
    uri = uri.rstrip(" \t")
    if "," in uri or "?" in uri:
        raise SipError("a URI that needs <>")
    _check(uri)
    return NameAddress("", uri, _params(semicolon + tail))


def _params(text: str) -> Params:
    params = parse_params(text)
    if "tag" in params and not params["tag"]:
        raise SipError("an empty tag")
    return params


def _check(uri: str) -> None:
    """What tells a URI from anything else; the rest of it is checked by who needs it."""
    if ":" not in uri or " " in uri or "\t" in uri or "<" in uri or ">" in uri or '"' in uri:
        raise SipError("no URI")
