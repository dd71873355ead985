"""How others reach us: which of our listeners a destination is told about, and under which address. A core."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from boringsdp.errors import ConfigError
from boringsdp.net.networks import networks, within
from boringsdp.sip.flow import Address, Destination, Flow, Protocol
from boringsdp.sip.transport.settings import Listen, in_uri, parse_listen, split_host_port

ANYWHERE = {False: "0.0.0.0", True: "::"}
"""What a listener on all addresses of IPv4, and of IPv6, is bound to."""
_REMEMBERED = 4096


class Reach(NamedTuple):
    """How others reach us: host as URIs write it (IPv6 in brackets), port (0: leave it out) and protocol."""

    host: str
    port: int
    protocol: Protocol

    @property
    def host_port(self) -> str:
        """Host and port as Via writes them."""
        return f"{self.host}:{self.port}" if self.port else self.host


class Advertised:
    """
    Answers for Via and Contact. `source` tells from which local address the system sends to a peer, None when it knows no way.

    `spare` is the port to tell for a protocol that nothing listens for, and whether for IPv6; 0: its default one. Peers that look for a
    connection by its address, as proxies do, find the one we made from there. `unnamed` is what a WebSocket client calls itself (RFC 7118
    §5): it cannot be reached but by its connection. Raises ConfigError.
    """

    def __init__(
        self,
        bound: Sequence[Listen],
        advertised: Mapping[str, str],
        direct: Sequence[str],
        source: Callable[[str], str | None],
        unnamed: str,
        spare: Callable[[Protocol, bool], int] = lambda protocol, six: 0,
    ) -> None:
        self._bound = bound
        self._ports = {each.port for each in bound}
        self._public = {_key(key): _public(key, value) for key, value in advertised.items()}
        try:
            self._direct = networks(direct)
        except ValueError as error:
            raise ConfigError("sip.direct", str(error)) from None
        self._source = source
        self._unnamed = unnamed
        self._spare = spare
        self._fitting: defaultdict[tuple[Protocol, bool], list[Listen]] = defaultdict(list)
        for each in bound:
            self._fitting[each.protocol, ":" in each.host].append(each)
        self._chosen: dict[tuple[Protocol, str, Address], Listen] = {}
        self._known: dict[tuple[Protocol, str, Address], Reach] = {}

    def forget(self) -> None:
        """Ask `source` anew from now on: routes change."""
        self._known.clear()
        self._chosen.clear()

    def reach(self, to: Destination) -> Reach:
        """Return what to tell somebody there."""
        flow = to if isinstance(to, Flow) else None
        peer = flow.remote[0] if flow else to.host  # type: ignore[union-attr]
        if to.protocol in (Protocol.WS, Protocol.WSS) and not (flow and self.is_bound(flow)):
            return Reach(self._unnamed, 0, to.protocol)
        own = ("", 0) if flow is None else flow.local if flow.local[1] in self._ports else (flow.local[0], 0)
        key = (to.protocol, peer, own)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[key] = self._find(to.protocol, peer, own)
        return known

    def of_accepted(self, flow: Flow) -> Reach:
        """Return what to tell the peer of a WebSocket that somebody else's server has accepted for us: where it connected to."""
        host = flow.local[0]
        if flow.remote[0] in self._direct:
            return Reach(in_uri(host), flow.local[1], flow.protocol)
        public, port = next((self._public[key] for key in (host, ANYWHERE[":" in host]) if key in self._public), (host, None))
        return Reach(in_uri(public), port or flow.local[1], flow.protocol)

    def listener(self, protocol: Protocol, peer: str, local: Address = ("", 0)) -> Listen | None:
        """Return the listener a peer is told about, and sent to from: that of a `local` address, else where the system would send from."""
        six = ":" in peer
        fit = self._fitting[protocol, six]
        if len(fit) > 1:
            key = (protocol, peer, local)
            if key not in self._chosen:
                if len(self._chosen) >= _REMEMBERED:
                    self._chosen.clear()
                self._chosen[key] = self._choose(fit, peer, local)
            return self._chosen[key]
        return fit[0] if fit else None

    def _choose(self, fit: list[Listen], peer: str, local: Address) -> Listen:
        """Return the best of several listeners."""
        host = local[0] or self._source(peer) or ""
        fit = [each for each in fit if each.host == host] or [each for each in fit if each.anywhere] or fit
        return next((each for each in fit if each.port == local[1]), fit[0])

    def is_bound(self, flow: Flow) -> bool:
        """Whether a flow came to a listener of ours."""
        return any(each.protocol is flow.protocol and each.port == flow.local[1] for each in self._bound)

    def _find(self, protocol: Protocol, peer: str, own: Address) -> Reach:
        six = ":" in peer
        listen = self.listener(protocol, peer, own)
        if own[0] and own[0] != ANYWHERE[six]:
            local = own[0]
        elif listen is not None and not listen.anywhere:
            local = listen.host
        else:
            local = self._source(peer) or (listen.host if listen else ANYWHERE[six])
        port = listen.port if listen is not None else self._spare(protocol, six) or protocol.default_port
        if within(peer, self._direct):
            return Reach(in_uri(local), port, protocol)
        keys: list[object] = [listen, local, ANYWHERE[six]]
        host, public_port = next((self._public[key] for key in keys if key in self._public), (local, None))
        return Reach(in_uri(host), port if public_port is None else public_port, protocol)


def _key(text: str) -> object:
    """Return a listener, for a key like `tls:192.0.2.1:5061`, or a host."""
    protocol = text.partition(":")[0].upper()
    return parse_listen(text) if protocol in Protocol.__members__ else text.strip("[]").lower()


def _public(key: str, text: str) -> tuple[str, int | None]:
    host, port = split_host_port(text)
    if not host or any(letter in host for letter in "[] /@;,<>"):
        raise ConfigError(f"sip.advertised.{key}", f"{text!r} is neither host nor host:port")
    return host, port
