"""Locating SIP servers (RFC 3263): from a host, a port and a transport to addresses in the order to try them. A core."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import NamedTuple

from boringsdp.net.address import parse_ip
from boringsdp.net.records import AAAA, NAPTR, SRV, A, Naptr, Question, Records, Srv
from boringsdp.sip.flow import Protocol, Target
from boringsdp.values import Value

MOST_SERVERS = 32
"""Looked up, of those that SRV records name."""
MOST_TARGETS = 64
LEAST_WEIGHT = 0.001
"""What a weight of 0 is worth: a very small chance (RFC 2782)."""
PENALTY_S = 60.0
MOST_PENALTY_S = 900.0
MOST_PENALTIES = 4096

SERVICES = {
    "SIP+D2U": Protocol.UDP,
    "SIP+D2T": Protocol.TCP,
    "SIPS+D2T": Protocol.TLS,
    "SIP+D2W": Protocol.WS,
    "SIPS+D2W": Protocol.WSS,
}
"""Of NAPTR records (RFC 3263 §4.1, RFC 7118 §8.4)."""
PREFIXES = {
    Protocol.UDP: "_sip._udp.",
    Protocol.TCP: "_sip._tcp.",
    Protocol.TLS: "_sips._tcp.",
    Protocol.WS: "_sip._ws.",
    Protocol.WSS: "_sips._ws.",
}
"""Of the names of SRV records."""
_SECURED = {Protocol.TCP: Protocol.TLS, Protocol.WS: Protocol.WSS}


class Place(Value, frozen=True):
    """
    What of a URI says where to send: its maddr or host, the port if there is one, `transport=` in lower case or empty, `sips:` or not.

    `transport=tls` (deprecated, RFC 3261 §26.2.2) is understood as TLS.
    """

    host: str
    port: int | None = None
    transport: str = ""
    secure: bool = False


class _Server(NamedTuple):
    """A host to look up, and how to speak to it."""

    protocol: Protocol
    host: str
    port: int


_Services = list[tuple[Protocol, str]]
"""Transports, and the names of their SRV records."""
Steps = Generator[list[Question], Mapping[Question, Records], list[Target]]
"""Yields questions, which may be asked all at once, and wants the answers sent; returns the targets in the order to try them."""


def locating(
    place: Place,
    *,
    want: Protocol | None = None,
    protocols: Sequence[Protocol] = (Protocol.UDP, Protocol.TCP, Protocol.TLS),
    families: Sequence[int] = (4, 6),
    uniform: Callable[[], float],
) -> Steps:
    """
    Find the targets of a place, with a transport that is wanted or one of `protocols`, preferred ones first.

    `families` are 4 and 6 likewise; `uniform` returns a random number of [0, 1), for the weights of SRV records. There are no targets where
    what is wanted and what the place says exclude each other, nor for names below `.invalid` (RFC 7118 §5), about which nobody is asked.
    """
    host = place.host.strip("[]").rstrip(".").lower()
    try:
        protocol = _protocol(place, want)
    except ValueError:
        return []
    if not host or host == "invalid" or host.endswith(".invalid"):
        return []
    if _is_numeric(host):
        protocol = protocol or _default(place)
        return [Target(protocol, host, place.port or protocol.default_port, host)] if _fits(host, families) else []
    servers: list[_Server] = []
    if place.port is None:
        services = [(protocol, PREFIXES[protocol] + host)] if protocol else (yield from _services(host, place.secure, protocols))
        servers = yield from _servers(services, uniform)
        if any(server.host == "" for server in servers):  # "decidedly not available" (RFC 2782)
            servers = [server for server in servers if server.host]
            if not servers:
                return []
    if not servers:
        protocol = protocol or _default(place)
        servers = [_Server(protocol, host, place.port or protocol.default_port)]
    return (yield from _addresses(servers[:MOST_SERVERS], host, families))


def _protocol(place: Place, want: Protocol | None) -> Protocol | None:
    """Return the transport that is asked for, None when it is open. Raises ValueError where it cannot be."""
    named = Protocol(place.transport.upper()) if place.transport else None
    asked = named or want
    if asked is not None and place.secure and not asked.secure:
        if asked not in _SECURED:
            raise ValueError(asked)
        asked = _SECURED[asked]
    if want is not None and asked not in (want, _SECURED.get(want)):
        raise ValueError(want)
    return asked


def _default(place: Place) -> Protocol:
    return Protocol.TLS if place.secure else Protocol.UDP


def _services(host: str, secure: bool, protocols: Sequence[Protocol]) -> Generator[list[Question], Mapping[Question, Records], _Services]:
    """Return the names of SRV records to ask for: as NAPTR says, else of all transports (RFC 3263 §4.1)."""
    question = Question(host, NAPTR)
    usable = [protocol for protocol in protocols if protocol.secure or not secure]
    # What is asked next when NAPTR says nothing goes along: some servers do not answer for NAPTR at all, and one wait for that is enough.
    answers = yield [question, *(Question(PREFIXES[protocol] + host, SRV) for protocol in usable)]
    found = []
    for record in answers.get(question, ()):
        if isinstance(record, Naptr) and record.flags.lower() == "s" and record.replacement:
            protocol = SERVICES.get(record.service.upper())
            if protocol is not None and protocol in usable:
                found.append((record.order, record.preference, usable.index(protocol), protocol, record.replacement))
    found.sort(key=lambda each: each[:3])
    return [(protocol, name) for *_, protocol, name in found] or [(protocol, PREFIXES[protocol] + host) for protocol in usable]


def _servers(services: _Services, uniform: Callable[[], float]) -> Generator[list[Question], Mapping[Question, Records], list[_Server]]:
    """Return the servers that SRV records name, service after service, in the order of RFC 2782."""
    answers = yield [Question(name, SRV) for _, name in services]
    return [
        _Server(protocol, record.target, record.port)
        for protocol, name in services
        for record in _in_order((each for each in answers.get(Question(name, SRV), ()) if isinstance(each, Srv)), uniform)
    ]


def _in_order(records: Iterable[Srv], uniform: Callable[[], float]) -> list[Srv]:
    """Lower priorities first; among equals by chance, in proportion to their weights (RFC 2782)."""
    left = sorted(records, key=lambda record: (record.priority, record.weight))
    ordered = []
    while left:
        equals = [record for record in left if record.priority == left[0].priority]
        at = uniform() * sum(record.weight + LEAST_WEIGHT for record in equals)
        chosen = equals[-1]
        for record in equals:
            at -= record.weight + LEAST_WEIGHT
            if at < 0:
                chosen = record
                break
        left.remove(chosen)
        ordered.append(chosen)
    return ordered


def _addresses(
    servers: Sequence[_Server], name: str, families: Sequence[int]
) -> Generator[list[Question], Mapping[Question, Records], list[Target]]:
    """Return the targets: each server's addresses of both families by turns, so that one that leads nowhere costs one try (RFC 8305)."""
    kinds = [A if family == 4 else AAAA for family in families]
    questions = [Question(server.host, kind) for server in servers if not _is_numeric(server.host) for kind in kinds]
    answers = (yield list(dict.fromkeys(questions))) if questions else {}
    targets: dict[Target, None] = {}
    for server in servers:
        known = [[server.host]] if _is_numeric(server.host) else [answers.get(Question(server.host, kind), ()) for kind in kinds]
        for address in _by_turns(known):
            targets[Target(server.protocol, address, server.port, name)] = None
    return list(targets)[:MOST_TARGETS]


def _by_turns(lists: Sequence[Sequence[object]]) -> Iterable[str]:
    for index in range(max((len(each) for each in lists), default=0)):
        for each in lists:
            if index < len(each):
                yield str(each[index])


def _fits(host: str, families: Sequence[int]) -> bool:
    return (6 if ":" in host else 4) in families


def _is_numeric(host: str) -> bool:
    try:
        parse_ip(host)
    except ValueError:
        return False
    return True


class Penalties:
    """Targets that have failed lately: tried last until their time is over (RFC 3263 §4.3). Bounded."""

    def __init__(self) -> None:
        self._box: OrderedDict[Target, tuple[float, float]] = OrderedDict()
        """Until when, and for how long."""

    def failed(self, target: Target, now: float, seconds: float = PENALTY_S) -> None:
        """Put a target into the box; again and again doubles the time."""
        until, last = self._box.pop(target, (now, 0.0))
        if now - until > last:  # good for as long as it was in
            last = 0.0
        lasts = min(last * 2, MOST_PENALTY_S) if last and now >= until else last or seconds
        self._box[target] = (now + lasts, lasts)
        if len(self._box) > MOST_PENALTIES:
            self._box.popitem(last=False)

    def worked(self, target: Target) -> None:
        """Let it out."""
        self._box.pop(target, None)

    def order(self, targets: list[Target], now: float) -> list[Target]:
        """Return the targets with those in the box last."""
        if not self._box:
            return targets
        return sorted(targets, key=lambda target: self._box.get(target, (now, 0.0))[0] > now)
