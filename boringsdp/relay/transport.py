"""A leg's transport, as the call layer holds it: WebRTC (ICE-lite, DTLS-SRTP) or plain (RTP, SDES-SRTP)."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from boringsdp.dtls import Action as DtlsAction
from boringsdp.dtls import Ended, Established, Transmit, usable_fingerprints
from boringsdp.dtls import Failed as DtlsFailed
from boringsdp.errors import Exhausted, WrongState
from boringsdp.net.driver import Driver
from boringsdp.relay import reports, watch
from boringsdp.relay.engine import Address, IceCredentials, Keys, Latch, PortId, TransportId, TransportSpec, TransportStatistics, Way
from boringsdp.relay.keying import Keying
from boringsdp.relay.news import (
    Closed,
    Connected,
    ConsentLost,
    Failed,
    KeyFrameRequested,
    MediaTimeout,
    Owner,
    PathChanged,
    Receiving,
    SlowLink,
    TransportEvent,
)
from boringsdp.relay.ports import same_family
from boringsdp.relay.rules import StreamRules
from boringsdp.relay.stream import Stream

if TYPE_CHECKING:
    from boringsdp.relay.relay import Relay


class Transport(ABC):
    """What both kinds share. `addresses` are what peers are told: for WebRTC every candidate, for plain the one RTP address."""

    def __init__(self, relay: Relay, transport: TransportId, owner: Owner, addresses: tuple[Address, ...], *, cname: str = "") -> None:
        self.relay = relay
        self.id = transport
        self.addresses = addresses
        self.rtcp_port: int | None = None
        """Advertised RTCP port of a plain transport with its own; None with rtcp-mux."""
        self.cname = cname or secrets.token_urlsafe(12)
        self.closed = False
        self._owner = owner
        self._streams: dict[int, Stream] = {}
        self._remote: Address | None = None
        settings, engine = relay.settings, relay.engine
        self.reporter = reports.Reporter(self.cname, relay.rng, engine.stream_statistics, relay.epoch)
        self._reports: Driver[reports.Action] = Driver(self.reporter, self._perform_report, relay.loop)
        self._watch = watch.Watch(settings.media_timeout_s, settings.slow_link_lost, engine.stream_statistics)
        self._watching: Driver[watch.Action] = Driver(self._watch, self._perform_watch, relay.loop)

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
        if self.closed:
            raise WrongState("closed", "an open transport")
        if len(self._streams) >= self.relay.settings.max_streams_per_transport:
            raise Exhausted("streams")
        stream = self.relay.make_stream(self, rules)
        self._streams[stream.id] = stream
        return stream

    def fingerprint_of(self, hash_name: str) -> tuple[str, str]:
        """
        Return our certificate's `(hash, "AB:CD:…")` for a=fingerprint: sha-1, sha-224, sha-256, sha-384 or sha-512.

        Who is told it may say hello: a plain transport serves an early ClientHello from then on. Raises `ConfigError` for another hash.
        """
        raise NotImplementedError

    def announce(self, rtp: Address | None, rtcp: Address | None = None) -> None:
        """Note where the peer's SDP says that it is, where ICE decides (for figures only)."""
        raise NotImplementedError

    def pierce(self) -> None:
        """Send a few packets of an unused payload type towards the peer until its first packet comes, to open what stands between."""
        raise NotImplementedError

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
        self._watch.receiving(stream.id, receiving, self.relay.loop.time())
        self._watching.run([])
        self.tell(Receiving(stream, receiving, 0.0 if receiving else self.relay.settings.silence_s))

    def remove_stream(self, stream: Stream) -> None:
        stream.release()
        self._reports.run(self.reporter.remove_stream(stream.id, self.relay.loop.time()))
        self._watch.remove(stream.id)
        self._watching.run([])
        self._streams.pop(stream.id, None)
        self.relay.forget_stream(stream)
        self.relay.engine.remove_stream(stream.id)

    def request_key_frame(self, stream: Stream) -> None:
        self._reports.run(self.reporter.request_key_frame(stream.id, self.relay.loop.time()))

    def request_again(self, stream: Stream, lost: Iterable[int]) -> None:
        """Ask the peer to send these sequence numbers of its own numbering again, if it agreed to nack."""
        self._reports.run(self.reporter.request_again(stream.id, tuple(lost), self.relay.loop.time()))

    def rtcp_received(self, data: bytes) -> None:
        self._watch.hear(self.relay.loop.time())
        self._reports.run(self.reporter.receive(data, self.relay.loop.time()))

    def path_selected(self, remote: Address) -> None:
        if remote != self._remote:
            self._remote = remote
            self.tell(PathChanged(remote))

    def dtls_received(self, data: bytes) -> None:  # noqa: B027
        """Nothing: a plain transport does not speak DTLS."""

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

    def _perform_report(self, action: reports.Action) -> None:
        match action:
            case reports.SendRtcp(data):
                if not self.closed:
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

    def _perform_watch(self, action: watch.Action) -> None:
        match action:
            case watch.Silent(stream, after) if stream in self._streams:
                self.tell(MediaTimeout(self._streams[stream], after))
            case watch.Losing(stream, lost) if stream in self._streams:
                self.tell(SlowLink(self._streams[stream], False, lost))


class WebRtcTransport(Transport):
    """ICE-lite on the shared port and DTLS-SRTP. Credentials may be told at once: checks and a ClientHello may come before `start`."""

    def __init__(
        self,
        relay: Relay,
        transport: TransportId,
        owner: Owner,
        addresses: tuple[Address, ...],
        ports: tuple[PortId, ...],
        *,
        cname: str = "",
    ) -> None:
        super().__init__(relay, transport, owner, addresses, cname=cname)
        settings = relay.settings
        self.credentials = relay.make_credentials()
        self.ufrags = {self.credentials.ufrag}
        """Every user fragment that this transport has had."""
        self.fingerprint = relay.identity.fingerprint
        """Our certificate's `("sha-256", "AB:CD:…")` for a=fingerprint."""
        self._keying = Keying(relay.identity, relay.half_open, ice_timeout=settings.ice_timeout_s, dtls_timeout=settings.dtls_timeout_s)
        self._driver: Driver[DtlsAction] = Driver(self._keying, self._perform_dtls, relay.loop)
        relay.engine.add_transport(
            TransportSpec(
                id=transport,
                ports=ports,
                ice=self.credentials,
                secured=True,
                consent_timeout_s=settings.consent_timeout_s,
            )
        )

    @property
    def ready(self) -> bool:
        return self._keying.established

    def start(self, fingerprints: Iterable[tuple[str, str]], *, client: bool) -> None:
        """
        The peer's description is known: `fingerprints` are its (hash, value) pairs, `client` is our DTLS role (True: a=setup:active).

        Before this call only an early ClientHello is served (as passive), and its keys are held back. Called again with the same set and
        role it does nothing (re-offer, ICE restart); with others a new association begins (RFC 8842 §5.5). Leads to `Connected` or
        `Failed`. Raises `DtlsError` when no fingerprint uses sha-256, sha-384 or sha-512.
        """
        if self.closed:
            raise WrongState("closed", "an open transport")
        self._driver.run(self._keying.start(usable_fingerprints(fingerprints), client=client, now=self.relay.loop.time()))

    def restart_ice(self) -> IceCredentials:
        """Return new credentials for the next description; the old ones are good until the peer uses the new. DTLS goes on."""
        if self.closed:
            raise WrongState("closed", "an open transport")
        self.credentials = self.relay.make_credentials()
        self.ufrags.add(self.credentials.ufrag)
        self.relay.engine.restart_ice(self.id, self.credentials)
        return self.credentials

    def record(self) -> dict[str, Any]:
        """Everything worth writing down, JSON-able, without keys or passwords."""
        own = {"kind": "webrtc", "ufrag": self.credentials.ufrag, "dtls_client": self._keying.client}
        return {**own, **super().record()}

    def path_selected(self, remote: Address) -> None:
        super().path_selected(remote)
        self._driver.run(self._keying.path(remote, self.relay.loop.time()))

    def dtls_received(self, data: bytes) -> None:
        self._driver.run(self._keying.receive(data, self.relay.loop.time()))

    def consent_lost(self) -> None:
        self._remote = None  # the same path again is news
        self._keying.consent_lost(self.relay.loop.time())
        self._driver.run([])
        super().consent_lost()

    def _release(self) -> None:
        engine = self.relay.engine
        for action in self._keying.close(self.relay.loop.time()):
            if isinstance(action, Transmit):
                engine.send(self.id, action.datagram)
        self._driver.close()
        self.relay.forget_transport(self, ())

    def _perform_dtls(self, action: DtlsAction) -> None:
        if self.closed:
            return
        match action:
            case Transmit(datagram):
                self.relay.engine.send(self.id, datagram)
            case Established(send, receive):
                self.relay.engine.set_keys(self.id, Way.SEND, send)
                self.relay.engine.set_keys(self.id, Way.RECEIVE, receive)
                self.relay.handshakes["completed"] += 1
                self.tell(Connected(send.profile))
                if not self.closed:
                    self._begin()
            case DtlsFailed(reason):
                self.relay.handshakes[reason] += 1
                self.tell(Failed(reason))
            case Ended():
                self.tell(Closed("dtls-alert"))


class PlainTransport(Transport):
    """RTP and RTCP on ports of its own, in the clear or with SDES keys. `addresses` is the one RTP address."""

    def __init__(
        self,
        relay: Relay,
        transport: TransportId,
        owner: Owner,
        address: Address,
        ports: tuple[PortId, ...],
        *,
        rtcp_port: int | None,
        secured: bool,
        cname: str = "",
    ) -> None:
        super().__init__(relay, transport, owner, (address,), cname=cname)
        self.rtcp_port = rtcp_port
        self._ports = ports
        self._announced: tuple[Address | None, Address | None, Latch] | None = None
        settings = relay.settings
        relay.engine.add_transport(
            TransportSpec(
                id=transport,
                ports=ports[:1],
                rtcp_port=ports[1] if len(ports) > 1 else None,
                secured=secured,
                latch_window_s=settings.latch_window_s,
            )
        )

    @property
    def ready(self) -> bool:
        return self._announced is not None or self._remote is not None

    def reaches(self, peer: str) -> bool:
        """Whether a peer's numeric address is of our family (IPv4, IPv6)."""
        return same_family(self.addresses[0][0], peer)

    def set_remote(self, rtp: Address | None, rtcp: Address | None = None, latch: Latch = Latch.ONCE) -> None:
        """
        Say where the peer announced itself; opens the latching window. `rtcp` None: the next port, or the same with rtcp-mux.

        The same again is nothing: an unchanged re-offer must not open the window to a stranger. Raises `WrongState` for a host name.
        """
        if self.closed:
            raise WrongState("closed", "an open transport")
        if rtp is not None and rtcp is None:
            rtcp = rtp if self.rtcp_port is None else (rtp[0], min(65535, rtp[1] + 1))
        if self._announced == (rtp, rtcp, latch):
            return
        self.relay.engine.set_remote(self.id, rtp, rtcp, latch)
        self._announced = (rtp, rtcp, latch)
        if rtp is not None:
            self._begin()

    def set_keys(self, send: Keys | None, receive: Keys | None) -> None:
        """
        SDES keys agreed, per way (RFC 4568); None leaves that way as it is. From then on that way is SRTP.

        The former receive keys stay good for some seconds; the same keys again change nothing.
        """
        if self.closed:
            raise WrongState("closed", "an open transport")
        if send is not None:
            self.relay.engine.set_keys(self.id, Way.SEND, send)
        if receive is not None:
            self.relay.engine.set_keys(self.id, Way.RECEIVE, receive)

    def drop_keys(self) -> None:
        """RTP in the clear was agreed where SDES keys were in use."""
        if self.closed:
            raise WrongState("closed", "an open transport")
        for way in (Way.SEND, Way.RECEIVE):
            self.relay.engine.set_keys(self.id, way, None)

    def start(self, fingerprints: Iterable[tuple[str, str]], *, client: bool) -> None:
        """
        DTLS on our own ports, as `WebRtcTransport.start`; without rtcp-mux there is an association on each port (RFC 5764 §4.1).

        Leads to `Connected` (when that of the RTP port is up) or `Failed`. Raises `DtlsError` when no fingerprint is usable.
        """
        raise NotImplementedError

    def restart_ice(self) -> IceCredentials:
        """Return new credentials for the next description; the old ones are good until the peer uses the new."""
        raise NotImplementedError

    def expect_ice(self) -> None:
        """The peer's description is known and speaks ICE: `Failed("ice-failed")` follows if no check comes. `start` says the same."""
        raise NotImplementedError

    def relatch(self) -> None:
        """Open the latching window anew although the peer announced nothing new."""
        raise NotImplementedError

    def use_rtcp_mux(self) -> None:
        """rtcp-mux was agreed on a transport opened with a pair: RTCP moves to the RTP port (RFC 5761 §5.1.1)."""
        if self.rtcp_port is None:
            return
        self.rtcp_port = None
        if self._announced is not None:
            rtp, _, latch = self._announced
            self.set_remote(rtp, rtp, latch)

    def record(self) -> dict[str, Any]:
        """Everything worth writing down, JSON-able, without keys or passwords."""
        return {"kind": "plain", **super().record()}

    def path_selected(self, remote: Address) -> None:
        super().path_selected(remote)
        self._begin()

    def _release(self) -> None:
        self.relay.forget_transport(self, self._ports)


class RawTransport:
    """Datagrams that are no RTP, on a port of its own; copied to the transport that it is joined with."""

    addresses: tuple[Address, ...]
    """The one address that the peer is told."""

    def set_remote(self, address: Address | None, latch: Latch = Latch.ONCE) -> None:
        """Say where the peer announced itself; opens the latching window."""
        raise NotImplementedError

    def relatch(self) -> None:
        """Open the latching window anew although the peer announced nothing new."""
        raise NotImplementedError

    def reaches(self, peer: str) -> bool:
        """Whether a peer's numeric address is of our family (IPv4, IPv6)."""
        raise NotImplementedError

    def close(self) -> None:
        """Forget it and give the port back; no event follows."""
        raise NotImplementedError


def _plain(address: Address | None) -> list[Any] | None:
    return None if address is None else list(address)


def _nobody(_event: TransportEvent) -> None:
    """Owner of a closed transport."""
