"""
The configuration: one tree of frozen dataclasses, read once at start.

Every key comes from, in this order, a flag (`--section.key=value`), the environment (`BORINGSDP_SECTION_KEY`), a TOML file (`[section]`,
`key = value`) or its default here. Everything is checked before anything starts; complaints name their key and are reported together.
No other module reads the environment or a file of settings.
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from boringsdp import config_checks as checks
from boringsdp.config_checks import Check
from boringsdp.config_values import Lists, from_text, to_toml, typed
from boringsdp.errors import ConfigError, LocalError

ENVIRONMENT_PREFIX = "BORINGSDP_"
FILE_VARIABLE = "BORINGSDP_CONFIG"
NO_ADDRESSES: Mapping[str, str] = MappingProxyType({})
NO_LISTS: Mapping[str, tuple[str, ...]] = MappingProxyType({})


class ConfigErrors(LocalError):
    """Everything that is wrong with a configuration, at once; `complaints` is never empty."""

    def __init__(self, complaints: tuple[ConfigError, ...]) -> None:
        super().__init__("\n".join(str(complaint) for complaint in complaints))
        self.complaints = complaints


def setting(default: Any, text: str, check: Check | None = None, *, secret: bool = False) -> Any:
    """Return a dataclass field for one key: its default, what it means in one sentence, how it is checked and whether it is shown."""
    return dataclasses.field(default_factory=lambda: default, metadata={"text": text, "check": check, "secret": secret})


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
    janus: JanusConfig = JanusConfig()
    nosip: NoSipConfig = NoSipConfig()
    ng: NgConfig = NgConfig()
    limits: LimitsConfig = LimitsConfig()
    log: LogConfig = LogConfig()
    demo: DemoConfig = DemoConfig()
    plugins: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    """Tables `[plugins."janus.plugin.name"]` of the file, for the plugins of others; each plugin checks its own."""


PLUGINS = "plugins"


@dataclass(slots=True, frozen=True)
class Key:
    """One key of the tree; `type` is bool, int, float, str, tuple (of str), dict (str to str) or Lists."""

    section: str
    name: str
    type: type
    default: Any
    text: str
    check: Check | None
    secret: bool

    @property
    def dotted(self) -> str:
        """The full name, as complaints and flags write it."""
        return f"{self.section}.{self.name}"

    @property
    def variable(self) -> str:
        """The environment variable."""
        return f"{ENVIRONMENT_PREFIX}{self.section}_{self.name}".upper()


def _sections() -> Iterator[dataclasses.Field[Any]]:
    return (section for section in dataclasses.fields(Config) if section.name != PLUGINS)


def _keys() -> Iterator[Key]:
    for section in _sections():
        section_default = getattr(Config(), section.name)
        kind = type(section_default)
        hints = typing.get_type_hints(kind)
        for field in dataclasses.fields(kind):
            origin = typing.get_origin(hints[field.name]) or hints[field.name]
            plain = origin
            if origin is Mapping:
                plain = dict if typing.get_args(hints[field.name])[1] is str else Lists
            about = field.metadata
            yield Key(section.name, field.name, plain, getattr(section_default, field.name), about["text"], about["check"], about["secret"])


KEYS: Mapping[str, Key] = MappingProxyType({key.dotted: key for key in _keys()})
SECTIONS: Mapping[str, str] = MappingProxyType(
    {section.name: (type(getattr(Config(), section.name)).__doc__ or "").strip() for section in _sections()}
)


@dataclass(slots=True, frozen=True)
class Loaded:
    """A checked configuration and where each value came from, by dotted key: `default`, `file PATH`, `environment NAME` or `flag --KEY`."""

    config: Config
    origins: Mapping[str, str]


def load(file: Path | None = None, environment: Mapping[str, str] | None = None, flags: Mapping[str, str] | None = None) -> Loaded:
    """
    Return the configuration in effect.

    `flags` maps dotted keys to their text. Raises ConfigErrors with every complaint there is.
    """
    reader = _Reader()
    if file is not None:
        reader.read_file(file)
    reader.read_environment(environment or {})
    reader.read_flags(flags or {})
    return reader.result()


class _Reader:
    """Collects values, origins and complaints; later sources replace earlier ones."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self._origins: dict[str, str] = {}
        self._plugins: dict[str, Mapping[str, Any]] = {}
        self._complaints: list[ConfigError] = []

    def read_file(self, path: Path) -> None:
        try:
            tree = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            self._complain(str(path), f"cannot be read: {error.strerror or error}")
            return
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            self._complain(str(path), f"is not TOML: {error}")
            return
        for section, table in tree.items():
            if section == PLUGINS:
                self._take_plugins(table)
            elif section not in SECTIONS:
                self._complain(section, f"no such section{_suggest(section, SECTIONS)} (file {path})")
            elif not isinstance(table, dict):
                self._complain(section, f"is a section: write [{section}] above its keys (file {path})")
            else:
                for name, value in table.items():
                    self._take(f"{section}.{name}", value, f"file {path}")

    def read_environment(self, environment: Mapping[str, str]) -> None:
        known = {key.variable: key for key in KEYS.values()}
        for name, text in environment.items():
            section = name.removeprefix(ENVIRONMENT_PREFIX).partition("_")[0].lower()
            if name in known:
                self._take_text(known[name].dotted, text, f"environment {name}")
            elif name.startswith(ENVIRONMENT_PREFIX) and section in SECTIONS:
                self._complain(name, f"no such environment variable{_suggest(name, known)}")

    def read_flags(self, flags: Mapping[str, str]) -> None:
        for dotted, text in flags.items():
            self._take_text(dotted, text, f"flag --{dotted}")

    def result(self) -> Loaded:
        config = self._build()
        bad = {complaint.key for complaint in self._complaints}
        for keys, reason in _across(config):
            if bad.isdisjoint(keys):
                origins = dict.fromkeys(self._origins[key] for key in keys if key in self._origins)
                self._complain(keys[0], f"{reason} ({', '.join(origins)})" if origins else reason)
        if self._complaints:
            raise ConfigErrors(tuple(self._complaints))
        return Loaded(config, MappingProxyType({dotted: self._origins.get(dotted, "default") for dotted in KEYS}))

    def _build(self) -> Config:
        sections: dict[str, Any] = {}
        for section in SECTIONS:
            values = {key.name: self._values[key.dotted] for key in KEYS.values() if key.section == section and key.dotted in self._values}
            sections[section] = type(getattr(Config(), section))(**values)
        return Config(**sections, plugins=MappingProxyType(self._plugins))

    def _take_plugins(self, tables: Any) -> None:
        if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
            self._complain(PLUGINS, 'holds one table for each plugin: write [plugins."janus.plugin.name"]')
        else:
            self._plugins.update(tables)

    def _take_text(self, dotted: str, text: str, origin: str) -> None:
        key = KEYS.get(dotted)
        if key is None:
            self._complain(dotted, f"no such key{_suggest(dotted, KEYS)} ({origin})")
            return
        try:
            value = from_text(key.type, text)
        except ValueError as error:
            self._complain(dotted, f"{error} ({origin})")
            return
        self._take(dotted, value, origin)

    def _take(self, dotted: str, value: Any, origin: str) -> None:
        key = KEYS.get(dotted)
        if key is None:
            self._complain(dotted, f"no such key{_suggest(dotted, KEYS)} ({origin})")
            return
        try:
            typed_value = typed(key.type, value)
        except ValueError as error:
            self._complain(dotted, f"{error} ({origin})")
            return
        reason = key.check(typed_value) if key.check else None
        if reason:
            self._complain(dotted, f"{reason} ({origin})")
            return
        self._values[dotted], self._origins[dotted] = typed_value, origin

    def _complain(self, key: str, reason: str) -> None:
        self._complaints.append(ConfigError(key, reason))


def _suggest(name: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    if not near and "." in name:  # a right key in a wrong section
        last = name.rpartition(".")[2]
        near = [dotted for dotted in known if dotted.endswith(f".{last}")][:1]
    return f"; did you mean {near[0]}?" if near else ""


def _across(config: Config) -> Iterator[tuple[tuple[str, ...], str]]:
    """Complaints about values that are good by themselves: the keys concerned, the one to blame first, and the reason."""
    first, last = config.rtp.port_min, config.rtp.port_max
    if last - first < 3:
        yield ("rtp.port_max", "rtp.port_min"), f"must be at least 3 above rtp.port_min ({first})"
    if first % 2:
        yield ("rtp.port_min",), f"must be even, not {first}"
    if first <= config.webrtc.port <= last:
        yield ("webrtc.port", "rtp.port_min", "rtp.port_max"), f"lies in the range of plain legs ({first}-{last})"
    if not (config.janus.enabled or config.ng.listen or config.ng.tcp or config.ng.http):
        yield ("janus.enabled", "ng.listen"), "is false, and nothing is listened on for NG: nobody could ask for a call"
    if config.janus.websocket_port and config.janus.websocket_port == config.janus.http_port:
        yield ("janus.websocket_port", "janus.http_port"), f"is the same as janus.http_port ({config.janus.http_port})"
    for name, part in (("janus", config.janus), ("ng", config.ng)):
        if bool(part.tls_certificate) != bool(part.tls_key):
            pair = (f"{name}.tls_key", f"{name}.tls_certificate")
            yield pair if part.tls_certificate else pair[::-1], "is needed too: certificate and key go together"
    if config.janus.enforce_cors and not config.janus.allow_origin:
        yield ("janus.allow_origin", "janus.enforce_cors"), "is needed by janus.enforce_cors"
    if config.janus.tokens and config.janus.token_secret:
        yield ("janus.token_secret", "janus.tokens"), "cannot be set beside janus.tokens: tokens are either stored or signed"
    yield from _across_ng(config)
    for local in config.webrtc.advertised:
        if config.webrtc.addresses and local not in config.webrtc.addresses:
            yield ("webrtc.advertised", "webrtc.addresses"), f"{local} is not among webrtc.addresses"


def _across_ng(config: Config) -> Iterator[tuple[tuple[str, ...], str]]:
    first, last = config.rtp.port_min, config.rtp.port_max
    for text in config.ng.listen:
        _, port = checks.parse_endpoint(text)
        if first <= port <= last:
            yield ("ng.listen", "rtp.port_min", "rtp.port_max"), f"{text} lies in the range of plain legs ({first}-{last})"
        if port and port == config.webrtc.port:
            yield ("ng.listen", "webrtc.port"), f"{text} has the port of webrtc.port"
    both = [text for text in config.ng.tcp if text in config.ng.http and checks.parse_endpoint(text)[1]]
    if both:
        yield ("ng.http", "ng.tcp"), f"{both[0]} is in ng.tcp too"


# --- showing ---------------------------------------------------------------------------------------------------------------------------


def effective(loaded: Loaded) -> str:
    """Return the configuration in effect as TOML, each line with its origin; secrets are masked."""
    lines: list[str] = []
    for section in SECTIONS:
        lines += ["", f"[{section}]"] if lines else [f"[{section}]"]
        for key in (key for key in KEYS.values() if key.section == section):
            value = getattr(getattr(loaded.config, section), key.name)
            shown = '"********"' if key.secret and value else to_toml(value)
            lines.append(f"{f'{key.name} = {shown}':<48}  # {loaded.origins[key.dotted]}")
    return "\n".join(lines) + "\n"


def example() -> str:
    """Return an annotated configuration file in which every key stands, commented out, with its default."""
    lines = [
        "# BoringSDP's configuration. Every key is optional; what stands here, commented out, is its default.",
        "# Each key can also be set by environment (BORINGSDP_SECTION_KEY) or by flag (--section.key=value).",
        "# There a list is written a,b and a table a=b,c=d; as TOML they can be written too.",
        "# A flag wins over the environment, the environment over this file.",
        "# `boringsdp check-config FILE` prints what is in effect and where it came from.",
    ]
    for section, text in SECTIONS.items():
        lines += ["", f"# {text}", f"[{section}]"]
        for key in (key for key in KEYS.values() if key.section == section):
            lines += [f"# {key.text}", f"#{key.name} = {to_toml(key.default)}"]
    return "\n".join(lines) + "\n"
