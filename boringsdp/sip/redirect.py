"""The Contacts of 3xx responses, in the order to try them (RFC 3261 §8.1.3.4)."""

from __future__ import annotations

from collections.abc import Callable

from boringsdp.errors import SipError
from boringsdp.sip.headers import contacts
from boringsdp.sip.message import Response
from boringsdp.sip.name_address import NameAddress
from boringsdp.sip.uri import SipUri

FOLLOWED = frozenset((300, 301, 302))
"""305 asks for another proxy and 380 for another service: those are for whoever called to judge."""


class Redirects:
    """Where one request may be led. `allowed` says whether policy lets it go to a URI; `limit` Contacts are tried in all."""

    def __init__(self, limit: int, allowed: Callable[[SipUri], bool]) -> None:
        self._limit = limit
        self._allowed = allowed
        self._seen: set[str] = set()
        self._open: list[tuple[float, str]] = []

    def add(self, response: Response, *, secure: bool = False) -> None:
        """
        Take the Contacts of a 3xx; those that came before are left out, so that a loop ends.

        `secure`: a sips: URI was called, and who calls one is not led to others without being asked (RFC 3261 §8.1.3.4).
        """
        if response.code not in FOLLOWED:
            return
        try:
            found = contacts(response)
        except SipError:
            return
        for address in found:
            uri = _target(address)
            if uri is None or (secure and not uri.secure) or not self._allowed(uri) or uri.to_text() in self._seen:
                continue
            self._seen.add(uri.to_text())
            self._open.append((_weight(address), uri.to_text()))
        self._open.sort(key=lambda entry: -entry[0])

    def next(self) -> str | None:
        """Return the URI to try next, None when there is none or enough were tried."""
        if not self._open or self._limit <= 0:
            return None
        self._limit -= 1
        return self._open.pop(0)[1]


def _target(address: NameAddress) -> SipUri | None:
    try:
        uri = address.uri
    except SipError:
        return None
    return SipUri(uri.scheme, uri.user, uri.host, uri.port, uri.without("method").params) if isinstance(uri, SipUri) else None


def _weight(address: NameAddress) -> float:
    try:
        return min(1.0, max(0.0, float(address.params.get("q") or "1")))
    except ValueError:
        return 0.0
