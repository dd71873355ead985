"""The world of a scenario: ports, transports, streams and routes as chance makes them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from boringsdp.relay.engine import Address, IceCredentials, Latch, PortId, Route, StreamId, StreamSpec, TransportId, TransportSpec
from tests.relay.differential.peers import EVENT_TYPES, Peer, Talker
from tests.relay.differential.steps import Step

HERE, HERE6 = "192.0.2.1", "2001:db8::1"
HOSTS = ("198.51.100.1", "198.51.100.2", "203.0.113.9")
HOSTS6 = ("2001:db8::7", "2001:db8::8")
PORTS = (4000, 4001, 4002, 5000, 65535, 1)
CODECS: tuple[Mapping[int, int], ...] = (
    {0: 8000, 8: 8000, 101: 8000}, {111: 48000, 63: 48000, 110: 48000, 9: 8000, 0: 8000}, {96: 90000, 97: 90000}, {98: 90000},
    {0: 8000}, {8: 8000, 101: 8000}, {},
)  # fmt: skip


@dataclass(slots=True)
class Leg:
    """A transport as the scenario sees it. `known` are credentials that were good once, the present ones last."""

    spec: TransportSpec
    peer: Peer
    rtp: Address
    rtcp: Address
    known: list[IceCredentials] = field(default_factory=list)
    streams: list[StreamSpec] = field(default_factory=list)


class World:
    """Grows by `add_…`, which append the steps that make it so."""

    def __init__(self, seed: int, start: float) -> None:
        self.rng = random.Random(seed)
        self.now = start
        self.steps: list[Step] = []
        self.addresses: dict[PortId, Address] = {}
        self.sides: dict[PortId, int] = {}
        self.legs: list[Leg] = []
        self.routes: list[Route] = []
        self.codecs = self.rng.choice(CODECS[:-1])
        """What most streams speak."""
        self._number = 0
        self.shared = [self.add_port(HERE, 0), self.add_port(HERE6, 0)]
        self.trunk = [self.add_port(HERE, 1), self.add_port(HERE, 1)]

    def step(self, what: str, *args: Any, needed: bool = False) -> None:
        self.steps.append(Step(self.now, what, args, needed))

    def number(self) -> int:
        self._number += 1
        return self._number

    def add_port(self, host: str, side: int) -> PortId:
        """`side` is which of two workers has it, if there are two."""
        number = PortId(len(self.addresses) + 1)
        self.addresses[number], self.sides[number] = (host, 10000 + 2 * number), side
        self.step("open_port", self.addresses[number], side, needed=True)
        return number

    def spread(self, spec: TransportSpec) -> bool:
        """Whether its ports are of both sides."""
        return len({self.sides.get(port) for port in (*spec.ports, spec.rtcp_port) if port is not None}) > 1

    def address(self, host: str | None = None, *, v6: bool = False) -> Address:
        return host or self.rng.choice(HOSTS6 if v6 else HOSTS), self.rng.choice(PORTS)

    # --- transports

    def add_leg(self) -> Leg:
        kind = self.rng.choice(("ice", "ice", "ice", "own", "own", "plain", "plain", "plain", "plain", "raw", "shared"))
        return self._add(kind, **self._limits())

    def _limits(self) -> dict[str, Any]:
        rng = self.rng
        return {
            "secured": rng.random() < 0.4, "latch": rng.choice(list(Latch)), "tos": rng.choice((0, 0, 0, 184, 46)),
            "latch_window_s": rng.choice((10.0, 10.0, 0.5, 0.0)), "learn_s": rng.choice((3.0, 0.2)),
            "consent_timeout_s": rng.choice((30.0, 30.0, 30.0, 3.0)), "max_addresses": rng.choice((8, 8, 2, 1)),
            "max_ssrcs": rng.choice((32, 32, 2, 1)),
        }  # fmt: skip

    def _add(self, kind: str, **fields: Any) -> Leg:
        rng = self.rng
        v6 = rng.random() < 0.2
        number = TransportId(self.number())
        known: list[IceCredentials] = []
        if kind in ("ice", "own"):
            known.append(self.credentials())
            fields["ice"] = known[0]
        if kind == "ice":
            fields["ports"] = tuple(rng.choice((self.shared, self.shared[:1])))
            v6 = v6 and len(fields["ports"]) == 2
        elif kind == "shared":
            fields |= {"ports": (self.trunk[0],), "rtcp_port": rng.choice((None, self.trunk[1])), "shared": True}
            v6 = False
        else:
            here, side = HERE6 if v6 else HERE, rng.randrange(2)
            fields["ports"] = (self._own_port(here, side),)
            if kind != "raw" and rng.random() < 0.6:
                fields["rtcp_port"] = self._own_port(here, side, fields["ports"])
            fields |= {"own": kind == "own", "raw": kind == "raw"}
            if kind == "raw":
                fields["secured"] = False
        spec = TransportSpec(id=number, **fields)
        remote = self.address(v6=v6)
        leg = Leg(spec, Peer(rng), remote, rng.choice((remote, (remote[0], remote[1] + 1 & 0xFFFF or 1))), known)
        self.step("add_transport", spec)
        self.legs.append(leg)
        return leg

    def _own_port(self, host: str, side: int, taken: tuple[PortId, ...] = ()) -> PortId:
        """A new port, or one that a removed transport has left."""
        used = {*taken} | {port for leg in self.legs for port in (*leg.spec.ports, leg.spec.rtcp_port)} | {*self.shared, *self.trunk}
        free = [port for port, (here, _) in self.addresses.items() if port not in used and here == host and self.sides[port] == side]
        return self.rng.choice(free) if free and self.rng.random() < 0.7 else self.add_port(host, side)

    def credentials(self) -> IceCredentials:
        return IceCredentials(f"ufrag{self.number():03}", f"password-of-22-or-more-{self.number():04}")

    def ways_in(self, leg: Leg) -> list[tuple[PortId, Address]]:
        """Where the peer sends to, and from where, when all goes well: RTP first."""
        port = next((port for port in leg.spec.ports if (":" in self.addresses[port][0]) == (":" in leg.rtp[0])), leg.spec.ports[0])
        ways = [(port, leg.rtp)]
        if leg.spec.rtcp_port is not None:
            ways.append((leg.spec.rtcp_port, leg.rtcp))
        return ways

    # --- streams and routes

    def add_stream(self, leg: Leg, known: StreamSpec | None = None) -> StreamSpec:
        """A new stream, or new rules for one."""
        rng = self.rng
        talker_ssrc = rng.choice((rng.getrandbits(32), rng.getrandbits(32), 0x1111, 0x2222))
        codecs = self.codecs if rng.random() < 0.8 else rng.choice(CODECS)
        spec = StreamSpec(
            id=known.id if known else StreamId(self.number()), transport=leg.spec.id,
            kind=known.kind if known else rng.choice(("audio", "audio", "video")),
            send_ssrc=known.send_ssrc if known and rng.random() < 0.7 else rng.getrandbits(32), clock_rates=codecs,
            mid=rng.choice(("", "0", "audio", "v\u00ed")), mid_extension=rng.choice((0, 4, 4, 9)), audio_level_extension=rng.choice((0, 1)),
            ssrcs=frozenset(rng.sample((talker_ssrc, talker_ssrc, 0x1111, 0x2222), rng.randrange(3))),
            silence_s=rng.choice((1.0, 1.0, 0.1)),
            keep=rng.choice((0, 0, 3, 100)),
        )  # fmt: skip
        self.step("add_stream", spec)
        if known is None:
            leg.streams.append(spec)
        else:
            leg.streams[leg.streams.index(known)] = spec
        if rng.random() < 0.8:
            ids = (spec.mid_extension, spec.audio_level_extension)
            leg.peer.talkers.append(Talker(rng, talker_ssrc, spec.clock_rates, spec.mid.encode(), ids))
        return spec

    def streams(self) -> list[StreamSpec]:
        return [stream for leg in self.legs for stream in leg.streams]

    def add_route(self) -> None:
        rng = self.rng
        streams = self.streams()
        if not streams:
            return
        source, target = rng.choice(streams), rng.choice(streams)
        for _ in range(3):
            source = source if source.transport != target.transport else rng.choice(streams)  # an echo is rare
        fed = {route.target: route for route in self.routes}
        if target.id in fed and rng.random() < 0.7:  # the same route with other rules
            source = next((stream for stream in streams if stream.id == fed[target.id].source), source)
        route = self._rules(source, target)
        self.step("route", route)
        self.routes = [known for known in self.routes if known.target != target.id] + [route]

    def _rules(self, source: StreamSpec, target: StreamSpec) -> Route:
        rng = self.rng
        theirs = tuple(target.clock_rates) or (0,)
        constant: dict[int, bytes] = {}
        if rng.random() < 0.4:
            constant[rng.choice((4, 4, 4, 15))] = target.mid.encode() or b"0"
        return Route(
            source=source.id, target=target.id,
            payload_types={
                before: before if rng.random() < 0.7 else rng.choice(theirs) for before in source.clock_rates if rng.random() < 0.95
            },
            telephone_events=frozenset(number for number in EVENT_TYPES & source.clock_rates.keys() if rng.random() < 0.7),
            extensions={number: rng.choice((number, 2, 7)) for number in (1, 3, 5, 200) if rng.random() < 0.3},
            constant_extensions=constant,
            silence=rng.choice(({},) * 8 + ({0: b"\xff"}, {0: b"", 111: b"\xf8\xff\xfe"}, {8: b"\xd5", 111: b""})),
            enabled=rng.random() < 0.9,
        )  # fmt: skip

    def hold(self) -> None:
        """Hold a route, or take it up again."""
        if not self.routes:
            return
        route = self.rng.choice(self.routes)
        changed = replace(route, enabled=not route.enabled)
        self.step("route", changed)
        self.routes[self.routes.index(route)] = changed

    def forget(self, gone: set[StreamId]) -> None:
        self.routes = [route for route in self.routes if route.source not in gone and route.target not in gone]
