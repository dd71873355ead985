"""Whom a call is tried at, in the stack's terms."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from boringsdp.sdp import LegStyle

if TYPE_CHECKING:
    from boringsdp.b2bua.bindings import Binding
    from boringsdp.b2bua.topology import Topology
    from boringsdp.sip.facades import Account
    from boringsdp.sip.flow import Flow
    from boringsdp.sip.uri import SipUri


class Kind(enum.Enum):
    """What somebody is."""

    BROWSER = "browser"
    PBX = "pbx"
    ECHO = "echo"


@dataclass(slots=True, frozen=True, kw_only=True)
class Attempt:
    """One INVITE."""

    kind: Kind
    account: Account
    uri: str
    """Request-URI."""
    style: LegStyle
    route: str = ""
    """The next hop, a value of Route; empty: as the account's requests go."""
    flow: Flow | None = None
    """The connection of a browser."""
    binding: Binding | None = None
    to: str = ""
    """Of To, a name-addr; empty: `uri`."""
    identity: SipUri | None = None
    display_name: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    topology: Topology | None = None
    """What of a PBX, whose request it is, a browser is not to see."""
    otherwise: Attempt | None = None
    """Tried in its place when nobody can be reached there: 503, no answer at all, no connection."""


Plan = tuple[tuple[Attempt, ...], ...]
"""Groups in turn, the attempts of one at once."""
