"""What the transports listen on, how they are reached from elsewhere, and their limits."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from boringsdp.errors import ConfigError
from boringsdp.sip.flow import Address, Protocol


@dataclass(slots=True, frozen=True)
class Listen:
    """One address to listen on; port 0 takes any free one."""

    protocol: Protocol
    host: str
    port: int

    @property
    def anywhere(self) -> bool:
        """On all addresses of its family."""
        return self.host in ("0.0.0.0", "::")


@dataclass(slots=True, frozen=True, kw_only=True)
class TlsSettings:
    """Files are PEM. What we connect to is verified unless `verify` is off; its clients a server asks for a certificate when told to."""

    certificate: Path | None = None
    """Our certificate chain; a listener for TLS or WSS needs one. Shown to servers that ask for it, too."""
    key: Path | None = None
    """Its private key, where it is not in the same file."""
    authorities: Path | None = None
    """Who may have signed the certificates of others; None: whom the system trusts."""
    verify: bool = True
    wildcards: bool = True
    """Deviation: RFC 5922 §7.2 forbids `*.example.com`, but carriers have such certificates."""
    clients: str = "none"
    """Whether clients show a certificate: `none`, `optional` (a wrong one ends the handshake), `required`."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Limits:
    """Of connections. Octets and seconds."""

    connections: int = 5000
    """Accepted ones, and as many that we make: those who fill the first do not keep us from the second."""
    connections_per_source: int = 1000
    """Accepted ones, of one address that is not trusted: a whole company may be behind one."""
    message: int = 65_536
    unsent: int = 262_144
    """That wait in one connection to be written, or for it to be made; beyond, it is closed and what waits fails."""
    broken: int = 10
    """Messages of an accepted connection that are none, after which it is closed."""
    connect_s: float = 5.0
    handshake_s: float = 10.0
    first_message_s: float = 60.0
    """An accepted connection that has not sent a message by then is closed."""
    half_message_s: float = 15.0
    idle_s: float = 4000.0
    """Without a message or a keep-alive; longer than the hour for which phones like to register. WebSockets have pings of their own."""
    pong_s: float = 10.0
    """For the answer to a keep-alive, from a peer that has answered one before (RFC 5626 §4.4.1)."""
    unacknowledged_s: float = 20.0
    """TCP gives a peer up that acknowledges nothing for so long; it is asked after two minutes of silence."""


@dataclass(slots=True, frozen=True, kw_only=True)
class GateSettings:
    """Who is heard. Addresses in `trusted` always are, whatever else is said here."""

    trusted: tuple[str, ...] = ()
    per_second: float = 0.0
    """Messages of one source, on average; 0: any number. Beyond, they are dropped."""
    burst: int = 100
    ban_after: int = 0
    """Bad messages of one source within `ban_s`, after which nothing of it is heard for `ban_s`; 0: never."""
    ban_s: float = 600.0
    sources: int = 10_000
    """Remembered at most; the one not heard for longest is forgotten."""


@dataclass(slots=True, frozen=True, kw_only=True)
class TransportSettings:
    """Everything `Transports` needs to know."""

    listen: tuple[str, ...] = ("udp:0.0.0.0:5060", "tcp:0.0.0.0:5060")
    """`protocol:host:port`; IPv6 in brackets: `tls:[2001:db8::1]:5061`."""
    advertised: Mapping[str, str] = field(default_factory=dict)
    """Local address to the one by which others reach it: `host` or `host:port`. The key `0.0.0.0` or `::` stands for all of its family."""
    direct: tuple[str, ...] = ()
    """Networks that reach us without `advertised`: those on our side of the NAT."""
    tls: TlsSettings = field(default_factory=TlsSettings)
    limits: Limits = field(default_factory=Limits)
    gate: GateSettings = field(default_factory=GateSettings)
    keepalive_udp_s: float = 25.0
    keepalive_stream_s: float = 90.0
    origins: tuple[str, ...] = ()
    """Of WebSockets: the Origins that may connect; none: any."""
    websocket_path: str = ""
    """Of WebSockets: the path that is served; empty: any."""


def parse_listen(text: str) -> Listen:
    """Return what `protocol:host:port` says. Raises ConfigError."""
    name, _, rest = text.partition(":")
    host, port = split_host_port(rest)
    try:
        protocol = Protocol(name.upper())
        number = protocol.default_port if port is None else port
        return Listen(protocol, str(ipaddress.ip_address(host)), number)
    except ValueError:
        raise ConfigError("sip.listen", f"{text!r} is not protocol:address:port") from None


def split_host_port(text: str) -> tuple[str, int | None]:
    """Return host (without brackets) and port of `host`, `host:port`, `[v6]` or `[v6]:port`; of anything else the whole text and None."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            return text, None
        port = rest[1:]
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    else:
        host, port = text, ""
    if not port:
        return host, None
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) < 65536):
        return text, None
    return host, int(port)


def in_uri(host: str) -> str:
    """Return a host as URIs and Via write it: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def show(address: Address) -> str:
    return f"{in_uri(address[0])}:{address[1]}"
