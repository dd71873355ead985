"""What `info` answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from boringsdp import __version__
from boringsdp.janus_api.plugin import Plugin
from boringsdp.janus_api.settings import JanusSettings

AUTHOR = "The BoringSDP authors"


@dataclass(slots=True, frozen=True, kw_only=True)
class Component:
    """A plugin or a transport in the lists of `info`."""

    name: str
    author: str
    description: str
    version: int
    version_string: str

    @classmethod
    def of_plugin(cls, plugin: Plugin) -> Component:
        return cls(
            name=plugin.name,
            author=plugin.author,
            description=plugin.description,
            version=plugin.version,
            version_string=plugin.version_string,
        )

    def record(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "author": self.author,
            "description": self.description,
            "version_string": self.version_string,
            "version": self.version,
        }


@dataclass(slots=True, frozen=True, kw_only=True)
class ServerFacts:
    """
    What `info` says of the gateway beside the Janus API. Addresses as text; `public_ips` are the advertised ones.

    Where we have no such setting the default is what is true of us: ICE is lite, DTLS is 1.2 with datagrams of at most `dtls_mtu` bytes.
    """

    local_ip: str = "0.0.0.0"
    public_ips: tuple[str, ...] = ()
    ipv6: bool = True
    ice_lite: bool = True
    dtls_mtu: int = 1200
    log_to_stdout: bool = True
    log_file: str | None = None
    event_handlers: bool = False
    commit: str = ""
    build_time: str = ""
    dependencies: Mapping[str, str] = field(default_factory=dict)


def version_number(version: str) -> int:
    """`1.4.2` as 142, the way Janus counts; parts that are not numbers count as 0."""
    parts = [int(part) if part.isascii() and part.isdigit() else 0 for part in version.split(".")[:3]]
    major, minor, patch = (*parts, 0, 0, 0)[:3]
    return major * 100 + minor * 10 + patch


def server_info(
    facts: ServerFacts,
    settings: JanusSettings,
    plugins: Iterable[Plugin],
    transports: Mapping[str, Component],
    *,
    accepting: bool,
    needs_secret: bool,
    needs_token: bool,
) -> dict[str, Any]:
    """All keys of `server_info` but `janus` and `transaction`; times in whole seconds unless the name says otherwise."""
    info: dict[str, Any] = {
        "name": "BoringSDP",
        "version": version_number(__version__),
        "version_string": __version__,
        "author": AUTHOR,
        "commit-hash": facts.commit or "not-available",
        "compile-time": facts.build_time or "not-available",
        "log-to-stdout": facts.log_to_stdout,
        "log-to-file": facts.log_file is not None,
    }
    if facts.log_file is not None:
        info["log-path"] = facts.log_file
    info |= {
        "data_channels": False,
        "accepting-new-sessions": accepting,
        "session-timeout": round(settings.session_timeout),
        "reclaim-session-timeout": round(settings.reclaim_session_timeout),
        "candidates-timeout": round(settings.candidates_timeout),
        "server-name": settings.server_name,
        "local-ip": facts.local_ip,
    }
    if facts.public_ips:
        info |= {"public-ip": facts.public_ips[0], "public-ips": list(facts.public_ips)}
    info |= {
        "ipv6": facts.ipv6,
        "ice-lite": facts.ice_lite,
        "ice-tcp": False,
        "ice-nomination": "aggressive",
        "ice-consent-freshness": True,
        "ice-keepalive-conncheck": False,
        "hangup-on-failed": settings.hangup_on_failed,
        "full-trickle": False,
        "mdns-enabled": False,
        "min-nack-queue": 0,
        "nack-optimizations": False,
        "twcc-period": 0,
        "dtls-mtu": facts.dtls_mtu,
        "static-event-loops": 0,
        "api_secret": needs_secret,
        "auth_token": needs_token,
        "event_handlers": facts.event_handlers,
        "opaqueid_in_api": settings.opaqueid_in_api,
    }
    if facts.dependencies:
        info["dependencies"] = dict(facts.dependencies)
    return info | {
        "transports": {package: component.record() for package, component in transports.items()},
        "events": {},
        "loggers": {},
        "plugins": {plugin.package: Component.of_plugin(plugin).record() for plugin in plugins},
    }
