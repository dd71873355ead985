"""Which account a request is for. No scans over accounts: everything is found by a key."""

from __future__ import annotations

from collections.abc import Iterator

from boringsdp.errors import SipError
from boringsdp.net.networks import within
from boringsdp.sip.headers import to
from boringsdp.sip.line import Line
from boringsdp.sip.message import Request
from boringsdp.sip.policy import Policy
from boringsdp.sip.uri import SipUri, parse_uri

MAX_SAME_USER = 64
"""Accounts of one user part that a request from a stranger is compared with."""


class Lines:
    """All accounts, by number, by Contact, by user part, and the trunks."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._lines: dict[int, Line] = {}
        self._by_token: dict[str, Line] = {}
        self._by_user: dict[str, dict[int, Line]] = {}
        self._trunks: dict[int, Line] = {}

    def __len__(self) -> int:
        return len(self._lines)

    def __iter__(self) -> Iterator[Line]:
        return iter(tuple(self._lines.values()))

    def get(self, number: int) -> Line | None:
        return self._lines.get(number)

    def add(self, line: Line) -> None:
        self._lines[line.number] = line
        self._by_token[line.token] = line
        self._by_user.setdefault(line.settings.identity.user_name, {})[line.number] = line
        if line.settings.trunk is not None:
            self._trunks[line.number] = line

    def remove(self, line: Line) -> None:
        """Forget an account, also before its settings change."""
        self._lines.pop(line.number, None)
        self._by_token.pop(line.token, None)
        self._trunks.pop(line.number, None)
        user = line.settings.identity.user_name
        same = self._by_user.get(user, {})
        same.pop(line.number, None)
        if not same:
            self._by_user.pop(user, None)

    def find(self, request: Request, source: str) -> tuple[Line, int] | None:
        """
        Return the account that a request from an address is for, and its claim (0: none); None for strangers and unknown users alike.

        By our Contact from anywhere; by a trunk's networks; by an identity from its registrar, its proxy, or where policy trusts.
        """
        try:
            uri = parse_uri(request.uri)
            called = to(request).uri
        except SipError:
            return None
        user = uri.user_name if isinstance(uri, SipUri) else uri.text.partition(":")[2].partition(";")[0]
        line = self._by_token.get(user)
        if line is not None:
            wanted = called.user_name if isinstance(called, SipUri) else called.text.partition(":")[2].partition(";")[0]
            return line, line.claim_of(wanted)
        line = self._by_identity(user, uri.host if isinstance(uri, SipUri) else "", source)
        if line is not None:
            return line, line.claim_of(user)
        for trunk in self._trunks.values():
            if within(source, trunk.sources) or trunk.knows(source):
                settings = trunk.settings.trunk
                if settings is not None and any(_is(user, pattern) for pattern in settings.identities):
                    return trunk, trunk.claim_of(user)
        return None

    def _by_identity(self, user: str, host: str, source: str) -> Line | None:
        trusted = self._policy.trusts(source)
        found: Line | None = None
        for _, line in zip(range(MAX_SAME_USER), self._by_user.get(user, {}).values(), strict=False):
            if trusted or line.knows(source):
                if line.settings.identity.host.lower() == host.lower():
                    return line
                found = found or line
        return found


def _is(user: str, pattern: str) -> bool:
    return user.startswith(pattern[:-1]) if pattern.endswith("*") else user == pattern
