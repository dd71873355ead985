"""How others reach us: which of our listeners a destination is told about, and under which address. A core."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from boringsdp.errors import ConfigError
from boringsdp.sip.flow import Destination, Flow, Protocol
from boringsdp.sip.transport.gate import Networks
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

    `unnamed` is what a WebSocket client calls itself (RFC 7118 §5: it cannot be reached but by its connection). Raises ConfigError.
    """

    def __init__(
        self,
        bound: Sequence[Listen],
        advertised: Mapping[str, str],
        direct: Sequence[str],
        source: Callable[[str], str | None],
        unnamed: str,
    ) -> None:
        self._bound = bound
        self._public = {_key(key): _public(key, value) for key, value in advertised.items()}
        try:
            self._direct = Networks(direct)
        except ValueError as error:
            raise ConfigError("sip.direct", str(error)) from None
        self._source = source
        self._unnamed = unnamed
        self._known: dict[tuple[Protocol, str, str], Reach] = {}

    def forget(self) -> None:
        """Ask `source` anew from now on: routes change."""
        self._known.clear()

    def reach(self, to: Destination) -> Reach:
        """Return what to tell somebody there."""
        flow = to if isinstance(to, Flow) else None
        peer = flow.remote[0] if flow else to.host  # type: ignore[union-attr]
        if to.protocol in (Protocol.WS, Protocol.WSS) and not (flow and self._accepted(flow)):
            return Reach(self._unnamed, 0, to.protocol)
        key = (to.protocol, peer, flow.local[0] if flow else "")
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[key] = self._find(to.protocol, peer, flow)
        return known

    def listener(self, protocol: Protocol, peer: str, local: str = "") -> Listen | None:
        """Return the listener a peer is told about, and sent to from: the one on `local`, else where the system would send from."""
        six = ":" in peer
        fit = [each for each in self._bound if each.protocol is protocol and (":" in each.host) == six]
        if len(fit) > 1:
            local = local or self._source(peer) or ""
            fit = [each for each in fit if each.host == local] or [each for each in fit if each.host == ANYWHERE[six]] or fit
        return fit[0] if fit else None

    def _accepted(self, flow: Flow) -> bool:
        return any(each.protocol is flow.protocol and each.port == flow.local[1] for each in self._bound)

    def _find(self, protocol: Protocol, peer: str, flow: Flow | None) -> Reach:
        six = ":" in peer
        listen = self.listener(protocol, peer, flow.local[0] if flow else "")
        if flow and flow.local[0] != ANYWHERE[six]:
            local = flow.local[0]
        elif listen is not None and listen.host != ANYWHERE[six]:
            local = listen.host
        else:
            local = self._source(peer) or (listen.host if listen else ANYWHERE[six])
        port = listen.port if listen is not None else protocol.default_port
        if peer in self._direct:
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
