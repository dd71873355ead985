"""A media plane on the in-memory network, with a WebRTC leg and a plain leg joined both ways."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from boringsdp.relay.engine import (
    Event,
    IceCredentials,
    Keys,
    Latch,
    PortId,
    Profile,
    Route,
    StreamId,
    StreamSpec,
    TransportId,
    TransportSpec,
    TransportStatistics,
    Way,
)
from boringsdp.relay.plane import Plane
from boringsdp.rtp.packet import RtpPacket
from tests.support.media_peer import MediaPeer, fresh_keys, ice_check
from tests.support.network import Address, Fate, Network

GATEWAY_WEB: Address = ("192.0.2.1", 5000)
GATEWAY_PLAIN: Address = ("192.0.2.1", 6000)
BROWSER: Address = ("198.51.100.7", 50000)
PHONE: Address = ("203.0.113.9", 40000)

OWN: Address = ("192.0.2.1", 6000)
OWN_RTCP: Address = ("192.0.2.1", 6001)

WEB, PLAIN = TransportId(1), TransportId(2)
WEB_STREAM, PLAIN_STREAM = StreamId(11), StreamId(12)


class Station(MediaPeer):
    """A media peer on the in-memory network. `arrived` is every datagram as it came, `heard` what could be read of it."""

    def __init__(self, network: Network, address: Address, gateway: Address, **fields: Any) -> None:
        super().__init__(**fields)
        self.network = network
        self.address = address
        self.gateway = gateway
        self.transmit = network.attach(address, self._receive)
        self.arrived: list[bytes] = []
        self.heard: list[RtpPacket] = []

    def _receive(self, data: bytes, source: Address, now: float) -> None:
        self.arrived.append(data)
        if data[0] > 127:
            self.heard.append(self.read(data))

    def send(self, data: bytes) -> None:
        self.transmit(data, self.gateway)

    def talk(self, seconds: float, ptime_s: float = 0.02) -> None:
        """Schedule a packet every `ptime_s` from now on."""
        start = self.network.now
        for index in range(round(seconds / ptime_s)):
            self.network.at(start + index * ptime_s, lambda: self.send(self.rtp()))


class PlaneWorld:
    """`arrivals` is everything that reached the gateway: (time, source, datagram)."""

    def __init__(self, *, fate: Fate = lambda datagram: 0.0, profile: Profile = Profile.AEAD_AES_128_GCM, seed: int = 1) -> None:
        self.network = Network(fate)
        self.plane = Plane(random.Random(seed))
        self.arrivals: list[tuple[float, Address, bytes]] = []
        self._port(PortId(1), GATEWAY_WEB)
        self._port(PortId(2), GATEWAY_PLAIN)
        self.network.drive(self.plane)
        now = self.network.now
        self.credentials = IceCredentials("ufrag001", "password-of-the-web-leg!")
        self.plane.add_transport(TransportSpec(id=WEB, ports=(PortId(1),), ice=self.credentials, secured=True), now)
        self.plane.add_transport(TransportSpec(id=PLAIN, ports=(PortId(2),)), now)
        self.plane.set_remote(PLAIN, PHONE, None, Latch.STRICT, now)
        clocks: Mapping[int, int] = {0: 8000, 101: 8000}
        self.plane.add_stream(StreamSpec(id=WEB_STREAM, transport=WEB, kind="audio", send_ssrc=0xAAAA, clock_rates=clocks))
        self.plane.add_stream(StreamSpec(id=PLAIN_STREAM, transport=PLAIN, kind="audio", send_ssrc=0xBBBB, clock_rates=clocks))
        self.plane.route(Route(source=WEB_STREAM, target=PLAIN_STREAM, payload_types={0: 0}, telephone_events=frozenset({101})))
        self.plane.route(Route(source=PLAIN_STREAM, target=WEB_STREAM, payload_types={0: 0}, constant_extensions={4: b"0"}))
        self.browser = Station(self.network, BROWSER, GATEWAY_WEB, ssrc=0x1111)
        self.phone = Station(self.network, PHONE, GATEWAY_PLAIN, ssrc=0x2222)
        self.theirs: Keys = fresh_keys(profile)
        self.ours: Keys = fresh_keys(profile)
        self.plane.set_keys(WEB, Way.RECEIVE, self.theirs, {}, now)
        self.plane.set_keys(WEB, Way.SEND, self.ours, {}, now)
        self.browser.secure(self.theirs, self.ours)

    def connect(self, seconds: float = 0.0) -> None:
        """Let the browser's first check through, and schedule one every 5 s for so long."""
        ufrag, password = self.credentials.ufrag, self.credentials.password
        for when in range(0, round(seconds) + 1, 5):
            self.network.at(self.network.now + when, lambda: self.browser.send(ice_check(ufrag, password)))
        self.network.run(0.5)

    @property
    def events(self) -> list[Event]:
        return self.plane.take_events()

    def received(self, stream: StreamId) -> Any:
        return self.plane.stream_statistics(stream).received

    def _port(self, number: PortId, address: Address) -> None:
        def receive(data: bytes, source: Address, now: float) -> None:
            self.arrivals.append((now, source, data))
            self.plane.receive(number, source, data, now)

        transmit = self.network.attach(address, receive)
        self.plane.open_port(number, address, transmit)


class OwnWorld:
    """One transport with ICE and an RTCP port on ports of its own, and one stream."""

    def __init__(self) -> None:
        self.network = Network(lambda datagram: 0.0)
        self._events: list[Event] = []
        self.plane = Plane(random.Random(1))
        for number, address in ((PortId(1), OWN), (PortId(2), OWN_RTCP)):
            self.plane.open_port(number, address, self.network.attach(address, self._receiver(number)))
        self.network.drive(self.plane)
        self.number = TransportId(1)
        self.credentials = IceCredentials("ufrag001", "password-of-the-own-leg!")
        spec = TransportSpec(id=self.number, ports=(PortId(1),), rtcp_port=PortId(2), ice=self.credentials, own=True)
        self.plane.add_transport(spec, self.network.now)
        self.plane.add_stream(StreamSpec(id=StreamId(1), transport=self.number, kind="audio", send_ssrc=1, clock_rates={0: 8000}))

    def _receiver(self, number: PortId) -> Any:
        return lambda data, source, now: self.plane.receive(number, source, data, now)

    def station(self, address: Address, gateway: Address = OWN, **fields: Any) -> Station:
        return Station(self.network, address, gateway, **fields)

    def check(self) -> bytes:
        return ice_check(self.credentials.ufrag, self.credentials.password)

    @property
    def events(self) -> list[Event]:
        """Everything that was reported; it stays."""
        self._events += self.plane.take_events()
        return self._events

    @property
    def statistics(self) -> TransportStatistics:
        return self.plane.transport_statistics(self.number)

    @property
    def received(self) -> Any:
        return self.plane.stream_statistics(StreamId(1)).received
