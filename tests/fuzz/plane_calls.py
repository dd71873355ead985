"""Two calls in one media plane, with their peers played by hand and a clock that moves only when told."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from boringsdp.relay.engine import (
    Address,
    Event,
    IceCredentials,
    Keys,
    Latch,
    PortId,
    Profile,
    Route,
    RtcpReceived,
    StreamId,
    StreamSpec,
    TransportId,
    TransportSpec,
    Way,
)
from boringsdp.relay.plane import Plane
from boringsdp.rtp.packet import RtpPacket, parse_packet, write_packet
from boringsdp.rtp.srtp import SrtpReceiver, SrtpSender
from tests.fuzz import corpus, oracles

SHARED = PortId(1)
GATEWAY = "192.0.2.1"
MID, LEVEL = 4, 1
REPLY_SLACK = 12
"""How many bytes longer than its request an answer to a stranger may be."""
REASONS = frozenset(
    {
        "duplicate", "empty", "events_full", "former_ssrc", "jumped", "late", "malformed", "no_address", "no_keys", "padding_only",
        "payload_type", "replayed", "send_blocked", "send_failed", "send_too_long", "send_replayed", "stun_ignored", "stun_malformed",
        "stun_refused", "stun_unanswered", "stun_unknown_ufrag", "too_long", "too_many_ssrcs", "unknown_source", "unknown_ssrc",
        "unverified",
    }
)  # fmt: skip
"""Every reason to drop; a peer cannot make up others."""


@dataclass(slots=True)
class Sent:
    port: PortId
    data: bytes
    address: Address


@dataclass
class Peer:
    """One side of a call: where it is, its keys if it has any, and its one stream."""

    address: Address
    port: PortId
    payload_type: int
    ssrc: int
    sender: SrtpSender | None = None
    receiver: SrtpReceiver | None = None
    extensions: dict[int, bytes] = field(default_factory=dict)
    count: int = 0
    sent: list[bytes] = field(default_factory=list)

    def next_packet(self, payload: bytes) -> bytes:
        self.count += 1
        packet = RtpPacket(
            payload_type=self.payload_type, sequence=1000 + self.count, timestamp=160 * self.count, ssrc=self.ssrc, payload=payload,
            extensions=self.extensions,
        )  # fmt: skip
        data = write_packet(packet)
        if self.sender is not None:
            data = self.sender.protect(data)
        self.sent.append(data)
        return data

    def next_report(self) -> bytes:
        data = corpus.rtcp_compounds()[1]
        return data if self.sender is None else self.sender.protect_rtcp(data)

    def read(self, data: bytes) -> RtpPacket:
        return parse_packet(data if self.receiver is None else self.receiver.unprotect(data))


class CallPair:
    """A browser on the shared port and a phone on ports of its own, media both ways. `number` keeps two calls apart."""

    def __init__(self, world: World, number: int, profile: Profile, *, sdes: bool) -> None:
        self.world, self.number = world, number
        rng = world.rng
        self.credentials = IceCredentials(f"call{number}ufrag", f"call{number}-password-of-length")
        self.web, self.plain = TransportId(10 * number), TransportId(10 * number + 1)
        self.web_stream, self.plain_stream = StreamId(10 * number), StreamId(10 * number + 1)
        rtp, rtcp = world.open_port(), world.open_port()
        self.rtcp_port = rtcp
        self.browser = Peer((f"198.51.100.{number}", 50_000), SHARED, 111, 100 + number, extensions={LEVEL: b"\x10", MID: b"0"})
        self.phone = Peer((f"203.0.113.{number}", 40_000), rtp, 0, 200 + number)
        plane, now = world.plane, world.now
        plane.add_transport(TransportSpec(id=self.web, ports=(SHARED,), ice=self.credentials, secured=True), now)
        plane.add_transport(TransportSpec(id=self.plain, ports=(rtp,), rtcp_port=rtcp, secured=sdes), now)
        self._key(self.web, self.browser, profile, rng)
        if sdes:
            self._key(self.plain, self.phone, Profile.AES128_CM_SHA1_80, rng)
        host, port = self.phone.address
        plane.set_remote(self.plain, (host, port), (host, port + 1), Latch.ONCE, now)
        plane.add_stream(
            StreamSpec(
                id=self.web_stream, transport=self.web, kind="audio", send_ssrc=1000 + number, clock_rates={111: 8000, 101: 8000},
                mid="0", mid_extension=MID, audio_level_extension=LEVEL,
            )
        )  # fmt: skip
        plane.add_stream(
            StreamSpec(id=self.plain_stream, transport=self.plain, kind="audio", send_ssrc=2000 + number, clock_rates={0: 8000, 96: 8000})
        )
        to_plain = Route(source=self.web_stream, target=self.plain_stream, payload_types={111: 0}, telephone_events=frozenset({101}))
        to_web = Route(source=self.plain_stream, target=self.web_stream, payload_types={0: 111}, constant_extensions={MID: b"0"})
        plane.route(to_plain)
        plane.route(to_web)
        self.check()

    def _key(self, transport: TransportId, peer: Peer, profile: Profile, rng: random.Random) -> None:
        theirs, ours = (Keys(profile, rng.randbytes(profile.key_length), rng.randbytes(profile.salt_length)) for _ in range(2))
        self.world.plane.set_keys(transport, Way.RECEIVE, theirs, {}, self.world.now)
        self.world.plane.set_keys(transport, Way.SEND, ours, {}, self.world.now)
        peer.sender, peer.receiver = SrtpSender(theirs), SrtpReceiver(ours)

    def check(self) -> bytes:
        """The browser's connectivity check."""
        transaction = self.world.rng.randbytes(12)
        data = corpus.check(f"{self.credentials.ufrag}:them", self.credentials.password, nominate=True, transaction=transaction)
        sent = self.world.receive(SHARED, self.browser.address, data)
        assert [(s.address, s.data[:2]) for s in sent] == [(self.browser.address, b"\x01\x01")]
        return data

    def talk(self) -> None:
        """One packet each way; both arrive exactly once, with their content, in order, under our numbering."""
        for peer, other in ((self.browser, self.phone), (self.phone, self.browser)):
            payload = self.world.rng.randbytes(160)
            sent = self.world.receive(peer.port, peer.address, peer.next_packet(payload))
            assert len(sent) == 1, f"{len(sent)} datagrams came of a good packet; drops {self.world.drops()}"
            assert (sent[0].port, sent[0].address) == (other.port, other.address)
            heard = other.read(sent[0].data)
            assert (heard.payload, heard.payload_type) == (payload, other.payload_type)
            expected = getattr(self, f"_expected_{peer.ssrc}", heard.sequence)
            assert heard.sequence == expected, "a number was skipped or used twice"
            setattr(self, f"_expected_{peer.ssrc}", heard.sequence + 1 & 0xFFFF)

    def figures(self) -> tuple[object, ...]:
        """Everything the plane knows of this call."""
        plane = self.world.plane
        return (
            *(plane.transport_statistics(number) for number in (self.web, self.plain)),
            *(plane.stream_statistics(number) for number in (self.web_stream, self.plain_stream)),
            *(tuple(plane.transports[number].sources) for number in (self.web, self.plain)),
        )


class World:
    """The plane, its ports, what was sent from them, and the two calls: A is talking, B is quiet."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.now = 1000.0
        self.plane = Plane(random.Random(rng.random()))
        self.sent: list[Sent] = []
        self.events: list[Event] = []
        self._ports = 0
        self.open_port()
        self.sdes = rng.random() < 0.5
        profile = rng.choice((Profile.AEAD_AES_256_GCM, Profile.AEAD_AES_128_GCM, Profile.AES128_CM_SHA1_80))
        self.a = CallPair(self, 1, profile, sdes=self.sdes)
        self.b = CallPair(self, 2, profile, sdes=not self.sdes)
        for _ in range(2):
            self.a.talk()
            self.b.talk()

    def open_port(self) -> PortId:
        self._ports += 1
        number = PortId(self._ports)
        self.plane.open_port(number, (GATEWAY, 10_000 + number), lambda data, address: self.sent.append(Sent(number, data, address)))
        return number

    def receive(self, port: PortId, source: Address, data: bytes) -> list[Sent]:
        """Let a datagram come in; returns what went out because of it."""
        before = len(self.sent)
        self.plane.receive(port, source, data, self.now)
        return self.sent[before:]

    def drops(self) -> int:
        return sum(self.plane.drops.values()) + sum(sum(t.drops.values()) for t in self.plane.transports.values())

    def throw(self, port: PortId, source: Address, data: bytes) -> bool:
        """
        A hostile datagram: counted or passed on, and answered at most to where it came from and in its own size.

        Returns whether it was passed on: reported, or answered.
        """
        drops, events = self.drops(), len(self.plane._events)
        sent = self.receive(port, source, data)
        reported = len(self.plane._events) - events
        assert self.drops() > drops or reported or sent, "neither delivered nor counted"
        for reply in sent:
            assert (reply.port, reply.address) == (port, source), "something was sent to a third party"
            assert reply.data[:2] == b"\x01\x11", "a hostile datagram was forwarded or accepted"
            assert len(reply.data) <= len(data) + REPLY_SLACK, f"{len(reply.data)} bytes in answer to {len(data)}"
        assert len(sent) <= 1
        return bool(reported or sent)

    def step(self, seconds: float = 0.02) -> None:
        """Time passes; what was reported is looked at as the relay would, and the plane's own figures are read."""
        self.now += seconds
        deadline = self.plane.deadline()
        if deadline is not None and deadline <= self.now:
            self.plane.tick(self.now)
        for event in self.plane.take_events():
            if isinstance(event, RtcpReceived):
                oracles.read_rtcp(event.data)
        self.sent.clear()
        self.plane.statistics()

    def check_bounds(self) -> None:
        """Nothing that strangers can fill has grown."""
        plane = self.plane
        assert len(plane.transports) == 4
        assert sorted(plane._by_ufrag) == [self.a.credentials.ufrag, self.b.credentials.ufrag]
        assert len(plane.ports[SHARED].by_remote) == 2
        assert all(len(port.by_remote) <= 1 for number, port in plane.ports.items() if number != SHARED)
        for transport in plane.transports.values():
            assert len(transport.sources) == 1
            assert not transport.retired
            assert set(transport.drops) <= REASONS, set(transport.drops) - REASONS
        assert set(plane.drops) <= REASONS, set(plane.drops) - REASONS
