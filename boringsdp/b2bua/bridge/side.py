"""One of the two sides of a call through the gateway."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from boringsdp.b2bua.plan import Kind
from boringsdp.call import Party
from boringsdp.sdp import LegStyle

if TYPE_CHECKING:
    from boringsdp.b2bua.bindings import Binding
    from boringsdp.b2bua.identity import Identity
    from boringsdp.sip.facades import Session


@dataclass(slots=True, eq=False)
class Side:
    """A dialog, and the leg of the call that goes with it. Another session or leg may take its place (transfers)."""

    session: Session
    kind: Kind
    party: Party
    style: LegStyle
    """What our offers to it look like."""
    branch: str = ""
    """Of party B: its leg's name."""
    binding: Binding | None = None
    passes_challenges: bool = False
    """Its user has the password that the other side asks for."""
    identity: Identity | None = None
    """Who it is, where that is known beside the call's beginning: of a browser that has taken somebody's place."""
