"""
The ports towards trunks: on each plain host one for RTP and one for RTCP, which all calls with them share.

A trunk's media comes from exactly the address that its SDP names, and each of its calls has an address of its own.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from boringsdp.errors import ConfigError
from boringsdp.net.address import parse_ip
from boringsdp.relay.engine import Address, Engine, PortId
from boringsdp.relay.rules import RelaySettings

if TYPE_CHECKING:
    from boringsdp.relay.plain import PlainTransport

EVERY = "*"
"""In `trunk_interfaces`: every plain peer is a trunk."""


class TrunkPorts:
    """The ports, and who has which of the peers' addresses."""

    def __init__(self, engine: Engine, settings: RelaySettings, announced: Mapping[str, Mapping[str, str]]) -> None:
        """`announced` is what each interface ("": all) has of the plain hosts, and what peers are told instead of each."""
        try:
            self._networks = tuple(map(ipaddress.ip_network, settings.trunks))
        except ValueError as error:
            raise ConfigError("trunks", str(error)) from None
        self._interfaces = settings.trunk_interfaces
        self._announced = announced
        self._ports: dict[tuple[str, int], tuple[tuple[PortId, int], tuple[PortId, int]]] = {}
        self._holders: dict[tuple[PortId, Address], PlainTransport] = {}
        if settings.trunk_port:
            self._bind(engine, settings)

    def _bind(self, engine: Engine, settings: RelaySettings) -> None:
        """A pair on each host for each of the engine's workers, upwards from `trunk_port`."""
        for host in settings.plain_hosts:
            for worker in range(engine.facts.workers):
                port = settings.trunk_port + 2 * worker
                rtp, rtcp = (engine.open_port((host, number), worker)[0] for number in (port, port + 1))
                self._ports[host, worker] = (rtp, port), (rtcp, port + 1)

    @property
    def ids(self) -> Iterator[PortId]:
        """All of them."""
        return (number for pair in self._ports.values() for number, _ in pair)

    @property
    def held(self) -> int:
        """How many calls' addresses are known."""
        return len(self._holders)

    def take(
        self, host: str | None, interface: str, peer: Address | None, worker: int, *, single: bool
    ) -> tuple[tuple[PortId, ...], Address, int | None] | None:
        """
        Return the port ids (RTP, then RTCP unless `single`), the RTP address that `interface` announces, and the RTCP port.

        None when the peer is not in a trunk's networks, or (it is not known yet) not all on `interface` are; or its address is in use.
        """
        hosts = self._announced.get(interface, {})
        found = self._ports.get((next(iter(hosts), "") if host is None else host, worker))
        if found is None or host not in (None, *hosts):
            return None
        (rtp, port), (rtcp, rtcp_port) = found
        if self._refusal(None, rtp, peer) if peer is not None else self._interfaces.isdisjoint((interface, EVERY)):
            return None
        return (rtp,) if single else (rtp, rtcp), (hosts[host or next(iter(hosts))], port), None if single else rtcp_port

    def refusal(self, transport: PlainTransport, peer: Address) -> str:
        """Why a transport cannot hear this peer on the shared port; empty when it can."""
        return self._refusal(transport, transport.ports[0], peer)

    def _refusal(self, transport: PlainTransport | None, port: PortId, peer: Address) -> str:
        if not self._is_near(peer):
            return "is not in rtp.trunks, and the call is on the trunks' shared port"
        holder = self._holders.get((port, _plain(peer)))
        if holder is None or holder is transport or holder.retired:
            return ""
        return "is in use by another call on the trunks' shared port"

    def claim(self, transport: PlainTransport, peer: Address | None) -> None:
        """The transport's peer is there (None: nowhere). Whoever had the address and is retired has it no more. Ask `refusal` first."""
        self.release(transport)
        if peer is not None:
            place = transport.ports[0], _plain(peer)
            former = self._holders.get(place)
            if former is not None:
                former.give_way()
            self._holders[place] = transport
            transport.claimed = place

    def release(self, transport: PlainTransport) -> None:
        """The transport has no peer any more."""
        if transport.claimed is not None:
            del self._holders[transport.claimed]
            transport.claimed = None

    def _is_near(self, peer: Address) -> bool:
        host = parse_ip(_plain(peer)[0])
        return any(host in network for network in self._networks)


def _plain(peer: Address) -> Address:
    """The address in its usual spelling; an IPv4-mapped one is IPv4."""
    host = parse_ip(peer[0])
    if isinstance(host, ipaddress.IPv6Address) and host.ipv4_mapped is not None:
        host = host.ipv4_mapped
    return str(host), peer[1]
