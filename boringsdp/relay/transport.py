"""A leg's transport, as the call layer holds it: WebRTC (ICE-lite, DTLS-SRTP) or plain (RTP, SDES-SRTP)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from boringsdp.relay.engine import Address, IceCredentials, Keys, Latch, TransportId, TransportStatistics
from boringsdp.relay.rules import StreamRules
from boringsdp.relay.stream import Stream


class Transport:
    """What both kinds share. `addresses` are what peers are told: for WebRTC every candidate, for plain the one RTP address."""

    id: TransportId
    addresses: tuple[Address, ...]
    rtcp_port: int | None
    """Advertised RTCP port of a plain transport with its own; None with rtcp-mux."""
    streams: tuple[Stream, ...]

    def add_stream(self, rules: StreamRules) -> Stream:
        """Add an m-line. Raises `Exhausted` beyond `max_streams_per_transport`, `WrongState` after close."""
        raise NotImplementedError

    def statistics(self) -> TransportStatistics:
        raise NotImplementedError

    def record(self) -> dict[str, Any]:
        """Everything worth writing down, JSON-able, without keys or passwords."""
        raise NotImplementedError

    def close(self) -> None:
        """RTCP BYE, DTLS close_notify, then forget it; no event follows. Closing twice is nothing."""
        raise NotImplementedError


class WebRtcTransport(Transport):
    """ICE-lite on the shared port and DTLS-SRTP. Open as soon as its credentials are known to the peer: checks and ClientHello may come early."""

    credentials: IceCredentials
    fingerprint: tuple[str, str]
    """Our certificate's `("sha-256", "AB:CD:…")` for a=fingerprint."""

    def start(self, fingerprints: Iterable[tuple[str, str]], *, client: bool) -> None:
        """
        The peer's description is known: `fingerprints` are its (hash, value) pairs, `client` is our DTLS role (True: active, a=setup:active).

        Before this call only an early ClientHello is served (as passive), and its keys are held back. Called again with the same set and role it
        does nothing (re-offer, ICE restart); with others a new association begins (RFC 8842 §5.5). Leads to `Connected` or `Failed`.
        Raises `DtlsError` when no fingerprint uses sha-256, sha-384 or sha-512.
        """
        raise NotImplementedError

    def restart_ice(self) -> IceCredentials:
        """Return new credentials for the next description; the old ones are good until the peer uses the new. DTLS goes on."""
        raise NotImplementedError


class PlainTransport(Transport):
    """RTP and RTCP on ports of its own, in the clear or with SDES keys."""

    def set_remote(self, rtp: Address | None, rtcp: Address | None = None, latch: Latch = Latch.ONCE) -> None:
        """Where the peer announced itself; opens the latching window. `rtcp` None: the next port, or the same with rtcp-mux."""
        raise NotImplementedError

    def set_keys(self, send: Keys | None, receive: Keys | None) -> None:
        """SDES keys agreed, per way (RFC 4568); None leaves that way as it is. From then on that way is SRTP. Old receive keys stay some seconds."""
        raise NotImplementedError

    def use_rtcp_mux(self) -> None:
        """rtcp-mux was agreed on a transport opened with a pair: RTCP moves to the RTP port (RFC 5761 §5.1.1)."""
        raise NotImplementedError
