"""What the front for web phones is told once, at start."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from boringsdp.sip.uri import SipUri


class Mode(enum.Enum):
    """Who knows the users of a domain."""

    PASS_THROUGH = "pass-through"
    """The PBX: REGISTER and credentials go through to it."""
    REGISTRAR = "registrar"
    """We: users come from a file, an HTTP call-out or signed tokens; the PBX is called for everybody else."""
    TRUNK = "trunk"
    """We, as a registrar; towards the PBX there is one account, or none but our address."""


class Media(enum.Enum):
    """How media is keyed towards the PBX."""

    AVP = "avp"
    SDES = "sdes"
    SDES_OPTIONAL = "sdes-optional"
    DTLS = "dtls"


class Refer(enum.Enum):
    """Who carries a transfer out."""

    AUTO = "auto"
    """The PBX in pass-through mode, for it wants the user's credentials; else we."""
    PASS = "pass"
    """The peer: the REFER is passed on."""
    LOCAL = "local"
    """We call the target and join it with the one who is transferred."""


@dataclass(slots=True, frozen=True, kw_only=True)
class TrunkAccount:
    """How the gateway stands with the PBX of a domain."""

    identity: SipUri
    username: str = ""
    password: str = ""
    register: bool = False
    caller: str = ""
    """From towards the PBX, `{user}` stands for the caller's: `+4930{user}`; empty: as it is."""


@dataclass(slots=True, frozen=True, kw_only=True)
class DomainSettings:
    """One domain that web phones have their addresses in."""

    name: str
    mode: Mode
    pbx: tuple[SipUri, ...] = ()
    """Tried in turn."""
    realm: str = ""
    """Of digest; empty: the name."""
    users: str = ""
    """A file of users."""
    users_url: str = ""
    """Asked for each user."""
    token_secret: str = ""
    """Key of signed tokens."""
    algorithms: tuple[str, ...] = ("SHA-256", "MD5")
    """Of digest, in the order in which they are offered: JsSIP and SIP.js read the last challenge alone, and know MD5 alone."""
    media: Media = Media.AVP
    trunk: TrunkAccount | None = None
    sources: tuple[str, ...] = ()
    """Networks of the PBX, beside the addresses in `pbx`."""
    trust_identity: bool = True
    """Whether P-Asserted-Identity of the PBX is passed to browsers, and theirs is made by us for the PBX."""
    refer: Refer | None = None
    """None: as `B2buaSettings.refer` says."""


@dataclass(slots=True, frozen=True, kw_only=True)
class B2buaSettings:
    """The front."""

    domains: Mapping[str, DomainSettings] = field(default_factory=dict)
    """By name, in lower case."""
    path: str = "/sip"
    """Of WebSockets on the web port."""
    origins: tuple[str, ...] = ()
    """Pages that may connect; none: any."""
    grace_s: float = 30.0
    """How long a browser whose WebSocket is lost is waited for."""
    max_call_s: float = 0.0
    """0: as long as they like."""
    ring_s: float = 60.0
    """How long one attempt may ring."""
    headers: tuple[str, ...] = ("X-*", "Subject", "Priority", "Alert-Info", "Call-Info", "User-to-User", "Accept-Language")
    """Headers that are passed from side to side; a final `*` stands for any ending."""
    refer: Refer = Refer.AUTO
    follow_redirects: bool = True
    routing: str = ""
    """A policy of one's own, as `module:name`."""
    records: str = ""
    """A file that gets a line of JSON for each call."""
    challenge_calls: bool = False
    """Ask for the password with every call, not at registration alone."""
    bindings_file: str = ""
    """Where bindings are kept over a restart."""
    expires_min: int = 60
    expires_max: int = 3600
    bindings_per_user: int = 10
    max_bindings: int = 20_000
    wrong_passwords: int = 20
    """Of one source in a minute; more are refused without a look."""
