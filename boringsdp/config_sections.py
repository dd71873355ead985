"""The keys of the configuration: each with its default, what it means in one sentence, and how it is checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from boringsdp import config_checks as checks
from boringsdp.config_b2bua import B2buaConfig, Domains
from boringsdp.config_keys import setting

NO_ADDRESSES: Mapping[str, str] = MappingProxyType({})
NO_LISTS: Mapping[str, tuple[str, ...]] = MappingProxyType({})


@dataclass(slots=True, frozen=True, kw_only=True)
class WebRtcConfig:
    """The side of the browsers: one shared UDP port."""

    addresses: tuple[str, ...] = setting(
        (),
        "Local IP addresses for WebRTC media; empty: all of this machine, but loopback and an interface's further IPv4 ones.",
        checks.addresses,
    )
    port: int = setting(8189, "The one UDP port that all WebRTC legs share; 0: any free one.", checks.port)
    advertised: Mapping[str, str] = setting(
        NO_ADDRESSES, "Public address to announce for a local one (1:1 NAT); the local one is then not announced.", checks.address_map
    )
    ice_timeout: float = setting(30.0, "Seconds in which the first ICE check must come, or a lost leg come back.", checks.between(2, 300))
    dtls_timeout: float = setting(20.0, "Seconds a DTLS handshake may take.", checks.between(2, 300))
    consent_timeout: float = setting(30.0, "Seconds without an authenticated ICE check after which a leg is lost.", checks.between(5, 120))


@dataclass(slots=True, frozen=True, kw_only=True)
class RtpConfig:
    """The side of the telephones: plain RTP and SDES-SRTP, a port or a pair for each stream."""

    address: str = setting("", "Local IP address of plain legs; empty: the one that leads to the default route.", checks.address_or_empty)
    address_v6: str = setting(
        "",
        "Local IPv6 address for peers that offer IPv6; empty: that of the default route, none when rtp.address is set.",
        checks.ipv6_or_empty,
    )
    advertised: str = setting("", "Address to announce to plain peers instead of the local one (1:1 NAT).", checks.address_or_empty)
    port_min: int = setting(20000, "First port of the range for plain legs; even, for RTP sits on even ports.", checks.range_port)
    port_max: int = setting(39999, "Last port of that range.", checks.range_port)
    port_rest: float = setting(
        30.0, "Seconds a released port rests, so that late packets are not heard in another call.", checks.between(0, 3600)
    )
    trunk_port: int = setting(
        0,
        "The one RTP port (even; RTCP on the next) that all calls with rtp.trunks share, two more for each further engine worker; 0: none.",
        checks.port,
    )
    trunks: tuple[str, ...] = setting(
        (), "Networks of carriers that send from exactly the address that their SDP names, each call from its own.", checks.networks
    )
    trunk_interfaces: tuple[str, ...] = setting(
        (), "Names of ng.interfaces where only rtp.trunks are called: offers to them name rtp.trunk_port too; *: everywhere."
    )
    latch: str = setting(
        "once",
        "strict: hear only the announced address; once: the first source that sends replaces it; follow: the peer may move.",
        checks.choice("strict", "once", "follow"),
    )
    latch_window: float = setting(
        60.0,
        "Seconds after an offer or answer in which latching may happen; a phone behind NAT may send nothing while it rings.",
        checks.between(0, 300),
    )
    allow: tuple[str, ...] = setting((), "Networks that an SDP may name as a destination in spite of `rtp.deny`.", checks.networks)
    deny: tuple[str, ...] = setting(
        ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4", "::/128", "::1/128", "fe80::/10", "ff00::/8"),
        "Networks that an SDP must not name as a destination (or anybody could aim the gateway at your inner services).",
        checks.networks,
    )


@dataclass(slots=True, frozen=True, kw_only=True)
class MediaConfig:
    """What both sides share."""

    timeout: float = setting(60.0, "Seconds without a packet, RTCP too, after which a leg is silent; 0: never.", checks.between(0, 3600))
    close_on_timeout: bool = setting(True, "End a call one of whose legs is reported as silent.")
    silence: float = setting(1.0, "Seconds without a packet after which a stream is reported as not arriving.", checks.between(0.1, 60))
    slow_link: int = setting(4, "Packets lost within a second that are reported as a slow link; 0: never.", checks.between(0, 10_000))
    dtmf_ms: int = setting(100, "Least length of a digit sent on, in milliseconds.", checks.between(40, 1000))


@dataclass(slots=True, frozen=True, kw_only=True)
class EngineConfig:
    """What moves the packets."""

    kind: str = setting(
        "auto",
        "native: the package boringsdp-native, several times cheaper; asyncio: pure Python; auto: native where it is installed.",
        checks.choice("auto", "asyncio", "native"),
    )
    workers: int = setting(
        1, "Threads of the native engine, a core each; each has a WebRTC port of its own, from webrtc.port on.", checks.between(1, 64)
    )
    hold_us: int = setting(
        500,
        "Most microseconds that packets wait to be taken together when there are many; 0: never; asyncio: anything else is 1000.",
        checks.between(0, 5000),
    )
    hold_above: int = setting(5000, "Packets a second of one native worker above which they wait so.", checks.between(0, 10_000_000))
    sockets: str = setting(
        "auto",
        "How the native engine has plain ports: steered into one socket (needs capabilities), per-call sockets, or auto: as it can.",
        checks.choice("auto", "steered", "per-call"),
    )


@dataclass(slots=True, frozen=True, kw_only=True)
class JanusConfig:
    """The Janus API."""

    enabled: bool = setting(True, "Whether there is one; false where only a proxy asks, by NG: neither port is then opened.")
    websocket_host: str = setting("", "Address of the WebSocket server; empty: all.", checks.address_or_empty)
    websocket_port: int = setting(8188, "TCP port of the WebSocket server (subprotocol janus-protocol); 0: any free one.", checks.port)
    http_host: str = setting("", "Address of the HTTP server; empty: all.", checks.address_or_empty)
    http_port: int = setting(8088, "TCP port of the HTTP server: long poll, /metrics and the demo page; 0: any free one.", checks.port)
    base_path: str = setting("/janus", "Path of the HTTP API.", checks.base_path)
    server_name: str = setting("BoringSDP", "What `info` calls this server.")
    api_secret: str = setting("", "Shared secret that every request must carry as `apisecret`; empty: none.", secret=True)
    tokens: tuple[str, ...] = setting((), "Stored tokens, one of which every request must carry as `token`; empty: none.", secret=True)
    token_secret: str = setting("", "Key of signed tokens (HMAC-SHA1, as Janus makes them); empty: none.", secret=True)
    session_timeout: float = setting(60.0, "Seconds without a request after which a session ends; 0: never.", checks.between(0, 86400))
    reclaim_session_timeout: float = setting(0.0, "Seconds in which a lost WebSocket's session may be claimed.", checks.between(0, 86400))
    hangup_on_failed: bool = setting(False, "End a PeerConnection with its `ice-failed`, instead of waiting for the browser to come back.")
    opaqueid_in_api: bool = setting(False, "Put a handle's opaque_id into its events.")
    candidates_timeout: float = setting(45.0, "Seconds that trickled candidates wait for their offer.", checks.between(1, 600))
    allow_origin: str = setting("", "What CORS headers say: one origin whose pages may call the HTTP API; empty: all.")
    enforce_cors: bool = setting(False, "Refuse requests of pages from other origins than janus.allow_origin.")
    acl: tuple[str, ...] = setting((), "Networks or address prefixes that clients must come from; empty: all.")
    acl_forwarded: bool = setting(False, "Take a client's address from X-Forwarded-For (only behind a proxy that sets it).")
    tls_certificate: str = setting("", "PEM file with the certificate chain: the API is then wss and https only.", checks.readable)
    tls_key: str = setting("", "PEM file with its private key.", checks.readable)
    disabled_plugins: tuple[str, ...] = setting((), "Plugins that are installed but not offered, such as janus.plugin.echotest.")
    max_sessions: int = setting(10_000, "Sessions at a time.", checks.between(1, 1_000_000))
    max_handles: int = setting(100, "Handles in one session.", checks.between(1, 10_000))


@dataclass(slots=True, frozen=True, kw_only=True)
class NoSipConfig:
    """The NoSIP plugin."""

    codecs: tuple[str, ...] = setting((), "Codecs to put first in what the plain side is offered, in this order.", checks.codecs)
    remove_codecs: tuple[str, ...] = setting((), "Codecs that are never offered to either side.", checks.codecs)


@dataclass(slots=True, frozen=True, kw_only=True)
class NgConfig:
    """rtpengine's NG protocol, for Kamailio and OpenSIPS. It has no password: whoever reaches it may place and end calls."""

    listen: tuple[str, ...] = setting(("127.0.0.1:2223",), "Addresses and ports for datagrams; empty: none; port 0: any.", checks.endpoints)
    tcp: tuple[str, ...] = setting((), "Addresses and ports for TCP; empty: none.", checks.endpoints)
    http: tuple[str, ...] = setting(
        (),
        "Addresses and ports for HTTP (/ng, /ng-plain, /ping, /metrics) and WebSocket; empty: none.",
        checks.endpoints,
    )
    tls_certificate: str = setting("", "PEM file with the certificate chain: ng.http is then https and wss only.", checks.readable)
    tls_key: str = setting("", "PEM file with its private key.", checks.readable)
    acl: tuple[str, ...] = setting((), "Networks that clients must come from; empty: all.", checks.networks)
    interfaces: Mapping[str, tuple[str, ...]] = setting(
        NO_LISTS,
        'Names for `direction`, each a list of local addresses, as address!advertised behind NAT: {ext = ["10.0.0.5!203.0.113.9"]}. '
        "The first is for calls that name none.",
        checks.interfaces,
    )
    delete_delay: float = setting(30.0, "Seconds a deleted call lives on, unless `delete` says another.", checks.between(0, 3600))
    offer_timeout: float = setting(3600.0, "Seconds an offer may wait for its answer.", checks.between(1, 86400))
    media_timeout: float = setting(60.0, "Seconds without any packet after which a call ends; 0: never.", checks.between(0, 86400))
    silent_timeout: float = setting(3600.0, "The same for calls that are held or blocked; 0: never.", checks.between(0, 604800))
    final_timeout: float = setting(0.0, "Seconds after which any call ends; 0: never.", checks.between(0, 2592000))
    max_sessions: int = setting(0, "NG calls at a time, re-INVITEs go on; 0: as many as limits.calls.", checks.between(0, 1_000_000))
    tos: int = setting(0, "TOS octet of media, 184 for EF, unless a request says another.", checks.between(0, 255))
    endpoint_learning: str = setting(
        "delayed",
        "How a plain peer's real address is learned, unless a request says another.",
        checks.choice("delayed", "immediate", "heuristic", "off"),
    )
    templates: Mapping[str, str] = setting(NO_ADDRESSES, "Flag strings that requests name with `template`.")
    timeout_url: str = setting("", "URL that is told when a call ends by timeout; a request may name another.", checks.http_url_or_empty)
    timeout_format: str = setting(
        "json", "What it is told: JSON, or XML-RPC in one of three shapes.", checks.choice("json", "sems", "call-id", "kamailio")
    )
    dtmf_log: str = setting("", "Address and port that digits are told, one JSON datagram each; empty: none.", checks.endpoint_or_empty)


@dataclass(slots=True, frozen=True, kw_only=True)
class SipConfig:
    """The gateway as a SIP endpoint, for the SIP plugin."""

    enabled: bool = setting(True, "Whether there is one; without the SIP plugin there is none either.")
    listen: tuple[str, ...] = setting(
        (),
        "Transports, addresses and ports as udp:192.0.2.1:5060, also tcp and tls; empty: udp and tcp where rtp.address is, on port 5060 "
        "or, where that is taken, any free one; and tls with a certificate, on 5061.",
        checks.sip_listeners,
    )
    advertised: Mapping[str, str] = setting(
        NO_ADDRESSES, "Address to announce for a local one (1:1 NAT); empty: as rtp.advertised says.", checks.address_map
    )
    direct: tuple[str, ...] = setting(
        (), "Networks that are told the local address all the same: those on our side of the NAT.", checks.networks
    )
    user_agent: str = setting("", "What User-Agent says of accounts that name none; empty: BoringSDP and its version.")
    tls_certificate: str = setting(
        "", "PEM file with the certificate chain for tls; shown to servers that ask for it, too.", checks.readable
    )
    tls_key: str = setting("", "PEM file with its private key.", checks.readable)
    tls_ca: str = setting("", "PEM file of the authorities that servers must be certified by; empty: the system's.", checks.readable)
    tls_verify: bool = setting(True, "Whether servers must have a certificate of theirs.")
    sources: tuple[str, ...] = setting(
        (),
        "Networks whose calls are taken for the name of an account; others, but its registrar and proxy, must know its Contact.",
        checks.networks,
    )
    silent: bool = setting(False, "Give strangers no answer at all, instead of 404.")
    registrars: tuple[str, ...] = setting((), "Hosts that accounts may register at or call through; empty: any.", checks.hosts)
    targets: tuple[str, ...] = setting((), "Hosts that may be called, redirects and transfers included; empty: any.", checks.hosts)
    headers: tuple[str, ...] = setting(
        (), "Headers that applications may add, such as X-*; empty: any but those of SIP itself.", checks.header_names
    )
    redirects: bool = setting(True, "Follow redirects (3xx); otherwise the call fails with them.")
    prack: str = setting(
        "supported",
        "Reliable provisional responses (RFC 3262); `required`: of both sides of every call, callers without them get 421.",
        checks.choice("off", "supported", "required"),
    )
    session_expires: int = setting(
        1800, "Seconds of session timers (RFC 4028); 0: only when the peer asks for them.", checks.between(0, 86400)
    )
    min_se: int = setting(90, "The shortest session timer that is accepted, in seconds.", checks.between(90, 86400))
    ring_limit: float = setting(180.0, "Seconds a call may ring; 0: for ever.", checks.between(0, 3600))
    t1: float = setting(0.5, "Timer T1 in seconds, the round-trip time; requests are given up after 64 of it.", checks.between(0.05, 5))
    keepalive: float = setting(25.0, "Seconds between keep-alives to registrars over UDP; 0: none.", checks.between(0, 3600))
    rate: float = setting(
        0.0,
        "Messages a second of one source above which they are dropped; `sources`, registrars, proxies and trunks excepted; 0: any.",
        checks.between(0, 1e6),
    )
    ban_after: int = setting(
        0,
        "Bad messages of one source within `ban_time`, broken ones, those for nobody and those of methods that are not served, after which "
        "nothing of it is heard for so long; never of `sources`, registrars, proxies and trunks; 0: never of anybody.",
        checks.between(0, 1_000_000),
    )
    ban_time: float = setting(600.0, "Seconds of a ban.", checks.between(1, 1e6))
    max_accounts: int = setting(10_000, "Accounts at a time.", checks.between(1, 1_000_000))
    ladder_calls: int = setting(200, "Calls whose messages are remembered, to be drawn; 0: none.", checks.between(0, 100_000))


@dataclass(slots=True, frozen=True, kw_only=True)
class LimitsConfig:
    """Bounds on the whole gateway."""

    calls: int = setting(2000, "Calls at a time; more are refused.", checks.between(1, 1_000_000))
    handshakes: int = setting(2000, "DTLS handshakes under way at a time.", checks.between(1, 1_000_000))
    handshakes_per_source: int = setting(64, "DTLS handshakes under way with one remote address.", checks.between(1, 1_000_000))
    answer_timeout: float = setting(300.0, "Seconds an offer may wait for its answer.", checks.between(1, 3600))
    drain: float = setting(30.0, "Seconds that calls may go on after SIGTERM; a second signal ends at once.", checks.between(0, 86400))


@dataclass(slots=True, frozen=True, kw_only=True)
class LogConfig:
    """What is written to standard error."""

    level: str = setting("info", "debug shows SDP too, without its keys and passwords.", checks.choice("debug", "info", "warning", "error"))
    format: str = setting("text", "text, or json (one object a line).", checks.choice("text", "json"))


@dataclass(slots=True, frozen=True, kw_only=True)
class DemoConfig:
    """`boringsdp demo`; `boringsdp serve` has no demo page."""

    host: str = setting("127.0.0.1", "Address of the demo's page, API and WebSocket; 0.0.0.0 for others to see it.", checks.address)
    echo_delay_ms: int = setting(200, "Delay of the echo peer unless the page asks for another.", checks.between(0, 5000))


@dataclass(slots=True, frozen=True, kw_only=True)
class Config:
    """The whole configuration."""

    webrtc: WebRtcConfig = WebRtcConfig()
    rtp: RtpConfig = RtpConfig()
    media: MediaConfig = MediaConfig()
    engine: EngineConfig = EngineConfig()
    janus: JanusConfig = JanusConfig()
    nosip: NoSipConfig = NoSipConfig()
    ng: NgConfig = NgConfig()
    sip: SipConfig = SipConfig()
    b2bua: B2buaConfig = dataclasses.field(default_factory=B2buaConfig)
    limits: LimitsConfig = LimitsConfig()
    log: LogConfig = LogConfig()
    demo: DemoConfig = DemoConfig()
    domains: Domains = dataclasses.field(default_factory=dict)
    """Tables `[b2bua.domains."example.com"]`, by name in lower case."""
    plugins: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    """Tables `[plugins."janus.plugin.name"]` of the file, checked where the plugin has said what is in it."""
