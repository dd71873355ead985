"""The front for web phones as a part of the gateway: there or not, started, told where it is, closed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from aiohttp import web

from boringsdp import logs
from boringsdp.b2bua.configuration import b2bua_settings
from boringsdp.b2bua.front import Front
from boringsdp.config import Config
from boringsdp.listening import joined, reached_at
from boringsdp.sip.flow import Protocol

if TYPE_CHECKING:
    from boringsdp.call import Calls
    from boringsdp.sip_part import SipPart

WEBSOCKETS = (Protocol.WS, Protocol.WSS)
log = logs.bind()


def wants_front(config: Config) -> bool:
    """Whether there is a front for web phones, which needs the SIP endpoint."""
    return config.sip.enabled and b2bua_settings(config) is not None


class B2buaPart:
    """`front` is None where the configuration has none. Raises ConfigError for a policy that cannot be had."""

    def __init__(self, config: Config, sip: SipPart, calls: Calls) -> None:
        self._config = config
        self._sip = sip
        self._secure = bool(config.janus.tls_certificate)
        settings = b2bua_settings(config) if sip.endpoint is not None else None
        self.settings = settings
        self.front = Front(settings, sip.endpoint, calls) if settings is not None and sip.endpoint is not None else None

    def routes(self) -> list[web.AbstractRouteDef]:
        """Its WebSocket, for the HTTP port of the Janus API."""
        if self.settings is None or self._sip.endpoint is None:
            return []
        forwarded = self._config.janus.acl_forwarded
        server = self._sip.endpoint.websockets(secure=self._secure, origins=self.settings.origins, forwarded=forwarded)
        return [web.get(self.settings.path, server.handle)]

    async def start(self) -> None:
        """Serve; after the endpoint's start. Raises ConfigError."""
        if self.front is None and b2bua_settings(self._config) is not None:
            log.warning("web phones are not served", extra={"why": "sip.enabled is false"})
        if self.front is not None:
            await self.front.start()
            if not self._config.janus.enabled and not any(self._own()):
                log.warning("no port for web phones", extra={"set": "b2bua.listen, or janus.enabled for its HTTP port"})

    async def close(self) -> None:
        """End its calls; before the endpoint's close."""
        if self.front is not None:
            await self.front.close()

    def addresses(self, http: tuple[tuple[str, int], ...]) -> Iterator[tuple[str, str]]:
        """Yield where web phones connect, for people; `http` are the addresses of the HTTP port. After `start`."""
        if self.settings is None or self.front is None:
            return
        for host, port in http:
            for told in reached_at(host):
                yield "web phones", f"ws{'s' if self._secure else ''}://{joined(told, port)}{self.settings.path}  (sip)"
        for url in self._own():
            yield "web phones", f"{url}  (sip)"
        for domain in self.settings.domains.values():
            pbx = ", ".join(uri.to_text() for uri in domain.pbx) or "no PBX"
            yield "domain", f"{domain.name}: {domain.mode.value}, {pbx}"

    def statistics(self) -> dict[str, int | dict[str, int]]:
        """Counts for metrics."""
        return self.front.statistics() if self.front is not None else {}

    def _own(self) -> Iterator[str]:
        for listen in self._sip.endpoint.addresses() if self._sip.endpoint else ():
            if listen.protocol in WEBSOCKETS:
                yield f"{listen.protocol.value.lower()}://{joined(listen.host, listen.port)}/"
