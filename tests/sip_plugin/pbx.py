"""A registrar and notifier on a UDP socket: challenges, answers as told, keeps what it heard."""

from __future__ import annotations

import asyncio
from typing import Any

from boringsdp.sip import headers as views
from boringsdp.sip.build import request, response_to
from boringsdp.sip.digest import Credentials
from boringsdp.sip.digest_server import Challenger, Verdict
from boringsdp.sip.message import Request
from boringsdp.sip.parse import parse

PATIENCE_S = 5.0


class Pbx(asyncio.DatagramProtocol):
    """`codes` are the answers to what is authenticated, 200 when it is empty."""

    def __init__(self, secret: str = "s3:cret", algorithms: tuple[str, ...] = ("SHA-256", "MD5")) -> None:
        self.codes: list[int] = []
        self.heard: asyncio.Queue[Request] = asyncio.Queue()
        self.headers: list[tuple[str, str]] = []
        self._challenger = Challenger("pbx", lambda user: Credentials(user, secret) if user == "alice" else None, algorithms=algorithms)
        self._transport: Any = None

    async def __aenter__(self) -> Pbx:
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._transport.close()

    @property
    def uri(self) -> str:
        return f"sip:127.0.0.1:{self._transport.get_extra_info('sockname')[1]}"

    def address(self, user: str) -> str:
        return self.uri.replace("sip:", f"sip:{user}@")

    async def hears(self, method: str) -> Request:
        """The next authenticated request of this method."""
        async with asyncio.timeout(PATIENCE_S):
            while (heard := await self.heard.get()).method != method:
                pass
            return heard

    def notify(self, subscription: Request, tag: str, body: str, state: str = "active;expires=60") -> None:
        """Send a NOTIFY in the dialog of a SUBSCRIBE."""
        contact = views.contact(subscription)
        assert contact is not None
        lines = [("Event", subscription.headers.get("Event") or ""), ("Subscription-State", state)]
        lines += [("Via", f"SIP/2.0/UDP {self.uri[4:]};branch=z9hG4bK{id(body)}"), ("Contact", f"<{self.uri}>")]
        message = request(
            "NOTIFY",
            contact.uri_text,
            from_=f"{subscription.headers.get('To')};tag={tag}",
            to=subscription.headers.get("From") or "",
            call_id=views.call_id(subscription),
            cseq=1,
            headers=lines,
            content_type="application/simple-message-summary",
            body=body.encode(),
        )
        self._transport.sendto(message.to_bytes(), (contact.sip_uri.host, contact.sip_uri.port or 5060))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        message = parse(data).message
        if not isinstance(message, Request) or message.method == "ACK":
            return
        verdict, _ = self._challenger.check(message, 0.0)
        if verdict is not Verdict.GOOD:
            code = 401 if verdict is not Verdict.WRONG else 403
            answer = response_to(message, code, tag="pbx", headers=self._challenger.challenge(0.0) if code == 401 else ())
        else:
            self.heard.put_nowait(message)
            code = self.codes.pop(0) if self.codes else 200
            lines = [*self.headers, ("Expires", message.headers.get("Expires") or "3600")]
            lines += [("Contact", value) for value in message.headers.all("Contact")] if message.method == "REGISTER" else []
            lines += [("Contact", f"<{self.uri}>")] if message.method == "SUBSCRIBE" else []
            answer = response_to(message, code, tag="pbx", headers=lines if code < 300 else ())
        self._transport.sendto(answer.to_bytes(), addr)
