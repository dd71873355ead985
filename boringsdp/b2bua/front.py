"""What comes in from browsers and PBXs, and whom it is given to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from boringsdp.b2bua.bindings import Binding
    from boringsdp.b2bua.bridge.bridge import Bridge
    from boringsdp.b2bua.settings import B2buaSettings, DomainSettings
    from boringsdp.call import Calls
    from boringsdp.sip.endpoint import Endpoint
    from boringsdp.sip.facades import Session


class Front:
    """One for a gateway. `start` after the endpoint's, `close` before."""

    settings: B2buaSettings
    endpoint: Endpoint
    calls: Calls

    def hear_web(self, event: Any) -> None:
        """Take what browsers send outside of dialogs (the account of `Endpoint.serve_browsers`)."""
        raise NotImplementedError

    def from_pbx(self, domain: DomainSettings, binding: Binding | None, event: Any) -> None:
        """Take what the PBX of a domain sends outside of dialogs; `binding` where its account is that of one browser (pass-through)."""
        raise NotImplementedError

    def bridges(self) -> Iterable[Bridge]:
        """Those that are not over."""
        raise NotImplementedError

    def bridge_of(self, session: Session) -> Bridge | None:
        """The call that a session is a side of."""
        raise NotImplementedError
