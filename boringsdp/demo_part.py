"""The demo as a part of the gateway: what it sets in the configuration, and what it serves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from boringsdp.config import Config, Loaded
from boringsdp.config_b2bua import DomainConfig
from boringsdp.config_checks import parse_endpoint
from boringsdp.demo.echo_peer import EchoPeer
from boringsdp.demo.phones import Phones, PhoneSettings
from boringsdp.demo.ready_users import DOMAIN, ECHO, NOBODYS, read_users
from boringsdp.demo.server import Demo
from boringsdp.listening import LOOPBACK, can_bind, joined
from boringsdp.net.interfaces import local_addresses
from boringsdp.sip.flow import Protocol

if TYPE_CHECKING:
    from boringsdp.app import Gateway

LOCAL = "127.0.0.0/8"
ROUTING = "boringsdp.demo.routing:DemoRouting"


def demo_config(loaded: Loaded, users: Path | None = None) -> Config:
    """
    Return the configuration with what the demo sets, wherever the person has not: everything on this machine, loopback included.

    `users` is a file of users for a domain of the demo's own, which is served with SIP over WebSocket.
    """
    config = loaded.config
    untouched = {key for key, origin in loaded.origins.items() if origin == "default"}
    if "webrtc.addresses" in untouched:
        loopback = (LOOPBACK, "::1") if can_bind("::1") else (LOOPBACK,)
        config = replace(config, webrtc=replace(config.webrtc, addresses=(*local_addresses(), *loopback)))
    if "rtp.address" in untouched:
        allow = (*config.rtp.allow, LOCAL) if "rtp.allow" in untouched else config.rtp.allow
        config = replace(config, rtp=replace(config.rtp, address=LOOPBACK, allow=allow))
        if "sip.sources" in untouched:  # SIP is where plain RTP is: web phones of the SIP plugin call each other by it
            config = replace(config, sip=replace(config.sip, sources=(LOCAL,)))
    janus = replace(config.janus, enabled=True)  # the page needs it
    if "janus.websocket_host" in untouched:
        janus = replace(janus, websocket_host=config.demo.host)
    if "janus.http_host" in untouched:
        janus = replace(janus, http_host=config.demo.host)
    ng = config.ng
    if "ng.listen" in untouched:  # `serve` may be running beside the demo
        ng = replace(ng, listen=tuple(text for text in ng.listen if can_bind(*parse_endpoint(text))))
    if users is not None and config.b2bua.enabled:
        domain = DomainConfig(mode="registrar", users=str(users), sources=config.sip.sources)
        routing = ROUTING if "b2bua.routing" in untouched else config.b2bua.routing
        config = replace(config, b2bua=replace(config.b2bua, routing=routing), domains={**config.domains, DOMAIN: domain})
    return replace(config, janus=janus, ng=ng)


def make_demo(gateway: Gateway) -> Demo:
    """Return what a gateway with this configuration serves besides."""
    config = gateway.config
    secrets = {"apisecret": config.janus.api_secret} if config.janus.api_secret else {}
    token = {"token": config.janus.tokens[0]} if config.janus.tokens else {}

    def port() -> int:
        return gateway.janus.websocket_addresses[0][1]

    def sip() -> str:
        found = (listen for listen in gateway.sip.endpoint.addresses() if listen.protocol is Protocol.UDP) if gateway.sip.endpoint else ()
        return next((joined(listen.host, listen.port) for listen in found), "")

    phones = Phones(_phone_settings(gateway, secrets | token), port, sip)
    return Demo(EchoPeer(config.rtp.address or LOOPBACK, delay_ms=config.demo.echo_delay_ms), port, secrets | token, phones)


def _phone_settings(gateway: Gateway, secrets: Mapping[str, str]) -> PhoneSettings:
    domain = gateway.config.domains.get(DOMAIN)
    if gateway.b2bua.front is None or domain is None:
        return PhoneSettings(users=NOBODYS, secrets=secrets)
    return PhoneSettings(websocket=gateway.config.b2bua.path, domain=DOMAIN, users=read_users(domain.users), echo=ECHO, secrets=secrets)
