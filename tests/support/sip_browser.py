"""A web phone of few words: what a page says and hears on its WebSocket, message by message."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import WSMsgType

from boringsdp.sip import headers as views
from boringsdp.sip.build import request as build_request
from boringsdp.sip.build import response_to
from boringsdp.sip.endpoint import Endpoint
from boringsdp.sip.flow import Protocol
from boringsdp.sip.message import Message, Request, Response
from boringsdp.sip.parse import parse

PATIENCE_S = 5.0
DOMAIN = "example.com"
_numbers = itertools.count(1)


class Browser:
    """`open` and `cut` its WebSocket as often as wanted; `ask`, `answer`, and `hears` what comes next."""

    def __init__(self, url: str, user: str = "alice", *, origin: str | None = None) -> None:
        self.url = url
        self.origin = origin
        self.aor = f"sip:{user}@{DOMAIN}"
        self.contact = f"sip:{user}x@{user}.invalid;transport=ws"
        self.tag = f"tag-{user}"
        self.heard: list[Message] = []
        self._session: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None

    @property
    def socket(self) -> aiohttp.ClientWebSocketResponse:
        assert self._socket is not None
        return self._socket

    async def open(self) -> None:
        self._session = aiohttp.ClientSession()
        self._socket = await self._session.ws_connect(self.url, protocols=("sip",), origin=self.origin, autoping=True)

    async def cut(self) -> None:
        """Lose the connection without a word of WebSocket's."""
        transport = self.socket.get_extra_info("peername") and self.socket._response.connection
        assert transport
        assert transport.transport is not None
        transport.transport.abort()
        await self.close()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
        self._session = None

    async def ask(
        self,
        method: str,
        uri: str = f"sip:{DOMAIN}",
        *,
        to: str = "",
        call_id: str = "",
        cseq: int = 1,
        headers: tuple[tuple[str, str], ...] = (),
        sdp: bytes = b"",
    ) -> Request:
        """Send a request of ours; with a Contact where one belongs."""
        number = next(_numbers)
        contact = (("Contact", f"<{self.contact}>"),) if method not in ("ACK", "CANCEL", "BYE", "MESSAGE") else ()
        made = build_request(
            method,
            uri,
            from_=f"<{self.aor}>;tag={self.tag}",
            to=to or f"<{uri}>",
            call_id=call_id or f"call-{number}",
            cseq=cseq,
            headers=[*contact, *headers],
            content_type="application/sdp" if sdp else "",
            body=sdp,
        )
        made.headers.prepend("Via", f"SIP/2.0/WS {self.tag}.invalid;branch=z9hG4bK{number}")
        await self.say(made)
        return made

    async def answer(
        self, request: Request, code: int, *, sdp: bytes = b"", tag: str = "", headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        contact = (("Contact", f"<{self.contact}>"),) if code < 300 and request.method in ("INVITE", "SUBSCRIBE", "UPDATE") else ()
        kind = "application/sdp" if sdp else ""
        await self.say(response_to(request, code, tag=tag or self.tag, headers=[*contact, *headers], content_type=kind, body=sdp))

    async def within(self, answered: Response, method: str, cseq: int, sdp: bytes = b"") -> Request:
        """Send a request in the dialog that a response to our INVITE has made."""
        contact = views.contacts(answered)[0].uri_text
        to = answered.headers.get("To") or ""
        return await self.ask(method, contact, to=to, call_id=views.call_id(answered), cseq=cseq, sdp=sdp)

    async def within_theirs(self, invite: Request, method: str, cseq: int, sdp: bytes = b"") -> Request:
        """The same in the dialog of an INVITE that came to us."""
        contact = views.contacts(invite)[0].uri_text
        return await self.ask(method, contact, to=invite.headers.get("From") or "", call_id=views.call_id(invite), cseq=cseq, sdp=sdp)

    async def say(self, message: Message) -> None:
        await self.socket.send_str(message.to_bytes().decode())

    async def next(self) -> Message:
        async with asyncio.timeout(PATIENCE_S):
            frame = await self.socket.receive()
        assert frame.type is WSMsgType.TEXT, frame
        message = parse(frame.data.encode()).message
        assert message is not None
        self.heard.append(message)
        return message

    async def gets(self, code: int) -> Response:
        """The next response, which has this code; provisional ones but the wanted are passed over."""
        while True:
            message = await self.next()
            assert isinstance(message, Response), message
            if message.code != code and message.code < 200:
                continue
            assert message.code == code, message
            return message

    async def is_asked(self, method: str) -> Request:
        """The next request, of this method."""
        message = await self.next()
        assert isinstance(message, Request), message
        assert message.method == method, message
        return message


def url_of(made: Endpoint) -> str:
    """Where an endpoint listens for WebSockets."""
    found = next(listen for listen in made.addresses() if listen.protocol is Protocol.WS)
    return f"ws://{found.host}:{found.port}/sip"


@asynccontextmanager
async def browser(made: Endpoint, user: str = "alice", *, origin: str | None = None) -> AsyncIterator[Browser]:
    phone = Browser(url_of(made), user, origin=origin)
    await phone.open()
    try:
        yield phone
    finally:
        await phone.close()
