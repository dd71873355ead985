"""The SIP endpoint as a part of the gateway: there or not, started, told where it is, closed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from boringsdp import logs
from boringsdp.config import Config
from boringsdp.errors import ConfigError
from boringsdp.listening import joined
from boringsdp.relay import RelaySettings
from boringsdp.sip.configuration import USUAL_PORT, sip_settings
from boringsdp.sip.endpoint import Endpoint
from boringsdp.sip.flow import Protocol

log = logs.bind()


class SipPart:
    """
    `endpoint` is None where nobody would use it (`wanted`) or the configuration has none. With `phones` it also listens for those that are
    browsers.
    """

    def __init__(self, config: Config, media: RelaySettings, *, wanted: bool, phones: bool = False) -> None:
        self._chosen = bool(config.sip.listen)
        self.endpoint: Endpoint | None = None
        if config.sip.enabled and wanted:
            own = {config.rtp.address, config.rtp.address_v6} - {""}
            hosts = tuple(host for host in media.plain_hosts if not own or host in own) or media.plain_hosts[:1]
            settings = sip_settings(config.sip, hosts, dict(media.plain_advertised), config.limits.calls)
            if phones:
                own_ports = (*settings.transport.listen, *config.b2bua.listen)
                settings = replace(settings, transport=replace(settings.transport, listen=own_ports, origins=config.b2bua.origins))
            self.endpoint = Endpoint(settings)

    async def start(self) -> None:
        """Listen. Raises ConfigError that names the key."""
        if self.endpoint is None:
            return
        try:
            await self.endpoint.start()
        except OSError as error:
            raise ConfigError("sip.listen", f"cannot listen: {error.strerror or error}; choose others with --sip.listen=...") from error
        ports = {listen.port for listen in self.endpoint.addresses() if listen.protocol in (Protocol.UDP, Protocol.TCP)}
        if not self._chosen and ports != {USUAL_PORT}:
            log.warning(
                "SIP port taken, listening on another", extra={"taken": USUAL_PORT, "ports": sorted(ports), "setting": "sip.listen"}
            )

    def drain(self) -> None:
        """Take no more calls."""
        if self.endpoint is not None:
            self.endpoint.drain()

    async def close(self) -> None:
        if self.endpoint is not None:
            await self.endpoint.close()

    def reload(self) -> None:
        """Read the certificate again. Raises ConfigError, and then nothing changes."""
        if self.endpoint is not None:
            self.endpoint.reload_certificates()

    def addresses(self) -> Iterator[tuple[str, str]]:
        """Yield where it listens, for people; after `start`."""
        for listen in self.endpoint.addresses() if self.endpoint else ():
            if listen.protocol not in (Protocol.WS, Protocol.WSS):
                yield "SIP", f"{listen.protocol.value.lower()} {joined(listen.host, listen.port)}"

    def statistics(self) -> dict[str, int | dict[str, int]]:
        """Counts for metrics."""
        return self.endpoint.statistics() if self.endpoint else {}
