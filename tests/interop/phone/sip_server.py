"""A SIP server for web phones alone: it registers everybody and passes requests on, as one's own server in the phone's SDP-only mode.

It changes no description: what the phones write is what they read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

HOST = "proxy.invalid"


@dataclass
class SipServer:
    """Add `handle` as a route; `sdps` are the bodies that passed."""

    sdps: list[str] = field(default_factory=list)
    _users: dict[str, web.WebSocketResponse] = field(default_factory=dict)
    _sockets: dict[str, web.WebSocketResponse] = field(default_factory=dict)

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        """One phone's WebSocket."""
        socket = web.WebSocketResponse(protocols=("sip",))
        await socket.prepare(request)
        name = str(len(self._sockets))
        self._sockets[name] = socket
        async for message in socket:
            if message.type is WSMsgType.TEXT and message.data.strip():
                await self._receive(message.data, name)
        return socket

    async def _receive(self, text: str, name: str) -> None:
        head, _, body = text.partition("\r\n\r\n")
        if body.startswith("v=0"):
            self.sdps.append(body)
        if head.startswith("SIP/2.0"):
            await self._respond(head, body)
            return
        method, uri, _ = head.split("\r\n", 1)[0].split(" ")
        if method == "REGISTER":
            await self._register(head, name)
            return
        user = _user(uri)
        target = self._users.get(user)
        if target is None or target.closed:
            if method != "ACK":
                await self._sockets[name].send_str(_reply(head, "404 Not Found"))
            return
        branch = re.search(r"\r\nvia:[^\r]*branch=([^;\r,]+)", head, re.I)
        assert branch is not None
        line, rest = head.split("\r\n", 1)
        routed = re.sub(r"\r\nRoute:[^\r]*", "", rest, flags=re.I)
        await target.send_str(f"{line}\r\nVia: SIP/2.0/WS {HOST};branch={branch[1]}.{name}\r\n{routed}\r\n\r\n{body}")

    async def _respond(self, head: str, body: str) -> None:
        line, via, rest = head.split("\r\n", 2)
        name = via.rsplit(".", 1)[1]
        await self._sockets[name].send_str(f"{line}\r\n{rest}\r\n\r\n{body}")

    async def _register(self, head: str, name: str) -> None:
        contact = re.search(r"\r\nContact:\s*([^\r]+)", head, re.I)
        owner = re.search(r"\r\nTo:\s*([^\r]+)", head, re.I)
        assert owner is not None
        extra = ""
        if contact is not None:
            for one in (owner[1], contact[1]):
                self._users[_user(one)] = self._sockets[name]
            extra = f"Contact: {contact[1]}{'' if 'expires=' in contact[1] else ';expires=300'}\r\n"
        await self._sockets[name].send_str(_reply(head, "200 OK", extra))


def _user(text: str) -> str:
    found = re.search(r"sips?:([^@;>]+)@", text)
    return found[1] if found else ""


def _reply(head: str, status: str, extra: str = "") -> str:
    kept = [line for line in head.split("\r\n")[1:] if re.match(r"(via|from|to|call-id|cseq):", line, re.I)]
    kept = [f"{line};tag=server" if line.lower().startswith("to:") and "tag=" not in line else line for line in kept]
    return f"SIP/2.0 {status}\r\n" + "\r\n".join(kept) + f"\r\n{extra}Content-Length: 0\r\n\r\n"
