"""The NG front's transports, whole: UDP, TCP, HTTP and WebSocket on all their addresses."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

from aiohttp import web

from boringsdp import logs
from boringsdp.ng.access import AccessList
from boringsdp.ng.desk import Execute
from boringsdp.ng.http_server import HttpServer
from boringsdp.ng.reception import Reception
from boringsdp.ng.settings import Address, NgSettings
from boringsdp.ng.tcp_server import TcpServer
from boringsdp.ng.udp_server import UdpServer

log = logs.bind("ng")


class NgServer:
    """
    Build it within a running event loop; `start`, `close`. `execute` runs one command: it gets the request's dictionary and who sent it,
    and returns the reply's. `routes` are further HTTP resources on the addresses of HTTP.
    """

    def __init__(self, settings: NgSettings, execute: Execute, *, routes: Iterable[web.AbstractRouteDef] = ()) -> None:
        self._settings = settings
        self._reception = Reception(execute, settings.limits)
        access = AccessList(settings.acl)
        routes = tuple(routes)
        self._udp = [UdpServer(self._reception, address, access) for address in settings.udp]
        self._tcp = [TcpServer(self._reception, address, access) for address in settings.tcp]
        self._http = [HttpServer(self._reception, address, access, routes, settings.tls) for address in settings.http]
        self._servers: tuple[UdpServer | TcpServer | HttpServer, ...] = (*self._udp, *self._tcp, *self._http)

    @property
    def udp_addresses(self) -> tuple[Address, ...]:
        """Where datagrams are taken, as bound; after `start`."""
        return tuple(server.address for server in self._udp)

    @property
    def tcp_addresses(self) -> tuple[Address, ...]:
        """The same for TCP."""
        return tuple(server.address for server in self._tcp)

    @property
    def http_addresses(self) -> tuple[Address, ...]:
        """The same for HTTP and WebSockets."""
        return tuple(server.address for server in self._http)

    async def start(self) -> None:
        """Listen. Raises `OSError`, with nothing left open, when an address cannot be had."""
        try:
            for server in self._servers:
                await server.start()
        except OSError:
            await self.close()
            raise
        self._warn()

    async def close(self) -> None:
        """Stop to listen, end all connections; requests that wait are not executed."""
        for server in self._servers:
            await server.close()
        self._reception.close()

    def statistics(self) -> Mapping[str, Any]:
        """Totals as plain values, for metrics."""
        desk = self._reception.desk
        return {
            "requests_repeated": desk.repeated,
            "requests_dropped": desk.dropped,
            "requests_waiting": desk.waiting,
            "messages_without_cookie": desk.silent,
            "replies_unsent": sum(server.unsent for server in self._udp),
            "replies_kept": desk.cached,
            "connections": sum(len(server.connections) for server in self._tcp) + sum(server.websockets for server in self._http),
        }

    def requests(self) -> Mapping[tuple[str, str], int]:
        """Executed requests so far, by command and result."""
        return self._reception.desk.requests

    def _warn(self) -> None:
        addresses = (*self.udp_addresses, *self.tcp_addresses, *self.http_addresses)
        wide = sorted({host for host, _ in addresses if not ipaddress.ip_address(host.partition("%")[0]).is_loopback})
        if wide and not self._settings.acl:
            log.warning("ng is open to everyone who can reach it; set ng.acl", extra={"addresses": ", ".join(wide)})
