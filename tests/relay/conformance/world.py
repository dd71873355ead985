"""What a conformance test works with: an engine under test and real sockets on loopback as its peers."""

from __future__ import annotations

import asyncio
import itertools
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from boringsdp.ice.stun import Attribute, StunMessage, parse_error_code, parse_stun
from boringsdp.relay.engine import (
    Address,
    Engine,
    Event,
    IceCredentials,
    Keys,
    Latch,
    PathSelected,
    PortId,
    Profile,
    Route,
    RtcpPathSelected,
    StreamId,
    StreamSpec,
    TransportId,
    TransportSpec,
    Way,
)
from boringsdp.rtp.packet import RtpPacket
from tests.support.asserts import matching
from tests.support.media_peer import MediaPeer, fresh_keys, ice_check

Kind = TypeVar("Kind")

PATIENCE_S = 3.0
SILENCE_S = 0.08
"""How long nothing must come before a test believes that nothing comes."""


class Peer(MediaPeer):
    """A real UDP socket with the media peer's pen."""

    def __init__(self, host: str = "127.0.0.1", **fields: Any) -> None:
        super().__init__(**fields)
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind((host, 0))
        self.address: Address = self.socket.getsockname()[:2]
        self.to: Address = self.address

    def send(self, data: bytes, to: Address | None = None) -> None:
        self.socket.sendto(data, to or self.to)

    def speak(self, count: int = 1, **fields: Any) -> None:
        for _ in range(count):
            self.send(self.rtp(**fields))

    async def hear_raw(self) -> tuple[bytes, Address]:
        """The next datagram and where it came from. Fails after PATIENCE_S."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                data, source = self.socket.recvfrom(4096)
                return data, source[:2]
            except BlockingIOError:
                readable = asyncio.Event()
                loop.add_reader(self.socket.fileno(), readable.set)
                try:
                    await asyncio.wait_for(readable.wait(), PATIENCE_S)
                finally:
                    loop.remove_reader(self.socket.fileno())

    async def hear(self) -> RtpPacket:
        return self.read((await self.hear_raw())[0])

    async def hear_many(self, count: int) -> list[RtpPacket]:
        return [await self.hear() for _ in range(count)]

    async def hears_nothing(self) -> None:
        await asyncio.sleep(SILENCE_S)
        await workers_rest()
        try:
            data = self.socket.recv(4096)
        except BlockingIOError:
            return
        raise AssertionError(f"heard {data.hex()}")


async def workers_rest() -> None:
    """Wait until no thread of an engine has anything to do: on a busy machine they may not have had their turn yet."""
    end = time.monotonic() + PATIENCE_S
    while any(map(_is_busy, Path("/proc/self/task").glob("*/stat"))):
        assert time.monotonic() < end, "an engine's thread never rests"
        await asyncio.sleep(0.005)


def _is_busy(stat: Path) -> bool:
    try:
        name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
    except OSError:  # it has ended
        return False
    return name.startswith("boringsdp-w") and rest.split()[0] != "S"


class Leg:
    """A transport with one audio stream, and its peer."""

    def __init__(self, world: World, transport: TransportId, stream: StreamId, peer: Peer, credentials: IceCredentials | None) -> None:
        self.world = world
        self.transport = transport
        self.stream = stream
        self.peer = peer
        self.credentials = credentials
        self.ports: tuple[PortId, ...] = ()
        self.rtcp_peer: Peer | None = None
        self.rtcp_address: Address = ("", 0)

    async def check(self, peer: Peer | None = None, to: Address | None = None, **options: Any) -> StunMessage:
        """Send an ICE check and return the answer."""
        peer, own = peer or self.peer, options.pop("credentials", self.credentials)
        peer.send(ice_check(own.ufrag, own.password, **options), to)
        return parse_stun((await peer.hear_raw())[0])

    @property
    def received(self) -> Any:
        return self.world.engine.stream_statistics(self.stream).received

    @property
    def sent(self) -> Any:
        return self.world.engine.stream_statistics(self.stream).sent

    @property
    def transport_statistics(self) -> Any:
        return self.world.engine.transport_statistics(self.transport)

    @property
    def drops(self) -> dict[str, int]:
        return dict(self.transport_statistics.drops)


def error_code(message: StunMessage) -> int:
    return parse_error_code(message.attributes[Attribute.ERROR_CODE])


class World:
    """An engine under test. `events` is everything it has reported."""

    def __init__(self, engine_factory: Any) -> None:
        self.engine_factory = engine_factory
        self.events: list[Event] = []
        self.peers: list[Peer] = []
        self.engine: Engine = engine_factory(self._report)
        self._numbers = itertools.count(1)
        self._worker = 0

    def _report(self, events: Sequence[Event]) -> None:
        self.events.extend(events)

    async def close(self) -> None:
        await self.engine.close()
        for peer in self.peers:
            peer.socket.close()

    def number(self) -> int:
        return next(self._numbers)

    def peer(self, host: str = "127.0.0.1", **fields: Any) -> Peer:
        peer = Peer(host, **fields)
        self.peers.append(peer)
        return peer

    def port(self, host: str = "127.0.0.1") -> tuple[PortId, Address]:
        return self.engine.open_port((host, 0), self._worker)

    def _next_worker(self) -> None:
        """The ports of the next leg are another worker's, where there are several: what passes between legs then passes between workers."""
        self._worker = (self._worker + 1) % self.engine.facts.workers

    def pair(self, host: str = "127.0.0.1") -> tuple[tuple[PortId, Address], tuple[PortId, Address]]:
        """An RTP port and an RTCP port that one transport may use."""
        return self.port(host), self.port(host)

    async def event(self, kind: type[Kind], count: int = 1, **facts: Any) -> Kind:
        """Wait until `count` such events were reported; the last of them."""
        end = time.monotonic() + PATIENCE_S
        while len(found := matching(self.events, kind, **facts)) < count:
            assert time.monotonic() < end, f"no {kind.__name__} {facts} in {self.events}"
            await asyncio.sleep(0.005)
        return found[count - 1]

    async def until(self, condition: Any) -> None:
        end = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < end, "it did not come to pass"
            await asyncio.sleep(0.005)

    def webrtc(self, port: tuple[PortId, Address] | None = None, *, secured: bool = False, peer: Peer | None = None, **spec: Any) -> Leg:
        """An ICE transport on a shared port, not yet checked."""
        if port is None:
            self._next_worker()
        number, address = port or self.port()
        name = self.number()
        credentials = IceCredentials(f"ufrag{name:03}", f"password-of-leg-{name:08}")
        transport = TransportId(name)
        self.engine.add_transport(TransportSpec(id=transport, ports=(number,), ice=credentials, secured=secured, **spec))
        return self._leg(transport, peer or self.peer(address[0]), address, credentials)

    async def connected(self, port: tuple[PortId, Address] | None = None, **spec: Any) -> Leg:
        """An ICE transport whose peer has been checked."""
        leg = self.webrtc(port, **spec)
        await leg.check()
        await self.event(PathSelected, transport=leg.transport)
        return leg

    def plain(
        self, latch: Latch = Latch.STRICT, *, host: str = "127.0.0.1", rtcp: bool = False, announced: bool = True, **spec: Any
    ) -> Leg:
        """A transport on ports of its own that knows its peer's address, unless that is not announced yet."""
        self._next_worker()
        number, address = self.port(host)
        rtcp_number, rtcp_address = self.port(host) if rtcp else (None, None)
        transport = TransportId(self.number())
        self.engine.add_transport(TransportSpec(id=transport, ports=(number,), rtcp_port=rtcp_number, latch=latch, **spec))
        leg = self._leg(transport, self.peer(host), address, None)
        leg.ports = (number,) if rtcp_number is None else (number, rtcp_number)
        if rtcp_address is not None:
            leg.rtcp_peer, leg.rtcp_address = self.peer(host), rtcp_address
            leg.rtcp_peer.to = rtcp_address
        if announced:
            self.engine.set_remote(transport, leg.peer.address, leg.rtcp_peer.address if leg.rtcp_peer else None, latch)
        return leg

    def own_ice(self, *, host: str = "127.0.0.1", rtcp: bool = True, **spec: Any) -> Leg:
        """A transport with ICE on ports of its own, not yet checked."""
        self._next_worker()
        number, address = self.port(host)
        rtcp_number, rtcp_address = self.port(host) if rtcp else (None, None)
        name = self.number()
        credentials = IceCredentials(f"own{name:05}", f"password-of-leg-{name:08}")
        transport = TransportId(name)
        self.engine.add_transport(TransportSpec(id=transport, ports=(number,), rtcp_port=rtcp_number, ice=credentials, own=True, **spec))
        leg = self._leg(transport, self.peer(host), address, credentials)
        leg.ports = (number,) if rtcp_number is None else (number, rtcp_number)
        if rtcp_address is not None:
            leg.rtcp_peer, leg.rtcp_address = self.peer(host), rtcp_address
            leg.rtcp_peer.to = rtcp_address
        return leg

    async def own_ice_connected(self, **spec: Any) -> Leg:
        """The same with both components checked."""
        leg = self.own_ice(**spec)
        await leg.check()
        await self.event(PathSelected, transport=leg.transport)
        if leg.rtcp_peer is not None:
            await leg.check(leg.rtcp_peer)
            await self.event(RtcpPathSelected, transport=leg.transport)
        return leg

    def raw(self, latch: Latch = Latch.ONCE, *, host: str = "127.0.0.1", **spec: Any) -> Leg:
        """A transport whose datagrams are copied, and its peer."""
        self._next_worker()
        number, address = self.port(host)
        transport = TransportId(self.number())
        self.engine.add_transport(TransportSpec(id=transport, ports=(number,), raw=True, **spec))
        peer = self.peer(host)
        peer.to = address
        self.engine.set_remote(transport, peer.address, None, latch)
        return Leg(self, transport, StreamId(0), peer, None)

    def spec(self, **fields: Any) -> TransportSpec:
        """A specification with an id of its own."""
        return TransportSpec(id=TransportId(self.number()), **fields)

    def _leg(self, transport: TransportId, peer: Peer, address: Address, credentials: IceCredentials | None) -> Leg:
        peer.to = address
        stream = StreamId(self.number())
        self.stream(transport, stream)
        return Leg(self, transport, stream, peer, credentials)

    def stream(self, transport: TransportId, stream: StreamId, **fields: Any) -> None:
        values: dict[str, Any] = {"kind": "audio", "send_ssrc": 0xA0000000 + stream, "clock_rates": {0: 8000, 8: 8000, 101: 8000}} | fields
        self.engine.add_stream(StreamSpec(id=stream, transport=transport, **values))

    def route(self, source: Leg, target: Leg, **fields: Any) -> None:
        values: dict[str, Any] = {"payload_types": {0: 0, 8: 8}} | fields
        self.engine.route(Route(source=source.stream, target=target.stream, **values))

    def secure(self, leg: Leg, profile: Profile = Profile.AEAD_AES_128_GCM, mki: bytes = b"") -> tuple[Keys, Keys]:
        """Give both sides keys; returns (what the peer sends under, what the engine sends under)."""
        theirs, ours = fresh_keys(profile, mki), fresh_keys(profile, mki)
        self.engine.set_keys(leg.transport, Way.RECEIVE, theirs)
        self.engine.set_keys(leg.transport, Way.SEND, ours)
        leg.peer.secure(theirs, ours)
        return theirs, ours
