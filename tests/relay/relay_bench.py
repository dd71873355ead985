"""A relay on a fake engine and a fake loop, and a peer that does DTLS by hand."""

from __future__ import annotations

from collections import deque
from typing import Any

from boringsdp.dtls import Association, Identity, Transmit, usable_fingerprints
from boringsdp.relay import (
    Keys,
    PlainTransport,
    Profile,
    Relay,
    RelaySettings,
    Stream,
    StreamFormat,
    StreamRules,
    TransportEvent,
    WebRtcTransport,
)
from boringsdp.relay.engine import Address, DtlsReceived, PathSelected, TelephoneEventReceived
from boringsdp.rtp import rtcp
from tests.relay.fake_engine import FakeEngine, FakeLoop

PCMU = {0: StreamFormat(name="PCMU", clock_rate=8000), 101: StreamFormat(name="telephone-event", clock_rate=8000)}
AUDIO = StreamRules(kind="audio", formats=PCMU, dtmf_payload_type=101)
VIDEO = StreamRules(kind="video", formats={96: StreamFormat(name="VP8", clock_rate=90000)}, feedback=frozenset({"pli", "nack"}))
THEIRS = Identity()
REMOTE = ("192.0.2.9", 7000)
KEYS = Keys(Profile.AES128_CM_SHA1_80, b"k" * 16, b"s" * 14)


class Bench:
    """A started relay on a fake engine and a fake loop."""

    def __init__(self, *, workers: int = 1, **settings: Any) -> None:
        self.workers = workers
        self.settings = RelaySettings(**{"plain_ports": (20000, 20009), **settings})
        self.relay = Relay(self._make, self.settings)
        self.loop = FakeLoop()
        self.events: list[TransportEvent] = []

    def _make(self, sink: Any) -> FakeEngine:
        self.engine = FakeEngine(sink, self.workers)
        return self.engine

    async def start(self) -> Bench:
        await self.relay.start()
        self.relay.loop = self.loop  # type: ignore[assignment]
        return self

    def heard(self) -> list[TransportEvent]:
        events, self.events[:] = list(self.events), []
        return events

    def owner(self, event: TransportEvent) -> None:
        self.events.append(event)

    def handshake(self, transport: WebRtcTransport, *, client: bool = True) -> Association:
        """The peer does ICE and DTLS with the transport."""
        peer = Association(THEIRS, client=client)
        peer.expect(usable_fingerprints([transport.fingerprint]), 0.0)
        self.engine.report(PathSelected(transport.id, REMOTE))
        wire = deque(action.datagram for action in peer.start(0.0) if isinstance(action, Transmit))
        for _ in range(10):
            while wire:
                self.engine.report(DtlsReceived(transport.id, wire.popleft()))
            for number, data, _, _ in self.engine.told("send"):
                assert number == transport.id
                wire += [action.datagram for action in peer.receive(data, 0.0) if isinstance(action, Transmit)]
        return peer

    def shake_hands(
        self,
        transport: PlainTransport,
        source: Address | None = REMOTE,
        *,
        client: bool = True,
        port: bool = False,
        identity: Identity = THEIRS,
    ) -> list[Address | None]:
        """The peer does DTLS from `source` with the RTP (or, `port`, the RTCP) port; returns where our datagrams were sent to."""
        peer = Association(identity, client=client)
        peer.expect(usable_fingerprints([transport.fingerprint_of("sha-256")]), 0.0)
        wire = deque(action.datagram for action in peer.start(0.0) if isinstance(action, Transmit))
        sent: list[Address | None] = []
        for _ in range(10):
            while wire:
                self.engine.report(DtlsReceived(transport.id, wire.popleft(), port, source))
            for command in self.engine.take(lambda name, _, *rest: name == "send" and rest[1] is port):
                sent.append(command[3])
                wire += [action.datagram for action in peer.receive(command[1], 0.0) if isinstance(action, Transmit)]
        return sent

    def connected(self, rules: StreamRules) -> Stream:
        """A stream on a WebRTC transport that is up."""
        transport = self.relay.open_webrtc(self.owner)
        stream = transport.add_stream(rules)
        transport.start([THEIRS.fingerprint], client=False)
        self.handshake(transport)
        return stream

    def plain(self, rules: StreamRules) -> Stream:
        transport = self.relay.open_plain(self.owner)
        stream = transport.add_stream(rules)
        transport.set_remote(REMOTE)
        return stream

    def press(self, stream: Stream, timestamp: int, *, event: int = 5, end: bool = False, duration: int = 160) -> None:
        self.engine.report(TelephoneEventReceived(stream.id, 9, timestamp, 101, event, end, 10, duration, self.loop.now))

    def rtcp_to(self, transport: Any) -> list[rtcp.Packet]:
        return [packet for number, data in self.engine.told("send_rtcp") if number == transport.id for packet in rtcp.parse_rtcp(data)]
