"""A proxy's side of the NG protocol over UDP, with a bencode reader and writer of its own: what the gateway's has wrong shows here."""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
import socket
from typing import Any

Address = tuple[str, int]


def encode(value: Any) -> bytes:
    """Text, numbers, lists and dictionaries as bencode; keys stand in the order given, as proxies write them."""
    match value:
        case bool():
            return encode(int(value))
        case int():
            return b"i%de" % value
        case str():
            return encode(value.encode(errors="surrogateescape"))
        case bytes():
            return b"%d:%s" % (len(value), value)
        case list() | tuple():
            return b"l" + b"".join(map(encode, value)) + b"e"
        case dict():
            return b"d" + b"".join(encode(key) + encode(each) for key, each in value.items()) + b"e"
    raise TypeError(type(value).__name__)


def decode(data: bytes) -> Any:
    """The one value that `data` is. Raises ValueError."""
    value, end = _decode(data, 0)
    if end != len(data):
        raise ValueError(f"{len(data) - end} octets too many")
    return value


def _decode(data: bytes, at: int) -> tuple[Any, int]:
    kind = data[at : at + 1]
    if kind == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1 : end]), end + 1
    if kind in (b"l", b"d"):
        values: list[Any] = []
        at += 1
        while data[at : at + 1] != b"e":
            value, at = _decode(data, at)
            values.append(value)
        return (values if kind == b"l" else dict(zip(values[::2], values[1::2], strict=True))), at + 1
    colon = data.index(b":", at)
    end = colon + 1 + int(data[at:colon])
    if end > len(data):
        raise ValueError("text ends early")
    return data[colon + 1 : end].decode(errors="surrogateescape"), end


class NgClient:
    """
    Sends commands to one server; every request has a cookie of its own.

    `ask` blocks, for servers in another process; `request` waits within the event loop. Both send again as Kamailio does, with the same
    cookie, and raise TimeoutError in the end.
    """

    def __init__(self, server: Address, *, form: str = "bencode", tries: int = 5, wait_s: float = 1.0) -> None:
        self.server = server
        self._json = form == "json"
        self._tries = tries
        self._wait_s = wait_s
        self._socket = socket.socket(socket.AF_INET6 if ":" in server[0] else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(server)
        self._name = secrets.token_hex(4)
        self._numbers = itertools.count(1)

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> NgClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, command: str, **keys: Any) -> dict[str, Any]:
        """Send a command and return the reply. Underscores in keys stand for hyphens: `from_tag="a"`."""
        cookie, data = self._written(command, keys)
        self._socket.settimeout(self._wait_s)
        for _ in range(self._tries):
            self._socket.send(data)
            try:
                while (reply := self._read(cookie, self._socket.recv(65535))) is None:
                    pass
            except TimeoutError:
                continue
            return reply
        raise TimeoutError(f"no reply to {command}")

    async def request(self, command: str, **keys: Any) -> dict[str, Any]:
        """The same, while the event loop goes on."""
        loop = asyncio.get_running_loop()
        cookie, data = self._written(command, keys)
        self._socket.setblocking(False)
        for _ in range(self._tries):
            self._socket.send(data)
            try:
                async with asyncio.timeout(self._wait_s):
                    while (reply := self._read(cookie, await loop.sock_recv(self._socket, 65535))) is None:
                        pass
            except TimeoutError:
                continue
            return reply
        raise TimeoutError(f"no reply to {command}")

    def _written(self, command: str, keys: dict[str, Any]) -> tuple[bytes, bytes]:
        message = {"command": command, **{key.replace("_", "-"): value for key, value in keys.items()}}
        cookie = f"{self._name}_{next(self._numbers)}".encode()
        body = json.dumps(message).encode() if self._json else encode(message)
        return cookie, cookie + b" " + body

    def _read(self, cookie: bytes, datagram: bytes) -> dict[str, Any] | None:
        """The reply, None when it belongs to another request."""
        told, _, body = datagram.partition(b" ")
        if told != cookie:
            return None
        reply: dict[str, Any] = json.loads(body) if self._json else decode(body)
        return reply
