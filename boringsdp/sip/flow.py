"""Where a message goes to or came from: a transport protocol and addresses."""

from __future__ import annotations

import enum

from boringsdp.values import Value

Address = tuple[str, int]
"""Numeric host and port."""


class Protocol(enum.Enum):
    """Transports, by their name in Via."""

    UDP = "UDP"
    TCP = "TCP"
    TLS = "TLS"
    WS = "WS"
    WSS = "WSS"

    @property
    def reliable(self) -> bool:
        return self is not Protocol.UDP

    @property
    def secure(self) -> bool:
        return self in (Protocol.TLS, Protocol.WSS)

    @property
    def default_port(self) -> int:
        """RFC 3261 §19.1.2, RFC 7118 §7."""
        return {"TLS": 5061, "WS": 80, "WSS": 443}.get(self.value, 5060)


class Target(Value, frozen=True):
    """Somebody to send to; a connection to it is found or made. `name` is what its TLS certificate must carry and WebSockets ask for."""

    protocol: Protocol
    host: str
    port: int
    name: str = ""
    path: str = ""
    """Of a WebSocket: what follows the host."""


class Flow(Value, frozen=True):
    """
    A way that is there: a connection, or for UDP our socket and the peer's address. `id` is unique among connections, 0 for UDP.

    `session` is free for what accepted it (the subject of a client's certificate, the Origin of a WebSocket).
    """

    protocol: Protocol
    local: Address
    remote: Address
    id: int = 0


Destination = Target | Flow
