"""A registrar and nothing else: challenges, remembers one Contact per user, answers. For tests of registrations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from boringsdp.sip import headers as views
from boringsdp.sip.build import response_to
from boringsdp.sip.digest import Credentials
from boringsdp.sip.digest_server import Challenger, Verdict
from boringsdp.sip.flow import Flow, Protocol
from boringsdp.sip.message import Request
from boringsdp.sip.name_address import NameAddress
from boringsdp.sip.parse import parse
from boringsdp.sip.transport import Transports, TransportSettings, note_source
from boringsdp.sip.uri import SipUri

REALM = "pbx"


class Registrar:
    """`contacts` by user, `requests` as they came. `extra` goes into every 200; `refuse` answers instead, once each."""

    def __init__(self, *, algorithms: tuple[str, ...] = ("SHA-256", "MD5"), expires: int = 600) -> None:
        self.contacts: dict[str, NameAddress] = {}
        self.requests: list[Request] = []
        self.extra: list[tuple[str, str]] = []
        self.refuse: list[tuple[int, list[tuple[str, str]]]] = []
        self.expires = expires
        self._flow: Flow | None = None
        self.transports = Transports(TransportSettings(listen=("udp:127.0.0.1:0", "tcp:127.0.0.1:0")), self._hear)
        self._challenger = Challenger(REALM, lambda user: Credentials(user, "secret"), algorithms=algorithms)

    @property
    def uri(self) -> SipUri:
        return self.identity(None)

    def identity(self, user: str | None, protocol: Protocol = Protocol.UDP) -> SipUri:
        found = next(listen for listen in self.transports.addresses() if listen.protocol is protocol)
        return SipUri("sip", user, found.host, found.port)

    def hang_up(self) -> None:
        """Close the connection of the last request."""
        assert self._flow is not None
        self.transports.drop(self._flow)

    def _hear(self, data: bytes, flow: Flow) -> None:
        message = parse(data).message
        if not isinstance(message, Request) or message.method != "REGISTER":
            return
        note_source(message, flow)
        self._flow = flow
        self.requests.append(message)
        code, lines = self._answer(message)
        response = response_to(message, code, tag="r", headers=lines)
        self.transports.send(response.to_bytes(), flow)

    def _answer(self, request: Request) -> tuple[int, list[tuple[str, str]]]:
        if self.refuse:
            return self.refuse.pop(0)
        now = asyncio.get_running_loop().time()
        verdict, user = self._challenger.check(request, now)
        if verdict is not Verdict.GOOD:
            return 401, self._challenger.challenge(now, stale=verdict is Verdict.STALE)
        contact = views.contacts(request)[0]
        asked = contact.params.get("expires") or request.headers.get("Expires") or "3600"
        if asked == "0":
            self.contacts.pop(user, None)
            return 200, []
        self.contacts[user] = contact
        return 200, [("Contact", f"<{contact.uri_text}>;expires={self.expires}"), *self.extra]


@asynccontextmanager
async def registrar(**how: object) -> AsyncIterator[Registrar]:
    made = Registrar(**how)  # type: ignore[arg-type]
    await made.transports.start()
    try:
        yield made
    finally:
        await made.transports.close()
