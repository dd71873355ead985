"""Who asks, once that is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

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
