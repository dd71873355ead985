"""The keys of the front for web phones, and of each domain that it serves (`[b2bua.domains."example.com"]`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from boringsdp import config_checks as checks
from boringsdp.config_keys import read_table, setting
from boringsdp.config_values import to_toml
from boringsdp.errors import ConfigError

MODES = ("pass-through", "registrar", "trunk")
SHORTEST_SECRET = 16


@dataclass(slots=True, frozen=True, kw_only=True)
class B2buaConfig:
    """SIP over WebSocket for web phones (JsSIP, SIP.js), joined with a PBX. There is none without a domain: see below."""

    enabled: bool = setting(True, "Whether there is one; without domains there is none either.")
    listen: tuple[str, ...] = setting(
        (),
        "Addresses and ports of its own for WebSocket, as ws:0.0.0.0:8080 or wss:0.0.0.0:8443 (sip.tls_certificate).",
        checks.ws_listeners,
    )
    path: str = setting("/sip", "Path of its WebSocket on the HTTP port of the Janus API.", checks.base_path)
    origins: tuple[str, ...] = setting((), "Origins whose pages may connect, as https://phone.example.com; empty: all.", checks.origins)
    grace: float = setting(30.0, "Seconds that a lost WebSocket is waited for; its calls go on.", checks.between(0, 600))
    max_call: float = setting(0.0, "Seconds after which any call ends; 0: never.", checks.between(0, 1e6))
    ring: float = setting(60.0, "Seconds that whoever is tried may ring.", checks.between(1, 3600))
    headers: tuple[str, ...] = setting(
        ("X-*", "Subject", "Priority", "Alert-Info", "Call-Info", "User-to-User", "Accept-Language"),
        "Headers that are passed from one side to the other.",
        checks.header_names,
    )
    refer: str = setting(
        "auto",
        "Who carries a transfer out: pass, the one who is asked; local, the gateway; auto: in pass-through mode the PBX, else the gateway.",
        checks.choice("auto", "pass", "local"),
    )
    redirects: bool = setting(True, "Follow redirects (3xx) on behalf of callers; otherwise they are passed on.")
    routing: str = setting(
        "",
        "A policy of one's own, as module:name, beside this file or installed; empty: users by their browsers, others by the PBX.",
        checks.module_name,
    )
    records: str = setting("", "File that gets a line of JSON for each call; empty: none.", checks.in_folder)
    challenge_calls: bool = setting(False, "Ask for the password with each call, not only to register.")
    bindings_file: str = setting("", "File in which registrations outlive a restart; empty: none.", checks.in_folder)
    expires_min: int = setting(60, "The shortest registration, in seconds.", checks.between(1, 86_400))
    expires_max: int = setting(3600, "The longest registration, in seconds.", checks.between(1, 604_800))
    bindings_per_user: int = setting(10, "Browsers that one user may be registered with at a time.", checks.between(1, 1000))
    max_bindings: int = setting(20_000, "Registrations at a time.", checks.between(1, 1_000_000))
    wrong_passwords: int = setting(
        20, "Wrong passwords from one address in a minute after which it is refused without a look; 0: any.", checks.between(0, 1_000_000)
    )


@dataclass(slots=True, frozen=True, kw_only=True)
class DomainConfig:
    """A domain that web phones have their addresses in."""

    mode: str = setting(
        "registrar",
        "Who knows the users: pass-through, the PBX, which gets their REGISTER and their passwords; registrar, we; trunk: we, and the PBX "
        "knows the gateway alone.",
        checks.choice(*MODES),
    )
    pbx: tuple[str, ...] = setting(
        (), "SIP URIs of the PBX, tried in turn, as sip:192.0.2.1 or sip:pbx.example.com;transport=tls; empty: none.", checks.sip_uris
    )
    sources: tuple[str, ...] = setting((), "Networks that the PBX calls from, besides the addresses in pbx.", checks.networks)
    media: str = setting(
        "avp",
        "How media is keyed towards the PBX: plain RTP, SDES, SDES where it takes it, DTLS.",
        checks.choice("avp", "sdes", "sdes-optional", "dtls"),
    )
    realm: str = setting("", "Realm of digest; empty: the domain.")
    users: str = setting("", "File of users: lines user:password or user:realm:HA1, or TOML.", checks.readable)
    users_url: str = setting("", "URL that is asked about each user, by POST of JSON.", checks.http_url_or_empty)
    token_secret: str = setting(
        "", "Key of signed tokens, which stand for passwords.", checks.secret_or_empty(SHORTEST_SECRET), secret=True
    )
    algorithms: tuple[str, ...] = setting(
        ("SHA-256", "MD5"),
        "Of digest, in the order of their offers: JsSIP and SIP.js read the last alone and know MD5 alone.",
        checks.digests,
    )
    account: str = setting("", "Trunk: SIP URI that the PBX knows the gateway by; empty: by its address alone.", checks.sip_uri_or_empty)
    username: str = setting("", "Trunk: user name of digest; empty: the user of `account`.")
    password: str = setting("", "Trunk: its password.", secret=True)
    register: bool = setting(False, "Trunk: register `account` at the first of pbx.")
    caller: str = setting(
        "",
        "Trunk: who calls, as the PBX is told, where {user} is the user: +4930{user}; empty: the user, at the domain.",
        checks.caller_rule,
    )
    trust_identity: bool = setting(True, "Believe P-Asserted-Identity of the PBX, and assert our users to it.")
    refer: str = setting("", "As b2bua.refer, for this domain; empty: that.", checks.choice("", "auto", "pass", "local"))


Domains = Mapping[str, DomainConfig]


def domain_section(name: str) -> str:
    """Return how the section of a domain is written."""
    return f"b2bua.domains.{to_toml(name)}"


def read_domains(tables: Any, origin: str) -> tuple[dict[str, DomainConfig], list[ConfigError]]:
    """Return the domains by name in lower case, and everything that is wrong with them."""
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        return {}, [ConfigError("b2bua.domains", f'holds one table for each domain: write [b2bua.domains."example.com"] ({origin})')]
    found: dict[str, DomainConfig] = {}
    complaints: list[ConfigError] = []
    for name, table in tables.items():
        section, key = domain_section(name), name.lower().rstrip(".")
        domain, wrong = read_table(section, DomainConfig, table, origin)
        complaints += wrong
        reason = checks.domain(name) or ("stands there twice" if key in found else None)
        if reason:
            complaints.append(ConfigError(section, f"{reason} ({origin})"))
        elif not wrong:
            complaints += [ConfigError(f"{section}.{each}", f"{why} ({origin})") for each, why in _across(domain, table)]
        found[key] = domain
    return found, complaints


def _across(domain: DomainConfig, table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Keys of one domain that do not go together: the one to blame, and the reason."""
    ours = ("users", "users_url", "token_secret")
    trunk = ("account", "username", "password", "register", "caller")
    idle = (*(ours if domain.mode == "pass-through" else ()), *(trunk if domain.mode != "trunk" else ()))
    for name in idle:
        if table.get(name):
            yield name, f"means nothing with mode = {to_toml(domain.mode)}"
    if domain.mode != "pass-through" and not any(getattr(domain, name) for name in ours):
        yield "mode", f"{to_toml(domain.mode)} needs users, users_url or token_secret"
    if domain.mode == "trunk" and not domain.pbx:
        yield "pbx", 'is needed by mode = "trunk"'
    if domain.mode == "trunk" and domain.register and not (domain.account and domain.password):
        yield "register", "needs account and password"
