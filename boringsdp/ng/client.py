"""A small NG client for people and scripts: one request, one reply."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Mapping
from typing import Any

from boringsdp.errors import PeerTimeout
from boringsdp.ng.framing import Broken, StreamFramer
from boringsdp.ng.message import Format, parse_body, split_cookie, write_body

Address = tuple[str, int]
RESEND_S = 1.0
LARGEST_REPLY = 64 * 1024 * 1024


def exchange(
    to: Address, request: Mapping[str, Any], *, tcp: bool = False, form: Format = Format.BENCODE, timeout_s: float = 5.0
) -> dict[str, Any]:
    """
    Return the reply to one request; over UDP it is repeated every second with the same cookie.

    Raises OSError, PeerTimeout, and NgError when the reply cannot be read.
    """
    cookie = secrets.token_hex(8).encode()
    message = cookie + b" " + write_body(request, form)
    end = time.monotonic() + timeout_s
    family, kind, *_, address = socket.getaddrinfo(*to, type=socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind) as sock:
        sock.settimeout(timeout_s)
        try:
            sock.connect(address)
            body = _over_tcp(sock, message, cookie, end) if tcp else _over_udp(sock, message, cookie, end)
        except TimeoutError:
            body = None
    if body is None:
        raise PeerTimeout("reply", timeout_s)
    return parse_body(body)


def _over_udp(sock: socket.socket, message: bytes, cookie: bytes, end: float) -> bytes | None:
    while (left := end - time.monotonic()) > 0:
        sock.send(message)
        again = time.monotonic() + min(RESEND_S, left)
        while (wait := again - time.monotonic()) > 0:
            sock.settimeout(wait)
            try:
                split = split_cookie(sock.recv(65_535))
            except TimeoutError:
                break
            if split is not None and split[0] == cookie:
                return split[1]
    return None


def _over_tcp(sock: socket.socket, message: bytes, cookie: bytes, end: float) -> bytes | None:
    sock.sendall(message)
    framer = StreamFramer(longest=LARGEST_REPLY)
    while (left := end - time.monotonic()) > 0:
        sock.settimeout(left)
        data = sock.recv(65_536)
        if not data:
            raise ConnectionError("the server closed the connection")
        framer.feed(data)
        try:
            reply = framer.next()
        except Broken as broken:
            raise ConnectionError("what it sends is not NG") from broken
        split = split_cookie(reply) if reply else None
        if split is not None and split[0] == cookie:
            return split[1]
    return None
