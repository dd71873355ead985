"""What the call layer tells the relay: settings of the whole, rules of one stream, rules of one route. Plain values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from boringsdp.values import Value


@dataclass(slots=True, frozen=True, kw_only=True)
class RelaySettings:
    """
    Where the relay listens and how long it is patient.

    `webrtc_hosts` are local addresses that all share the UDP port number `webrtc_port` (0: any free one). `plain_hosts` are the local
    addresses for plain RTP, the first is the default; `plain_ports` is the inclusive range of their ports. `advertised` maps a local
    address to the one that peers are told (1:1 NAT); a wildcard address that is not in it is announced as the default route's.
    """

    webrtc_hosts: tuple[str, ...] = ("127.0.0.1",)
    webrtc_port: int = 0
    plain_hosts: tuple[str, ...] = ("127.0.0.1",)
    plain_ports: tuple[int, int] = (20000, 29999)
    advertised: Mapping[str, str] = field(default_factory=dict)
    plain_advertised: Mapping[str, str] = field(default_factory=dict)
    """The same for `plain_hosts`: the PBX may stand inside, where the public address is no use."""
    interfaces: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Names for groups of local hosts, in order of preference; each is one of `webrtc_hosts` or `plain_hosts`. "": all of them."""
    interface_advertised: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """
    By interface, what its hosts are announced as, for all kinds of ports: one host may be known by another address on each interface. A
    host that is not in it is announced as everywhere.
    """
    trunk_port: int = 0
    """The RTP port on each plain host that calls with `trunks` share, RTCP on the next, two for each of the engine's workers; 0: none."""
    trunks: tuple[str, ...] = ()
    """Networks whose media comes from exactly the address that SDP names, each call from an address of its own."""
    trunk_interfaces: frozenset[str] = frozenset()
    """Interfaces on which every plain peer is in them, so that this is known before it has answered; `*`: everywhere."""
    port_rest_s: float = 30.0
    ice_timeout_s: float = 30.0
    """From `start()` to the first authenticated check; and from a lost consent to the failure, unless the peer returns."""
    dtls_timeout_s: float = 20.0
    consent_timeout_s: float = 30.0
    latch_window_s: float = 10.0
    media_timeout_s: float = 60.0
    """No packet of any stream that should receive, nor RTCP, for so long is a `MediaTimeout`; 0 never."""
    silence_s: float = 1.0
    slow_link_lost: int = 0
    """So many packets lost within a second is a `SlowLink`; 0 never."""
    minimum_digit_ms: int = 100
    max_transports: int = 20_000
    max_streams_per_transport: int = 64
    max_half_open_per_source: int = 64
    """DTLS handshakes under way with one remote IP address."""
    max_half_open: int = 2_000


class StreamFormat(Value, frozen=True, kw_only=True):
    """One payload type that may arrive: encoding name and RTP clock in Hz."""

    name: str
    clock_rate: int


class StreamRules(Value, frozen=True, kw_only=True):
    """
    What one m-line carries, as agreed with this peer.

    `formats` are the payload types that may arrive. `feedback` is what the peer agreed to hear for this stream, any of "nack", "pli",
    "fir" (a=rtcp-fb `nack`, `nack pli`, `ccm fir`). `rtcp=False` sends and expects none. `dtmf_payload_type` with its clock is what we
    send digits with, None when the peer has no telephone-event. `receive`: media is expected now (not held), only then silence counts
    as a timeout.
    """

    kind: str
    formats: Mapping[int, StreamFormat]
    mid: str = ""
    mid_extension: int = 0
    audio_level_extension: int = 0
    ssrcs: frozenset[int] = frozenset()
    feedback: frozenset[str] = frozenset()
    rtcp: bool = True
    reduced_size: bool = False
    dtmf_payload_type: int | None = None
    dtmf_clock_rate: int = 8000
    receive: bool = True


class RouteRules(Value, frozen=True, kw_only=True):
    """
    How packets change between two streams. `payload_types` maps incoming to outgoing; what is absent is dropped.

    `telephone_events` are incoming payload types with their clock in Hz: never forwarded, collected into digits, reported, and sent anew
    to the target when it has a `dtmf_payload_type`. `extensions` maps header extension ids, `constant_extensions` are put on every packet
    (MID). With `enabled=False` (hold) nothing is forwarded, digits included; they are still reported. With `media=False` digits pass and
    media does not, with `dtmf=False` the reverse; with `silenced` the media is replaced by silence where its codec has a known one (G.711,
    G.722, Opus), else it is held back.
    """

    payload_types: Mapping[int, int]
    telephone_events: Mapping[int, int] = msgspec.field(default_factory=dict)
    extensions: Mapping[int, int] = msgspec.field(default_factory=dict)
    constant_extensions: Mapping[int, bytes] = msgspec.field(default_factory=dict)
    enabled: bool = True
    media: bool = True
    dtmf: bool = True
    silenced: bool = False

    @property
    def flows(self) -> bool:
        """Whether media passes, be it silenced."""
        return self.enabled and self.media

    @property
    def shows(self) -> bool:
        """Whether media passes as it is."""
        return self.flows and not self.silenced
