"""A leg's transport, as the call layer holds it: what all kinds share, and the kind that lives on the shared WebRTC port."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from boringsdp.errors import Exhausted, WrongState
from boringsdp.net.driver import GRID, Driver
from boringsdp.relay import reports, watch
from boringsdp.relay.dtls import Dtls
from boringsdp.relay.engine import Address, IceCredentials, Latch, PortId, StreamId, TransportId, TransportSpec, TransportStatistics
from boringsdp.relay.history import Sampler
from boringsdp.relay.news import (
    Connected,
    ConsentLost,
    KeyFrameRequested,
    MediaTimeout,
    Owner,
    PathChanged,
    Receiving,
    SlowLink,
    TransportEvent,
)
from boringsdp.relay.pierce import Pierce, Piercer
from boringsdp.relay.rules import StreamRules
from boringsdp.relay.stream import Stream

if TYPE_CHECKING:
    from boringsdp.relay.relay import Relay


LATE = 1.0
"""Seconds within which an engine tells what has come."""


class Transport(ABC):
    """What all kinds for RTP share. `addresses` are what peers are told: for WebRTC every candidate, for plain the one RTP address."""

    __slots__ = (
        "_dtls", "_owner", "_piercing", "_remote", "_reports", "_sampling", "_streams", "_watch", "_watching", "addresses",
        "announced", "closed", "cname", "ice", "id", "latch", "relay", "reporter", "rtcp_port", "sampler", "ufrags", "waits",
    )  # fmt: skip

    def __init__(self, relay: Relay, transport: TransportId, owner: Owner, addresses: tuple[Address, ...], *, cname: str = "") -> None:
        self.relay = relay
        self.id = transport
        self.addresses = addresses
        self.rtcp_port: int | None = None
        """Advertised RTCP port of a plain transport with its own; None with rtcp-mux."""
        self.cname = cname or secrets.token_urlsafe(12)
        self.ice = False
        """Whether the peer's checks decide where it is."""
        self.announced: tuple[Address | None, Address | None] = None, None
        """What `announce` noted."""
        self.ufrags: tuple[str, ...] = ()
        """Every ICE user fragment that was made for it."""
        self.latch: Latch | None = None
        """The rule by which the peer is looked for; None before `set_remote`, or with ICE."""
        self.waits = False
        """Media and RTCP for the peer are held back until it has sent."""
        self.closed = False
        self._owner = owner
        self._streams: dict[int, Stream] = {}
        self._remote: Address | None = None
        self._dtls: Dtls | None = None
        settings, read = relay.settings, relay.engine.stream_statistics
        self.reporter = reports.Reporter(self.cname, relay.rng, read, relay.epoch)
        self._reports: Driver[reports.Action] = Driver(self.reporter, self._perform_report, relay.loop, GRID)
        self._watch = watch.Watch(settings.media_timeout_s, read)
        self._watching: Driver[watch.Silent] = Driver(self._watch, self._perform_watch, relay.loop, GRID)
        self.sampler = Sampler(read, self._codec_of, self._round_trips, relay.epoch)
        self._sampling: Driver[None] = Driver(self.sampler, _nothing, relay.loop, GRID)
        self._piercing: Driver[Pierce] | None = None

    @property
    def streams(self) -> tuple[Stream, ...]:
        """In the order in which they were added."""
        return tuple(self._streams.values())

    @property
    @abstractmethod
    def ready(self) -> bool:
        """Whether media can be sent now."""

    def add_stream(self, rules: StreamRules) -> Stream:
        """Add an m-line. Raises `Exhausted` beyond `max_streams_per_transport`, `WrongState` after close."""
        self._require_open()
        if len(self._streams) >= self.relay.settings.max_streams_per_transport:
            raise Exhausted("streams")
        stream = self.relay.make_stream(self, rules)
        self._streams[stream.id] = stream
        return stream

    @property
    def dtls(self) -> Dtls | None:
        """What keys it by DTLS, if anything does."""
        return self._dtls

    @property
    def suite(self) -> str:
        """The SRTP protection profile that we send with, empty in the clear or before there are keys."""
        return "" if self._dtls is None or self._dtls.profile is None else self._dtls.profile.value

    def fingerprint_of(self, hash_name: str) -> tuple[str, str]:
        """
        Return our certificate's `(hash, "AB:CD:…")` for a=fingerprint: sha-1, sha-224, sha-256, sha-384 or sha-512.

        Who is told it may say hello: a plain transport serves an early ClientHello from then on. Raises `ConfigError` for another hash.
        """
        return self.relay.identity.fingerprint_of(hash_name)

    def announce(self, rtp: Address | None, rtcp: Address | None = None) -> None:
        """Note where the peer's SDP says that it is, for the figures: where ICE decides, the engine is not told."""
        self.announced = rtp, rtcp

    def set_tos(self, tos: int) -> None:
        """Change the IP TOS octet (IPv6: traffic class) of what is sent."""
        self._require_open()
        self.relay.engine.set_tos(self.id, tos)

    def pierce(self) -> None:
        """
        Open what stands between us and the peer: send a small packet every 500 ms until its first arrives, for 10 s at most.

        They are RTP of a payload type that means nothing to the peer (RFC 6263 §4.6), or empty datagrams while keys are missing.
        """
        self._require_open()
        if self._piercing is not None:
            self._piercing.close()
        core = Piercer(self._has_heard)
        self._piercing = Driver(core, self._perform_pierce, self.relay.loop)
        self._piercing.run(core.start(self.relay.loop.time()))

    def wait_for_peer(self) -> None:
        """
        Send neither media nor RTCP before the peer has sent some: its NAT knows us only then. Nothing when it has, or with ICE, where
        checks have opened the way. DTLS is not held back, since both sides might wait.
        """
        self._require_open()
        self.waits = self.waits or (not self.ice and not self._has_heard())

    def _hear_peer(self) -> None:
        """The peer has sent RTP or RTCP."""
        if self.waits:
            self.waits = False
            self.relay.open_routes(self.streams)

    def statistics(self) -> TransportStatistics:
        """The engine's figures of this transport."""
        return self.relay.engine.transport_statistics(self.id)

    def record(self) -> dict[str, Any]:
        """Everything worth writing down, JSON-able, without keys or passwords."""
        figures = self.statistics()
        return {
            "id": int(self.id),
            "addresses": [list(address) for address in self.addresses],
            "rtcp_port": self.rtcp_port,
            "remote": _plain(figures.remote),
            "rtcp_remote": _plain(figures.rtcp_remote),
            "ready": self.ready,
            "cname": self.cname,
            "packets_received": figures.packets_received,
            "bytes_received": figures.bytes_received,
            "packets_sent": figures.packets_sent,
            "bytes_sent": figures.bytes_sent,
            "drops": dict(figures.drops),
            "streams": [stream.record() for stream in self.streams],
        }

    def close(self) -> None:
        """RTCP BYE, DTLS close_notify, then forget it; no event follows. Closing twice is nothing."""
        if self.closed:
            return
        self._owner = _nobody
        for stream in self.streams:
            stream.release()
            self.relay.forget_stream(stream)
        for action in self.reporter.close(self.relay.loop.time()):
            self._perform_report(action)
        self.closed = True
        self._reports.close()
        self._watching.close()
        self._sampling.close()
        self.sampler.close()
        if self._piercing is not None:
            self._piercing.close()
        self._streams.clear()
        self._release()

    # --- for the relay and the streams ---------------------------------------------------------------------------------------------------

    def tell(self, event: TransportEvent) -> None:
        """Report to the owner; nothing after close."""
        self._owner(event)

    def stream_changed(self, stream: Stream) -> None:
        """A stream has new rules."""
        now = self.relay.loop.time()
        self.reporter.set_stream(stream.id, stream.ssrc, stream.rules)
        self._watch.expect(stream.id, stream.rules.receive, now)
        self._watching.run([])

    def media_receiving(self, stream: Stream, receiving: bool) -> None:
        """Media of a stream began to arrive, or has not arrived for as long as silence takes."""
        self._hear_peer()
        self.relay.watch_losses(stream, receiving)
        if receiving and stream.rules.kind == "audio":
            self._sampling.run(self.sampler.begin(stream.id, self.relay.loop.time()))
        self.tell(Receiving(stream, receiving, 0.0 if receiving else self.relay.settings.silence_s))

    def remove_stream(self, stream: Stream) -> None:
        stream.release()
        self._reports.run(self.reporter.remove_stream(stream.id, self.relay.loop.time()))
        self._watch.remove(stream.id)
        self.sampler.remove(stream.id)
        self._watching.run([])
        self._streams.pop(stream.id, None)
        self.relay.forget_stream(stream)
        self.relay.engine.remove_stream(stream.id)

    def request_key_frame(self, stream: Stream) -> None:
        self._reports.run(self.reporter.request_key_frame(stream.id, self.relay.loop.time()))

    def request_again(self, stream: Stream, lost: Iterable[int]) -> None:
        """Ask the peer to send these sequence numbers of its own numbering again, if it agreed to nack."""
        self._reports.run(self.reporter.request_again(stream.id, tuple(lost), self.relay.loop.time()))

    def rtcp_received(self, data: bytes, at: float) -> None:
        """RTCP came; `at` is the engine's time, which is the loop's but in tests. The round trip ends there, not when we are told."""
        self._hear_peer()
        now = self.relay.loop.time()
        self._watch.hear(now)
        self._reports.run(self.reporter.receive(data, at if 0.0 <= now - at < LATE else now))

    def path_selected(self, remote: Address) -> None:
        if remote != self._remote:
            self._remote = remote
            self.tell(PathChanged(remote))

    def rtcp_path_selected(self, remote: Address) -> None:
        """The peer's RTCP port was found, where it has one of its own."""
        if self._dtls is not None:
            self._dtls.path(remote, rtcp=True)

    def dtls_received(self, data: bytes, rtcp: bool, source: Address | None) -> None:
        if self._dtls is not None:
            self._dtls.receive(data, rtcp, source)

    def consent_lost(self) -> None:
        self.tell(ConsentLost())

    def _release(self) -> None:
        """Say the last words of the transport, and give back what it held."""
        self.relay.forget_transport(self, ())

    def _begin(self) -> None:
        """The peer can be reached: report, watch, and let every picture that goes there begin with a key frame."""
        now = self.relay.loop.time()
        self.reporter.start(now)
        self._reports.run([])
        self._watch.start(now)
        self._watching.run([])
        for stream in self.streams:
            self.relay.request_key_frame_for(stream)

    def _hear_dtls(self, event: TransportEvent) -> None:
        """Pass on what DTLS has come to."""
        self.tell(event)
        if isinstance(event, Connected) and not self.closed:
            self._begin()

    def _require_open(self) -> None:
        if self.closed:
            raise WrongState("closed", "an open transport")

    def _codec_of(self, stream: StreamId, payload_type: int) -> str:
        return self._streams[stream].codec(payload_type)

    def _round_trips(self, stream: StreamId) -> tuple[float, float]:
        """Milliseconds with whoever hears the stream's peer and back, and with the peer itself; 0 when unknown."""
        own, far = self.reporter.round_trip_ms(stream), 0.0
        for target in self.relay.targets(self._streams[stream]):
            far = max(far, target.transport.reporter.round_trip_ms(target.id))
        return own + far, own

    def ssrc_seen(self, stream: Stream, ssrc: int) -> None:
        """A first packet of a new source."""
        self.sampler.seen(stream.id, ssrc)

    def _has_heard(self) -> bool:
        figures = self.statistics()
        return figures.rtp.packets_received + figures.rtcp.packets_received > 0

    def _perform_pierce(self, _action: Pierce) -> None:
        stream = next(iter(self._streams.values()), None)
        if stream is not None and self.ready:
            self.relay.engine.inject(stream.id, self.relay.unused_payload_type(stream), b"")
        else:
            self.relay.engine.send(self.id, b"")

    def _perform_report(self, action: reports.Action) -> None:
        match action:
            case reports.SendRtcp(data):
                if not self.closed and not self.waits:
                    self.relay.engine.send_rtcp(self.id, data)
            case reports.KeyFrameWanted(stream) if stream in self._streams:
                wanted = self._streams[stream]
                self.relay.request_key_frame_for(wanted)
                self.tell(KeyFrameRequested(wanted))
            case reports.Missing(stream, lost) if stream in self._streams:
                self.relay.engine.resend(stream, lost[: reports.MAX_NACKED])
            case reports.LossReported(stream, lost) if stream in self._streams:
                if 0 < self.relay.settings.slow_link_lost <= lost:
                    self.tell(SlowLink(self._streams[stream], True, lost))

    def _perform_watch(self, action: watch.Silent) -> None:
        if action.stream in self._streams:
            self.tell(MediaTimeout(self._streams[action.stream], action.after))


class WebRtcTransport(Transport):
    """ICE-lite on the shared port and DTLS-SRTP. Credentials may be told at once: checks and a ClientHello may come before `start`."""

    __slots__ = ("_met", "credentials", "fingerprint")

    def __init__(
        self,
        relay: Relay,
        transport: TransportId,
        owner: Owner,
        addresses: tuple[Address, ...],
        ports: tuple[PortId, ...],
        *,
        cname: str = "",
        tos: int = 0,
    ) -> None:
        super().__init__(relay, transport, owner, addresses, cname=cname)
        self.ice = True
        self.credentials = relay.make_credentials()
        self.ufrags += (self.credentials.ufrag,)
        self._met: Address | None = None
        self.fingerprint = relay.identity.fingerprint
        """Our certificate's `("sha-256", "AB:CD:…")` for a=fingerprint."""
        self._dtls: Dtls = Dtls(relay, transport, self._hear_dtls, ice=True, two_ports=False)
        relay.engine.add_transport(
            TransportSpec(
                id=transport,
                ports=ports,
                ice=self.credentials,
                secured=True,
                tos=tos,
                consent_timeout_s=relay.settings.consent_timeout_s,
            )
        )

    @property
    def ready(self) -> bool:
        return self._dtls.established

    def start(self, fingerprints: Iterable[tuple[str, str]], *, client: bool) -> None:
        """
        The peer's description is known: `fingerprints` are its (hash, value) pairs, `client` is our DTLS role (True: a=setup:active).

        Before this call only an early ClientHello is served (as passive), and its keys are held back. Called again with the same set and
        role it does nothing (re-offer, ICE restart); with others a new association begins (RFC 8842 §5.5). Leads to `Connected` or
        `Failed`. Raises `DtlsError` when no fingerprint uses sha-256, sha-384 or sha-512.
        """
        self._require_open()
        self._dtls.start(fingerprints, client=client)

    def meet(self, remote: Address | None) -> None:
        """
        Say where a peer that is ICE-lite itself is, so that nobody checks: its SDP vouches for that one address. None: it does check.

        Of several such peers at one address, as another gateway's shared port would be, only the first is heard. Raises `WrongState` for a
        host name.
        """
        self._require_open()
        if remote != self._met:
            self._met = remote
            self.relay.engine.set_remote(self.id, remote, None, Latch.STRICT)

    def restart_ice(self) -> IceCredentials:
        """Return new credentials for the next description; the old ones are good until the peer uses the new. DTLS goes on."""
        self._require_open()
        self.credentials = self.relay.make_credentials()
        self.ufrags += (self.credentials.ufrag,)
        self.relay.engine.restart_ice(self.id, self.credentials)
        return self.credentials

    def record(self) -> dict[str, Any]:
        """Everything worth writing down, JSON-able, without keys or passwords."""
        own = {"kind": "webrtc", "ufrag": self.credentials.ufrag, "dtls_client": self._dtls.client}
        return {**own, **super().record()}

    def path_selected(self, remote: Address) -> None:
        super().path_selected(remote)
        self._dtls.path(remote)

    def consent_lost(self) -> None:
        self._remote = None  # the same path again is news
        self._dtls.consent_lost()
        super().consent_lost()

    def _release(self) -> None:
        self._dtls.close()
        self.relay.forget_transport(self, ())


def _plain(address: Address | None) -> list[Any] | None:
    return None if address is None else list(address)


def _nobody(_event: TransportEvent) -> None:
    """Owner of a closed transport."""


def _nothing(_action: None) -> None:
    """What sampling leads to."""
