"""Who asks, once that is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from boringsdp.b2bua.policy import Refusal
from boringsdp.sip.uri import SipUri

if TYPE_CHECKING:
    from boringsdp.b2bua.bindings import Binding
    from boringsdp.b2bua.settings import DomainSettings


@dataclass(slots=True, frozen=True)
class Identity:
    """A user of a domain, at a browser."""

    aor: SipUri
    display_name: str
    domain: DomainSettings
    binding: Binding | None = None
    """The registration that it asks by; None without one."""
    credentials: tuple[tuple[str, str], ...] = ()
    """Header lines that the PBX is to see (pass-through)."""


Identified = Identity | Refusal
"""A refusal with 401 or 407 is a challenge: its headers are to go out."""
Done = Callable[[Identified], None]
"""Takes what became of asking who somebody is: at once, or when an HTTP server has said."""
