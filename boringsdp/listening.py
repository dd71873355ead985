"""What a gateway listens on: whether it can, and how people are told."""

from __future__ import annotations

import errno
import socket

from boringsdp.config import Config, ConfigErrors
from boringsdp.errors import ConfigError
from boringsdp.net.interfaces import default_address
from boringsdp.ng.settings import NgSettings
from boringsdp.relay import RelaySettings

LOOPBACK = "127.0.0.1"


def check_free(config: Config, media: RelaySettings, ng: NgSettings, workers: int = 1) -> None:
    """
    Bind every fixed port once, so that the complaint about one that is taken names its key; each of the engine's workers has its own.

    An address that this machine does not have is the fault of another key than a port that is taken. Raises ConfigError, or ConfigErrors
    when there is more than one complaint.
    """
    for local in media.advertised:
        if local not in media.webrtc_hosts:
            raise ConfigError("webrtc.advertised", f"{local} is not one of the addresses listened on ({', '.join(media.webrtc_hosts)})")
    interfaces = {host for group in ng.interfaces.values() for host in group} - {config.rtp.address, *config.webrtc.addresses}
    wanted = []
    for host in media.webrtc_hosts:
        key = "ng.interfaces" if host in interfaces else "webrtc.addresses"
        ports = range(media.webrtc_port, media.webrtc_port + workers) if media.webrtc_port else (0,)
        wanted += [(key, "webrtc.port", host, port, socket.SOCK_DGRAM) for port in ports]
    for host in media.plain_hosts:
        key = "rtp.address_v6" if host == config.rtp.address_v6 else "ng.interfaces" if host in interfaces else "rtp.address"
        wanted.append((key, key, host, 0, socket.SOCK_DGRAM))
        trunk = range(media.trunk_port, media.trunk_port + 2 * workers) if media.trunk_port else ()
        wanted += [(key, "rtp.trunk_port", host, port, socket.SOCK_DGRAM) for port in trunk]
    for name in ("websocket", "http") if config.janus.enabled else ():
        host, port = getattr(config.janus, f"{name}_host"), getattr(config.janus, f"{name}_port")
        wanted.append((f"janus.{name}_host", f"janus.{name}_port", host, port, socket.SOCK_STREAM))
    for key, addresses, kind in (
        ("ng.listen", ng.udp, socket.SOCK_DGRAM),
        ("ng.tcp", ng.tcp, socket.SOCK_STREAM),
        ("ng.http", ng.http, socket.SOCK_STREAM),
    ):
        wanted += [(key, key, host, port, kind) for host, port in addresses]
    complaints: dict[str, ConfigError] = {}
    for address_key, port_key, host, port, kind in wanted:
        error = _why_not(host, port, kind)
        if error is None:
            continue
        reason = (error.strerror or str(error)).lower()
        if error.errno == errno.EADDRNOTAVAIL:
            reason = f"cannot listen on {host}: this machine has no such address{_ADVERTISED.get(address_key, '')}"
            complaint = ConfigError(address_key, reason)
        else:
            where = f"{'udp' if kind == socket.SOCK_DGRAM else 'tcp'} {joined(host or '*', port) if port else host}"
            complaint = ConfigError(port_key, f"cannot listen on {where}: {reason}; choose another with --{port_key}=...")
        complaints[str(complaint)] = complaint
    if len(complaints) > 1:
        raise ConfigErrors(tuple(complaints.values()))
    for complaint in complaints.values():
        raise complaint


_ADVERTISED = {
    "ng.interfaces": "; behind a NAT write local!public, such as 10.0.0.5!203.0.113.9",
    "webrtc.addresses": "; a public address of a NAT goes into webrtc.advertised",
    "rtp.address": "; a public address of a NAT goes into rtp.advertised",
}


def _why_not(host: str, port: int, kind: socket.SocketKind) -> OSError | None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind) as sock:
        if ":" in host:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
        except OSError as error:
            return error
    return None


def can_bind(host: str, port: int = 0) -> bool:
    """Whether this machine has the address, and the UDP port is free."""
    try:
        return not _why_not(host, port, socket.SOCK_DGRAM)
    except OSError:  # no IPv6 at all
        return False


def reached_at(host: str) -> tuple[str, ...]:
    """Return the addresses under which a server bound to `host` can be reached: what to write into a browser for 0.0.0.0."""
    if host not in ("0.0.0.0", "::"):
        return (host,)
    loopback, family = ("::1", socket.AF_INET6) if host == "::" else (LOOPBACK, socket.AF_INET)
    return tuple(dict.fromkeys((loopback, default_address(family) or loopback)))


def joined(host: str, port: int | str) -> str:
    """Return `host:port`, with brackets where they are needed."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
