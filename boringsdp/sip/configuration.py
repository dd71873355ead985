"""From the configuration to the settings of the SIP endpoint, and to the ports that are free for it."""

from __future__ import annotations

import socket
from pathlib import Path

from boringsdp import __version__
from boringsdp.config_sections import SipConfig
from boringsdp.sip.session import Prack, SessionSettings
from boringsdp.sip.settings import PolicySettings, SipSettings
from boringsdp.sip.timers import TimerSettings
from boringsdp.sip.transport import GateSettings, TlsSettings, TransportSettings

USUAL_PORT = 5060
USUAL_TLS_PORT = 5061
TRIES = 20
"""Ports that are tried until one is free for UDP and TCP alike."""


def sip_settings(config: SipConfig, hosts: tuple[str, ...], advertised: dict[str, str], usages: int) -> SipSettings:
    """Return the endpoint's settings. `hosts` and `advertised` are those of plain legs, `usages` bounds its calls."""
    listen = config.listen or usual_listeners(hosts, tls=bool(config.tls_certificate))
    return SipSettings(
        transport=TransportSettings(
            listen=listen,
            advertised=dict(config.advertised) or advertised,
            direct=config.direct,
            tls=TlsSettings(
                certificate=_path(config.tls_certificate),
                key=_path(config.tls_key),
                authorities=_path(config.tls_ca),
                verify=config.tls_verify,
            ),
            gate=GateSettings(trusted=config.sources, per_second=config.rate, ban_after=config.ban_after, ban_s=config.ban_time),
            keepalive_udp_s=config.keepalive,
        ),
        user_agent=config.user_agent or f"BoringSDP/{__version__}",
        timers=TimerSettings(t1=config.t1),
        session=SessionSettings(
            t1=config.t1,
            prack=Prack(config.prack),
            session_expires=config.session_expires,
            min_se=config.min_se,
            ring_limit=config.ring_limit,
        ),
        accounts=config.max_accounts,
        usages=config.max_accounts + 2 * usages,
        ladder_calls=config.ladder_calls,
        policy=PolicySettings(
            sources=config.sources,
            registrars=config.registrars,
            targets=config.targets,
            headers=config.headers,
            follow_redirects=config.redirects,
            silent=config.silent,
        ),
    )


def usual_listeners(hosts: tuple[str, ...], *, tls: bool) -> tuple[str, ...]:
    """Return listeners for UDP and TCP on one port of each host: 5060, or any that is free; and for TLS on 5061 likewise."""
    listeners: list[str] = []
    for host in hosts:
        shown = f"[{host}]" if ":" in host else host
        port = free_port(host, USUAL_PORT)
        listeners += [f"udp:{shown}:{port}", f"tcp:{shown}:{port}"]
        if tls:
            listeners.append(f"tls:{shown}:{USUAL_TLS_PORT if _free(host, USUAL_TLS_PORT, udp=False) else 0}")
    return tuple(listeners)


def free_port(host: str, wanted: int) -> int:
    """Return a port that is free for UDP and TCP: the wanted one if it is; 0 (any, each its own) when none is found."""
    for port in (wanted, *(_any_port(host) for _ in range(TRIES))):
        if port and _free(host, port, udp=True) and _free(host, port, udp=False):
            return port
    return 0


def _free(host: str, port: int, *, udp: bool) -> bool:
    with socket.socket(_family(host), socket.SOCK_DGRAM if udp else socket.SOCK_STREAM) as sock:
        if not udp:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
        except OSError:
            return False
    return True


def _any_port(host: str) -> int:
    with socket.socket(_family(host), socket.SOCK_STREAM) as sock:
        try:
            sock.bind((host, 0))
        except OSError:
            return 0
        port: int = sock.getsockname()[1]
        return port


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _path(text: str) -> Path | None:
    return Path(text) if text else None
