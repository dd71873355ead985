"""What the SIP endpoint is told once: where it listens, what it says of itself, its bounds and its policy."""

from __future__ import annotations

from dataclasses import dataclass, field

from boringsdp.sip.conduct import ConductSettings
from boringsdp.sip.session import SessionSettings
from boringsdp.sip.timers import DEFAULT_TIMERS, TimerSettings
from boringsdp.sip.transport import TransportSettings


@dataclass(slots=True, frozen=True, kw_only=True)
class PolicySettings:
    """Who may ask, and where requests may go. Empty lists allow everything, but `sources`: see there."""

    sources: tuple[str, ...] = ()
    """
    Networks whose requests are taken by an account's identity. Without: only from hosts that the account registers at or calls through, and
    from anywhere by the Contact, which nobody can guess. All others get the same answer for accounts that exist and for those that do not.
    """
    registrars: tuple[str, ...] = ()
    """Hosts that accounts may register at and call through; `*.example.com` too."""
    targets: tuple[str, ...] = ()
    """Hosts that calls and other requests may go to, redirected and transferred ones too."""
    headers: tuple[str, ...] = ()
    """Names of headers that fronts may add to requests and responses; a final `*` stands for any ending."""
    follow_redirects: bool = True
    """Whether a 3xx is followed, to what `targets` allows; otherwise it is told as a failure."""
    redirects: int = 5
    """Contacts that one request tries in all."""
    silent: bool = False
    """Leave strangers without an answer, instead of 404."""


@dataclass(slots=True, frozen=True, kw_only=True)
class SipSettings:
    """The SIP endpoint."""

    transport: TransportSettings = field(default_factory=TransportSettings)
    user_agent: str = "BoringSDP"
    timers: TimerSettings = DEFAULT_TIMERS
    session: SessionSettings = field(default_factory=SessionSettings)
    accounts: int = 10_000
    usages: int = 20_000
    """Sessions, subscriptions and registrations at a time; more are refused with 503."""
    ladder_calls: int = 200
    """Call-IDs whose messages are kept for `ladder`; 0: none."""
    ladder_messages: int = 100
    """Messages kept of one Call-ID."""
    browsers: ConductSettings = field(default_factory=ConductSettings)
    """What connections that browsers make may do."""
    policy: PolicySettings = field(default_factory=PolicySettings)
