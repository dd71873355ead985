"""
The configuration: one tree of frozen dataclasses, read once at start.

Every key comes from, in this order, a flag (`--section.key=value`), the environment (`BORINGSDP_SECTION_KEY`), a TOML file (`[section]`,
`key = value`) or its default here. Everything is checked before anything starts; complaints name their key and are reported together.
No other module reads the environment or a file of settings.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from boringsdp import config_checks as checks
from boringsdp.config_b2bua import DomainConfig, domain_section, read_domains
from boringsdp.config_keys import ENVIRONMENT_PREFIX, Key, checked, keys_of, read_table, suggest
from boringsdp.config_sections import Config as Config
from boringsdp.config_values import from_text, to_toml
from boringsdp.errors import ConfigError, LocalError

FILE_VARIABLE = "BORINGSDP_CONFIG"


class ConfigErrors(LocalError):
    """Everything that is wrong with a configuration, at once; `complaints` is never empty."""

    def __init__(self, complaints: tuple[ConfigError, ...]) -> None:
        super().__init__("\n".join(str(complaint) for complaint in complaints))
        self.complaints = complaints


PLUGINS = "plugins"
DOMAINS = "domains"
PluginKinds = Mapping[str, type | None]
"""The plugins that are installed, by package name: the dataclass of what can be set, None for one that does not say."""
NO_PLUGINS: PluginKinds = MappingProxyType({})


def _sections() -> Iterator[dataclasses.Field[Any]]:
    return (section for section in dataclasses.fields(Config) if section.name not in (PLUGINS, DOMAINS))


def _keys() -> Iterator[Key]:
    for section in _sections():
        yield from keys_of(section.name, type(getattr(Config(), section.name)))


KEYS: Mapping[str, Key] = MappingProxyType({key.dotted: key for key in _keys()})
SECTIONS: Mapping[str, str] = MappingProxyType(
    {section.name: (type(getattr(Config(), section.name)).__doc__ or "").strip() for section in _sections()}
)


@dataclass(slots=True, frozen=True)
class Loaded:
    """A checked configuration and where each value came from, by dotted key: `default`, `file PATH`, `environment NAME` or `flag --KEY`."""

    config: Config
    origins: Mapping[str, str]
    plugins: PluginKinds = dataclasses.field(default_factory=lambda: NO_PLUGINS)


def load(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
    plugins: PluginKinds | None = None,
) -> Loaded:
    """
    Return the configuration in effect.

    `flags` maps dotted keys to their text; tables of plugins are checked by `plugins`, where that is given. Raises ConfigErrors with every
    complaint there is.
    """
    reader = _Reader(plugins)
    if file is not None:
        reader.read_file(file)
    reader.read_environment(environment or {})
    reader.read_flags(flags or {})
    return reader.result()


class _Reader:
    """Collects values, origins and complaints; later sources replace earlier ones."""

    def __init__(self, kinds: PluginKinds | None) -> None:
        self._kinds = kinds
        self._values: dict[str, Any] = {}
        self._origins: dict[str, str] = {}
        self._plugins: dict[str, Mapping[str, Any]] = {}
        self._domains: dict[str, DomainConfig] = {}
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
                self._take_plugins(table, f"file {path}")
            elif section not in SECTIONS:
                self._complain(section, f"no such section{suggest(section, SECTIONS)} (file {path})")
            elif not isinstance(table, dict):
                self._complain(section, f"is a section: write [{section}] above its keys (file {path})")
            else:
                for name, value in table.items():
                    if (section, name) == ("b2bua", DOMAINS):
                        self._take_domains(value, f"file {path}")
                    else:
                        self._take(f"{section}.{name}", value, f"file {path}")

    def read_environment(self, environment: Mapping[str, str]) -> None:
        known = {key.variable: key for key in KEYS.values()}
        for name, text in environment.items():
            section = name.removeprefix(ENVIRONMENT_PREFIX).partition("_")[0].lower()
            if name in known:
                self._take_text(known[name].dotted, text, f"environment {name}")
            elif name.startswith(ENVIRONMENT_PREFIX) and section in SECTIONS:
                self._complain(name, f"no such environment variable{suggest(name, known)}")

    def read_flags(self, flags: Mapping[str, str]) -> None:
        for dotted, text in flags.items():
            self._take_text(dotted, text, f"flag --{dotted}")

    def result(self) -> Loaded:
        config = self._build()
        bad = {complaint.key for complaint in self._complaints}
        for keys, reason in _across(config):
            if bad.isdisjoint(keys):
                sources = dict.fromkeys(self._origins[key] for key in keys if key in self._origins)
                self._complain(keys[0], f"{reason} ({', '.join(sources)})" if sources else reason)
        if self._complaints:
            raise ConfigErrors(tuple(self._complaints))
        where = {dotted: self._origins.get(dotted, "default") for dotted in (*KEYS, *self._origins)}
        return Loaded(config, MappingProxyType(where), self._kinds or NO_PLUGINS)

    def _build(self) -> Config:
        sections: dict[str, Any] = {}
        for section in SECTIONS:
            values = {key.name: self._values[key.dotted] for key in KEYS.values() if key.section == section and key.dotted in self._values}
            sections[section] = type(getattr(Config(), section))(**values)
        return Config(**sections, domains=MappingProxyType(self._domains), plugins=MappingProxyType(self._plugins))

    def _take_domains(self, tables: Any, origin: str) -> None:
        self._domains, wrong = read_domains(tables, origin)
        self._complaints += wrong
        if not wrong:
            self._origins |= {
                f"{domain_section(name.lower().rstrip('.'))}.{key}": origin for name, table in tables.items() for key in table
            }

    def _take_plugins(self, tables: Any, origin: str) -> None:
        if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
            self._complain(PLUGINS, f'holds one table for each plugin: write [plugins."janus.plugin.name"] ({origin})')
            return
        for package, table in tables.items():
            section = plugin_section(package)
            self._plugins[package] = table
            if self._kinds is not None and package not in self._kinds:
                self._complain(section, f"no such plugin is installed{suggest(package, self._kinds)} ({origin})")
            elif self._kinds is not None and (kind := self._kinds[package]) is not None:
                self._complaints += read_table(section, kind, table, origin)[1]
                self._origins |= {f"{section}.{name}": origin for name in table}

    def _take_text(self, dotted: str, text: str, origin: str) -> None:
        key = KEYS.get(dotted)
        if key is None:
            self._complain(dotted, f"no such key{suggest(dotted, KEYS)} ({origin})")
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
            self._complain(dotted, f"no such key{suggest(dotted, KEYS)} ({origin})")
            return
        try:
            self._values[dotted], self._origins[dotted] = checked(key, value), origin
        except ValueError as error:
            self._complain(dotted, f"{error} ({origin})")

    def _complain(self, key: str, reason: str) -> None:
        self._complaints.append(ConfigError(key, reason))


def _across(config: Config) -> Iterator[tuple[tuple[str, ...], str]]:
    """Complaints about values that are good by themselves: the keys concerned, the one to blame first, and the reason."""
    first, last = config.rtp.port_min, config.rtp.port_max
    if last - first < 3:
        yield ("rtp.port_max", "rtp.port_min"), f"must be at least 3 above rtp.port_min ({first})"
    if first % 2:
        yield ("rtp.port_min",), f"must be even, not {first}"
    engine, port = config.engine, config.webrtc.port
    ports = (port, port + engine.workers - 1) if port else ()
    if any(first <= each <= last for each in ports):
        what = f"with the ports of {engine.workers} workers " if engine.workers > 1 else ""
        yield ("webrtc.port", "rtp.port_min", "rtp.port_max"), f"{what}lies in the range of plain legs ({first}-{last})"
    if port + engine.workers > 65536:
        yield ("webrtc.port", "engine.workers"), f"leaves no ports for {engine.workers} workers"
    if engine.kind == "asyncio" and engine.workers > 1:
        yield ("engine.workers", "engine.kind"), "must be 1: the asyncio engine has one thread"
    if engine.kind == "asyncio" and engine.sockets == "steered":
        yield ("engine.sockets", "engine.kind"), "is for the native engine: the asyncio engine has a socket per call"
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
    if config.b2bua.expires_max < config.b2bua.expires_min:
        yield ("b2bua.expires_max", "b2bua.expires_min"), f"must be at least b2bua.expires_min ({config.b2bua.expires_min})"
    yield from _across_trunk(config)
    yield from _across_ng(config)
    for local in config.webrtc.advertised:
        if config.webrtc.addresses and local not in config.webrtc.addresses:
            yield ("webrtc.advertised", "webrtc.addresses"), f"{local} is not among webrtc.addresses"


def _across_trunk(config: Config) -> Iterator[tuple[tuple[str, ...], str]]:
    rtp, webrtc, workers = config.rtp, config.webrtc.port, config.engine.workers
    strange = [name for name in rtp.trunk_interfaces if name != "*" and name not in config.ng.interfaces]
    if strange:
        yield ("rtp.trunk_interfaces", "ng.interfaces"), f"{strange[0]} is not in ng.interfaces"
    if not rtp.trunk_port:
        if rtp.trunks or rtp.trunk_interfaces:
            yield ("rtp.trunk_port", "rtp.trunks", "rtp.trunk_interfaces"), "is needed: the port that calls with rtp.trunks share"
        return
    if not rtp.trunks:
        yield ("rtp.trunks", "rtp.trunk_port"), "is needed by rtp.trunk_port: the networks that media comes from"
    ports = range(rtp.trunk_port, rtp.trunk_port + 2 * workers)
    if rtp.trunk_port % 2 or rtp.trunk_port < 1024 or ports[-1] > 65535:
        yield ("rtp.trunk_port", "engine.workers"), f"must be even, 1024 to {65536 - 2 * workers}, not {rtp.trunk_port}"
    elif ports[0] <= rtp.port_max and rtp.port_min <= ports[-1]:
        yield ("rtp.trunk_port", "rtp.port_min", "rtp.port_max"), f"lies in the range of plain legs ({rtp.port_min}-{rtp.port_max})"
    elif webrtc and (both := [port for port in ports if webrtc <= port < webrtc + workers]):
        yield ("rtp.trunk_port", "webrtc.port"), f"{_trunk_name(both[0], rtp.trunk_port)} is one of browsers (webrtc.port)"
    elif both := [port for text in config.ng.listen if (port := checks.parse_endpoint(text)[1]) in ports]:
        yield ("rtp.trunk_port", "ng.listen"), f"{_trunk_name(both[0], rtp.trunk_port)} is one of NG (ng.listen)"


def _trunk_name(port: int, first: int) -> str:
    """Say which of the trunks' ports that is."""
    worker, is_rtcp = divmod(port - first, 2)
    of = f" of worker {worker + 1}" if worker else ""
    return f"{port}, the RTCP port{of} beside {port - 1}," if is_rtcp else f"{port}, the RTP port{of}," if worker else str(port)


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


def plugin_section(package: str) -> str:
    """Return how the section of a plugin is written."""
    return f"{PLUGINS}.{to_toml(package)}"


def effective(loaded: Loaded) -> str:
    """Return the configuration in effect as TOML, each line with its origin; secrets are masked."""
    lines: list[str] = []
    for section in SECTIONS:
        values = getattr(loaded.config, section)
        lines += [*_shown(section, values, [key for key in KEYS.values() if key.section == section], loaded.origins), ""]
        if section == "b2bua":
            for name, domain in loaded.config.domains.items():
                written = domain_section(name)
                lines += [*_shown(written, domain, keys_of(written, DomainConfig), loaded.origins), ""]
    for package, kind in loaded.plugins.items():
        if kind is not None:
            section = plugin_section(package)
            values, _ = read_table(section, kind, loaded.config.plugins.get(package, {}))
            lines += [*_shown(section, values, keys_of(section, kind), loaded.origins), ""]
    return "\n".join(lines)


def _shown(section: str, values: Any, keys: Iterable[Key], origins: Mapping[str, str]) -> Iterator[str]:
    yield f"[{section}]"
    for key in keys:
        value = getattr(values, key.name)
        shown = '"********"' if key.secret and value else to_toml(value)
        yield f"{f'{key.name} = {shown}':<48}  # {origins.get(key.dotted, 'default')}"


def example(plugins: PluginKinds = NO_PLUGINS) -> str:
    """Return an annotated configuration file in which every key stands, commented out, with its default."""
    lines = [
        "# BoringSDP's configuration. Every key is optional; what stands here, commented out, is its default.",
        "# Each key can also be set by environment (BORINGSDP_SECTION_KEY) or by flag (--section.key=value), but those of plugins.",
        "# There a list is written a,b and a table a=b,c=d; as TOML they can be written too.",
        "# A flag wins over the environment, the environment over this file.",
        "# `boringsdp check-config FILE` prints what is in effect and where it came from.",
    ]
    for section, text in SECTIONS.items():
        lines += _annotated(section, text, (key for key in KEYS.values() if key.section == section))
        if section == "b2bua":
            lines += _domain_example()
    for package, kind in plugins.items():
        if kind is not None:
            lines += _annotated(plugin_section(package), (kind.__doc__ or "").strip(), keys_of(plugin_section(package), kind))
    return "\n".join(lines) + "\n"


def _domain_example() -> Iterator[str]:
    """A domain has no default: all of it is a comment."""
    text = (DomainConfig.__doc__ or "").strip()
    yield from ("", f"# {text} A table for each; keys that are left out are as they stand here.", f"# [{domain_section('example.com')}]")
    for key in keys_of(domain_section("example.com"), DomainConfig):
        yield from (f"#   # {key.text}", f"#   {key.name} = {to_toml(key.default)}")


def _annotated(section: str, text: str, keys: Iterable[Key]) -> Iterator[str]:
    yield from ("", f"# {text}", f"[{section}]")
    for key in keys:
        yield from (f"# {key.text}", f"#{key.name} = {to_toml(key.default)}")
