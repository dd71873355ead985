"""A subscription, as a front has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boringsdp.sip.entries import Entry
from boringsdp.sip.refer import Referral
from boringsdp.sip.subscription import Subscription as Core

if TYPE_CHECKING:
    from boringsdp.sip.account import Hear
    from boringsdp.sip.endpoint import Endpoint


class Subscription:
    """A subscription of ours (events of `subscription.py`), or the implicit one of a REFER (events of `refer.py`)."""

    def __init__(self, endpoint: Endpoint, call_id: str, hear: Hear) -> None:
        self.hear: Hear | None = hear
        self.call_id = call_id
        self.over = False
        self.core: Core | Referral | None = None
        self.entry: Entry | None = None
        self._endpoint = endpoint

    def refresh(self) -> None:
        """Send SUBSCRIBE now; that of a REFER stays as it is."""
        if isinstance(self.core, Core) and self.entry is not None and not self.over:
            self._endpoint.run(self.entry, self.core.refresh(self._endpoint.now()))

    def renew(self, expires: int, *, accept: str, headers: tuple[tuple[str, str], ...], content_type: str, body: bytes) -> None:
        """Send SUBSCRIBE now, with other values; that of a REFER stays as it is. Raises Forbidden."""
        if isinstance(self.core, Core) and self.entry is not None and not self.over:
            headers = self._endpoint.check_headers(headers, self.entry.line)
            self.core.change(accept=accept, headers=headers, content_type=content_type, body=body)
            self._endpoint.run(self.entry, self.core.refresh(self._endpoint.now(), expires))

    def unsubscribe(self) -> None:
        """End it. `SubscriptionEnded` follows after the final NOTIFY or the response; of a REFER nothing more is heard."""
        if self.core is None or self.entry is None or self.over:
            return
        self.over = isinstance(self.core, Referral)
        self._endpoint.run(self.entry, self.core.stop(self._endpoint.now()))
