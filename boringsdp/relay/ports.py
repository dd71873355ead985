"""Which sockets there are: the shared WebRTC port on every host, and the plain ports of each host's pool."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
from collections.abc import Mapping, Sequence

from boringsdp.errors import ConfigError, Exhausted
from boringsdp.net.address import parse_ip
from boringsdp.net.port_pool import PortPool
from boringsdp.relay.engine import Address, Engine, PortId
from boringsdp.relay.rules import RelaySettings

ATTEMPTS = 20
"""Pairs that another program may hold before we say that none is left."""
FAMILIES = {"IP4": "0.0.0.0", "IP6": "::"}
"""An address of each, by its name in SDP."""


Told = tuple[PortId, Address]
"""A port, and what peers are told of it."""


class SharedPorts:
    """One UDP port number for each of the engine's workers, on every configured host: `webrtc_port`, and those that follow it."""

    def __init__(self, engine: Engine, settings: RelaySettings) -> None:
        announced = _announced(settings, settings.webrtc_hosts, settings.advertised, "webrtc.advertised")
        ids: list[PortId] = []
        numbers: list[int] = []
        self._by_interface: list[dict[str, tuple[Told, ...]]] = []
        for worker in range(engine.facts.workers):
            bound = self._bind(engine, settings, worker)
            ids += (number for number, _ in bound)
            numbers += {port: None for _, (_, port) in bound}
            known = {host: (number, port) for host, (number, (_, port)) in zip(settings.webrtc_hosts, bound, strict=True)}
            self._by_interface.append(
                {name: tuple((known[host][0], (told, known[host][1])) for host, told in hosts.items()) for name, hosts in announced.items()}
            )
        self.ids = tuple(ids)
        """All of them."""
        self.numbers = tuple(numbers) or (settings.webrtc_port,)
        """The UDP port of each worker."""

    def of(self, interface: str, worker: int = 0) -> tuple[tuple[PortId, ...], tuple[Address, ...]]:
        """
        Return a worker's ports of an interface ("": all) and what peers are told.

        Raises `ConfigError` when it has none, or is unknown.
        """
        found = self._by_interface[worker].get(interface)
        if not found:
            raise ConfigError("interfaces", f"{interface} has none of webrtc_hosts")
        return tuple(number for number, _ in found), tuple(address for _, address in found)

    def _bind(self, engine: Engine, settings: RelaySettings, worker: int) -> list[Told]:
        """Bind all or none. With port 0 the first host's choice may be taken on another: then all are tried again."""
        for _ in range(ATTEMPTS if settings.webrtc_port == 0 else 1):
            opened: list[Told] = []
            port = settings.webrtc_port and settings.webrtc_port + worker
            try:
                for host in settings.webrtc_hosts:
                    opened.append(engine.open_port((host, port), worker))
                    port = opened[-1][1][1]
            except OSError as error:
                for number, _ in opened:
                    engine.close_port(number)
                if not opened or error.errno != errno.EADDRINUSE:
                    raise
                failed = error
            else:
                return opened
        raise failed


class PlainPorts:
    """RTP ports with their RTCP ports, by local host."""

    def __init__(self, engine: Engine, settings: RelaySettings) -> None:
        self._engine = engine
        self._interfaces = _announced(settings, settings.plain_hosts, settings.plain_advertised, "rtp.advertised")
        first, last = settings.plain_ports
        try:
            self._pools = {host: PortPool(first, last, rest_s=settings.port_rest_s) for host in settings.plain_hosts}
        except ValueError as error:
            raise ConfigError("plain_ports", str(error)) from None
        self._taken: dict[PortId, tuple[str, int]] = {}

    @property
    def used(self) -> int:
        return sum(pool.used for pool in self._pools.values())

    @property
    def announced(self) -> Mapping[str, Mapping[str, str]]:
        """The hosts of each interface ("": all), and what peers are told instead of each."""
        return self._interfaces

    @property
    def capacity(self) -> int:
        return sum(pool.capacity for pool in self._pools.values())

    def host_for(self, peer: str, interface: str) -> str | None:
        """
        Return the first local host of `interface` ("": all) in the family of a peer's numeric address, or in the one that `peer` names.

        `peer` empty: in any family. None when there is none.
        """
        hosts = self._interfaces.get(interface, {})
        return next((host for host in hosts if not peer or same_family(host, FAMILIES.get(peer, peer))), None)

    def take(
        self, host: str | None, interface: str, *, single: bool, now: float, worker: int = 0
    ) -> tuple[tuple[PortId, ...], Address, int | None]:
        """
        Return the port ids (RTP, then RTCP unless `single`), the RTP address that `interface` announces, and the RTCP port.

        Raises `Exhausted("ports")`, `ConfigError` for a host that is not among the plain ones of `interface` ("": all).
        """
        hosts = self._interfaces.get(interface, {})
        host = next(iter(hosts), "") if host is None else host
        if host not in hosts:
            raise ConfigError("plain_hosts", f"{host or interface} is not one of them")
        pool = self._pools[host]
        for _ in range(ATTEMPTS):
            pair = pool.take(now)
            opened: list[PortId] = []
            try:
                for port in pair[: 1 if single else 2]:
                    number, _ = self._engine.open_port((host, port), worker)
                    opened.append(number)
            except OSError as error:
                for number in opened:
                    self._engine.close_port(number)
                pool.give_back(pair[0], now)
                if error.errno != errno.EADDRINUSE:
                    raise Exhausted("ports") from error
                continue
            self._taken[opened[0]] = (host, pair[0])
            return tuple(opened), (hosts[host], pair[0]), None if single else pair[1]
        raise Exhausted("ports")

    def give_back(self, ports: tuple[PortId, ...], now: float) -> None:
        """Close the ports of `take`; their numbers rest."""
        for number in ports:
            self._engine.close_port(number)
        host, port = self._taken.pop(ports[0])
        self._pools[host].give_back(port, now)


def check_interfaces(settings: RelaySettings) -> None:
    """Raise `ConfigError` when an interface names a host that is neither among `webrtc_hosts` nor `plain_hosts`, or has no name."""
    for name, hosts in settings.interfaces.items():
        strange = [host for host in hosts if host not in {*settings.webrtc_hosts, *settings.plain_hosts}]
        if strange or not name or not hosts:
            raise ConfigError("interfaces", f"{name or 'one without a name'}: {', '.join(strange) or 'no host'} is not among the hosts")


def _announced(settings: RelaySettings, hosts: Sequence[str], everywhere: Mapping[str, str], key: str) -> dict[str, dict[str, str]]:
    """
    Return what each interface ("": all) has of `hosts`, in its order, and what peers are told instead of each.

    `key` is where the configuration says `everywhere`.
    """
    found = {"": {host: advertised_host(host, everywhere, key) for host in hosts}}
    for name, group in settings.interfaces.items():
        own = settings.interface_advertised.get(name, {})
        found[name] = {host: own.get(host) or found[""][host] for host in group if host in hosts}
    return found


def same_family(one: str, other: str) -> bool:
    """Whether packets can go from one numeric address to the other; an IPv4-mapped one is IPv4."""
    return _version(one) == _version(other)


def _version(host: str) -> int:
    address = parse_ip(host)
    return 4 if address.version == 4 or address.ipv4_mapped is not None else 6


def advertised_host(host: str, advertised: Mapping[str, str], key: str) -> str:
    """
    Return what peers are told instead of local address `host`.

    A wildcard that is not configured is the address of the default route. Raises `ConfigError` when there is none (it names `key`), or
    `host` is no address.
    """
    if host in advertised:
        return advertised[host]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise ConfigError("webrtc_hosts", f"{host} is not an IP address") from None
    if not address.is_unspecified:
        return host
    family, far = (socket.AF_INET6, "2001:db8::1") if address.version == 6 else (socket.AF_INET, "192.0.2.1")
    with contextlib.closing(socket.socket(family, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect((far, 9))  # sends nothing, but chooses a source address
        except OSError:
            raise ConfigError(
                key, f"is needed: {host} says no address to announce, nor does a default route; or listen on one address"
            ) from None
        return str(probe.getsockname()[0])
